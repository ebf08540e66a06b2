/* Sizes of traces on the disk. */
#include "recorder/trace/size.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "recorder/base/file.h"

#define BLOCK 512 /* the unit of st_blocks, whatever the file system's is */

static void count(const struct stat *status, struct trace_size *size)
{
    uint64_t bytes = (uint64_t)status->st_blocks * BLOCK;

    if (!S_ISDIR(status->st_mode) && status->st_nlink > 1)
        size->shared += bytes;
    else
        size->own += bytes;
}

static int count_directory(int parent, const char *name, struct trace_size *size)
{
    int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *stream = fd >= 0 ? fdopendir(fd) : NULL;
    struct dirent *entry;
    struct stat status;

    if (!stream) {
        int error = -errno;

        close_fd(&fd);
        return error;
    }
    if (fstat(fd, &status) == 0)
        count(&status, size);
    while ((entry = readdir(stream))) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0 ||
            fstatat(fd, entry->d_name, &status, AT_SYMLINK_NOFOLLOW) < 0)
            continue;
        if (!S_ISDIR(status.st_mode))
            count(&status, size);
    }
    closedir(stream);
    return 0;
}

int trace_disk_size(const char *directory, struct trace_size *ret)
{
    cleanup_fd int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct trace_size size = {0};
    int error;

    if (fd < 0)
        return -errno;
    error = count_directory(fd, ".", &size);
    if (!error)
        error = count_directory(fd, "images", &size);
    if (error && error != -ENOENT)
        return error;
    *ret = size;
    return 0;
}
