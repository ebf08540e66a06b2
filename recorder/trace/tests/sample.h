/* A small trace with one event of every kind, and helpers to look at trace directories. */
#ifndef RECORDER_TRACE_TESTS_SAMPLE_H
#define RECORDER_TRACE_TESTS_SAMPLE_H

#include "recorder/trace/trace.h"

#define SAMPLE_EVENTS EVENT_KIND_COUNT
#define SAMPLE_STDOUT "out of event 2\n"

struct trace_meta sample_meta(void); /* static storage: not for trace_meta_done() */
struct event
sample_event(size_t number); /* from 0; any number; static storage until the next call */

/* Append the first count events; they use the files 1 (content) and 2 (shared), registered here. */
void sample_write(struct trace_writer *w, size_t count, bool flush_each);

/* A whole trace at path; streamed, or kept from memory. */
void sample_make(const char *path, size_t count, bool streamed);

bool sample_same(const struct event *a, const struct event *b);

/* Open and read all events and files. 0: whole, every event is what the sample has at that place;
 * else the first error. *ret_events: how many came. Fails the test if a wrong event came. */
int sample_check(const char *path, size_t *ret_events, struct rr_error *error);

/* A fresh directory for one test, and its removal with everything in it. */
char *sample_directory(void);
void sample_remove(char *path);
char *sample_path(const char *directory, const char *name); /* joined; owned by the caller */

#endif
