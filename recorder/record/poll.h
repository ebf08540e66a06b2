/* poll, select, epoll_wait and their kin. */
#ifndef RECORDER_RECORD_POLL_H
#define RECORDER_RECORD_POLL_H

#include "recorder/record/session.h"

enum call_action model_poll(struct session *s, struct task *t, struct call *c); /* poll, ppoll */
enum call_action model_select(struct session *s, struct task *t,
                              struct call *c); /* select, pselect6 */
enum call_action model_epoll_wait(struct session *s, struct task *t, struct call *c);
/* Address in the tracee of a timespec (or timeval) of zero, good for one call. */
uint64_t poll_zero_timeout(struct session *s);

#endif
