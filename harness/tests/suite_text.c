/* Parsing with expectations: any other outcome fails the test. */
#include "harness/tests/suite_text.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

struct suite *parse(const char *text)
{
    struct suite *suite = NULL;
    struct rr_error error = {0};

    if (suite_parse("s.yaml", "/suites", text, strlen(text), &suite, &error))
        fail_msg("%s", error.message);
    return suite;
}

void refused(const char *text, const char *position, const char *words)
{
    struct suite *suite = NULL;
    struct rr_error error = {0};
    char prefix[64];

    assert_int_equal(suite_parse("s.yaml", "/suites", text, strlen(text), &suite, &error), -EINVAL);
    assert_null(suite);
    snprintf(prefix, sizeof(prefix), "s.yaml:%s: ", position);
    if (strncmp(error.message, prefix, strlen(prefix)) != 0 || !strstr(error.message, words))
        fail_msg("expected '%s...%s', got '%s'", prefix, words, error.message);
}
