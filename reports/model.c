/* Everything the model's readers share: they differ in form, not in what they say. */
#include "reports/model.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "recorder/stacks/stacks.h"
#include "reports/rate.h"
#include "reports/text.h"

static const char *const verdict_names[REPORT_VERDICT_COUNT] = {
    [REPORT_PASSED] = "passed",   [REPORT_FAILED] = "failed",
    [REPORT_ERROR] = "error",     [REPORT_QUARANTINED] = "quarantined",
    [REPORT_SKIPPED] = "skipped", [REPORT_UNFINISHED] = "unfinished",
};

const char *report_verdict_name(enum report_verdict verdict)
{
    return verdict_names[verdict];
}

int report_verdict_by_name(const char *name)
{
    for (int i = 0; i < REPORT_VERDICT_COUNT; i++)
        if (strcmp(name, verdict_names[i]) == 0)
            return i;
    return -1;
}

static void free_strings(char **strings)
{
    for (char **at = strings; at && *at; at++)
        free(*at);
    free(strings);
}

void report_failure_done(struct report_failure *failure)
{
    free(failure->signature);
    free(failure->kind);
    free(failure->title);
    free(failure->reason);
    free(failure->output);
    stacks_done(&failure->stacks);
    free(failure->strategy);
    free(failure->patching);
    free(failure->trace);
    free(failure->replay);
    free(failure->rerun);
    *failure = (struct report_failure){0};
}

void report_test_done(struct report_test *test)
{
    free(test->name);
    free_strings(test->labels);
    free(test->command);
    free(test->suite);
    free(test->note);
    for (size_t i = 0; i < test->failure_count; i++)
        report_failure_done(&test->failures[i]);
    free(test->failures);
    *test = (struct report_test){0};
}

void report_session_done(struct report_session *session)
{
    free(session->version);
    free(session->suite);
    free(session->machine);
    free(session->unfinished);
    free_strings(session->notes);
    free(session->reproduce);
    for (size_t i = 0; i < session->count; i++)
        report_test_done(&session->tests[i]);
    free(session->tests);
    *session = (struct report_session){0};
}

void report_totals(const struct report_session *session, struct report_totals *ret)
{
    *ret = (struct report_totals){0};
    for (size_t i = 0; i < session->count; i++) {
        const struct report_test *test = &session->tests[i];

        ret->tests[test->verdict]++;
        ret->groups += test->failure_count;
        ret->runs += test->runs;
        ret->failed_runs += test->failed;
    }
}

bool report_is_failure(const struct report_session *session)
{
    struct report_totals totals;

    report_totals(session, &totals);
    return totals.tests[REPORT_FAILED] + totals.tests[REPORT_ERROR] > 0;
}

/* Insertion sort: stable, and the lists are nearly in order. */
void report_sort_tests(struct report_session *session)
{
    struct report_test *tests = session->tests;

    for (size_t i = 1; i < session->count; i++) {
        struct report_test test = tests[i];
        size_t at = i;

        while (at > 0 &&
               (tests[at - 1].position > test.position ||
                (tests[at - 1].position == test.position && tests[at - 1].line > test.line))) {
            tests[at] = tests[at - 1];
            at--;
        }
        tests[at] = test;
    }
}

static int compare_failures(const void *a, const void *b)
{
    const struct report_failure *x = a;
    const struct report_failure *y = b;

    if (x->first_run != y->first_run)
        return x->first_run < y->first_run ? -1 : 1;
    return strcmp(x->signature, y->signature);
}

void report_sort_failures(struct report_test *test)
{
    if (test->failure_count > 1)
        qsort(test->failures, test->failure_count, sizeof(*test->failures), compare_failures);
}

static const struct stack_frame *first_with_source(const struct task_stack *task)
{
    for (size_t i = 0; i < task->frame_count; i++) {
        const struct stack_frame *frame = &task->frames[i];

        if (frame->file && frame->line && stacks_frame_is_own(frame))
            return frame;
    }
    return NULL;
}

const struct stack_frame *report_location(const struct report_failure *failure)
{
    const struct stack_frame *other = NULL;

    for (size_t i = 0; i < failure->stacks.count; i++) {
        const struct task_stack *task = &failure->stacks.tasks[i];
        const struct stack_frame *frame = first_with_source(task);

        if (frame && task->is_cause)
            return frame;
        if (!other)
            other = frame;
    }
    return other;
}

static const char *plural(uint64_t n)
{
    return n == 1 ? "" : "s";
}

/* "200 runs, 187 schedules, 2 outputs", "57 of 200 runs, ..." */
static void append_counts(struct bytes *out, const struct report_test *test)
{
    const char *about = test->counts_are_estimates ? "about " : "";

    text_format(out, "%" PRIu64, test->runs);
    if (test->runs < test->planned)
        text_format(out, " of %" PRIu64, test->planned);
    text_format(out, " run%s", plural(test->runs < test->planned ? test->planned : test->runs));
    if (test->schedules)
        text_format(out, ", %s%" PRIu64 " schedule%s", about, test->schedules,
                    plural(test->schedules));
    if (test->outputs)
        text_format(out, ", %s%" PRIu64 " output%s", about, test->outputs, plural(test->outputs));
}

/* Runs of one schedule are one run made again: they tell nothing of how often the test fails. */
static void append_rate(struct bytes *out, const struct report_test *test)
{
    char text[96];

    if (test->runs == 0 || (test->runs > 1 && test->schedules == 1))
        return;
    rate_describe(test, text, sizeof(text));
    text_format(out, "; %s", text);
}

static void append_failed(struct bytes *out, const struct report_test *test)
{
    if (test->failed == 0) { /* what was to be done before its runs */
        text_append(out, test->failures[0].title);
        return;
    }
    if (!test->keep_going) {
        text_format(out, "found in run %" PRIu64 " of %" PRIu64, report_first_failing_run(test),
                    test->planned);
        return;
    }
    text_format(out, "%" PRIu64 " of ", test->failed);
    append_counts(out, test);
    append_rate(out, test);
}

uint64_t report_first_failing_run(const struct report_test *test)
{
    for (size_t i = 0; i < test->failure_count; i++)
        if (test->failures[i].first_run > 0)
            return test->failures[i].first_run;
    return UINT64_MAX;
}

/* A note may have several lines; here there is one. */
static char *one_line(const char *text, const char *otherwise)
{
    text = text ? text : otherwise;
    return text_clean_line(text, strlen(text));
}

char *report_describe_test(const struct report_test *test, const struct report_session *session)
{
    char *note = one_line(test->note, "the suite says so");
    char *why = one_line(test->note ? test->note : session->unfinished, "stopped");
    struct bytes out;

    bytes_init(&out);
    if (test->verdict == REPORT_SKIPPED) {
        text_format(&out, "skipped (%s)", note);
    } else if (test->failure_count > 0) {
        append_failed(&out, test);
        if (test->verdict == REPORT_QUARANTINED)
            text_format(&out, ", as is known (%s)", note);
        else if (test->note)
            text_format(&out, "; %s", note);
    } else if (test->verdict == REPORT_UNFINISHED && test->runs == 0) {
        text_format(&out, "not run (%s)", why);
    } else if (test->verdict == REPORT_UNFINISHED) {
        append_counts(&out, test);
        text_format(&out, " (%s)", why);
        append_rate(&out, test);
    } else {
        append_counts(&out, test);
        append_rate(&out, test);
    }
    free(note);
    free(why);
    return text_take(&out);
}

char *report_describe_verdicts(const struct report_session *session)
{
    struct report_totals totals;
    struct bytes out;

    report_totals(session, &totals);
    bytes_init(&out);
    text_format(&out, "%zu passed, %zu failed", totals.tests[REPORT_PASSED],
                totals.tests[REPORT_FAILED]);
    for (int i = 0; i < REPORT_VERDICT_COUNT; i++) {
        if (i == REPORT_PASSED || i == REPORT_FAILED || totals.tests[i] == 0)
            continue;
        text_format(&out, ", %zu %s", totals.tests[i], verdict_names[i]);
        if (i == REPORT_ERROR)
            text_append(&out, plural(totals.tests[i]));
        if (i == REPORT_UNFINISHED)
            text_format(&out, " (%s)", session->unfinished ? session->unfinished : "stopped");
    }
    return text_take(&out);
}

char *report_describe_found(const struct report_failure *failure, const struct report_test *test)
{
    struct bytes out;

    bytes_init(&out);
    if (failure->first_run == 0) {
        text_append(&out, strncmp(failure->title, "teardown:", 9) == 0
                              ? "teardown, after the last run"
                              : "setup, before the first run");
        return text_take(&out);
    }
    text_format(&out, "run %" PRIu64 ", seed %" PRIu64 ", %s", failure->first_run,
                failure->first_seed, failure->strategy);
    if (test->keep_going)
        text_format(&out, "; %" PRIu64 " of %" PRIu64 " runs fail so", failure->count, test->runs);
    return text_take(&out);
}

const char *report_reason_details(const struct report_failure *failure)
{
    size_t length = strcspn(failure->reason, "\n");

    /* Titles go on with a place: "exit 1, expected exit 0 in main (a.c:7)". */
    if (strncmp(failure->title, failure->reason, length) != 0)
        return failure->reason;
    return failure->reason + length + (failure->reason[length] == '\n');
}
