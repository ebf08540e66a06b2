/* reports: the JSON form loses nothing and survives damage; shards become one session. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <errno.h>
#include <unistd.h>
#include <cmocka.h>

#include "reports/json.h"
#include "reports/merge.h"
#include "reports/model.h"
#include "reports/rate.h"
#include "reports/tests/fixture.h"
#include "reports/text.h"

static char *json_of(const struct report_session *session)
{
    struct bytes out;

    bytes_init(&out);
    assert_int_equal(report_json_write(session, &out), 0);
    return text_take(&out);
}

static void read_back(const char *json, struct report_session *ret)
{
    struct rr_error error = {0};

    if (report_json_read("results.json", json, strlen(json), ret, &error))
        fail_msg("%s", error.message);
}

static void test_round_trip(void **state)
{
    static const char *const names[] = {"rich", "empty", "many", "passing", "shard1"};

    (void)state;
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
        struct report_session session, again;
        char *json, *json_again;

        assert_int_equal(fixture_make(names[i], &session), 0);
        json = json_of(&session);
        read_back(json, &again);
        json_again = json_of(&again);
        assert_string_equal(json, json_again);
        free(json);
        free(json_again);
        report_session_done(&session);
        report_session_done(&again);
    }
}

/* Text that is equal could still be wrong in both: look at what came back. */
static void test_values_come_back(void **state)
{
    struct report_session session, again;
    const struct report_failure *failure;
    const struct stack_frame *frame;
    char *json;

    (void)state;
    assert_int_equal(fixture_make("rich", &session), 0);
    json = json_of(&session);
    report_session_done(&session);
    read_back(json, &again);
    free(json);
    assert_true(again.seed == UINT64_MAX);
    assert_true(again.started_unix_ns == 1767225599123456789ull);
    assert_string_equal(again.notes[1], "another note");
    assert_null(again.notes[2]);
    assert_null(again.tests[0].note);
    assert_null(again.tests[0].labels);
    assert_string_equal(again.tests[1].labels[0], "slow");
    assert_int_equal(again.tests[3].verdict, REPORT_QUARANTINED);
    failure = &again.tests[1].failures[1];
    assert_int_equal(failure->count, 31);
    assert_true(failure->first_seed == 15755013860617669478ull);
    assert_int_equal(failure->stacks.count, 12);
    assert_int_equal(failure->trace_bytes, 4711);
    frame = &failure->stacks.tasks[0].frames[1];
    assert_true(frame->address == 0xffffffff81000020ull);
    assert_true(frame->is_inlined);
    assert_int_equal(frame->column, 7);
    assert_true(failure->stacks.tasks[0].is_cut);
    report_session_done(&again);
}

static void test_counts_beyond_json_are_refused(void **state)
{
    struct report_session session;
    struct bytes out;

    (void)state;
    assert_int_equal(fixture_make("rich", &session), 0);
    bytes_init(&out);
    session.tests[1].failures[2].count = 1ull << 63;
    assert_int_equal(report_json_write(&session, &out), -ERANGE);
    bytes_done(&out);
    report_session_done(&session);
}

static void check_refused(const char *json, const char *expected)
{
    struct report_session session;
    struct rr_error error = {0};

    assert_int_equal(report_json_read("f.json", json, strlen(json), &session, &error), -EINVAL);
    if (!strstr(error.message, expected))
        fail_msg("no '%s' in: %s", expected, error.message);
}

/* One place of a good document changed; everything must be refused with its place. */
static void test_mistakes_are_named(void **state)
{
    static const struct {
        const char *old, *new, *expected;
    } changes[] = {
        {"\"rrtest-results\"", "\"other\"", "f.json: expected results of rrtest"},
        {"\"format_version\": 1", "\"format_version\": 2", "\"format_version\" is not 1"},
        {"\"seed\": \"18446744073709551615\"", "\"seed\": 5", "f.json: seed: expected a number of"},
        {"\"seed\": \"18446744073709551615\"", "\"seed\": \"18446744073709551616\"", "seed: "},
        {"\"seed\": \"18446744073709551615\"", "\"seed\": \"05\"", "seed: expected a number of"},
        {"\"planned\": 200", "\"planned\": -1", "tests[0].planned: expected a number from 0 to 9"},
        {"\"planned\": 200", "\"planned\": \"200\"", "tests[0].planned: expected a number from"},
        {"\"line\": 4,", "\"line\": 4294967296,", "tests[0].line: expected a number from 0 to 42"},
        {"\"verdict\": \"passed\"", "\"verdict\": \"fine\"", "tests[0].verdict: expected passed, "},
        {"\"verdict\": \"passed\"", "\"verdict\": null", "tests[0].verdict: expected passed, "},
        {"\"runs\": 200", "\"runs\": 200, \"rums\": 1", "tests[0].rums: expected no such key"},
        {"\"runs\": 200", "\"rums\": 200", "tests[0].runs: expected a number from 0 to"},
        {"\"runs\": 200", "\"runs\": 200, \"runs\": 200", "expected JSON: duplicate object key"},
        {"\"keep_going\": true", "\"keep_going\": 1", "keep_going: expected true or false"},
        {"\"name\": \"passes\"", "\"name\": null", "tests[0].name: expected a string, got null"},
        {"\"name\": \"passes\"", "\"name\": \"\\u0000\"", "expected JSON: "},
        {"\"labels\": []", "\"labels\": [\"a\", 7]", "tests[0].labels[1]: expected a string"},
        {"\"index\": 1,", "\"index\": 2,", "shard: expected 1 to 1, got 2"},
        {"\"index\": 1,", "\"index\": 0,", "shard: expected 1 to 1, got 0"},
        {"\"failed\": 0", "\"failed\": 201", "tests[0]: more failed runs (201) than runs (200)"},
        {"\"rate_low\": 0.0", "\"rate_low\": 1.5", "tests[0].rate_low: expected a number from 0"},
        {"\"address\": \"0x", "\"address\": \"1x",
         "tests[1].failures[1].stacks[0].frames[0].address: expected a hexadecimal number"},
        {"\"tests\": [", "\"tests\": {}, \"x\": [", "tests: expected a list, got an object"},
    };
    struct report_session session;
    char *json;

    (void)state;
    assert_int_equal(fixture_make("rich", &session), 0);
    json = json_of(&session);
    report_session_done(&session);
    for (size_t i = 0; i < sizeof(changes) / sizeof(*changes); i++) {
        char *at = strstr(json, changes[i].old);
        struct bytes out;
        char *changed;

        if (!at)
            fail_msg("no '%s'", changes[i].old);
        bytes_init(&out);
        bytes_append(&out, json, (size_t)(at - json));
        text_append(&out, changes[i].new);
        text_append(&out, at + strlen(changes[i].old));
        changed = text_take(&out);
        check_refused(changed, changes[i].expected);
        free(changed);
    }
    free(json);
    check_refused("", "f.json:1:0: expected JSON");
    check_refused("[]", "f.json: expected results of rrtest");
    check_refused("\"\x1b[31m", "f.json:1:");
}

/* Cut anywhere and with any byte changed: an error or a model, never a crash. */
static void test_damage(void **state)
{
    struct report_session session;
    size_t refused = 0, read = 0;
    char *json;
    size_t length;

    (void)state;
    assert_int_equal(fixture_make("shard2", &session), 0);
    json = json_of(&session);
    report_session_done(&session);
    length = strlen(json);
    for (size_t i = 0; i < 2 * length; i++) {
        char *damaged = strdup(json);
        struct rr_error error = {0};
        size_t size = i < length ? i : length;

        assert_non_null(damaged);
        if (i >= length)
            damaged[i - length] ^= (char)(1 << i % 8);
        if (report_json_read("f", damaged, size, &session, &error) == 0) {
            report_session_done(&session);
            read++;
        } else {
            assert_true(strncmp(error.message, "f:", 2) == 0);
            refused++;
        }
        free(damaged);
    }
    free(json);
    assert_true(refused > length);
    assert_true(read > 0);
}

static void test_texts_from_outside_are_cleaned(void **state)
{
    struct report_session session;
    char *json, *at;

    (void)state;
    assert_int_equal(fixture_make("passing", &session), 0);
    json = json_of(&session);
    report_session_done(&session);
    at = strstr(json, "0.1.0");
    assert_non_null(at);
    memcpy(at, "\xef\xbf\xbf\xc2\x9b", 5);
    read_back(json, &session);
    assert_string_equal(session.version, "\\xef\\xbf\\xbf\\xc2\\x9b");
    report_session_done(&session);
    free(json);
}

static void test_load(void **state)
{
    char folder[] = "/tmp/test_results-XXXXXX";
    struct report_session session;
    struct rr_error error = {0};

    (void)state;
    assert_non_null(mkdtemp(folder));
    assert_int_equal(report_json_load(folder, &session, &error), -ENOENT);
    assert_non_null(strstr(error.message, "/results.json: No such file or directory"));
    assert_int_equal(rmdir(folder), 0);
    assert_int_equal(report_json_load(folder, &session, &error), -ENOENT);
}

static const char *const shard_names[] = {"one", "two", "three"};

static void make_shards(struct report_session *parts)
{
    assert_int_equal(fixture_make("shard1", &parts[0]), 0);
    assert_int_equal(fixture_make("shard2", &parts[1]), 0);
}

static void end_shards(struct report_session *parts)
{
    report_session_done(&parts[0]);
    report_session_done(&parts[1]);
}

static void test_merge_keep_going(void **state)
{
    struct report_session parts[2], whole;
    struct rr_error error;
    const struct report_test *test;

    (void)state;
    make_shards(parts);
    free(parts[0].reproduce);
    parts[0].reproduce = text_copy("rrtest run s.yaml --shard 1/2 --seed 5");
    assert_int_equal(report_merge(parts, shard_names, 2, &whole, &error), 0);
    end_shards(parts);
    assert_null(whole.unfinished);
    assert_string_equal(whole.reproduce, "rrtest run s.yaml --seed 5");
    assert_int_equal(whole.shard.count, 1);
    assert_int_equal(whole.count, 3);
    assert_string_equal(whole.tests[0].name, "only in 1");
    assert_string_equal(whole.tests[1].name, "split");
    assert_string_equal(whole.tests[2].name, "only in 2");
    test = &whole.tests[1];
    assert_int_equal(test->runs, 200);
    assert_int_equal(test->planned, 200);
    assert_int_equal(test->failed, 3);
    assert_int_equal(test->schedules, 374);
    assert_int_equal(test->outputs, 2);
    assert_true(test->counts_are_estimates);
    assert_int_equal(test->failure_count, 2);
    assert_int_equal(test->failures[0].first_run, 2);
    assert_string_equal(test->failures[0].kind, "signal");
    assert_int_equal(test->failures[1].count, 2);
    assert_int_equal(test->failures[1].first_run, 4);
    assert_string_equal(test->failures[1].trace, "one/split/7");
    assert_string_equal(test->failures[1].replay, "rrtest replay 'one/split/7'");
    assert_int_equal(test->failures[1].trace_bytes, 500);
    assert_true(test->rate_low > 0.003 && test->rate_high < 0.044);
    report_session_done(&whole);
}

/* The same whichever order the shards come in. */
static void test_merge_in_any_order(void **state)
{
    struct report_session parts[2], swapped[2], whole, other;
    struct rr_error error;
    char *json, *json_other;

    (void)state;
    make_shards(parts);
    make_shards(swapped);
    other = swapped[0];
    swapped[0] = swapped[1];
    swapped[1] = other;
    assert_int_equal(report_merge(parts, shard_names, 2, &whole, &error), 0);
    assert_int_equal(report_merge(swapped, shard_names, 2, &other, &error), 0);
    json = json_of(&whole);
    json_other = json_of(&other);
    assert_string_equal(json, json_other);
    free(json);
    free(json_other);
    report_session_done(&whole);
    report_session_done(&other);
    end_shards(parts);
    end_shards(swapped);
}

static void test_merge_ends_at_first_failure(void **state)
{
    struct report_session parts[2], whole;
    struct rr_error error;
    const struct report_test *test;

    (void)state;
    make_shards(parts);
    for (int i = 0; i < 2; i++)
        for (size_t j = 0; j < parts[i].count; j++)
            parts[i].tests[j].keep_going = false;
    parts[1].tests[0].verdict = REPORT_QUARANTINED;
    assert_int_equal(report_merge(parts, shard_names, 2, &whole, &error), 0);
    end_shards(parts);
    test = &whole.tests[1];
    assert_int_equal(test->failure_count, 1);
    assert_int_equal(test->failures[0].first_run, 2);
    assert_int_equal(test->runs, 2);
    assert_int_equal(test->failed, 1);
    assert_int_equal(test->schedules, 2);
    assert_int_equal(test->verdict, REPORT_QUARANTINED); /* that of the lowest failing run */
    report_session_done(&whole);
}

static struct report_test *split_test(struct report_session *session)
{
    for (size_t i = 0; i < session->count; i++)
        if (strcmp(session->tests[i].name, "split") == 0)
            return &session->tests[i];
    fail_msg("no test 'split'");
    return NULL;
}

/* A teardown that fails in every shard is one failure, and no run of the test. */
static void test_merge_teardown(void **state)
{
    struct report_session parts[2], whole;
    struct rr_error error;
    const struct report_test *test;
    char *text;

    (void)state;
    make_shards(parts);
    for (int i = 0; i < 2; i++) {
        struct report_test *split = split_test(&parts[i]);
        struct report_failure *failure =
            fixture_add_failure(split, "00000000000000b0", "setup", "teardown: exit 4");

        failure->first_run = 0;
        failure->count = 1;
        split->keep_going = false;
        report_sort_failures(split);
    }
    assert_int_equal(report_merge(parts, shard_names, 2, &whole, &error), 0);
    end_shards(parts);
    test = split_test(&whole);
    assert_int_equal(test->failure_count, 2);
    assert_int_equal(test->failures[0].first_run, 0);
    assert_int_equal(test->failures[0].count, 1);
    assert_int_equal(test->failures[1].first_run, 2);
    assert_int_equal(test->runs, 2);
    assert_int_equal(test->verdict, REPORT_FAILED);
    text = report_describe_test(test, &whole);
    assert_non_null(strstr(text, "found in run 2 of 200"));
    free(text);
    text = report_describe_found(&test->failures[0], test);
    assert_string_equal(text, "teardown, after the last run");
    free(text);
    report_session_done(&whole);
}

static void check_misfit(struct report_session *parts, const char *expected)
{
    struct report_session whole;
    struct rr_error error = {0};

    assert_int_equal(report_merge(parts, shard_names, 2, &whole, &error), -EINVAL);
    if (!strstr(error.message, expected))
        fail_msg("no '%s' in: %s", expected, error.message);
    end_shards(parts);
    make_shards(parts);
}

static void test_merge_misfits(void **state)
{
    struct report_session parts[2];

    (void)state;
    make_shards(parts);
    parts[1].seed = 5;
    check_misfit(parts,
                 "one and two do not belong together: the seed is 18446744073709551615 and 5");
    free(parts[1].suite);
    parts[1].suite = text_copy("other.yaml");
    check_misfit(parts, "the suite is 'tests/suite.yaml' and 'other.yaml'");
    free(parts[1].version);
    parts[1].version = text_copy("9");
    check_misfit(parts, "rrtest's version is '0.1.0' and '9'");
    parts[1].shard.count = 3;
    check_misfit(parts, "the number of shards is 2 and 3");
    parts[1].shard.index = 1;
    check_misfit(parts, "one and two are both shard 1 of 2: leave one out");
    end_shards(parts);
}

static void test_merge_missing(void **state)
{
    struct report_session parts[2], whole;
    struct rr_error error;

    (void)state;
    make_shards(parts);
    parts[0].shard.count = parts[1].shard.count = 5;
    parts[1].unfinished = text_copy("time budget");
    assert_int_equal(report_missing_shards(parts, 2), 3);
    assert_false(report_is_cut_short(&parts[0]) || report_is_cut_short(&parts[1]));
    assert_int_equal(report_merge(parts, shard_names, 2, &whole, &error), 0);
    assert_string_equal(whole.unfinished, "time budget; shards 3, 4 and 5 of 5 are missing");
    report_session_done(&whole);
    end_shards(parts);
    make_shards(parts);
    assert_int_equal(report_merge(parts, shard_names, 1, &whole, &error), 0);
    assert_string_equal(whole.unfinished, "shard 2 of 2 is missing");
    report_session_done(&whole);
    end_shards(parts);
    make_shards(parts);
    parts[0].shard.count = UINT32_MAX;
    assert_int_equal(report_merge(parts, shard_names, 1, &whole, &error), 0);
    assert_non_null(strstr(whole.unfinished, " 11 and 4294967284 more of 4294967295 are missing"));
    report_session_done(&whole);
    end_shards(parts);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_values_come_back),
        cmocka_unit_test(test_counts_beyond_json_are_refused),
        cmocka_unit_test(test_mistakes_are_named),
        cmocka_unit_test(test_damage),
        cmocka_unit_test(test_texts_from_outside_are_cleaned),
        cmocka_unit_test(test_load),
        cmocka_unit_test(test_merge_keep_going),
        cmocka_unit_test(test_merge_in_any_order),
        cmocka_unit_test(test_merge_ends_at_first_failure),
        cmocka_unit_test(test_merge_teardown),
        cmocka_unit_test(test_merge_misfits),
        cmocka_unit_test(test_merge_missing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
