/* What can still come from outside of the run when every task of it waits: bytes on descriptors
 * that outsiders hold the other end of, and what the kernel delivers in its own time (TCP
 * retransmits and delayed acknowledgements on the run's loopback). Everything else that is waited
 * for can only come from inside, so that nothing will: a deadlock, known at once. */
#ifndef RECORDER_RECORD_OUTSIDE_H
#define RECORDER_RECORD_OUTSIDE_H

#include <sys/stat.h>

#include "recorder/record/session.h"

/* Nobody can run and no deadline is set. True: something may have come (look again). False: nothing
 * outside can help. */
bool outside_wait(struct session *s);
/* Nobody can run before the deadline at this virtual time. The same; false: time may jump there. */
bool outside_wait_until(struct session *s, uint64_t deadline);

/* Was this file there before the run? */
bool outside_made(const struct session *s, const struct stat *st);
/* Are bytes on their way, by the text of /proc/net/{tcp,tcp6,udp,udp6}? A sender that its peer's
 * closed window holds back (timer 4, proc_net_tcp.rst) is not. */
bool outside_in_flight(const char *table);

#endif
