/* /dev/random and /dev/urandom: what is read from them comes from the seed. */
#ifndef RECORDER_RECORD_RANDOM_DEVICE_H
#define RECORDER_RECORD_RANDOM_DEVICE_H

#include "recorder/record/session.h"

/* read, readv and their kin on such a device. */
enum call_action random_device_read(struct session *s, struct task *t, struct call *c);

#endif
