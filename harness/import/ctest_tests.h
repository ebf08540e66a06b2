/* What `ctest --show-only=json-v1` says about one test, as read: property by property. */
#ifndef HARNESS_IMPORT_CTEST_TESTS_H
#define HARNESS_IMPORT_CTEST_TESTS_H

#include <stdbool.h>

#include "harness/import/import.h"

struct ctest_test {
    char *name;
    struct import_words command; /* empty: its program is not built */
    char *directory;             /* NULL: none given */
    struct import_words environment;
    struct import_words modifications; /* NAME=OPERATION:VALUE */
    struct import_words labels;
    struct import_words pass, fail, skip; /* regular expressions of CMake */
    struct import_words locks;
    struct import_words fixtures_setup, fixtures_cleanup, fixtures_required;
    struct import_words depends;
    struct import_words required_files;
    double timeout_s; /* < 0: none given */
    int processors;   /* 1: the default */
    int skip_status;  /* -1: none */
    bool will_fail, disabled, serial;
    bool collected; /* scratch of ctest_fixtures() */
};

struct ctest_tests {
    struct ctest_test *tests;
    size_t count;
};

/* Parse the text; -EINVAL says where it is not what ctest prints. ctest_tests_done() in any case.
 */
int ctest_tests_read(const char *json, size_t length, struct ctest_tests *ret,
                     struct rr_error *error);
void ctest_tests_done(struct ctest_tests *tests);

/* The set-up and clean-up of the fixtures that the test requires, in the order ctest keeps: what a
 * fixture requires comes before it, and goes after it. Pointers into tests. Arrays of tests->count
 * elements, filled to *ret_setup_count and *ret_cleanup_count. */
void ctest_fixtures(struct ctest_tests *tests, const struct ctest_test *test,
                    const struct ctest_test **setup, size_t *ret_setup_count,
                    const struct ctest_test **cleanup, size_t *ret_cleanup_count);
/* Does it set up or clean up a fixture that another test requires? */
bool ctest_is_fixture(const struct ctest_tests *tests, const struct ctest_test *test);

/* Does the list hold the word? */
bool ctest_has(const struct import_words *words, const char *word);

#endif
