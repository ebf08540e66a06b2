/* Where the nameless file lies, and how large it may become. */
#include "recorder/trace/spill.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statfs.h>
#include <unistd.h>

#include "recorder/base/file.h"

/* open(2), O_TMPFILE: not every file system can. */
static int open_nameless(const char *directory)
{
    int fd = open(directory, O_TMPFILE | O_RDWR | O_EXCL | O_CLOEXEC, 0600);
    char *path;

    if (fd >= 0 || (errno != EOPNOTSUPP && errno != EISDIR && errno != ENOENT))
        return fd < 0 ? -errno : fd;
    if (asprintf(&path, "%s/rrtest-XXXXXX", directory) < 0)
        return -ENOMEM;
    fd = mkostemp(path, O_CLOEXEC);
    if (fd < 0)
        fd = -errno;
    else
        unlink(path);
    free(path);
    return fd;
}

static int open_in(const char *directory, bool memory, struct spill *ret)
{
    struct statfs st;
    int fd;

    if (statfs(directory, &st) < 0)
        return -errno;
    if (!memory && (st.f_type == TMPFS_MAGIC || st.f_type == RAMFS_MAGIC))
        return -ENODEV;
    fd = open_nameless(directory);
    if (fd < 0)
        return fd;
    *ret = (struct spill){.fd = fd, .room = (uint64_t)st.f_bavail * (uint64_t)st.f_bsize / 2};
    return 0;
}

int spill_open(const char *directory, struct spill *ret, char **ret_where)
{
    const char *const places[] = {directory, getenv("TMPDIR"), "/var/tmp"};
    const char *where = "/var/tmp";
    int error = -ENOENT;

    for (int memory = 0; memory < 2 && error; memory++) {
        for (size_t i = 0; i < sizeof(places) / sizeof(*places) && error; i++) {
            int result = places[i] ? open_in(places[i], memory, ret) : -ENODEV;

            if (result == -ENODEV)
                continue;
            error = result;
            where = places[i];
        }
    }
    *ret_where = strdup(where);
    return error;
}

int spill_append(struct spill *spill, const void *data, size_t length)
{
    int error;

    if (length > spill->room)
        return -ENOSPC;
    error = file_write_all(spill->fd, data, length);
    if (error) {
        if (ftruncate(spill->fd, (off_t)spill->length) < 0 ||
            lseek(spill->fd, (off_t)spill->length, SEEK_SET) < 0)
            return -errno;
        return error;
    }
    spill->length += length;
    spill->room -= length;
    return 0;
}

void spill_close(struct spill *spill)
{
    close_fd(&spill->fd);
}
