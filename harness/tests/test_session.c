/* What a session remembers: counts and sketches that are whole at any moment, shards, signatures.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "harness/run/message.h"
#include "harness/run/progress.h"
#include "harness/run/shard.h"
#include "harness/run/signature.h"
#include "recorder/base/random.h"

static void test_sketch(void **state)
{
    struct sketch *sketch = calloc(1, sizeof(*sketch));
    struct random_stream random;
    bool is_estimate;
    uint64_t count;

    (void)state;
    assert_int_equal(sketch_count(sketch, &is_estimate), 0);
    assert_false(is_estimate);
    random_init(&random, 7, RANDOM_CHOICE);
    for (int i = 0; i < 1000; i++) {
        uint64_t value = random_u64(&random);

        sketch_add(sketch, value);
        sketch_add(sketch, value);
    }
    sketch_add(sketch, 0);
    sketch_add(sketch, 0);
    assert_int_equal(sketch_count(sketch, &is_estimate), 1001);
    assert_false(is_estimate);
    for (int i = 0; i < 99000; i++)
        sketch_add(sketch, random_u64(&random));
    count = sketch_count(sketch, &is_estimate);
    assert_true(is_estimate);
    assert_in_range(count, 90000, 110000); /* three standard errors */
    free(sketch);
}

/* Ordinals come back in a drawn order; at every moment exactly those are done. */
static void test_counts(void **state)
{
    struct test_counts counts = {0};
    struct random_stream random;
    bool done[5001] = {0};
    uint64_t oldest = 1;

    (void)state;
    random_init(&random, 3, RANDOM_CHOICE);
    while (oldest <= 5000) {
        uint64_t ordinal = oldest + random_below(&random, PROGRESS_WINDOW);

        if (ordinal > 5000 || random_below(&random, 3) == 0)
            ordinal = oldest;
        counts_mark_done(&counts, ordinal);
        done[ordinal] = true;
        while (oldest <= 5000 && done[oldest])
            oldest++;
        assert_int_equal(counts.prefix, oldest - 1);
        for (uint64_t i = 1; i <= 5000; i += 1 + random_below(&random, 40))
            assert_int_equal(counts_is_done(&counts, i), done[i]);
    }
    assert_false(counts_is_done(&counts, 5001));
    assert_false(counts_is_done(&counts, 5001 + PROGRESS_WINDOW));
}

static void test_progress(void **state)
{
    struct progress *progress = calloc(1, sizeof(*progress));
    struct test_counts counts = {.passed = 3, .planned = 9};

    (void)state;
    assert_int_equal(progress_counts(progress)->passed, 0);
    progress_set(progress, &counts);
    assert_int_equal(progress_counts(progress)->passed, 3);
    counts.passed = 4;
    progress_set(progress, &counts);
    assert_int_equal(progress_counts(progress)->passed, 4);
    assert_int_equal(progress_counts(progress)->planned, 9);
    /* A writer that died before its last store has changed nothing. */
    progress->counts[(progress->valid & 1) ^ 1].passed = 1000;
    assert_int_equal(progress_counts(progress)->passed, 4);
    free(progress);
}

/* --- shards --------------------------------------------------------------------------------------
 */

static const char *const *environment; /* NAME, VALUE, NAME, VALUE, NULL */

static char *get(const char *name)
{
    for (const char *const *at = environment; at && *at; at += 2) {
        if (strcmp(*at, name) == 0)
            return (char *)(uintptr_t)at[1];
    }
    return NULL;
}

static void check_engine(const char *const *variables, uint32_t index, uint32_t count)
{
    struct shard shard = {0};
    struct rr_error error;

    environment = variables;
    if (shard_parse("auto", get, &shard, &error))
        fail_msg("%s", error.message);
    assert_int_equal(shard.index, index);
    assert_int_equal(shard.count, count);
}

static void test_engines(void **state)
{
    static const char *const none[] = {NULL};
    static const char *const gitlab[] = {"CI_NODE_INDEX", "2", "CI_NODE_TOTAL", "4", NULL};
    static const char *const bazel[] = {"TEST_SHARD_INDEX", "0", "TEST_TOTAL_SHARDS", "5", NULL};
    static const char *const slurm[] = {"SLURM_ARRAY_TASK_ID",
                                        "12",
                                        "SLURM_ARRAY_TASK_COUNT",
                                        "3",
                                        "SLURM_ARRAY_TASK_MIN",
                                        "10",
                                        NULL};
    static const char *const kubernetes[] = {"JOB_COMPLETION_INDEX", "3", "RRTEST_SHARD_TOTAL", "4",
                                             NULL};
    static const char *const own[] = {
        "RRTEST_SHARD_INDEX", "1", "RRTEST_SHARD_TOTAL", "2", "CI_NODE_INDEX", "9", NULL};

    (void)state;
    check_engine(none, 1, 1);
    check_engine(gitlab, 2, 4);
    check_engine(bazel, 1, 5);
    check_engine(slurm, 3, 3);
    check_engine(kubernetes, 4, 4);
    check_engine(own, 1, 2);
}

static void check_refused(const char *text, const char *const *variables, const char *part)
{
    struct shard shard = {0};
    struct rr_error error;

    environment = variables;
    assert_int_equal(shard_parse(text, get, &shard, &error), -EINVAL);
    if (!strstr(error.message, part))
        fail_msg("'%s' lacks '%s'", error.message, part);
}

static void test_bad_shards(void **state)
{
    static const char *const lone[] = {"CI_NODE_INDEX", "2", NULL};
    static const char *const beyond[] = {"CI_NODE_INDEX", "5", "CI_NODE_TOTAL", "4", NULL};
    static const char *const word[] = {"TEST_SHARD_INDEX", "x", "TEST_TOTAL_SHARDS", "4", NULL};
    static const char *const below[] = {"SLURM_ARRAY_TASK_ID",
                                        "2",
                                        "SLURM_ARRAY_TASK_COUNT",
                                        "3",
                                        "SLURM_ARRAY_TASK_MIN",
                                        "3",
                                        NULL};

    (void)state;
    check_refused("2", NULL, "expected I/N");
    check_refused("/", NULL, "expected I/N");
    check_refused("0/4", NULL, "1 <= I <= N");
    check_refused("5/4", NULL, "1 <= I <= N");
    check_refused("1/0", NULL, "1 <= I <= N");
    check_refused("1/4/2", NULL, "expected I/N");
    check_refused("auto", lone, "$CI_NODE_TOTAL");
    check_refused("auto", beyond, "CI_NODE_INDEX");
    check_refused("auto", word, "$TEST_SHARD_INDEX");
    check_refused("auto", below, "below the first index");
}

/* Each run belongs to exactly one shard, whatever is split. */
static void test_partition(void **state)
{
    (void)state;
    for (int by = SHARD_BY_TESTS; by <= SHARD_BY_RUNS; by++) {
        for (uint32_t count = 1; count <= 7; count++) {
            for (uint64_t position = 0; position < 9; position++) {
                unsigned owners[21] = {0};

                for (uint32_t index = 1; index <= count; index++) {
                    struct shard shard = {.index = index, .count = count, .by = (enum shard_by)by};
                    uint64_t runs = shard_runs(&shard, position, 20);

                    for (uint64_t i = 1; shard_has_test(&shard, position) && i <= runs; i++) {
                        uint64_t run = shard_run(&shard, position, i);

                        assert_in_range(run, 1, 20);
                        owners[run]++;
                    }
                }
                for (int run = 1; run <= 20; run++)
                    assert_int_equal(owners[run], 1);
            }
        }
    }
}

/* --- messages and signatures ---------------------------------------------------------------------
 */

static void test_message(void **state)
{
    struct report *report = calloc(1, sizeof(*report));
    char long_text[REPORT_NOTES_MAX + 10];

    (void)state;
    memset(long_text, 'x', sizeof(long_text));
    report_append(report, PART_REASON, "why", 3);
    report_append(report, PART_REASON, "!", 1);
    report_append(report, PART_NOTES, long_text, sizeof(long_text));
    report_append(report, PART_STACKS, "s", 1);
    assert_int_equal(report->length[PART_REASON], 4);
    assert_int_equal(report->length[PART_OUTPUT], 0);
    assert_int_equal(report->length[PART_NOTES], REPORT_NOTES_MAX);
    assert_memory_equal(report_part(report, PART_REASON), "why!", 4);
    assert_memory_equal(report_part(report, PART_STACKS), "s", 1);
    assert_true(report_is_whole(report, report_size(report)));
    assert_false(report_is_whole(report, report_size(report) - 1));
    assert_false(report_is_whole(report, 10));
    report->length[PART_OUTPUT] = UINT32_MAX;
    assert_false(report_is_whole(report, report_size(report)));
    free(report);
}

static void check_mask(const char *text, const char *expected)
{
    struct bytes masked;

    bytes_init(&masked);
    signature_mask(text, strlen(text), &masked);
    bytes_append(&masked, "", 1);
    assert_string_equal((const char *)masked.data, expected);
    bytes_done(&masked);
}

static void test_mask(void **state)
{
    (void)state;
    check_mask("lost 3 of 100", "lost # of #");
    check_mask("at 0x7f12ab, utf8 and x86_64", "at #, utf8 and x86_64");
    check_mask("1.5s", "#.#s");
    check_mask("", "");
}

static uint64_t sign(enum failure_kind kind, const char *reason, const char *output)
{
    return signature_of(kind, NULL, reason, strlen(reason), output, strlen(output));
}

static void test_signature(void **state)
{
    uint64_t one = sign(FAILURE_EXIT, "exit 1, expected exit 0", "start\nlost 3\n");

    (void)state;
    assert_true(one != 0);
    assert_true(one == sign(FAILURE_EXIT, "exit 1, expected exit 0", "other\nlost 77\n\n"));
    assert_true(one != sign(FAILURE_EXIT, "exit 1, expected exit 0", "start\nfound 3\n"));
    assert_true(one != sign(FAILURE_EXIT, "exit 2, expected exit 0", "start\nlost 3\n"));
    assert_true(sign(FAILURE_LIMIT, "memory: 2.1 GiB used", "") ==
                sign(FAILURE_LIMIT, "memory: 2.2 GiB used", ""));
    assert_true(one != sign(FAILURE_OUTPUT, "exit 1, expected exit 0", "start\nlost 3\n"));
    assert_true(sign(FAILURE_TIMEOUT, "timeout: still running after 1s\nmore", "a") ==
                sign(FAILURE_TIMEOUT, "timeout: still running after 1s\nother", "b"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sketch),     cmocka_unit_test(test_counts),
        cmocka_unit_test(test_progress),   cmocka_unit_test(test_engines),
        cmocka_unit_test(test_bad_shards), cmocka_unit_test(test_partition),
        cmocka_unit_test(test_message),    cmocka_unit_test(test_mask),
        cmocka_unit_test(test_signature),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
