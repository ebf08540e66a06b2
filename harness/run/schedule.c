/* A test's jobs: set-up, calibration, runs in order, teardown; and the order of tests. */
#include "harness/run/schedule.h"

#include <stdlib.h>
#include <string.h>

#include "harness/run/keep.h"
#include "harness/run/select.h"
#include "recorder/base/random.h"

#define FIRST_ROUND 8 /* runs of each test in the first round; every round doubles it */

static int effective_strategy(const struct schedule *s, const struct suite_test *test)
{
    return s->options->strategy == SUITE_STRATEGY_UNKNOWN ? test->strategy : s->options->strategy;
}

static enum record_patching patching_of(const struct schedule *s, const struct suite_test *test)
{
    return s->options->patching == RUN_PATCHING_OF_SUITE
               ? test->patching
               : (enum record_patching)s->options->patching;
}

/* auto: run 1 round-robin, all others random. A run seed, given by hand or by the suite, names a
 * random run. */
static enum sched_strategy strategy_of(const struct schedule *s, const struct suite_test *test,
                                       uint64_t run)
{
    int strategy = effective_strategy(s, test);

    if (strategy != SUITE_STRATEGY_AUTO)
        return (enum sched_strategy)strategy;
    if (run == 1 && !s->options->has_run_seed && !test->seeds)
        return SCHED_ROUND_ROBIN;
    return SCHED_RANDOM;
}

static uint64_t seed_of(const struct schedule *s, const struct suite_test *test, uint64_t run)
{
    const struct run_options *options = s->options;

    if (options->has_run_seed)
        return options->run_seed;
    if (test->seeds)
        return test->seeds[(run - 1) % test->seed_count];
    /* The test's own whatever --seed says: else no command could repeat a session of both kinds. */
    return random_run_seed(test->has_seed ? test->seed : options->seed, test->name, run);
}

static uint64_t planned_runs(const struct run_options *options, const struct suite_test *test)
{
    if (options->runs)
        return options->runs;
    if (options->has_run_seed)
        return 1;
    return test->seeds ? test->seed_count : test->runs;
}

/* How many failing runs of one kind keep their trace. */
static size_t trace_limit(const struct schedule *s, const struct test_state *state)
{
    if (s->options->keep == RUN_KEEP_NONE)
        return 0;
    return state->keep_going && !s->options->has_run_seed ? FAILURE_TRACES_MAX : 1;
}

const struct test_counts *schedule_counts_of(const struct test_state *state)
{
    return progress_counts(state->progress);
}

static bool has_ended(const struct test_state *state)
{
    return !state->keep_going && schedule_counts_of(state)->first_failure != UINT64_MAX;
}

static bool is_out_of_time(const struct suite_test *test, const struct test_counts *counts)
{
    return test->time_budget_ns && counts->wall_ns >= test->time_budget_ns;
}

static void init_test(struct schedule *s, struct test_state *state, uint32_t index,
                      struct progress *progress)
{
    const struct suite_test *test = &s->suite->tests[index];
    uint64_t name = bytes_hash(test->name, strlen(test->name), 0);

    state->test = test;
    state->index = index;
    state->progress = progress;
    state->keep_going = s->options->keep_going || s->options->has_run_seed || test->keep_going;
    state->failures.trace_limit = trace_limit(s, state);
    if (progress->test != name) {
        struct test_counts counts = {.planned = planned_runs(s->options, test),
                                     .first_failure = UINT64_MAX};

        progress_begin(progress, name, &counts);
    }
    state->next = schedule_counts_of(state)->prefix + 1;
    state->length_asked = schedule_counts_of(state)->has_length;
    state->out_of_time = is_out_of_time(test, schedule_counts_of(state));
}

void schedule_init(struct schedule *s, const struct suite *suite, const struct run_options *options,
                   struct progress *progress)
{
    uint64_t position = 0;

    *s = (struct schedule){.suite = suite, .options = options, .count = suite->count};
    s->round = options->time_budget_ns ? FIRST_ROUND : UINT64_MAX;
    s->tests = calloc(suite->count, sizeof(*s->tests));
    s->order = calloc(suite->count, sizeof(*s->order));
    if (!s->tests || !s->order)
        abort();
    for (size_t i = 0; i < suite->count; i++) {
        struct test_state *state = &s->tests[i];

        s->order[i] = (uint32_t)i;
        init_test(s, state, (uint32_t)i, &progress[i]);
        if (!select_test(options, &suite->tests[i]))
            continue;
        state->position = position++;
        state->selected = shard_has_test(&options->shard, state->position);
    }
}

void schedule_done(struct schedule *s)
{
    for (size_t i = 0; i < s->count; i++)
        failures_done(&s->tests[i].failures);
    free(s->tests);
    free(s->order);
}

struct ranked {
    uint64_t rank;
    uint32_t index;
};

static int compare_ranked(const void *a, const void *b)
{
    const struct ranked *x = a;
    const struct ranked *y = b;

    if (x->rank != y->rank)
        return x->rank < y->rank ? 1 : -1;
    return (x->index > y->index) - (x->index < y->index);
}

void schedule_rank(struct schedule *s, uint64_t (*rank)(const void *context, size_t test),
                   const void *context)
{
    struct ranked *ranked = calloc(s->count ? s->count : 1, sizeof(*ranked));

    if (!ranked)
        abort();
    for (size_t i = 0; i < s->count; i++)
        ranked[i] = (struct ranked){.rank = rank(context, i), .index = (uint32_t)i};
    qsort(ranked, s->count, sizeof(*ranked), compare_ranked);
    for (size_t i = 0; i < s->count; i++)
        s->order[i] = ranked[i].index;
    free(ranked);
    s->cursor = 0;
}

/* --- jobs ----------------------------------------------------------------------------------------
 */

static uint64_t own_runs(const struct schedule *s, const struct test_state *state)
{
    return shard_runs(&s->options->shard, state->position, schedule_counts_of(state)->planned);
}

/* The next ordinal that is not done already (an interrupted session did some out of order). */
static void skip_done(struct test_state *state)
{
    while (counts_is_done(schedule_counts_of(state), state->next))
        state->next++;
}

/* A session that was interrupted may have left out runs below the first failure: they come first.
 */
static bool is_behind_failure(const struct schedule *s, const struct test_state *state)
{
    return has_ended(state) && shard_run(&s->options->shard, state->position, state->next) >
                                   schedule_counts_of(state)->first_failure;
}

static bool wants_more(const struct schedule *s, const struct test_state *state)
{
    return state->selected && !state->test->skipped && !state->out_of_time &&
           state->setup != SETUP_FAILED && state->next <= own_runs(s, state) &&
           !is_behind_failure(s, state);
}

bool schedule_restore(struct schedule *s, const struct report *report)
{
    struct test_state *state;
    bool stands;

    if (report->job.test >= s->count)
        return false;
    state = &s->tests[report->job.test];
    skip_done(state);
    if (report->job.kind == JOB_TEARDOWN) /* else there will be another one */
        stands = !wants_more(s, state);
    else
        stands = counts_is_done(schedule_counts_of(state), report->job.ordinal) &&
                 !schedule_is_superfluous(s, &report->job);
    if (stands)
        failures_add(&state->failures, s->options, state->test, report, false);
    return stands;
}

static void make_job(struct schedule *s, const struct test_state *state, enum job_kind kind,
                     struct job *ret)
{
    *ret = (struct job){
        .serial = ++s->serial,
        .kind = kind,
        .test = state->index,
        .patching = patching_of(s, state->test),
    };
}

/* Calibration has a seed of its own, the same in all sessions: what a run seed means must not
 * depend on the session seed, or no rerun would repeat anything. */
static void make_calibration(struct schedule *s, struct test_state *state, struct job *ret)
{
    make_job(s, state, JOB_CALIBRATE, ret);
    ret->seed = random_run_seed(0, state->test->name, 0);
    ret->strategy = SCHED_ROUND_ROBIN;
    state->length_asked = true;
    state->needs_length = true;
}

static void make_run(struct schedule *s, struct test_state *state, struct job *ret)
{
    const struct suite_test *test = state->test;

    make_job(s, state, JOB_RUN, ret);
    ret->ordinal = state->next++;
    ret->run = shard_run(&s->options->shard, state->position, ret->ordinal);
    ret->seed = seed_of(s, test, ret->run);
    ret->strategy = strategy_of(s, test, ret->run);
    ret->keep_failure = s->options->keep != RUN_KEEP_NONE;
    ret->keep_pass = s->options->keep == RUN_KEEP_ALL;
    if (ret->strategy != SCHED_ROUND_ROBIN)
        ret->length = schedule_counts_of(state)->length;
    if (s->options->keep == RUN_KEEP_FAILURES)
        failures_tell(&state->failures, ret);
}

static bool needs_setup(const struct test_state *state)
{
    return state->setup == SETUP_NONE && (state->test->hook_count[SUITE_SETUP] > 0 ||
                                          state->test->hook_count[SUITE_TEARDOWN] > 0);
}

static bool needs_calibration(const struct schedule *s, const struct test_state *state, bool random)
{
    if (state->length_asked)
        return false;
    return random || (schedule_counts_of(state)->planned > 1 &&
                      effective_strategy(s, state->test) == SUITE_STRATEGY_AUTO);
}

static bool next_of_test(struct schedule *s, struct test_state *state, size_t worker,
                         struct job *ret)
{
    bool random;

    skip_done(state);
    if (!wants_more(s, state) || state->next > s->round || state->setup == SETUP_OUT ||
        state->next > schedule_counts_of(state)->prefix + PROGRESS_WINDOW)
        return false;
    random =
        strategy_of(s, state->test, shard_run(&s->options->shard, state->position, state->next)) !=
        SCHED_ROUND_ROBIN;
    if (needs_setup(state)) {
        make_job(s, state, JOB_SETUP, ret);
        state->setup = SETUP_OUT;
        s->set_up++;
        state->setup_worker = worker;
    } else if (needs_calibration(s, state, random)) {
        make_calibration(s, state, ret);
    } else if (random && state->needs_length) {
        return false;
    } else {
        make_run(s, state, ret);
    }
    state->in_flight++;
    s->in_flight++;
    return true;
}

/* Of a test without a run to hand out: may it get one later? */
static bool may_go_on(const struct schedule *s, const struct test_state *state)
{
    if (s->draining)
        return false;
    return wants_more(s, state) ||
           (s->options->until_failure && !s->rounds_over && !schedule_any_failed(s));
}

/* Tests that were set up and have nothing left to do. */
static bool next_teardown(struct schedule *s, size_t worker, struct job *ret)
{
    for (size_t i = 0; i < s->count && s->set_up > 0; i++) {
        struct test_state *state = &s->tests[i];

        if (state->torn_down || state->in_flight > 0 || state->setup_worker != worker ||
            (state->setup != SETUP_DONE && state->setup != SETUP_FAILED) || may_go_on(s, state))
            continue;
        state->torn_down = true;
        s->set_up--;
        make_job(s, state, JOB_TEARDOWN, ret);
        state->in_flight++;
        s->in_flight++;
        return true;
    }
    return false;
}

bool schedule_any_failed(const struct schedule *s)
{
    for (size_t i = 0; i < s->count; i++) {
        if (s->tests[i].selected && s->tests[i].failures.count > 0)
            return true;
    }
    return false;
}

/* --until-failure: when a round is over without a failure, all tests get another one. */
static bool begin_again(struct schedule *s)
{
    bool any = false;

    if (!s->options->until_failure || s->in_flight > 0 || schedule_any_failed(s))
        return false;
    for (size_t i = 0; i < s->count; i++) {
        struct test_state *state = &s->tests[i];

        if (!state->selected || state->test->skipped || state->out_of_time)
            continue;
        do { /* a shard's share of one round may be no run at all */
            struct test_counts counts = *schedule_counts_of(state);

            counts.planned += planned_runs(s->options, state->test);
            progress_set(state->progress, &counts);
        } while (!wants_more(s, state));
        any = true;
    }
    s->cursor = 0;
    s->rounds_over = !any;
    return any;
}

/* Time is short: all tests have had as many runs as the first ones; now more of each. */
static bool begin_round(struct schedule *s)
{
    bool any = false;

    for (size_t i = 0; i < s->count && s->round != UINT64_MAX; i++)
        any |= wants_more(s, &s->tests[i]) && s->tests[i].next > s->round;
    if (!any)
        return false;
    s->round = s->round > UINT64_MAX / 2 ? UINT64_MAX : s->round * 2;
    s->cursor = 0;
    return true;
}

static bool next_run(struct schedule *s, size_t worker, struct job *ret)
{
    do {
        while (s->cursor < s->count) {
            struct test_state *state = &s->tests[s->order[s->cursor]];

            skip_done(state);
            if (wants_more(s, state) && state->next <= s->round)
                break;
            s->cursor++;
        }
        for (size_t i = s->cursor; i < s->count; i++) {
            if (next_of_test(s, &s->tests[s->order[i]], worker, ret))
                return true;
        }
    } while (begin_round(s) || begin_again(s));
    return false;
}

bool schedule_next(struct schedule *s, size_t worker, struct job *ret)
{
    return next_teardown(s, worker, ret) || (!s->draining && next_run(s, worker, ret)) ||
           next_teardown(s, worker, ret); /* now that there is no other round */
}

void schedule_worker_lost(struct schedule *s, size_t worker)
{
    for (size_t i = 0; i < s->count; i++) {
        struct test_state *state = &s->tests[i];

        if (state->setup == SETUP_DONE && state->setup_worker == worker && !state->torn_down) {
            state->setup = SETUP_NONE;
            s->set_up--;
        }
    }
}

/* --- results -------------------------------------------------------------------------------------
 */

/* Lengths are rounded to powers of two: what is learned must not carry the noise of one measurement
 * into the schedules of all runs. */
static uint64_t round_length(uint64_t value)
{
    uint64_t power = 1;

    if (value == 0)
        return 0;
    while (power < value && power < 1ull << 62)
        power <<= 1;
    return power - value > value - power / 2 ? power / 2 : power;
}

/* A calibrating run that was interrupted has told nothing, and must not decide what a resumed
 * session does; one whose recorder died is made once more. */
static void learn(struct test_state *state, const struct report *report)
{
    struct test_counts counts = *schedule_counts_of(state);

    state->needs_length = false;
    if (report->outcome == OUTCOME_CANCELLED ||
        (report->outcome == OUTCOME_ERROR && !state->length_missed)) {
        state->length_missed = true;
        state->length_asked = false;
        return;
    }
    counts.has_length = true;
    counts.length = (struct sched_length){
        .ticks = round_length(report->learned.ticks),
        .atomics = round_length(report->learned.atomics),
        .calls = round_length(report->learned.calls),
        .virtual_ns = round_length(report->learned.virtual_ns),
    };
    progress_set(state->progress, &counts);
}

/* Set-up and teardown: a failing one is an error of the test, beside its runs. */
static void absorb_commands(struct schedule *s, struct test_state *state,
                            const struct report *report)
{
    bool failed = report->outcome == OUTCOME_FAIL || report->outcome == OUTCOME_ERROR;

    if (report->job.kind == JOB_SETUP)
        state->setup = report->outcome == OUTCOME_PASS ? SETUP_DONE : SETUP_FAILED;
    if (failed)
        failures_add(&state->failures, s->options, state->test, report, false);
}

static void count_run(struct schedule *s, struct test_state *state, const struct report *report)
{
    struct test_counts counts = *schedule_counts_of(state);
    bool passed = report->outcome == OUTCOME_PASS;
    bool remove = s->options->keep != RUN_KEEP_ALL;

    sketch_add(&state->progress->schedules, report->statistics.schedule_digest);
    sketch_add(&state->progress->outputs, report->statistics.output_digest);
    counts_mark_done(&counts, report->job.ordinal);
    counts.wall_ns += report->statistics.wall_ns;
    counts.passed += passed;
    counts.failed += !passed;
    if (!passed && report->job.run < counts.first_failure) {
        if (!state->keep_going) /* the failures so far were of later runs */
            failures_clear(&state->failures, s->options, state->test, remove);
        counts.first_failure = report->job.run;
    }
    progress_set(state->progress, &counts);
    if (!passed)
        failures_add(&state->failures, s->options, state->test, report, remove);
    state->out_of_time = is_out_of_time(state->test, &counts);
}

bool schedule_counts(const struct schedule *s, const struct report *report)
{
    return report->job.kind == JOB_RUN && report->outcome != OUTCOME_CANCELLED &&
           report->outcome != OUTCOME_MACHINE && !schedule_is_superfluous(s, &report->job);
}

void schedule_absorb(struct schedule *s, const struct report *report)
{
    struct test_state *state = &s->tests[report->job.test];

    s->in_flight--;
    state->in_flight--;
    if (report->job.kind == JOB_CALIBRATE)
        learn(state, report);
    else if (report->job.kind != JOB_RUN)
        absorb_commands(s, state, report);
    else if (schedule_counts(s, report))
        count_run(s, state, report);
    else if (report->kept && s->options->keep != RUN_KEEP_ALL)
        keep_remove(s->options, state->test, &report->job);
}

bool schedule_is_superfluous(const struct schedule *s, const struct job *job)
{
    const struct test_state *state = &s->tests[job->test];

    if (job->kind == JOB_CALIBRATE) /* it may take as long as the test likes */
        return !wants_more(s, state);
    return job->kind == JOB_RUN && !state->keep_going &&
           job->run > schedule_counts_of(state)->first_failure;
}

bool schedule_test_complete(const struct schedule *s, const struct test_state *state)
{
    const struct test_counts *counts = schedule_counts_of(state);

    if (state->in_flight > 0)
        return false;
    if (state->test->skipped || is_behind_failure(s, state))
        return true;
    if (state->setup == SETUP_FAILED) /* without a failure: it was interrupted */
        return state->failures.count > 0;
    if (state->out_of_time && counts->passed + counts->failed > 0)
        return true;
    return counts->passed + counts->failed >= own_runs(s, state); /* else some were cancelled */
}

uint64_t schedule_test_runs(const struct schedule *s, const struct test_state *state)
{
    const struct test_counts *counts = schedule_counts_of(state);

    if (has_ended(state)) /* those of ours up to it */
        return shard_runs(&s->options->shard, state->position, counts->first_failure);
    return counts->passed + counts->failed;
}
