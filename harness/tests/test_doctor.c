/* The probes: each answers within its time limit, and one that crashes or hangs is said to. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "harness/doctor/doctor.h"

static void crash(struct probe_result *r)
{
    (void)r;
    abort();
}

static void answer_yes(struct probe_result *r)
{
    probe_yes(r, true, "%d is fine", 3);
}

static void answer_time(struct probe_result *r)
{
    probe_time(r, 5000, 2);
}

static void test_execute(void **state)
{
    static const struct probe crashing = {"crash", "", false, crash};
    static const struct probe good = {"good", "", false, answer_yes};
    static const struct probe timed = {"timed", "", false, answer_time};
    struct probe_result result;

    (void)state;
    probe_execute(&crashing, &result);
    assert_int_equal(result.answer, PROBE_FAILED);
    assert_string_equal(result.detail, "the probe crashed");
    probe_execute(&good, &result);
    assert_int_equal(result.answer, PROBE_YES);
    assert_string_equal(result.detail, "3 is fine");
    probe_execute(&timed, &result);
    assert_int_equal(result.answer, PROBE_NUMBER);
    assert_true(result.microseconds == 2.5);
}

/* Whatever the machine can do, every probe comes to an answer on it. */
static void test_all_probes(void **state)
{
    size_t count;
    const struct probe *probes = doctor_probes(&count);

    (void)state;
    assert_true(count >= 20);
    for (size_t i = 0; i < count; i++) {
        struct probe_result result;

        probe_execute(&probes[i], &result);
        if (result.answer == PROBE_FAILED)
            fail_msg("%s: %s", probes[i].key, result.detail);
        for (size_t j = 0; j < i; j++)
            assert_string_not_equal(probes[i].key, probes[j].key);
    }
}

static void test_json(void **state)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    int depth = 0;

    (void)state;
    assert_non_null(out);
    doctor_report(true, out);
    fclose(out);
    for (const char *at = text; *at; at++)
        depth += (*at == '{') - (*at == '}');
    assert_int_equal(depth, 0);
    assert_non_null(strstr(text, "\"kind\": \""));
    assert_non_null(strstr(text, "\"stop_us\": "));
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_execute),
        cmocka_unit_test(test_all_probes),
        cmocka_unit_test(test_json),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
