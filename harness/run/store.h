/* What a session leaves in its folder, options->out: the journal while it runs and after an
 * interruption, results.json at its end, and kept traces within their quota. */
#ifndef HARNESS_RUN_STORE_H
#define HARNESS_RUN_STORE_H

#include "harness/run/journal.h"
#include "harness/run/schedule.h"
#include "include/rrtest/report.h"

#define STORE_RESULTS "results.json"

struct store_pass {
    char *path; /* NULL: removed */
    uint64_t bytes;
    uint64_t serial; /* of its job: the order in which they were kept */
};

struct store {
    const struct run_options *options;
    const struct suite *suite;
    struct journal *journal;   /* NULL: none is kept */
    struct progress *progress; /* the journal's, or own memory */
    bool owns_progress;
    uint64_t started_unix_ns;
    char *note;                /* what the user should know of the journal; NULL */
    struct store_pass *passes; /* passing runs' traces, which --keep all keeps */
    size_t pass_count;
    uint64_t kept_bytes; /* of all traces of this session, at most */
};

/* Open or make the journal; with options->resume that of the interrupted session, whose seed
 * options->seed becomes. A folder that cannot be written to is a note, not an error: the session
 * runs, and cannot be resumed. Errors (another session in the same folder, another suite): nothing
 * is to be closed. */
int store_open(struct store *store, const struct suite *suite, struct run_options *options,
               struct rr_error *error);
/* After schedule_init(): the failures of the interrupted session. */
void store_restore(struct store *store, struct schedule *schedule);
/* Before schedule_absorb(): journal a failing run or teardown. */
int store_failure(struct store *store, const struct schedule *schedule, const struct report *report,
                  struct rr_error *error);
/* After schedule_absorb() of a run whose trace was kept: remove what goes beyond the quota. Only
 * traces of this session are counted. Errors name the trace that could not be removed. */
int store_enforce_quota(struct store *store, struct schedule *schedule, const struct report *report,
                        struct rr_error *error);

/* When the session began: the interrupted one, if this resumes it. */
uint64_t store_started_unix_ns(const struct store *store);
uint64_t store_wall_ns(const struct store *store); /* of the interrupted sessions before */

/* The end: write results.json if there is something to tell; drop the journal of a session that
 * is finished, note the time in that of one that is not. */
int store_finish(struct store *store, const struct report_session *session, uint64_t wall_ns,
                 struct rr_error *error);
/* Frees what it owns; what lies in the folder stays as it is. */
void store_close(struct store *store);

#endif
