/* What a person at a terminal or in a CI log is told: one block per test, one line in the end. The
 * same from `rrtest run`, `rrtest merge` and `rrtest report`. */
#ifndef REPORTS_CONSOLE_TEXT_H
#define REPORTS_CONSOLE_TEXT_H

#include <stdbool.h>

#include "include/rrtest/report.h"
#include "recorder/base/bytes.h"

struct console_text_options {
    bool color;   /* ANSI colours for the verdict's word */
    bool verbose; /* whole stacks with addresses, else at most 8 tasks of 12 frames */
    bool quiet;   /* console_text_session(): only tests that failed, nothing if all passed */
    int width;    /* of the column of names; console_text_width() */
};

/* The longest name's length, at most 40. */
int console_text_width(const struct report_session *session);

/* Append the block of one test:
 *
 *   ok    name  200 runs, 187 schedules, 2 outputs; fails in at most 1.5 % of runs (95 %)
 *   FAIL  name  found in run 2 of 500
 *          found  run 2, seed 15755013860617669476, random
 *          why    killed by SIGSEGV in push (queue.c:41)
 *          stack  task 0.1 "worker", tid 7: killed by SIGSEGV
 *                   #0  push (queue.c:41)
 *          |      what it wrote last
 *          replay rrtest replay ...
 *          rerun  rrtest run ...
 *
 * with a part from "found" on for each group of failures. */
void console_text_test(struct bytes *out, const struct report_test *test,
                       const struct report_session *session,
                       const struct console_text_options *options);

/* Append the last line: "12 passed, 1 failed; 2600 runs in 12.3s; --seed 5". */
void console_text_summary(struct bytes *out, const struct report_session *session);

/* Append all tests and the summary. */
void console_text_session(struct bytes *out, const struct report_session *session,
                          const struct console_text_options *options);

#endif
