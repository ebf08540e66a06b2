/* What `rrtest merge` and `rrtest report` share: results that were read are shown and written. */
#ifndef HARNESS_CLI_REPORTING_H
#define HARNESS_CLI_REPORTING_H

#include <stdbool.h>

#include "harness/cli/color.h"
#include "reports/report.h"

struct reporting {
    struct report_requests requests; /* --report */
    const char *out;                 /* merge: -o; NULL: not given */
    enum color_mode color;
    bool quiet, verbose;
};

/* The value of --report; target: struct reporting. */
int reporting_parse(void *target, const char *value, struct rr_error *error);

/* The value of --color; target: struct reporting. */
int reporting_parse_color(void *target, const char *value, struct rr_error *error);

/* Results often come from another machine, with the traces beside them: a trace that is not where
 * the model says, but in the folder of the results (`path` is that folder, or a file in it), is
 * said to be there. `program`: how the user called us, for the command that replays it. */
void reporting_find_traces(struct report_session *session, const char *path, const char *program);

/* Write the reports and print the session on stdout, unless a report goes there. Complaints go to
 * stderr. Returns the exit status: 1 if a test failed or shards are missing, 2 if a report could
 * not be written, else 0. */
int reporting_show(const struct reporting *reporting, const struct report_session *session,
                   bool is_incomplete);

#endif
