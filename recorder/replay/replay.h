/* Replay a trace: apply what the events say, nothing else. Links no scheduler policy, no rewriter,
 * no system-call semantics; opens no recorded path; executes no recorded file, and lets the kernel
 * execute none of the program's system calls. */
#ifndef RECORDER_REPLAY_REPLAY_H
#define RECORDER_REPLAY_REPLAY_H

#include <stdbool.h>
#include <stdint.h>

#include "include/rrtest/stacks.h"
#include "recorder/base/error.h"

struct replay_options {
    const char *trace; /* its directory */
    /* all registers at each event, memory checksums; without it only ticks, instruction and stack
     * pointers and the numbers of system calls are checked */
    bool verify;
    bool any_processor; /* try even if this one lacks what the recorded program may have used */
    /* Replay up to and with this event, read all tasks' stacks there and end. */
    bool stacks;
    uint64_t stacks_at; /* number of the event, from 1; 0: the last before tasks end at the end */
    int stdout_fd;      /* -1: discard */
    int stderr_fd;
    bool (*interrupted)(void *context); /* asked every 10 ms; true ends the replay */
    void *interrupted_context;
};

enum replay_verdict {
    REPLAY_SAME,
    REPLAY_CUT,      /* the trace ends early (its recorder was killed); all of it replayed */
    REPLAY_DIVERGED, /* message names the first event where it shows and what differed */
    REPLAY_INTERRUPTED,
    REPLAY_STOPPED, /* at the event that was asked for; stacks has where the tasks stand */
};

struct replay_result {
    enum replay_verdict verdict;
    int status;    /* the recorded one, as wait(2) */
    char *message; /* owned */
    uint64_t events, stops;
    uint64_t ticks;
    struct stack_list stacks; /* owned; STOPPED: by number of the task, the event's is the cause */
};
void replay_result_done(struct replay_result *result);

/* 0: *ret is filled. Negative: no replay was possible: -EBADMSG a damaged trace, -EPERM and -ENOSYS
 * what is not permitted here, -EOPNOTSUPP a trace of a processor with more features or another
 * layout of registers, and others.
 *
 * One replay at a time in a process: it waits for children of its own and borrows SIGALRM with
 * ITIMER_REAL, SIGPIPE and SIGCHLD, which it puts back. Best pinned to one CPU (design.md section
 * 1): the processes it starts inherit that. No process is left behind, even if this one is killed.
 */
int replay_run(const struct replay_options *options, struct replay_result *ret,
               struct rr_error *error);

#endif
