/* The report model of include/rrtest/report.h: freeing, totals, and how it is put into words. The
 * names of verdicts (report_verdict_name()) are here too. */
#ifndef REPORTS_MODEL_H
#define REPORTS_MODEL_H

#include <stdbool.h>

#include "include/rrtest/report.h"

/* Free what the struct owns, not the struct itself; it is empty (all zero) afterwards. */
void report_failure_done(struct report_failure *failure);
void report_test_done(struct report_test *test);
void report_session_done(struct report_session *session);

struct report_totals {
    size_t tests[REPORT_VERDICT_COUNT]; /* by verdict */
    size_t groups;                      /* failure groups of all tests */
    uint64_t runs, failed_runs;
};

/* Counts them anew each time. */
void report_totals(const struct report_session *session, struct report_totals *ret);

/* Does the session count as failed: a test failed or could not be judged? Quarantined tests and
 * unfinished ones do not count. */
bool report_is_failure(const struct report_session *session);

/* Put tests in the suite's order: by position, then line; stable. */
void report_sort_tests(struct report_session *session);
/* Put the groups of a test in order: by first_run, then signature. */
void report_sort_failures(struct report_test *test);

/* The frame to look at first: the innermost one of the program's own code (stacks_frame_is_own())
 * with a source file and line; of the task that ended the run, else of any; else NULL. What the
 * debug data of system libraries name lies on nobody's disk. */
const struct stack_frame *report_location(const struct report_failure *failure);

/* What a person is told of a test beside its name: "200 runs, 187 schedules, 2 outputs; fails in at
 * most 1.5 % of runs (95 %)", "found in run 2 of 500". No newline; the caller frees it. */
char *report_describe_test(const struct report_test *test, const struct report_session *session);
/* "3 passed, 1 failed, 2 unfinished (time budget)": verdicts that no test has are left out, but for
 * passed and failed. The caller frees it. */
char *report_describe_verdicts(const struct report_session *session);
/* "run 2, seed 15755013860617669476, random; 31 of 200 runs fail so": of the group's first run; or
 * "setup, before the first run". The caller frees it. */
char *report_describe_found(const struct report_failure *failure, const struct report_test *test);
/* UINT64_MAX: no run failed. */
uint64_t report_first_failing_run(const struct report_test *test);
/* The reason without its first line if the title begins with that; points into it. */
const char *report_reason_details(const struct report_failure *failure);

#endif
