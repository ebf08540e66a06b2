/* Suites from what other tools know about tests: CTest, GoogleTest, cmocka, TAP. A source fills the
 * model below, one entry per case that can be run alone; the writer makes YAML of it. The same
 * input gives the same bytes. */
#ifndef HARNESS_IMPORT_IMPORT_H
#define HARNESS_IMPORT_IMPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "recorder/base/bytes.h"
#include "recorder/base/error.h"

enum import_exit {
    IMPORT_EXIT_ZERO,    /* the suite's default: not written */
    IMPORT_EXIT_ANY,     /* the output alone decides */
    IMPORT_EXIT_NONZERO, /* but not a signal */
    IMPORT_EXIT_OR_SKIP, /* 0, or import_test.skip_status */
};

/* The texts of `expect`, in the order they are written. */
enum import_expect {
    IMPORT_STDOUT,
    IMPORT_STDOUT_REGEX,
    IMPORT_STDOUT_NOT_REGEX,
    IMPORT_EXPECT_COUNT
};

/* A list of words, NULL-terminated; an empty list may be NULL. All owned. */
struct import_words {
    char **words;
    size_t count;
};

struct import_test {
    char *name; /* as the source has it; import_finish() makes it valid and unique */
    struct import_words command;
    struct import_words environment; /* NAME=VALUE */
    char *directory;                 /* absolute; NULL: the suite's own */
    uint64_t timeout_ns;             /* 0: not written, unless has_timeout: "none" */
    bool has_timeout;
    struct import_words labels;
    char *skip; /* the reason; NULL: is run */
    struct import_words *setup;
    size_t setup_count;
    struct import_words *teardown;
    size_t teardown_count;
    enum import_exit exit;
    int skip_status;
    char *expect[IMPORT_EXPECT_COUNT];
};

struct import_suite {
    const char *kind;          /* "ctest", "gtest", ...: for the file's first line */
    uint64_t runs;             /* 0: not written */
    struct import_words notes; /* what could not be carried over; a line each */
    struct import_test *tests;
    size_t count;
};

/* What every source is asked for. */
struct import_options {
    const char *config;  /* ctest: the configuration (-C); NULL */
    uint64_t timeout_ns; /* how long the program that is asked may take */
    /* Absolute, without links: paths below it are written relative to it. NULL: all are absolute.
     */
    const char *base;
};

/* How a file begins that was written here, and may be written again. */
#define IMPORT_HEAD "# Written by rrtest import "

#define IMPORT_TESTS_MAX 10000 /* as many as a suite may have */

/* The sources. `arguments` holds the folder, binary or command line, NULL-terminated, at least one
 * word. Each appends to *suite; on error (0 or negative errno, the message names the remedy) what
 * is there is still import_suite_done()'s. */
int import_ctest(char *const *arguments, const struct import_options *options,
                 struct import_suite *suite, struct rr_error *error);
int import_gtest(char *const *arguments, const struct import_options *options,
                 struct import_suite *suite, struct rr_error *error);
int import_cmocka(char *const *arguments, const struct import_options *options,
                  struct import_suite *suite, struct rr_error *error);
int import_tap(char *const *arguments, const struct import_options *options,
               struct import_suite *suite, struct rr_error *error);

/* The pure halves of the sources, for tests: text in, tests out. `json` is what
 * `ctest --show-only=json-v1` prints (cmake-ctest manual, "Show as JSON Object Model"); `list` what
 * `--gtest_list_tests` prints, `program` the words that every entry's command starts with. */
int import_ctest_json(const char *json, size_t length, const struct import_options *options,
                      struct import_suite *suite, struct rr_error *error);
int import_gtest_list(const char *list, size_t length, const struct import_words *program,
                      const char *directory, struct import_suite *suite, struct rr_error *error);

/* Names become valid (no '/', no control characters, no '.' in front, at most 200 bytes) and
 * unique ("~2" behind the second); tests that `filter` (may be NULL; a glob on these names) does
 * not match are removed. -ENOENT if none is left, -E2BIG for too many. */
int import_finish(struct import_suite *suite, const char *filter, struct rr_error *error);

/* Append the suite file. -EINVAL if a text is no UTF-8. */
int import_write(const struct import_suite *suite, const struct import_options *options,
                 struct bytes *ret, struct rr_error *error);

/* Frees what the suite owns. */
void import_suite_done(struct import_suite *suite);

/* --- for the sources ---------------------------------------------------------------------------
 */

/* One more test, of this name and otherwise empty; valid until the next call. */
struct import_test *import_add(struct import_suite *suite, const char *name);
/* A copy of the word, at the end. */
void import_word(struct import_words *words, const char *word);
/* The word is made by a format. */
void import_wordf(struct import_words *words, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* As a word, made a valid label: no blanks, commas or control characters, no '!' in front. Nothing
 * for an empty text. */
void import_label(struct import_words *labels, const char *text);
void import_words_done(struct import_words *words);
/* One more list in an array of lists. */
struct import_words *import_command(struct import_words **commands, size_t *count);

/* The program as a suite names it: "./x/y" below `directory` (may be NULL), else absolute; links
 * are followed in its folder, not in its own name. malloced. */
char *import_program_path(const char *program, const char *directory);

/* Is the path `base` or below it? Returns what follows ("" for base itself), else NULL. */
const char *import_below(const char *path, const char *base);

#endif
