/* Memory calls: mmap, munmap, mprotect, mremap, brk, madvise, shmat. */
#ifndef RECORDER_RECORD_MM_H
#define RECORDER_RECORD_MM_H

#include "recorder/record/session.h"

enum call_action model_mmap(struct session *s, struct task *t, struct call *c);
enum call_action model_munmap(struct session *s, struct task *t, struct call *c);
enum call_action model_mprotect(struct session *s, struct task *t, struct call *c);
enum call_action model_mremap(struct session *s, struct task *t, struct call *c);
enum call_action model_brk(struct session *s, struct task *t, struct call *c);
enum call_action model_madvise(struct session *s, struct task *t, struct call *c);
enum call_action model_shmat(struct session *s, struct task *t, struct call *c);
enum call_action model_shmdt(struct session *s, struct task *t, struct call *c);

/* The path of what the task has open, kept for the run; NULL: not known. */
const char *mm_name_of_fd(struct session *s, struct task *t, int fd);

#endif
