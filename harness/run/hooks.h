/* The commands of setup and teardown: run outside the recorder, one after the other, under a
 * keeper: a process of ours that adopts whatever they leave running and ends it when asked to, or
 * when we are gone. A server that a setup starts so lives until hooks_close(). */
#ifndef HARNESS_RUN_HOOKS_H
#define HARNESS_RUN_HOOKS_H

#include <stdbool.h>
#include <sys/types.h>

#include "harness/suite/suite.h"
#include "recorder/base/error.h"

struct hooks {
    pid_t keeper; /* 0: not open */
    int fd;
};

/* Start the keeper. All of these must stay as they are until hooks_close(); `directory` is where
 * the commands start, `environment` what they get. 0 or negative errno. */
int hooks_open(struct hooks *hooks, const struct suite_test *test, const char *directory,
               char *const *environment, struct rr_error *error);
/* Run all commands of a hook. 0: each exited with 0 within the test's setup_timeout. Else none
 * after the failing one was run: -ECHILD with which it was, how it ended and the end of its output;
 * -ETIMEDOUT likewise; -ECANCELED: `interrupted` (asked now and then; may be NULL) said so. */
int hooks_run(struct hooks *hooks, enum suite_hook hook, bool (*interrupted)(void *context),
              void *context, struct rr_error *error);
/* End whatever the commands left running, and the keeper. Nothing happens if not open. */
void hooks_close(struct hooks *hooks);

#endif
