/* Texts are escaped where they stand in running text, and fenced where they are blocks. */
#include "reports/markdown.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "recorder/base/words.h"
#include "reports/model.h"
#include "reports/stack_text.h"
#include "reports/text.h"

#define BLOCK_MAX 16384 /* bytes of one fenced block */
#define ROW_MAX 500     /* bytes of a text in a table or heading */

/* Where each part ends at the latest; what comes after the last limit is a line or two. */
#define HEAD_TABLE_END 300000
#define FAILURES_END 800000
#define PASSED_TABLE_END (MARKDOWN_MAX - 1000)

/* One line of running text: nothing in it is markup, a link, a mention or the end of a cell. */
static void append_inline(struct bytes *out, const char *text)
{
    size_t length = text_cut(text, ROW_MAX);

    for (size_t i = 0; i < length; i++) {
        char c = text[i];

        if (c == '\n' || c == '\t')
            text_append(out, " ");
        else if (c == '@')
            text_append(out, "&#64;");
        else if (c == '&')
            text_append(out, "&amp;");
        else if (c == '<')
            text_append(out, "&lt;");
        else if (strchr("\\`*_[]#|~", c))
            text_format(out, "\\%c", c);
        else
            bytes_append(out, &c, 1);
    }
    if (text[length])
        text_append(out, " ...");
}

static size_t longest_run(const char *text, size_t length, char c)
{
    size_t longest = 0, run = 0;

    for (size_t i = 0; i < length; i++) {
        run = text[i] == c ? run + 1 : 0;
        if (run > longest)
            longest = run;
    }
    return longest;
}

/* A block with a fence longer than any in it. */
static void append_block(struct bytes *out, const char *language, const char *text)
{
    size_t length = text_cut(text, BLOCK_MAX);
    size_t fence = longest_run(text, length, '`') + 1;

    if (fence < 3)
        fence = 3;
    for (size_t i = 0; i < fence; i++)
        text_append(out, "`");
    text_format(out, "%s\n", language);
    bytes_append(out, text, length);
    if (length == 0 || text[length - 1] != '\n')
        text_append(out, "\n");
    if (text[length])
        text_append(out, "...\n");
    for (size_t i = 0; i < fence; i++)
        text_append(out, "`");
    text_append(out, "\n\n");
}

static void append_folded(struct bytes *out, const char *summary, const char *text)
{
    if (!*text)
        return;
    text_format(out, "<details><summary>%s</summary>\n\n", summary);
    append_block(out, "text", text);
    text_append(out, "</details>\n\n");
}

static void append_commands(struct bytes *out, const struct report_failure *failure)
{
    struct bytes commands;
    char *text;

    bytes_init(&commands);
    if (failure->replay)
        text_format(&commands, "%s\n", failure->replay);
    text_format(&commands, "%s\n", failure->rerun);
    text = text_take(&commands);
    append_block(out, "sh", text);
    free(text);
}

static void append_failure(struct bytes *out, const struct report_test *test,
                           const struct report_failure *failure)
{
    const struct stack_text_options options = {
        .indent = "", .tasks_max = SIZE_MAX, .frames_max = SIZE_MAX, .full = false};
    const char *details = report_reason_details(failure);
    char *found = report_describe_found(failure, test);
    struct bytes stacks;
    char *text;

    text_append(out, "#### ");
    append_inline(out, test->name);
    text_append(out, ": ");
    append_inline(out, failure->title);
    text_append(out, "\n\nFound in ");
    append_inline(out, found);
    text_append(out, ".\n\n");
    free(found);
    if (*details)
        append_block(out, "text", details);
    append_commands(out, failure);
    bytes_init(&stacks);
    stack_text_list(&stacks, &failure->stacks, &options);
    text = text_take(&stacks);
    append_folded(out, "Stacks", text);
    free(text);
    append_folded(out, "Output", failure->output);
}

static void append_row(struct bytes *out, const struct report_test *test,
                       const struct report_session *session)
{
    char *description = report_describe_test(test, session);

    text_format(out, "| %s | ", report_verdict_name(test->verdict));
    append_inline(out, test->name);
    text_append(out, " | ");
    append_inline(out, description);
    text_append(out, " |\n");
    free(description);
}

/* The tests that passed, or those that did not. */
static void append_table(struct bytes *out, const struct report_session *session, bool passed,
                         size_t end)
{
    size_t rows = 0, left_out = 0;

    for (size_t i = 0; i < session->count; i++) {
        size_t before;

        if ((session->tests[i].verdict == REPORT_PASSED) != passed)
            continue;
        if (rows == 0)
            text_append(out, "| | test | |\n| --- | --- | --- |\n");
        rows++;
        before = out->length;
        append_row(out, &session->tests[i], session);
        if (out->length > end) {
            out->length = before;
            left_out++;
        }
    }
    if (left_out > 0)
        text_format(out, "\n%zu more.\n", left_out);
    if (rows > 0)
        text_append(out, "\n");
}

static void append_head(struct bytes *out, const struct report_session *session)
{
    struct report_totals totals;
    char *verdicts = report_describe_verdicts(session);
    char elapsed[32];

    report_totals(session, &totals);
    words_format_duration(session->wall_ns, elapsed, sizeof(elapsed));
    text_append(out, "### rrtest: ");
    append_inline(out, verdicts);
    text_append(out, "\n\n");
    text_append(out, "Suite ");
    append_inline(out, session->suite);
    text_format(out, ": %" PRIu64 " runs in %s, seed %" PRIu64 ", rrtest ", totals.runs, elapsed,
                session->seed);
    append_inline(out, session->version);
    text_append(out, ".\n\n");
    if (session->unfinished) {
        text_append(out, "**Unfinished:** ");
        append_inline(out, session->unfinished);
        text_append(out, ".\n\n");
    }
    free(verdicts);
}

int markdown_write(const struct report_session *session, struct bytes *out)
{
    size_t start = out->length;
    size_t left_out = 0;
    size_t passed = 0;

    append_head(out, session);
    append_table(out, session, false, start + HEAD_TABLE_END);
    for (size_t i = 0; i < session->count; i++) {
        const struct report_test *test = &session->tests[i];

        passed += test->verdict == REPORT_PASSED;
        for (size_t n = 0; n < test->failure_count; n++) {
            size_t before = out->length;

            append_failure(out, test, &test->failures[n]);
            if (out->length - start > FAILURES_END) {
                out->length = before;
                left_out++;
            }
        }
    }
    if (left_out > 0)
        text_format(out, "%zu more kinds of failure are not shown here.\n\n", left_out);
    if (passed > 0) {
        text_format(out, "<details><summary>%zu passed</summary>\n\n", passed);
        append_table(out, session, true, start + PASSED_TABLE_END);
        text_append(out, "</details>\n");
    }
    return 0;
}
