/* Running a program under the recorder, or natively, from a test. */
#ifndef RECORDER_RECORD_TESTS_RECORDED_H
#define RECORDER_RECORD_TESTS_RECORDED_H

#include <stdint.h>

#include "recorder/record/record.h"

struct recorded {
    const char *program;  /* below the build directory */
    const char *argument; /* NULL: none */
    uint32_t guards_off;
    uint64_t seed;
    enum sched_strategy strategy;
    int cpu;                  /* the recorder runs there */
    const char *trace;        /* a directory to write the trace to; NULL: none is kept */
    char *const *argv;        /* instead of program and argument: absolute */
    char *const *environment; /* NULL: PATH alone */
};

/* Record it. What can't be recorded on this machine ends the test program with 77. The result is
 * the caller's to end. */
void recorded_run(const struct recorded *what, struct record_result *ret);
/* The same natively: its stdout, to be freed; *ret_status as wait(2). */
char *recorded_natively(const struct recorded *what, int *ret_status);
/* How many processors the test may use; they are 0 .. n-1 of a list. */
int recorded_cpu_count(void);
void recorded_use_cpu(int index);
/* Keep the cache of images here (default: the build directory's). */
void recorded_cache(const char *directory);

#endif
