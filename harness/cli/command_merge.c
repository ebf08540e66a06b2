/* rrtest merge: the shards of a session joined. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/cli/command.h"
#include "harness/cli/reporting.h"
#include "reports/json.h"
#include "reports/merge.h"
#include "reports/model.h"
#include "reports/text.h"

static const struct option_row rows[] = {
    {"out", 'o', OPTION_TEXT, "DIR", offsetof(struct reporting, out), OPTION_NO_GIVEN, NULL,
     "write the joined results to DIR/results.json"},
    {"report", 'r', OPTION_CALL, "K=F", 0, OPTION_NO_GIVEN, reporting_parse,
     "write a report: " REPORT_FORMAT_LIST},
    {"color", 0, OPTION_CALL, "auto|always|never", 0, OPTION_NO_GIVEN, reporting_parse_color,
     "colours on stdout (default: if that is a terminal)"},
    {"verbose", 'v', OPTION_FLAG, NULL, offsetof(struct reporting, verbose), OPTION_NO_GIVEN, NULL,
     "whole stacks, with addresses"},
    {"quiet", 'q', OPTION_FLAG, NULL, offsetof(struct reporting, quiet), OPTION_NO_GIVEN, NULL,
     "print failing tests only"},
    {NULL, 0, OPTION_FLAG, NULL, 0, 0, NULL, NULL},
};

static int write_results(const char *folder, const struct report_session *session,
                         struct rr_error *error)
{
    struct bytes name, data;
    char *path;
    int code;

    bytes_init(&name);
    bytes_init(&data);
    text_format(&name, "%s/results.json", folder);
    path = text_take(&name);
    code = report_json_write(session, &data);
    if (code)
        rr_error_set(error, code, "%s: %s", path, strerror(-code));
    else
        code = report_write_file(path, &data, error);
    bytes_done(&data);
    free(path);
    return code;
}

/* Joins what was read and shows it; the parts are ended by the caller. */
static int merge(const struct reporting *reporting, struct report_session *parts, char **names,
                 size_t count)
{
    bool incomplete = report_missing_shards(parts, count) > 0;
    struct report_session whole;
    struct rr_error error = {0};
    int status;

    for (size_t i = 0; i < count; i++)
        incomplete |= report_is_cut_short(&parts[i]);
    if (report_merge(parts, (const char *const *)names, count, &whole, &error))
        return command_fail(COMMAND_EXIT_USAGE, "merge: %s", error.message);
    status = reporting_show(reporting, &whole, incomplete);
    if (reporting->out && write_results(reporting->out, &whole, &error))
        status = command_fail(COMMAND_EXIT_USAGE, "merge: %s", error.message);
    report_session_done(&whole);
    return status;
}

static int run(const char *program, void *target, const struct option_result *operands)
{
    size_t count = (size_t)operands->count;
    struct report_session *parts;
    struct rr_error error;
    int status = 0;

    if (count == 0)
        return command_fail(COMMAND_EXIT_USAGE,
                            "merge: expected the folders of a session's shards");
    parts = calloc(count, sizeof(*parts));
    if (!parts)
        abort();
    for (size_t i = 0; i < count && !status; i++) {
        if (report_json_load(operands->operands[i], &parts[i], &error))
            status = command_fail(COMMAND_EXIT_USAGE, "merge: %s", error.message);
        else
            reporting_find_traces(&parts[i], operands->operands[i], program);
    }
    if (!status)
        status = merge(target, parts, operands->operands, count);
    for (size_t i = 0; i < count; i++)
        report_session_done(&parts[i]);
    free(parts);
    return status;
}

const struct command command_merge = {
    .name = "merge",
    .arguments = "OUT_DIR...",
    .summary = "join the results of a session's shards",
    .options = rows,
    .error_status = COMMAND_EXIT_USAGE,
    .target_size = sizeof(struct reporting),
    .run = run,
};
