/* Files whose true contents would show the recorder or vary from run to run: /proc/PID/maps and its kin,
 * /dev/urandom; and reads that the recorder answers itself. */
#ifndef RECORDER_RECORD_PROCFS_H
#define RECORDER_RECORD_PROCFS_H

#include "recorder/record/session.h"

enum call_action model_open(struct session *s, struct task *t, struct call *c); /* open, openat */
enum call_action model_read(struct session *s, struct task *t, struct call *c);

#endif
