/* A suite of one test without a file: `rrtest run -- PROGRAM ARGS...`. */
#ifndef HARNESS_SUITE_HUNT_H
#define HARNESS_SUITE_HUNT_H

#include "harness/suite/suite.h"

#define HUNT_INJECTIONS_MAX 64
#define HUNT_OPTIONS_MAX 80

/* What the command line says of the test; zeroed: nothing. Texts are the caller's. */
struct suite_hunt {
    struct record_injection injections[HUNT_INJECTIONS_MAX];
    size_t injection_count;
    bool has_timeout;
    uint64_t timeout_ns; /* 0: none */
    uint64_t virtual_timeout_ns;
    bool real_clock;
    const char *stdin_file;
    char expect[128]; /* the YAML of `expect`: "{exit: 3}"; "": the default */
    /* The options as they were given, in order: the commands that repeat a run need them. */
    struct hunt_option {
        const char *name;
        const char *value;
    } given[HUNT_OPTIONS_MAX];
    size_t given_count;
};

/* Its name is the program's base name, made valid as a folder's; all that the hunt does not say is
 * as in a suite without keys. A program with a '/' is relative to the current directory, others are
 * looked for in PATH. Not resolved yet: suite_resolve(). *ret: suite_free(). Errors: the program
 * cannot be found or run, or the current directory is gone. */
int suite_from_command(const struct suite_hunt *hunt, char *const *argv, struct suite **ret,
                       struct rr_error *error);

/* The options and the command, shell-quoted: "--inject SIGUSR1 -- ./program 3". malloced. */
char *suite_hunt_text(const struct suite_hunt *hunt, char *const *argv);

#endif
