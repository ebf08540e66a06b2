/* Models for tests: every verdict, every kind of failure, texts that break careless writers. */
#ifndef REPORTS_TESTS_FIXTURE_H
#define REPORTS_TESTS_FIXTURE_H

#include "include/rrtest/report.h"

/* "rich" (everything), "empty" (no tests), "many" (300), "passing" (two tests), "shard1", "shard2"
 * (of two; one test of runs split over both). The caller ends it with report_session_done().
 * -ENOENT: no such model. */
int fixture_make(const char *name, struct report_session *ret);

/* Add an empty test or group; the pointer holds until the next one is added. */
struct report_test *fixture_add_test(struct report_session *session, const char *name,
                                     enum report_verdict verdict);
struct report_failure *fixture_add_failure(struct report_test *test, const char *signature,
                                           const char *kind, const char *title);

#endif
