/* A suite: what to run, how often, and what to expect, read from one YAML file. Owns the schema;
 * every error names file, line, column, key and what was expected. Runs nothing. */
#ifndef HARNESS_SUITE_SUITE_H
#define HARNESS_SUITE_SUITE_H

#include <regex.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "recorder/base/bytes.h"
#include "recorder/base/error.h"
#include "recorder/record/record.h"

/* Values of suite_test.strategy beyond enum sched_strategy. */
#define SUITE_STRATEGY_AUTO (-1) /* run 1 round-robin, all others random */
#define SUITE_STRATEGY_UNKNOWN (-2)
int suite_strategy_by_name(const char *name); /* SUITE_STRATEGY_UNKNOWN for any other */
const char *suite_strategy_name(int strategy);
/* "auto, round-robin or random": for messages. */
const char *suite_strategy_list(void);
/* All of them, then NULL. */
#define SUITE_STRATEGY_NAMES (SCHED_STRATEGY_COUNT + 2)
void suite_strategy_names(const char *ret[SUITE_STRATEGY_NAMES]);

#define SUITE_NO_LIMIT UINT64_MAX
#define SUITE_RUNS_MAX 1000000000ull

enum suite_stream { SUITE_STDOUT, SUITE_STDERR, SUITE_STREAM_COUNT };

/* What one output stream must be like; NULL members ask for nothing. Lists end with NULL. */
struct suite_output {
    char **contains;   /* each occurs somewhere */
    char **lacks;      /* none occurs */
    char *exact;       /* is the whole of it */
    char *pattern;     /* extended regular expression; ^ and $ match at lines */
    regex_t regex;     /* compiled from pattern when that is set */
    char *pattern_not; /* the same, but matches nowhere */
    regex_t regex_not;
};

struct suite_expect {
    uint64_t exits[4]; /* accepted exit statuses, a bit each; none: a signal is expected */
    int signal;        /* 0: an exit status is expected */
    struct suite_output output[SUITE_STREAM_COUNT];
};
bool suite_expects_exit(const struct suite_expect *expect, int status);
/* "exit 0", "exit 0, 3 or 4", "any exit status", "an exit status other than 0", "to be killed by
 * SIGABRT": what stands behind "expected ". Malloced. */
char *suite_expected_status(const struct suite_expect *expect);

/* A place in a suite file, from 1. */
struct suite_position {
    size_t line, column;
};

/* Commands that run outside the recorder. */
enum suite_hook {
    SUITE_SETUP,         /* once, before the test's first run */
    SUITE_TEARDOWN,      /* once, after its last */
    SUITE_SETUP_EACH,    /* before each run */
    SUITE_TEARDOWN_EACH, /* after each run */
    SUITE_HOOK_COUNT
};
const char *suite_hook_name(enum suite_hook hook); /* the key: "setup_each" */

struct suite_command {
    char **arguments; /* NULL-terminated; a text has become /bin/sh -c TEXT */
    struct suite_position at;
    char *program; /* absolute path; filled by suite_resolve() */
};

/* A file or folder that is copied into the directory of each run. */
struct suite_copy {
    char *path; /* as written */
    struct suite_position at;
    char *target; /* where it goes, relative to the run's directory; "": its contents go there */
    char *source; /* absolute path; filled by suite_resolve() */
};

/* The test is not run, or only where something is there. */
struct suite_skip {
    char *reason;         /* NULL: it is run */
    char *unless_exists;  /* a path, as written; NULL: not asked */
    char *unless_program; /* a name, as written; NULL: not asked */
};

/* A known failure, which does not count against the session until a date. */
struct suite_quarantine {
    char *reason;        /* NULL: not quarantined */
    char *until;         /* "2027-01-31": the last day, UTC */
    uint64_t end_unix_s; /* the first second behind it */
    char *signature;     /* 16 hexadecimal digits: of this failure alone; NULL: of any */
};
enum suite_quarantine_state {
    SUITE_QUARANTINE_NONE,
    SUITE_QUARANTINE_HOLDS,
    SUITE_QUARANTINE_OVER
};
/* At a time in seconds since 1970. */
enum suite_quarantine_state suite_quarantine_state(const struct suite_quarantine *quarantine,
                                                   uint64_t now_unix_s);
/* Does a failure with this signature (NULL: not known) not count? */
bool suite_quarantine_covers(const struct suite_quarantine *quarantine, const char *signature,
                             uint64_t now_unix_s);
/* "quarantined until 2027-01-31: REASON" or "the quarantine expired on 2027-01-31: REASON";
 * malloced; NULL without a quarantine. */
char *suite_quarantine_note(const struct suite_quarantine *quarantine, uint64_t now_unix_s);

/* One file of a suite: the one given, or one that it includes. */
struct suite_file {
    char *path;      /* as given, or as the including file names it */
    char *resolved;  /* absolute path without links; NULL: read from memory */
    char *directory; /* absolute path of the directory that holds it */
    char **search;   /* absolute directories looked through before PATH; NULL-terminated */
};

struct suite_test {
    const struct suite_file *file; /* where it stands */
    char *name;                    /* "NAME[AXIS=VALUE,...]" for a combination of a matrix */
    char **labels;                 /* NULL-terminated; NULL: none */
    char **command;                /* NULL-terminated, as written */
    char **environment;            /* NULL-terminated NAME=VALUE: additions to the environment */
    char *directory;               /* as written; NULL: the suite file's, or that of `files` */
    char *stdin_file;              /* as written; NULL: /dev/null, or stdin_text */
    char *stdin_text;              /* what the program reads; NULL: see stdin_file */
    struct suite_copy *copies;     /* `files`; with any, each run has a directory of its own */
    size_t copy_count;
    uint64_t runs;
    uint64_t time_budget_ns; /* wall time of all runs together; 0: none */
    bool keep_going;         /* go on after the first failing run */
    bool has_seed;
    uint64_t seed;   /* session seed of this test */
    uint64_t *seeds; /* run seeds, one per run; NULL: drawn from the session seed */
    size_t seed_count;
    int strategy;
    enum record_patching patching;
    uint64_t timeout_ns; /* 0: none */
    uint64_t virtual_timeout_ns;
    /* 0: the session's own; SUITE_NO_LIMIT: none. */
    uint64_t memory_limit; /* bytes */
    uint64_t process_limit;
    uint64_t output_limit; /* bytes, of each stream */
    struct record_injection *injections;
    size_t injection_count;
    bool real_clock;
    struct suite_command *hooks[SUITE_HOOK_COUNT];
    size_t hook_count[SUITE_HOOK_COUNT];
    uint64_t setup_timeout_ns; /* of each command of a hook; 0: none */
    struct suite_skip skip;
    struct suite_quarantine quarantine;
    struct suite_expect expect;
    size_t line, column; /* of the test */
    struct suite_position command_at, directory_at, stdin_at;

    /* Filled by suite_resolve(). */
    bool skipped;  /* see skip.reason; nothing below is filled then */
    char *program; /* absolute path */
    char
        *working_directory; /* absolute path; of hooks, and of runs without `files` or with `cwd` */
    char *stdin_path;       /* absolute path; NULL: /dev/null or stdin_text */
    char **full_environment; /* what the program gets */
};

struct suite {
    char *path; /* as given: that of files[0] */
    char *name; /* NULL: none given */
    struct suite_file **files;
    size_t file_count;
    struct suite_test *tests; /* included files' tests first, then the file's own */
    size_t count;
};

/* 0 or -EINVAL with "PATH:LINE:COLUMN: KEY: expected ..., got ..."; -ENOENT and other I/O errors
 * name the file. *ret is owned by the caller: suite_free(). */
int suite_load(const char *path, struct suite **ret, struct rr_error *error);
/* The same for a checker: goes on behind a bad test. Each problem is a line of *problems (not
 * NUL-terminated), *ret has the tests without one; NULL if there is nothing to have. */
void suite_load_all(const char *path, struct bytes *problems, struct suite **ret);
/* The same from memory; `directory` is the suite's. */
int suite_parse(const char *path, const char *directory, const void *data, size_t length,
                struct suite **ret, struct rr_error *error);
void suite_free(struct suite *suite);

/* Find out whether the test is skipped here, and if not: its program (beside its suite file, then
 * in `search`, then in PATH), its hooks' programs, its working directory, its stdin and what it
 * copies. Errors: position in the suite, what is missing, what to do. */
int suite_resolve(struct suite_test *test, struct rr_error *error);

/* The JSON Schema of suite files, appended; made from the tables that the parser reads by. */
void suite_schema(struct bytes *out);

#endif
