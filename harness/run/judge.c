/* Verdict first, then exit status, then both output streams; the first difference is the reason. */
#include "harness/run/judge.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "recorder/base/words.h"
#include "recorder/syscalls/syscalls.h"

#define SHOWN_MAX 120

static void say(struct bytes *out, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void say(struct bytes *out, const char *format, ...)
{
    char line[1024];
    va_list args;
    int n;

    va_start(args, format);
    n = vsnprintf(line, sizeof(line), format, args);
    va_end(args);
    if (n > 0)
        bytes_append(out, line, (size_t)n < sizeof(line) ? (size_t)n : sizeof(line) - 1);
}

static void say_quoted(struct bytes *out, const char *text)
{
    size_t length = strlen(text);

    say(out, "'%.*s%s'", SHOWN_MAX, text, length > SHOWN_MAX ? "..." : "");
}

/* The recorder's own words: what is not modelled, how many tasks wait. */
static void say_message(const struct record_result *result, struct bytes *reason)
{
    if (result->message && *result->message) {
        say(reason, ": ");
        bytes_append(reason, result->message, strlen(result->message));
    }
}

static bool status_matches(const struct suite_expect *expect, int status)
{
    if (expect->signal)
        return WIFSIGNALED(status) && WTERMSIG(status) == expect->signal;
    return WIFEXITED(status) && suite_expects_exit(expect, WEXITSTATUS(status));
}

/* The message, if there is one, names the signal and the task that it killed. */
static void say_status(const struct suite_expect *expect, const struct record_result *result,
                       struct bytes *reason)
{
    char *expected = suite_expected_status(expect);

    if (!WIFSIGNALED(result->status))
        say(reason, "exit %d", WEXITSTATUS(result->status));
    else if (result->message && *result->message)
        bytes_append(reason, result->message, strlen(result->message));
    else
        say(reason, "killed by %s", syscall_signal_name(WTERMSIG(result->status)));
    say(reason, ", expected %s", expected);
    free(expected);
}

/* What is left of an output stream: all of it; or, where it was cut, its start and its end. */
struct kept_output {
    const char *name;
    const char *part[2];
    size_t length[2];
    uint64_t total;
    bool cut;
};

static struct kept_output kept_output(const struct record_result *result, int stream)
{
    static const char *const names[SUITE_STREAM_COUNT] = {"stdout", "stderr"};
    struct kept_output o = {
        .name = names[stream],
        .part = {result->output[stream], result->output_end[stream]},
        .length = {result->output_length[stream], result->output_end_length[stream]},
        .total = result->output_total[stream],
    };

    for (int i = 0; i < 2; i++)
        if (!o.part[i])
            o.part[i] = "";
    o.cut = o.total > o.length[0];
    return o;
}

static bool occurs(const struct kept_output *o, const char *wanted)
{
    return memmem(o->part[0], o->length[0], wanted, strlen(wanted)) ||
           (o->cut && memmem(o->part[1], o->length[1], wanted, strlen(wanted)));
}

static bool matches(const struct kept_output *o, const regex_t *regex)
{
    for (int i = 0; i < 1 + o->cut; i++) {
        regmatch_t range = {.rm_so = 0, .rm_eo = (regoff_t)o->length[i]};
        int no_edge = !o->cut ? 0 : i == 0 ? REG_NOTEOL : REG_NOTBOL; /* it was cut there */

        if (regexec(regex, o->part[i], 1, &range, REG_STARTEND | no_edge) == 0)
            return true;
    }
    return false;
}

/* What is wrong is said of what was seen; where some was not, that decides nothing. */
static enum outcome lacks(const struct kept_output *o, const char *how, const char *wanted,
                          struct bytes *reason)
{
    say(reason, "%s %s ", o->name, how);
    say_quoted(reason, wanted);
    if (!o->cut)
        return OUTCOME_FAIL;
    say(reason,
        " in what was kept of it, the first %zu and the last %zu of %" PRIu64
        " bytes: the test cannot be judged (limits.output)",
        o->length[0], o->length[1], o->total);
    return OUTCOME_ERROR;
}

static bool is_exactly(const struct kept_output *o, const char *wanted)
{
    return !o->cut && strlen(wanted) == o->length[0] &&
           memcmp(wanted, o->part[0], o->length[0]) == 0;
}

static enum outcome judge_words(const struct suite_output *output, const struct kept_output *o,
                                struct bytes *reason)
{
    for (char **text = output->lacks; text && *text; text++) {
        if (!occurs(o, *text))
            continue;
        say(reason, "%s has ", o->name);
        say_quoted(reason, *text);
        say(reason, ", which must not occur");
        return OUTCOME_FAIL;
    }
    for (char **text = output->contains; text && *text; text++) {
        if (!occurs(o, *text))
            return lacks(o, "lacks", *text, reason);
    }
    if (o->cut && output->lacks && *output->lacks)
        return lacks(o, "may have", *output->lacks, reason);
    return OUTCOME_PASS;
}

static enum outcome judge_output(const struct suite_output *output, struct kept_output o,
                                 struct bytes *reason)
{
    enum outcome outcome = judge_words(output, &o, reason);

    if (outcome != OUTCOME_PASS)
        return outcome;
    if (output->exact && !is_exactly(&o, output->exact)) {
        if (strlen(output->exact) != o.total)
            o.cut = false; /* it differs, whatever was cut off */
        return lacks(&o, "is not exactly", output->exact, reason);
    }
    if (output->pattern_not && matches(&o, &output->regex_not)) {
        say(reason, "%s matches ", o.name);
        say_quoted(reason, output->pattern_not);
        say(reason, ", which must not match");
        return OUTCOME_FAIL;
    }
    if (output->pattern && !matches(&o, &output->regex))
        return lacks(&o, "does not match", output->pattern, reason);
    if (o.cut && output->pattern_not)
        return lacks(&o, "may match", output->pattern_not, reason);
    return OUTCOME_PASS;
}

static enum outcome judge_exit(const struct suite_test *test, const struct record_result *result,
                               struct bytes *reason, enum failure_kind *ret_kind)
{
    if (!status_matches(&test->expect, result->status)) {
        say_status(&test->expect, result, reason);
        *ret_kind = WIFSIGNALED(result->status) ? FAILURE_SIGNAL : FAILURE_EXIT;
        return OUTCOME_FAIL;
    }
    for (int i = 0; i < SUITE_STREAM_COUNT; i++) {
        enum outcome outcome =
            judge_output(&test->expect.output[i], kept_output(result, i), reason);

        if (outcome != OUTCOME_PASS) {
            *ret_kind = FAILURE_OUTPUT;
            return outcome;
        }
    }
    return OUTCOME_PASS;
}

/* Of verdicts that are not the program's own end. */
static const enum failure_kind kinds[RECORD_VERDICT_COUNT] = {
    [RECORD_VERDICT_DEADLOCK] = FAILURE_DEADLOCK,
    [RECORD_VERDICT_TIMEOUT] = FAILURE_TIMEOUT,
    [RECORD_VERDICT_VIRTUAL_TIMEOUT] = FAILURE_VIRTUAL_TIMEOUT,
    [RECORD_VERDICT_UNSUPPORTED] = FAILURE_UNSUPPORTED,
    [RECORD_VERDICT_LIMIT] = FAILURE_LIMIT,
};

enum outcome judge_run(const struct suite_test *test, const struct record_result *result,
                       struct bytes *reason, enum failure_kind *ret_kind)
{
    char limit[32];

    *ret_kind = kinds[result->verdict];
    switch (result->verdict) {
    case RECORD_VERDICT_EXITED:
        return judge_exit(test, result, reason, ret_kind);
    case RECORD_VERDICT_TIMEOUT:
        words_format_duration(test->timeout_ns, limit, sizeof(limit));
        say(reason, "timeout: still running after %s", limit);
        break;
    case RECORD_VERDICT_VIRTUAL_TIMEOUT:
        words_format_duration(test->virtual_timeout_ns, limit, sizeof(limit));
        say(reason, "virtual timeout: still running after %s of virtual time", limit);
        break;
    case RECORD_VERDICT_INTERRUPTED:
        return OUTCOME_CANCELLED;
    case RECORD_VERDICT_DEADLOCK:
    case RECORD_VERDICT_LIMIT:
    case RECORD_VERDICT_UNSUPPORTED:
    default:
        say(reason, "%s", record_verdict_name(result->verdict));
        break;
    }
    say_message(result, reason);
    return result->verdict == RECORD_VERDICT_UNSUPPORTED ? OUTCOME_ERROR : OUTCOME_FAIL;
}
