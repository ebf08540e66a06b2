/* What `rrtest run` was asked for. */
#ifndef HARNESS_RUN_OPTIONS_H
#define HARNESS_RUN_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "harness/run/shard.h"
#include "harness/suite/hunt.h"
#include "harness/suite/suite.h"
#include "reports/report.h"

#define RUN_PATCHING_OF_SUITE (-1)
#define RUN_OUT_DEFAULT "rrtest-out"
#define RUN_LABELS_MAX 32

enum run_keep { RUN_KEEP_FAILURES, RUN_KEEP_ALL, RUN_KEEP_NONE };

struct run_options {
    const char *program;    /* how the user called us: for the commands that are printed */
    const char *suite_path; /* as given; NULL: a hunt without a suite */
    char *hunted;           /* shell-quoted options and command of that hunt; NULL: a suite */
    uint64_t runs;          /* 0: as the suite says */
    bool has_seed;
    uint64_t seed; /* session seed; drawn by the command line if not given */
    bool has_run_seed;
    uint64_t run_seed;                  /* every run has this seed */
    uint64_t jobs;                      /* workers; 0: one per CPU */
    const char *filter;                 /* NULL: all tests */
    const char *labels[RUN_LABELS_MAX]; /* see select.h */
    size_t label_count;
    struct shard shard;
    bool resume;             /* go on with the interrupted session in `out`, if there is one */
    uint64_t time_budget_ns; /* 0: none */
    uint64_t memory_limit;   /* bytes, of one run; 0: limits.h says */
    bool until_failure;
    bool keep_going; /* go on with a test after its first failing run */
    int strategy;    /* SUITE_STRATEGY_UNKNOWN: as the suite says */
    int patching;    /* enum record_patching, or RUN_PATCHING_OF_SUITE */
    const char *out; /* where failing runs are kept */
    enum run_keep keep;
    uint64_t trace_quota;           /* bytes of kept traces in `out`; 0: no limit */
    bool quiet;                     /* failing tests alone are told */
    bool verbose;                   /* all of them, with all that is known */
    bool color;                     /* on stdout */
    struct report_requests reports; /* beside the console; the command line writes them */
    struct suite_hunt hunt;         /* what the command line says of the hunted program */
    /* In place of running. */
    bool list;
    bool dry_run;
    bool json;
};

#endif
