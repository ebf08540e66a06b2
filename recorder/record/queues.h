/* System V semaphores and message queues, POSIX message queues. */
#ifndef RECORDER_RECORD_QUEUES_H
#define RECORDER_RECORD_QUEUES_H

#include "recorder/record/session.h"

enum call_action model_semop(struct session *s, struct task *t,
                             struct call *c); /* and semtimedop */
enum call_action model_semctl(struct session *s, struct task *t, struct call *c);
enum call_action model_msgsnd(struct session *s, struct task *t, struct call *c);
enum call_action model_msgrcv(struct session *s, struct task *t, struct call *c);
enum call_action model_mq_notify(struct session *s, struct task *t, struct call *c);
/* mq_timedsend, mq_timedreceive. */
enum call_action model_mq_timed(struct session *s, struct task *t, struct call *c);
/* shmget, semget, msgget, mq_open: what they make outlives its makers. */
enum call_action model_ipc_get(struct session *s, struct task *t, struct call *c);

#endif
