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

static void answer(struct schedule *s, const struct job *job, enum outcome outcome)
{
    static struct report report;

    report = (struct report){.job = *job, .outcome = outcome, .learned = {.ticks = 700}};
    report.statistics.schedule_digest = job->seed;
    schedule_absorb(s, &report);
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
    schedule_init(&s, suite, &options);
    assert_true(schedule_next(&s, &calibration));
    assert_int_equal(calibration.kind, JOB_CALIBRATE);
    assert_int_equal(calibration.test, 0);
    assert_true(schedule_next(&s, &first));
    assert_int_equal(first.kind, JOB_RUN);
    assert_int_equal(first.run, 1);
    assert_int_equal(first.strategy, SCHED_ROUND_ROBIN);
    assert_true(first.seed == random_run_seed(42, "a", 1));
    assert_true(schedule_next(&s, &other));
    assert_int_equal(other.test, 1);
    assert_int_equal(other.kind, JOB_CALIBRATE);
    answer(&s, &calibration, OUTCOME_PASS);
    assert_true(schedule_next(&s, &job));
    assert_int_equal(job.test, 0);
    assert_int_equal(job.run, 2);
    assert_int_equal(job.strategy, SCHED_RANDOM);
    assert_int_equal(job.length.ticks, 512); /* 700, rounded to a power of two */
    assert_true(job.seed == random_run_seed(42, "a", 2));
    schedule_done(&s);
    suite_free(suite);
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
    schedule_init(&s, suite, &options);
    for (;;) {
        uint64_t at;

        while (busy < workers && schedule_next(&s, &out[busy]))
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
    for (size_t i = 0; i < s.tests[0].failure_count; i++)
        assert_int_equal(s.tests[0].failures[i].job.run, failing + i);
    assert_int_equal(s.tests[0].failure_count, keep_going ? SCHEDULE_FAILURES_MAX : 1);
    if (keep_going)
        assert_int_equal(schedule_distinct(&s.tests[0].schedules), 40);
    reported = s.tests[0].first_failure;
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
    schedule_init(&s, suite, &options);
    assert_true(schedule_next(&s, &one));
    assert_int_equal(one.kind, JOB_RUN); /* round-robin needs no calibration */
    assert_true(schedule_next(&s, &two));
    assert_true(schedule_next(&s, &three));
    answer(&s, &two, OUTCOME_FAIL);
    assert_false(schedule_is_superfluous(&s, &one));
    assert_true(schedule_is_superfluous(&s, &three));
    assert_false(schedule_next(&s, &three));
    answer(&s, &three, OUTCOME_CANCELLED);
    answer(&s, &one, OUTCOME_PASS);
    assert_int_equal(s.tests[0].first_failure, 2);
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
        schedule_init(&s, suite, &options);
        assert_true(schedule_next(&s, &calibration[i]));
        answer(&s, &calibration[i], OUTCOME_PASS);
        assert_true(schedule_next(&s, &job[i]));
        assert_int_equal(job[i].seed, 99);
        assert_int_equal(job[i].strategy, SCHED_RANDOM);
        answer(&s, &job[i], OUTCOME_FAIL);
        assert_true(schedule_next(&s, &job[i])); /* no stop at a failure here */
        assert_int_equal(job[i].run, 2);
        schedule_done(&s);
    }
    assert_int_equal(calibration[0].seed, calibration[1].seed);
    assert_memory_equal(&job[0].length, &job[1].length, sizeof(job[0].length));
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
    schedule_init(&s, suite, &options);
    assert_true(schedule_next(&s, &job));
    assert_int_equal(job.seed, 5);
    assert_true(schedule_next(&s, &job));
    assert_int_equal(job.seed, 6);
    assert_true(schedule_next(&s, &job));
    assert_int_equal(job.test, 1);
    assert_true(job.seed == random_run_seed(1, "b", 1));
    assert_false(schedule_next(&s, &job));
    schedule_done(&s);
    options.has_seed = true;
    options.filter = "b";
    schedule_init(&s, suite, &options);
    assert_true(schedule_next(&s, &job));
    assert_true(job.seed == random_run_seed(42, "b", 1));
    assert_false(schedule_next(&s, &job));
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
    schedule_init(&s, suite, &options);
    while (schedule_next(&s, &job)) {
        runs += job.kind == JOB_RUN;
        answer(&s, &job,
               job.kind == JOB_RUN && job.test == 1 && job.run == 7 ? OUTCOME_FAIL : OUTCOME_PASS);
    }
    assert_int_equal(s.tests[1].first_failure, 7);
    assert_int_equal(s.tests[0].passed, 8); /* the round is finished by the other test */
    assert_int_equal(runs, 15);
    schedule_done(&s);
    suite_free(suite);
}

static void test_keep_flags(void **state)
{
    struct suite *suite = parse("version: 1\n"
                                "tests: [{name: a, command: [x], strategy: round-robin}]\n");
    struct run_options options = defaults();
    struct schedule s;
    struct job job;

    (void)state;
    options.keep = RUN_KEEP_FAILURES;
    options.keep_going = true;
    schedule_init(&s, suite, &options);
    for (int i = 0; i < SCHEDULE_FAILURES_MAX; i++) {
        assert_true(schedule_next(&s, &job));
        assert_true(job.keep_failure);
        assert_false(job.keep_pass);
        answer(&s, &job, OUTCOME_FAIL);
    }
    assert_true(schedule_next(&s, &job));
    assert_false(job.keep_failure);
    schedule_done(&s);
    options.keep = RUN_KEEP_ALL;
    schedule_init(&s, suite, &options);
    assert_true(schedule_next(&s, &job));
    assert_true(job.keep_failure && job.keep_pass);
    schedule_done(&s);
    options.keep = RUN_KEEP_NONE;
    schedule_init(&s, suite, &options);
    assert_true(schedule_next(&s, &job));
    assert_false(job.keep_failure || job.keep_pass);
    schedule_done(&s);
    suite_free(suite);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order),
        cmocka_unit_test(test_order_does_not_matter),
        cmocka_unit_test(test_superfluous),
        cmocka_unit_test(test_run_seed),
        cmocka_unit_test(test_seeds_of_the_suite),
        cmocka_unit_test(test_until_failure),
        cmocka_unit_test(test_keep_flags),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
