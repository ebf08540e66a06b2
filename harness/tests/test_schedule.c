/* Which runs are made, and that the outcome does not depend on the order in which they come back.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "harness/run/schedule.h"
#include "recorder/base/random.h"

static struct suite *parse(const char *text)
{
    struct suite *suite = NULL;
    struct rr_error error;

    if (suite_parse("s", "/", text, strlen(text), &suite, &error))
        fail_msg("%s", error.message);
    return suite;
}

static struct run_options defaults(void)
{
    return (struct run_options){
        .seed = 42, .strategy = SUITE_STRATEGY_UNKNOWN, .out = "/none", .keep = RUN_KEEP_NONE};
}

/* The memory of a session's progress: one session at a time. */
static struct progress progress[4];

static void begin(struct schedule *s, const struct suite *suite, const struct run_options *options)
{
    memset(progress, 0, sizeof(progress));
    schedule_init(s, suite, options, progress);
}

static void answer(struct schedule *s, const struct job *job, enum outcome outcome)
{
    static struct report report;

    report = (struct report){.job = *job, .outcome = outcome, .learned = {.ticks = 700}};
    report.signature = outcome == OUTCOME_PASS ? 0 : 1 + job->seed % 2;
    report.kept = outcome == OUTCOME_FAIL && job->keep_failure;
    for (uint32_t i = 0; i < job->known_count; i++)
        report.kept &= job->known[i] != report.signature;
    report.kept_bytes = 1000 - job->run;
    report.statistics.schedule_digest = job->seed;
    schedule_absorb(s, &report);
}

static const struct test_counts *counts_of(const struct schedule *s, size_t test)
{
    return schedule_counts_of(&s->tests[test]);
}

static const char two_tests[] = "version: 1\n"
                                "defaults: {command: [x], runs: 3}\n"
                                "tests: [{name: a}, {name: b}]\n";

/* auto: calibration, then run 1 round-robin at once, the random ones when the length is known. */
static void test_order(void **state)
{
    struct suite *suite = parse(two_tests);
    struct run_options options = defaults();
    struct schedule s;
    struct job calibration, first, other, job;

    (void)state;
    begin(&s, suite, &options);
    assert_true(schedule_next(&s, 0, &calibration));
    assert_int_equal(calibration.kind, JOB_CALIBRATE);
    assert_int_equal(calibration.test, 0);
    assert_true(schedule_next(&s, 0, &first));
    assert_int_equal(first.kind, JOB_RUN);
    assert_int_equal(first.run, 1);
    assert_int_equal(first.strategy, SCHED_ROUND_ROBIN);
    assert_true(first.seed == random_run_seed(42, "a", 1));
    assert_true(schedule_next(&s, 0, &other));
    assert_int_equal(other.test, 1);
    assert_int_equal(other.kind, JOB_CALIBRATE);
    answer(&s, &calibration, OUTCOME_PASS);
    assert_true(schedule_next(&s, 0, &job));
    assert_int_equal(job.test, 0);
    assert_int_equal(job.run, 2);
    assert_int_equal(job.strategy, SCHED_RANDOM);
    assert_int_equal(job.length.ticks, 512); /* 700, rounded to a power of two */
    assert_true(job.seed == random_run_seed(42, "a", 2));
    schedule_done(&s);
    suite_free(suite);
}

/* The failing runs of each signature (two kinds, by seed): all counted, the lowest first. */
static void check_groups(const struct test_state *state, uint64_t failing, bool keep_going)
{
    uint64_t total = 0;

    assert_int_equal(state->failures.groups[0].job.run, failing);
    for (size_t i = 0; i < state->failures.count; i++) {
        const struct failure_group *group = &state->failures.groups[i];
        uint64_t run = failing;

        while (1 + random_run_seed(42, "a", run) % 2 != group->signature)
            run++;
        assert_int_equal(group->job.run, run);
        total += group->count;
    }
    assert_int_equal(total, keep_going ? 40 - failing + 1 : 1);
    assert_int_equal(state->failures.count <= 2, 1);
}

/* A fake session: `workers` jobs at a time, answered in a drawn order; run `failing` of test a
 * fails, and every later one. Returns the run that is reported. */
static uint64_t session(unsigned workers, uint64_t failing, uint64_t draw, bool keep_going)
{
    struct suite *suite = parse("version: 1\n"
                                "tests: [{name: a, command: [x], runs: 40}]\n");
    struct run_options options = defaults();
    struct random_stream random;
    struct schedule s;
    struct job out[8];
    unsigned busy = 0;
    uint64_t reported;

    options.keep_going = keep_going;
    random_init(&random, draw, RANDOM_CHOICE);
    begin(&s, suite, &options);
    for (;;) {
        uint64_t at;

        while (busy < workers && schedule_next(&s, 0, &out[busy]))
            busy++;
        if (busy == 0)
            break;
        at = random_below(&random, busy);
        answer(&s, &out[at],
               out[at].kind == JOB_RUN && out[at].run >= failing ? OUTCOME_FAIL : OUTCOME_PASS);
        out[at] = out[--busy];
    }
    assert_true(schedule_test_complete(&s, &s.tests[0]));
    assert_int_equal(s.in_flight, 0);
    assert_int_equal(schedule_test_runs(&s, &s.tests[0]), keep_going ? 40 : failing);
    check_groups(&s.tests[0], failing, keep_going);
    if (keep_going)
        assert_int_equal(sketch_count(&progress[0].schedules, NULL), 40);
    reported = counts_of(&s, 0)->first_failure;
    schedule_done(&s);
    suite_free(suite);
    return reported;
}

static void test_order_does_not_matter(void **state)
{
    (void)state;
    for (unsigned workers = 1; workers <= 8; workers++) {
        for (uint64_t draw = 0; draw < 50; draw++) {
            uint64_t failing = 1 + draw % 30;

            assert_int_equal(session(workers, failing, draw, false), failing);
            assert_int_equal(session(workers, failing, draw, true), failing);
        }
    }
}

static void test_superfluous(void **state)
{
    struct suite *suite = parse("version: 1\n"
                                "tests: [{name: a, command: [x], strategy: round-robin}]\n");
    struct run_options options = defaults();
    struct schedule s;
    struct job one, two, three;

    (void)state;
    begin(&s, suite, &options);
    assert_true(schedule_next(&s, 0, &one));
    assert_int_equal(one.kind, JOB_RUN); /* round-robin needs no calibration */
    assert_true(schedule_next(&s, 0, &two));
    assert_true(schedule_next(&s, 0, &three));
    answer(&s, &two, OUTCOME_FAIL);
    assert_false(schedule_is_superfluous(&s, &one));
    assert_true(schedule_is_superfluous(&s, &three));
    assert_false(schedule_next(&s, 0, &three));
    answer(&s, &three, OUTCOME_CANCELLED);
    answer(&s, &one, OUTCOME_PASS);
    assert_int_equal(counts_of(&s, 0)->first_failure, 2);
    schedule_done(&s);
    suite_free(suite);
}

/* What a run seed means must not depend on the session seed: same calibration, same job. */
static void test_run_seed(void **state)
{
    struct suite *suite = parse(two_tests);
    struct run_options options = defaults();
    struct schedule s;
    struct job calibration[2], job[2];

    (void)state;
    options.has_run_seed = true;
    options.run_seed = 99;
    options.runs = 2;
    for (int i = 0; i < 2; i++) {
        options.seed = (uint64_t)i;
        begin(&s, suite, &options);
        assert_true(schedule_next(&s, 0, &calibration[i]));
        answer(&s, &calibration[i], OUTCOME_PASS);
        assert_true(schedule_next(&s, 0, &job[i]));
        assert_int_equal(job[i].seed, 99);
        assert_int_equal(job[i].strategy, SCHED_RANDOM);
        answer(&s, &job[i], OUTCOME_FAIL);
        assert_true(schedule_next(&s, 0, &job[i])); /* no stop at a failure here */
        assert_int_equal(job[i].run, 2);
        schedule_done(&s);
    }
    assert_int_equal(calibration[0].seed, calibration[1].seed);
    assert_memory_equal(&job[0].length, &job[1].length, sizeof(job[0].length));
    suite_free(suite);
}

/* Nobody waits for the calibration of a test that has failed already. */
static void test_superfluous_calibration(void **state)
{
    struct suite *suite = parse(two_tests);
    struct run_options options = defaults();
    struct schedule s;
    struct job calibration, first;

    (void)state;
    begin(&s, suite, &options);
    assert_true(schedule_next(&s, 0, &calibration));
    assert_int_equal(calibration.kind, JOB_CALIBRATE);
    assert_true(schedule_next(&s, 1, &first));
    assert_false(schedule_is_superfluous(&s, &calibration));
    answer(&s, &first, OUTCOME_FAIL);
    assert_true(schedule_is_superfluous(&s, &calibration));
    answer(&s, &calibration, OUTCOME_CANCELLED);
    assert_true(schedule_test_complete(&s, &s.tests[0]));
    schedule_done(&s);
    suite_free(suite);
}

static void test_seeds_of_the_suite(void **state)
{
    struct suite *suite = parse("version: 1\n"
                                "defaults: {command: [x], strategy: round-robin}\n"
                                "tests: [{name: a, seeds: [5, 6]}, {name: b, seed: 1, runs: 1}]\n");
    struct run_options options = defaults();
    struct schedule s;
    struct job job;

    (void)state;
    begin(&s, suite, &options);
    assert_true(schedule_next(&s, 0, &job));
    assert_int_equal(job.seed, 5);
    assert_true(schedule_next(&s, 0, &job));
    assert_int_equal(job.seed, 6);
    assert_true(schedule_next(&s, 0, &job));
    assert_int_equal(job.test, 1);
    assert_true(job.seed == random_run_seed(1, "b", 1));
    assert_false(schedule_next(&s, 0, &job));
    schedule_done(&s);
    options.has_seed = true;
    options.filter = "b";
    begin(&s, suite, &options);
    assert_true(schedule_next(&s, 0, &job));
    assert_true(job.seed == random_run_seed(1, "b", 1));
    assert_false(schedule_next(&s, 0, &job));
    schedule_done(&s);
    suite_free(suite);
}

static void test_until_failure(void **state)
{
    struct suite *suite = parse("version: 1\n"
                                "defaults: {command: [x], runs: 2, strategy: random}\n"
                                "tests: [{name: a}, {name: b}]\n");
    struct run_options options = defaults();
    struct schedule s;
    struct job job;
    uint64_t runs = 0;

    (void)state;
    options.until_failure = true;
    begin(&s, suite, &options);
    while (schedule_next(&s, 0, &job)) {
        runs += job.kind == JOB_RUN;
        answer(&s, &job,
               job.kind == JOB_RUN && job.test == 1 && job.run == 7 ? OUTCOME_FAIL : OUTCOME_PASS);
    }
    assert_int_equal(counts_of(&s, 1)->first_failure, 7);
    assert_int_equal(counts_of(&s, 0)->passed, 8); /* the round is finished by the other test */
    assert_int_equal(runs, 15);
    schedule_done(&s);
    suite_free(suite);
}

static void test_keep_flags(void **state)
{
    struct suite *suite = parse("version: 1\n"
                                "tests: [{name: a, command: [x], strategy: round-robin}]\n");
    struct run_options options = defaults();
    const struct failure_group *group;
    struct schedule s;
    struct job job;

    (void)state;
    options.keep = RUN_KEEP_FAILURES;
    options.keep_going = true;
    begin(&s, suite, &options);
    for (int i = 0; i < 30; i++) {
        assert_true(schedule_next(&s, 0, &job));
        assert_true(job.keep_failure);
        assert_false(job.keep_pass);
        answer(&s, &job, OUTCOME_FAIL);
    }
    assert_true(schedule_next(&s, 0, &job));
    assert_int_equal(job.known_count, 2); /* of both kinds enough is kept */
    for (int i = 0; i < 2; i++) {
        group = &s.tests[0].failures.groups[i];
        assert_int_equal(group->trace_count, FAILURE_TRACES_MAX);
        assert_int_equal(group->traces[0].job.run, group->job.run);
        assert_ptr_equal(failures_smallest(group), &group->traces[FAILURE_TRACES_MAX - 1]);
    }
    schedule_done(&s);
    options.keep = RUN_KEEP_ALL;
    begin(&s, suite, &options);
    assert_true(schedule_next(&s, 0, &job));
    assert_true(job.keep_failure && job.keep_pass);
    schedule_done(&s);
    options.keep = RUN_KEEP_NONE;
    begin(&s, suite, &options);
    assert_true(schedule_next(&s, 0, &job));
    assert_false(job.keep_failure || job.keep_pass);
    schedule_done(&s);
    suite_free(suite);
}

/* A session ends at any moment and another goes on with its progress: every run is made, the ones
 * that were out are made again, and none else. */
static void test_resume(void **state)
{
    struct suite *suite = parse("version: 1\n"
                                "tests: [{name: a, command: [x], runs: 40}]\n");
    struct run_options options = defaults();
    struct random_stream random;

    (void)state;
    options.keep_going = true;
    random_init(&random, 5, RANDOM_CHOICE);
    for (int round = 0; round < 50; round++) {
        unsigned made[41] = {0};
        struct schedule s;

        memset(progress, 0, sizeof(progress));
        for (int life = 0; life < 4; life++) {
            uint64_t steps = life == 3 ? UINT64_MAX : random_below(&random, 40);
            struct job out[5];
            unsigned busy = 0;

            schedule_init(&s, suite, &options, progress);
            while (steps-- > 0) {
                uint64_t at;

                while (busy < 5 && schedule_next(&s, 0, &out[busy]))
                    busy++;
                if (busy == 0)
                    break;
                at = random_below(&random, busy);
                made[out[at].run] += out[at].kind == JOB_RUN;
                answer(&s, &out[at], OUTCOME_PASS);
                out[at] = out[--busy];
            }
            if (life == 3)
                assert_true(schedule_test_complete(&s, &s.tests[0]));
            schedule_done(&s);
        }
        for (int run = 1; run <= 40; run++)
            assert_int_equal(made[run], 1);
        assert_int_equal(progress_counts(&progress[0])->passed, 40);
    }
    suite_free(suite);
}

/* With little time every test gets a few runs before one gets many. */
static void test_rounds(void **state)
{
    struct suite *suite = parse("version: 1\n"
                                "defaults: {command: [x], runs: 100, strategy: round-robin}\n"
                                "tests: [{name: a}, {name: b}, {name: c}]\n");
    struct run_options options = defaults();
    uint64_t runs[3] = {0};
    struct schedule s;
    struct job job;

    (void)state;
    options.time_budget_ns = 1;
    begin(&s, suite, &options);
    for (int i = 0; i < 300; i++) {
        assert_true(schedule_next(&s, 0, &job));
        runs[job.test]++;
        if (i == 23) /* the first round */
            assert_true(runs[0] == 8 && runs[1] == 8 && runs[2] == 8);
        answer(&s, &job, OUTCOME_PASS);
    }
    assert_false(schedule_next(&s, 0, &job));
    schedule_done(&s);
    suite_free(suite);
}

static uint64_t last_first(const void *context, size_t test)
{
    (void)context;
    return test == 2;
}

static void test_rank(void **state)
{
    struct suite *suite = parse("version: 1\n"
                                "defaults: {command: [x], runs: 1, strategy: round-robin}\n"
                                "tests: [{name: a}, {name: b}, {name: c}]\n");
    static const uint32_t expected[] = {2, 0, 1};
    struct run_options options = defaults();
    struct schedule s;
    struct job job;

    (void)state;
    begin(&s, suite, &options);
    schedule_rank(&s, last_first, NULL);
    for (int i = 0; i < 3; i++) {
        assert_true(schedule_next(&s, 0, &job));
        assert_int_equal(job.test, expected[i]);
    }
    for (int i = 0; i < 3; i++) /* the books are in the suite's order all the same */
        assert_int_equal(s.tests[i].index, i);
    schedule_done(&s);
    suite_free(suite);
}

/* Shards by runs: together they make the runs of the whole, and the lowest failing one is among
 * them. */
static void test_shards(void **state)
{
    struct suite *suite = parse("version: 1\n"
                                "defaults: {command: [x], runs: 10, strategy: round-robin}\n"
                                "tests: [{name: a}, {name: b}]\n");
    struct run_options options = defaults();
    unsigned made[2][11] = {{0}};
    struct schedule s;
    struct job job;

    (void)state;
    options.shard.count = 3;
    options.shard.by = SHARD_BY_RUNS;
    for (options.shard.index = 1; options.shard.index <= 3; options.shard.index++) {
        begin(&s, suite, &options);
        while (schedule_next(&s, 0, &job)) {
            made[job.test][job.run]++;
            assert_true(job.seed == random_run_seed(42, suite->tests[job.test].name, job.run));
            answer(&s, &job, OUTCOME_PASS);
        }
        assert_true(schedule_test_complete(&s, &s.tests[0]));
        schedule_done(&s);
    }
    for (int test = 0; test < 2; test++) {
        for (int run = 1; run <= 10; run++)
            assert_int_equal(made[test][run], 1);
    }
    options.shard = (struct shard){.index = 2, .count = 2};
    begin(&s, suite, &options);
    assert_false(s.tests[0].selected);
    assert_true(s.tests[1].selected);
    schedule_done(&s);
    suite_free(suite);
}

/* Set-up before everything else of a test, teardown behind it, also when the session is stopped. */
static void test_hooks(void **state)
{
    struct suite *suite = parse("version: 1\n"
                                "tests:\n"
                                "  - {name: a, command: [x], runs: 2, strategy: round-robin,\n"
                                "     setup: [\"true\"], teardown: [\"true\"]}\n");
    struct run_options options = defaults();
    struct schedule s;
    struct job setup, job;

    (void)state;
    begin(&s, suite, &options);
    assert_true(schedule_next(&s, 0, &setup));
    assert_int_equal(setup.kind, JOB_SETUP);
    assert_false(schedule_next(&s, 0, &job));
    answer(&s, &setup, OUTCOME_PASS);
    assert_true(schedule_next(&s, 0, &job));
    assert_int_equal(job.kind, JOB_RUN);
    s.draining = true;
    answer(&s, &job, OUTCOME_PASS);
    assert_false(schedule_next(&s, 1, &job)); /* what was set up lives in the other worker */
    assert_true(schedule_next(&s, 0, &job));
    assert_int_equal(job.kind, JOB_TEARDOWN);
    answer(&s, &job, OUTCOME_PASS);
    assert_false(schedule_next(&s, 0, &job));
    assert_false(schedule_test_complete(&s, &s.tests[0]));
    schedule_done(&s);

    begin(&s, suite, &options);
    assert_true(schedule_next(&s, 3, &setup));
    answer(&s, &setup, OUTCOME_PASS);
    schedule_worker_lost(&s, 3);
    assert_true(schedule_next(&s, 0, &job));
    assert_int_equal(job.kind, JOB_SETUP); /* again */
    answer(&s, &job, OUTCOME_PASS);
    schedule_done(&s);

    begin(&s, suite, &options);
    assert_true(schedule_next(&s, 0, &setup));
    answer(&s, &setup, OUTCOME_FAIL);
    assert_true(schedule_next(&s, 0, &job));
    assert_int_equal(job.kind, JOB_TEARDOWN);
    answer(&s, &job, OUTCOME_PASS);
    assert_false(schedule_next(&s, 0, &job));
    assert_true(schedule_test_complete(&s, &s.tests[0]));
    assert_int_equal(s.tests[0].failures.count, 1);
    schedule_done(&s);
    suite_free(suite);
}

static void test_interrupted_setup(void **state)
{
    struct suite *suite =
        parse("version: 1\ntests: [{name: a, command: [x], setup: [\"true\"]}]\n");
    struct run_options options = defaults();
    struct schedule s;
    struct job job;

    (void)state;
    begin(&s, suite, &options);
    assert_true(schedule_next(&s, 0, &job));
    s.draining = true;
    answer(&s, &job, OUTCOME_CANCELLED);
    assert_int_equal(s.tests[0].failures.count, 0);
    assert_false(schedule_test_complete(&s, &s.tests[0]));
    schedule_done(&s);
    suite_free(suite);
}

/* With --until-failure a test is torn down when there is no other round, and only then. */
static void test_teardown_until_failure(void **state)
{
    struct suite *suite = parse("version: 1\n"
                                "defaults: {command: [x], runs: 2, strategy: round-robin,\n"
                                "           teardown: [\"true\"]}\n"
                                "tests: [{name: a}, {name: b}]\n");
    struct run_options options = defaults();
    unsigned torn_down[2] = {0};
    struct schedule s;
    struct job job;

    (void)state;
    options.until_failure = true;
    begin(&s, suite, &options);
    while (schedule_next(&s, 0, &job)) {
        bool fails = job.kind == JOB_RUN && job.test == 1 && job.run == 5;

        if (job.kind == JOB_TEARDOWN)
            torn_down[job.test]++;
        else
            assert_int_equal(torn_down[job.test], 0);
        answer(&s, &job, fails ? OUTCOME_FAIL : OUTCOME_PASS);
    }
    assert_int_equal(counts_of(&s, 1)->first_failure, 5);
    assert_int_equal(torn_down[0], 1);
    assert_int_equal(torn_down[1], 1);
    schedule_done(&s);
    suite_free(suite);
}

/* The length is what a whole calibrating run told, in a resumed session as well. */
static void test_interrupted_calibration(void **state)
{
    struct suite *suite = parse("version: 1\ntests: [{name: a, command: [x], strategy: random}]\n");
    struct run_options options = defaults();
    struct schedule s;
    struct job job;

    (void)state;
    begin(&s, suite, &options);
    assert_true(schedule_next(&s, 0, &job));
    assert_int_equal(job.kind, JOB_CALIBRATE);
    s.draining = true;
    answer(&s, &job, OUTCOME_CANCELLED);
    assert_false(schedule_next(&s, 0, &job));
    schedule_done(&s);

    schedule_init(&s, suite, &options, progress); /* goes on */
    for (int i = 0; i < 2; i++) {
        assert_true(schedule_next(&s, 0, &job));
        assert_int_equal(job.kind, JOB_CALIBRATE);
        answer(&s, &job, i == 0 ? OUTCOME_ERROR : OUTCOME_PASS); /* the recorder was killed */
    }
    assert_true(schedule_next(&s, 0, &job));
    assert_int_equal(job.kind, JOB_RUN);
    assert_int_equal(job.length.ticks, 512);
    answer(&s, &job, OUTCOME_PASS);
    schedule_done(&s);

    begin(&s, suite, &options); /* one that can never be made stops nothing */
    for (int i = 0; i < 2; i++) {
        assert_true(schedule_next(&s, 0, &job));
        assert_int_equal(job.kind, JOB_CALIBRATE);
        answer(&s, &job, OUTCOME_ERROR);
    }
    assert_true(schedule_next(&s, 0, &job));
    assert_int_equal(job.kind, JOB_RUN);
    answer(&s, &job, OUTCOME_PASS);
    schedule_done(&s);
    suite_free(suite);
}

/* A teardown that failed is told again when its test is finished; else it comes again itself. */
static void test_resumed_teardown(void **state)
{
    static struct report report;
    struct suite *suite = parse("version: 1\n"
                                "defaults: {command: [x], strategy: round-robin, runs: 1,\n"
                                "           teardown: [\"true\"]}\n"
                                "tests: [{name: a}, {name: b}]\n");
    struct run_options options = defaults();
    struct schedule s;
    struct job job;

    (void)state;
    begin(&s, suite, &options);
    assert_true(schedule_next(&s, 0, &job));
    assert_int_equal(job.kind, JOB_SETUP);
    answer(&s, &job, OUTCOME_PASS);
    assert_true(schedule_next(&s, 0, &job));
    assert_int_equal(job.kind, JOB_RUN);
    answer(&s, &job, OUTCOME_PASS);
    schedule_done(&s);

    schedule_init(&s, suite, &options, progress);
    for (uint32_t test = 0; test < 2; test++) {
        report = (struct report){.job = {.kind = JOB_TEARDOWN, .test = test},
                                 .outcome = OUTCOME_ERROR,
                                 .failure = FAILURE_SETUP};
        assert_int_equal(schedule_restore(&s, &report), test == 0);
        assert_int_equal(s.tests[test].failures.count, test == 0);
    }
    report.job = (struct job){.kind = JOB_RUN, .test = 1, .run = 1, .ordinal = 1};
    assert_false(schedule_restore(&s, &report)); /* not counted before the kill: made again */
    report.job.test = 7;
    assert_false(schedule_restore(&s, &report));
    schedule_done(&s);
    suite_free(suite);
}

/* The failing run 3 is back, 1 and 2 are not: they are made in the session that goes on. */
static void test_resumed_below_failure(void **state)
{
    struct suite *suite =
        parse("version: 1\ntests: [{name: a, command: [x], strategy: round-robin, runs: 9}]\n");
    struct run_options options = defaults();
    struct schedule s;
    struct job jobs[4];

    (void)state;
    begin(&s, suite, &options);
    for (int i = 0; i < 4; i++)
        assert_true(schedule_next(&s, 0, &jobs[i]));
    answer(&s, &jobs[2], OUTCOME_FAIL);
    assert_false(schedule_next(&s, 0, &jobs[3]));
    schedule_done(&s);

    schedule_init(&s, suite, &options, progress);
    assert_true(schedule_next(&s, 0, &jobs[0]));
    assert_int_equal(jobs[0].run, 1);
    assert_true(schedule_next(&s, 0, &jobs[1]));
    assert_int_equal(jobs[1].run, 2);
    assert_false(schedule_next(&s, 0, &jobs[2]));
    answer(&s, &jobs[0], OUTCOME_PASS);
    answer(&s, &jobs[1], OUTCOME_FAIL);
    assert_int_equal(counts_of(&s, 0)->first_failure, 2);
    assert_true(schedule_test_complete(&s, &s.tests[0]));
    schedule_done(&s);
    suite_free(suite);
}

static void test_resumed_time_budget(void **state)
{
    static struct report report;
    struct suite *suite =
        parse("version: 1\n"
              "tests: [{name: a, command: [x], strategy: round-robin, time_budget: 1s}]\n");
    struct run_options options = defaults();
    struct schedule s;
    struct job job;

    (void)state;
    begin(&s, suite, &options);
    assert_true(schedule_next(&s, 0, &job));
    report = (struct report){.job = job, .statistics = {.wall_ns = 2000000000}};
    schedule_absorb(&s, &report);
    assert_false(schedule_next(&s, 0, &job));
    schedule_done(&s);
    schedule_init(&s, suite, &options, progress);
    assert_false(schedule_next(&s, 0, &job));
    assert_true(schedule_test_complete(&s, &s.tests[0]));
    schedule_done(&s);
    suite_free(suite);
}

/* Shards by runs: one whose share of the first rounds is no run at all goes on to its own. */
static void test_until_failure_in_shards(void **state)
{
    struct suite *suite =
        parse("version: 1\n"
              "tests: [{name: a, command: [x], strategy: round-robin, runs: 1}]\n");
    struct run_options options = defaults();
    struct schedule s;
    struct job job;

    (void)state;
    options.until_failure = true;
    options.shard = (struct shard){.index = 8, .count = 8, .by = SHARD_BY_RUNS};
    begin(&s, suite, &options);
    assert_true(schedule_next(&s, 0, &job));
    assert_true(job.run > 1);
    answer(&s, &job, OUTCOME_FAIL);
    assert_false(schedule_next(&s, 0, &job));
    schedule_done(&s);
    suite_free(suite);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order),
        cmocka_unit_test(test_order_does_not_matter),
        cmocka_unit_test(test_superfluous),
        cmocka_unit_test(test_superfluous_calibration),
        cmocka_unit_test(test_run_seed),
        cmocka_unit_test(test_seeds_of_the_suite),
        cmocka_unit_test(test_until_failure),
        cmocka_unit_test(test_keep_flags),
        cmocka_unit_test(test_resume),
        cmocka_unit_test(test_rounds),
        cmocka_unit_test(test_rank),
        cmocka_unit_test(test_shards),
        cmocka_unit_test(test_hooks),
        cmocka_unit_test(test_interrupted_setup),
        cmocka_unit_test(test_teardown_until_failure),
        cmocka_unit_test(test_interrupted_calibration),
        cmocka_unit_test(test_resumed_teardown),
        cmocka_unit_test(test_resumed_below_failure),
        cmocka_unit_test(test_resumed_time_budget),
        cmocka_unit_test(test_until_failure_in_shards),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
