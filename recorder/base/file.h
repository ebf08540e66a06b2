/* File descriptors: take, close without retry, cleanup attribute; whole-file helpers. */
#ifndef RECORDER_BASE_FILE_H
#define RECORDER_BASE_FILE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "recorder/base/bytes.h"

static inline int take_fd(int *fd)
{
    int value = *fd;

    *fd = -1;
    return value;
}

void close_fd(int *fd); /* close if >= 0 and set to -1; errno preserved; never retried (close(2)) */
#define cleanup_fd __attribute__((cleanup(close_fd)))

/* All of: loops over short counts and EINTR. 0 or negative errno; -ENODATA at early end of file. */
int file_write_all(int fd, const void *data, size_t length);
int file_pread_all(int fd, void *data, size_t length, uint64_t offset);
int file_pwrite_all(int fd, const void *data, size_t length, uint64_t offset);
/* Appends the whole file. 0 or negative errno. */
int file_read_path(const char *path, struct bytes *ret);
/* Copy everything from one fd's start to another's current position; reflink where possible. */
int file_copy(int from, int to);
/* mkdir -p. -ENOTDIR: a file stands there. */
int file_make_directories(const char *path, mode_t mode);

#endif
