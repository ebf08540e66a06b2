/* dump, stats and ls over the sample trace: every line, the counts, and damaged input. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "recorder/debug/debug.h"
#include "recorder/trace/json.h"
#include "recorder/trace/tests/sample.h"

struct fixture {
    char *directory;
    char *path;
    char *text; /* what was printed last */
    size_t length;
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));

    f->directory = sample_directory();
    f->path = sample_path(f->directory, "test/7");
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    free(f->path);
    free(f->text);
    sample_remove(f->directory);
    free(f);
    return 0;
}

static FILE *capture(struct fixture *f)
{
    FILE *out;

    free(f->text);
    f->text = NULL;
    out = open_memstream(&f->text, &f->length);
    assert_non_null(out);
    return out;
}

static int dump(struct fixture *f, bool json)
{
    FILE *out = capture(f);
    struct rr_error error;
    int result = debug_dump(f->path, json, out, &error);

    fclose(out);
    return result;
}

static int stats(struct fixture *f, bool json)
{
    FILE *out = capture(f);
    struct rr_error error;
    int result = debug_stats(f->path, json, out, &error);

    fclose(out);
    return result;
}

static size_t count_lines(const char *text)
{
    size_t lines = 0;

    for (; *text; text++)
        lines += *text == '\n';
    return lines;
}

static void cut_events(struct fixture *f, size_t bytes)
{
    char *events = sample_path(f->path, "events.zst");

    assert_int_equal(truncate(events, (off_t)bytes), 0);
    free(events);
}

static void test_dump(void **state)
{
    struct fixture *f = *state;

    sample_make(f->path, SAMPLE_EVENTS, false);
    assert_int_equal(dump(f, false), 0);
    assert_int_equal(count_lines(f->text), SAMPLE_EVENTS);
    for (int i = 0; i < EVENT_KIND_COUNT; i++)
        assert_non_null(strstr(f->text, event_kind_name((enum event_kind)i)));
    assert_non_null(strstr(f->text, "syscall open("));
    assert_non_null(strstr(f->text, "[stdout 15 bytes: out of event 2\\n]"));
    assert_non_null(strstr(f->text, "[2 writes, 30 bytes: 7ffe00000002+10 400000+20]"));
    assert_non_null(strstr(f->text, "[reset; map 400000-401000 ---p file 1+0x0]"));
    assert_non_null(strstr(f->text, "[file 2: 8 bytes at 100] [file 2: size 9000]"));
    assert_non_null(strstr(f->text, "# a note"));
    assert_non_null(strstr(f->text, "signal SIGSEGV at ip 0x401008"));
    assert_non_null(strstr(f->text, "exit exit 1"));
}

static void test_dump_json(void **state)
{
    struct fixture *f = *state;
    size_t line = 0;
    char *at, *rest;

    sample_make(f->path, SAMPLE_EVENTS, true);
    assert_int_equal(dump(f, true), 0);
    for (at = strtok_r(f->text, "\n", &rest); at; at = strtok_r(NULL, "\n", &rest), line++) {
        struct json value;
        size_t offset;
        uint64_t number;

        assert_int_equal(json_parse(at, strlen(at), &value, &offset), 0);
        assert_int_equal(json_get_u64(json_get(&value, "event"), &number), 0);
        assert_int_equal(number, line + 1);
        assert_string_equal(json_get(&value, "kind")->string,
                            event_kind_name((enum event_kind)line));
        if (line == EVENT_SYSCALL) {
            assert_string_equal(json_get(&value, "name")->string, "open");
            assert_int_equal(json_get(&value, "arguments")->count, 6);
            assert_int_equal(json_get_u64(json_get(&value, "result"), &number), 0);
            assert_int_equal(number, 6);
            assert_int_equal(json_get(&value, "writes")->count, 2);
        }
        json_done(&value);
    }
    assert_int_equal(line, SAMPLE_EVENTS);
}

static uint64_t number_at(const struct json *value, const char *key, const char *inner)
{
    uint64_t number = UINT64_MAX;

    value = json_get(value, key);
    if (inner)
        value = json_get(value, inner);
    assert_int_equal(json_get_u64(value, &number), 0);
    return number;
}

static void test_stats(void **state)
{
    static const char *const patches[] = {
        "static",  "applied", "deferred_entry", "deferred_occupied",
        "retried", "moved",   "abandoned",      "refused"};
    struct fixture *f = *state;
    const size_t rounds = 100;
    struct json value;
    size_t offset;

    sample_make(f->path, rounds * SAMPLE_EVENTS, false);
    assert_int_equal(stats(f, true), 0);
    assert_int_equal(json_parse(f->text, f->length, &value, &offset), 0);
    assert_int_equal(number_at(&value, "events", NULL), rounds * SAMPLE_EVENTS);
    for (int i = 0; i < EVENT_KIND_COUNT; i++)
        assert_int_equal(number_at(&value, "events_by_kind", event_kind_name((enum event_kind)i)),
                         rounds);
    assert_int_equal(number_at(&value, "preemptions", NULL), rounds);
    assert_int_equal(number_at(&value, "stray_entries", NULL), rounds);
    assert_int_equal(number_at(&value, "syscalls", "total"), rounds);
    assert_int_equal(number_at(&value, "syscalls", "buffered"), 0);
    /* The recorder's own count of the sample's meta.json, not what the events say. */
    assert_int_equal(number_at(&value, "stops", NULL), 5);
    assert_string_equal(json_get(&value, "schedule_digest")->string, "0123456789abcdef");
    for (size_t i = 0; i < sizeof(patches) / sizeof(patches[0]); i++)
        assert_int_equal(number_at(&value, "patches", patches[i]), 0);
    assert_int_equal(number_at(&value, "times", "virtual_ns"), 1000 * (rounds * SAMPLE_EVENTS - 1));
    /* Task 1 + n % 3 at event n with n * 7 ticks, over the last event of each task that stopped. */
    assert_int_equal(number_at(&value, "tasks", NULL), 3);
    assert_true(json_get(&value, "complete")->boolean);
    json_done(&value);
    assert_int_equal(stats(f, false), 0);
    assert_non_null(strstr(f->text, "events_by_kind.preempt           100\n"));
}

/* Three tasks in a known order: switches, ticks and stops can be said by hand. */
static void test_switches(void **state)
{
    static const struct {
        enum event_kind kind;
        uint32_t task;
        uint64_t ticks;
    } rows[] = {{EVENT_START, 1, 0},    {EVENT_SYSCALL, 1, 10}, {EVENT_START, 2, 0},
                {EVENT_PREEMPT, 1, 20}, {EVENT_SYSCALL, 2, 5},  {EVENT_CHECKSUM, 1, 20},
                {EVENT_EXIT, 2, 7},     {EVENT_EXIT, 1, 30},    {EVENT_END, 0, 0}};
    struct fixture *f = *state;
    struct trace_meta meta = sample_meta();
    struct trace_writer *w;
    struct rr_error error;
    struct json value;
    size_t offset;

    meta.statistics = NULL;
    assert_int_equal(trace_writer_open(f->path, &meta, &w, &error), 0);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct event e = {.kind = rows[i].kind, .task = rows[i].task, .ticks = rows[i].ticks};

        assert_int_equal(trace_writer_event(w, &e, &error), 0);
    }
    assert_int_equal(trace_writer_finish(w, &meta, &error), 0);
    trace_writer_close(w);
    assert_int_equal(stats(f, true), 0);
    assert_int_equal(json_parse(f->text, f->length, &value, &offset), 0);
    assert_int_equal(number_at(&value, "switches", NULL), 2);
    assert_int_equal(number_at(&value, "ticks", NULL), 37);
    assert_int_equal(number_at(&value, "stops", NULL), 5);
    assert_int_equal(number_at(&value, "tasks", NULL), 2);
    json_done(&value);
}

static void test_cut(void **state)
{
    struct fixture *f = *state;
    struct trace_meta meta = sample_meta();
    struct trace_writer *w;
    struct rr_error error;

    assert_int_equal(trace_writer_open(f->path, &meta, &w, &error), 0);
    sample_write(w, 3, true);
    trace_writer_close(w);
    assert_int_equal(dump(f, false), -ENODATA);
    assert_int_equal(count_lines(f->text), 3);
    assert_int_equal(stats(f, true), 0);
    assert_non_null(strstr(f->text, "\"complete\": false, \"events\": 3,"));
    cut_events(f, 20);
    assert_int_equal(dump(f, false), -EBADMSG);
    assert_int_equal(stats(f, true), -EBADMSG);
    assert_int_equal(f->length, 0);
}

static void test_write_failure(void **state)
{
    struct fixture *f = *state;
    struct rr_error error;
    FILE *full = fopen("/dev/full", "w");

    sample_make(f->path, SAMPLE_EVENTS, false);
    assert_non_null(full);
    assert_int_equal(debug_dump(f->path, false, full, &error), -EIO);
    clearerr(full);
    assert_int_equal(debug_stats(f->path, false, full, &error), -EIO);
    fclose(full);
}

static void test_list(void **state)
{
    struct fixture *f = *state;
    struct debug_list_options options = {0};
    struct rr_error error;
    char *other = sample_path(f->directory, "another/1"), *missing;
    char *events = sample_path(other, "events.zst"), *first, *second;
    FILE *out = capture(f);

    sample_make(f->path, 1, false);
    sample_make(other, 1, false);
    assert_int_equal(truncate(events, 5), 0);
    assert_int_equal(debug_list(f->directory, &options, out, &error), 0);
    fclose(out);
    assert_int_equal(count_lines(f->text), 2);
    first = strstr(f->text, "another/1  unreadable: ");
    second = strstr(f->text, "test/7  exit 1  seed 18446744073709551615  round-robin  ./program ");
    assert_non_null(first);
    assert_non_null(second);
    assert_true(first < second);
    missing = sample_path(f->directory, "missing");
    assert_int_equal(debug_list(missing, &options, stderr, &error), -ENOENT);
    free(missing);
    free(events);
    free(other);
}

static void list(struct fixture *f, const struct debug_list_options *options)
{
    FILE *out = capture(f);
    struct rr_error error;

    assert_int_equal(debug_list(f->directory, options, out, &error), 0);
    fclose(out);
}

/* Of three traces: when each was finished, and how large its output is. */
static void make_three(struct fixture *f)
{
    static const char *const names[] = {"a", "b", "c"};
    static const time_t times[] = {2000, 3000, 1000};
    static const off_t sizes[] = {100000, 0, 200000};

    for (size_t i = 0; i < 3; i++) {
        struct timespec both[2] = {{.tv_sec = times[i]}, {.tv_sec = times[i]}};
        char *path = sample_path(f->directory, names[i]);
        char *meta = sample_path(path, "meta.json"), *text = sample_path(path, "stderr");
        int fd;

        sample_make(path, 1, false);
        assert_int_equal(utimensat(AT_FDCWD, meta, both, 0), 0);
        fd = open(text, O_WRONLY | O_CLOEXEC);
        assert_int_equal(posix_fallocate(fd, 0, sizes[i] + 1), 0);
        close(fd);
        free(text);
        free(meta);
        free(path);
    }
}

/* The order of a, b and c in the list. */
static void check_order(struct fixture *f, enum debug_sort sort, const char *expected)
{
    const struct debug_list_options options = {.sort = sort};
    char found[4] = "", *at, *rest;

    list(f, &options);
    assert_int_equal(count_lines(f->text), 3);
    rest = f->text;
    for (size_t i = 0; i < 3; i++) {
        at = strstr(rest, f->directory);
        assert_non_null(at);
        found[i] = at[strlen(f->directory) + 1];
        rest = at + 1;
    }
    assert_string_equal(found, expected);
}

static void test_list_orders(void **state)
{
    struct fixture *f = *state;

    make_three(f);
    check_order(f, DEBUG_SORT_PATH, "abc");
    check_order(f, DEBUG_SORT_SIZE, "cab");
    check_order(f, DEBUG_SORT_AGE, "bac");
    assert_int_equal(debug_sort_by_name("size"), DEBUG_SORT_SIZE);
    assert_int_equal(debug_sort_by_name("sizes"), -1);
}

static void test_list_json_and_sum(void **state)
{
    struct fixture *f = *state;
    struct debug_list_options options = {.json = true};
    char *events = sample_path(f->directory, "b/events.zst"), *line;
    uint64_t bytes, sum = 0, unreadable;
    struct json object;
    size_t offset, lines = 0;

    make_three(f);
    assert_int_equal(truncate(events, 5), 0);
    list(f, &options);
    for (line = strtok(f->text, "\n"); line; line = strtok(NULL, "\n"), lines++) {
        assert_int_equal(json_parse(line, strlen(line), &object, &offset), 0);
        assert_int_equal(json_get_u64(json_get(&object, "bytes"), &bytes), 0);
        assert_int_equal(!json_get(&object, "command"), lines == 1);
        assert_int_equal(!json_get(&object, "error"), lines != 1);
        sum += bytes;
        json_done(&object);
    }
    assert_int_equal(lines, 3);
    options.sum = true;
    list(f, &options);
    assert_int_equal(json_parse(f->text, strlen(f->text) - 1, &object, &offset), 0);
    assert_int_equal(json_get_u64(json_get(&object, "bytes"), &bytes), 0);
    assert_int_equal(json_get_u64(json_get(&object, "unreadable"), &unreadable), 0);
    assert_int_equal(bytes, sum);
    assert_in_range(sum, 300000, 500000);
    assert_int_equal(unreadable, 1);
    json_done(&object);
    options.json = false;
    list(f, &options);
    assert_int_equal(count_lines(f->text), 1);
    assert_non_null(strstr(f->text, "K  3 traces, 1 of them unreadable"));
    free(events);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_dump),     TEST(test_dump_json),   TEST(test_stats),
        TEST(test_switches), TEST(test_cut),         TEST(test_write_failure),
        TEST(test_list),     TEST(test_list_orders), TEST(test_list_json_and_sum),
    };
#undef TEST

    return cmocka_run_group_tests(tests, NULL, NULL);
}
