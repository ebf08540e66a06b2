/* Jobs go out test by test, run by run; a test's random runs wait until its length is known. */
#include "harness/run/schedule.h"

#include <stdlib.h>
#include <string.h>

#include "harness/run/keep.h"
#include "harness/run/select.h"
#include "recorder/base/random.h"

static int effective_strategy(const struct schedule *s, const struct suite_test *test)
{
    return s->options->strategy == SUITE_STRATEGY_UNKNOWN ? test->strategy : s->options->strategy;
}

/* auto: run 1 round-robin, all others random. A run seed, given by hand or by the suite, names a
 * random run. */
static enum record_patching patching_of(const struct schedule *s, const struct suite_test *test)
{
    return s->options->patching == RUN_PATCHING_OF_SUITE
               ? test->patching
               : (enum record_patching)s->options->patching;
}

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
    return random_run_seed(test->has_seed && !options->has_seed ? test->seed : options->seed,
                           test->name, run);
}

static uint64_t planned_runs(const struct run_options *options, const struct suite_test *test)
{
    if (options->runs)
        return options->runs;
    if (options->has_run_seed)
        return 1;
    return test->seeds ? test->seed_count : test->runs;
}

void schedule_init(struct schedule *s, const struct suite *suite, const struct run_options *options)
{
    *s = (struct schedule){.suite = suite, .options = options, .count = suite->count};
    s->keep_going = options->keep_going || options->has_run_seed;
    s->tests = calloc(suite->count, sizeof(*s->tests));
    if (!s->tests)
        abort();
    for (size_t i = 0; i < suite->count; i++) {
        struct test_state *state = &s->tests[i];
        const struct suite_test *test = &suite->tests[i];

        state->test = test;
        state->index = (uint32_t)i;
        state->selected = select_test(options, test) && !test->skipped;
        state->planned = planned_runs(options, test);
        state->next_run = 1;
        state->first_failure = UINT64_MAX;
    }
}

static void failure_done(struct failure *failure)
{
    free(failure->reason);
    free(failure->tail);
}

void schedule_done(struct schedule *s)
{
    for (size_t i = 0; i < s->count; i++) {
        struct test_state *state = &s->tests[i];

        for (size_t j = 0; j < state->failure_count; j++)
            failure_done(&state->failures[j]);
        bytes_done(&state->schedules);
        bytes_done(&state->outputs);
    }
    free(s->tests);
}

bool schedule_goes_on(const struct schedule *s, const struct test_state *state)
{
    return s->keep_going || state->test->keep_going;
}

/* How many failing runs of the test keep their trace. */
static size_t keep_limit(const struct schedule *s, const struct test_state *state)
{
    if (s->options->keep == RUN_KEEP_NONE)
        return 0;
    return schedule_goes_on(s, state) && !s->options->has_run_seed ? SCHEDULE_FAILURES_MAX : 1;
}

static bool wants_more(const struct schedule *s, const struct test_state *state)
{
    return state->selected && state->next_run <= state->planned &&
           (schedule_goes_on(s, state) || state->first_failure == UINT64_MAX);
}

/* Calibration has a seed of its own, the same in all sessions: what a run seed means must not
 * depend on the session seed, or no rerun would repeat anything. */
static void make_calibration(struct schedule *s, struct test_state *state, struct job *ret)
{
    *ret = (struct job){
        .serial = ++s->serial,
        .kind = JOB_CALIBRATE,
        .test = state->index,
        .seed = random_run_seed(0, state->test->name, 0),
        .strategy = SCHED_ROUND_ROBIN,
        .patching = patching_of(s, state->test),
    };
    state->length_asked = true;
    state->needs_length = true;
}

static void make_run(struct schedule *s, struct test_state *state, struct job *ret)
{
    const struct suite_test *test = state->test;
    uint64_t run = state->next_run++;

    *ret = (struct job){
        .serial = ++s->serial,
        .kind = JOB_RUN,
        .test = state->index,
        .run = run,
        .seed = seed_of(s, test, run),
        .strategy = strategy_of(s, test, run),
        .patching = patching_of(s, test),
        .keep_failure =
            state->failure_count < keep_limit(s, state) || s->options->keep == RUN_KEEP_ALL,
        .keep_pass = s->options->keep == RUN_KEEP_ALL,
    };
    if (ret->strategy != SCHED_ROUND_ROBIN)
        ret->length = state->length;
}

static bool next_of_test(struct schedule *s, struct test_state *state, struct job *ret)
{
    bool random;

    if (!wants_more(s, state))
        return false;
    random = strategy_of(s, state->test, state->next_run) != SCHED_ROUND_ROBIN;
    if (!state->length_asked &&
        (random ||
         (state->planned > 1 && effective_strategy(s, state->test) == SUITE_STRATEGY_AUTO))) {
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

static bool any_failed(const struct schedule *s)
{
    for (size_t i = 0; i < s->count; i++) {
        if (s->tests[i].failed)
            return true;
    }
    return false;
}

/* --until-failure: when a round is over without a failure, all tests get another one. */
static bool begin_round(struct schedule *s)
{
    bool any = false;

    if (!s->options->until_failure || s->in_flight > 0 || any_failed(s))
        return false;
    for (size_t i = 0; i < s->count; i++) {
        if (s->tests[i].selected) {
            s->tests[i].planned += planned_runs(s->options, s->tests[i].test);
            any = true;
        }
    }
    s->cursor = 0;
    return any;
}

bool schedule_next(struct schedule *s, struct job *ret)
{
    if (s->draining)
        return false;
    do {
        while (s->cursor < s->count && !wants_more(s, &s->tests[s->cursor]))
            s->cursor++;
        for (size_t i = s->cursor; i < s->count; i++) {
            if (next_of_test(s, &s->tests[i], ret))
                return true;
        }
    } while (begin_round(s));
    return false;
}

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

static char *copy_text(const char *text, size_t length)
{
    char *copy = malloc(length + 1);

    if (!copy)
        abort();
    memcpy(copy, text, length);
    copy[length] = '\0';
    return copy;
}

static void drop_failure(struct schedule *s, struct test_state *state, size_t index)
{
    struct failure *failure = &state->failures[index];

    if (failure->kept && s->options->keep != RUN_KEEP_ALL)
        keep_remove(s->options, state->test, &failure->job);
    failure_done(failure);
    state->failure_count--;
    memmove(failure, failure + 1, (state->failure_count - index) * sizeof(*failure));
}

static void add_failure(struct schedule *s, struct test_state *state, const struct report *report)
{
    size_t limit = schedule_goes_on(s, state) ? SCHEDULE_FAILURES_MAX : 1;
    size_t at = state->failure_count;

    while (at > 0 && state->failures[at - 1].job.run > report->job.run)
        at--;
    memmove(&state->failures[at + 1], &state->failures[at],
            (state->failure_count - at) * sizeof(state->failures[0]));
    state->failures[at] = (struct failure){
        .job = report->job,
        .outcome = report->outcome,
        .kept = report->kept,
        .reason = copy_text(report->text, report->reason_length),
        .tail = copy_text(report->text + report->reason_length, report->tail_length),
    };
    state->failure_count++;
    if (state->failure_count > limit)
        drop_failure(s, state, limit);
}

void schedule_absorb(struct schedule *s, const struct report *report)
{
    struct test_state *state = &s->tests[report->job.test];

    s->in_flight--;
    state->in_flight--;
    if (report->job.kind == JOB_CALIBRATE) {
        state->needs_length = false;
        state->length = (struct sched_length){
            .ticks = round_length(report->learned.ticks),
            .atomics = round_length(report->learned.atomics),
            .calls = round_length(report->learned.calls),
            .virtual_ns = round_length(report->learned.virtual_ns),
        };
        return;
    }
    if (report->outcome == OUTCOME_CANCELLED || report->outcome == OUTCOME_MACHINE)
        return;
    if (schedule_is_superfluous(s, &report->job)) {
        if (report->kept && s->options->keep != RUN_KEEP_ALL)
            keep_remove(s->options, state->test, &report->job);
        return;
    }
    bytes_append(&state->schedules, &report->statistics.schedule_digest, sizeof(uint64_t));
    bytes_append(&state->outputs, &report->statistics.output_digest, sizeof(uint64_t));
    if (report->outcome == OUTCOME_PASS) {
        state->passed++;
        return;
    }
    state->failed++;
    if (report->job.run < state->first_failure)
        state->first_failure = report->job.run;
    add_failure(s, state, report);
}

bool schedule_is_superfluous(const struct schedule *s, const struct job *job)
{
    return job->kind == JOB_RUN && !schedule_goes_on(s, &s->tests[job->test]) &&
           job->run > s->tests[job->test].first_failure;
}

bool schedule_test_complete(const struct schedule *s, const struct test_state *state)
{
    if (state->in_flight > 0)
        return false;
    if (!schedule_goes_on(s, state) && state->first_failure != UINT64_MAX)
        return true;
    return state->passed + state->failed >= state->planned; /* else some were cancelled */
}

uint64_t schedule_test_runs(const struct schedule *s, const struct test_state *state)
{
    if (!schedule_goes_on(s, state) && state->first_failure != UINT64_MAX)
        return state->first_failure;
    return state->passed + state->failed;
}

static int compare_u64(const void *a, const void *b)
{
    const uint64_t *x = a;
    const uint64_t *y = b;

    return (*x > *y) - (*x < *y);
}

uint64_t schedule_distinct(const struct bytes *b)
{
    size_t count = b->length / sizeof(uint64_t);
    uint64_t distinct = count > 0;
    uint64_t *sorted;

    if (count == 0)
        return 0;
    sorted = malloc(count * sizeof(*sorted));
    if (!sorted)
        abort();
    memcpy(sorted, b->data, count * sizeof(*sorted));
    qsort(sorted, count, sizeof(*sorted), compare_u64);
    for (size_t i = 1; i < count; i++)
        distinct += sorted[i] != sorted[i - 1];
    free(sorted);
    return distinct;
}
