/* Packed traces: the table of contents, the way there and back, and that nothing is left behind. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "harness/pack/manifest.h"
#include "harness/pack/pack.h"
#include "harness/pack/place.h"
#include "recorder/base/file.h"
#include "recorder/trace/tests/sample.h"

struct fixture {
    char *directory, *trace, *file, *other;
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));

    f->directory = sample_directory();
    f->trace = sample_path(f->directory, "trace");
    f->file = sample_path(f->directory, "a.rrt");
    f->other = sample_path(f->directory, "other");
    sample_make(f->trace, SAMPLE_EVENTS, false);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    sample_remove(f->directory);
    free(f->trace);
    free(f->file);
    free(f->other);
    free(f);
    return 0;
}

static size_t count_entries(const char *path)
{
    DIR *stream = opendir(path);
    struct dirent *entry;
    size_t count = 0;

    assert_non_null(stream);
    while ((entry = readdir(stream)))
        count += strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
    closedir(stream);
    return count;
}

/* ---- the table ---- */

#define GOOD_LINES                      \
    "0000000000000001 1 data.zst\n"     \
    "0123456789abcdef 20 events.zst\n"  \
    "0000000000000003 3 images/index\n" \
    "0000000000000004 4 meta.json\n"

/* Text with a right checksum behind it. */
static int parse(const char *text, struct manifest *ret)
{
    struct bytes b = {0};
    char tail[64];
    int result;

    bytes_append(&b, text, strlen(text));
    snprintf(tail, sizeof(tail), "%016llx end\n",
             (unsigned long long)bytes_hash(b.data, b.length, 0));
    bytes_append(&b, tail, strlen(tail));
    result = manifest_parse((const char *)b.data, b.length, ret);
    bytes_done(&b);
    return result;
}

static void test_table(void **state)
{
    struct manifest manifest, again;
    struct bytes text = {0};

    (void)state;
    assert_int_equal(parse("rrtest pack 1\n" GOOD_LINES, &manifest), 0);
    assert_int_equal(manifest.count, 4);
    assert_int_equal(manifest.bytes, 28);
    assert_string_equal(manifest.entries[1].name, "events.zst");
    assert_int_equal(manifest.entries[1].length, 20);
    assert_int_equal(manifest.entries[1].hash, 0x123456789abcdef);
    manifest_format(&manifest, &text);
    assert_int_equal(manifest_parse((const char *)text.data, text.length, &again), 0);
    assert_int_equal(again.count, 4);
    manifest_done(&again);
    for (size_t length = 0; length < text.length; length++) /* cut anywhere */
        assert_int_equal(manifest_parse((const char *)text.data, length, &again), -EBADMSG);
    for (size_t at = 0; at < text.length; at++) {
        text.data[at] ^= 1;
        assert_int_not_equal(manifest_parse((const char *)text.data, text.length, &again), 0);
        text.data[at] ^= 1;
    }
    bytes_done(&text);
    manifest_done(&manifest);
}

static void test_bad_tables(void **state)
{
    static const char *const bad[] = {
        "",
        "rrtest pack 1\n",
        "rrtest pack 1\n0000000000000001 1 data.zst\n",
        "rrtest trace 1\n" GOOD_LINES,
        "rrtest pack 1\n" GOOD_LINES "0000000000000004 4 meta.json\n", /* twice */
        "rrtest pack 1\n0000000000000004 4 stdout\n" GOOD_LINES,       /* order */
        "rrtest pack 1\n" GOOD_LINES "0000000000000004 4 other\n",     /* name */
        "rrtest pack 1\n" GOOD_LINES "0000000000000004 4 /stdout\n",
        "rrtest pack 1\n" GOOD_LINES "0000000000000004 4 stdout/\n",
        "rrtest pack 1\n" GOOD_LINES "0000000000000004 4 stdout",    /* no newline */
        "rrtest pack 1\n" GOOD_LINES "0000000000000004 04 stdout\n", /* length */
        "rrtest pack 1\n" GOOD_LINES "0000000000000004 -4 stdout\n",
        "rrtest pack 1\n" GOOD_LINES "0000000000000004  stdout\n",
        "rrtest pack 1\n" GOOD_LINES "0000000000000004 9223372036854775807 stdout\n",
        "rrtest pack 1\n" GOOD_LINES "0000000000000004 99999999999999999999 stdout\n",
        "rrtest pack 1\n" GOOD_LINES "000000000000000A 4 stdout\n", /* hash */
        "rrtest pack 1\n" GOOD_LINES "00000000000000004 4 stdout\n",
        "rrtest pack 1\n" GOOD_LINES "\n",
    };
    struct manifest manifest;

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_int_equal(parse(bad[i], &manifest), -EBADMSG);
    assert_int_equal(parse("rrtest pack 2\n" GOOD_LINES, &manifest), -EPROTONOSUPPORT);
    assert_int_equal(parse("rrtest pack 10\n" GOOD_LINES, &manifest), -EPROTONOSUPPORT);
}

static void test_names(void **state)
{
    static const char *const bad[] = {
        "",
        "..",
        "contents",
        "images",
        "images/",
        "images/..",
        "/meta.json",
        "./meta.json",
        "meta.json/",
        "images/0001",
        "images/index/",
        "images/0001-0123456789abcde",
        "images/0001-0123456789abcdef0",
        "images/0001-0123456789ABCDEF",
        "images/001-0123456789abcdef",
        "images/00000000001-0123456789abcdef",
        "images/../0001-0123456789abcdef",
    };

    (void)state;
    assert_true(manifest_is_name("meta.json"));
    assert_true(manifest_is_name("images/0001-0123456789abcdef"));
    assert_true(manifest_is_name("images/12345-0123456789abcdef"));
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_false(manifest_is_name(bad[i]));
}

/* ---- there and back ---- */

static int pack(const struct fixture *f, const char *output, bool replace, struct rr_error *error)
{
    const struct pack_options options = {.trace = f->trace, .output = output, .replace = replace};
    struct pack_summary summary = {0};
    int result = pack_create(&options, &summary, error);

    assert_true((result == 0) == (summary.files > 0 && summary.packed > 0));
    return result;
}

static void test_round_trip(void **state)
{
    const struct fixture *f = *state;
    struct rr_error error;
    size_t events;

    assert_int_equal(pack(f, f->file, false, &error), 0);
    assert_int_equal(pack_unpack(f->file, f->other, &error), 0);
    assert_int_equal(sample_check(f->other, &events, &error), 0);
    assert_int_equal(events, SAMPLE_EVENTS);
    assert_int_equal(count_entries(f->directory), 3);
    assert_int_equal(pack_unpack(f->file, f->other, &error), -EEXIST);
    assert_int_equal(pack(f, f->file, false, &error), -EEXIST);
    assert_int_equal(pack(f, f->file, true, &error), 0);
    assert_int_equal(pack(f, f->other, true, &error), -EEXIST); /* a directory stays */
    assert_int_equal(count_entries(f->directory), 3);
}

static void test_cut_trace(void **state)
{
    const struct fixture *f = *state;
    struct rr_error error;
    size_t events;

    sample_remove(strdup(f->trace));
    sample_make(f->trace, 0, true);
    assert_int_equal(pack(f, f->file, false, &error), 0);
    assert_int_equal(pack_unpack(f->file, f->other, &error), 0);
    sample_check(f->other, &events, &error);
    assert_int_equal(events, 0);
}

static bool at_once(void *context)
{
    int *left = context;

    return --*left < 0;
}

/* Whenever the user loses patience, nothing stays. */
static void test_interrupted(void **state)
{
    const struct fixture *f = *state;
    struct rr_error error;
    int result = -EINTR, tries;

    for (tries = 0; result; tries++) {
        int left = tries;
        struct pack_summary summary;
        const struct pack_options options = {.trace = f->trace,
                                             .output = f->file,
                                             .interrupted = at_once,
                                             .interrupted_context = &left};

        assert_int_equal(result, -EINTR);
        assert_int_equal(count_entries(f->directory), 1);
        result = pack_create(&options, &summary, &error);
    }
    assert_true(tries > SAMPLE_EVENTS);
    assert_int_equal(count_entries(f->directory), 2);
}

/* ---- the private place ---- */

static void test_place(void **state)
{
    const struct fixture *f = *state;
    struct pack_place place;
    struct rr_error error;
    struct stat status;
    size_t events;
    char *path;

    assert_int_equal(pack(f, f->file, false, &error), 0);
    assert_int_equal(mkdir(f->other, 0777), 0);
    assert_int_equal(setenv("TMPDIR", f->other, 1), 0);
    assert_int_equal(pack_place_open(f->trace, &place, &error), 0);
    assert_string_equal(place.path, f->trace);
    pack_place_done(&place);
    assert_int_equal(access(f->trace, F_OK), 0);
    assert_int_equal(pack_place_open(f->file, &place, &error), 0);
    assert_int_equal(stat(place.path, &status), 0);
    assert_int_equal(status.st_mode & 07777, 0700);
    assert_int_equal(sample_check(place.path, &events, &error), 0);
    path = strdup(place.path);
    pack_place_done(&place);
    assert_int_equal(access(path, F_OK), -1);
    free(path);
    assert_int_equal(truncate(f->file, 500), 0);
    assert_int_equal(pack_place_open(f->file, &place, &error), -EBADMSG);
    assert_int_equal(count_entries(f->other), 0);
    assert_int_equal(unsetenv("TMPDIR"), 0);
}

static void test_killed(void **state)
{
    const struct fixture *f = *state;
    struct rr_error error;
    char event[sizeof(struct inotify_event) + NAME_MAX + 1];
    int watch = inotify_init1(IN_CLOEXEC), status;
    pid_t pid;

    assert_int_equal(pack(f, f->file, false, &error), 0);
    assert_int_equal(mkdir(f->other, 0777), 0);
    assert_true(inotify_add_watch(watch, f->other, IN_DELETE) >= 0);
    pid = fork();
    if (pid == 0) {
        struct pack_place place;

        setenv("TMPDIR", f->other, 1);
        if (pack_place_open(f->file, &place, &error) || count_entries(f->other) != 1)
            _exit(1);
        raise(SIGKILL);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status));
    assert_true(read(watch, event, sizeof(event)) > 0);
    assert_int_equal(count_entries(f->other), 0);
    close(watch);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_table),
        cmocka_unit_test(test_bad_tables),
        cmocka_unit_test(test_names),
        TEST(test_round_trip),
        TEST(test_cut_trace),
        TEST(test_interrupted),
        TEST(test_place),
        TEST(test_killed),
    };
#undef TEST

    return cmocka_run_group_tests(tests, NULL, NULL);
}
