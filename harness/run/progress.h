/* What is known of one test's runs so far: plain memory, in a session that can be resumed a mapped
 * file's. It is whole whenever its writer dies: the counts are written beside the valid ones and
 * become valid by one store (x86 keeps stores in order, and the page cache outlives the process).
 */
#ifndef HARNESS_RUN_PROGRESS_H
#define HARNESS_RUN_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

#include "harness/run/sketch.h"
#include "recorder/sched/sched.h"

/* Runs that may be done while an earlier one is not: no test has more in flight than this. */
#define PROGRESS_WINDOW 1024

struct test_counts {
    uint64_t prefix;                       /* ordinals 1..prefix are done */
    uint64_t window[PROGRESS_WINDOW / 64]; /* bit i: ordinal prefix + 1 + i is done */
    uint64_t planned;                      /* grows with --until-failure */
    uint64_t passed;
    uint64_t failed;
    uint64_t first_failure; /* lowest failing run; UINT64_MAX: none */
    uint64_t wall_ns;       /* of the runs together */
    uint64_t has_length;
    struct sched_length length;
    uint64_t check; /* progress_set() sets it: of all before it */
};

struct progress {
    uint64_t test;  /* hash of its name; 0: not begun, or not whole */
    uint64_t valid; /* which of counts: 0 or 1 */
    struct test_counts counts[2];
    struct sketch schedules; /* schedule digests of the runs that count */
    struct sketch outputs;   /* and output digests */
};

/* The valid counts: those of the last progress_set() that a kill did not cut in the middle. */
const struct test_counts *progress_counts(const struct progress *progress);
void progress_set(struct progress *progress, const struct test_counts *counts);
/* The first counts of a test; what was there before is gone. */
void progress_begin(struct progress *progress, uint64_t test, const struct test_counts *counts);
/* Read from a file: are the counts as progress_set() left them, or is nothing begun? The sketches
 * are not looked at: any content of theirs is one. */
bool progress_is_sound(const struct progress *progress);

/* Was the run with this ordinal made? */
bool counts_is_done(const struct test_counts *counts, uint64_t ordinal);
/* ordinal: at most prefix + PROGRESS_WINDOW. */
void counts_mark_done(struct test_counts *counts, uint64_t ordinal);

#endif
