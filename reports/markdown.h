/* Markdown (GitHub's flavour) for job summaries, comments and mails. */
#ifndef REPORTS_MARKDOWN_H
#define REPORTS_MARKDOWN_H

#include "include/rrtest/report.h"
#include "recorder/base/bytes.h"

/* Append the summary: totals, a table of what did not pass, each group of failures with its
 * commands, output and stacks folded away. It stays below MARKDOWN_MAX bytes: later failures are
 * only counted then. Always 0. */
int markdown_write(const struct report_session *session, struct bytes *out);

/* GitHub refuses a step's summary above 1 MiB. */
#define MARKDOWN_MAX 1000000

#endif
