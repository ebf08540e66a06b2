/* rrtest report: the reports of a session again, from its results. */
#include <stdio.h>

#include "harness/cli/command.h"
#include "harness/cli/reporting.h"
#include "reports/json.h"
#include "reports/model.h"

static const struct option_row rows[] = {
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

static int run(const char *program, void *target, const struct option_result *operands)
{
    struct report_session session;
    struct rr_error error;
    const char *path;
    int status;

    if (operands->count > 1)
        return command_fail(
            COMMAND_EXIT_USAGE,
            "report: expected one folder or results.json, got %d (rrtest merge joins "
            "shards)",
            operands->count);
    path = operands->count == 1 ? operands->operands[0] : "rrtest-out";
    if (report_json_load(path, &session, &error))
        return command_fail(COMMAND_EXIT_USAGE, "report: %s", error.message);
    reporting_find_traces(&session, path, program);
    status = reporting_show(target, &session, false);
    report_session_done(&session);
    return status;
}

const struct command command_report = {
    .name = "report",
    .arguments = "[OUT_DIR | results.json]",
    .summary = "show the results of a session again, in any format",
    .options = rows,
    .error_status = COMMAND_EXIT_USAGE,
    .target_size = sizeof(struct reporting),
    .run = run,
};
