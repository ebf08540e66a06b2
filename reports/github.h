/* GitHub Actions: annotations as workflow commands on stdout, and the job's summary.
 * (docs.github.com, "Workflow commands for GitHub Actions".) */
#ifndef REPORTS_GITHUB_H
#define REPORTS_GITHUB_H

#include "include/rrtest/report.h"
#include "recorder/base/bytes.h"
#include "recorder/base/error.h"

/* Append a line per group of failures: ::error of tests that failed, ::warning of quarantined ones
 * and of a session that is unfinished, ::notice of its notes. They lie at report_location() if that
 * is below $GITHUB_WORKSPACE (else the working directory), else at the test in its suite. Always 0.
 */
int github_write(const struct report_session *session, struct bytes *out);

/* Append markdown_write() to the file $GITHUB_STEP_SUMMARY; nothing if that is not set. */
int github_append_summary(const struct report_session *session, struct rr_error *error);

#endif
