/* reports: requests, files that appear whole or not at all, places, and what single formats
 * promise. Whether others can read the formats is ci/e2e/17-reports.sh's question. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "recorder/base/file.h"
#include "reports/github.h"
#include "reports/json.h"
#include "reports/junit.h"
#include "reports/markdown.h"
#include "reports/model.h"
#include "reports/place.h"
#include "reports/rate.h"
#include "reports/report.h"
#include "reports/tap.h"
#include "reports/tests/fixture.h"
#include "reports/text.h"

static void check_has(const char *text, const char *part)
{
    if (!strstr(text, part))
        fail_msg("no '%s' in:\n%s", part, text);
}

static void check_refused(const char *request, const char *expected)
{
    struct report_requests requests = {.count = 0};
    struct rr_error error = {0};

    assert_int_equal(report_parse(request, &requests, &error), -EINVAL);
    assert_int_equal(requests.count, 0);
    check_has(error.message, expected);
}

static void test_parse(void **state)
{
    struct report_requests requests = {.count = 0};
    struct rr_error error = {0};

    (void)state;
    assert_int_equal(report_parse("junit=a=b.xml", &requests, &error), 0);
    assert_int_equal(report_parse("github", &requests, &error), 0);
    assert_int_equal(report_parse("tap=-", &requests, &error), 0);
    assert_int_equal(requests.count, 3);
    assert_string_equal(requests.items[0].format->name, "junit");
    assert_string_equal(requests.items[0].path, "a=b.xml");
    assert_string_equal(requests.items[1].path, "-");
    assert_int_equal(report_parse("sarif=a=b.xml", &requests, &error), -EINVAL);
    check_has(error.message, "junit and sarif would both be written to a=b.xml");
    while (requests.count < REPORT_REQUESTS_MAX)
        assert_int_equal(report_parse("github", &requests, &error), 0);
    assert_int_equal(report_parse("github", &requests, &error), -EINVAL);
    check_has(error.message, "at most 16");
    check_refused("junit", "expected junit=FILE");
    check_refused("junit=", "expected junit=FILE");
    check_refused("juni=x", "did you mean 'junit'?");
    check_refused("=x", "expected console, json=F");
    check_refused("", "expected console, json=F");
    check_refused("xyzzy", "expected console, json=F");
}

/* The list for people names every format. */
static void test_list_is_complete(void **state)
{
    (void)state;
    for (size_t i = 0; report_format_at(i); i++)
        check_has(REPORT_FORMAT_LIST, report_format_at(i)->name);
}

static void write_text(const char *path, const char *text, int expected)
{
    struct rr_error error = {0};
    struct bytes data;

    bytes_init(&data);
    text_append(&data, text);
    assert_int_equal(report_write_file(path, &data, &error), expected);
    bytes_done(&data);
    if (expected)
        check_has(error.message, "cannot write ");
}

static void check_content(const char *path, const char *expected)
{
    struct bytes data;
    char *text;

    bytes_init(&data);
    assert_int_equal(file_read_path(path, &data), 0);
    text = text_take(&data);
    assert_string_equal(text, expected);
    free(text);
}

static void test_write_file(void **state)
{
    char folder[] = "/tmp/test_formats-XXXXXX";
    struct stat status;
    mode_t old = umask(022);

    (void)state;
    assert_non_null(mkdtemp(folder));
    assert_int_equal(chdir(folder), 0);
    write_text("a/b/file", "one", 0);
    check_content("a/b/file", "one");
    assert_int_equal(stat("a/b/file", &status), 0);
    assert_int_equal(status.st_mode & 0777, 0644);
    write_text("a/b/file", "two", 0);
    check_content("a/b/file", "two");
    assert_int_equal(symlink("a/b/file", "link"), 0);
    write_text("link", "three", 0);
    check_content("a/b/file", "three");
    assert_int_equal(lstat("link", &status), 0);
    assert_true(S_ISLNK(status.st_mode));
    write_text("a/b", "four", -EISDIR);
    write_text("a/b/file/x", "five", -ENOTDIR);
    write_text("/dev/full", "six", -ENOSPC);
    write_text("/dev/null", "seven", 0);
    write_text("empty", "", 0);
    check_content("empty", "");
    assert_int_equal(system("ls -A . a a/b | grep -q tmp"), 256);
    assert_int_equal(chdir("/"), 0);
    umask(old);
    {
        char command[64];

        snprintf(command, sizeof(command), "rm -r %s", folder);
        assert_int_equal(system(command), 0);
    }
}

static void count_complaint(void *context, const char *message)
{
    check_has(message, "report junit: cannot write /dev/full: No space left on device");
    ++*(int *)context;
}

static void test_one_failure_does_not_stop_others(void **state)
{
    struct report_requests requests = {.count = 0};
    struct report_session session;
    struct rr_error error;
    int complaints = 0;

    (void)state;
    assert_int_equal(fixture_make("passing", &session), 0);
    assert_int_equal(report_parse("junit=/dev/full", &requests, &error), 0);
    assert_int_equal(report_parse("tap=/dev/null", &requests, &error), 0);
    assert_int_equal(report_write_all(&requests, &session, count_complaint, &complaints), 1);
    assert_int_equal(complaints, 1);
    report_session_done(&session);
}

static void check_relative(const char *file, const char *root, const char *expected)
{
    char *path = place_relative(file, root);

    assert_string_equal(path, expected);
    free(path);
}

static void test_places(void **state)
{
    struct bytes out;
    char *text;

    (void)state;
    check_relative("/a/b/c.c", "/a", "b/c.c");
    check_relative("/a/b/c.c", "/a/", "b/c.c");
    check_relative("/a/b/../c.c", "/a/./x/..", "c.c");
    check_relative("/ab/c.c", "/a", "/ab/c.c");
    check_relative("/a", "/a", "/a");
    check_relative("/../../x.c", "/a", "/x.c");
    check_relative("/x/y.c", "/", "/x/y.c");
    check_relative("./x//y.c", "/a", "x/y.c");
    check_relative("../x.c", "/a", "../x.c");
    check_relative("../../x/../y.c", "/a", "../../y.c");
    check_relative("x/../y.c", "/a", "y.c");
    bytes_init(&out);
    place_append_uri(&out, "/a b/%c#?.c");
    text_append(&out, " ");
    place_append_uri(&out, "\xc3\xa4/x:y.c");
    text = text_take(&out);
    assert_string_equal(text, "file:///a%20b/%25c%23%3F.c %C3%A4/x%3Ay.c");
    free(text);
}

static char *written(const struct report_session *session,
                     int (*write)(const struct report_session *, struct bytes *))
{
    struct bytes out;

    bytes_init(&out);
    assert_int_equal(write(session, &out), 0);
    return text_take(&out);
}

static void test_every_format_is_clean(void **state)
{
    static const char *const names[] = {"rich", "empty", "many", "passing"};

    (void)state;
    for (size_t n = 0; n < sizeof(names) / sizeof(*names); n++) {
        struct report_session session;

        assert_int_equal(fixture_make(names[n], &session), 0);
        for (size_t i = 0; report_format_at(i); i++) {
            char *text = written(&session, report_format_at(i)->write);

            assert_true(text_is_clean(text));
            free(text);
        }
        report_session_done(&session);
    }
}

static void test_junit_class_names(void **state)
{
    static const struct {
        const char *suite, *expected;
    } known[] = {
        {"tests/net/suite.yaml", "classname=\"tests.net.suite\""},
        {"./suite.yaml", "classname=\"suite\""},
        {"../../x/suite", "classname=\"x.suite\""},
        {"/home/me/s.v2.yaml", "classname=\"home.me.s.v2\""},
        {"a.d/suite", "classname=\"a.d.suite\""},
        {"-- ./prog --rate 1.5", "classname=\"hunt\""},
        {"", "classname=\"rrtest\""},
    };
    struct report_session session;

    (void)state;
    assert_int_equal(fixture_make("passing", &session), 0);
    for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++) {
        char *text;

        free(session.suite);
        session.suite = text_copy(known[i].suite);
        text = written(&session, junit_write);
        check_has(text, known[i].expected);
        free(text);
    }
    report_session_done(&session);
}

static void test_tap_lines(void **state)
{
    struct report_session session;
    char *text;

    (void)state;
    assert_int_equal(fixture_make("rich", &session), 0);
    text = written(&session, tap_write);
    check_has(text, "TAP version 14\n1..7\n");
    check_has(text, "\nok 1 - passes\n");
    check_has(text, "\nnot ok 2 - fails: \\# one [a=b,c]");
    check_has(text, "\nnot ok 4 - known \\\\ bad \\#1 # TODO issue 12, until ");
    check_has(text, "\nok 5 - skipped # SKIP skipped (needs a GPU)\n");
    check_has(text, "\nok 7 - never ran # SKIP not run (time budget)\n");
    free(text);
    report_session_done(&session);
}

/* However much there is to say, GitHub takes it. */
static void test_markdown_is_bounded(void **state)
{
    struct report_session session;
    char *long_text = malloc(100001);
    char *text;

    (void)state;
    assert_non_null(long_text);
    memset(long_text, '*', 100000);
    long_text[100000] = '\0';
    assert_int_equal(fixture_make("many", &session), 0);
    for (size_t i = 0; i < session.count; i++) {
        struct report_test *test = &session.tests[i];

        free(test->name);
        test->name = text_copy(long_text);
        test->verdict = i % 2 ? REPORT_PASSED : REPORT_FAILED;
        for (size_t n = 0; n < test->failure_count; n++) {
            free(test->failures[n].output);
            test->failures[n].output = text_copy(long_text);
        }
    }
    text = written(&session, markdown_write);
    assert_true(strlen(text) < MARKDOWN_MAX);
    assert_true(strlen(text) > 500000);
    check_has(text, " more kinds of failure are not shown here.");
    check_has(text, "\n...\n```\n");
    free(text);
    free(long_text);
    report_session_done(&session);
}

static void test_github_without_places(void **state)
{
    struct report_session session;
    char *text;

    (void)state;
    assert_int_equal(fixture_make("empty", &session), 0);
    fixture_add_failure(fixture_add_test(&session, "hunt", REPORT_FAILED), "0123456789abcdef",
                        "exit", "exit 1");
    session.tests[0].line = 0;
    text = written(&session, github_write);
    check_has(text, "::error title=hunt%3A exit 1::expected exit 0%0Afound in run 2, ");
    free(text);
    report_session_done(&session);
}

/* Longer ones are refused as a whole. */
static void test_github_cuts_titles(void **state)
{
    struct report_session session;
    char title[601], *text;

    (void)state;
    memset(title, 'x', sizeof(title) - 1);
    title[sizeof(title) - 1] = '\0';
    memcpy(title + 248, "\xe2\x82\xac", 3); /* "hunt: " before it: the limit is in this character */
    assert_int_equal(fixture_make("empty", &session), 0);
    fixture_add_failure(fixture_add_test(&session, "hunt", REPORT_FAILED), "0123456789abcdef",
                        "exit", title);
    text = written(&session, github_write);
    check_has(text, "title=hunt%3A xxx");
    check_has(text, "xxx::expected exit 0");
    assert_null(strstr(text, "\xe2"));
    free(text);
    report_session_done(&session);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parse),
        cmocka_unit_test(test_list_is_complete),
        cmocka_unit_test(test_write_file),
        cmocka_unit_test(test_one_failure_does_not_stop_others),
        cmocka_unit_test(test_places),
        cmocka_unit_test(test_every_format_is_clean),
        cmocka_unit_test(test_junit_class_names),
        cmocka_unit_test(test_tap_lines),
        cmocka_unit_test(test_markdown_is_bounded),
        cmocka_unit_test(test_github_without_places),
        cmocka_unit_test(test_github_cuts_titles),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
