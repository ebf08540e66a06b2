/* reports: texts become harmless, rates are right, people are told what they need. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <errno.h>
#include <math.h>
#include <cmocka.h>

#include "reports/console_text.h"
#include "reports/model.h"
#include "reports/rate.h"
#include "reports/stack_text.h"
#include "reports/tests/fixture.h"
#include "reports/text.h"

static void check_clean(const char *data, size_t length, const char *expected)
{
    char *text = text_clean(data, length);

    assert_string_equal(text, expected);
    assert_true(text_is_clean(text));
    free(text);
}

#define CLEAN(data, expected) check_clean(data, sizeof(data) - 1, expected)

static void test_clean(void **state)
{
    (void)state;
    CLEAN("plain\n\ttext", "plain\n\ttext");
    CLEAN("\xc3\xa4\xe2\x82\xac\xf0\x9f\x90\x9b", "\xc3\xa4\xe2\x82\xac\xf0\x9f\x90\x9b");
    CLEAN("a\0b", "a\\x00b");
    CLEAN("\x1b[31mred\x7f", "\\x1b[31mred\\x7f");
    CLEAN("one\r\ntwo\rthree\r", "one\ntwo\\x0dthree\\x0d");
    CLEAN("\xff\xfe", "\\xff\\xfe");
    CLEAN("\xc3", "\\xc3");
    CLEAN("\xe2\x82", "\\xe2\\x82");
    CLEAN("\xc0\xaf\xe0\x80\xaf", "\\xc0\\xaf\\xe0\\x80\\xaf"); /* overlong */
    CLEAN("\xed\xa0\x80", "\\xed\\xa0\\x80");                   /* a surrogate */
    CLEAN("\xef\xbf\xbe\xef\xbf\xbf", "\\xef\\xbf\\xbe\\xef\\xbf\\xbf");
    CLEAN("\xef\xbf\xbd\xef\xbb\xbf", "\xef\xbf\xbd\xef\xbb\xbf");
    CLEAN("\xc2\x9b\xc2\xa0", "\\xc2\\x9b\xc2\xa0"); /* a C1 control; a no-break space */
    CLEAN("\xf4\x90\x80\x80\xf4\x8f\xbf\xbd", "\\xf4\\x90\\x80\\x80\xf4\x8f\xbf\xbd");
    CLEAN("a\xe2\x80\xaeg\xe2\x80\xa8", "a\\xe2\\x80\\xaeg\\xe2\\x80\\xa8");
    CLEAN("\xe2\x81\xa6\xe2\x80\xaf", "\\xe2\\x81\\xa6\xe2\x80\xaf"); /* an isolate; a space */
    CLEAN("", "");
}

static void test_every_pair_of_bytes_becomes_clean(void **state)
{
    (void)state;
    for (unsigned pair = 0; pair < 0x10000; pair++) {
        const char data[] = {(char)(pair >> 8), (char)pair, 'x'};
        char *text = text_clean(data, sizeof(data));

        assert_true(text_is_clean(text));
        free(text);
    }
}

static void test_cut(void **state)
{
    (void)state;
    assert_int_equal(text_cut("a\xe2\x82\xac", 4), 4);
    assert_int_equal(text_cut("a\xe2\x82\xac", 3), 1);
    assert_int_equal(text_cut("abc", 2), 2);
    assert_int_equal(text_cut("abc", 9), 3);
}

static void test_clean_line(void **state)
{
    char *text = text_clean_line("one\n\ttwo \n", 10);

    (void)state;
    assert_string_equal(text, "one  two");
    free(text);
}

static void test_xml(void **state)
{
    struct bytes out;
    char *text;

    (void)state;
    bytes_init(&out);
    text_append_xml(&out, "<a b=\"c\">&\n\t]]>", false);
    text_append_xml(&out, "\n\t", true);
    text = text_take(&out);
    assert_string_equal(text, "&lt;a b=&quot;c&quot;&gt;&amp;\n\t]]&gt;&#10;&#9;");
    free(text);
}

/* Limits that another program found by summing the binomial distribution. */
static void test_intervals(void **state)
{
    static const struct {
        uint64_t failed, runs;
        double low, high;
    } known[] = {
        {0, 2000, 0, 0.001496748},
        {0, 200, 0, 0.01486711},
        {0, 1, 0, 0.95},
        {1, 1, 0.05, 1},
        {1, 10, 0.002528579, 0.4450161},
        {5, 10, 0.1870860, 0.8129140},
        {10, 100, 0.04900469, 0.1762226},
        {3, 7, 0.09898828, 0.8159484},
        {0, 0, 0, 1},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++) {
        double low, high;

        rate_interval(known[i].failed, known[i].runs, &low, &high);
        assert_true(fabs(low - known[i].low) < 2e-7);
        assert_true(fabs(high - known[i].high) < 2e-7);
    }
}

/* The limits' definition itself, by summing the binomial distribution. */
static void test_intervals_by_definition(void **state)
{
    (void)state;
    for (unsigned n = 2; n <= 60; n += 29) {
        for (unsigned x = 1; x < n; x++) {
            double low, high, at_least = 0, at_most = 0;

            rate_interval(x, n, &low, &high);
            for (unsigned k = 0; k <= n; k++) {
                double log_choose = lgamma(n + 1.) - lgamma(k + 1.) - lgamma(n - k + 1.);

                if (k >= x)
                    at_least += exp(log_choose + k * log(low) + (n - k) * log1p(-low));
                if (k <= x)
                    at_most += exp(log_choose + k * log(high) + (n - k) * log1p(-high));
            }
            assert_true(fabs(at_least - 0.025) < 1e-9);
            assert_true(fabs(at_most - 0.025) < 1e-9);
        }
    }
}

static void test_intervals_of_huge_counts(void **state)
{
    double low, high;

    (void)state;
    rate_interval(1000000, 1000000000000ull, &low, &high);
    assert_true(low < 1e-6 && low > 0.99e-6 && high > 1e-6 && high < 1.01e-6);
    rate_interval(1, UINT64_MAX, &low, &high);
    assert_true(low >= 0 && low <= high && high <= 1);
    rate_interval(UINT64_MAX - 1, UINT64_MAX, &low, &high);
    assert_true(low <= high && high <= 1);
}

static void check_rate(double rate, enum rate_rounding rounding, const char *expected)
{
    char text[32];

    rate_format(rate, rounding, text, sizeof(text));
    assert_string_equal(text, expected);
}

static void test_rate_format(void **state)
{
    (void)state;
    check_rate(0, RATE_NEAREST, "0 %");
    check_rate(1, RATE_NEAREST, "100 %");
    check_rate(1, RATE_UP, "100 %");
    check_rate(0.95, RATE_DOWN, "95 %");
    check_rate(0.001496748, RATE_UP, "0.15 %");
    check_rate(0.0151, RATE_UP, "1.6 %");
    check_rate(0.0151, RATE_NEAREST, "1.5 %");
    check_rate(0.0159, RATE_DOWN, "1.5 %");
    check_rate(0.0999, RATE_NEAREST, "10 %");
    check_rate(0.00999, RATE_UP, "1.0 %");
    check_rate(0.123, RATE_NEAREST, "12 %");
    check_rate(1.2e-8, RATE_NEAREST, "0.0000012 %");
}

static void test_verdict_names(void **state)
{
    (void)state;
    for (int i = 0; i < REPORT_VERDICT_COUNT; i++)
        assert_int_equal(report_verdict_by_name(report_verdict_name((enum report_verdict)i)), i);
    assert_int_equal(report_verdict_by_name("fine"), -1);
}

static void test_totals(void **state)
{
    struct report_session session;
    struct report_totals totals;

    (void)state;
    assert_int_equal(fixture_make("rich", &session), 0);
    report_totals(&session, &totals);
    assert_int_equal(totals.tests[REPORT_PASSED], 1);
    assert_int_equal(totals.tests[REPORT_UNFINISHED], 2);
    assert_int_equal(totals.groups, 13);
    assert_int_equal(totals.runs, 812);
    assert_int_equal(totals.failed_runs, 43);
    assert_true(report_is_failure(&session));
    report_session_done(&session);
    assert_int_equal(fixture_make("passing", &session), 0);
    assert_false(report_is_failure(&session));
    session.tests[0].verdict = REPORT_QUARANTINED;
    assert_false(report_is_failure(&session));
    session.tests[0].verdict = REPORT_ERROR;
    assert_true(report_is_failure(&session));
    report_session_done(&session);
    assert_int_equal(fixture_make("no such", &session), -ENOENT);
    report_session_done(&session);
}

static char *text_of_test(const struct report_session *session, size_t index, bool verbose)
{
    const struct console_text_options options = {.verbose = verbose, .width = 10};
    struct bytes out;

    bytes_init(&out);
    console_text_test(&out, &session->tests[index], session, &options);
    return text_take(&out);
}

static void check_has(const char *text, const char *part)
{
    if (!strstr(text, part))
        fail_msg("no '%s' in:\n%s", part, text);
}

static void check_lacks(const char *text, const char *part)
{
    if (strstr(text, part))
        fail_msg("'%s' in:\n%s", part, text);
}

static void test_console_passed(void **state)
{
    struct report_session session;
    char *text;

    (void)state;
    assert_int_equal(fixture_make("passing", &session), 0);
    text = text_of_test(&session, 0, false);
    assert_string_equal(text, "ok    one         200 runs, 187 schedules, 2 outputs; fails in at "
                              "most 1.5 % of runs (95 %)\n");
    free(text);
    report_session_done(&session);
}

static void test_console_first_failure(void **state)
{
    struct report_session session;
    struct report_failure *failure;
    char *text;

    (void)state;
    assert_int_equal(fixture_make("empty", &session), 0);
    failure = fixture_add_failure(fixture_add_test(&session, "lost-update", REPORT_FAILED),
                                  "0123456789abcdef", "exit", "exit 1, expected exit 0");
    free(failure->reason);
    failure->reason = text_copy(failure->title);
    session.tests[0].keep_going = false;
    text = text_of_test(&session, 0, false);
    assert_string_equal(
        text, "FAIL  lost-update  found in run 2 of 200\n"
              "       found  run 2, seed 15755013860617669477, random\n"
              "       why    exit 1, expected exit 0\n"
              "       rerun  rrtest run tests/suite.yaml --filter 'lost-update' --run-seed "
              "15755013860617669477\n");
    free(text);
    report_session_done(&session);
}

static void test_console_groups(void **state)
{
    struct report_session session;
    char *text;

    (void)state;
    assert_int_equal(fixture_make("rich", &session), 0);
    text = text_of_test(&session, 1, false);
    check_has(text, "  41 of 200 runs, about 187 schedules, about 2 outputs; fails in 15 % to ");
    check_has(text, ", random; 31 of 200 runs fail so\n");
    check_has(text, "\n       stack  task 0.1 \"worker <1>\", tid 2: killed by SIGSEGV\n"
                    "                #0  raise+0x12 [/lib/x86_64-linux-gnu/libc.so.6]\n"
                    "                #1  queue::push<int, &x>(int) (src/queue c,d:e.cc:41:7) "
                    "inlined\n");
    check_has(text, "                #3  0xffffffff81000040\n"
                    "                ... more frames, which could not be read\n");
    check_has(text, "                ... 3 more frames\n");
    check_has(text, "              ... 4 more tasks\n              ... see rrtest dump\n");
    check_has(text, "\n       |        ---\n");
    check_has(text, "\n       error  killed, 100 %");
    check_has(text, "\n       replay rrtest replay 'rrtest-out/a b/1'\n");
    free(text);
    text = text_of_test(&session, 1, true);
    check_lacks(text, "... 4 more tasks");
    check_lacks(text, "... 3 more frames");
    check_has(text, "#14 0xffffffff810000f0 wait_for+0x12 (wait.c:10) [queue_test]\n");
    free(text);
    report_session_done(&session);
}

static void test_console_session(void **state)
{
    struct report_session session;
    struct console_text_options options = {.color = true, .quiet = true};
    struct bytes out;
    char *text;

    (void)state;
    bytes_init(&out);
    assert_int_equal(fixture_make("rich", &session), 0);
    options.width = console_text_width(&session);
    assert_int_equal(options.width, 29);
    console_text_session(&out, &session, &options);
    text = text_take(&out);
    check_has(text, "\n\033[31mERR \033[0m  cannot be recorded");
    check_lacks(text, "quar\033");
    check_has(text, "\n1 passed, 1 failed, 1 error, 1 quarantined, 1 skipped, 2 unfinished (time "
                    "budget); 812 runs in 12.3s; --seed 18446744073709551615\n");
    free(text);
    report_session_done(&session);
    assert_int_equal(fixture_make("passing", &session), 0);
    console_text_session(&out, &session, &options);
    assert_int_equal(out.length, 0);
    report_session_done(&session);
}

static void check_details(const char *title, const char *reason, const char *expected)
{
    char *texts[] = {text_copy(title), text_copy(reason)};
    const struct report_failure failure = {.title = texts[0], .reason = texts[1]};

    assert_string_equal(report_reason_details(&failure), expected);
    free(texts[0]);
    free(texts[1]);
}

static void test_reason_details(void **state)
{
    (void)state;
    check_details("exit 1", "exit 1", "");
    check_details("exit 1", "exit 1\n", "");
    check_details("exit 1", "exit 1\nmore\n", "more\n");
    check_details("exit 1 in main (a.c:7)", "exit 1\nmore", "more");
    check_details("exit 1", "exit 12", "exit 12");
    check_details("exit 1", "exit 12\nmore", "exit 12\nmore");
    check_details("exit 1", "", "");
    check_details("", "more", "more");
}

static void test_location(void **state)
{
    struct report_session session;
    const struct stack_frame *frame;

    (void)state;
    assert_int_equal(fixture_make("rich", &session), 0);
    frame = report_location(&session.tests[1].failures[1]);
    assert_non_null(frame);
    assert_int_equal(frame->line, 41);
    assert_null(report_location(&session.tests[1].failures[0]));
    session.tests[1].failures[1].stacks.tasks[0].is_cause = false;
    session.tests[1].failures[1].stacks.tasks[3].is_cause = true;
    assert_int_equal(report_location(&session.tests[1].failures[1])->line, 10);
    /* Libraries of the system are nobody's code. */
    for (size_t i = 0; i < session.tests[1].failures[1].stacks.count; i++) {
        struct task_stack *task = &session.tests[1].failures[1].stacks.tasks[i];

        for (size_t n = 0; n < task->frame_count; n++) {
            free(task->frames[n].module);
            task->frames[n].module = text_copy("/usr/lib/x86_64-linux-gnu/libc.so.6");
        }
    }
    assert_null(report_location(&session.tests[1].failures[1]));
    report_session_done(&session);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_clean),
        cmocka_unit_test(test_every_pair_of_bytes_becomes_clean),
        cmocka_unit_test(test_cut),
        cmocka_unit_test(test_clean_line),
        cmocka_unit_test(test_xml),
        cmocka_unit_test(test_intervals),
        cmocka_unit_test(test_intervals_by_definition),
        cmocka_unit_test(test_intervals_of_huge_counts),
        cmocka_unit_test(test_rate_format),
        cmocka_unit_test(test_verdict_names),
        cmocka_unit_test(test_totals),
        cmocka_unit_test(test_console_passed),
        cmocka_unit_test(test_console_first_failure),
        cmocka_unit_test(test_console_groups),
        cmocka_unit_test(test_console_session),
        cmocka_unit_test(test_reason_details),
        cmocka_unit_test(test_location),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
