/* Ports that the kernel would draw at random. */
#ifndef RECORDER_RECORD_PORTS_H
#define RECORDER_RECORD_PORTS_H

#include "recorder/record/session.h"

/* A finished socket(2): whenever this socket is bound without a wish for a port, it gets the next
 * one in order. Only in a network of the run's own, where nobody else takes ports. */
void ports_socket_made(struct session *s, struct task *t, const struct call *c);

#endif
