/* Numbers and times of files as the program sees them. Times that fall into the run are virtual;
 * inode and device numbers of file systems that are the run's own (TMPDIR, /proc), of pipes and
 * memory files count from the first one seen. What was there before the run keeps its numbers and
 * times, and so do the inode numbers of files that the run makes elsewhere. */
#ifndef RECORDER_RECORD_FILE_FACTS_H
#define RECORDER_RECORD_FILE_FACTS_H

#include <sys/types.h>

#include "recorder/blob/facts.h"
#include "recorder/record/session.h"

/* The run begins now. */
struct file_facts *file_facts_new(const struct tracee_area *area);
/* The first task is there: look at what the program will find. */
void file_facts_started(struct session *s);
void file_facts_free(struct file_facts *facts);

/* After a call that ended well: it wrote to a file, or changed names or attributes. */
void file_facts_after_call(struct session *s, struct task *t, const struct call *c);
/* An open that may have made a file or cut it to nothing: `fd` is what it gave. */
void file_facts_opened(struct session *s, struct task *t, int fd, bool cut);
/* What is becomes what is shown. */
void file_facts_show_file(struct session *s, struct shown_file *file);
/* Device and inode of a file as shown. */
void file_facts_show(struct session *s, uint64_t *device, uint64_t *inode);
uint64_t file_facts_device(struct session *s, uint64_t device);
/* Is it in one of the file systems whose numbers are replaced? */
bool file_facts_is_private(struct session *s, uint64_t device);
/* A pipe's number. */
uint64_t file_facts_pipe(struct session *s, uint64_t inode);
/* Mount ids are drawn from one pool of the machine. */
uint64_t file_facts_mount(struct session *s, uint64_t mount_id);

/* The file is mapped shared from now on. False: handlers cannot be told. */
bool file_facts_shared(struct session *s, uint64_t device, uint64_t inode);
/* The file's content is in the trace. */
void file_facts_kept(struct session *s, uint64_t device, uint64_t inode);

/* Inode of the directory that TMPDIR lies in, which is everybody's. */
uint64_t file_facts_shared_inode(const struct session *s);

#endif
