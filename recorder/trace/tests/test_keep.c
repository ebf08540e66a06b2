/* Keeping and streaming under bad conditions: full disks, many keepers at once, and a golden trace
 * that this version must read for ever. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "recorder/base/file.h"
#include "recorder/base/random.h"
#include "recorder/trace/tests/sample.h"

#define EXIT_SKIP 77

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

/* Events whose data does not compress, so many bytes in all. */
static int append_noise(struct trace_writer *w, size_t length, struct rr_error *error)
{
    static uint8_t data[10000];
    struct event_write write = {0x1000, sizeof(data), data};
    struct event e = {.kind = EVENT_SYSCALL, .task = 1, .writes = &write, .write_count = 1};
    struct random_stream s;
    int result = 0;

    random_init(&s, 3, RANDOM_DATA);
    for (size_t done = 0; !result && done < length; done += sizeof(data)) {
        random_fill(&s, data, sizeof(data));
        result = trace_writer_event(w, &e, error);
    }
    return result;
}

/* Runs in a child whose only disk is a tmpfs of 1 MiB at directory. The exit status is the line
 * that failed, 0 if none. */
#define CHECK(condition)               \
    do {                               \
        if (!(condition))              \
            return __LINE__ % 250 + 1; \
    } while (0)

static int full_disk(const char *directory)
{
    struct trace_meta meta = sample_meta();
    char *first = sample_path(directory, "out/first"), *second = sample_path(directory, "out/big");
    char *out = sample_path(directory, "out"), *stream = sample_path(directory, "stream");
    struct trace_writer *w;
    struct rr_error error = {0};
    size_t events;

    sample_make(first, SAMPLE_EVENTS, false);
    CHECK(trace_writer_open(NULL, &meta, &w, &error) == 0);
    CHECK(append_noise(w, 2 << 20, &error) == 0);
    CHECK(trace_writer_keep(w, second, &meta, &error) == -ENOSPC);
    CHECK(error.code == -ENOSPC && strstr(error.message, second));
    CHECK(strstr(error.message, "No space left on device"));
    CHECK(count_entries(out) == 1);
    CHECK(sample_check(first, &events, &error) == 0 && events == SAMPLE_EVENTS);
    /* Elsewhere there is room: the same writer can still be kept. */
    CHECK(umount2(directory, MNT_DETACH) == 0);
    CHECK(trace_writer_keep(w, second, &meta, &error) == 0);
    trace_writer_close(w);

    CHECK(mount("none", directory, "tmpfs", 0, "size=1m") == 0);
    CHECK(trace_writer_open(stream, &meta, &w, &error) == 0);
    sample_write(w, 2, true);
    error.code = 0;
    CHECK(append_noise(w, 3 << 20, &error) == -ENOSPC);
    CHECK(error.code == -ENOSPC && strstr(error.message, stream));
    /* The failure stays, and what was written before it can be read. */
    CHECK(append_noise(w, 1, &error) == -ENOSPC);
    CHECK(trace_writer_flush(w, &error) == -ENOSPC);
    CHECK(trace_writer_finish(w, &meta, &error) == -ENOSPC);
    trace_writer_close(w);
    {
        struct trace_reader *r;
        struct event event;
        int result;

        CHECK(trace_reader_open(stream, &r, &error) == 0);
        CHECK(!trace_reader_complete(r));
        while ((result = trace_reader_next(r, &event, &error)) > 0)
            ;
        CHECK(result == -ENODATA && trace_reader_position(r) >= 2);
        trace_reader_close(r);
    }
    free(first);
    free(second);
    free(out);
    free(stream);
    return 0;
}

static void test_full_disk(void **state)
{
    char *directory = sample_directory();
    int status;
    pid_t pid = fork();

    (void)state;
    assert_true(pid >= 0);
    if (pid == 0) {
        if (unshare(geteuid() == 0 ? CLONE_NEWNS : CLONE_NEWUSER | CLONE_NEWNS) < 0 ||
            mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
            mount("none", directory, "tmpfs", 0, "size=1m") < 0)
            _exit(EXIT_SKIP);
        _exit(full_disk(directory));
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    sample_remove(directory);
    if (WIFEXITED(status) && WEXITSTATUS(status) == EXIT_SKIP) {
        print_message("no tmpfs can be mounted here\n");
        skip();
    }
    assert_int_equal(status, 0);
}

/* The same through a limit on file sizes, which needs no privilege. */
static void test_file_limit(void **state)
{
    char *directory = sample_directory(), *path = sample_path(directory, "t");
    struct trace_meta meta = sample_meta();
    const struct rlimit limit = {64 << 10, RLIM_INFINITY}, none = {RLIM_INFINITY, RLIM_INFINITY};
    struct trace_writer *w;
    struct rr_error error;

    (void)state;
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(trace_writer_open(NULL, &meta, &w, &error), 0);
    assert_int_equal(append_noise(w, 1 << 20, &error), 0);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
    assert_int_equal(trace_writer_keep(w, path, &meta, &error), -EFBIG);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &none), 0);
    assert_non_null(strstr(error.message, "data.zst"));
    assert_int_equal(count_entries(directory), 0);
    assert_int_equal(trace_writer_keep(w, path, &meta, &error), 0);
    trace_writer_close(w);
    free(path);
    sample_remove(directory);
}

/* Many processes keep traces beside each other, and all of them one under the same name: that one
 * is one of theirs, whole, and nothing half-made is left. */
static void test_concurrent_keep(void **state)
{
    enum { KEEPERS = 8 };
    char *directory = sample_directory(), *out = sample_path(directory, "out/test");
    char *same = sample_path(out, "same");
    pid_t pids[KEEPERS];
    int status, winners = 0;

    (void)state;
    for (int i = 0; i < KEEPERS; i++) {
        pids[i] = fork();
        assert_true(pids[i] >= 0);
        if (pids[i] == 0) {
            struct trace_meta meta = sample_meta();
            struct trace_writer *w;
            struct rr_error error;
            char *own;
            int result;

            if (asprintf(&own, "%s/%d", out, i) < 0)
                _exit(2);
            sample_make(own, (size_t)i, false);
            if (trace_writer_open(NULL, &meta, &w, &error))
                _exit(3);
            sample_write(w, SAMPLE_EVENTS, false);
            result = trace_writer_keep(w, same, &meta, &error);
            _exit(result == 0 ? 0 : result == -EEXIST ? 1 : 4);
        }
    }
    for (int i = 0; i < KEEPERS; i++) {
        assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
        assert_true(WIFEXITED(status) && WEXITSTATUS(status) <= 1);
        winners += WEXITSTATUS(status) == 0;
    }
    assert_int_equal(winners, 1);
    assert_int_equal(count_entries(out), KEEPERS + 1);
    for (int i = 0; i <= KEEPERS; i++) {
        char *path;
        struct rr_error error;
        size_t events;

        assert_true(asprintf(&path, i < KEEPERS ? "%s/%d" : "%s/same", out, i) > 0);
        assert_int_equal(sample_check(path, &events, &error), 0);
        assert_int_equal(events, i < KEEPERS ? i : SAMPLE_EVENTS);
        free(path);
    }
    free(same);
    free(out);
    sample_remove(directory);
}

/* A passing run's trace: no file, no compressor, and little memory. */
static void test_memory_only(void **state)
{
    char *directory = sample_directory();
    struct trace_meta meta = sample_meta();
    struct trace_writer *w;
    struct rr_error error;

    (void)state;
    assert_int_equal(chdir(directory), 0);
    assert_int_equal(trace_writer_open(NULL, &meta, &w, &error), 0);
    assert_true(trace_writer_memory(w) < 10000);
    sample_write(w, 1000, false);
    assert_true(trace_writer_memory(w) < 300000);
    trace_writer_close(w);
    assert_int_equal(chdir("/"), 0);
    assert_int_equal(count_entries(directory), 0);
    sample_remove(directory);
}

static bool is_noise(const struct event *e, struct random_stream *s)
{
    static uint8_t data[10000];

    random_fill(s, data, sizeof(data));
    return e->write_count == 1 && e->writes[0].length == sizeof(data) &&
           memcmp(e->writes[0].data, data, sizeof(data)) == 0;
}

static size_t count_noise(const char *path)
{
    struct trace_reader *r;
    struct random_stream s;
    struct rr_error error;
    struct event event;
    size_t count = 0;
    int result;

    random_init(&s, 3, RANDOM_DATA);
    assert_int_equal(trace_reader_open(path, &r, &error), 0);
    while ((result = trace_reader_next(r, &event, &error)) > 0)
        count += is_noise(&event, &s);
    assert_int_equal(result, 0);
    trace_reader_close(r);
    return count;
}

/* A trace of many times the memory it may take is kept whole, and no name shows before. */
static void test_spill(void **state)
{
    char *directory = sample_directory(), *path = sample_path(directory, "t");
    struct trace_meta meta = sample_meta();
    struct trace_writer *w;
    struct rr_error error;

    (void)state;
    assert_int_equal(trace_writer_open(NULL, &meta, &w, &error), 0);
    trace_writer_bound(w, 4 << 20, directory);
    assert_int_equal(append_noise(w, 40 << 20, &error), 0);
    assert_in_range(trace_writer_memory(w), 1 << 20, 8 << 20);
    assert_false(trace_writer_lost(w));
    assert_int_equal(count_entries(directory), 0);
    assert_int_equal(trace_writer_keep(w, path, &meta, &error), 0);
    trace_writer_close(w);
    assert_int_equal(count_noise(path), ((40 << 20) + 9999) / 10000);
    free(path);
    sample_remove(directory);
}

/* Neither memory nor disk: the run goes on without a trace, and keeping says why. */
static void test_lost(void **state)
{
    char *directory = sample_directory(), *path = sample_path(directory, "t");
    struct trace_meta meta = sample_meta();
    const struct rlimit limit = {64 << 10, RLIM_INFINITY}, none = {RLIM_INFINITY, RLIM_INFINITY};
    struct trace_writer *w;
    struct rr_error error;

    (void)state;
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(trace_writer_open(NULL, &meta, &w, &error), 0);
    trace_writer_bound(w, 4 << 20, directory);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
    assert_int_equal(append_noise(w, 40 << 20, &error), -EFBIG);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &none), 0);
    assert_true(trace_writer_lost(w));
    assert_true(trace_writer_memory(w) < 4 << 20);
    assert_int_equal(trace_writer_keep(w, path, &meta, &error), -EFBIG);
    assert_non_null(strstr(error.message, "outgrew the memory it may take (4 MiB)"));
    trace_writer_close(w);
    assert_int_equal(count_entries(directory), 0);
    free(path);
    sample_remove(directory);
}

/* golden.txt: "file NAME" and lines of hexadecimal digits. */
static void unpack_golden(const char *path)
{
    struct bytes text = {0};
    char *at, *rest;
    int fd = -1;

    assert_int_equal(file_read_path(GOLDEN_TRACE, &text), 0);
    bytes_append(&text, "", 1);
    for (at = strtok_r((char *)text.data, "\n", &rest); at; at = strtok_r(NULL, "\n", &rest)) {
        unsigned value;

        if (strncmp(at, "file ", 5) == 0) {
            char *name = sample_path(path, at + 5), *end = strrchr(name, '/');

            close_fd(&fd);
            *end = '\0';
            assert_int_equal(file_make_directories(name, 0777), 0);
            *end = '/';
            fd = open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
            assert_true(fd >= 0);
            free(name);
            continue;
        }
        for (; sscanf(at, "%2x", &value) == 1; at += 2) {
            uint8_t byte = (uint8_t)value;

            assert_int_equal(file_write_all(fd, &byte, 1), 0);
        }
    }
    close_fd(&fd);
    bytes_done(&text);
}

/* The kinds that there were when the golden trace was made: later ones come behind them. */
#define GOLDEN_EVENTS 13

static void test_golden(void **state)
{
    char *directory = sample_directory(), *path = sample_path(directory, "golden");
    struct rr_error error;
    size_t events;

    (void)state;
    unpack_golden(path);
    assert_int_equal(sample_check(path, &events, &error), 0);
    assert_int_equal(events, GOLDEN_EVENTS);
    free(path);
    sample_remove(directory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_full_disk),       cmocka_unit_test(test_file_limit),
        cmocka_unit_test(test_concurrent_keep), cmocka_unit_test(test_memory_only),
        cmocka_unit_test(test_spill),           cmocka_unit_test(test_lost),
        cmocka_unit_test(test_golden),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
