/* Opening a FIFO, which waits for the other side (fifo(7)). */
#ifndef RECORDER_RECORD_FIFO_H
#define RECORDER_RECORD_FIFO_H

#include "recorder/record/session.h"

/* open, openat, creat, openat2: CALL_RUN for everything that is no FIFO or does not wait. c->finish
 * is called for a new descriptor in any case. */
enum call_action fifo_open(struct session *s, struct task *t, struct call *c);

#endif
