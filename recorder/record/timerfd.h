/* timerfd on virtual time: the real one stays disarmed; a due one is armed with 1 ns so that the
 * kernel makes it readable, and the count that a read returns is corrected. */
#ifndef RECORDER_RECORD_TIMERFD_H
#define RECORDER_RECORD_TIMERFD_H

#include "recorder/record/session.h"

void timerfd_fire(struct session *s, uint64_t object);
enum call_action model_timerfd_create(struct session *s, struct task *t, struct call *c);
enum call_action model_timerfd_settime(struct session *s, struct task *t, struct call *c);
enum call_action model_timerfd_gettime(struct session *s, struct task *t, struct call *c);
/* A finished read of a timerfd: the true number of expirations. */
void timerfd_read_finished(struct session *s, struct task *t, struct call *c);

#endif
