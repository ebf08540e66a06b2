/* Namespaces, the reaper and the program's first process. */
#ifndef RECORDER_RECORD_START_H
#define RECORDER_RECORD_START_H

#include "recorder/record/session.h"

/* Start the program up to its entry stop at execve. 0: s->tasks holds the first task, stopped.
 * Negative errno with s->error set. */
int start_program(struct session *s);
/* Kill whatever is left of the run and reap it. */
void start_cleanup(struct session *s);

#define START_TMPDIR "/tmp/rrtest-tmp"

#endif
