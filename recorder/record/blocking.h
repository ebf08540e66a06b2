/* Calls that wait for a descriptor: parked at their entry stop, polled from outside (design.md
 * section 3). */
#ifndef RECORDER_RECORD_BLOCKING_H
#define RECORDER_RECORD_BLOCKING_H

#include "recorder/record/session.h"

/* Look again at every parked call: those whose condition holds become `woken`. */
void blocking_poll(struct session *s);
/* Nobody can run and no deadline is set: wait for the outside world if some parked call waits for it.
 * False: nothing outside can help. */
bool blocking_wait_outside(struct session *s);
/* Tasks asleep in the kernel whose call has come back. */
void blocking_collect_kernel(struct session *s);
/* A call that the kernel is executing sleeps there: let others run meanwhile. */
void blocking_fell_asleep(struct session *s, struct task *t);
/* State letter of proc(5): 'S' asleep. */
char blocking_task_letter(pid_t tid);
/* The default handlers of rows whose `blocks` says so. */
enum call_action blocking_fd_call(struct session *s, struct task *t, struct call *c);
/* Forget the parked call's duplicates. */
void blocking_release(struct call *c);
/* Is our duplicate ready for these events now? */
bool blocking_is_ready(int fd, short events);

#endif
