/* Programs that look at themselves see the same with and without the recorder. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "recorder/record/tests/recorded.h"

static void same_as_natively(const char *program)
{
    struct recorded what = {.program = program};
    struct record_result result;
    int status;
    char *native = recorded_natively(&what, &status);

    assert_int_equal(status, 0);
    for (uint64_t seed = 0; seed < 4; seed++) {
        what.seed = seed;
        what.strategy = seed == 0 ? SCHED_ROUND_ROBIN : SCHED_RANDOM;
        recorded_run(&what, &result);
        if (result.message)
            print_message("%s\n", result.message);
        assert_int_equal(result.verdict, RECORD_VERDICT_EXITED);
        assert_string_equal(result.output[0], native);
        assert_int_equal(result.status, 0);
        record_result_done(&result);
    }
    free(native);
}

static void test_unseen(void **state)
{
    (void)state;
    same_as_natively("recorder/record/tests/programs/unseen");
}

static void test_files(void **state)
{
    (void)state;
    same_as_natively("e2e/files");
}

/* The whole text of what varies most, in runs with one seed. */
static void test_same_texts(void **state)
{
    struct recorded what = {.program = "e2e/probe", .argument = "maps"};
    struct record_result result;
    char *first = NULL;

    (void)state;
    for (int run = 0; run < 5; run++) {
        what.cpu = run % recorded_cpu_count();
        recorded_run(&what, &result);
        assert_non_null(strstr(result.output[0], "[stack]"));
        assert_null(strstr(result.output[0], "ZONE"));
        if (!first)
            first = strdup(result.output[0]);
        assert_string_equal(result.output[0], first);
        record_result_done(&result);
    }
    free(first);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_unseen),
        cmocka_unit_test(test_files),
        cmocka_unit_test(test_same_texts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
