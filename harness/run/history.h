/* What earlier sessions in the same folder found decides which tests come first. */
#ifndef HARNESS_RUN_HISTORY_H
#define HARNESS_RUN_HISTORY_H

#include "harness/run/schedule.h"

/* Serve tests that failed last time first, then those whose program changed since or that are new,
 * then the rest, each in the suite's order; by results.json in options->out. Without one the
 * suite's order stays. What a run finds does not depend on it. */
void history_rank(struct schedule *s);

#endif
