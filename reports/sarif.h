/* SARIF 2.1.0 (OASIS), as code scanning of GitHub, GitLab and editors read it. */
#ifndef REPORTS_SARIF_H
#define REPORTS_SARIF_H

#include "include/rrtest/report.h"
#include "recorder/base/bytes.h"

/* Append the document: a rule per kind of failure, a result per group of failures. A result lies
 * where report_location() says, else at the test in its suite, else at the program; its fingerprint
 * is the group's signature, so that the same bug is the same alert in later sessions. Stacks are
 * given twice: as `stacks`, and as a `codeFlow` with a thread per task (outermost frame first),
 * which viewers show more often. Results of quarantined tests are suppressed. Paths below the
 * working directory are relative to %SRCROOT%. 0 or -ENOMEM. */
int sarif_write(const struct report_session *session, struct bytes *out);

#endif
