/* Attributes and elements in the order in which the schemas of Ant and Surefire have them. */
#include "reports/junit.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "reports/model.h"
#include "reports/stack_text.h"
#include "reports/text.h"

static void append_attribute(struct bytes *out, const char *name, const char *value)
{
    text_format(out, " %s=\"", name);
    text_append_xml(out, value, true);
    text_append(out, "\"");
}

static void append_seconds(struct bytes *out, const char *name, uint64_t ns)
{
    text_format(out, " %s=\"%" PRIu64 ".%03u\"", name, ns / 1000000000u,
                (unsigned)(ns / 1000000u % 1000u));
}

static void append_property(struct bytes *out, const char *name, const char *value)
{
    if (!value)
        return;
    text_append(out, "<property");
    append_attribute(out, "name", name);
    append_attribute(out, "value", value);
    text_append(out, "/>\n");
}

static void append_number(struct bytes *out, const char *name, uint64_t value)
{
    text_format(out, "<property name=\"%s\" value=\"%" PRIu64 "\"/>\n", name, value);
}

static void append_rate(struct bytes *out, const char *name, double value)
{
    text_format(out, "<property name=\"%s\" value=\"%.6g\"/>\n", name, value);
}

/* "tests/net/suite.yaml" is "tests.net.suite": consumers show packages by the dots. */
static char *class_name(const char *suite)
{
    struct bytes out;
    const char *end;

    if (strncmp(suite, "--", 2) == 0) /* the command of a hunt: no file to name a class after */
        return text_copy("hunt");
    while (strncmp(suite, "./", 2) == 0 || strncmp(suite, "../", 3) == 0 || *suite == '/')
        suite += *suite == '/' ? 1 : strcspn(suite, "/") + 1;
    end = strrchr(suite, '.');
    if (!end || strchr(end, '/') || end == suite)
        end = suite + strlen(suite);
    bytes_init(&out);
    for (; suite < end; suite++)
        bytes_append(&out, *suite == '/' ? "." : suite, 1);
    if (out.length == 0)
        text_append(&out, "rrtest");
    return text_take(&out);
}

static void append_failure_text(struct bytes *out, const struct report_failure *failure,
                                const struct report_test *test)
{
    const struct stack_text_options options = {
        .indent = "", .tasks_max = SIZE_MAX, .frames_max = SIZE_MAX, .full = false};
    const char *details = report_reason_details(failure);
    char *found = report_describe_found(failure, test);

    text_format(out, "%s\n", failure->title);
    if (*details)
        text_format(out, "%s\n", details);
    text_format(out, "found in %s\n", found);
    stack_text_list(out, &failure->stacks, &options);
    if (failure->replay)
        text_format(out, "replay: %s\n", failure->replay);
    text_format(out, "rerun:  %s\n", failure->rerun);
    free(found);
}

/* All groups' texts, escaped. */
static void append_failure_texts(struct bytes *out, const struct report_test *test)
{
    struct bytes text;
    char *plain;

    bytes_init(&text);
    for (size_t i = 0; i < test->failure_count; i++) {
        if (i > 0)
            text_append(&text, "\n");
        append_failure_text(&text, &test->failures[i], test);
    }
    plain = text_take(&text);
    text_append_xml(out, plain, false);
    free(plain);
}

static void append_failed(struct bytes *out, const struct report_test *test, const char *element)
{
    const struct report_failure *first = test->failure_count > 0 ? &test->failures[0] : NULL;
    struct bytes message;
    char *text;

    bytes_init(&message);
    text_append(&message, first ? first->title : "failed");
    if (test->failure_count > 1)
        text_format(&message, " (and %zu other ways to fail)", test->failure_count - 1);
    text = text_take(&message);
    text_format(out, "<%s", element);
    append_attribute(out, "message", text);
    append_attribute(out, "type", first ? first->kind : "unknown");
    text_append(out, ">");
    append_failure_texts(out, test);
    text_format(out, "</%s>\n", element);
    free(text);
}

static void append_skipped(struct bytes *out, const struct report_test *test,
                           const struct report_session *session)
{
    char *description = report_describe_test(test, session);
    struct bytes message;
    char *text;

    bytes_init(&message);
    text_format(&message, "%s: %s", report_verdict_name(test->verdict), description);
    text = text_take(&message);
    text_append(out, "<skipped");
    append_attribute(out, "message", text);
    text_append(out, "/>\n");
    free(text);
    free(description);
}

static void append_output(struct bytes *out, const char *element, const char *text)
{
    if (!*text)
        return;
    text_format(out, "<%s>", element);
    text_append_xml(out, text, false);
    text_format(out, "</%s>\n", element);
}

static void append_test_properties(struct bytes *out, const struct report_test *test)
{
    text_append(out, "<properties>\n");
    append_property(out, "command", test->command);
    for (char **label = test->labels; label && *label; label++)
        append_property(out, "label", *label);
    append_number(out, "runs", test->runs);
    append_number(out, "failed_runs", test->failed);
    if (test->schedules)
        append_number(out, "schedules", test->schedules);
    if (test->outputs)
        append_number(out, "outputs", test->outputs);
    append_rate(out, "failure_rate_low", test->rate_low);
    append_rate(out, "failure_rate_high", test->rate_high);
    text_append(out, "</properties>\n");
}

static void append_test(struct bytes *out, const struct report_test *test,
                        const struct report_session *session, const char *class)
{
    text_append(out, "<testcase");
    append_attribute(out, "name", test->name);
    append_attribute(out, "classname", class);
    append_seconds(out, "time", test->wall_ns);
    if (test->line) {
        append_attribute(out, "file", test->suite);
        text_format(out, " line=\"%" PRIu32 "\"", test->line);
    }
    text_append(out, ">\n");
    append_test_properties(out, test);
    switch (test->verdict) {
    case REPORT_FAILED:
        append_failed(out, test, "failure");
        break;
    case REPORT_ERROR:
        append_failed(out, test, "error");
        break;
    case REPORT_QUARANTINED:
    case REPORT_SKIPPED:
    case REPORT_UNFINISHED:
        append_skipped(out, test, session);
        break;
    case REPORT_PASSED:
    case REPORT_VERDICT_COUNT:
        break;
    }
    if (test->verdict == REPORT_QUARANTINED) {
        text_append(out, "<system-out>");
        append_failure_texts(out, test);
        text_append(out, "</system-out>\n");
    }
    for (size_t i = 0; i < test->failure_count; i++) {
        if (*test->failures[i].output) {
            append_output(out, "system-err", test->failures[i].output);
            break;
        }
    }
    text_append(out, "</testcase>\n");
}

static void append_counts(struct bytes *out, const struct report_session *session)
{
    struct report_totals totals;
    time_t seconds = (time_t)(session->started_unix_ns / 1000000000u);
    struct tm utc;
    char started[32] = "1970-01-01T00:00:00";

    report_totals(session, &totals);
    text_format(out, " tests=\"%zu\" failures=\"%zu\" errors=\"%zu\" skipped=\"%zu\"",
                session->count, totals.tests[REPORT_FAILED], totals.tests[REPORT_ERROR],
                totals.tests[REPORT_SKIPPED] + totals.tests[REPORT_QUARANTINED] +
                    totals.tests[REPORT_UNFINISHED]);
    append_seconds(out, "time", session->wall_ns);
    if (gmtime_r(&seconds, &utc))
        strftime(started, sizeof(started), "%Y-%m-%dT%H:%M:%S", &utc);
    append_attribute(out, "timestamp", started);
}

int junit_write(const struct report_session *session, struct bytes *out)
{
    char *class = class_name(session->suite);

    text_append(out, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"rrtest\"");
    append_counts(out, session);
    text_append(out, ">\n<testsuite");
    append_attribute(out, "name", class);
    append_counts(out, session);
    text_append(out, ">\n<properties>\n");
    append_property(out, "rrtest", session->version);
    append_property(out, "suite", session->suite);
    append_number(out, "seed", session->seed);
    append_property(out, "machine", session->machine);
    append_number(out, "shard", session->shard.index);
    append_number(out, "shards", session->shard.count);
    append_property(out, "unfinished", session->unfinished);
    append_property(out, "reproduce", session->reproduce);
    for (char **note = session->notes; note && *note; note++)
        append_property(out, "note", *note);
    text_append(out, "</properties>\n");
    for (size_t i = 0; i < session->count; i++)
        append_test(out, &session->tests[i], session, class);
    text_append(out, "</testsuite>\n</testsuites>\n");
    free(class);
    return 0;
}
