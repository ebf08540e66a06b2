/* signalfd over the signal model: the descriptor is an eventfd that is readable while a signal of
 * its mask is pending; reads are answered from the queues. */
#ifndef RECORDER_RECORD_SIGNALFD_H
#define RECORDER_RECORD_SIGNALFD_H

#include "recorder/record/session.h"

/* The pending signals of the process have changed. */
void signalfd_notify(struct session *s, struct process *p);
enum call_action model_signalfd(struct session *s, struct task *t, struct call *c);
enum call_action signalfd_read(struct session *s, struct task *t, struct call *c);

#endif
