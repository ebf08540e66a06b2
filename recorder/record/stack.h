/* Where the tasks of a run stand, for its result. Reads tracees and the files they map; changes
 * nothing. */
#ifndef RECORDER_RECORD_STACK_H
#define RECORDER_RECORD_STACK_H

#include "recorder/record/session.h"

/* All tasks of the run with what they do and their stacks become the result's, `cause` (or NULL)
 * first; its state is `how` ("killed by SIGSEGV"; NULL: as the others'). Every living task must be
 * stopped, and known with its registers. What an earlier call read is replaced. At most 64 tasks
 * and two seconds for names. */
void stack_read_all(struct session *s, struct task *cause, const char *how);

#endif
