/* From a session's bookkeeping to the report model (include/rrtest/report.h). */
#ifndef HARNESS_RUN_RESULTS_H
#define HARNESS_RUN_RESULTS_H

#include "harness/run/schedule.h"
#include "include/rrtest/report.h"

/* What the schedule does not know. */
struct results_context {
    uint64_t started_unix_ns;
    uint64_t wall_ns;
    uint64_t now_unix_s;    /* for quarantines' dates */
    const char *unfinished; /* why the rest did not run; NULL: all was done */
    char *const *notes;
    size_t note_count;
};

/* One test, as far as its runs are back. *ret is ended with report_test_done(). */
void results_test(const struct schedule *s, const struct test_state *state,
                  const struct results_context *context, struct report_test *ret);
/* All tests of this shard; ended with report_session_done(). */
void results_session(const struct schedule *s, const struct results_context *context,
                     struct report_session *ret);

#endif
