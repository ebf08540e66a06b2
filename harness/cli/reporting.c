/* Results, shown after the session. */
#include "harness/cli/reporting.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "harness/cli/command.h"
#include "harness/run/runner.h"
#include "harness/value/value.h"
#include "reports/console_text.h"
#include "reports/model.h"
#include "reports/text.h"

int reporting_parse(void *target, const char *value, struct rr_error *error)
{
    struct reporting *reporting = target;

    return report_parse(value, &reporting->requests, error);
}

int reporting_parse_color(void *target, const char *value, struct rr_error *error)
{
    struct reporting *reporting = target;
    int mode = color_mode_by_name(value);

    if (mode < 0)
        return rr_error_set(error, -EINVAL, "expected auto, always or never, got '%s'", value);
    reporting->color = (enum color_mode)mode;
    return 0;
}

/* Traces are kept at OUT/TEST/SEED: the last two components, below another folder. Owned. */
static char *trace_below(const char *folder, const char *trace)
{
    const char *tail = trace + strlen(trace);
    int slashes = 0;
    struct bytes out;

    while (tail > trace && (slashes += tail[-1] == '/') < 2)
        tail--;
    bytes_init(&out);
    text_format(&out, "%s/%s", folder, tail);
    return text_take(&out);
}

static void find_trace(struct report_failure *failure, const char *folder, const char *program)
{
    char *there = trace_below(folder, failure->trace);
    struct bytes command;

    if (access(there, F_OK)) {
        free(there);
        return;
    }
    bytes_init(&command);
    value_shell_quote(&command, program);
    text_append(&command, " replay ");
    value_shell_quote(&command, there);
    free(failure->trace);
    free(failure->replay);
    failure->trace = text_clean(there, strlen(there));
    failure->replay = text_take(&command);
    free(there);
}

void reporting_find_traces(struct report_session *session, const char *path, const char *program)
{
    const char *slash = strrchr(path, '/');
    struct stat status;
    char *folder;

    if (stat(path, &status) == 0 && S_ISDIR(status.st_mode))
        folder = text_copy(path);
    else
        folder = slash ? strndup(path, (size_t)(slash - path)) : text_copy(".");
    if (!folder)
        abort();
    for (size_t i = 0; i < session->count; i++) {
        for (size_t n = 0; n < session->tests[i].failure_count; n++) {
            struct report_failure *failure = &session->tests[i].failures[n];

            if (failure->trace && access(failure->trace, F_OK))
                find_trace(failure, folder, program);
        }
    }
    free(folder);
}

static bool takes_stdout(const struct report_requests *requests)
{
    for (size_t i = 0; i < requests->count; i++)
        if (strcmp(requests->items[i].path, "-") == 0)
            return true;
    return false;
}

static void print(const struct reporting *reporting, const struct report_session *session)
{
    const struct console_text_options options = {
        .color = color_wanted(stdout, reporting->color),
        .verbose = reporting->verbose,
        .quiet = reporting->quiet,
        .width = console_text_width(session),
    };
    struct bytes out;

    bytes_init(&out);
    console_text_session(&out, session, &options);
    if (out.length > 0)
        fwrite(out.data, 1, out.length, stdout); /* main() looks at stdout's errors */
    bytes_done(&out);
}

static void complain(void *context, const char *message)
{
    (void)context;
    command_fail(0, "%s", message);
}

int reporting_show(const struct reporting *reporting, const struct report_session *session,
                   bool is_incomplete)
{
    if (!takes_stdout(&reporting->requests))
        print(reporting, session);
    if (report_write_all(&reporting->requests, session, complain, NULL) > 0)
        return COMMAND_EXIT_USAGE;
    return report_is_failure(session) || is_incomplete ? RUN_EXIT_FAILED : RUN_EXIT_PASSED;
}
