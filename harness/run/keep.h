/* Where kept traces lie: OUT/TEST-NAME/SEED, or SEED.RUN for later runs with the same seed. */
#ifndef HARNESS_RUN_KEEP_H
#define HARNESS_RUN_KEEP_H

#include <stddef.h>

#include "harness/run/message.h"
#include "harness/run/options.h"

/* The folder of a run's trace; malloced. */
char *keep_path(const struct run_options *options, const struct suite_test *test,
                const struct job *job);

/* Put the run's trace there: whole or not at all. A trace of an earlier session with the same seed
 * is replaced, and comes back if the new one cannot be written. *ret_bytes: what it takes on disk.
 */
int keep_trace(const struct run_options *options, const struct suite_test *test,
               const struct job *job, struct record_result *result, uint64_t *ret_bytes,
               struct rr_error *error);

/* Remove a trace again (it turned out to be superfluous), and its parents if that empties them. */
void keep_remove(const struct run_options *options, const struct suite_test *test,
                 const struct job *job);

/* Put the test's folder in order after a session that was killed while it kept a trace: half-made
 * ones go, one that was to be replaced comes back. Nobody else may use the folder meanwhile. */
void keep_mend(const struct run_options *options, const struct suite_test *test);

/* The same for one run's trace, whose worker was killed; other workers may use the folder. */
void keep_mend_run(const struct run_options *options, const struct suite_test *test,
                   const struct job *job);

/* Remove a directory tree that is a trace (has meta.json or nothing); 0 or negative errno. */
int keep_remove_tree(const char *path);

#endif
