/* Files, directories, attributes, file systems, memory. */
#include "recorder/syscalls/tests/outputs.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/stat.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <sys/xattr.h>
#include <unistd.h>
#include <cmocka.h>

#include "recorder/syscalls/tests/poison.h"

struct files {
    char directory[64];
    char path[96]; /* 10000 bytes of data */
    char link[96]; /* symbolic, to path */
    int file;
    int directory_fd;
};

static int set_up(void **state)
{
    struct files *f = calloc(1, sizeof(*f));
    char data[10000];

    memset(data, 'x', sizeof(data));
    strcpy(f->directory, "/tmp/rrtest-outputs-XXXXXX");
    if (!mkdtemp(f->directory))
        return -1;
    strcat(strcpy(f->path, f->directory), "/file");
    strcat(strcpy(f->link, f->directory), "/link");
    f->file = open(f->path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    f->directory_fd = open(f->directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (f->file < 0 || f->directory_fd < 0 || write(f->file, data, sizeof(data)) < 0 ||
        symlink(f->path, f->link) != 0)
        return -1;
    *state = f;
    poison_reset();
    return 0;
}

static int tear_down(void **state)
{
    struct files *f = *state;

    close(f->file);
    close(f->directory_fd);
    unlink(f->path);
    unlink(f->link);
    rmdir(f->directory);
    free(f);
    return 0;
}

static void test_read_family(void **state)
{
    struct files *f = *state;
    struct iovec *iov = poison_take(3 * sizeof(*iov));

    iov[0] = (struct iovec){poison_take(10), 10};
    iov[1] = (struct iovec){NULL, 0};
    iov[2] = (struct iovec){poison_take(100), 100};
    lseek(f->file, 0, SEEK_SET);
    poison(POISON_CHANGES, "read", f->file, poison_take(100), 100);
    lseek(f->file, -40, SEEK_END);
    poison(POISON_CHANGES, "read", f->file, poison_take(100), 100);
    poison(POISON_QUIET, "read", f->file, poison_take(100), 100);
    poison(POISON_FAILS, "read", f->directory_fd, poison_take(100), 100);
    poison(POISON_CHANGES, "pread64", f->file, poison_take(100), 100, 9950);
    poison(POISON_CHANGES, "preadv", f->file, iov, 3, 9970, 0);
    iov[0].iov_base = poison_take(10);
    poison(POISON_CHANGES, "preadv2", f->file, iov, 3, 9995, 0, 0);
    lseek(f->file, -60, SEEK_END);
    iov[2].iov_base = poison_take(100);
    poison(POISON_CHANGES, "readv", f->file, iov, 3);
}

static void test_write_family_changes_nothing(void **state)
{
    struct files *f = *state;
    struct iovec *iov = poison_take(sizeof(*iov));

    *iov = (struct iovec){poison_take(10), 10};
    poison(POISON_QUIET, "write", f->file, poison_take(100), 100);
    poison(POISON_QUIET, "pwrite64", f->file, poison_take(100), 100, 7);
    poison(POISON_QUIET, "writev", f->file, iov, 1);
    poison(POISON_QUIET, "pwritev", f->file, iov, 1, 0, 0);
    poison(POISON_QUIET, "pwritev2", f->file, iov, 1, 0, 0, 0);
    poison(POISON_QUIET, "ftruncate", f->file, 5000);
    poison(POISON_QUIET, "fsync", f->file);
}

/* A pipe's data is gone when the copy meets the hole, so the bytes in front of it count. */
static void test_read_into_a_hole(void **state)
{
    int ends[2];
    char data[4000] = "data";
    uint8_t *buffer = poison_take_before_hole(1000);
    struct iovec *iov = poison_take(2 * sizeof(*iov));

    (void)state;
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    for (int i = 0; i < 2; i++)
        assert_int_equal(write(ends[1], data, sizeof(data)), sizeof(data));
    assert_int_equal(poison(POISON_FAILS_CHANGES, "read", ends[0], buffer, 4000), -EFAULT);
    iov[0] = (struct iovec){buffer - 5000, 100};
    iov[1] = (struct iovec){buffer, 3000};
    assert_int_equal(poison(POISON_ANY, "readv", ends[0], iov, 2), -EFAULT);
    close(ends[0]);
    close(ends[1]);
    poison(POISON_FAILS_CHANGES, "stat", "/", poison_take_before_hole(100));
    poison(POISON_FAILS_CHANGES, "uname", poison_take_before_hole(200));
}

static void test_stat_family(void **state)
{
    struct files *f = *state;

    poison(POISON_CHANGES, "stat", f->path, poison_take(144));
    poison(POISON_CHANGES, "lstat", f->link, poison_take(144));
    poison(POISON_CHANGES, "fstat", f->file, poison_take(144));
    poison(POISON_FAILS, "stat", "/nothing/there", poison_take(144));
    poison(POISON_CHANGES, "newfstatat", f->directory_fd, "file", poison_take(144), 0);
    poison(POISON_CHANGES, "statx", f->directory_fd, "file", 0, STATX_ALL, poison_take(256));
    poison(POISON_CHANGES, "statfs", f->path, poison_take(120));
    poison(POISON_CHANGES, "fstatfs", f->file, poison_take(120));
    poison(POISON_ANY, "ustat", 0, poison_take(32));
    poison(POISON_ANY, "cachestat", f->file, poison_take_zeroed(16), poison_take(40), 0);
    poison(POISON_ANY, "file_getattr", f->directory_fd, "file", poison_take(24), 24, 0);
}

static void test_names(void **state)
{
    struct files *f = *state;

    poison(POISON_CHANGES, "readlink", f->link, poison_take(100), 100);
    poison(POISON_CHANGES, "readlink", f->link, poison_take(4), 4);
    poison(POISON_CHANGES, "readlinkat", f->directory_fd, "link", poison_take(100), 100);
    poison(POISON_FAILS, "readlink", f->path, poison_take(100), 100);
    poison(POISON_CHANGES, "getcwd", poison_take(4096), 4096);
    poison(POISON_FAILS, "getcwd", poison_take(1), 1);
    poison(POISON_CHANGES, "getdents64", f->directory_fd, poison_take(4096), 4096);
    lseek(f->directory_fd, 0, SEEK_SET);
    poison(POISON_CHANGES, "getdents", f->directory_fd, poison_take(4096), 4096);
    lseek(f->directory_fd, 0, SEEK_SET);
    poison(POISON_FAILS, "getdents64", f->directory_fd, poison_take(8), 8);
    poison(POISON_CHANGES, "sysfs", 2, 0, poison_take(100));
}

static void test_attributes(void **state)
{
    struct files *f = *state;
    struct {
        uint64_t value;
        uint32_t size;
        uint32_t flags;
    } *arguments = poison_take(16);

    if (setxattr(f->path, "user.color", "green", 5, 0) != 0)
        skip();
    arguments->value = (uintptr_t)poison_take(100);
    arguments->size = 100;
    arguments->flags = 0;
    poison(POISON_CHANGES, "getxattr", f->path, "user.color", poison_take(100), 100);
    poison(POISON_QUIET, "getxattr", f->path, "user.color", poison_take(100), 0);
    poison(POISON_FAILS, "getxattr", f->path, "user.color", poison_take(2), 2);
    poison(POISON_CHANGES, "lgetxattr", f->path, "user.color", poison_take(100), 100);
    poison(POISON_CHANGES, "fgetxattr", f->file, "user.color", poison_take(100), 100);
    poison(POISON_ANY, "getxattrat", f->directory_fd, "file", 0, "user.color", arguments, 16);
    poison(POISON_CHANGES, "listxattr", f->path, poison_take(1000), 1000);
    poison(POISON_QUIET, "listxattr", f->path, poison_take(100), 0);
    poison(POISON_CHANGES, "llistxattr", f->path, poison_take(1000), 1000);
    poison(POISON_CHANGES, "flistxattr", f->file, poison_take(1000), 1000);
    poison(POISON_ANY, "listxattrat", f->directory_fd, "file", 0, poison_take(1000), 1000);
}

static void test_handles(void **state)
{
    struct files *f = *state;
    uint32_t *handle = poison_take(8 + 128);

    *handle = 128;
    poison(POISON_CHANGES, "name_to_handle_at", f->directory_fd, "file", handle, poison_take(4), 0);
    *handle = 0;
    poison(POISON_FAILS_CHANGES, "name_to_handle_at", f->directory_fd, "file", handle,
           poison_take(4), 0);
    *handle = 128;
    poison(POISON_ANY, "name_to_handle_at", f->directory_fd, "file", handle, poison_take(8), 1);
}

static void test_copies_with_offsets(void **state)
{
    struct files *f = *state;
    int ends[2];
    int other = memfd_create("other", MFD_CLOEXEC);
    int64_t *offset = poison_take_zeroed(8);
    int64_t *to = poison_take_zeroed(8);

    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    poison(POISON_CHANGES, "sendfile", ends[1], f->file, offset, 100);
    poison(POISON_QUIET, "sendfile", other, f->file, 0, 100);
    poison(POISON_CHANGES, "splice", f->file, offset, ends[1], 0, 100, 0);
    poison(POISON_CHANGES, "splice", ends[0], 0, other, to, 100, 0);
    *offset = *to = 0;
    poison(POISON_CHANGES, "copy_file_range", f->file, offset, f->file,
           memcpy(to, &(int64_t){5000}, 8), 100, 0);
    close(ends[0]);
    close(ends[1]);
    close(other);
}

static void test_vmsplice_out_of_a_pipe(void **state)
{
    int ends[2];
    struct iovec *iov = poison_take(sizeof(*iov));

    (void)state;
    *iov = (struct iovec){poison_take(100), 100};
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    poison(POISON_QUIET, "vmsplice", ends[1], iov, 1, 0);
    iov->iov_base = poison_take(100);
    poison(POISON_CHANGES, "vmsplice", ends[0], iov, 1, 0);
    close(ends[0]);
    close(ends[1]);
}

static void test_locks_and_owners(void **state)
{
    struct files *f = *state;
    struct flock *lock = poison_take_zeroed(sizeof(*lock));
    int ends[2];

    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    lock->l_type = F_WRLCK;
    poison(POISON_CHANGES, "fcntl", f->file, F_GETLK, lock);
    lock->l_type = F_WRLCK;
    poison(POISON_CHANGES, "fcntl", f->file, F_OFD_GETLK, lock);
    lock->l_type = F_WRLCK;
    poison(POISON_QUIET, "fcntl", f->file, F_SETLK, lock);
    poison(POISON_CHANGES, "fcntl", ends[0], F_GETOWN_EX, poison_take(8));
    poison(POISON_ANY, "fcntl", ends[0], 17, poison_take(8));
    poison(POISON_CHANGES, "fcntl", f->file, F_GET_RW_HINT, poison_take(8));
    poison(POISON_QUIET, "fcntl", f->file, F_GETFL);
    poison(POISON_QUIET, "flock", f->file, 2);
    close(ends[0]);
    close(ends[1]);
}

static void test_memory(void **state)
{
    char *mapped = mmap(NULL, 5 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    void **pages = poison_take_copy((void *[]){mapped, mapped + 4096, NULL}, 3 * sizeof(*pages));
    struct iovec *local = poison_take(sizeof(*local));
    struct iovec *remote = poison_take(sizeof(*remote));

    (void)state;
    mapped[0] = 1;
    poison(POISON_CHANGES, "mincore", mapped, 4096 * 4 + 1, poison_take(5));
    munmap(mapped + 4 * 4096, 4096);
    poison(POISON_ANY, "mincore", mapped, 4096 * 5, poison_take(5));
    poison(POISON_CHANGES, "move_pages", 0, 3, pages, 0, poison_take(12), 0);
    poison(POISON_CHANGES, "get_mempolicy", poison_take(4), poison_take(128), 1024, 0, 0);
    poison(POISON_CHANGES, "get_mempolicy", poison_take(4), poison_take(128), 65, 0, 0);
    poison(POISON_CHANGES, "get_mempolicy", poison_take(4), 0, 0, 0, 0);
    *local = (struct iovec){poison_take(50), 50};
    *remote = (struct iovec){mapped, 30};
    poison(POISON_CHANGES, "process_vm_readv", getpid(), local, 1, remote, 1, 0);
    *local = (struct iovec){mapped, 20};
    *remote = (struct iovec){poison_take(50), 50};
    poison(POISON_CHANGES, "process_vm_writev", getpid(), local, 1, remote, 1, 0);
    munmap(mapped, 4 * 4096);
}

static void test_descriptor_pairs(void **state)
{
    int *ends = poison_take(8);

    (void)state;
    poison(POISON_CHANGES, "pipe", ends);
    close(ends[0]);
    close(ends[1]);
    ends = poison_take(8);
    poison(POISON_CHANGES, "pipe2", ends, O_CLOEXEC);
    close(ends[0]);
    close(ends[1]);
    poison(POISON_FAILS, "pipe2", ends, 1);
}

static void test_mounts(void **state)
{
    struct {
        uint32_t size, spare;
        uint64_t id, parameter;
    } *request = poison_take_zeroed(24);
    int64_t count;

    (void)state;
    request->size = 24;
    request->id = UINT64_MAX; /* LSMT_ROOT */
    count = poison(POISON_ANY, "listmount", request, poison_take(64 * 8), 64, 0);
    if (count <= 0)
        return;
    struct {
        uint32_t size, spare;
        uint64_t mask, superblock[2];
    } *mounted = poison_take(4096);
    uint64_t *ids = poison_take(8 * 64);
    poison(POISON_ANY, "listmount", request, ids, 64, 0);
    request->id = ids[0];
    request->parameter = 0x7f;
    poison(POISON_CHANGES, "statmount", request, mounted, 4096, 0);
    request->id = 12345;
    poison(POISON_FAILS, "statmount", request, poison_take(4096), 4096, 0);
}

int outputs_of_files(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_read_family),
        TEST(test_write_family_changes_nothing),
        TEST(test_read_into_a_hole),
        TEST(test_stat_family),
        TEST(test_names),
        TEST(test_attributes),
        TEST(test_handles),
        TEST(test_copies_with_offsets),
        TEST(test_vmsplice_out_of_a_pipe),
        TEST(test_locks_and_owners),
        TEST(test_memory),
        TEST(test_descriptor_pairs),
        TEST(test_mounts),
    };
#undef TEST

    return cmocka_run_group_tests_name("outputs of files", tests, NULL, NULL);
}
