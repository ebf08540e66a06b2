/* Small abstract programs with one bug each, and harmless ones; see simulator.h. */
#ifndef RECORDER_SCHED_TESTS_PROGRAMS_H
#define RECORDER_SCHED_TESTS_PROGRAMS_H

#include "recorder/sched/tests/simulator.h"

/* With a bug that some schedules show. */
extern const struct program programs_buggy[];
extern const size_t programs_buggy_count;
/* Spin loops of several kinds: correct, and without end under an unfair scheduler. */
extern const struct program programs_spinning[];
extern const size_t programs_spinning_count;
/* Correct twins, locks and condition variables: must pass always. */
extern const struct program programs_correct[];
extern const size_t programs_correct_count;
/* Six tasks that print their letter three times. */
extern const struct program program_letters;
/* Four tasks that note their letter twelve times, with twenty ticks between. */
extern const struct program program_racy;
/* Two tasks that compute for a long time. */
extern const struct program program_long;

#endif
