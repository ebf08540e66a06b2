/* YAML values are JSON strings, which are YAML too: the one form in which nothing needs care. */
#include "reports/tap.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "reports/model.h"
#include "reports/stack_text.h"
#include "reports/text.h"

/* A description or reason: one line, with what would begin a directive escaped. */
static void append_line(struct bytes *out, const char *text)
{
    for (; *text; text++) {
        if (*text == '\\' || *text == '#')
            bytes_append(out, "\\", 1);
        bytes_append(out, *text == '\n' || *text == '\t' ? " " : text, 1);
    }
}

static void append_quoted(struct bytes *out, const char *text)
{
    bytes_append(out, "\"", 1);
    for (; *text; text++) {
        if (*text == '"' || *text == '\\')
            text_format(out, "\\%c", *text);
        else if (*text == '\n')
            text_append(out, "\\n");
        else if (*text == '\t')
            text_append(out, "\\t");
        else
            bytes_append(out, text, 1);
    }
    bytes_append(out, "\"", 1);
}

static void append_text(struct bytes *out, const char *indent, const char *key, const char *text)
{
    if (!text || !*text)
        return;
    text_format(out, "%s%s: ", indent, key);
    append_quoted(out, text);
    text_append(out, "\n");
}

static void append_number(struct bytes *out, const char *indent, const char *key, uint64_t number)
{
    text_format(out, "%s%s: %" PRIu64 "\n", indent, key, number);
}

static void append_failure(struct bytes *out, const struct report_failure *failure)
{
    static const char indent[] = "      ";
    const struct stack_text_options options = {
        .indent = "", .tasks_max = SIZE_MAX, .frames_max = SIZE_MAX, .full = false};
    const struct stack_frame *frame = report_location(failure);
    struct bytes stacks;
    char *text;

    text_append(out, "    - kind: ");
    append_quoted(out, failure->kind);
    text_append(out, "\n");
    append_text(out, indent, "message", failure->title);
    append_text(out, indent, "reason", failure->reason);
    append_text(out, indent, "signature", failure->signature);
    append_number(out, indent, "count", failure->count);
    if (failure->first_run > 0) {
        append_number(out, indent, "run", failure->first_run);
        text_format(out, "%sseed: \"%" PRIu64 "\"\n", indent, failure->first_seed);
        append_text(out, indent, "strategy", failure->strategy);
    }
    if (frame) {
        text_format(out, "%sat:\n", indent);
        append_text(out, "        ", "file", frame->file);
        append_number(out, "        ", "line", frame->line);
    }
    bytes_init(&stacks);
    stack_text_list(&stacks, &failure->stacks, &options);
    text = text_take(&stacks);
    append_text(out, indent, "stack", text);
    free(text);
    append_text(out, indent, "output", failure->output);
    append_text(out, indent, "replay", failure->replay);
    append_text(out, indent, "rerun", failure->rerun);
}

static const char *severity(enum report_verdict verdict)
{
    if (verdict == REPORT_QUARANTINED)
        return "todo";
    return verdict == REPORT_ERROR ? "error" : "fail";
}

static void append_diagnostics(struct bytes *out, const struct report_test *test,
                               const struct report_session *session)
{
    char *description = report_describe_test(test, session);

    text_append(out, "  ---\n");
    append_text(out, "  ", "message", description);
    append_text(out, "  ", "severity", severity(test->verdict));
    append_text(out, "  ", "command", test->command);
    append_number(out, "  ", "runs", test->runs);
    append_number(out, "  ", "failed_runs", test->failed);
    append_number(out, "  ", "duration_ms", test->wall_ns / 1000000u);
    if (test->failure_count > 0)
        text_append(out, "  failures:\n");
    for (size_t i = 0; i < test->failure_count; i++)
        append_failure(out, &test->failures[i]);
    text_append(out, "  ...\n");
    free(description);
}

static void append_test(struct bytes *out, const struct report_test *test, size_t number,
                        const struct report_session *session)
{
    bool fails = test->verdict == REPORT_FAILED || test->verdict == REPORT_ERROR ||
                 test->verdict == REPORT_QUARANTINED;

    text_format(out, "%sok %zu - ", fails ? "not " : "", number);
    append_line(out, test->name);
    if (test->verdict == REPORT_QUARANTINED) {
        text_append(out, " # TODO ");
        append_line(out, test->note ? test->note : "quarantined");
    } else if (test->verdict == REPORT_SKIPPED || test->verdict == REPORT_UNFINISHED) {
        char *description = report_describe_test(test, session);

        text_append(out, " # SKIP ");
        append_line(out, description);
        free(description);
    }
    text_append(out, "\n");
    if (fails)
        append_diagnostics(out, test, session);
}

static void append_comment(struct bytes *out, const char *key, const char *text)
{
    if (!text)
        return;
    text_format(out, "# %s: ", key);
    append_line(out, text);
    text_append(out, "\n");
}

static void write_version(const struct report_session *session, unsigned version, struct bytes *out)
{
    char *verdicts = report_describe_verdicts(session);

    text_format(out, "TAP version %u\n1..%zu%s\n", version, session->count,
                session->count == 0 ? " # SKIP no tests" : "");
    append_comment(out, "rrtest", session->version);
    append_comment(out, "suite", session->suite);
    text_format(out, "# seed: %" PRIu64 "\n", session->seed);
    append_comment(out, "unfinished", session->unfinished);
    for (char **note = session->notes; note && *note; note++)
        append_comment(out, "note", *note);
    for (size_t i = 0; i < session->count; i++)
        append_test(out, &session->tests[i], i + 1, session);
    append_comment(out, "result", verdicts);
    free(verdicts);
}

int tap_write(const struct report_session *session, struct bytes *out)
{
    write_version(session, 14, out);
    return 0;
}

int tap13_write(const struct report_session *session, struct bytes *out)
{
    write_version(session, 13, out);
    return 0;
}
