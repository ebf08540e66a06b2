/* The strategies on simulated programs: same seed, same run; no task starves; bug patterns are
 * found at useful rates (printed); correct programs pass. And the contract of sched.h, call by
 * call. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <stdio.h>

#include "recorder/sched/tests/programs.h"
#include "recorder/sched/tests/simulator.h"

#define RUNS 1000

static void learn(const struct program *program, struct sched_length *ret)
{
    struct simulation run;

    simulate(program, SCHED_ROUND_ROBIN, 0, NULL, &run);
    *ret = run.learned;
}

static int find(const struct program *program, const struct sched_length *length, double *ret_traps)
{
    struct simulation run;
    int found = 0;

    *ret_traps = 0;
    for (uint64_t seed = 0; seed < RUNS; seed++) {
        simulate(program, SCHED_RANDOM, seed, length, &run);
        assert_int_not_equal(run.outcome, OUTCOME_ENDLESS);
        found += run.outcome == OUTCOME_BUG;
        *ret_traps += (double)run.traps / RUNS;
    }
    return found;
}

static void test_bugs_are_found(void **state)
{
    (void)state;
    printf("found by random in %d runs (traps per run), length unknown and learned:\n", RUNS);
    for (size_t i = 0; i < programs_buggy_count; i++) {
        const struct program *program = &programs_buggy[i];
        struct sched_length length;
        double traps, traps_learned;
        int unknown, learned;

        learn(program, &length);
        unknown = find(program, NULL, &traps);
        learned = find(program, &length, &traps_learned);
        printf("  %-28s %4d (%.1f)  %4d (%.1f)\n", program->name, unknown, traps, learned,
               traps_learned);
        assert_true(unknown >= program->found_at_least);
        assert_true(learned >= program->found_at_least);
    }
}

/* The control: without preemption only what round robin finds is found. */
static void test_round_robin_finds_little(void **state)
{
    int found = 0;

    (void)state;
    for (size_t i = 0; i < programs_buggy_count; i++) {
        struct simulation run;

        simulate(&programs_buggy[i], SCHED_ROUND_ROBIN, 0, NULL, &run);
        found += run.outcome == OUTCOME_BUG;
    }
    assert_in_range(found, 0, 2);
}

static void test_correct_programs_pass(void **state)
{
    struct simulation run;

    (void)state;
    for (size_t i = 0; i < programs_correct_count; i++) {
        simulate(&programs_correct[i], SCHED_ROUND_ROBIN, 0, NULL, &run);
        assert_int_equal(run.outcome, OUTCOME_PASS);
        for (uint64_t seed = 0; seed < RUNS; seed++) {
            simulate(&programs_correct[i], SCHED_RANDOM, seed, NULL, &run);
            assert_int_equal(run.outcome, OUTCOME_PASS);
        }
    }
}

static void test_spinning_ends(void **state)
{
    struct simulation run;

    (void)state;
    for (size_t i = 0; i < programs_spinning_count; i++) {
        struct sched_length length;

        simulate(&programs_spinning[i], SCHED_ROUND_ROBIN, 0, NULL, &run);
        assert_int_equal(run.outcome, OUTCOME_PASS);
        length = run.learned;
        for (uint64_t seed = 0; seed < 30; seed++) {
            simulate(&programs_spinning[i], SCHED_RANDOM, seed, NULL, &run);
            assert_int_equal(run.outcome, OUTCOME_PASS);
            simulate(&programs_spinning[i], SCHED_RANDOM, seed, &length, &run);
            assert_int_equal(run.outcome, OUTCOME_PASS);
        }
    }
}

static void test_same_seed_same_run(void **state)
{
    static const struct sched_length lengths[] = {{0, 0, 0, 0}, {100, 30, 20, 100000}};
    struct simulation a, b;

    (void)state;
    for (size_t i = 0; i < programs_buggy_count; i++) {
        for (uint64_t seed = 0; seed < 100; seed++) {
            simulate(&programs_buggy[i], SCHED_RANDOM, seed, &lengths[seed % 2], &a);
            simulate(&programs_buggy[i], SCHED_RANDOM, seed, &lengths[seed % 2], &b);
            assert_memory_equal(&a, &b, sizeof(a));
        }
    }
}

static int compare_runs(const void *a, const void *b)
{
    const struct simulation *x = a, *y = b;

    return memcmp(x->output, y->output, sizeof(x->output));
}

static int compare_digests(const void *a, const void *b)
{
    const struct simulation *x = a, *y = b;

    return x->digest < y->digest ? -1 : x->digest > y->digest;
}

static size_t count_different(struct simulation *runs, size_t count,
                              int (*compare)(const void *, const void *))
{
    size_t different = 1;

    qsort(runs, count, sizeof(*runs), compare);
    for (size_t i = 1; i < count; i++)
        different += compare(&runs[i - 1], &runs[i]) != 0;
    return different;
}

static void check_seeds_differ(const struct program *program, size_t least)
{
    static struct simulation runs[50];
    size_t outputs, digests;

    for (uint64_t seed = 0; seed < 50; seed++)
        simulate(program, SCHED_RANDOM, seed, NULL, &runs[seed]);
    outputs = count_different(runs, 50, compare_runs);
    digests = count_different(runs, 50, compare_digests);
    printf("%s, 50 seeds: %zu outputs, %zu digests\n", program->name, outputs, digests);
    assert_true(outputs >= least);
    assert_true(digests > 45);
}

static void test_seeds_differ(void **state)
{
    (void)state;
    check_seeds_differ(&program_letters, 30);
    check_seeds_differ(&program_racy, 42);
}

/* Preemption costs a stop each: a long computation must not be cut into pieces of a few ticks. */
static void test_long_programs_stay_cheap(void **state)
{
    struct simulation run;
    uint64_t most = 0, sum = 0;

    (void)state;
    simulate(&program_long, SCHED_ROUND_ROBIN, 0, NULL, &run);
    assert_int_equal(run.outcome, OUTCOME_PASS);
    assert_in_range(run.traps, 2, 40);
    for (uint64_t seed = 0; seed < 16; seed++) {
        simulate(&program_long, SCHED_RANDOM, seed, NULL, &run);
        assert_int_equal(run.outcome, OUTCOME_PASS);
        most = run.traps > most ? run.traps : most;
        sum += run.traps;
        assert_true(run.longest_wait < 20000000);
    }
    printf("2 x 1e6 ticks: %.0f traps on average, %lu at most\n", (double)sum / 16,
           (unsigned long)most);
    assert_true(most < 5000);
}

static void test_names(void **state)
{
    (void)state;
    assert_string_equal(sched_strategy_name(SCHED_ROUND_ROBIN), "round-robin");
    assert_string_equal(sched_strategy_name(SCHED_RANDOM), "random");
    assert_int_equal(sched_strategy_by_name("random"), SCHED_RANDOM);
    assert_int_equal(sched_strategy_by_name("round-robin"), SCHED_ROUND_ROBIN);
    assert_int_equal(sched_strategy_by_name("auto"), -1);
    assert_int_equal(sched_strategy_by_name("chaos"), -1);
}

static uint32_t choose(struct sched *s, enum sched_reason reason, uint32_t current, size_t count,
                       const uint32_t *runnable)
{
    uint64_t wait_ns;

    return sched_choose(s, reason, runnable, count, current, 0, &wait_ns);
}

static void test_round_robin_decisions(void **state)
{
    static const uint32_t all[] = {1, 2, 3}, two_three[] = {2, 3}, one_three[] = {1, 3};
    struct sched *s = sched_new(SCHED_ROUND_ROBIN, 7, NULL);
    struct sched_slice slice;

    (void)state;
    sched_task_new(s, 1, 0);
    assert_int_equal(choose(s, SCHED_NEW_TASK, 0, 1, all), 1);
    slice = sched_slice(s, 1, 0);
    assert_true(slice.ticks == 50000000 && slice.atomics == UINT64_MAX && slice.steps == 0);
    sched_task_new(s, 2, 1);
    assert_int_equal(choose(s, SCHED_NEW_TASK, 1, 2, all), 1);
    slice = sched_slice(s, 1, 1);
    assert_true(slice.ticks == 50000); /* the fairness limit: no longer alone */
    sched_ran(s, 1, 400, 3, 1);
    assert_int_equal(choose(s, SCHED_CALL, 1, 2, all), 1);
    assert_true(sched_slice(s, 1, 1).ticks == 49600); /* goes on */
    sched_task_new(s, 3, 1);
    assert_int_equal(choose(s, SCHED_NEW_TASK, 1, 3, all), 1);
    assert_int_equal(choose(s, SCHED_BLOCKED, 1, 2, two_three), 2);
    assert_int_equal(choose(s, SCHED_WOKE, 2, 3, all), 2);
    assert_int_equal(choose(s, SCHED_YIELD, 2, 3, all), 3); /* has waited longer than 1 */
    assert_int_equal(choose(s, SCHED_YIELD, 3, 3, all), 1);
    assert_int_equal(choose(s, SCHED_YIELD, 1, 3, all), 2);
    sched_task_exit(s, 2);
    assert_int_equal(choose(s, SCHED_EXITED, 2, 2, one_three), 3);
    sched_free(s);
}

/* Nobody is preempted at a call before the one that the slice names, and at that one somebody is
 * now and then. */
static void test_calls_in_advance(void **state)
{
    static const uint32_t all[] = {1, 2};
    size_t switches = 0, ahead = 0;

    (void)state;
    for (uint64_t seed = 0; seed < 500; seed++) {
        struct sched *s = sched_new(SCHED_RANDOM, seed, NULL);
        uint32_t current;
        uint64_t calls;

        sched_task_new(s, 1, 0);
        sched_task_new(s, 2, 1);
        current = choose(s, SCHED_NEW_TASK, 1, 2, all);
        calls = sched_slice(s, current, 1).calls;
        assert_in_range(calls, 1, 1000);
        ahead += calls > 1;
        if (calls > 1) {
            sched_ran(s, current, 0, 0, calls - 1);
            assert_int_equal(choose(s, SCHED_CALL, current, 2, all), current);
            sched_slice(s, current, 1);
        }
        sched_ran(s, current, 0, 0, 1);
        switches += choose(s, SCHED_CALL, current, 2, all) != current;
        sched_free(s);
    }
    assert_in_range(ahead, 100, 490);
    assert_in_range(switches, 20, 490);
}

/* Fairness comes behind a call where the task makes calls, and at once where it makes none. */
static void test_fairness_behind_a_call(void **state)
{
    static const uint32_t all[] = {1, 2};
    struct sched *s = sched_new(SCHED_ROUND_ROBIN, 7, NULL);

    (void)state;
    sched_task_new(s, 1, 0);
    sched_task_new(s, 2, 1);
    assert_int_equal(choose(s, SCHED_NEW_TASK, 1, 2, all), 1);
    assert_int_equal(sched_slice(s, 1, 1).calls, UINT64_MAX);
    sched_ran(s, 1, 40000, 0, 1);
    assert_int_equal(choose(s, SCHED_CALL, 1, 2, all), 1);
    assert_true(sched_slice(s, 1, 1).ticks == 10000);
    sched_ran(s, 1, 10000, 0, 0);
    assert_int_equal(choose(s, SCHED_SLICE_END, 1, 2, all), 1);
    assert_int_equal(sched_slice(s, 1, 1).calls, 1);
    sched_ran(s, 1, 100, 0, 1);
    assert_int_equal(choose(s, SCHED_CALL, 1, 2, all), 2);
    assert_int_equal(sched_slice(s, 2, 1).calls, UINT64_MAX);
    sched_ran(s, 2, 50000, 0, 0);
    assert_int_equal(choose(s, SCHED_SLICE_END, 2, 2, all), 1);
    assert_int_equal(sched_slice(s, 1, 1).calls, UINT64_MAX);
    /* ... and at the next limit, if the call does not come */
    sched_ran(s, 1, 40000, 0, 1);
    assert_int_equal(choose(s, SCHED_CALL, 1, 2, all), 1);
    sched_ran(s, 1, sched_slice(s, 1, 1).ticks, 0, 0);
    assert_int_equal(choose(s, SCHED_SLICE_END, 1, 2, all), 1);
    sched_ran(s, 1, sched_slice(s, 1, 1).ticks, 0, 0);
    assert_int_equal(choose(s, SCHED_SLICE_END, 1, 2, all), 2);
    sched_free(s);
}

static void test_learned_counts_choices_alone(void **state)
{
    static const uint32_t all[] = {1, 2};
    struct sched *s = sched_new(SCHED_ROUND_ROBIN, 7, NULL);
    struct sched_length learned;

    (void)state;
    sched_task_new(s, 1, 0);
    choose(s, SCHED_NEW_TASK, 0, 1, all);
    sched_ran(s, 1, 1000, 50, 7);
    sched_task_new(s, 2, 1);
    choose(s, SCHED_NEW_TASK, 1, 2, all);
    sched_ran(s, 1, 10, 5, 2);
    sched_learned(s, &learned);
    assert_true(learned.ticks == 10 && learned.atomics == 5 && learned.calls == 2);
    sched_free(s);
}

/* A caller that never says how many calls were made: each decision at one counts it, so that a task
 * that polls for ever lets others run. */
static void test_polling_without_reported_calls(void **state)
{
    static const uint32_t all[] = {1, 2};
    struct sched *s = sched_new(SCHED_ROUND_ROBIN, 7, NULL);
    int decisions = 0;

    (void)state;
    sched_task_new(s, 1, 0);
    sched_task_new(s, 2, 1);
    choose(s, SCHED_NEW_TASK, 1, 2, all);
    while (choose(s, SCHED_CALL, 1, 2, all) == 1)
        assert_true(++decisions < 5000);
    assert_true(decisions > 500);
    sched_free(s);
}

/* A limit that the recorder lowered to deliver a signal is no preemption. */
static void test_slice_cut_short_goes_on(void **state)
{
    static const uint32_t all[] = {1, 2};
    struct sched *s = sched_new(SCHED_ROUND_ROBIN, 7, NULL);

    (void)state;
    sched_task_new(s, 1, 0);
    sched_task_new(s, 2, 1);
    choose(s, SCHED_NEW_TASK, 1, 2, all);
    assert_true(sched_slice(s, 1, 1).ticks == 50000);
    sched_ran(s, 1, 1, 0, 0);
    assert_int_equal(choose(s, SCHED_SLICE_END, 1, 2, all), 1);
    assert_true(sched_slice(s, 1, 1).ticks == 49999);
    sched_ran(s, 1, 50000, 0, 0); /* one more than the limit: the trap's own tick */
    assert_int_equal(choose(s, SCHED_SLICE_END, 1, 2, all), 2);
    sched_free(s);
}

static void test_wake_order(void **state)
{
    struct sched *s = sched_new(SCHED_ROUND_ROBIN, 7, NULL);
    int first = 0, others = 0;

    (void)state;
    assert_int_equal(sched_pick_waiter(s, 5), 0);
    sched_free(s);
    for (uint64_t seed = 0; seed < 200; seed++) {
        size_t picked;

        s = sched_new(SCHED_RANDOM, seed, NULL);
        picked = sched_pick_waiter(s, 5);
        assert_true(picked < 5);
        first += picked == 0;
        others += picked != 0;
        sched_free(s);
    }
    assert_true(first > 20 && others > 60);
}

/* High-only intervals: some seed makes the only, low task wait, and the wait is over when the clock
 * has advanced by what was asked. */
static void test_starvation_intervals_end(void **state)
{
    int waited = 0;

    (void)state;
    for (uint64_t seed = 0; seed < 3000; seed++) {
        static const uint32_t one[] = {1};
        struct sched *s = sched_new(SCHED_RANDOM, seed, NULL);
        uint64_t now = 0, wait_ns = 0;

        sched_task_new(s, 1, 0);
        for (int i = 0; i < 50; i++) {
            uint32_t chosen = sched_choose(s, SCHED_CALL, one, 1, 1, now, &wait_ns);

            if (chosen == 0) {
                waited++;
                assert_true(wait_ns > 0);
                now += wait_ns;
                assert_int_equal(sched_choose(s, SCHED_CALL, one, 1, 1, now, &wait_ns), 1);
            }
            assert_true(wait_ns == 0);
            now += 100000;
        }
        sched_free(s);
    }
    assert_true(waited > 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_round_robin_decisions),
        cmocka_unit_test(test_calls_in_advance),
        cmocka_unit_test(test_fairness_behind_a_call),
        cmocka_unit_test(test_learned_counts_choices_alone),
        cmocka_unit_test(test_polling_without_reported_calls),
        cmocka_unit_test(test_slice_cut_short_goes_on),
        cmocka_unit_test(test_wake_order),
        cmocka_unit_test(test_starvation_intervals_end),
        cmocka_unit_test(test_correct_programs_pass),
        cmocka_unit_test(test_spinning_ends),
        cmocka_unit_test(test_same_seed_same_run),
        cmocka_unit_test(test_seeds_differ),
        cmocka_unit_test(test_long_programs_stay_cheap),
        cmocka_unit_test(test_round_robin_finds_little),
        cmocka_unit_test(test_bugs_are_found),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
