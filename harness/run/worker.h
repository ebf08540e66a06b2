/* A worker: a forked process that records one run after another, pinned with its tracees to one
 * CPU. It dies with its parent; its tracees die with it. */
#ifndef HARNESS_RUN_WORKER_H
#define HARNESS_RUN_WORKER_H

#include <stdatomic.h>
#include <stdint.h>
#include <sys/types.h>

#include "harness/run/message.h"
#include "harness/run/options.h"

/* In memory shared with the parent. */
struct worker_control {
    _Atomic uint64_t cancel; /* serial of the job that is not wanted any more */
    _Atomic bool stop;       /* no job is wanted any more */
};

struct worker {
    pid_t pid; /* 0: not started */
    int fd;    /* jobs out, reports in */
    int cpu;   /* -1: not pinned */
    struct worker_control *control;
};

/* Fork it; `worker->cpu` and `control` are set by the caller. `close_fds` are the parent's ends of
 * other workers, closed in the child. */
int worker_start(struct worker *worker, const struct suite *suite,
                 const struct run_options *options, const int *close_fds, size_t close_count);
int worker_send(const struct worker *worker, const struct job *job);
/* 1: a report; 0: the worker is gone; negative errno. */
int worker_receive(const struct worker *worker, struct report *ret);
/* SIGKILL, reap, close. *ret_status may be NULL: as wait(2). */
void worker_kill(struct worker *worker, int *ret_status);
/* Close the channel, so that an idle worker ends, and reap it. */
void worker_end(struct worker *worker);

/* CPUs this process may use, ascending; the count (at least 1), at most `size` filled in. */
size_t worker_cpus(int *cpus, size_t size);
/* Keep this process and its children on one CPU; a failure only costs speed. */
void worker_pin(int cpu);

#endif
