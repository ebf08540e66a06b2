/* The page's data: whole, harmless in a script element, and what the model says. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "recorder/trace/json.h"
#include "reports/html/html.h"
#include "reports/html/strings.h"
#include "reports/html/tests/sample.h"

static const char begin[] = "<script type=\"application/json\" id=\"data\">";

/* The text of the element with the data, as an HTML parser takes it: up to the first "</script". */
static void find_data(const struct bytes *page, const char **ret, size_t *ret_length)
{
    const char *at = memmem(page->data, page->length, begin, strlen(begin));
    const char *end;

    assert_non_null(at);
    at += strlen(begin);
    end = memmem(at, page->length - (size_t)(at - (const char *)page->data), "</script", 8);
    assert_non_null(end);
    *ret = at;
    *ret_length = (size_t)(end - at);
}

static const struct json *member(const struct json *object, const char *name)
{
    const struct json *value = json_get(object, name);

    if (!value)
        fail_msg("no member %s", name);
    return value;
}

/* Stacks have indices into the list of all frames. */
static const struct json *frame_at(const struct json *data, const struct json *frames, size_t n)
{
    const struct json *all = member(data, "frames");

    size_t index;

    assert_true(n < frames->count);
    index = strtoul(frames->items[n].text, NULL, 10);
    assert_true(index < all->count);
    return &all->items[index];
}

static void same_text_same_index(void **state)
{
    struct strings strings = {0};
    struct bytes all = {0};
    char text[16];

    (void)state;
    for (int round = 0; round < 2; round++) {
        for (size_t i = 0; i < 5000; i++) {
            int length = snprintf(text, sizeof(text), "%zu", i);

            assert_int_equal(strings_add(&strings, text, (size_t)length), i);
        }
    }
    assert_int_equal(strings_add(&strings, "", 0), 5000);
    assert_int_equal(strings_add(&strings, "1\0", 2), 5001);
    strings_append(&strings, &all);
    assert_memory_equal(all.data, "0,1,2,3,", 8);
    bytes_done(&all);
    strings_done(&strings);
}

static void page_has_the_model(void **state)
{
    struct sample *sample = sample_new();
    const struct report_session *session = sample_session(sample);
    const struct json *tests, *first, *failure, *frames;
    struct bytes page = {0};
    struct json data;
    const char *text;
    size_t length, offset;

    (void)state;
    assert_int_equal(html_write(session, &page), 0);
    assert_null(memmem(page.data, page.length, "<!--DATA-->", 11));
    assert_null(memmem(page.data, page.length, "<!--SCRIPT-->", 13));
    find_data(&page, &text, &length);
    assert_null(memchr(text, '<', length));
    assert_int_equal(json_parse(text, length, &data, &offset), 0);
    assert_string_equal(member(&data, "seed")->string, "18446744073709551615");
    tests = member(&data, "tests");
    assert_int_equal(tests->count, session->count);
    first = &tests->items[0];
    assert_string_equal(member(first, "verdict")->string, "failed");
    assert_int_equal(member(first, "labels")->count, 2);
    failure = &member(first, "failures")->items[0];
    assert_string_equal(member(failure, "output")->string, session->tests[0].failures[0].output);
    assert_int_equal(member(failure, "replay")->kind, JSON_NULL);
    assert_non_null(strstr(member(failure, "noTimeline")->string, "No trace"));
    frames = member(&member(failure, "stacks")->items[0], "frames");
    assert_true(member(frame_at(&data, frames, 0), "isInlined")->boolean);
    assert_int_equal(member(frame_at(&data, frames, 3), "function")->kind, JSON_NULL);
    json_done(&data);
    bytes_done(&page);
    sample_free(sample);
}

static void traces_that_are_gone(void **state)
{
    struct sample *sample = sample_new();
    const struct json *tests, *failure;
    struct bytes page = {0};
    struct json data;
    const char *text;
    size_t length, offset;

    (void)state;
    sample_add_trace(sample, "gone", "/nonexistent/trace");
    assert_int_equal(html_write(sample_session(sample), &page), 0);
    find_data(&page, &text, &length);
    assert_int_equal(json_parse(text, length, &data, &offset), 0);
    tests = member(&data, "tests");
    failure = &member(&tests->items[tests->count - 1], "failures")->items[0];
    assert_non_null(strstr(member(failure, "noTimeline")->string, "/nonexistent/trace"));
    json_done(&data);
    bytes_done(&page);
    sample_free(sample);
}

static void empty_session(void **state)
{
    struct report_session session = {.version = (char *)"0", .suite = (char *)"s"};
    struct bytes page = {0};
    struct json data;
    const char *text;
    size_t length, offset;

    (void)state;
    assert_int_equal(html_write(&session, &page), 0);
    find_data(&page, &text, &length);
    assert_int_equal(json_parse(text, length, &data, &offset), 0);
    assert_int_equal(member(&data, "tests")->count, 0);
    json_done(&data);
    bytes_done(&page);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(same_text_same_index),
        cmocka_unit_test(page_has_the_model),
        cmocka_unit_test(traces_that_are_gone),
        cmocka_unit_test(empty_session),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
