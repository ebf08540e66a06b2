/* The commands that are printed: what to type to see a failure again. All malloced. */
#ifndef HARNESS_RUN_REMEDY_H
#define HARNESS_RUN_REMEDY_H

#include "harness/run/options.h"
#include "harness/run/message.h"

/* Replay the trace that is kept of the job's run. */
char *remedy_replay(const struct run_options *options, const struct suite_test *test,
                    const struct job *job);
/* Make the run again, from its seed. */
char *remedy_rerun(const struct run_options *options, const struct suite_test *test,
                   const struct job *job);
/* Make the whole session again; `resume`: go on with it. */
char *remedy_session(const struct run_options *options, bool resume);

#endif
