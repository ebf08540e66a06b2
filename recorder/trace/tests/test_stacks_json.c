/* Stacks as JSON: what comes back, and what is refused. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "recorder/stacks/stacks.h"
#include "recorder/trace/stacks_json.h"

#define WHOLE                                                                                     \
    "{\"left_out\": 3, \"tasks\": [{\"role\": \"0.1\", \"pid\": 2, \"tid\": 3, \"name\": \"a\", " \
    "\"state\": \"runs\", \"is_cause\": true, \"is_cut\": false, \"frames\": [{\"address\": "     \
    "\"0x7fff00000010\", \"function\": \"f<int>(\\u00e9\\udcff)\", \"offset\": \"0x10\", "        \
    "\"file\": "                                                                                  \
    "\"/a.c\", \"line\": 7, \"column\": 2, \"module\": \"/m\", \"module_offset\": \"0x1010\", "   \
    "\"is_inlined\": true}, {\"address\": \"0xffffffffffffffff\", \"is_inlined\": false}]}]}"

static int parse(const char *text, struct stack_list *ret)
{
    struct json value;
    size_t offset;
    int error;

    assert_int_equal(json_parse(text, strlen(text), &value, &offset), 0);
    error = stacks_json_get(&value, ret);
    json_done(&value);
    return error;
}

static void test_round_trip(void **state)
{
    struct stack_list list, again;
    struct bytes first = {0}, second = {0};

    (void)state;
    assert_int_equal(parse(WHOLE, &list), 0);
    assert_int_equal(list.left_out, 3);
    assert_int_equal(list.count, 1);
    assert_true(list.tasks[0].is_cause);
    assert_false(list.tasks[0].is_cut);
    assert_int_equal(list.tasks[0].tid, 3);
    assert_int_equal(list.tasks[0].frame_count, 2);
    assert_true(list.tasks[0].frames[0].is_inlined);
    assert_string_equal(list.tasks[0].frames[0].function, "f<int>(\xc3\xa9\xff)");
    assert_int_equal(list.tasks[0].frames[0].module_offset, 0x1010);
    assert_int_equal(list.tasks[0].frames[0].line, 7);
    assert_int_equal(list.tasks[0].frames[0].column, 2);
    assert_true(list.tasks[0].frames[1].address == UINT64_MAX);
    assert_null(list.tasks[0].frames[1].module);
    stacks_json_put(&first, &list);
    bytes_append(&first, "", 1);
    assert_int_equal(parse((char *)first.data, &again), 0);
    stacks_json_put(&second, &again);
    bytes_append(&second, "", 1);
    assert_string_equal((char *)first.data, (char *)second.data);
    stacks_done(&list);
    stacks_done(&again);
    bytes_done(&first);
    bytes_done(&second);
}

/* The text with one part replaced. */
static void expect_refused(const char *part, const char *with)
{
    const char *at = strstr(WHOLE, part);
    struct bytes text = {0};
    struct stack_list list;

    assert_non_null(at);
    bytes_append(&text, WHOLE, (size_t)(at - WHOLE));
    bytes_append(&text, with, strlen(with));
    bytes_append(&text, at + strlen(part), strlen(at + strlen(part)) + 1);
    assert_int_equal(parse((char *)text.data, &list), -EBADMSG);
    bytes_done(&text);
}

static void test_refused(void **state)
{
    struct stack_list list;

    (void)state;
    assert_int_equal(stacks_json_get(NULL, &list), -EBADMSG);
    assert_int_equal(parse("[]", &list), -EBADMSG);
    assert_int_equal(parse("{}", &list), -EBADMSG);
    expect_refused("\"left_out\": 3", "\"left_out\": -1");
    expect_refused("\"role\"", "\"roll\"");
    expect_refused("\"state\": \"runs\", ", "");
    expect_refused("\"tid\": 3", "\"tid\": 3000000000");
    expect_refused("\"is_cut\": false", "\"is_cut\": 0");
    expect_refused("\"line\": 7", "\"line\": 4294967296");
    expect_refused("\"0x7fff00000010\"", "7");
    expect_refused("\"0x7fff00000010\"", "\"0x\"");
    expect_refused("\"0x7fff00000010\"", "\"0x12345678901234567\"");
    expect_refused("\"0x7fff00000010\"", "\"0x1g\"");
    expect_refused("{\"address\"", "{\"addres\"");
    expect_refused("\"function\": \"f", "\"function\": 1, \"x\": \"");
    expect_refused("[{\"address\"", "[1, {\"address\"");
    expect_refused("\"frames\": [", "\"frame\": [");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
