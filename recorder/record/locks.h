/* File locks: flock, and fcntl's waiting lock commands. */
#ifndef RECORDER_RECORD_LOCKS_H
#define RECORDER_RECORD_LOCKS_H

#include "recorder/record/session.h"

enum call_action model_flock(struct session *s, struct task *t, struct call *c);
enum call_action model_fcntl(struct session *s, struct task *t, struct call *c);

#endif
