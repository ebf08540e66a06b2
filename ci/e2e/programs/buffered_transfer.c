/* Cases of buffered.c: reading, writing, sockets, descriptors. */
#include "buffered.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

/* ---- files --------------------------------------------------------------------------------- */

int letters(void)
{
    int fd = (int)syscall(SYS_openat, AT_FDCWD, "letters", O_RDWR | O_CREAT | O_TRUNC, 0644);

    syscall(SYS_write, fd, "abcdefghijklmnopqrstuvwxyz", 26);
    syscall(SYS_lseek, fd, 0, SEEK_SET);
    return fd;
}

void done(int fd)
{
    syscall(SYS_close, fd);
}

void case_read(void)
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

void case_write(void)
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

void case_pread64(void)
{
    char buffer[16] = "";
    int fd = letters();

    show(syscall(SYS_pread64, fd, buffer, 10, 20));
    show(syscall(SYS_pread64, fd, buffer, 10, 30));
    bytes(buffer, sizeof(buffer));
    done(fd);
}

void case_pwrite64(void)
{
    char buffer[32] = "";
    int fd = letters();

    show(syscall(SYS_pwrite64, fd, "12345", 5, 3));
    syscall(SYS_read, fd, buffer, 32);
    bytes(buffer, sizeof(buffer));
    done(fd);
}

void case_readv(void)
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

void case_writev(void)
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

void case_preadv(void)
{
    char a[4] = "", b[16] = "";
    struct iovec iov[2] = {{a, 3}, {b, 5}};
    int fd = letters();

    show(syscall(SYS_preadv, fd, iov, 2, 21, 0));
    bytes(a, sizeof(a));
    bytes(b, sizeof(b));
    done(fd);
}

void case_pwritev(void)
{
    struct iovec iov[2] = {{(char *)"one", 3}, {(char *)"three", 5}};
    char buffer[32] = "";
    int fd = letters();

    show(syscall(SYS_pwritev, fd, iov, 2, 10, 0));
    syscall(SYS_read, fd, buffer, 32);
    bytes(buffer, sizeof(buffer));
    done(fd);
}

void case_lseek(void)
{
    int fd = letters();

    show(syscall(SYS_lseek, fd, -5, SEEK_END));
    show(syscall(SYS_lseek, fd, -50, SEEK_CUR));
    done(fd);
}

void case_fsync(void)
{
    int fd = letters();

    show(syscall(SYS_fsync, fd));
    done(fd);
}

void case_fdatasync(void)
{
    int fd = letters();

    show(syscall(SYS_fdatasync, fd));
    done(fd);
}

void case_ftruncate(void)
{
    int fd = letters();

    show(syscall(SYS_ftruncate, fd, 5));
    show(syscall(SYS_lseek, fd, 0, SEEK_END));
    done(fd);
}

void case_fadvise64(void)
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

void case_socketpair(void)
{
    int pair[2] = {0, 0};

    show(syscall(SYS_socketpair, AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair));
    bytes(pair, sizeof(pair));
    show(syscall(SYS_socketpair, AF_UNIX, 99, 0, pair));
    done(pair[0]);
    done(pair[1]);
}

void case_sendto(void)
{
    int pair[2];

    pair_of(SOCK_STREAM, pair);
    show(syscall(SYS_sendto, pair[0], "message", 7, 0, NULL, 0));
    show(syscall(SYS_sendto, pair[0], "message", 7, MSG_DONTWAIT | MSG_NOSIGNAL, NULL, 0));
    show(syscall(SYS_write, pair[1], "back", 4));
    done(pair[0]);
    done(pair[1]);
}

void case_recvfrom(void)
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

void case_sendmsg(void)
{
    struct iovec iov[2] = {{(char *)"one", 3}, {(char *)"three", 5}};
    struct msghdr message = {.msg_iov = iov, .msg_iovlen = 2};
    int pair[2];

    pair_of(SOCK_SEQPACKET, pair);
    show(syscall(SYS_sendmsg, pair[0], &message, MSG_NOSIGNAL));
    done(pair[0]);
    done(pair[1]);
}

void case_recvmsg(void)
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

void case_close(void)
{
    show(syscall(SYS_close, letters()));
    show(syscall(SYS_close, 77));
}

void case_dup(void)
{
    int fd = letters(), other = (int)show(syscall(SYS_dup, fd));

    show(syscall(SYS_lseek, other, 3, SEEK_SET));
    show(syscall(SYS_lseek, fd, 0, SEEK_CUR));
    show(syscall(SYS_dup, 77));
    done(fd);
    done(other);
}

void case_dup2(void)
{
    int fd = letters();

    show(syscall(SYS_dup2, fd, 50));
    show(syscall(SYS_dup2, fd, 50));
    show(syscall(SYS_dup2, fd, fd));
    show(syscall(SYS_fcntl, 50, F_GETFD));
    done(fd);
    done(50);
}

void case_dup3(void)
{
    int fd = letters();

    show(syscall(SYS_dup3, fd, 51, O_CLOEXEC));
    show(syscall(SYS_dup3, fd, fd, 0));
    show(syscall(SYS_fcntl, 51, F_GETFD));
    done(fd);
    done(51);
}

void case_pipe(void)
{
    int pair[2] = {0, 0};

    show(syscall(SYS_pipe, pair));
    bytes(pair, sizeof(pair));
    done(pair[0]);
    done(pair[1]);
}

void case_pipe2(void)
{
    int pair[2] = {0, 0};

    show(syscall(SYS_pipe2, pair, O_CLOEXEC | O_NONBLOCK));
    bytes(pair, sizeof(pair));
    show(syscall(SYS_fcntl, pair[0], F_GETFL));
    done(pair[0]);
    done(pair[1]);
}

void case_fcntl(void)
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

void case_ioctl(void)
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

void case_flock(void)
{
    int fd = letters(), other = letters();

    show(syscall(SYS_flock, fd, LOCK_EX));
    show(syscall(SYS_flock, other, LOCK_EX | LOCK_NB));
    show(syscall(SYS_flock, fd, LOCK_UN));
    done(fd);
    done(other);
}
