/* What counts as a failure, and how it is worded. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "harness/run/judge.h"

#define EXIT(n) ((n) << 8)

/* Judge a run under `expect:`; the reason must have these words. */
static void judged_result(const char *expect, const struct record_result *result,
                          enum outcome outcome, const char *words)
{
    char text[512];
    struct suite *suite = NULL;
    struct rr_error error;
    enum failure_kind kind;
    struct bytes reason;

    snprintf(text, sizeof(text),
             "version: 1\ntests: [{name: a, command: [x], timeout: 2s, expect: %s}]\n", expect);
    if (suite_parse("s", "/", text, strlen(text), &suite, &error))
        fail_msg("%s", error.message);
    bytes_init(&reason);
    assert_int_equal(judge_run(&suite->tests[0], result, &reason, &kind), outcome);
    assert_int_equal(kind == FAILURE_NONE, outcome == OUTCOME_PASS);
    bytes_append(&reason, "", 1);
    assert_string_equal((char *)reason.data, words);
    bytes_done(&reason);
    suite_free(suite);
}

/* The same of a run with this wait status and stdout. */
static void judged(const char *expect, int status, const char *output, size_t length,
                   enum outcome outcome, const char *words)
{
    struct record_result result = {.status = status,
                                   .output = {(char *)(uintptr_t)output},
                                   .output_length = {length},
                                   .output_total = {length}};

    judged_result(expect, &result, outcome, words);
}

static void test_status(void **state)
{
    (void)state;
    judged("{}", EXIT(0), "", 0, OUTCOME_PASS, "");
    judged("{}", EXIT(1), "", 0, OUTCOME_FAIL, "exit 1, expected exit 0");
    judged("{exit: 3}", EXIT(3), "", 0, OUTCOME_PASS, "");
    judged("{exit: 3}", EXIT(0), "", 0, OUTCOME_FAIL, "exit 0, expected exit 3");
    judged("{}", SIGSEGV, "", 0, OUTCOME_FAIL, "killed by SIGSEGV, expected exit 0");
    judged("{signal: SIGABRT}", SIGABRT | 0x80, "", 0, OUTCOME_PASS, "");
    judged("{signal: SIGABRT}", EXIT(134), "", 0, OUTCOME_FAIL,
           "exit 134, expected to be killed by SIGABRT");
}

static void test_status_lists(void **state)
{
    (void)state;
    judged("{exit: [0, 3]}", EXIT(3), "", 0, OUTCOME_PASS, "");
    judged("{exit: [0, 3]}", EXIT(1), "", 0, OUTCOME_FAIL, "exit 1, expected exit 0 or 3");
    judged("{exit: [0, 3, 64, 255]}", EXIT(255), "", 0, OUTCOME_PASS, "");
    judged("{exit: [3, 64, 0]}", EXIT(65), "", 0, OUTCOME_FAIL,
           "exit 65, expected exit 0, 3 or 64");
    judged("{exit: any}", EXIT(255), "", 0, OUTCOME_PASS, "");
    judged("{exit: any}", SIGKILL, "", 0, OUTCOME_FAIL,
           "killed by SIGKILL, expected any exit status");
    judged("{exit: nonzero}", EXIT(1), "", 0, OUTCOME_PASS, "");
    judged("{exit: nonzero}", EXIT(0), "", 0, OUTCOME_FAIL,
           "exit 0, expected an exit status other than 0");
}

static void test_texts(void **state)
{
    (void)state;
    judged("{stdout: [a, b]}", EXIT(0), "b a", 3, OUTCOME_PASS, "");
    judged("{stdout: [a, b]}", EXIT(0), "a", 1, OUTCOME_FAIL, "stdout lacks 'b'");
    judged("{stdout_not: [a, b]}", EXIT(0), "c", 1, OUTCOME_PASS, "");
    judged("{stdout_not: [a, b]}", EXIT(0), "cb", 2, OUTCOME_FAIL,
           "stdout has 'b', which must not occur");
    judged("{stdout_not: b}", EXIT(0), "cb", 2, OUTCOME_FAIL,
           "stdout has 'b', which must not occur");
    judged("{stderr_not: b}", EXIT(0), "cb", 2, OUTCOME_PASS, "");
}

static void test_output(void **state)
{
    (void)state;
    judged("{stdout: ok}", EXIT(0), "it is ok.", 9, OUTCOME_PASS, "");
    judged("{stdout: ok}", EXIT(0), "it is not.", 10, OUTCOME_FAIL, "stdout lacks 'ok'");
    judged("{stdout: ok}", EXIT(0), "\0ok", 3, OUTCOME_PASS, "");
    judged("{stdout_exact: \"a\\n\"}", EXIT(0), "a\n", 2, OUTCOME_PASS, "");
    judged("{stdout_exact: a}", EXIT(0), "a\n", 2, OUTCOME_FAIL, "stdout is not exactly 'a'");
    judged("{stdout_exact: ''}", EXIT(0), "", 0, OUTCOME_PASS, "");
    judged("{stdout_regex: '^b+$'}", EXIT(0), "a\nbbb\nc\n", 8, OUTCOME_PASS, "");
    judged("{stdout_not_regex: '^b+$'}", EXIT(0), "a\nbbx\nc\n", 8, OUTCOME_PASS, "");
    judged("{stdout_not_regex: '^b+$'}", EXIT(0), "a\nbbb\nc\n", 8, OUTCOME_FAIL,
           "stdout matches '^b+$', which must not match");
    judged("{stdout_regex: '^b+$'}", EXIT(0), "a\nbbx\nc\n", 8, OUTCOME_FAIL,
           "stdout does not match '^b+$'");
    judged("{stderr: x}", EXIT(0), "x", 1, OUTCOME_FAIL, "stderr lacks 'x'");
    judged("{exit: 1, stdout: ok}", EXIT(0), "", 0, OUTCOME_FAIL, "exit 0, expected exit 1");
}

static void judged_cut(const char *expect, const char *start, const char *end, uint64_t total,
                       enum outcome outcome, const char *words)
{
    struct record_result result = {
        .status = EXIT(0),
        .output = {(char *)(uintptr_t)start},
        .output_length = {strlen(start)},
        .output_total = {total},
        .output_end = {(char *)(uintptr_t)end},
        .output_end_length = {strlen(end)},
    };

    judged_result(expect, &result, outcome, words);
}

/* What is seen decides; what is not seen decides nothing, and that is said. */
static void test_cut_output(void **state)
{
    static const char cannot[] =
        "in what was kept of it, the first 5 and the last 3 of 1000 bytes: the test cannot be "
        "judged (limits.output)";
    char words[256];

    (void)state;
    judged_cut("{stdout: tar}", "start", "end", 1000, OUTCOME_PASS, "");
    judged_cut("{stdout: end}", "start", "end", 1000, OUTCOME_PASS, "");
    snprintf(words, sizeof(words), "stdout lacks 'ok' %s", cannot);
    judged_cut("{stdout: ok}", "start", "end", 1000, OUTCOME_ERROR, words);
    judged_cut("{stdout_regex: 'en.'}", "start", "end", 1000, OUTCOME_PASS, "");
    snprintf(words, sizeof(words), "stdout does not match 'x' %s", cannot);
    judged_cut("{stdout_regex: 'x'}", "start", "end", 1000, OUTCOME_ERROR, words);
    /* a line's end is not where the output was cut */
    snprintf(words, sizeof(words), "stdout does not match 'start$' %s", cannot);
    judged_cut("{stdout_regex: 'start$'}", "start", "end", 1000, OUTCOME_ERROR, words);
    snprintf(words, sizeof(words), "stdout does not match '^end' %s", cannot);
    judged_cut("{stdout_regex: '^end'}", "start", "end", 1000, OUTCOME_ERROR, words);
    judged_cut("{stdout_regex: '^start'}", "start", "end", 1000, OUTCOME_PASS, "");
    judged_cut("{stdout_regex: 'end$'}", "start", "end", 1000, OUTCOME_PASS, "");
    /* of another length: it differs */
    judged_cut("{stdout_exact: start}", "start", "end", 1000, OUTCOME_FAIL,
               "stdout is not exactly 'start'");
}

static void verdict(enum record_verdict verdict, const char *message, enum outcome outcome,
                    const char *words)
{
    struct suite_test test = {.timeout_ns = 2000000000, .virtual_timeout_ns = 60000000000};
    struct record_result result = {.verdict = verdict, .message = (char *)(uintptr_t)message};
    enum failure_kind kind;
    struct bytes reason;

    bytes_init(&reason);
    assert_int_equal(judge_run(&test, &result, &reason, &kind), outcome);
    bytes_append(&reason, "", 1);
    assert_string_equal((char *)reason.data, words);
    bytes_done(&reason);
}

static void test_verdicts(void **state)
{
    (void)state;
    verdict(RECORD_VERDICT_DEADLOCK, "two tasks", OUTCOME_FAIL, "deadlock: two tasks");
    verdict(RECORD_VERDICT_TIMEOUT, NULL, OUTCOME_FAIL, "timeout: still running after 2.00s");
    verdict(RECORD_VERDICT_VIRTUAL_TIMEOUT, NULL, OUTCOME_FAIL,
            "virtual timeout: still running after 1m00s of virtual time");
    verdict(RECORD_VERDICT_UNSUPPORTED, "bpf(0)", OUTCOME_ERROR, "unsupported: bpf(0)");
    verdict(RECORD_VERDICT_INTERRUPTED, NULL, OUTCOME_CANCELLED, "");
    verdict(RECORD_VERDICT_LIMIT, "memory: 2 used", OUTCOME_FAIL, "limit: memory: 2 used");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_status),     cmocka_unit_test(test_status_lists),
        cmocka_unit_test(test_texts),      cmocka_unit_test(test_output),
        cmocka_unit_test(test_cut_output), cmocka_unit_test(test_verdicts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
