/* The strict JSON reader: strings of any bytes, numbers at their limits, and what is no JSON. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "recorder/base/random.h"
#include "recorder/trace/json.h"

static int parse(const char *text, struct json *ret)
{
    size_t offset;

    return json_parse(text, strlen(text), ret, &offset);
}

static void assert_string_survives(const char *string)
{
    struct bytes text = {0};
    struct json value;
    size_t offset;
    char *copy;

    json_put_string(&text, string);
    assert_int_equal(json_parse((const char *)text.data, text.length, &value, &offset), 0);
    assert_int_equal(json_get_string(&value, &copy), 0);
    assert_string_equal(copy, string);
    free(copy);
    json_done(&value);
    bytes_done(&text);
}

static void test_strings(void **state)
{
    struct random_stream s;
    char string[40];

    (void)state;
    assert_string_survives("");
    assert_string_survives("a\"b\\c\n\t\x01\x7f/");
    assert_string_survives("\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80");
    assert_string_survives("\xed\xa0\x80 \xc0\x80 \xf5\x80\x80\x80 \xe2\x82");
    random_init(&s, 1, RANDOM_DATA);
    for (int round = 0; round < 5000; round++) {
        size_t length = random_below(&s, sizeof(string));

        for (size_t i = 0; i < length; i++)
            string[i] = (char)(1 + random_below(&s, 255));
        string[length] = '\0';
        assert_string_survives(string);
    }
}

static void test_escapes(void **state)
{
    struct json value;

    (void)state;
    assert_int_equal(parse("\"\\u00e9\\ud83d\\ude00\\udc80\\/\\b\"", &value), 0);
    assert_string_equal(value.string, "\xc3\xa9\xf0\x9f\x98\x80\x80/\b");
    json_done(&value);
}

static void test_numbers(void **state)
{
    struct json value;
    uint64_t u;
    int32_t i;

    (void)state;
    assert_int_equal(parse("18446744073709551615", &value), 0);
    assert_int_equal(json_get_u64(&value, &u), 0);
    assert_true(u == UINT64_MAX);
    assert_int_equal(json_get_i32(&value, &i), -EBADMSG);
    assert_int_equal(parse("18446744073709551616", &value), 0);
    assert_int_equal(json_get_u64(&value, &u), -EBADMSG);
    assert_int_equal(parse("-2147483648", &value), 0);
    assert_int_equal(json_get_i32(&value, &i), 0);
    assert_int_equal(i, INT32_MIN);
    assert_int_equal(json_get_u64(&value, &u), -EBADMSG);
    assert_int_equal(parse("-2147483649", &value), 0);
    assert_int_equal(json_get_i32(&value, &i), -EBADMSG);
    assert_int_equal(parse("1.5e3", &value), 0);
    assert_int_equal(json_get_u64(&value, &u), -EBADMSG);
    assert_int_equal(json_get_u64(NULL, &u), -EBADMSG);
}

static void test_object(void **state)
{
    struct json value;
    const struct json *inner;
    uint64_t number;

    (void)state;
    assert_int_equal(parse(" {\"a\": [1, 2, {\"b\": null}], \"c\": {\"d\": true}} ", &value), 0);
    assert_int_equal(json_get(&value, "a")->count, 3);
    assert_int_equal(json_get_u64(&json_get(&value, "a")->items[1], &number), 0);
    assert_int_equal(number, 2);
    inner = json_get(&value, "c");
    assert_int_equal(inner->text_length, strlen("{\"d\": true}"));
    assert_memory_equal(inner->text, "{\"d\": true}", inner->text_length);
    assert_true(json_get(inner, "d")->boolean);
    assert_null(json_get(inner, "e"));
    assert_null(json_get(json_get(inner, "d"), "e"));
    json_done(&value);
}

static void test_refused(void **state)
{
    static const char *const texts[] = {
        "",
        " ",
        "{",
        "}",
        "[",
        "[1",
        "[1,",
        "[1,]",
        "{\"a\"}",
        "{\"a\":}",
        "{\"a\":1,}",
        "{a:1}",
        "{\"a\":1,\"a\":2}",
        "tru",
        "nul",
        "truex",
        "1 2",
        "01",
        "-",
        "+1",
        ".5",
        "1.",
        "1e",
        "1e+",
        "0x10",
        "\"",
        "\"\\\"",
        "\"\\x\"",
        "\"\\u12\"",
        "\"\\u0000\"",
        "\"\\ud800\"",
        "\"\\ud800x\"",
        "\"\\ud800\\u0041\"",
        "\"\\udc00\"",
        "\"\n\"",
        "'a'",
        "[1}",
        "{\"a\":1]",
        "NaN",
        "Infinity",
    };
    struct json value;
    char deep[200];

    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        if (parse(texts[i], &value) != -EBADMSG)
            fail_msg("accepted: %s", texts[i]);
    }
    memset(deep, '[', 100);
    memset(deep + 100, ']', 100);
    {
        size_t offset;

        assert_int_equal(json_parse(deep, sizeof(deep), &value, &offset), -EBADMSG);
        assert_int_equal(
            json_parse(deep + 100 - JSON_DEPTH_MAX, 2 * JSON_DEPTH_MAX, &value, &offset), 0);
        json_done(&value);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_strings), cmocka_unit_test(test_escapes),
        cmocka_unit_test(test_numbers), cmocka_unit_test(test_object),
        cmocka_unit_test(test_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
