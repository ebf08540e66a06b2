/* futex(2) answered from the model, and what the kernel does at a task's exit. */
#ifndef RECORDER_RECORD_FUTEXES_H
#define RECORDER_RECORD_FUTEXES_H

#include "recorder/record/session.h"

enum call_action model_futex(struct session *s, struct task *t, struct call *c);
enum call_action model_set_robust_list(struct session *s, struct task *t, struct call *c);
enum call_action model_get_robust_list(struct session *s, struct task *t, struct call *c);
/* Within the EXIT event being built: clear_tid, robust list, wakes. */
void futexes_task_exits(struct session *s, struct task *t);

#endif
