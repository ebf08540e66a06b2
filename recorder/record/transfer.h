/* Reading, writing, sending and receiving without ever sleeping in the kernel: a call that would
 * have to wait is parked; one that moves its bytes in several steps (a write larger than the room,
 * MSG_WAITALL, a low-water mark) is run in pieces that do not wait, and others run in between, as
 * they would natively. */
#ifndef RECORDER_RECORD_TRANSFER_H
#define RECORDER_RECORD_TRANSFER_H

#include "recorder/record/session.h"

/* The handler of rows that block for reading, writing or accepting. */
enum call_action blocking_fd_call(struct session *s, struct task *t, struct call *c);
/* Deadline of a socket's SO_RCVTIMEO or SO_SNDTIMEO from now, by its duplicate; UINT64_MAX: none.
 * Such calls are not restarted (signal(7)). */
uint64_t transfer_deadline(struct session *s, struct call *c, int option);

#endif
