/* A suite: what to run, how often, and what to expect, read from one YAML file. Owns the schema;
 * every error names file, line, column, key and what was expected. Runs nothing. */
#ifndef HARNESS_SUITE_SUITE_H
#define HARNESS_SUITE_SUITE_H

#include <regex.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "recorder/base/error.h"
#include "recorder/record/record.h"

/* Values of suite_test.strategy beyond enum sched_strategy. */
#define SUITE_STRATEGY_AUTO (-1) /* run 1 round-robin, all others random */
#define SUITE_STRATEGY_UNKNOWN (-2)
int suite_strategy_by_name(const char *name); /* SUITE_STRATEGY_UNKNOWN for any other */
const char *suite_strategy_name(int strategy);
/* "auto, round-robin or random": for messages. */
const char *suite_strategy_list(void);

#define SUITE_RUNS_MAX 1000000000ull

enum suite_stream { SUITE_STDOUT, SUITE_STDERR, SUITE_STREAM_COUNT };

/* What one output stream must be like; NULL members ask for nothing. */
struct suite_output {
    char *contains; /* occurs somewhere */
    char *exact;    /* is the whole of it */
    char *pattern;  /* extended regular expression; ^ and $ match at lines */
    regex_t regex;  /* compiled from pattern when that is set */
};

struct suite_expect {
    int exit_status; /* -1: a signal is expected instead */
    int signal;      /* 0: an exit status is expected */
    struct suite_output output[SUITE_STREAM_COUNT];
};

struct suite_test {
    char *name;
    char **command;     /* NULL-terminated, as written */
    char **environment; /* NULL-terminated NAME=VALUE: additions to the environment */
    char *directory;    /* as written; NULL: the suite's */
    char *stdin_file;   /* as written; NULL: /dev/null */
    uint64_t runs;
    bool has_seed;
    uint64_t seed;   /* session seed of this test */
    uint64_t *seeds; /* run seeds, one per run; NULL: drawn from the session seed */
    size_t seed_count;
    int strategy;
    enum record_patching patching;
    uint64_t timeout_ns; /* 0: none */
    uint64_t virtual_timeout_ns;
    struct record_injection *injections;
    size_t injection_count;
    bool real_clock;
    struct suite_expect expect;
    size_t line, column;                 /* of the test */
    size_t command_line, command_column; /* of the program's name */
    size_t directory_line, directory_column;
    size_t stdin_line, stdin_column;

    /* Filled by suite_resolve(). */
    char *program;           /* absolute path */
    char *working_directory; /* absolute path */
    char *stdin_path;        /* absolute path; NULL: /dev/null */
    char **full_environment; /* what the program gets */
};

struct suite {
    char *path;      /* as given */
    char *directory; /* absolute path of the directory that holds it */
    char **search;   /* absolute directories looked through before PATH; NULL-terminated */
    struct suite_test *tests;
    size_t count;
};

/* 0 or -EINVAL with "PATH:LINE:COLUMN: KEY: expected ..., got ..."; -ENOENT and other I/O errors
 * name the file. *ret is owned by the caller: suite_free(). */
int suite_load(const char *path, struct suite **ret, struct rr_error *error);
/* The same from memory; `directory` is the suite's. */
int suite_parse(const char *path, const char *directory, const void *data, size_t length,
                struct suite **ret, struct rr_error *error);
void suite_free(struct suite *suite);

/* Find the test's program (beside the suite file, then in `search`, then in PATH), its working
 * directory and its stdin. Errors: position in the suite, what is missing, what to do. */
int suite_resolve(const struct suite *suite, struct suite_test *test, struct rr_error *error);

#endif
