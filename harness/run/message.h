/* What parent and workers tell each other, one SOCK_SEQPACKET message each. Both are the same
 * binary: the structs go over as they are; a report's texts follow it. */
#ifndef HARNESS_RUN_MESSAGE_H
#define HARNESS_RUN_MESSAGE_H

#include <stdbool.h>
#include <stdint.h>

#include "recorder/record/record.h"

enum job_kind {
    JOB_CALIBRATE, /* learn the test's length; its verdict does not count */
    JOB_RUN,
};

struct job {
    uint64_t serial; /* 1, 2, 3...: to cancel it by */
    enum job_kind kind;
    uint32_t test; /* index in the suite */
    uint64_t run;  /* from 1 */
    uint64_t seed;
    enum sched_strategy strategy;
    enum record_patching patching;
    struct sched_length length;
    bool keep_failure; /* keep the trace if the run fails */
    bool keep_pass;
};

enum outcome {
    OUTCOME_PASS,
    OUTCOME_FAIL,      /* the program did not do what is expected */
    OUTCOME_ERROR,     /* the run says nothing about the program: ours, or not modelled */
    OUTCOME_CANCELLED, /* asked for by the parent */
    OUTCOME_MACHINE,   /* this machine cannot record */
};

#define REPORT_REASON_MAX 8192
#define REPORT_TAIL_MAX 2048
#define REPORT_NOTES_MAX 4096

struct report {
    struct job job;
    enum outcome outcome;
    bool setup_failed; /* OUTCOME_ERROR for what was to be done before or after the run */
    bool kept;         /* the trace lies at keep_path() */
    bool keep_failed;  /* it should, but does not: the reason says why */
    struct sched_length learned;
    struct record_statistics statistics;
    uint32_t reason_length;
    uint32_t tail_length;
    uint32_t notes_length;
    /* reason, the end of the output, what the run had to go without (lines) */
    char text[REPORT_REASON_MAX + REPORT_TAIL_MAX + REPORT_NOTES_MAX];
};

#endif
