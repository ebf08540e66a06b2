/* The failing runs of one test, grouped by signature. Of each group the lowest run is told in full
 * and the traces of the lowest few are kept: so what is reported does not depend on the order in
 * which runs come back. Removes superfluous traces from disk; otherwise bookkeeping. */
#ifndef HARNESS_RUN_FAILURES_H
#define HARNESS_RUN_FAILURES_H

#include "harness/run/message.h"
#include "harness/run/options.h"
#include "include/rrtest/stacks.h"

#define FAILURE_GROUPS_MAX 200 /* all further kinds fall into the last one */
#define FAILURE_TRACES_MAX 3   /* kept per group */

struct kept_trace {
    struct job job;
    uint64_t bytes;
};

struct failure_group {
    uint64_t signature;
    uint64_t count;
    struct job job; /* of the lowest run */
    enum outcome outcome;
    enum failure_kind kind;
    char *reason; /* owned, as are the next two */
    char *output;
    struct stack_list stacks;
    struct kept_trace traces[FAILURE_TRACES_MAX + 1]; /* ascending by run */
    size_t trace_count;
};

struct failures {
    struct failure_group *groups; /* ascending by lowest run */
    size_t count;
    size_t trace_limit; /* traces kept per group */
};

/* Frees the groups; their traces stay. */
void failures_done(struct failures *f);
/* Forget all, and remove their traces from disk if `remove`. */
void failures_clear(struct failures *f, const struct run_options *options,
                    const struct suite_test *test, bool remove);
/* A failing run that counts. `remove`: superfluous traces go. */
void failures_add(struct failures *f, const struct run_options *options,
                  const struct suite_test *test, const struct report *report, bool remove);
/* Would failures_add() use the report's texts? (Its run is the lowest of its group.) */
bool failures_wants_text(const struct failures *f, const struct report *report);
/* Tell a job of which groups enough traces are kept. */
void failures_tell(const struct failures *f, struct job *job);
/* The smallest kept trace of the group; NULL: none. */
const struct kept_trace *failures_smallest(const struct failure_group *group);

#endif
