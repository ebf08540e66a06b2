/* Signals that the kernel sends of its own accord, or somebody outside of the run: a terminal's ^C
 * and hang-up, job control, mq_notify, O_ASYNC. A task that runs is stopped by them; one that is
 * parked has them queued in the kernel, where nobody would see them. */
#ifndef RECORDER_RECORD_KERNEL_SIGNALS_H
#define RECORDER_RECORD_KERNEL_SIGNALS_H

#include "recorder/record/session.h"

/* Take what is queued for parked tasks over into the model. */
void kernel_signals_collect(struct session *s);
/* What is queued for t, whose call is at a stop of any kind. Non-zero: the task is gone. */
int kernel_signals_take(struct session *s, struct task *t);
/* t is at a signal's stop: into the model, if the signal is none that is modelled where it arises.
 */
void kernel_signals_arrived(struct session *s, struct task *t);

#endif
