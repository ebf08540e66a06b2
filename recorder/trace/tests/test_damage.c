/* Damaged traces: every byte flipped, every file cut at every length, files of other traces. In all
 * cases an error that names the file, or (only where the trace was not finished) a correct prefix.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "recorder/base/file.h"
#include "recorder/trace/format.h"
#include "recorder/trace/tests/sample.h"

struct fixture {
    char *directory;
    char *path;
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));

    f->directory = sample_directory();
    f->path = sample_path(f->directory, "t");
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    free(f->path);
    sample_remove(f->directory);
    free(f);
    return 0;
}

/* The trace was recorded and flushed after every event, then its recorder was killed. */
static void make_unfinished(const char *path)
{
    struct trace_meta meta = sample_meta();
    struct trace_writer *w;
    struct rr_error error;

    assert_int_equal(trace_writer_open(path, &meta, &w, &error), 0);
    sample_write(w, SAMPLE_EVENTS, true);
    trace_writer_close(w);
}

static void put_file(const char *path, const uint8_t *data, size_t length)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);

    assert_true(fd >= 0);
    assert_int_equal(file_write_all(fd, data, length), 0);
    close_fd(&fd);
}

/* An error, and one that says where: path of the file, and the frame if a frame is at fault. */
static void assert_refused(const char *trace, const char *name)
{
    struct rr_error error = {0};
    size_t events;
    int result = sample_check(trace, &events, &error);

    assert_true(result < 0);
    assert_int_equal(result, error.code);
    assert_non_null(strstr(error.message, trace));
    if (events > 0 && strstr(name, ".zst"))
        assert_non_null(strstr(error.message, "frame "));
}

static void flip_bytes(const char *trace, const char *name)
{
    char *path = sample_path(trace, name);
    struct bytes content = {0};

    assert_int_equal(file_read_path(path, &content), 0);
    for (size_t at = 0; at < content.length; at++) {
        static const uint8_t masks[] = {0x01, 0x20, 0x80, 0xff};
        uint8_t mask = masks[at % 4];

        content.data[at] ^= mask;
        put_file(path, content.data, content.length);
        assert_refused(trace, name);
        content.data[at] ^= mask;
    }
    put_file(path, content.data, content.length);
    bytes_done(&content);
    free(path);
}

/* A finished trace cut anywhere is refused; of one that was not, what is read is a prefix. */
static void cut_file(const char *trace, const char *name, bool finished)
{
    char *path = sample_path(trace, name);
    struct bytes content = {0};
    size_t most = 0;

    assert_int_equal(file_read_path(path, &content), 0);
    for (size_t length = 0; length < content.length; length++) {
        struct rr_error error;
        size_t events;

        put_file(path, content.data, length);
        if (finished) {
            assert_refused(trace, name);
            continue;
        }
        assert_true(sample_check(trace, &events, &error) < 0);
        assert_true(events >= most);
        most = events;
    }
    put_file(path, content.data, content.length);
    bytes_done(&content);
    free(path);
}

typedef void damage_function(const char *trace, const char *name);

static void cut_finished(const char *trace, const char *name)
{
    cut_file(trace, name, true);
}

static void for_each_file(const char *trace, damage_function *damage)
{
    static const char *const names[] = {"meta.json", "events.zst", "data.zst", "images/index"};
    char *images = sample_path(trace, "images");
    struct dirent *entry;
    size_t contents = 0;
    DIR *stream;

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        damage(trace, names[i]);
    stream = opendir(images);
    assert_non_null(stream);
    while ((entry = readdir(stream))) {
        char name[300];

        if (entry->d_name[0] == '.' || strcmp(entry->d_name, "index") == 0)
            continue;
        snprintf(name, sizeof(name), "images/%s", entry->d_name);
        damage(trace, name);
        contents++;
    }
    assert_int_equal(contents, 2);
    closedir(stream);
    free(images);
}

static void test_flip(void **state)
{
    struct fixture *f = *state;
    struct rr_error error;
    size_t events;

    sample_make(f->path, SAMPLE_EVENTS, true);
    for_each_file(f->path, flip_bytes);
    assert_int_equal(sample_check(f->path, &events, &error), 0);
}

static void test_cut(void **state)
{
    struct fixture *f = *state;
    struct rr_error error;
    size_t events;

    sample_make(f->path, SAMPLE_EVENTS, false);
    for_each_file(f->path, cut_finished);
    assert_int_equal(sample_check(f->path, &events, &error), 0);
}

static void test_unfinished(void **state)
{
    struct fixture *f = *state;
    struct rr_error error;
    size_t events;

    make_unfinished(f->path);
    assert_int_equal(sample_check(f->path, &events, &error), -ENODATA);
    assert_int_equal(events, SAMPLE_EVENTS);
    flip_bytes(f->path, "events.zst");
    flip_bytes(f->path, "data.zst");
    flip_bytes(f->path, "meta.json");
    cut_file(f->path, "events.zst", false);
    cut_file(f->path, "data.zst", false);
    cut_file(f->path, "images/index", false);
    assert_int_equal(sample_check(f->path, &events, &error), -ENODATA);
}

/* Cut at a frame's border: what a crash leaves, so it is -ENODATA, and damage if it was finished.
 */
static void test_cut_codes(void **state)
{
    struct fixture *f = *state;
    char *events_path, *unfinished = sample_path(f->directory, "u");
    struct rr_error error;
    size_t events;

    sample_make(f->path, SAMPLE_EVENTS, true);
    events_path = sample_path(f->path, "events.zst");
    assert_int_equal(truncate(events_path, FORMAT_FILE_HEADER), 0);
    assert_int_equal(sample_check(f->path, &events, &error), -EBADMSG);
    assert_non_null(strstr(error.message, "events.zst: frame 0 at offset 40: "));
    free(events_path);
    make_unfinished(unfinished);
    events_path = sample_path(unfinished, "events.zst");
    assert_int_equal(truncate(events_path, FORMAT_FILE_HEADER), 0);
    assert_int_equal(sample_check(unfinished, &events, &error), -ENODATA);
    assert_int_equal(events, 0);
    free(events_path);
    free(unfinished);
}

static void test_additions(void **state)
{
    static const char *const names[] = {"meta.json", "events.zst", "data.zst", "images/index"};
    struct fixture *f = *state;

    sample_make(f->path, SAMPLE_EVENTS, false);
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        char *path = sample_path(f->path, names[i]);
        struct bytes content = {0};

        assert_int_equal(file_read_path(path, &content), 0);
        bytes_append(&content, "\n", 1);
        put_file(path, content.data, content.length);
        assert_refused(f->path, names[i]);
        put_file(path, content.data, content.length - 1);
        bytes_done(&content);
        free(path);
    }
}

static void test_missing(void **state)
{
    static const char *const names[] = {"meta.json", "events.zst", "data.zst", "images/index"};
    struct fixture *f = *state;
    struct trace_reader *r;
    struct rr_error error;

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        char *path = sample_path(f->path, names[i]);

        sample_make(f->path, 1, true);
        assert_int_equal(unlink(path), 0);
        assert_int_equal(trace_reader_open(f->path, &r, &error), -ENOENT);
        assert_non_null(strstr(error.message, path));
        /* A fifo in its place must not be waited for. */
        assert_int_equal(mkfifo(path, 0666), 0);
        assert_true(trace_reader_open(f->path, &r, &error) < 0);
        assert_int_equal(unlink(path), 0);
        put_file(path, (const uint8_t *)"", 0);
        assert_int_equal(trace_reader_open(f->path, &r, &error), -EBADMSG);
        free(path);
        sample_remove(strdup(f->path));
    }
    assert_int_equal(trace_reader_open(f->path, &r, &error), -ENOENT);
    assert_int_equal(trace_reader_open("/dev/null", &r, &error), -ENOTDIR);
}

/* data.zst or the index of another trace in place of the right one. */
static void test_mixed(void **state)
{
    static const char *const names[] = {"events.zst", "data.zst", "images/index"};
    struct fixture *f = *state;
    char *other = sample_path(f->directory, "other");
    struct trace_meta meta = sample_meta();
    struct trace_writer *w;
    struct rr_error error;

    sample_make(f->path, SAMPLE_EVENTS, true);
    meta.seed = 5;
    assert_int_equal(trace_writer_open(other, &meta, &w, &error), 0);
    sample_write(w, SAMPLE_EVENTS, false);
    assert_int_equal(trace_writer_finish(w, &meta, &error), 0);
    trace_writer_close(w);
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        char *here = sample_path(f->path, names[i]), *there = sample_path(other, names[i]);
        struct bytes mine = {0}, theirs = {0};

        assert_int_equal(file_read_path(here, &mine), 0);
        assert_int_equal(file_read_path(there, &theirs), 0);
        put_file(here, theirs.data, theirs.length);
        assert_refused(f->path, names[i]);
        put_file(here, mine.data, mine.length);
        bytes_done(&mine);
        bytes_done(&theirs);
        free(here);
        free(there);
    }
    free(other);
}

/* A newer version is told as such, not as damage. */
static void test_version(void **state)
{
    struct fixture *f = *state;
    char *path = sample_path(f->path, "events.zst");
    struct bytes content = {0};
    struct rr_error error;
    size_t events;
    uint64_t hash;

    sample_make(f->path, 1, true);
    assert_int_equal(file_read_path(path, &content), 0);
    content.data[16]++;
    hash = bytes_hash(content.data, 32, 0);
    memcpy(content.data + 32, &hash, sizeof(hash));
    put_file(path, content.data, content.length);
    assert_int_equal(sample_check(f->path, &events, &error), -EPROTONOSUPPORT);
    assert_non_null(strstr(error.message, "version 4"));
    bytes_done(&content);
    free(path);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_flip),      TEST(test_cut),     TEST(test_unfinished), TEST(test_cut_codes),
        TEST(test_additions), TEST(test_missing), TEST(test_mixed),      TEST(test_version),
    };
#undef TEST

    return cmocka_run_group_tests(tests, NULL, NULL);
}
