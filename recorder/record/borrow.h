/* The program's descriptors, borrowed: our duplicates of what a call's arguments name, for the time
 * of that call. They are polled while the call is parked, make its files non-blocking while the
 * kernel runs it, and stand for the file when the number means another one by then. */
#ifndef RECORDER_RECORD_BORROW_H
#define RECORDER_RECORD_BORROW_H

#include "recorder/record/session.h"

/* Into c->borrowed[slot]: what the call's argument names. 0 or a negative errno. */
int borrow_take(struct task *t, struct call *c, int slot, int argument);
/* Some of the borrowed files are O_NONBLOCK, by the program's own will. */
bool borrow_is_nonblocking(struct call *c);
/* O_NONBLOCK on all of them until borrow_reblock(). Nobody sees it: everybody else is stopped. */
void borrow_unblock(struct call *c);
void borrow_reblock(struct call *c);
/* Before a parked call is run: numbers that mean another file by now (or none) are replaced in
 * run_args by numbers of their own. CALL_RUN; CALL_DONE with an error. */
enum call_action borrow_run(struct session *s, struct task *t, struct call *c);
/* Close the tracee's extra numbers. Keeps t->regs. */
void borrow_close_numbers(struct session *s, struct task *t, struct call *c);
/* Give everything back. */
void borrow_release(struct call *c);

#endif
