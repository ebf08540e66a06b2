/* JUnit XML as Jenkins, GitLab, GitHub actions and others read it: no standard exists; this is what
 * they have in common, described in ci/e2e/schemas/junit.xsd. */
#ifndef REPORTS_JUNIT_H
#define REPORTS_JUNIT_H

#include "include/rrtest/report.h"
#include "recorder/base/bytes.h"

/* Append the document. One testsuite; each test one testcase with at most one failure or error,
 * which holds all its groups, since Jenkins shows only one. Quarantined tests that failed are
 * skipped (with the failure in system-out): what consumers agree on for a test that must not fail
 * the build but must be seen. Unfinished tests without a failure are skipped too. Always 0. */
int junit_write(const struct report_session *session, struct bytes *out);

#endif
