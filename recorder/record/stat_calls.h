/* Calls that ask about files. */
#ifndef RECORDER_RECORD_STAT_CALLS_H
#define RECORDER_RECORD_STAT_CALLS_H

#include "recorder/record/session.h"

enum call_action model_stat(struct session *s, struct task *t,
                            struct call *c); /* statx and its kin */
/* statfs, fstatfs: how much is free on file systems that others use too is not shown. */
enum call_action model_statfs(struct session *s, struct task *t, struct call *c);

#endif
