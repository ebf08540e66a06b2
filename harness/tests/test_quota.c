/* Which traces a quota costs, and what a trace takes on the disk. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "harness/run/keep.h"
#include "harness/run/quota.h"
#include "recorder/base/file.h"

#define MB (1ull << 20)
#define TRACES_MAX 8

/* '-' stays, 'x' goes; one per trace. */
static void check(const struct quota_trace *traces, size_t count, uint64_t quota,
                  const char *expected, uint64_t stay)
{
    bool gone[TRACES_MAX];
    char text[TRACES_MAX + 1] = "";

    assert_int_equal(quota_choose(traces, count, quota, gone), stay);
    for (size_t i = 0; i < count; i++)
        text[i] = gone[i] ? 'x' : '-';
    assert_string_equal(text, expected);
}

static void test_room_for_all(void **state)
{
    const struct quota_trace traces[] = {{"a", 5, "s", false, 1}, {"b", 5, NULL, true, 2}};

    (void)state;
    check(traces, 2, 10, "--", 10);
    check(traces, 0, 0, "", 0);
}

static void test_passing_go_first_oldest_first(void **state)
{
    const struct quota_trace traces[] = {
        {"a", 5, "s", false, 1}, {"b", 5, NULL, true, 9}, {"c", 5, "s", false, 3},
        {"d", 5, NULL, true, 2}, {"e", 5, "s", false, 5},
    };

    (void)state;
    check(traces, 5, 24, "---x-", 20);
    check(traces, 5, 15, "-x-x-", 15);
    check(traces, 5, 14, "-x-xx",
          10); /* then the duplicates: a is the first and, of equals, smallest */
}

static void test_first_and_smallest_stay(void **state)
{
    const struct quota_trace traces[] = {
        {"first", 50, "s", false, 1},     {"large", 90, "s", false, 2},
        {"smallest", 10, "s", false, 3},  {"larger", 99, "s", false, 4},
        {"other", 70, "t", false, 5},     {"unsigned", 80, NULL, false, 6},
        {"unsigned", 80, NULL, false, 7},
    };

    (void)state;
    check(traces, 7, 400, "---x---", 380);
    check(traces, 7, 300, "-x-x---", 290);
    check(traces, 7, 289, "xx-x---", 240); /* the first goes last of them */
    check(traces, 7, 0, "xx-x---", 240);   /* one of each kind stays, whatever it takes */
}

static void test_nothing_to_gain(void **state)
{
    const struct quota_trace traces[] = {
        {"a", 5, "s", false, 1}, {"b", 0, "p", true, 2}, {"c", 9, "s", false, 3}};

    (void)state;
    check(traces, 3, 1, "--x", 5);
}

/* A passing run is no duplicate of a failing one, nor does it stand for it. */
static void test_passing_is_no_failure(void **state)
{
    const struct quota_trace traces[] = {{"a", 5, "s", true, 1}, {"b", 9, "s", false, 2}};

    (void)state;
    check(traces, 2, 1, "x-", 9);
}

/* ---- the disk ---- */

static char *path_of(const char *folder, const char *name)
{
    char *path;

    if (asprintf(&path, "%s/%s", folder, name) < 0)
        abort();
    return path;
}

static void make_file(const char *folder, const char *name, size_t length)
{
    char *path = path_of(folder, name), *data = malloc(length);
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

    memset(data, 'x', length);
    assert_true(fd >= 0);
    assert_int_equal(file_write_all(fd, data, length), 0);
    assert_int_equal(fsync(fd), 0); /* blocks may be given late */
    close(fd);
    free(data);
    free(path);
}

static char *make_trace(const char *folder, const char *name)
{
    char *path = path_of(folder, name), *images = path_of(path, "images");

    assert_int_equal(file_make_directories(images, 0700), 0);
    make_file(path, "meta.json", 1000);
    make_file(path, "data.zst", MB);
    free(images);
    return path;
}

static void test_bytes(void **state)
{
    char folder[] = "/tmp/rrtest-quota-XXXXXX";
    char *trace, *cache, *image;
    uint64_t bytes;

    (void)state;
    assert_non_null(mkdtemp(folder));
    trace = make_trace(folder, "trace");
    bytes = quota_trace_bytes(trace);
    assert_in_range(bytes, MB, MB + 100000);
    make_file(folder, "cached", 4 * MB);
    cache = path_of(folder, "cached");
    image = path_of(trace, "images/0001-0123456789abcdef");
    assert_int_equal(link(cache, image), 0);
    assert_in_range(quota_trace_bytes(trace), MB, MB + 100000); /* the cache has it still */
    assert_int_equal(unlink(cache), 0);
    assert_in_range(quota_trace_bytes(trace), 5 * MB, 5 * MB + 100000); /* now it is ours alone */
    free(cache);
    cache = path_of(folder, "missing");
    assert_int_equal(quota_trace_bytes(cache), 0);
    assert_int_equal(keep_remove_tree(folder), 0);
    free(cache);
    free(image);
    free(trace);
}

static void test_apply(void **state)
{
    char folder[] = "/tmp/rrtest-quota-XXXXXX";
    struct quota_trace traces[3] = {
        {.signature = "s", .time = 1}, {.signature = "s", .time = 2}, {.is_pass = true, .time = 3}};
    struct rr_error error;
    bool removed[3];
    uint64_t stay;
    char *paths[3];

    (void)state;
    assert_non_null(mkdtemp(folder));
    for (size_t i = 0; i < 3; i++) {
        traces[i].path = paths[i] = make_trace(folder, (const char *[]){"a", "b", "c"}[i]);
        traces[i].bytes = quota_trace_bytes(paths[i]);
    }
    assert_int_equal(quota_apply(traces, 3, 3 * MB / 2, removed, &stay, &error), 0);
    assert_false(removed[0]);
    assert_true(removed[1] && removed[2]);
    assert_int_equal(stay, traces[0].bytes);
    assert_int_equal(access(paths[0], F_OK), 0);
    assert_int_equal(access(paths[1], F_OK), -1);
    assert_int_equal(access(paths[2], F_OK), -1);
    assert_int_equal(keep_remove_tree(folder), 0);
    for (size_t i = 0; i < 3; i++)
        free(paths[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_room_for_all),
        cmocka_unit_test(test_passing_go_first_oldest_first),
        cmocka_unit_test(test_first_and_smallest_stay),
        cmocka_unit_test(test_nothing_to_gain),
        cmocka_unit_test(test_passing_is_no_failure),
        cmocka_unit_test(test_bytes),
        cmocka_unit_test(test_apply),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
