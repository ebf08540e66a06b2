/* `rrtest run`: hand the suite's runs to workers, follow what comes back, print and keep it. */
#ifndef HARNESS_RUN_RUNNER_H
#define HARNESS_RUN_RUNNER_H

#include "harness/run/options.h"

#define RUN_EXIT_PASSED 0
#define RUN_EXIT_FAILED 1
#define RUN_EXIT_USAGE 2   /* bad usage or suite file */
#define RUN_EXIT_MACHINE 3 /* this machine cannot record */

/* Returns the exit status: one of the above, or 128+n when signal n (SIGINT, SIGTERM, SIGHUP) ended
 * it; then the results so far have been printed. No worker and no tracee is left behind. *ret is
 * what was found, to be ended with report_session_done() whatever is returned. An interrupted
 * session leaves a journal in options->out, a finished one results.json if there is something to
 * tell: a failure, a shard for `rrtest merge`, or an earlier session's that it replaces. When it
 * returns, SIGPIPE is ignored and the signals that end a session are blocked: the caller has
 * reports to write. */
int run_suite(const struct suite *suite, const struct run_options *options,
              struct report_session *ret);

#endif
