/* Small wrappers over read/write/open with our error convention. */
#include "recorder/base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

void close_fd(int *fd)
{
    if (*fd >= 0) {
        int saved = errno;

        close(*fd);
        errno = saved;
    }
    *fd = -1;
}

int file_write_all(int fd, const void *data, size_t length)
{
    const char *at = data;

    while (length > 0) {
        ssize_t n = write(fd, at, length);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        at += n;
        length -= (size_t)n;
    }
    return 0;
}

int file_pread_all(int fd, void *data, size_t length, uint64_t offset)
{
    char *at = data;

    while (length > 0) {
        ssize_t n = pread(fd, at, length, (off_t)offset);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        if (n == 0)
            return -ENODATA;
        at += n;
        offset += (uint64_t)n;
        length -= (size_t)n;
    }
    return 0;
}

int file_pwrite_all(int fd, const void *data, size_t length, uint64_t offset)
{
    const char *at = data;

    while (length > 0) {
        ssize_t n = pwrite(fd, at, length, (off_t)offset);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        at += n;
        offset += (uint64_t)n;
        length -= (size_t)n;
    }
    return 0;
}

int file_read_path(const char *path, struct bytes *ret)
{
    cleanup_fd int fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        return -errno;
    for (;;) {
        uint8_t *at = bytes_extend(ret, 65536);
        ssize_t n = read(fd, at, 65536);

        ret->length -= 65536 - (n > 0 ? (size_t)n : 0);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        if (n == 0)
            return 0;
    }
}

int file_copy(int from, int to)
{
    uint64_t offset = 0;

    if (ioctl(to, FICLONE, from) == 0)
        return 0;
    for (;;) {
        char buffer[65536];
        ssize_t n = pread(from, buffer, sizeof(buffer), (off_t)offset);
        int error;

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        if (n == 0)
            return 0;
        error = file_write_all(to, buffer, (size_t)n);
        if (error)
            return error;
        offset += (uint64_t)n;
    }
}

int file_make_directories(const char *path, mode_t mode)
{
    char copy[PATH_MAX];
    size_t length = strlen(path);
    struct stat status;

    if (length == 0 || length >= sizeof(copy))
        return -ENAMETOOLONG;
    memcpy(copy, path, length + 1);
    for (size_t i = 1; i <= length; i++) {
        if (copy[i] != '/' && copy[i] != '\0')
            continue;
        char saved = copy[i];

        copy[i] = '\0';
        if (mkdir(copy, mode) < 0 && errno != EEXIST)
            return -errno;
        copy[i] = saved;
    }
    if (stat(path, &status) < 0)
        return -errno;
    return S_ISDIR(status.st_mode) ? 0 : -ENOTDIR;
}
