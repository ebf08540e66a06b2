/* Verdict first, then exit status, then both output streams; the first difference is the reason. */
#include "harness/run/judge.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "harness/value/value.h"
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

/* The recorder's own words: what is not modelled, where every task stood. */
static void say_message(const struct record_result *result, struct bytes *reason)
{
    if (!result->message || !*result->message)
        return;
    say(reason, ": ");
    bytes_append(reason, result->message, strlen(result->message));
}

static bool status_matches(const struct suite_expect *expect, int status)
{
    if (expect->signal)
        return WIFSIGNALED(status) && WTERMSIG(status) == expect->signal;
    return WIFEXITED(status) && suite_expects_exit(expect, WEXITSTATUS(status));
}

static void say_status(const struct suite_expect *expect, int status, struct bytes *reason)
{
    char *expected = suite_expected_status(expect);

    if (WIFSIGNALED(status))
        say(reason, "killed by %s", syscall_signal_name(WTERMSIG(status)));
    else
        say(reason, "exit %d", WEXITSTATUS(status));
    say(reason, ", expected %s", expected);
    free(expected);
}

static bool occurs(const char *data, size_t length, const char *wanted)
{
    return memmem(data, length, wanted, strlen(wanted)) != NULL;
}

static bool matches(const regex_t *regex, const char *data, size_t length)
{
    regmatch_t range = {.rm_so = 0, .rm_eo = (regoff_t)length};

    return regexec(regex, data, 1, &range, REG_STARTEND) == 0;
}

static bool output_matches(const struct suite_output *output, const char *name, const char *data,
                           size_t length, struct bytes *reason)
{
    for (char **text = output->contains; text && *text; text++) {
        if (occurs(data, length, *text))
            continue;
        say(reason, "%s lacks ", name);
        say_quoted(reason, *text);
        return false;
    }
    for (char **text = output->lacks; text && *text; text++) {
        if (!occurs(data, length, *text))
            continue;
        say(reason, "%s has ", name);
        say_quoted(reason, *text);
        say(reason, ", which must not occur");
        return false;
    }
    if (output->exact &&
        (strlen(output->exact) != length || memcmp(output->exact, data, length) != 0)) {
        say(reason, "%s is not exactly ", name);
        say_quoted(reason, output->exact);
        return false;
    }
    if (output->pattern && !matches(&output->regex, data, length)) {
        say(reason, "%s does not match ", name);
        say_quoted(reason, output->pattern);
        return false;
    }
    return true;
}

static enum outcome judge_exit(const struct suite_test *test, const struct record_result *result,
                               struct bytes *reason)
{
    static const char *const names[SUITE_STREAM_COUNT] = {"stdout", "stderr"};

    if (!status_matches(&test->expect, result->status)) {
        say_status(&test->expect, result->status, reason);
        if (WIFSIGNALED(result->status))
            say_message(result, reason);
        return OUTCOME_FAIL;
    }
    for (int i = 0; i < SUITE_STREAM_COUNT; i++) {
        const char *data = result->output[i] ? result->output[i] : "";

        if (!output_matches(&test->expect.output[i], names[i], data, result->output_length[i],
                            reason))
            return OUTCOME_FAIL;
    }
    return OUTCOME_PASS;
}

enum outcome judge_run(const struct suite_test *test, const struct record_result *result,
                       struct bytes *reason)
{
    char limit[32];

    switch (result->verdict) {
    case RECORD_VERDICT_EXITED:
        return judge_exit(test, result, reason);
    case RECORD_VERDICT_TIMEOUT:
        value_format_duration(test->timeout_ns, limit, sizeof(limit));
        say(reason, "timeout: still running after %s", limit);
        break;
    case RECORD_VERDICT_VIRTUAL_TIMEOUT:
        value_format_duration(test->virtual_timeout_ns, limit, sizeof(limit));
        say(reason, "virtual timeout: still running after %s of virtual time", limit);
        break;
    case RECORD_VERDICT_INTERRUPTED:
        return OUTCOME_CANCELLED;
    case RECORD_VERDICT_DEADLOCK:
    case RECORD_VERDICT_UNSUPPORTED:
    default:
        say(reason, "%s", record_verdict_name(result->verdict));
        break;
    }
    say_message(result, reason);
    return result->verdict == RECORD_VERDICT_UNSUPPORTED ? OUTCOME_ERROR : OUTCOME_FAIL;
}
