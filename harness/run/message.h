/* What parent and workers tell each other, one SOCK_SEQPACKET message each. Both are the same
 * binary: the structs go over as they are; a report's texts follow it. Failing runs' reports are
 * also what the session's journal holds. */
#ifndef HARNESS_RUN_MESSAGE_H
#define HARNESS_RUN_MESSAGE_H

#include <stdbool.h>
#include <stdint.h>

#include "recorder/record/record.h"

enum job_kind {
    JOB_SETUP,     /* the test's set-up commands, before everything else of it */
    JOB_CALIBRATE, /* learn the test's length; its verdict does not count */
    JOB_RUN,
    JOB_TEARDOWN, /* after everything else */
};

/* Kinds of failures of which a worker is told what is kept already. */
#define JOB_KNOWN_MAX 16

struct job {
    uint64_t serial; /* 1, 2, 3...: to cancel it by */
    enum job_kind kind;
    uint32_t test;    /* index in the suite */
    uint64_t ordinal; /* from 1: of the runs this shard makes of the test */
    uint64_t run;     /* from 1: of all runs of the test; 0: not a run */
    uint64_t seed;
    enum sched_strategy strategy;
    enum record_patching patching;
    struct sched_length length;
    bool keep_failure; /* keep the trace if the run fails... */
    bool keep_pass;
    uint32_t known_count; /* ... unless its signature is one of these */
    uint64_t known[JOB_KNOWN_MAX];
};

enum outcome {
    OUTCOME_PASS,
    OUTCOME_FAIL,      /* the program did not do what is expected */
    OUTCOME_ERROR,     /* the run says nothing about the program: ours, or not modelled */
    OUTCOME_CANCELLED, /* asked for by the parent */
    OUTCOME_MACHINE,   /* this machine cannot record */
};

/* What ended a run that did not pass; their names are those of report_failure.kind. */
enum failure_kind {
    FAILURE_NONE,
    FAILURE_EXIT,
    FAILURE_SIGNAL,
    FAILURE_OUTPUT,
    FAILURE_DEADLOCK,
    FAILURE_TIMEOUT,
    FAILURE_VIRTUAL_TIMEOUT,
    FAILURE_LIMIT,
    FAILURE_UNSUPPORTED,
    FAILURE_RECORDER,
    FAILURE_SETUP,
    FAILURE_TRACE,
    FAILURE_KIND_COUNT
};
const char *failure_kind_name(enum failure_kind kind);

/* The texts of a report, one behind the other. */
enum report_part {
    PART_REASON, /* what is wrong, and all that is known about it */
    PART_OUTPUT, /* the end of the program's output */
    PART_NOTES,  /* what the run had to go without, a line each */
    PART_STACKS, /* stacks_encode() */
    PART_COUNT
};
#define REPORT_REASON_MAX 8192
#define REPORT_OUTPUT_MAX 4096
#define REPORT_NOTES_MAX 4096
#define REPORT_STACKS_MAX 65536
#define REPORT_TEXT_MAX \
    (REPORT_REASON_MAX + REPORT_OUTPUT_MAX + REPORT_NOTES_MAX + REPORT_STACKS_MAX)

struct report {
    struct job job;
    enum outcome outcome;
    enum failure_kind failure; /* FAILURE_NONE for a pass */
    uint64_t signature;        /* runs that fail alike have the same (signature.h); 0 for a pass */
    bool kept;                 /* the trace lies at keep_path() */
    uint64_t kept_bytes;
    struct sched_length learned;
    struct record_statistics statistics;
    uint32_t length[PART_COUNT];
    char text[REPORT_TEXT_MAX];
};

/* The part's text, report->length[part] bytes, not NUL-terminated. */
const char *report_part(const struct report *report, enum report_part part);
/* Append to the last part that was begun; parts are filled in order, cut at their limits. */
void report_append(struct report *report, enum report_part part, const void *text, size_t length);
/* Bytes of the whole message. */
size_t report_size(const struct report *report);
/* Is this, received or read from a file, a whole report of `size` bytes? */
bool report_is_whole(const struct report *report, size_t size);

#endif
