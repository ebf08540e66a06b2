/* `rrtest run -- PROGRAM ARGS...`: the options that stand for the keys of a test. */
#ifndef HARNESS_CLI_RUN_HUNT_H
#define HARNESS_CLI_RUN_HUNT_H

#include "harness/cli/options.h"
#include "harness/run/options.h"

/* Option callbacks; the target is struct run_options. */
int run_hunt_inject(void *target, const char *value, struct rr_error *error);
int run_hunt_timeout(void *target, const char *value, struct rr_error *error);
int run_hunt_virtual_timeout(void *target, const char *value, struct rr_error *error);
int run_hunt_clock(void *target, const char *value, struct rr_error *error);
int run_hunt_stdin(void *target, const char *value, struct rr_error *error);
int run_hunt_expect_exit(void *target, const char *value, struct rr_error *error);
int run_hunt_expect_signal(void *target, const char *value, struct rr_error *error);

/* Rows of the table of `run`. */
#define RUN_HUNT_ROWS                                                                          \
    {"inject",                                                                                 \
     'i',                                                                                      \
     OPTION_CALL,                                                                              \
     "I",                                                                                      \
     0,                                                                                        \
     OPTION_NO_GIVEN,                                                                          \
     run_hunt_inject,                                                                          \
     "with -- PROGRAM: SIGNAL[:probability=P][:at=CALL][:limit=N]; may be repeated"},          \
        {"timeout",                                                                            \
         0,                                                                                    \
         OPTION_CALL,                                                                          \
         "T",                                                                                  \
         0,                                                                                    \
         OPTION_NO_GIVEN,                                                                      \
         run_hunt_timeout,                                                                     \
         "with -- PROGRAM: wall time of one run (default: 30s)"},                              \
        {"virtual-timeout",                                                                    \
         0,                                                                                    \
         OPTION_CALL,                                                                          \
         "T",                                                                                  \
         0,                                                                                    \
         OPTION_NO_GIVEN,                                                                      \
         run_hunt_virtual_timeout,                                                             \
         "with -- PROGRAM: the same by the program's own clock"},                              \
        {"clock",                                                                              \
         0,                                                                                    \
         OPTION_CALL,                                                                          \
         "virtual|real",                                                                       \
         0,                                                                                    \
         OPTION_NO_GIVEN,                                                                      \
         run_hunt_clock,                                                                       \
         "with -- PROGRAM: the program's clock"},                                              \
        {"stdin",                                                                              \
         0,                                                                                    \
         OPTION_CALL,                                                                          \
         "FILE",                                                                               \
         0,                                                                                    \
         OPTION_NO_GIVEN,                                                                      \
         run_hunt_stdin,                                                                       \
         "with -- PROGRAM: its stdin (default: /dev/null)"},                                   \
        {"expect-exit",                                                                        \
         0,                                                                                    \
         OPTION_CALL,                                                                          \
         "N|any|nonzero",                                                                      \
         0,                                                                                    \
         OPTION_NO_GIVEN,                                                                      \
         run_hunt_expect_exit,                                                                 \
         "with -- PROGRAM: the exit status that is right (default: 0); several as 0,3"},       \
    {                                                                                          \
        "expect-signal", 0, OPTION_CALL, "SIGNAL", 0, OPTION_NO_GIVEN, run_hunt_expect_signal, \
            "with -- PROGRAM: the signal that must kill it"                                    \
    }

/* Decide between a suite file and a hunt. *ret stays NULL for a suite file, which is then
 * operands[0]; otherwise it is the suite of the hunt, options->hunted is set (malloced) and
 * options->suite_path stays NULL. Errors are those of usage. */
int run_hunt_begin(struct run_options *options, const struct option_result *operands,
                   struct suite **ret, struct rr_error *error);

#endif
