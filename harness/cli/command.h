/* The subcommands: one row each in main.c, one function each in files of their own. */
#ifndef HARNESS_CLI_COMMAND_H
#define HARNESS_CLI_COMMAND_H

#include "harness/cli/options.h"

/* Exit statuses beside the program's own and those of run/runner.h. */
#define COMMAND_EXIT_USAGE 2
#define COMMAND_EXIT_DIVERGENCE 70 /* replay: the trace does not replay */
#define COMMAND_EXIT_ENDED 124     /* record, replay: deadlock or timeout; we ended the program */
#define COMMAND_EXIT_OWN 125       /* record, replay: our own errors */

struct command {
    const char *name; /* NULL ends the table */
    const char *arguments;
    const char *summary;
    const struct option_row *options;
    bool stop_at_operand;
    int error_status; /* exit status of a usage error */
    size_t target_size;
    void (*init)(void *target); /* defaults; NULL: all zero */
    /* The target holds the options; operands are what is left. Returns the exit status. */
    int (*run)(const char *program, void *target, const struct option_result *operands);
};

extern const struct command command_run;
extern const struct command command_check;
extern const struct command command_record;
extern const struct command command_replay;
extern const struct command command_dump;
extern const struct command command_stats;
extern const struct command command_ls;
extern const struct command command_merge;
extern const struct command command_report;
extern const struct command command_pack;
extern const struct command command_unpack;
extern const struct command command_timeline;
extern const struct command command_doctor;
extern const struct command command_import;

/* The table of main.c: the command at an index, in the order of the help; NULL behind the last. */
const struct command *command_at(size_t index);

/* "rrtest: ..." on stderr; returns `status`. */
int command_fail(int status, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* -EINVAL with "expected WHAT, got 'VALUE'; did you mean 'NAME'?": the nearest of the names, which
 * end with NULL. */
int command_expected_of(const char *what, const char *value, const char *const *names,
                        struct rr_error *error);

/* The value of --patching: enum record_patching, or -EINVAL with what was expected. */
int command_parse_patching(const char *value, struct rr_error *error);

/* A record or replay ended: its exit status, from the trace's verdict and wait status. */
int command_exit_status(const char *verdict, int wait_status);

/* SIGINT, SIGTERM and SIGHUP end a record or replay in order: install the handlers, ask which came.
 */
void command_catch_signals(void);
bool command_interrupted(void *context);
int command_interrupting_signal(void); /* 0: none */

/* Keep tool and tracees on the CPU we are on: a stop across CPUs costs two to twenty times as much.
 */
void command_pin(void);

#endif
