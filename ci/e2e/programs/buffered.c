/* A case for each system call that may be answered without a stop (recorder/blob/calls.def): made so
 * that it has to be answered so. Results and what was written to memory are printed, the same in
 * every run and natively; with the argument `raw` also what only recorded runs agree on. Calls are
 * made by number: libc has its own mind about which it uses. */
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <poll.h>
#include <sched.h>
#include <stdarg.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#define CALL(name, handler, needs) static void case_##name(void);
#include "recorder/blob/calls.def"
#undef CALL

static char text[1 << 18];
static size_t used;
static bool raw;
static const char *now; /* the case */

static void put(const char *format, ...) __attribute__((format(printf, 1, 2)));
static void put(const char *format, ...)
{
    va_list list;

    va_start(list, format);
    used += (size_t)vsnprintf(text + used, sizeof(text) - used, format, list);
    va_end(list);
}

static void bytes(const void *data, size_t length)
{
    const uint8_t *at = data;

    for (size_t i = 0; i < length; i++)
        put("%s%02x", i % 32 ? "" : "\n    ", at[i]);
    put("\n");
}

/* The call's result. */
static long show(long result)
{
    if (result < 0)
        put("%s: error %d\n", now, errno);
    else
        put("%s: %ld\n", now, result);
    return result;
}

/* A result or memory that depends on the machine or the run. */
static void show_raw(long result, const void *data, size_t length)
{
    put("%s: %s\n", now, result < 0 ? "error" : "fine");
    if (raw) {
        put("%s: %ld", now, result);
        bytes(data, length);
    }
}

static void check(bool good)
{
    put("%s: %s\n", now, good ? "as expected" : "WRONG");
}

/* ---- files --------------------------------------------------------------------------------- */

/* A file of 26 bytes, open to read and write. */
static int letters(void)
{
    int fd = (int)syscall(SYS_openat, AT_FDCWD, "letters", O_RDWR | O_CREAT | O_TRUNC, 0644);

    syscall(SYS_write, fd, "abcdefghijklmnopqrstuvwxyz", 26);
    syscall(SYS_lseek, fd, 0, SEEK_SET);
    return fd;
}

static void done(int fd)
{
    syscall(SYS_close, fd);
}

static void case_read(void)
{
    char buffer[16] = "";
    int fd = letters(), pair[2];

    show(syscall(SYS_read, fd, buffer, 10));
    show(syscall(SYS_read, fd, buffer, 0));
    show(syscall(SYS_read, fd, NULL, 10));
    bytes(buffer, sizeof(buffer));
    done(fd);
    syscall(SYS_pipe2, pair, O_CLOEXEC);
    syscall(SYS_write, pair[1], "through", 7);
    show(syscall(SYS_read, pair[0], buffer, 16));
    done(pair[1]);
    show(syscall(SYS_read, pair[0], buffer, 16));
    done(pair[0]);
    bytes(buffer, sizeof(buffer));
    fd = (int)syscall(SYS_openat, AT_FDCWD, "/dev/urandom", O_RDONLY);
    show_raw(syscall(SYS_read, fd, buffer, 9), buffer, sizeof(buffer));
    done(fd);
    fd = (int)syscall(SYS_openat, AT_FDCWD, "/dev/zero", O_RDONLY);
    show(syscall(SYS_read, fd, buffer, 16));
    bytes(buffer, sizeof(buffer));
    done(fd);
}

static void case_write(void)
{
    static char large[20000];
    int fd = letters(), pair[2];

    show(syscall(SYS_write, fd, "ABC", 3));
    show(syscall(SYS_write, fd, "", 0));
    done(fd);
    syscall(SYS_pipe2, pair, O_CLOEXEC);
    show(syscall(SYS_write, pair[1], large, sizeof(large)));
    show(syscall(SYS_read, pair[0], large, sizeof(large)));
    done(pair[0]);
    done(pair[1]);
    fd = (int)syscall(SYS_openat, AT_FDCWD, "/dev/null", O_WRONLY);
    show(syscall(SYS_write, fd, large, 5));
    done(fd);
}

static void case_pread64(void)
{
    char buffer[16] = "";
    int fd = letters();

    show(syscall(SYS_pread64, fd, buffer, 10, 20));
    show(syscall(SYS_pread64, fd, buffer, 10, 30));
    bytes(buffer, sizeof(buffer));
    done(fd);
}

static void case_pwrite64(void)
{
    char buffer[32] = "";
    int fd = letters();

    show(syscall(SYS_pwrite64, fd, "12345", 5, 3));
    syscall(SYS_read, fd, buffer, 32);
    bytes(buffer, sizeof(buffer));
    done(fd);
}

static void case_readv(void)
{
    char a[4] = "", b[16] = "";
    struct iovec iov[3] = {{a, 3}, {NULL, 0}, {b, 5}};
    int fd = letters(), pair[2];

    show(syscall(SYS_readv, fd, iov, 3));
    done(fd);
    syscall(SYS_pipe2, pair, 0);
    syscall(SYS_write, pair[1], "12345678", 8);
    bytes(a, sizeof(a));
    show(syscall(SYS_readv, pair[0], iov, 3));
    bytes(b, sizeof(b));
    done(pair[0]);
    done(pair[1]);
}

static void case_writev(void)
{
    struct iovec iov[2] = {{(char *)"one", 3}, {(char *)"three", 5}};
    char buffer[32] = "";
    int fd = letters(), pair[2];

    show(syscall(SYS_writev, fd, iov, 2));
    syscall(SYS_pread64, fd, buffer, 32, 0);
    done(fd);
    bytes(buffer, sizeof(buffer));
    syscall(SYS_pipe2, pair, 0);
    show(syscall(SYS_writev, pair[1], iov, 2));
    done(pair[0]);
    done(pair[1]);
}

static void case_preadv(void)
{
    char a[4] = "", b[16] = "";
    struct iovec iov[2] = {{a, 3}, {b, 5}};
    int fd = letters();

    show(syscall(SYS_preadv, fd, iov, 2, 21, 0));
    bytes(a, sizeof(a));
    bytes(b, sizeof(b));
    done(fd);
}

static void case_pwritev(void)
{
    struct iovec iov[2] = {{(char *)"one", 3}, {(char *)"three", 5}};
    char buffer[32] = "";
    int fd = letters();

    show(syscall(SYS_pwritev, fd, iov, 2, 10, 0));
    syscall(SYS_read, fd, buffer, 32);
    bytes(buffer, sizeof(buffer));
    done(fd);
}

static void case_lseek(void)
{
    int fd = letters();

    show(syscall(SYS_lseek, fd, -5, SEEK_END));
    show(syscall(SYS_lseek, fd, -50, SEEK_CUR));
    done(fd);
}

static void case_fsync(void)
{
    int fd = letters();

    show(syscall(SYS_fsync, fd));
    done(fd);
}

static void case_fdatasync(void)
{
    int fd = letters();

    show(syscall(SYS_fdatasync, fd));
    done(fd);
}

static void case_ftruncate(void)
{
    int fd = letters();

    show(syscall(SYS_ftruncate, fd, 5));
    show(syscall(SYS_lseek, fd, 0, SEEK_END));
    done(fd);
}

static void case_fadvise64(void)
{
    int fd = letters();

    show(syscall(SYS_fadvise64, fd, 0, 0, POSIX_FADV_SEQUENTIAL));
    show(syscall(SYS_fadvise64, fd, 0, 0, 77));
    done(fd);
}

/* ---- sockets ------------------------------------------------------------------------------- */

static void pair_of(int type, int *ret)
{
    syscall(SYS_socketpair, AF_UNIX, type, 0, ret);
}

static void case_socketpair(void)
{
    int pair[2] = {0, 0};

    show(syscall(SYS_socketpair, AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair));
    bytes(pair, sizeof(pair));
    show(syscall(SYS_socketpair, AF_UNIX, 99, 0, pair));
    done(pair[0]);
    done(pair[1]);
}

static void case_sendto(void)
{
    int pair[2];

    pair_of(SOCK_STREAM, pair);
    show(syscall(SYS_sendto, pair[0], "message", 7, 0, NULL, 0));
    show(syscall(SYS_sendto, pair[0], "message", 7, MSG_DONTWAIT | MSG_NOSIGNAL, NULL, 0));
    show(syscall(SYS_write, pair[1], "back", 4));
    done(pair[0]);
    done(pair[1]);
}

static void case_recvfrom(void)
{
    char buffer[16] = "";
    int pair[2];

    pair_of(SOCK_DGRAM, pair);
    syscall(SYS_sendto, pair[0], "message", 7, 0, NULL, 0);
    show(syscall(SYS_recvfrom, pair[1], buffer, 3, MSG_PEEK, NULL, NULL));
    show(syscall(SYS_recvfrom, pair[1], buffer, 16, 0, NULL, NULL));
    bytes(buffer, sizeof(buffer));
    done(pair[0]);
    done(pair[1]);
}

static void case_sendmsg(void)
{
    struct iovec iov[2] = {{(char *)"one", 3}, {(char *)"three", 5}};
    struct msghdr message = {.msg_iov = iov, .msg_iovlen = 2};
    int pair[2];

    pair_of(SOCK_SEQPACKET, pair);
    show(syscall(SYS_sendmsg, pair[0], &message, MSG_NOSIGNAL));
    done(pair[0]);
    done(pair[1]);
}

static void case_recvmsg(void)
{
    char a[4] = "", b[16] = "";
    struct iovec iov[2] = {{a, 3}, {b, 10}};
    struct msghdr message = {.msg_iov = iov, .msg_iovlen = 2, .msg_flags = 77};
    int pair[2];

    pair_of(SOCK_DGRAM, pair);
    syscall(SYS_sendto, pair[0], "one two three four", 18, 0, NULL, 0);
    show(syscall(SYS_recvmsg, pair[1], &message, 0));
    bytes(a, sizeof(a));
    bytes(b, sizeof(b));
    put("flags %x, control %zu\n", (unsigned)message.msg_flags, message.msg_controllen);
    done(pair[0]);
    done(pair[1]);
}

/* ---- descriptors --------------------------------------------------------------------------- */

static void case_close(void)
{
    show(syscall(SYS_close, letters()));
    show(syscall(SYS_close, 77));
}

static void case_dup(void)
{
    int fd = letters(), other = (int)show(syscall(SYS_dup, fd));

    show(syscall(SYS_lseek, other, 3, SEEK_SET));
    show(syscall(SYS_lseek, fd, 0, SEEK_CUR));
    show(syscall(SYS_dup, 77));
    done(fd);
    done(other);
}

static void case_dup2(void)
{
    int fd = letters();

    show(syscall(SYS_dup2, fd, 50));
    show(syscall(SYS_dup2, fd, 50));
    show(syscall(SYS_dup2, fd, fd));
    show(syscall(SYS_fcntl, 50, F_GETFD));
    done(fd);
    done(50);
}

static void case_dup3(void)
{
    int fd = letters();

    show(syscall(SYS_dup3, fd, 51, O_CLOEXEC));
    show(syscall(SYS_dup3, fd, fd, 0));
    show(syscall(SYS_fcntl, 51, F_GETFD));
    done(fd);
    done(51);
}

static void case_pipe(void)
{
    int pair[2] = {0, 0};

    show(syscall(SYS_pipe, pair));
    bytes(pair, sizeof(pair));
    done(pair[0]);
    done(pair[1]);
}

static void case_pipe2(void)
{
    int pair[2] = {0, 0};

    show(syscall(SYS_pipe2, pair, O_CLOEXEC | O_NONBLOCK));
    bytes(pair, sizeof(pair));
    show(syscall(SYS_fcntl, pair[0], F_GETFL));
    done(pair[0]);
    done(pair[1]);
}

static void case_fcntl(void)
{
    struct flock lock = {.l_type = F_WRLCK, .l_start = 3, .l_len = 5};
    int fd = letters(), other;

    show(syscall(SYS_fcntl, fd, F_GETFL));
    show(syscall(SYS_fcntl, fd, F_SETFL, O_APPEND));
    show(syscall(SYS_fcntl, fd, F_SETFD, FD_CLOEXEC));
    show(syscall(SYS_fcntl, fd, F_GETFD));
    other = (int)show(syscall(SYS_fcntl, fd, F_DUPFD_CLOEXEC, 20));
    show(syscall(SYS_fcntl, fd, F_SETLK, &lock));
    show(syscall(SYS_fcntl, fd, F_SETLKW, &lock));
    lock.l_type = F_RDLCK;
    show(syscall(SYS_fcntl, other, F_GETLK, &lock));
    bytes(&lock.l_type, sizeof(lock.l_type));
    show(syscall(SYS_fcntl, 77, F_GETFD));
    done(fd);
    done(other);
}

static void case_ioctl(void)
{
    int fd = letters(), count = 77;
    char buffer[64];

    show(syscall(SYS_ioctl, fd, 0x5401 /* TCGETS */, buffer));
    show(syscall(SYS_ioctl, fd, FIONREAD, &count));
    bytes(&count, sizeof(count));
    show(syscall(SYS_ioctl, fd, FIOCLEX));
    show(syscall(SYS_ioctl, 77, FIOCLEX));
    done(fd);
}

static void case_flock(void)
{
    int fd = letters(), other = letters();

    show(syscall(SYS_flock, fd, LOCK_EX));
    show(syscall(SYS_flock, other, LOCK_EX | LOCK_NB));
    show(syscall(SYS_flock, fd, LOCK_UN));
    done(fd);
    done(other);
}

/* ---- paths --------------------------------------------------------------------------------- */

static void case_open(void)
{
    int fd = (int)show(syscall(SYS_open, "opened", O_RDWR | O_CREAT | O_EXCL, 0600));

    show(syscall(SYS_open, "opened", O_RDWR | O_CREAT | O_EXCL, 0600));
    show(syscall(SYS_open, "missing", O_RDONLY));
    done(fd);
    done((int)show(syscall(SYS_open, "opened", O_RDONLY | O_CLOEXEC)));
    done((int)show(syscall(SYS_open, "/dev/null", O_RDWR)));
    syscall(SYS_unlink, "opened");
}

static void case_openat(void)
{
    int fd = (int)show(syscall(SYS_openat, AT_FDCWD, ".", O_RDONLY | O_DIRECTORY));
    int other = (int)show(syscall(SYS_openat, fd, "beside", O_WRONLY | O_CREAT | O_TRUNC, 0644));

    show(syscall(SYS_openat, fd, "missing/too", O_RDONLY));
    done(other);
    done(fd);
    syscall(SYS_unlink, "beside");
}

static void case_creat(void)
{
    done((int)show(syscall(SYS_creat, "made", 0640)));
    syscall(SYS_unlink, "made");
}

/* What does not depend on when and where. */
static void show_stat(long result, const struct stat *st)
{
    struct stat kept = *st;

    show(result);
    if (result < 0)
        return;
    put("mode %o, size %ld, links %lu, blocks known %d\n", st->st_mode,
        S_ISREG(st->st_mode) ? (long)st->st_size : 0, (unsigned long)st->st_nlink,
        st->st_blocks >= 0);
    check(st->st_mtim.tv_sec <= st->st_ctim.tv_sec);
    /* times are those of the clock, which is not the same with other stops */
    memset(&kept.st_atim, 0, sizeof(kept.st_atim));
    memset(&kept.st_mtim, 0, sizeof(kept.st_mtim));
    memset(&kept.st_ctim, 0, sizeof(kept.st_ctim));
    show_raw(result, &kept, sizeof(kept));
}

static void case_stat(void)
{
    struct stat st;

    done(letters());
    show_stat(syscall(SYS_stat, "letters", &st), &st);
    show_stat(syscall(SYS_stat, "missing", &st), &st);
    show_stat(syscall(SYS_stat, "/usr/bin", &st), &st);
    put("%ld\n", (long)st.st_mtim.tv_sec);
}

static void case_lstat(void)
{
    struct stat st;

    syscall(SYS_symlink, "letters", "link");
    show_stat(syscall(SYS_lstat, "link", &st), &st);
    syscall(SYS_unlink, "link");
}

static void case_fstat(void)
{
    struct stat st;
    int fd = letters(), directory = (int)syscall(SYS_open, ".", O_RDONLY);

    show_stat(syscall(SYS_fstat, fd, &st), &st);
    show_stat(syscall(SYS_fstat, directory, &st), &st);
    done(fd);
    done(directory);
}

static void case_newfstatat(void)
{
    struct stat st;
    int fd = letters();

    show_stat(syscall(SYS_newfstatat, AT_FDCWD, "letters", &st, 0), &st);
    show_stat(syscall(SYS_newfstatat, fd, "", &st, AT_EMPTY_PATH), &st);
    done(fd);
}

static void case_statx(void)
{
    struct statx st;
    long result = syscall(SYS_statx, AT_FDCWD, "/usr/bin", 0, STATX_BASIC_STATS | STATX_BTIME, &st);

    show(result);
    put("mode %o, modified %ld\n", st.stx_mode, (long)st.stx_mtime.tv_sec);
    done(letters());
    result = syscall(SYS_statx, AT_FDCWD, "letters", 0, STATX_BASIC_STATS | STATX_BTIME, &st);
    show(result);
    put("mode %o, size %lu\n", st.stx_mode, (unsigned long)st.stx_size);
    show_raw((long)st.stx_ino, &st.stx_dev_major, 8);
    show(syscall(SYS_statx, AT_FDCWD, "missing", 0, STATX_BASIC_STATS, &st));
}

static void case_access(void)
{
    show(syscall(SYS_access, "letters", R_OK));
    show(syscall(SYS_access, "missing", R_OK));
}

static void case_faccessat(void)
{
    show(syscall(SYS_faccessat, AT_FDCWD, "letters", X_OK));
}

static void case_faccessat2(void)
{
    show(syscall(SYS_faccessat2, AT_FDCWD, "letters", W_OK, AT_EACCESS));
}

static void case_readlink(void)
{
    char buffer[16] = "";

    syscall(SYS_symlink, "where/it/leads", "link");
    show(syscall(SYS_readlink, "link", buffer, 5));
    show(syscall(SYS_readlink, "link", buffer, 16));
    show(syscall(SYS_readlink, "letters", buffer, 16));
    bytes(buffer, sizeof(buffer));
    syscall(SYS_unlink, "link");
}

static void case_readlinkat(void)
{
    char buffer[16] = "";

    syscall(SYS_symlink, "leads", "link");
    show(syscall(SYS_readlinkat, AT_FDCWD, "link", buffer, 16));
    bytes(buffer, sizeof(buffer));
    syscall(SYS_unlink, "link");
}

static void case_getcwd(void)
{
    char buffer[4096] = "";

    check(syscall(SYS_getcwd, buffer, sizeof(buffer)) == (long)strlen(buffer) + 1);
    show(syscall(SYS_getcwd, buffer, 1));
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void case_getdents64(void)
{
    struct entry {
        uint64_t inode;
        int64_t offset;
        uint16_t length;
        uint8_t type;
        char name[];
    };
    static char buffer[4096];
    const char *names[32];
    size_t count = 0;
    int fd;
    long got;

    syscall(SYS_mkdir, "directory", 0755);
    for (int i = 0; i < 9; i++) {
        char path[32];

        snprintf(path, sizeof(path), "directory/%c%d", "qwertyuio"[i], i);
        done((int)syscall(SYS_open, path, O_CREAT | O_WRONLY, 0600));
    }
    fd = (int)syscall(SYS_open, "directory", O_RDONLY | O_DIRECTORY);
    got = show(syscall(SYS_getdents64, fd, buffer, sizeof(buffer)));
    show(syscall(SYS_getdents64, fd, buffer + 2048, 2048));
    for (long at = 0; at < got;) {
        const struct entry *e = (const void *)(buffer + at);

        names[count++] = e->name;
        at += e->length;
    }
    if (raw)
        bytes(buffer, (size_t)got);
    qsort(names, count, sizeof(*names), by_name);
    for (size_t i = 0; i < count; i++)
        put("%s ", names[i]);
    put("\n");
    show(syscall(SYS_lseek, fd, 0, SEEK_SET));
    show(syscall(SYS_getdents64, fd, buffer, sizeof(buffer)));
    done(fd);
    for (size_t i = 0; i < 9; i++) {
        char path[32];

        snprintf(path, sizeof(path), "directory/%c%zu", "qwertyuio"[i], i);
        syscall(SYS_unlink, path);
    }
    syscall(SYS_rmdir, "directory");
}

static void case_unlink(void)
{
    done((int)syscall(SYS_creat, "gone", 0600));
    show(syscall(SYS_unlink, "gone"));
    show(syscall(SYS_unlink, "gone"));
}

static void case_rmdir(void)
{
    syscall(SYS_mkdir, "gone", 0700);
    show(syscall(SYS_rmdir, "gone"));
    show(syscall(SYS_rmdir, "gone"));
}

static void case_mkdir(void)
{
    show(syscall(SYS_mkdir, "new", 0700));
    show(syscall(SYS_mkdir, "new", 0700));
    syscall(SYS_rmdir, "new");
}

static void case_chmod(void)
{
    show(syscall(SYS_chmod, "letters", 0600));
    show(syscall(SYS_chmod, "missing", 0600));
}

static void case_chown(void)
{
    show(syscall(SYS_chown, "letters", getuid(), getgid()));
}

static void case_lchown(void)
{
    show(syscall(SYS_lchown, "letters", -1, -1));
}

static void case_rename(void)
{
    show(syscall(SYS_rename, "letters", "renamed"));
    show(syscall(SYS_rename, "letters", "renamed"));
    show(syscall(SYS_rename, "renamed", "letters"));
}

static void case_link(void)
{
    show(syscall(SYS_link, "letters", "second"));
    show(syscall(SYS_link, "letters", "second"));
    syscall(SYS_unlink, "second");
}

static void case_symlink(void)
{
    show(syscall(SYS_symlink, "letters", "soft"));
    show(syscall(SYS_symlink, "letters", "soft"));
    syscall(SYS_unlink, "soft");
}

static void case_unlinkat(void)
{
    syscall(SYS_mkdir, "gone", 0700);
    show(syscall(SYS_unlinkat, AT_FDCWD, "gone", AT_REMOVEDIR));
    show(syscall(SYS_unlinkat, AT_FDCWD, "gone", 0));
}

static void case_mkdirat(void)
{
    int fd = (int)syscall(SYS_open, ".", O_RDONLY);

    show(syscall(SYS_mkdirat, fd, "new", 0700));
    syscall(SYS_rmdir, "new");
    done(fd);
}

static void case_fchmodat(void)
{
    show(syscall(SYS_fchmodat, AT_FDCWD, "letters", 0640));
}

static void case_fchownat(void)
{
    show(syscall(SYS_fchownat, AT_FDCWD, "letters", -1, -1, 0));
}

static void case_utimensat(void)
{
    struct timespec times[2] = {{1000000, 0}, {2000000, 5}};
    struct stat st;

    show(syscall(SYS_utimensat, AT_FDCWD, "letters", times, 0));
    syscall(SYS_stat, "letters", &st);
    put("%ld.%09ld\n", (long)st.st_mtim.tv_sec, st.st_mtim.tv_nsec);
}

static void case_renameat(void)
{
    show(syscall(SYS_renameat, AT_FDCWD, "letters", AT_FDCWD, "renamed"));
    show(syscall(SYS_renameat, AT_FDCWD, "renamed", AT_FDCWD, "letters"));
}

static void case_renameat2(void)
{
    show(syscall(SYS_renameat2, AT_FDCWD, "letters", AT_FDCWD, "letters", 1 /* RENAME_NOREPLACE */));
}

static void case_linkat(void)
{
    show(syscall(SYS_linkat, AT_FDCWD, "letters", AT_FDCWD, "second", 0));
    syscall(SYS_unlink, "second");
}

static void case_symlinkat(void)
{
    show(syscall(SYS_symlinkat, "letters", AT_FDCWD, "soft"));
    syscall(SYS_unlink, "soft");
}

static void case_fchmod(void)
{
    int fd = letters();

    show(syscall(SYS_fchmod, fd, 0644));
    done(fd);
}

static void case_fchown(void)
{
    int fd = letters();

    show(syscall(SYS_fchown, fd, -1, -1));
    done(fd);
}

/* Afterwards relative paths are traced until the recorder has looked: the last case. */
static void case_chdir(void)
{
    syscall(SYS_mkdir, "sub", 0700);
    show(syscall(SYS_chdir, "missing"));
    show(syscall(SYS_chdir, "sub"));
}

/* ---- who and how much ---------------------------------------------------------------------- */

static void case_getpid(void)
{
    long pid = syscall(SYS_getpid);

    check(pid > 1);
    show_raw(pid, NULL, 0);
}

static void case_gettid(void)
{
    show_raw(syscall(SYS_gettid), NULL, 0);
}

static void case_getppid(void)
{
    show_raw(syscall(SYS_getppid), NULL, 0);
}

static void case_getuid(void)
{
    show(syscall(SYS_getuid));
}

static void case_geteuid(void)
{
    show(syscall(SYS_geteuid));
}

static void case_getgid(void)
{
    show(syscall(SYS_getgid));
}

static void case_getegid(void)
{
    show(syscall(SYS_getegid));
}

static void case_getpgrp(void)
{
    show_raw(syscall(SYS_getpgrp), NULL, 0);
}

static void case_umask(void)
{
    show(syscall(SYS_umask, 027));
    show(syscall(SYS_umask, 022));
}

static void case_getrlimit(void)
{
    struct rlimit limit = {1, 1};

    show(syscall(SYS_getrlimit, RLIMIT_STACK, &limit));
    bytes(&limit, sizeof(limit));
    show(syscall(SYS_getrlimit, 77, &limit));
}

static void case_prlimit64(void)
{
    struct rlimit limit = {1, 1};

    show(syscall(SYS_prlimit64, 0, RLIMIT_CORE, NULL, &limit));
    bytes(&limit, sizeof(limit));
}

static void case_uname(void)
{
    struct utsname name;

    memset(&name, 0, sizeof(name));
    show(syscall(SYS_uname, &name));
    put("%s %s\n", name.sysname, name.machine);
}

static void case_sched_yield(void)
{
    show(syscall(SYS_sched_yield));
}

static void case_sched_getaffinity(void)
{
    uint64_t mask[16] = {0};

    show_raw(syscall(SYS_sched_getaffinity, 0, sizeof(mask), mask), mask, sizeof(mask));
}

static void case_getcpu(void)
{
    unsigned cpu = 77, node = 77;

    check(syscall(SYS_getcpu, &cpu, &node, NULL) == 0 && cpu != 77 && node != 77);
}

static void case_set_tid_address(void)
{
    static int word;

    show_raw(syscall(SYS_set_tid_address, &word), NULL, 0);
}

static void case_set_robust_list(void)
{
    static struct {
        void *next;
        long offset;
        void *pending;
    } head;

    head.next = &head;
    show(syscall(SYS_set_robust_list, &head, sizeof(head)));
    show(syscall(SYS_set_robust_list, &head, 5));
}

static void case_rseq(void)
{
    check(syscall(SYS_rseq, NULL, 0, 0, 0) < 0);
}

static void case_arch_prctl(void)
{
    unsigned long base;

    __asm__("mov %%fs:0, %0" : "=r"(base));
    show(syscall(SYS_arch_prctl, 0x1002 /* ARCH_SET_FS */, base));
}

static void case_getrandom(void)
{
    char buffer[40] = "";

    show_raw(syscall(SYS_getrandom, buffer, 13, 0), buffer, sizeof(buffer));
    show_raw(syscall(SYS_getrandom, buffer, 8, 1 /* GRND_NONBLOCK */), buffer, sizeof(buffer));
    show(syscall(SYS_getrandom, buffer, 0, 0));
}

/* ---- time ---------------------------------------------------------------------------------- */

static void case_clock_gettime(void)
{
    struct timespec a, b;

    for (int id = CLOCK_REALTIME; id <= CLOCK_BOOTTIME; id++) {
        if (id == CLOCK_PROCESS_CPUTIME_ID || id == CLOCK_THREAD_CPUTIME_ID)
            continue;
        check(syscall(SYS_clock_gettime, id, &a) == 0 && syscall(SYS_clock_gettime, id, &b) == 0 &&
              (b.tv_sec > a.tv_sec || (b.tv_sec == a.tv_sec && b.tv_nsec >= a.tv_nsec)));
    }
}

static void case_clock_getres(void)
{
    struct timespec a = {7, 7};

    show(syscall(SYS_clock_getres, CLOCK_MONOTONIC, &a));
    bytes(&a, sizeof(a));
    show(syscall(SYS_clock_getres, CLOCK_REALTIME, NULL));
}

static void case_gettimeofday(void)
{
    struct timeval a = {0, 0};

    check(syscall(SYS_gettimeofday, &a, NULL) == 0 && a.tv_sec > 1000000000 && a.tv_usec < 1000000);
}

static void case_time(void)
{
    long value = 0;

    check(syscall(SYS_time, &value) == value && value > 1000000000);
    check(syscall(SYS_time, NULL) >= value);
}

/* ---- waiting ------------------------------------------------------------------------------- */

static void case_futex(void)
{
    uint32_t word = 5;

    show(syscall(SYS_futex, &word, FUTEX_WAKE | FUTEX_PRIVATE_FLAG, 1));
    show(syscall(SYS_futex, &word, FUTEX_WAKE_BITSET, 1, NULL, NULL, 3));
    show(syscall(SYS_futex, &word, FUTEX_WAIT | FUTEX_PRIVATE_FLAG, 4, NULL));
    show(syscall(SYS_futex, &word, FUTEX_WAIT_BITSET, 4, NULL, NULL, -1));
}

static void case_poll(void)
{
    struct pollfd list[3] = {{.events = POLLIN, .revents = 77}, {.events = POLLIN}, {.fd = -1}};
    int pair[2];

    syscall(SYS_pipe2, pair, 0);
    list[0].fd = pair[0];
    list[1].fd = 77;
    show(syscall(SYS_poll, list, 1, 0));
    syscall(SYS_write, pair[1], "a", 1);
    show(syscall(SYS_poll, list, 3, -1));
    bytes(list, sizeof(list));
    done(pair[0]);
    done(pair[1]);
}

static void case_ppoll(void)
{
    struct pollfd list = {.events = POLLOUT};
    struct timespec timeout = {3, 7};
    int pair[2];

    syscall(SYS_pipe2, pair, 0);
    list.fd = pair[1];
    show(syscall(SYS_ppoll, &list, 1, NULL, NULL, 8));
    bytes(&list, sizeof(list));
    timeout = (struct timespec){0, 0};
    list.fd = pair[0];
    list.events = POLLIN;
    show(syscall(SYS_ppoll, &list, 1, &timeout, NULL, 8));
    done(pair[0]);
    done(pair[1]);
}

static void case_select(void)
{
    struct timeval timeout = {0, 0};
    fd_set in, out;
    int pair[2];

    syscall(SYS_pipe2, pair, 0);
    FD_ZERO(&in);
    FD_ZERO(&out);
    FD_SET(pair[0], &in);
    FD_SET(pair[1], &out);
    show(syscall(SYS_select, pair[1] + 1, &in, &out, NULL, NULL));
    bytes(&in, 8);
    bytes(&out, 8);
    FD_SET(pair[0], &in);
    show(syscall(SYS_select, pair[1] + 1, &in, NULL, NULL, &timeout));
    bytes(&in, 8);
    done(pair[0]);
    done(pair[1]);
}

static int watched(int *pair)
{
    struct epoll_event event = {.events = EPOLLIN, .data.u64 = 12345};
    int fd = (int)syscall(SYS_epoll_create1, 0);

    syscall(SYS_pipe2, pair, 0);
    syscall(SYS_epoll_ctl, fd, EPOLL_CTL_ADD, pair[0], &event);
    return fd;
}

static void unwatched(int fd, const int *pair)
{
    done(fd);
    done(pair[0]);
    done(pair[1]);
}

static void case_epoll_create1(void)
{
    done((int)show(syscall(SYS_epoll_create1, EPOLL_CLOEXEC)));
    show(syscall(SYS_epoll_create1, 1));
}

static void case_epoll_ctl(void)
{
    struct epoll_event event = {.events = EPOLLOUT};
    int pair[2], fd = watched(pair);

    show(syscall(SYS_epoll_ctl, fd, EPOLL_CTL_ADD, pair[0], &event));
    show(syscall(SYS_epoll_ctl, fd, EPOLL_CTL_MOD, pair[0], &event));
    show(syscall(SYS_epoll_ctl, fd, EPOLL_CTL_DEL, pair[0], NULL));
    unwatched(fd, pair);
}

static void case_epoll_wait(void)
{
    struct epoll_event events[4];
    int pair[2], fd = watched(pair);

    memset(events, 0, sizeof(events));
    show(syscall(SYS_epoll_wait, fd, events, 4, 0));
    syscall(SYS_write, pair[1], "a", 1);
    show(syscall(SYS_epoll_wait, fd, events, 4, 1000));
    bytes(events, sizeof(events));
    unwatched(fd, pair);
}

static void case_epoll_pwait(void)
{
    struct epoll_event events[4];
    int pair[2], fd = watched(pair);

    memset(events, 0, sizeof(events));
    syscall(SYS_write, pair[1], "a", 1);
    show(syscall(SYS_epoll_pwait, fd, events, 4, -1, NULL, 8));
    bytes(events, sizeof(events));
    unwatched(fd, pair);
}

/* ---- signals ------------------------------------------------------------------------------- */

static void handler(int signal)
{
    (void)signal;
}

static void case_rt_sigaction(void)
{
    struct {
        void (*handler)(int);
        unsigned long flags;
        void *restorer;
        uint64_t mask;
    } wanted = {handler, SA_RESTART, NULL, 6}, old;

    memset(&old, 77, sizeof(old));
    show(syscall(SYS_rt_sigaction, SIGUSR2, &wanted, &old, 8));
    bytes(&old, sizeof(old));
    wanted.handler = SIG_DFL;
    show(syscall(SYS_rt_sigaction, SIGUSR2, &wanted, &old, 8));
    check(old.handler == handler && old.flags == SA_RESTART && old.mask == 6);
}

static void case_rt_sigprocmask(void)
{
    uint64_t set = 1ull << (SIGUSR1 - 1) | 1ull << (SIGKILL - 1), old = 77;

    show(syscall(SYS_rt_sigprocmask, SIG_BLOCK, &set, &old, 8));
    bytes(&old, sizeof(old));
    show(syscall(SYS_rt_sigprocmask, SIG_SETMASK, &old, &set, 8));
    bytes(&set, sizeof(set));
}

static void case_sigaltstack(void)
{
    static char space[16384];
    stack_t stack = {.ss_sp = space, .ss_size = sizeof(space)}, old;

    memset(&old, 0, sizeof(old));
    show(syscall(SYS_sigaltstack, &stack, &old));
    bytes(&old, sizeof(old));
    stack.ss_flags = SS_DISABLE;
    show(syscall(SYS_sigaltstack, &stack, &old));
    check(old.ss_sp == space && old.ss_size == sizeof(space) && old.ss_flags == 0);
}

/* ---- memory -------------------------------------------------------------------------------- */

static void case_brk(void)
{
    long before = syscall(SYS_brk, 0), after = syscall(SYS_brk, before + 8192);

    check(after == before + 8192);
    memset((void *)before, 5, 8192);
    check(syscall(SYS_brk, before) == before);
}

static char *pages(size_t length)
{
    return (char *)syscall(SYS_mmap, NULL, length, PROT_READ | PROT_WRITE,
                           MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

static void case_mmap(void)
{
    int fd = (int)syscall(SYS_open, "/usr/share/common-licenses/GPL-2", O_RDONLY), zero;
    char *a = pages(8192), *b;

    a[0] = 5;
    b = (char *)syscall(SYS_mmap, a, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    check(a == b);
    if (fd >= 0) {
        b = (char *)syscall(SYS_mmap, NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 4096);
        bytes(b, 64);
        memset(b, 7, 10);
        b = (char *)syscall(SYS_mmap, a, 4096, PROT_READ, MAP_PRIVATE | MAP_FIXED, fd, 0);
        check(a == b);
        bytes(a, 64);
        done(fd);
    }
    zero = (int)syscall(SYS_open, "missing", O_RDONLY);
    check(zero < 0);
}

static void case_munmap(void)
{
    char *a = pages(12288);

    show(syscall(SYS_munmap, a + 4096, 4096));
    show(syscall(SYS_munmap, a + 1, 4096));
    show(syscall(SYS_munmap, a, 12288));
}

static void case_mprotect(void)
{
    char *a = pages(8192);

    a[4096] = 5;
    show(syscall(SYS_mprotect, a + 4096, 4096, PROT_READ));
    show(syscall(SYS_mprotect, a + 1, 4096, PROT_READ));
    put("%d\n", a[4096]);
}

static void case_mremap(void)
{
    char *a = pages(8192), *b;

    a[0] = 5;
    b = (char *)syscall(SYS_mremap, a, 8192, 1 << 20, MREMAP_MAYMOVE);
    b[100000] = 6;
    put("%d %d\n", b[0], b[100000]);
    check((char *)syscall(SYS_mremap, b, 1 << 20, 4096, 0) == b);
    syscall(SYS_munmap, b, 4096);
}

static void case_madvise(void)
{
    char *a = pages(8192);

    a[0] = a[4096] = 5;
    show(syscall(SYS_madvise, a, 4096, MADV_DONTNEED));
    show(syscall(SYS_madvise, a, 8192, MADV_SEQUENTIAL));
    show(syscall(SYS_madvise, a + 1, 8192, MADV_DONTNEED));
    put("%d %d\n", a[0], a[4096]);
    syscall(SYS_munmap, a, 8192);
}

static const struct {
    const char *name;
    void (*run)(void);
} cases[] = {
#define CALL(name, handler, needs) {#name, case_##name},
#include "recorder/blob/calls.def"
#undef CALL
};

int main(int argc, char **argv)
{
    char place[4096];

    raw = argc > 1 && strcmp(argv[1], "raw") == 0;
    if (argc > 1 && strcmp(argv[1], "names") == 0) {
        for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
            puts(cases[i].name);
        return 0;
    }
    snprintf(place, sizeof(place), "%s/work", getenv("TMPDIR"));
    if (mkdir(place, 0755) != 0 || chdir(place) != 0)
        return 1;
    done(letters());
    for (int last = 0; last < 2; last++) {
        for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
            now = cases[i].name;
            if (last == (strcmp(now, "chdir") == 0))
                cases[i].run();
        }
    }
    for (size_t at = 0; at < used;)
        at += (size_t)syscall(SYS_write, 1, text + at, used - at < 4096 ? used - at : 4096);
    return 0;
}
