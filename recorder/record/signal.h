/* Signals in recording: sending, choosing, delivering as frames, faults, and the calls about them.
 */
#ifndef RECORDER_RECORD_SIGNAL_H
#define RECORDER_RECORD_SIGNAL_H

#include "recorder/record/session.h"

/* Queue a signal for a process (task NULL) or a task. Ignored ones vanish; SIGCONT, SIGSTOP and
 * SIGKILL act as in kernel/signal.c. */
void signal_send(struct session *s, struct process *p, struct task *t, const siginfo_t *info);
/* Something is deliverable to t now and is not ignored. */
bool signal_pending(struct task *t);
/* The same for a parked call: it would be interrupted. */
bool signal_interrupts(struct session *s, struct task *t);
bool signal_kills(struct task *t); /* SIGKILL is pending */
/* Finish the parked call with EINTR or a restart, then deliver. */
void signal_interrupt_call(struct session *s, struct task *t);
/* Deliver what is pending. True: t died, stopped or another decision is due. */
bool signal_deliver(struct session *s, struct task *t);
/* A synchronous fault; t->regs at the instruction. */
void signal_fault(struct session *s, struct task *t, const siginfo_t *info);
void signal_from_outside(struct session *s, struct task *t, const siginfo_t *info);

enum call_action model_rt_sigaction(struct session *s, struct task *t, struct call *c);
enum call_action model_rt_sigprocmask(struct session *s, struct task *t, struct call *c);
enum call_action model_rt_sigreturn(struct session *s, struct task *t, struct call *c);
enum call_action model_rt_sigpending(struct session *s, struct task *t, struct call *c);
enum call_action model_rt_sigsuspend(struct session *s, struct task *t, struct call *c);
enum call_action model_rt_sigtimedwait(struct session *s, struct task *t, struct call *c);
enum call_action model_pause(struct session *s, struct task *t, struct call *c);
enum call_action model_sigaltstack(struct session *s, struct task *t, struct call *c);
enum call_action model_kill(struct session *s, struct task *t, struct call *c);
enum call_action model_tgkill(struct session *s, struct task *t, struct call *c);
enum call_action model_tkill(struct session *s, struct task *t, struct call *c);
enum call_action model_rt_sigqueueinfo(struct session *s, struct task *t, struct call *c);
enum call_action model_rt_tgsigqueueinfo(struct session *s, struct task *t, struct call *c);
enum call_action model_pidfd_send_signal(struct session *s, struct task *t, struct call *c);

/* ppoll, pselect6, epoll_pwait: swap the mask for the call's duration (undone at its end, or after
 * the handler's frame was built). 0 or -errno. */
int signal_swap_mask(struct task *t, struct call *c, uint64_t set_address, uint64_t set_size);
void signal_restore_mask(struct task *t, struct call *c);

#endif
