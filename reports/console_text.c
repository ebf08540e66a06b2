/* Lines that people read and scripts grep: labels in one column, commands unbroken. */
#include "reports/console_text.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "recorder/base/words.h"
#include "reports/model.h"
#include "reports/stack_text.h"
#include "reports/text.h"

#define WIDTH_MAX 40
#define TASKS_MAX 8
#define FRAMES_MAX 12

static const struct verdict_row {
    const char *word;
    int color;
} verdict_rows[REPORT_VERDICT_COUNT] = {
    [REPORT_PASSED] = {"ok", 32},    [REPORT_FAILED] = {"FAIL", 31},
    [REPORT_ERROR] = {"ERR", 31},    [REPORT_QUARANTINED] = {"quar", 33},
    [REPORT_SKIPPED] = {"skip", 33}, [REPORT_UNFINISHED] = {"part", 33},
};

int console_text_width(const struct report_session *session)
{
    int width = 0;

    for (size_t i = 0; i < session->count; i++) {
        size_t length = strlen(session->tests[i].name);

        if (length > (size_t)width)
            width = length < WIDTH_MAX ? (int)length : WIDTH_MAX;
    }
    return width;
}

/* Each line of the text with the label in front; empty lines left out. */
static void append_lines(struct bytes *out, const char *label, const char *text)
{
    while (*text) {
        int length = (int)strcspn(text, "\n");

        if (length > 0)
            text_format(out, "       %-7s%.*s\n", label, length, text);
        text += length;
        text += *text == '\n';
    }
}

static void append_stacks(struct bytes *out, const struct report_failure *failure, bool verbose)
{
    const struct stack_text_options options = {
        .indent = "",
        .tasks_max = verbose ? SIZE_MAX : TASKS_MAX,
        .frames_max = verbose ? SIZE_MAX : FRAMES_MAX,
        .full = verbose,
    };
    const char *label = "stack";
    const char *at;
    struct bytes lines;
    char *text;

    bytes_init(&lines);
    stack_text_list(&lines, &failure->stacks, &options);
    if (failure->stacks.count > TASKS_MAX && !verbose && failure->trace)
        text_append(&lines, "... see rrtest dump\n");
    text = text_take(&lines);
    for (at = text; *at;) {
        int length = (int)strcspn(at, "\n");

        text_format(out, "       %-7s%.*s\n", label, length, at);
        label = "";
        at += length + 1;
    }
    free(text);
}

static void append_failure(struct bytes *out, const struct report_test *test,
                           const struct report_failure *failure, bool verbose)
{
    char *found = report_describe_found(failure, test);

    text_format(out, "       found  %s\n", found);
    free(found);
    append_lines(out, failure->is_error ? "error" : "why", failure->title);
    append_lines(out, "", report_reason_details(failure));
    if (verbose || strcmp(failure->kind, "exit") != 0 || stack_text_is_telling(&failure->stacks))
        append_stacks(out, failure, verbose);
    append_lines(out, "|", failure->output);
    if (failure->replay)
        append_lines(out, "replay", failure->replay);
    append_lines(out, "rerun", failure->rerun);
}

void console_text_test(struct bytes *out, const struct report_test *test,
                       const struct report_session *session,
                       const struct console_text_options *options)
{
    bool ran = test->verdict != REPORT_UNFINISHED || test->runs > 0;
    const struct verdict_row *row = &verdict_rows[ran ? test->verdict : REPORT_SKIPPED];
    char *description = report_describe_test(test, session);

    if (options->color)
        text_format(out, "\033[%dm%-4s\033[0m", row->color, row->word);
    else
        text_format(out, "%-4s", row->word);
    text_format(out, "  %-*s  %s\n", options->width, test->name, description);
    free(description);
    for (size_t i = 0; i < test->failure_count; i++)
        append_failure(out, test, &test->failures[i], options->verbose);
}

void console_text_summary(struct bytes *out, const struct report_session *session)
{
    struct report_totals totals;
    char *verdicts = report_describe_verdicts(session);
    char elapsed[32];

    report_totals(session, &totals);
    words_format_duration(session->wall_ns, elapsed, sizeof(elapsed));
    text_append(out, verdicts);
    if (session->unfinished && totals.tests[REPORT_UNFINISHED] == 0)
        text_format(out, ", unfinished (%s)", session->unfinished);
    text_format(out, "; %" PRIu64 " run%s in %s; --seed %" PRIu64 "\n", totals.runs,
                totals.runs == 1 ? "" : "s", elapsed, session->seed);
    free(verdicts);
}

static bool is_quiet_verdict(enum report_verdict verdict)
{
    return verdict != REPORT_FAILED && verdict != REPORT_ERROR;
}

void console_text_session(struct bytes *out, const struct report_session *session,
                          const struct console_text_options *options)
{
    for (size_t i = 0; i < session->count; i++)
        if (!options->quiet || !is_quiet_verdict(session->tests[i].verdict))
            console_text_test(out, &session->tests[i], session, options);
    if (!options->quiet || session->unfinished || report_is_failure(session))
        console_text_summary(out, session);
}
