/* Calls on sockets that are more than one read or write: connect, and the many-message calls. */
#ifndef RECORDER_RECORD_SOCKETS_H
#define RECORDER_RECORD_SOCKETS_H

#include "recorder/record/session.h"

enum call_action model_connect(struct session *s, struct task *t, struct call *c);
enum call_action model_recvmmsg(struct session *s, struct task *t, struct call *c);
enum call_action model_sendmmsg(struct session *s, struct task *t, struct call *c);
/* Run by the kernel; notes the options that change how calls wait. */
enum call_action model_setsockopt(struct session *s, struct task *t, struct call *c);

#endif
