/* The run's stdout and stderr: captured as the program writes them. SIGPIPE. */
#ifndef RECORDER_RECORD_OUTPUT_H
#define RECORDER_RECORD_OUTPUT_H

#include "recorder/record/session.h"

/* A finished call may have written to one of the streams: add it to the event and keep it. */
void output_capture(struct session *s, struct task *t, struct call *c);
/* The same for bytes that did not come out of the program's memory; they must last until the event
 * ends. */
void output_add(struct session *s, int stream, const void *data, uint64_t length);
/* At the exit stop of a call that ended with EPIPE: did the kernel raise SIGPIPE with it? It does
 * for pipes and stream sockets, without MSG_NOSIGNAL; for datagrams never. */
bool output_raised_sigpipe(const struct task *t);
/* The kernel's SIGPIPE, modelled. */
void output_send_sigpipe(struct session *s, struct task *t);

/* Keep them for the result, beside an event that has them. How many of them belong into the event:
 * a trace in memory ends with the result's output, one that is streamed holds all. */
uint64_t output_keep(struct session *s, int stream, const void *data, uint64_t length);
/* The run has ended: output and its digest go into the result. */
void output_collect(struct session *s);

#endif
