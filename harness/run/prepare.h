/* What a run needs before it and leaves behind: its directory with `files`, its stdin, the commands
 * of setup and teardown.
 *
 * The directory of every run has one path, RECORD_FILES_DIRECTORY: a longer or different one would
 * move the program's stack and show in its output. It is a tmpfs in a mount namespace that the
 * worker makes for itself before its first run, so that workers do not meet, runs (whose namespaces
 * are copies of the worker's) see it, and nothing is left when a worker is killed. Where there are
 * no mount namespaces, it is a folder of the worker's in /tmp, and the run's notes say so. */
#ifndef HARNESS_RUN_PREPARE_H
#define HARNESS_RUN_PREPARE_H

#include "harness/run/hooks.h"
#include "harness/suite/suite.h"

/* Of a worker. */
struct prepare {
    bool needed;     /* a test of the suite has files */
    bool own_folder; /* no mount namespace: directory is one in /tmp; owned */
    char *directory; /* NULL until needed */
    /* Of the current run: what record_run() is to get. */
    const char *run_directory;
    char *const *run_environment;
    int run_stdin; /* -1: /dev/null */
    char **made_environment;
    struct hooks hooks;
};

/* In a worker, before its first record_run(). */
void prepare_init(struct prepare *p, const struct suite *suite);
void prepare_done(struct prepare *p);
/* What runs of this test have to go without; NULL: nothing. */
const char *prepare_note(const struct prepare *p, const struct suite_test *test);

/* Make the run's directory, open its stdin, run setup_each. 0, or what is wrong: the run says
 * nothing about the program then, and prepare_run_end() has been done. -ECANCELED as hooks_run().
 */
int prepare_run_begin(struct prepare *p, const struct suite_test *test,
                      bool (*interrupted)(void *context), void *context, struct rr_error *error);
/* Run teardown_each, end what the run's hooks left running, empty the directory. The first thing
 * that went wrong comes back; all is done nevertheless. */
int prepare_run_end(struct prepare *p, const struct suite_test *test,
                    bool (*interrupted)(void *context), void *context, struct rr_error *error);

/* The same for a test: `setup` before its first run, `teardown` after its last, both by one worker,
 * in the test's working directory. What setup left running lives until prepare_test_end(). All of a
 * test's runs, calibration too, come between the two. The caller keeps the hooks, zeroed at first;
 * nothing is forked for a test that has neither key. 0, -ECANCELED, or what is wrong; then
 * prepare_test_end() is not to be called. */
int prepare_test_begin(struct hooks *hooks, const struct suite_test *test,
                       bool (*interrupted)(void *context), void *context, struct rr_error *error);
int prepare_test_end(struct hooks *hooks, const struct suite_test *test,
                     bool (*interrupted)(void *context), void *context, struct rr_error *error);

#endif
