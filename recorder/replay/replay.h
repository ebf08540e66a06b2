/* Replay a trace: apply what the events say, nothing else. Links no scheduler policy, no rewriter,
 * no system-call semantics; opens no recorded path; executes no recorded file. */
#ifndef RECORDER_REPLAY_REPLAY_H
#define RECORDER_REPLAY_REPLAY_H

#include <stdbool.h>
#include <stdint.h>

#include "recorder/base/error.h"

struct replay_options {
    const char *trace;
    bool verify;   /* registers at each event, memory checksums */
    int stdout_fd; /* -1: discard */
    int stderr_fd;
    bool (*interrupted)(void *context);
    void *interrupted_context;
};

enum replay_verdict {
    REPLAY_SAME,
    REPLAY_CUT,      /* the trace ends early (its recorder was killed); all of it replayed */
    REPLAY_DIVERGED, /* message names the first event where it shows and what differed */
    REPLAY_INTERRUPTED,
};

struct replay_result {
    enum replay_verdict verdict;
    int status;    /* the recorded one, as wait(2) */
    char *message; /* owned */
    uint64_t events, stops;
    uint64_t ticks;
};
void replay_result_done(struct replay_result *result);

/* 0: *ret is filled. Negative: no replay was possible (damaged trace, missing permission...). */
int replay_run(const struct replay_options *options, struct replay_result *ret,
               struct rr_error *error);

#endif
