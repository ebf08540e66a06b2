/* Which run comes next, and what the finished ones add up to. Pure bookkeeping: no processes, no
 * clock, no output. What it reports does not depend on how many workers there are or how fast they
 * are: a test's jobs go out in order, and of the failures those with the lowest run numbers count.
 */
#ifndef HARNESS_RUN_SCHEDULE_H
#define HARNESS_RUN_SCHEDULE_H

#include "harness/run/failures.h"
#include "harness/run/message.h"
#include "harness/run/options.h"
#include "harness/run/progress.h"

enum setup_state {
    SETUP_NONE, /* to be done, if the test has any */
    SETUP_OUT,  /* a worker does it */
    SETUP_DONE,
    SETUP_FAILED,
};

struct test_state {
    const struct suite_test *test;
    uint32_t index;
    uint64_t position; /* among the selected tests */
    bool selected;     /* and this shard's */
    bool keep_going;   /* make all runs, whatever fails */
    enum setup_state setup;
    size_t setup_worker;       /* in which what was set up lives */
    bool torn_down;            /* that job is out or done */
    bool needs_length;         /* random runs wait for the calibrating one */
    bool length_asked;         /* that job is out or done */
    bool length_missed;        /* it was done once and told nothing */
    uint64_t next;             /* ordinal of the next run to hand out */
    uint64_t in_flight;        /* all kinds of jobs */
    bool out_of_time;          /* its own time budget is spent */
    struct progress *progress; /* the caller's memory */
    struct failures failures;
};

struct schedule {
    const struct suite *suite;
    const struct run_options *options;
    struct test_state *tests; /* one per test of the suite, same index */
    size_t count;
    uint32_t *order; /* indices of tests in the order in which they are served */
    size_t cursor;   /* tests before it in `order` have nothing left to hand out in this round */
    uint64_t round;  /* ordinals up to this one are handed out; UINT64_MAX: no rounds */
    size_t in_flight;
    size_t set_up; /* tests whose teardown is still to be handed out */
    uint64_t serial;
    bool rounds_over; /* until_failure: there is no other round */
    bool draining;    /* no new runs; what was set up is still torn down */
};

/* `progress`: one per test of the suite, zeroed or what an interrupted session left; it outlives
 * the schedule. With a time budget every test gets some runs before one gets many. */
void schedule_init(struct schedule *s, const struct suite *suite, const struct run_options *options,
                   struct progress *progress);
void schedule_done(struct schedule *s);

/* What an interrupted session journaled, to be told after schedule_init(): false if it does not
 * count, as of a run that is made again, and should be forgotten. */
bool schedule_restore(struct schedule *s, const struct report *report);

/* Serve the tests with the highest rank first; equal ranks in the suite's order. */
void schedule_rank(struct schedule *s, uint64_t (*rank)(const void *context, size_t test),
                   const void *context);

/* The next job for that worker (an index); false: none now (perhaps later, when something that is
 * out has come back, or for another worker: a test is torn down by the one that set it up). A test
 * is torn down before others begin: what it set up may be in their way. */
bool schedule_next(struct schedule *s, size_t worker, struct job *ret);
/* The worker is gone, and with it what it had set up: that is done again. */
void schedule_worker_lost(struct schedule *s, size_t worker);

/* A job came back. The traces of runs that turn out superfluous are removed from disk. */
void schedule_absorb(struct schedule *s, const struct report *report);

/* Is the result of this job not wanted any more: has an earlier run of the test failed, or does no
 * run come that would need what it learns? */
bool schedule_is_superfluous(const struct schedule *s, const struct job *job);
/* Does the run count: was it made, and is it not superfluous? False for other kinds of jobs. */
bool schedule_counts(const struct schedule *s, const struct report *report);

/* All wanted runs of the test are back, or there are none since its set-up failed. */
bool schedule_test_complete(const struct schedule *s, const struct test_state *state);
/* Runs that count: up to the first failure, or all that came back. */
uint64_t schedule_test_runs(const struct schedule *s, const struct test_state *state);
const struct test_counts *schedule_counts_of(const struct test_state *state);
bool schedule_any_failed(const struct schedule *s);

#endif
