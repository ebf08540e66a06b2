/* Calls that wait: parked at their stop, looked at from outside, tried again when what they wait
 * for may have come (design.md section 3). No call of the program sleeps in the kernel while others
 * could run, but for the few that nothing can be done about; those are noticed by the 10 ms timer.
 *
 * A parked call is looked at in one of these ways:
 *   polled      its borrowed descriptors with `events`, and c->poll, in one poll(2) for all tasks
 *   asked       c->ready says
 *   retried     after a change of the kind c->wait_change, by whatever call made it
 * transfer.c, sockets.c, splice.c, locks.c, queues.c, fifo.c and poll.c have the calls themselves;
 * outside.c knows what the world outside of the run can still bring. */
#ifndef RECORDER_RECORD_BLOCKING_H
#define RECORDER_RECORD_BLOCKING_H

#include "recorder/record/session.h"

/* What a finished call may have changed for parked ones that cannot be polled. */
enum blocking_change {
    BLOCKING_CHANGE_NONE,
    BLOCKING_CHANGE_ANY,         /* some call had an effect */
    BLOCKING_CHANGE_LOCKS,       /* file locks: unlocked, a file closed */
    BLOCKING_CHANGE_QUEUES,      /* System V semaphores and message queues */
    BLOCKING_CHANGE_CONNECTIONS, /* room in the backlog of a listening socket */
    BLOCKING_CHANGE_FIFOS,       /* something was opened that may be a FIFO */
    BLOCKING_CHANGE_COUNT
};

/* Look again at every parked call: those whose condition holds become `woken`. */
void blocking_poll(struct session *s);
/* A call is over: count what it changed. */
void blocking_called(struct session *s, const struct call *c);
/* Can a finished call have made any parked one ready? False only for calls that change nothing. */
bool blocking_may_wake(const struct call *c);

/* Park until the borrowed descriptor in slot 0 (or `slot`) has one of these events (POLLIN...), or
 * the deadline. */
enum call_action blocking_park_polled(struct task *t, struct call *c, short events,
                                      uint64_t deadline);
enum call_action blocking_park_polled_slot(struct task *t, struct call *c, int slot, short events,
                                           uint64_t deadline);
/* Park until the next change of this kind, or the deadline. */
enum call_action blocking_park_retried(struct session *s, struct task *t, struct call *c,
                                       enum blocking_change change, uint64_t deadline);
/* The events of the borrowed descriptor (slot 0) now, among these and POLLERR, POLLHUP. */
short blocking_events(struct call *c, short events);

/* Tasks asleep in the kernel whose call has come back. */
void blocking_collect_kernel(struct session *s);
/* A call that the kernel is executing sleeps there: let others run meanwhile. */
void blocking_fell_asleep(struct session *s, struct task *t);
/* State letter of proc(5): 'S' asleep. */
char blocking_task_letter(pid_t tid);

/* Forget the parked call's duplicates. */
void blocking_release(struct call *c);
/* Is our duplicate ready for these events now? */
bool blocking_is_ready(int fd, short events);

#endif
