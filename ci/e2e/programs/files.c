/* The file system calls, in a directory of their own: make, name, read, write, change, list,
 * remove. */
#include <dirent.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdint.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/vfs.h>
#include <sys/xattr.h>
#include <utime.h>

#include "check.h"

static char directory[256];

static void enter(void)
{
    const char *base = getenv("TMPDIR");
    snprintf(directory, sizeof directory, "%s/files-XXXXXX", base ? base : "/tmp");
    CHECK(mkdtemp(directory) != NULL && chdir(directory) == 0);
}

static void leave(void)
{
    CHECK(chdir("/") == 0 && rmdir(directory) == 0);
}

static void make(const char *name, const char *text)
{
    int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC, 0644);
    CHECK(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text) && close(fd) == 0);
}

static void expect(const char *name, const char *text)
{
    char bytes[256];
    int fd = open(name, O_RDONLY);
    ssize_t length = read(fd, bytes, sizeof bytes);
    CHECK(fd >= 0 && length == (ssize_t)strlen(text) && memcmp(bytes, text, (size_t)length) == 0);
    close(fd);
}

static void reading_and_writing(void)
{
    enter();
    int fd = open("data", O_RDWR | O_CREAT | O_EXCL, 0600);
    CHECK(fd >= 0 && open("data", O_CREAT | O_EXCL, 0600) == -1 && errno == EEXIST);
    CHECK(write(fd, "0123456789", 10) == 10 && lseek(fd, 0, SEEK_CUR) == 10);
    CHECK(pwrite(fd, "ab", 2, 4) == 2);
    struct iovec parts[2] = {{"x", 1}, {"yz", 2}};
    CHECK(writev(fd, parts, 2) == 3 && pwritev(fd, parts, 2, 0) == 3);
    char bytes[32];
    CHECK(lseek(fd, 0, SEEK_SET) == 0 && read(fd, bytes, sizeof bytes) == 13);
    CHECK(memcmp(bytes, "xyz3ab6789xyz", 13) == 0);
    struct iovec into[2] = {{bytes, 4}, {bytes + 10, 4}};
    CHECK(preadv(fd, into, 2, 2) == 8 && memcmp(bytes + 10, "6789", 4) == 0);
    CHECK(preadv2(fd, into, 1, 0, 0) == 4 && pwritev2(fd, parts, 1, 20, 0) == 1);
    CHECK(lseek(fd, 0, SEEK_END) == 21 && ftruncate(fd, 5) == 0 && lseek(fd, 0, SEEK_END) == 5);
    CHECK(posix_fallocate(fd, 0, 10000) == 0);
    int append = open("data", O_WRONLY | O_APPEND);
    CHECK(write(append, "end", 3) == 3 && lseek(append, 0, SEEK_CUR) == 10003);
    CHECK(fsync(fd) == 0 && fdatasync(fd) == 0 && truncate("data", 3) == 0);
    expect("data", "xyz");
    CHECK(fcntl(fd, F_GETFL) == (O_RDWR | 0100000) && fcntl(fd, F_SETFD, FD_CLOEXEC) == 0);
    CHECK(fcntl(fd, F_DUPFD_CLOEXEC, 100) == 100 && close(100) == 0 && close(100) == -1);
    CHECK(read(append, bytes, 1) == -1 && errno == EBADF);
    CHECK(lseek(fd, 0, SEEK_SET) == 0 && syscall(SYS_read, fd, 8L, 1L) == -1 && errno == EFAULT);
    CHECK(posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL) == 0 && readahead(fd, 0, 100) == 0);
    CHECK(lseek(fd, 0, SEEK_DATA) == 0 && lseek(fd, 0, SEEK_HOLE) == 3);
    CHECK(close(fd) == 0 && close(append) == 0 && unlink("data") == 0);
    leave();
}

static void names(void)
{
    enter();
    make("a", "first");
    CHECK(link("a", "b") == 0 && symlink("a", "c") == 0 && rename("a", "d") == 0);
    expect("b", "first");
    char target[32];
    CHECK(readlink("c", target, sizeof target) == 1 && target[0] == 'a');
    CHECK(open("c", O_RDONLY) == -1 && errno == ENOENT);
    CHECK(open("c", O_RDONLY | O_NOFOLLOW) == -1 && errno == ELOOP);
    CHECK(mkdir("sub", 0700) == 0 && mkdir("sub", 0700) == -1 && errno == EEXIST);
    int at = open("sub", O_RDONLY | O_DIRECTORY);
    CHECK(at >= 0 && renameat(AT_FDCWD, "b", at, "inner") == 0);
    expect("sub/inner", "first");
    make("other", "second");
    CHECK(renameat2(AT_FDCWD, "other", at, "inner", RENAME_NOREPLACE) == -1 && errno == EEXIST);
    CHECK(renameat2(AT_FDCWD, "other", at, "inner", RENAME_EXCHANGE) == 0);
    expect("other", "first");
    CHECK(linkat(at, "inner", AT_FDCWD, "again", 0) == 0 && symlinkat("x", at, "dangling") == 0);
    CHECK(readlinkat(at, "dangling", target, sizeof target) == 1);
    CHECK(rmdir("sub") == -1 && errno == ENOTEMPTY);
    CHECK(mknodat(at, "fifo", S_IFIFO | 0600, 0) == 0 && mkdirat(at, "deep", 0700) == 0);
    struct open_how how = {.flags = O_RDONLY, .resolve = RESOLVE_BENEATH};
    CHECK(syscall(SYS_openat2, at, "../other", &how, sizeof how) == -1 && errno == EXDEV);
    CHECK(fchdir(at) == 0 && getcwd(target, 4) == NULL && errno == ERANGE);
    char where[512];
    CHECK(getcwd(where, sizeof where) != NULL && strcmp(strrchr(where, '/'), "/sub") == 0);
    CHECK(chdir("..") == 0);
    CHECK(unlinkat(at, "deep", AT_REMOVEDIR) == 0 && unlinkat(at, "fifo", 0) == 0);
    CHECK(unlinkat(at, "dangling", 0) == 0 && unlinkat(at, "inner", 0) == 0 && rmdir("sub") == 0);
    CHECK(unlink("c") == 0 && unlink("d") == 0 && unlink("other") == 0 && unlink("again") == 0);
    close(at);
    leave();
}

static void attributes(void)
{
    enter();
    umask(027);
    make("file", "text");
    struct stat status;
    CHECK(stat("file", &status) == 0 && (status.st_mode & 0777) == 0640 && status.st_size == 4);
    CHECK(umask(022) == 027);
    CHECK(chmod("file", 0600) == 0 && fchmodat(AT_FDCWD, "file", 0604, 0) == 0);
    CHECK(lstat("file", &status) == 0 && (status.st_mode & 0777) == 0604);
    CHECK(chown("file", getuid(), getgid()) == 0 && lchown("file", (uid_t)-1, getgid()) == 0);
    struct timespec times[2] = {{1000, 500}, {2000, 700}};
    CHECK(utimensat(AT_FDCWD, "file", times, 0) == 0);
    int fd = open("file", O_RDWR);
    CHECK(fstat(fd, &status) == 0 && status.st_mtim.tv_sec == 2000 &&
          status.st_mtim.tv_nsec == 700);
    CHECK(fchmod(fd, 0611) == 0 && fchown(fd, getuid(), (gid_t)-1) == 0);
    struct timeval coarse[2] = {{3000, 1}, {4000, 2}};
    CHECK(futimes(fd, coarse) == 0 && utimes("file", coarse) == 0);
    struct utimbuf old = {5, 6};
    CHECK(utime("file", &old) == 0 && fstatat(AT_FDCWD, "file", &status, 0) == 0);
    CHECK(status.st_mtim.tv_sec == 6 && status.st_nlink == 1);
    struct statx extended;
    CHECK(statx(AT_FDCWD, "file", 0, STATX_BASIC_STATS, &extended) == 0 && extended.stx_size == 4);
    CHECK(fstatat(fd, "", &status, AT_EMPTY_PATH) == 0 && (status.st_mode & 0777) == 0611);
    CHECK(access("file", R_OK) == 0 && access("missing", F_OK) == -1 && errno == ENOENT);
    CHECK(faccessat(AT_FDCWD, "file", W_OK, AT_EACCESS) == 0);
    if (setxattr("file", "user.key", "value", 5, 0) == 0) {
        char value[16];
        CHECK(getxattr("file", "user.key", value, sizeof value) == 5);
        CHECK(fgetxattr(fd, "user.key", value, sizeof value) == 5 &&
              memcmp(value, "value", 5) == 0);
        CHECK(listxattr("file", value, sizeof value) == 9 && removexattr("file", "user.key") == 0);
    } else {
        CHECK(errno == ENOTSUP);
    }
    struct statfs system;
    CHECK(statfs(".", &system) == 0 && fstatfs(fd, &system) == 0 && system.f_bsize > 0);
    CHECK(close(fd) == 0 && unlink("file") == 0);
    leave();
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

static void listings(void)
{
    enter();
    for (int i = 0; i < 300; i++) {
        char name[32];
        snprintf(name, sizeof name, "entry-%03d", i);
        make(name, "");
    }
    struct dirent **entries;
    int count = scandir(".", &entries, NULL, by_name);
    CHECK(count == 302 && strcmp(entries[0]->d_name, ".") == 0);
    for (int i = 2; i < count; i++)
        CHECK(atoi(entries[i]->d_name + 6) == i - 2);
    /* a directory read in pieces, removed from in between, rewound */
    DIR *stream = opendir(".");
    struct dirent *entry;
    int seen = 0;
    while ((entry = readdir(stream)) != NULL)
        if (entry->d_name[0] == 'e') {
            seen++;
            CHECK(unlinkat(dirfd(stream), entry->d_name, 0) == 0);
        }
    CHECK(seen == 300);
    rewinddir(stream);
    seen = 0;
    while ((entry = readdir(stream)) != NULL)
        seen++;
    CHECK(seen == 2 && closedir(stream) == 0);
    leave();
}

static void descriptors(void)
{
    CHECK(close_range(3, ~0u, 0) == 0);
    int null = open("/dev/null", O_RDWR), zero = open("/dev/zero", O_RDONLY);
    int full = open("/dev/full", O_WRONLY);
    char bytes[64];
    memset(bytes, 1, sizeof bytes);
    CHECK(write(null, bytes, 64) == 64 && read(null, bytes, 64) == 0);
    CHECK(read(zero, bytes, 64) == 64 && bytes[63] == 0);
    CHECK(write(full, bytes, 1) == -1 && errno == ENOSPC);
    CHECK(dup(null) > 0 && dup2(null, 200) == 200 && dup3(null, 201, O_CLOEXEC) == 201);
    CHECK(dup3(null, null, 0) == -1 && errno == EINVAL && dup2(null, null) == null);
    CHECK(dup2(999, 5) == -1 && errno == EBADF);
    CHECK(close_range(200, 201, 0) == 0 && fcntl(200, F_GETFD) == -1 && errno == EBADF);
    /* the descriptors of this process are what it opened and nothing else */
    DIR *own = opendir("/proc/self/fd");
    struct dirent *entry;
    int highest = 0;
    while ((entry = readdir(own)) != NULL) {
        int fd = atoi(entry->d_name);
        CHECK(entry->d_name[0] == '.' || fcntl(fd, F_GETFD) >= 0);
        if (fd > highest)
            highest = fd;
    }
    CHECK(highest == dirfd(own) && highest == 7);
    closedir(own);
}

static void standard_io(void)
{
    enter();
    FILE *file = fopen("text", "w+");
    CHECK(file != NULL);
    for (int i = 0; i < 2000; i++)
        CHECK(fprintf(file, "line %d\n", i) > 0);
    CHECK(fseek(file, 0, SEEK_SET) == 0);
    char line[64];
    int count = 0;
    while (fgets(line, sizeof line, file) != NULL)
        CHECK(atoi(line + 5) == count++);
    CHECK(count == 2000 && fclose(file) == 0);
    CHECK(rename("text", "moved") == 0 && remove("moved") == 0);
    leave();
}

static const struct test_case cases[] = {
    {"reading_and_writing", reading_and_writing},
    {"names", names},
    {"attributes", attributes},
    {"listings", listings},
    {"descriptors", descriptors},
    {"standard_io", standard_io},
};

int main(int argc, char **argv)
{
    return run_cases(argc, argv, cases, COUNT_OF(cases));
}
