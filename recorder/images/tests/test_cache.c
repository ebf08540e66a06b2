/* The image cache: what is written comes back, damage is noticed, writers may race; and damaged
 * ELF files never crash the rewriter. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "recorder/base/file.h"
#include "recorder/base/random.h"
#include "recorder/base/types.h"
#include "recorder/images/cache.h"
#include "recorder/images/image.h"

struct directory {
    char path[64];
};

static int set_up(void **state)
{
    struct directory *d = calloc(1, sizeof(*d));

    snprintf(d->path, sizeof(d->path), "/tmp/rrtest-images-XXXXXX");
    *state = d;
    return mkdtemp(d->path) ? 0 : -1;
}

static int tear_down(void **state)
{
    struct directory *d = *state;
    DIR *dir = opendir(d->path);
    struct dirent *entry;

    while (dir && (entry = readdir(dir)))
        unlinkat(dirfd(dir), entry->d_name, 0);
    if (dir)
        closedir(dir);
    rmdir(d->path);
    free(d);
    return 0;
}

/* A private, settled copy of the test program: one whose change time is not in question. */
static int copy_program(const struct directory *d, const char *name)
{
    char path[128];
    int from = open(TEST_PROGRAM_FIXED, O_RDONLY | O_CLOEXEC), to;

    snprintf(path, sizeof(path), "%s/%s", d->path, name);
    to = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0755);
    assert_true(from >= 0 && to >= 0);
    assert_int_equal(file_copy(from, to), 0);
    close(from);
    return to;
}

static size_t count_files(const struct directory *d, const char *prefix)
{
    DIR *dir = opendir(d->path);
    struct dirent *entry;
    size_t count = 0;

    assert_non_null(dir);
    while ((entry = readdir(dir)))
        count += strncmp(entry->d_name, prefix, strlen(prefix)) == 0;
    closedir(dir);
    return count;
}

static void test_reopen(void **state)
{
    const struct directory *d = *state;
    struct image *first, *second, *loaded;
    struct rr_error error = {0};
    int fd = open(TEST_PROGRAM_FIXED, O_RDONLY | O_CLOEXEC);
    struct stat before, after;

    assert_int_equal(image_open(d->path, fd, IMAGE_OPTION_CALLS, &first, &error), 0);
    assert_int_equal(image_open(d->path, fd, IMAGE_OPTION_CALLS, &second, &error), 0);
    assert_non_null(first);
    assert_string_equal(image_hash(first), image_hash(second));
    assert_int_equal(fstat(image_fd(first), &before), 0);
    assert_int_equal(fstat(image_fd(second), &after), 0);
    assert_int_equal(before.st_ino, after.st_ino);
    assert_int_equal(image_load(image_fd(first), &loaded, &error), 0);
    assert_string_equal(image_hash(first), image_hash(loaded));
    assert_int_equal(image_segment_count(first), image_segment_count(loaded));
    assert_int_equal(count_files(d, "tmp-"), 0);
    image_free(first);
    image_free(second);
    image_free(loaded);
    close(fd);
}

/* The shortcut by inode must not outlive a change of the file. */
static void test_changed_file(void **state)
{
    const struct directory *d = *state;
    struct image *before, *after;
    struct rr_error error = {0};
    int fd = copy_program(d, "program");

    assert_int_equal(image_open(d->path, fd, IMAGE_OPTION_CALLS, &before, &error), 0);
    assert_int_equal(pwrite(fd, "X", 1, lseek(fd, 0, SEEK_END) - 1), 1);
    assert_int_equal(image_open(d->path, fd, IMAGE_OPTION_CALLS, &after, &error), 0);
    assert_string_not_equal(image_hash(before), image_hash(after));
    image_free(before);
    image_free(after);
    close(fd);
}

static void test_shortcut_of_settled_file(void **state)
{
    const struct directory *d = *state;
    struct image *image, *again;
    int fd = open("/bin/sh", O_RDONLY | O_CLOEXEC); /* older than a second */
    int directory = open(d->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct rr_error error = {0};
    struct stat st;
    struct timespec now;

    assert_int_equal(fstat(fd, &st), 0);
    clock_gettime(CLOCK_REALTIME, &now);
    assert_true(now.tv_sec > st.st_ctim.tv_sec + 1);
    assert_int_equal(cache_find(directory, fd, IMAGE_OPTION_CALLS, &image), -ENOENT);
    assert_int_equal(image_open(d->path, fd, IMAGE_OPTION_CALLS, &image, &error), 0);
    assert_non_null(image);
    assert_int_equal(count_files(d, "inode-"), 1);
    assert_int_equal(cache_find(directory, fd, IMAGE_OPTION_CALLS, &again), 0);
    assert_string_equal(image_hash(image), image_hash(again));
    image_free(image);
    image_free(again);
    close(directory);
    close(fd);
}

/* A cache that cannot be used is done without. */
static void test_unusable_directory(void **state)
{
    static const char *const directories[] = {"/proc/self/no-such-place", "/proc/self/fdinfo"};
    int fd = open(TEST_PROGRAM_FIXED, O_RDONLY | O_CLOEXEC);

    (void)state;
    for (int i = 0; i < 2; i++) {
        struct rr_error error = {0};
        struct image *image;

        assert_int_equal(image_open(directories[i], fd, IMAGE_OPTION_CALLS, &image, &error), 0);
        assert_non_null(image);
        assert_string_not_equal(error.message, "");
        image_free(image);
    }
    close(fd);
}

static void test_racing_writers(void **state)
{
    const struct directory *d = *state;
    pid_t pids[6];

    for (int i = 0; i < 6; i++) {
        pids[i] = fork();
        if (pids[i] == 0) {
            struct image *image, *loaded;
            int fd = open(TEST_PROGRAM_FIXED, O_RDONLY | O_CLOEXEC);
            bool good = image_open(d->path, fd, IMAGE_OPTION_CALLS, &image, NULL) == 0 && image &&
                        image_load(image_fd(image), &loaded, NULL) == 0;

            _exit(good ? 0 : 1);
        }
    }
    for (int i = 0; i < 6; i++) {
        int status;

        assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
        assert_int_equal(status, 0);
    }
    assert_int_equal(count_files(d, "tmp-"), 0);
}

static int memory_file(const uint8_t *data, size_t size)
{
    int fd = memfd_create("damaged", MFD_CLOEXEC);

    assert_true(fd >= 0);
    assert_int_equal(file_write_all(fd, data, size), 0);
    return fd;
}

static void locate_everywhere(const struct image *image)
{
    uint64_t base = image->header->base;
    uint64_t displacement = (uint64_t)image_stub_displacement(image);

    for (uint64_t at = 0; at < 0x20000; at += 3) {
        image_locate(image, base + at);
        image_locate(image, base + displacement + at);
    }
}

static void expect_damage(const uint8_t *data, size_t size)
{
    struct rr_error error = {0};
    struct image *image;
    int fd = memory_file(data, size);

    assert_int_equal(image_load(fd, &image, &error), -EBADMSG);
    assert_null(image);
    assert_string_not_equal(error.message, "");
    /* Opening from the cache trusts the body, but must survive it. */
    if (cache_map(dup(fd), false, &image, NULL) == 0) {
        locate_everywhere(image);
        image_free(image);
    }
    close(fd);
}

static void test_damage(void **state)
{
    int fd = open(TEST_PROGRAM_FIXED, O_RDONLY | O_CLOEXEC);
    struct random_stream random;
    struct image *image;
    uint8_t *data;
    size_t size;

    (void)state;
    assert_int_equal(image_open(NULL, fd, IMAGE_OPTION_CALLS, &image, NULL), 0);
    size = image->size;
    data = malloc(size);
    assert_non_null(data);
    memcpy(data, image->data, size);
    random_init(&random, 7, RANDOM_DATA);
    for (size_t at = 0; at < sizeof(struct cache_header) + 8; at++) {
        data[at] ^= (uint8_t)(1 + random_below(&random, 255));
        expect_damage(data, size);
        data[at] = image->data[at];
    }
    for (int i = 0; i < 600; i++) {
        size_t at = random_below(&random, size);
        uint8_t old = data[at];

        data[at] ^= (uint8_t)(1 + random_below(&random, 255));
        expect_damage(data, size);
        data[at] = old;
    }
    for (int i = 0; i < 40; i++)
        expect_damage(data, random_below(&random, size));
    free(data);
    image_free(image);
    close(fd);
}

/* The tables' own bounds, as if the checksum had been forged. */
static void test_forged_tables(void **state)
{
    int fd = open(TEST_PROGRAM_FIXED, O_RDONLY | O_CLOEXEC);
    struct random_stream random;
    struct bytes file;
    struct image *image, *forged;

    (void)state;
    assert_int_equal(image_open(NULL, fd, IMAGE_OPTION_CALLS, &image, NULL), 0);
    random_init(&random, 8, RANDOM_DATA);
    for (int i = 0; i < 400; i++) {
        uint64_t end = image_segment(image, 0)->cache_offset;
        size_t from = i % 2 ? offsetof(struct cache_header, base) : TRACEE_PAGE_SIZE;
        size_t to = i % 2 ? offsetof(struct cache_header, statistics) : end;
        int damaged;

        bytes_init(&file);
        bytes_append(&file, image->data, image->size);
        for (int k = 0; k < 4; k++)
            file.data[from + random_below(&random, to - from)] =
                (uint8_t)random_below(&random, 256);
        cache_seal(&file);
        damaged = memory_file(file.data, file.length);
        if (image_load(damaged, &forged, NULL) == 0) {
            locate_everywhere(forged);
            image_free(forged);
        }
        close(damaged);
        bytes_done(&file);
    }
    image_free(image);
    close(fd);
}

static void test_damaged_elf(void **state)
{
    struct random_stream random;
    struct bytes original, copy;

    (void)state;
    bytes_init(&original);
    assert_int_equal(file_read_path(TEST_PROGRAM_FIXED, &original), 0);
    random_init(&random, 9, RANDOM_DATA);
    for (int i = 0; i < 400; i++) {
        struct rr_error error = {0};
        struct image *image;
        int fd, result;

        bytes_init(&copy);
        bytes_append(&copy, original.data, original.length);
        for (int k = 0; k < 6; k++) {
            /* Mostly headers and tables, at the file's two ends. */
            size_t span = k % 3 == 0 ? copy.length : 0x400;
            size_t at = random_below(&random, span);

            if (k % 3 == 1)
                at = copy.length - 1 - at;
            copy.data[at] = (uint8_t)random_below(&random, 256);
        }
        fd = memory_file(copy.data, i % 5 ? copy.length : random_below(&random, copy.length));
        result = image_open(NULL, fd, IMAGE_OPTION_CALLS, &image, &error);
        assert_true(result == 0 || result == -ENOEXEC);
        if (!image)
            assert_string_not_equal(error.message, "");
        image_free(image);
        close(fd);
        bytes_done(&copy);
    }
    bytes_done(&original);
}

static void check_refused(const void *data, size_t size)
{
    struct rr_error error = {0};
    struct image *image;
    int fd = memory_file(data, size);

    assert_int_equal(image_open(NULL, fd, IMAGE_OPTION_CALLS, &image, &error), -ENOEXEC);
    assert_null(image);
    assert_string_not_equal(error.message, "");
    close(fd);
}

static void test_not_elf(void **state)
{
    struct bytes file;

    (void)state;
    check_refused("#!/bin/sh\n", 10);
    check_refused("", 0);
    bytes_init(&file);
    assert_int_equal(file_read_path(TEST_PROGRAM_FIXED, &file), 0);
    check_refused(file.data, 40);
    file.data[4] = 1; /* ELFCLASS32 */
    check_refused(file.data, file.length);
    file.data[4] = 2;
    file.data[18] = 183; /* EM_AARCH64 */
    check_refused(file.data, file.length);
    bytes_done(&file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_reopen, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_changed_file, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_shortcut_of_settled_file, set_up, tear_down),
        cmocka_unit_test(test_unusable_directory),
        cmocka_unit_test_setup_teardown(test_racing_writers, set_up, tear_down),
        cmocka_unit_test(test_damage),
        cmocka_unit_test(test_forged_tables),
        cmocka_unit_test(test_damaged_elf),
        cmocka_unit_test(test_not_elf),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
