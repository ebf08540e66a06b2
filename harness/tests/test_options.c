/* The option parser. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "harness/cli/options.h"

struct target {
    bool flag;
    const char *text;
    uint64_t number;
    bool number_given;
    uint64_t duration;
    int calls;
};

static int count_call(void *target, const char *value, struct rr_error *error)
{
    ((struct target *)target)->calls++;
    return strcmp(value, "bad") == 0 ? rr_error_set(error, -EINVAL, "expected good") : 0;
}

#define AT(field) offsetof(struct target, field)
static const struct option_row rows[] = {
    {"flag", 'f', OPTION_FLAG, NULL, AT(flag), OPTION_NO_GIVEN, NULL, ""},
    {"output", 'o', OPTION_TEXT, "FILE", AT(text), OPTION_NO_GIVEN, NULL, ""},
    {"number", 0, OPTION_U64, "N", AT(number), AT(number_given), NULL, ""},
    {"time", 't', OPTION_DURATION, "T", AT(duration), OPTION_NO_GIVEN, NULL, ""},
    {"call", 0, OPTION_CALL, "C", 0, OPTION_NO_GIVEN, count_call, ""},
    {NULL, 0, OPTION_FLAG, NULL, 0, 0, NULL, NULL},
};

#define COUNT(words) ((int)(sizeof(words) / sizeof(*(words))))

static void test_good(void **state)
{
    char *words[] = {(char[]){"one"},
                     (char[]){"--flag"},
                     (char[]){"-o"},
                     (char[]){"a"},
                     (char[]){"--number=0x10"},
                     (char[]){"two"},
                     (char[]){"-t5s"},
                     (char[]){"--call"},
                     (char[]){"x"},
                     (char[]){"--call=y"},
                     (char[]){"-"},
                     (char[]){"--"},
                     (char[]){"--flag"}};
    struct target target = {0};
    struct option_result result;
    struct rr_error error;

    (void)state;
    assert_int_equal(options_parse(rows, false, COUNT(words), words, &target, &result, &error), 0);
    assert_true(target.flag);
    assert_string_equal(target.text, "a");
    assert_int_equal(target.number, 16);
    assert_true(target.number_given);
    assert_true(target.duration == 5000000000ull);
    assert_int_equal(target.calls, 2);
    assert_false(result.help);
    assert_int_equal(result.count, 4);
    assert_string_equal(result.operands[0], "one");
    assert_string_equal(result.operands[1], "two");
    assert_string_equal(result.operands[2], "-");
    assert_string_equal(result.operands[3], "--flag");
    assert_null(result.operands[4]);
    free(result.operands);
}

static void test_stop(void **state)
{
    char *words[] = {(char[]){"-f"}, (char[]){"prog"}, (char[]){"--number"}, (char[]){"--"}};
    char *dashes[] = {(char[]){"--"}, (char[]){"--flag"}};
    struct target target = {0};
    struct option_result result;
    struct rr_error error;

    (void)state;
    assert_int_equal(options_parse(rows, true, COUNT(words), words, &target, &result, &error), 0);
    assert_int_equal(result.count, 3);
    assert_string_equal(result.operands[1], "--number");
    assert_string_equal(result.operands[2], "--");
    free(result.operands);
    assert_int_equal(options_parse(rows, true, COUNT(dashes), dashes, &target, &result, &error), 0);
    assert_int_equal(result.count, 1);
    assert_string_equal(result.operands[0], "--flag");
    free(result.operands);
}

static void bad(char *a, char *b, const char *words)
{
    char *argv[] = {a, b};
    struct target target = {0};
    struct option_result result;
    struct rr_error error = {0};

    assert_int_equal(options_parse(rows, false, b ? 2 : 1, argv, &target, &result, &error),
                     -EINVAL);
    if (!strstr(error.message, words))
        fail_msg("expected '%s', got '%s'", words, error.message);
}

static void test_bad(void **state)
{
    (void)state;
    bad((char[]){"--flg"}, NULL, "unknown option '--flg'; did you mean '--flag'?");
    bad((char[]){"--xyzzy"}, NULL, "--help lists them");
    bad((char[]){"-z"}, NULL, "unknown option '-z'");
    bad((char[]){"--flag=1"}, NULL, "--flag: expected no value");
    bad((char[]){"-f1"}, NULL, "--flag: expected no value");
    bad((char[]){"--output"}, NULL, "--output: expected a value (FILE)");
    bad((char[]){"-o"}, NULL, "--output: expected a value (FILE)");
    bad((char[]){"--number"}, (char[]){"-1"}, "--number: expected a number");
    bad((char[]){"--number="}, NULL, "--number: expected a number");
    bad((char[]){"--time=5"}, NULL, "--time: expected a duration");
    bad((char[]){"--call=bad"}, NULL, "--call: expected good");
    bad((char[]){"--an-option-with-a-name-that-is-much-longer-than-any-name-in-any-of-the-tables"},
        NULL, "unknown option");
}

static void test_help(void **state)
{
    char *words[] = {(char[]){"-h"}, (char[]){"--nonsense"}};
    struct target target = {0};
    struct option_result result;
    struct rr_error error;

    (void)state;
    assert_int_equal(options_parse(rows, false, COUNT(words), words, &target, &result, &error), 0);
    assert_true(result.help);
    free(result.operands);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good),
        cmocka_unit_test(test_stop),
        cmocka_unit_test(test_bad),
        cmocka_unit_test(test_help),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
