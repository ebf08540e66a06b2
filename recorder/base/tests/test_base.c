/* base: varints survive damage, hashes differ, streams are independent. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <errno.h>
#include <cmocka.h>

#include "recorder/base/bytes.h"
#include "recorder/base/error.h"
#include "recorder/base/names.h"
#include "recorder/base/random.h"
#include "recorder/base/text.h"
#include "recorder/base/words.h"

static void test_varints_round_trip(void **state)
{
    static const uint64_t values[] = {0, 1, 127, 128, 1ull << 32, UINT64_MAX};
    static const int64_t signed_values[] = {0, -1, 1, INT64_MIN, INT64_MAX};
    struct bytes b;
    struct bytes_reader r;

    (void)state;
    bytes_init(&b);
    for (size_t i = 0; i < sizeof(values) / sizeof(*values); i++)
        bytes_put_uvarint(&b, values[i]);
    for (size_t i = 0; i < sizeof(signed_values) / sizeof(*signed_values); i++)
        bytes_put_svarint(&b, signed_values[i]);
    bytes_reader_init(&r, b.data, b.length);
    for (size_t i = 0; i < sizeof(values) / sizeof(*values); i++)
        assert_true(bytes_get_uvarint(&r) == values[i]);
    for (size_t i = 0; i < sizeof(signed_values) / sizeof(*signed_values); i++)
        assert_true(bytes_get_svarint(&r) == signed_values[i]);
    assert_int_equal(r.failed, 0);
    assert_true(bytes_get_uvarint(&r) == 0);
    assert_int_equal(r.failed, 1);
    bytes_done(&b);
}

static void test_overlong_varint_fails(void **state)
{
    static const uint8_t bad[] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f};
    struct bytes_reader r;

    (void)state;
    bytes_reader_init(&r, bad, sizeof(bad));
    bytes_get_uvarint(&r);
    assert_int_equal(r.failed, 1);
}

static void test_hash_depends_on_every_byte(void **state)
{
    uint8_t data[100] = {0};
    uint64_t base = bytes_hash(data, sizeof(data), 1);

    (void)state;
    for (size_t i = 0; i < sizeof(data); i++) {
        data[i] ^= 1;
        assert_true(bytes_hash(data, sizeof(data), 1) != base);
        data[i] ^= 1;
    }
    assert_true(bytes_hash(data, sizeof(data), 2) != base);
}

static void test_streams_are_independent(void **state)
{
    struct random_stream choice, place, again;

    (void)state;
    random_init(&choice, 7, RANDOM_CHOICE);
    random_init(&place, 7, RANDOM_PLACE);
    random_init(&again, 7, RANDOM_CHOICE);
    for (int i = 0; i < 100; i++) {
        uint64_t value = random_u64(&choice);

        assert_true(value != random_u64(&place));
        assert_true(value == random_u64(&again));
        assert_true(random_below(&place, 3) < 3);
    }
    assert_true(random_run_seed(1, "a", 1) != random_run_seed(1, "a", 2));
    assert_true(random_run_seed(1, "a", 1) != random_run_seed(1, "b", 1));
}

static void test_error_context(void **state)
{
    struct rr_error error;

    (void)state;
    assert_int_equal(rr_error_set(&error, -ENOENT, "%s is missing", "x"), -ENOENT);
    assert_int_equal(rr_error_context(&error, "suite.yaml"), -ENOENT);
    assert_string_equal(error.message, "suite.yaml: x is missing");
}

static void test_names(void **state)
{
    static const char *const names[] = {"one", "two", "three"};

    (void)state;
    setenv("RRTEST_TEST_NAMES", "three,on,,one,twofold", 1);
    assert_int_equal(names_in_environment("RRTEST_TEST_NAMES", names, 3), 5);
    unsetenv("RRTEST_TEST_NAMES");
    assert_int_equal(names_in_environment("RRTEST_TEST_NAMES", names, 3), 0);
}

static void check_format(uint64_t ns, const char *expected)
{
    char text[32];

    words_format_duration(ns, text, sizeof(text));
    assert_string_equal(text, expected);
}

static void test_format_duration(void **state)
{
    (void)state;
    check_format(0, "0ms");
    check_format(340000000, "340ms");
    check_format(1250000000, "1.25s");
    check_format(12340000000ull, "12.3s");
    check_format(125000000000ull, "2m05s");
}

static const char *const words[] = {"runs", "seed", "seeds", "timeout", "virtual_timeout", NULL};

static const char *next_word(const void *context, size_t index)
{
    (void)context;
    return words[index];
}

static void test_nearest(void **state)
{
    static const char *const pair[] = {"abxy", "jobs", NULL};

    (void)state;
    assert_string_equal(words_nearest("run", next_word, NULL), "runs");
    assert_string_equal(words_nearest("timout", next_word, NULL), "timeout");
    assert_string_equal(words_nearest("virtual-timeout", next_word, NULL), "virtual_timeout");
    assert_string_equal(words_nearest_of("jbos", pair), "jobs");
    assert_string_equal(words_nearest_of("esed", words), "seed"); /* one swap: nearer than runs */
    assert_string_equal(words_nearest_of("rnsu", words), "runs");
    assert_null(words_nearest_of("timeotu-limits", words));
    assert_null(words_nearest("xyzzy", next_word, NULL));
    assert_null(words_nearest("", next_word, NULL));
    assert_null(words_nearest("a-word-that-is-much-longer-than-any-word-a-person-would-ever-type-"
                              "by-mistake",
                              next_word, NULL));
}

static void test_text(void **state)
{
    char long_word[5000], *text;
    struct bytes out = {0};

    (void)state;
    memset(long_word, 'x', sizeof(long_word) - 1);
    long_word[sizeof(long_word) - 1] = '\0';
    text_append(&out, "a");
    text_format(&out, "%d%s", -1, long_word);
    text_append(&out, "");
    assert_int_equal(out.length, 3 + strlen(long_word));
    text = text_take(&out);
    assert_int_equal(strlen(text), 3 + strlen(long_word));
    assert_memory_equal(text, "a-1xx", 5);
    assert_null(out.data);
    assert_int_equal(out.length, 0);
    free(text);

    text = text_make("%s/%u", "a", 7u);
    assert_string_equal(text, "a/7");
    free(text);
    text = text_copy("b");
    assert_string_equal(text, "b");
    free(text);
    assert_null(text_copy(NULL));
    text = text_take(&out);
    assert_string_equal(text, "");
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_varints_round_trip),
        cmocka_unit_test(test_overlong_varint_fails),
        cmocka_unit_test(test_hash_depends_on_every_byte),
        cmocka_unit_test(test_streams_are_independent),
        cmocka_unit_test(test_error_context),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_format_duration),
        cmocka_unit_test(test_nearest),
        cmocka_unit_test(test_text),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
