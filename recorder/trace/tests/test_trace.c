/* Writing and reading back: streamed, kept, cut by a kill, with big data, with mapped files. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "recorder/base/file.h"
#include "recorder/trace/tests/sample.h"

static void assert_whole(const char *path, size_t count)
{
    struct rr_error error = {0};
    size_t events;
    int result = sample_check(path, &events, &error);

    if (result)
        print_error("%s\n", error.message);
    assert_int_equal(result, 0);
    assert_int_equal(events, count);
}

static void assert_file(const char *directory, const char *name, size_t copies)
{
    char *path = sample_path(directory, name);
    struct bytes text = {0};

    assert_int_equal(file_read_path(path, &text), 0);
    assert_int_equal(text.length, copies * strlen(SAMPLE_STDOUT));
    for (size_t i = 0; i < copies; i++)
        assert_memory_equal(text.data + i * strlen(SAMPLE_STDOUT), SAMPLE_STDOUT,
                            strlen(SAMPLE_STDOUT));
    bytes_done(&text);
    free(path);
}

/* Counts that end inside the first frame, on a frame's end, and many frames on. */
static void test_round_trip(void **state)
{
    const size_t counts[] = {0, 1, SAMPLE_EVENTS, 512, 513, 20 * 512 + 7};

    (void)state;
    for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
        for (int streamed = 0; streamed < 2; streamed++) {
            char *directory = sample_directory(), *path = sample_path(directory, "a/b");
            size_t texts = (counts[i] + SAMPLE_EVENTS - 1 - EVENT_SYSCALL) / SAMPLE_EVENTS;

            sample_make(path, counts[i], streamed);
            assert_whole(path, counts[i]);
            assert_file(path, "stdout", texts);
            assert_file(path, "stderr", 0);
            free(path);
            sample_remove(directory);
        }
    }
}

static void test_meta(void **state)
{
    char *directory = sample_directory(), *path = sample_path(directory, "t");
    struct trace_meta meta = sample_meta();
    const struct trace_meta *got;
    struct trace_reader *r;
    struct rr_error error;

    (void)state;
    sample_make(path, 3, true);
    assert_int_equal(trace_reader_open(path, &r, &error), 0);
    got = trace_reader_meta(r);
    assert_true(trace_reader_complete(r));
    for (int i = 0; i < 2; i++)
        assert_string_equal(got->command[i], meta.command[i]);
    assert_null(got->command[2]);
    assert_string_equal(got->environment[0], meta.environment[0]);
    assert_null(got->environment[1]);
    assert_string_equal(got->directory, meta.directory);
    assert_true(got->seed == meta.seed);
    assert_string_equal(got->strategy, meta.strategy);
    assert_string_equal(got->verdict, meta.verdict);
    assert_int_equal(got->exit_status, meta.exit_status);
    assert_string_equal(got->schedule_digest, meta.schedule_digest);
    assert_string_equal(got->statistics, meta.statistics);
    assert_true(got->cpu_features == meta.cpu_features);
    assert_int_equal(got->cpuid_length, meta.cpuid_length);
    assert_memory_equal(got->cpuid_table, meta.cpuid_table, meta.cpuid_length);
    assert_string_equal(got->machine, meta.machine);
    trace_reader_close(r);
    free(path);
    sample_remove(directory);
}

/* One event whose data fills many data frames, and enough of them that memory is compressed. */
static void test_big_data(void **state)
{
    const size_t length = (5u << 20) + 123, count = 8;
    char *directory = sample_directory();
    uint8_t *data = malloc(length);

    (void)state;
    for (size_t i = 0; i < length; i++)
        data[i] = (uint8_t)(i >> 8);
    for (int streamed = 0; streamed < 2; streamed++) {
        char *path = sample_path(directory, streamed ? "streamed" : "kept");
        struct trace_meta meta = sample_meta();
        struct trace_writer *w;
        struct trace_reader *r;
        struct rr_error error;
        struct event_write write = {0x1000, length, data};
        struct event e = {.kind = EVENT_SYSCALL, .task = 1, .writes = &write, .write_count = 1};
        struct event got;

        assert_int_equal(trace_writer_open(streamed ? path : NULL, &meta, &w, &error), 0);
        for (size_t i = 0; i < count; i++) {
            data[i] = (uint8_t)i;
            assert_int_equal(trace_writer_event(w, &e, &error), 0);
        }
        assert_true(trace_writer_memory(w) < 20u << 20);
        assert_int_equal(streamed ? trace_writer_finish(w, &meta, &error)
                                  : trace_writer_keep(w, path, &meta, &error),
                         0);
        trace_writer_close(w);
        assert_int_equal(trace_reader_open(path, &r, &error), 0);
        for (size_t i = 0; i < count; i++) {
            assert_int_equal(trace_reader_next(r, &got, &error), 1);
            assert_int_equal(got.writes[0].length, length);
            assert_int_equal(got.writes[0].data[i], i);
            assert_memory_equal(got.writes[0].data + count, data + count, length - count);
        }
        assert_int_equal(trace_reader_next(r, &got, &error), 0);
        assert_int_equal(trace_reader_next(r, &got, &error), 0);
        trace_reader_close(r);
        free(path);
    }
    free(data);
    sample_remove(directory);
}

/* The recorder is killed after so many events: what was flushed is there, and the end is told. */
static void test_killed(void **state)
{
    const size_t counts[] = {0, 5, 100, 1500};

    (void)state;
    for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
        char *directory = sample_directory(), *path = sample_path(directory, "t");
        struct rr_error error = {0};
        size_t events;
        int status;
        pid_t pid = fork();

        assert_true(pid >= 0);
        if (pid == 0) {
            struct trace_meta meta = sample_meta();
            struct trace_writer *w;

            if (trace_writer_open(path, &meta, &w, &error))
                _exit(1);
            sample_write(w, counts[i], counts[i] == 5);
            raise(SIGKILL);
        }
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFSIGNALED(status));
        assert_int_equal(sample_check(path, &events, &error), -ENODATA);
        assert_int_equal(error.code, -ENODATA);
        assert_non_null(strstr(error.message, "events.zst: frame "));
        assert_true(events <= counts[i] && events + 512 > counts[i]);
        assert_true(events >= counts[i] / 2);
        if (counts[i] == 5)
            assert_int_equal(events, 5);
        free(path);
        sample_remove(directory);
    }
}

static int temporary_file(const char *directory, const char *name, const char *text)
{
    char *path = sample_path(directory, name);
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);

    assert_true(fd >= 0);
    assert_int_equal(file_write_all(fd, text, strlen(text)), 0);
    free(path);
    return fd;
}

static void assert_content(struct trace_reader *r, uint32_t id, int original, const char *text,
                           bool linked)
{
    const struct trace_file *file;
    struct rr_error error;
    struct stat here, there;
    char buffer[64] = "";

    file = trace_reader_file(r, id, &error);
    assert_non_null(file);
    assert_ptr_equal(file, trace_reader_file(r, id, &error));
    assert_int_equal(file->length, strlen(text));
    assert_int_equal(file_pread_all(file->fd, buffer, strlen(text), 0), 0);
    assert_string_equal(buffer, text);
    assert_int_equal(fstat(file->fd, &here), 0);
    assert_int_equal(fstat(original, &there), 0);
    assert_int_equal(here.st_dev == there.st_dev && here.st_ino == there.st_ino, linked);
}

static void check_files(const char *directory, bool streamed)
{
    char *path = sample_path(directory, streamed ? "streamed" : "kept");
    struct trace_meta meta = sample_meta();
    struct trace_writer *w;
    struct trace_reader *r;
    struct rr_error error;
    uint32_t id[4], again;
    int fd[4];

    fd[0] = temporary_file(directory, "content", "content");
    fd[1] = temporary_file(directory, "image", "image");
    fd[2] = temporary_file(directory, "early", "early");
    fd[3] = temporary_file(directory, "late", "late");
    assert_int_equal(trace_writer_open(streamed ? path : NULL, &meta, &w, &error), 0);
    for (int i = 0; i < 4; i++) {
        char key[2] = {(char)('a' + i), '\0'};

        assert_int_equal(trace_writer_file(w, i == 1 ? TRACE_FILE_IMAGE : TRACE_FILE_CONTENT, key,
                                           key, fd[i], i == 2, &id[i], &error),
                         0);
        assert_int_equal(id[i], i + 1);
    }
    assert_int_equal(
        trace_writer_file(w, TRACE_FILE_CONTENT, "a", "other", fd[0], false, &again, &error), 0);
    assert_int_equal(again, id[0]);
    assert_int_equal(pwrite(fd[2], "LATER", 5, 0), 5);
    assert_int_equal(pwrite(fd[3], "changed", 7, 0), 7);
    assert_int_equal(streamed ? trace_writer_finish(w, &meta, &error)
                              : trace_writer_keep(w, path, &meta, &error),
                     0);
    trace_writer_close(w);
    assert_int_equal(trace_reader_open(path, &r, &error), 0);
    assert_int_equal(trace_reader_file_count(r), 4);
    assert_content(r, 1, fd[0], "content", false);
    assert_content(r, 2, fd[1], "image", true);
    assert_content(r, 3, fd[2], "early", false);
    assert_content(r, 4, fd[3], streamed ? "late" : "changed", false);
    assert_int_equal(trace_reader_file(r, 4, &error)->changed, !streamed);
    assert_false(trace_reader_file(r, 3, &error)->changed);
    assert_string_equal(trace_reader_file(r, 2, &error)->name, "b");
    assert_int_equal(trace_reader_file(r, 2, &error)->kind, TRACE_FILE_IMAGE);
    assert_null(trace_reader_file(r, 0, &error));
    assert_null(trace_reader_file(r, 5, &error));
    assert_int_equal(error.code, -ENOENT);
    trace_reader_close(r);
    for (int i = 0; i < 4; i++)
        close_fd(&fd[i]);
    free(path);
}

static void test_files(void **state)
{
    char *directory = sample_directory();

    (void)state;
    check_files(directory, true);
    check_files(directory, false);
    sample_remove(directory);
}

/* Holes stay holes: a mapped file of a terabyte with one page in it must not fill the disk. */
static void test_sparse_file(void **state)
{
    char *directory = sample_directory(), *path = sample_path(directory, "t");
    struct trace_meta meta = sample_meta();
    struct trace_writer *w;
    struct trace_reader *r;
    struct rr_error error;
    const struct trace_file *file;
    struct stat status;
    uint32_t id;
    char byte;
    int fd = temporary_file(directory, "sparse", "");

    (void)state;
    assert_int_equal(ftruncate(fd, 64 << 20), 0);
    assert_int_equal(pwrite(fd, "x", 1, 33 << 20), 1);
    assert_int_equal(trace_writer_open(path, &meta, &w, &error), 0);
    assert_int_equal(trace_writer_file(w, TRACE_FILE_SHARED, "k", "n", fd, true, &id, &error), 0);
    assert_int_equal(trace_writer_finish(w, &meta, &error), 0);
    trace_writer_close(w);
    assert_int_equal(trace_reader_open(path, &r, &error), 0);
    file = trace_reader_file(r, id, &error);
    assert_non_null(file);
    assert_int_equal(fstat(file->fd, &status), 0);
    assert_int_equal(status.st_size, 64 << 20);
    assert_true(status.st_blocks * 512 < 1 << 20);
    assert_int_equal(pread(file->fd, &byte, 1, 33 << 20), 1);
    assert_int_equal(byte, 'x');
    trace_reader_close(r);
    close_fd(&fd);
    free(path);
    sample_remove(directory);
}

static void test_directories(void **state)
{
    char *directory = sample_directory(), *path = sample_path(directory, "t");
    char *other = sample_path(directory, "other"), *mine = sample_path(directory, "other/mine");
    struct trace_meta meta = sample_meta();
    struct trace_writer *w, *second;
    struct rr_error error;
    int fd;

    (void)state;
    sample_make(path, 100, true);
    sample_make(path, 7, true); /* a trace may be recorded over */
    assert_whole(path, 7);

    assert_int_equal(mkdir(other, 0777), 0);
    fd = temporary_file(directory, "other/mine", "precious");
    assert_int_equal(trace_writer_open(other, &meta, &w, &error), -EEXIST);
    assert_non_null(strstr(error.message, other));
    assert_int_equal(access(mine, F_OK), 0);
    assert_int_equal(trace_writer_open(mine, &meta, &w, &error), -ENOTDIR);

    assert_int_equal(trace_writer_open(path, &meta, &w, &error), 0);
    assert_int_equal(trace_writer_open(path, &meta, &second, &error), -EBUSY);
    trace_writer_close(w);

    /* Misuse is told, and does no harm. */
    assert_int_equal(trace_writer_open(NULL, &meta, &w, &error), 0);
    assert_int_equal(trace_writer_finish(w, &meta, &error), -EINVAL);
    assert_int_equal(trace_writer_keep(w, other, &meta, &error), -EEXIST);
    assert_int_equal(trace_writer_keep(w, mine, &meta, &error), -EEXIST);
    assert_int_equal(access(mine, F_OK), 0);
    meta.statistics = "[]";
    free(path);
    path = sample_path(directory, "new/");
    assert_int_equal(trace_writer_keep(w, path, &meta, &error), -EINVAL);
    assert_int_equal(access(path, F_OK), -1);
    meta = sample_meta();
    assert_int_equal(trace_writer_keep(w, path, &meta, &error), 0);
    assert_whole(path, 0);
    trace_writer_close(w);
    close_fd(&fd);
    free(path);
    free(other);
    free(mine);
    sample_remove(directory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),  cmocka_unit_test(test_meta),
        cmocka_unit_test(test_big_data),    cmocka_unit_test(test_killed),
        cmocka_unit_test(test_files),       cmocka_unit_test(test_sparse_file),
        cmocka_unit_test(test_directories),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
