/* The run's stdout and stderr: captured as the program writes them. */
#ifndef RECORDER_RECORD_OUTPUT_H
#define RECORDER_RECORD_OUTPUT_H

#include "recorder/record/session.h"

/* A finished call may have written to one of the streams: add it to the event and keep it. */
void output_capture(struct session *s, struct task *t, struct call *c);
/* EPIPE: the kernel's SIGPIPE, modelled. */
void output_broken_pipe(struct session *s, struct task *t, struct call *c);

#endif
