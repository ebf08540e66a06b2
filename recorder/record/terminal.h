/* Terminals: job control, and the work that the kernel puts off between a terminal's two ends. */
#ifndef RECORDER_RECORD_TERMINAL_H
#define RECORDER_RECORD_TERMINAL_H

#include "recorder/record/session.h"

/* Before and after the kernel runs a call on a terminal: what the program blocks or ignores decides
 * between SIGTTIN, SIGTTOU, EIO and success (tty_check_change, drivers/tty/tty_jobctrl.c), and the
 * kernel does not know it. */
void terminal_enter(struct session *s, struct task *t);
void terminal_leave(struct task *t);
/* Something was written by our duplicate's end: what it does at the other end (echo, ^C, the
 * wake-up of a reader) is done when this returns. */
void terminal_flush(struct session *s, int fd);

enum call_action model_ioctl(struct session *s, struct task *t, struct call *c);

#endif
