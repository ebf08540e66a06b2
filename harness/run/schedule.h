/* Which run comes next, and what the finished ones add up to. Pure bookkeeping: no processes, no
 * clock, no output. What it reports does not depend on how many workers there are or how fast they
 * are: jobs go out in order, and of the failures those with the lowest run numbers count. */
#ifndef HARNESS_RUN_SCHEDULE_H
#define HARNESS_RUN_SCHEDULE_H

#include "harness/run/message.h"
#include "harness/run/options.h"
#include "recorder/base/bytes.h"

/* Failing runs that are kept and told in detail when a test goes on after its first failure. */
#define SCHEDULE_FAILURES_MAX 3

struct failure {
    struct job job;
    enum outcome outcome; /* OUTCOME_FAIL or OUTCOME_ERROR */
    bool kept;
    char *reason; /* owned */
    char *tail;   /* owned: the end of the program's output */
};

struct test_state {
    const struct suite_test *test;
    uint32_t index;
    bool selected;
    bool needs_length; /* random runs wait for the calibrating one */
    bool length_asked; /* that job is out or done */
    struct sched_length length;
    uint64_t planned;   /* runs 1..planned are wanted */
    uint64_t next_run;  /* the next to hand out */
    uint64_t in_flight; /* calibration included */
    uint64_t passed;
    uint64_t failed;
    uint64_t first_failure; /* lowest failing run; UINT64_MAX: none */
    struct failure failures[SCHEDULE_FAILURES_MAX + 1];
    size_t failure_count;   /* of failures[], ascending by run */
    struct bytes schedules; /* uint64_t schedule digests of the counted runs */
    struct bytes outputs;   /* and output digests */
};

struct schedule {
    const struct suite *suite;
    const struct run_options *options;
    struct test_state *tests; /* one per test of the suite, same index */
    size_t count;
    size_t cursor; /* tests before it have nothing left to hand out in this round */
    size_t in_flight;
    uint64_t serial;
    bool draining; /* hand out nothing more */
    bool keep_going;
};

void schedule_init(struct schedule *s, const struct suite *suite,
                   const struct run_options *options);
void schedule_done(struct schedule *s);

/* The next job; false: none now (perhaps later, when something that is out has come back). */
bool schedule_next(struct schedule *s, struct job *ret);

/* A job came back. The traces of runs that turn out superfluous are removed from disk. */
void schedule_absorb(struct schedule *s, const struct report *report);

/* Is the result of this job not wanted any more (an earlier run of the test has failed)? */
bool schedule_is_superfluous(const struct schedule *s, const struct job *job);

/* Does the test go on after its first failing run? */
bool schedule_goes_on(const struct schedule *s, const struct test_state *state);
/* All wanted runs of the test are back. */
bool schedule_test_complete(const struct schedule *s, const struct test_state *state);
/* Runs that count: up to the first failure, or all that came back. */
uint64_t schedule_test_runs(const struct schedule *s, const struct test_state *state);
/* Number of different values among the uint64_t in b. */
uint64_t schedule_distinct(const struct bytes *b);

#endif
