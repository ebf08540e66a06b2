/* The report model: what a session of `rrtest run` found, as console, JSON, JUnit XML, TAP, SARIF,
 * GitHub annotations and HTML show it. One model feeds all of them, so that they never disagree,
 * and its JSON form (OUT/results.json, scenarios/results.schema.json) loses nothing: shards are
 * merged, and reports made again, from it.
 *
 * Every text is valid UTF-8 without control characters but newline and tab: reports/text.h makes it
 * so when a text enters the model. Strings are owned by the model; NULL where a comment says so. */
#ifndef RRTEST_REPORT_H
#define RRTEST_REPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "rrtest/stacks.h"

enum report_verdict {
    REPORT_PASSED,
    REPORT_FAILED,
    REPORT_ERROR, /* its runs say nothing about the program: ours, its set-up's, the machine's */
    REPORT_QUARANTINED, /* failed, as is known: does not count against the session */
    REPORT_SKIPPED,     /* the suite says so */
    REPORT_UNFINISHED,  /* interrupted, time budget: no failure in the runs there were */
    REPORT_VERDICT_COUNT
};
/* "passed", "failed", "error", "quarantined", "skipped", "unfinished" */
const char *report_verdict_name(enum report_verdict verdict);
int report_verdict_by_name(const char *name); /* -1: unknown */

/* Failing runs of one test that fail alike: one group, one signature. */
struct report_failure {
    char *signature; /* 16 hexadecimal digits, the same on every machine and in every shard */
    /* What ended the run: "exit", "signal", "output", "deadlock", "timeout", "virtual-timeout",
     * "limit" (memory, processes), "unsupported", "recorder", "setup", "trace" (not kept). */
    char *kind;
    bool is_error; /* says nothing about the program: unsupported, recorder, setup, trace */
    char *title;   /* one line: "killed by SIGSEGV in push (queue.c:41)" */
    char *reason;  /* all that is known, several lines, stacks not included */
    char *output;  /* the end of what the first run wrote to stderr (or stdout); "" */
    struct stack_list stacks; /* of the first run */
    uint64_t count;           /* failing runs in this group */
    uint64_t first_run;       /* the lowest run number; 0: set-up or teardown, no run */
    uint64_t first_seed;      /* and its seed */
    char *strategy;           /* of that run: "random"... */
    char *patching;
    char *trace; /* folder of the smallest kept trace, as a user would type it; NULL: none */
    uint64_t trace_seed; /* the run it is of */
    uint64_t trace_bytes;
    char *replay; /* shell command; NULL without a trace */
    char *rerun;  /* shell command; never NULL */
};

struct report_test {
    char *name;
    char **labels;     /* NULL-terminated; may be NULL */
    char *command;     /* shell-quoted, for people */
    char *suite;       /* path of the suite file as given */
    uint32_t line;     /* of the test in it; 0: not from a file */
    uint32_t position; /* among all tests of the suite, from 0: shards are put in order by it */
    enum report_verdict verdict;
    char *note;       /* why skipped, quarantined (reason and expiry) or unfinished; NULL */
    bool keep_going;  /* it went on after its first failing run */
    uint64_t planned; /* runs that were asked for */
    uint64_t runs;    /* that count: up to and with the first failure, or all */
    uint64_t failed;  /* of them */
    uint64_t schedules, outputs;     /* different ones among them; 0: not counted */
    bool counts_are_estimates;       /* of schedules and outputs: more than 1 024 different ones */
    uint64_t wall_ns;                /* of its runs together, set-up included */
    double failure_rate;             /* failed / runs; 0 without runs */
    double rate_low, rate_high;      /* 95 % confidence interval of it: reports/rate.h */
    struct report_failure *failures; /* by first_run */
    size_t failure_count;
};

struct report_shard {
    uint32_t index; /* from 1 */
    uint32_t count; /* 1: not sharded */
};

struct report_session {
    char *version; /* of rrtest */
    char *suite;   /* path as given, or the command of a hunt without a suite */
    uint64_t seed;
    uint64_t started_unix_ns;
    uint64_t wall_ns;
    char *machine; /* processor, kernel: free text */
    struct report_shard shard;
    char *unfinished; /* "interrupted", "time budget"...; NULL: all that was asked for was done */
    char **notes;     /* what runs had to go without, a line each; NULL-terminated; may be NULL */
    char *reproduce;  /* shell command that makes this session again; NULL */
    struct report_test *tests; /* in the suite's order */
    size_t count;
};

#endif
