/* memfds that are emptied behind the writer's back. */
#include "harness/run/sink.h"

#include <errno.h>

#include <fcntl.h>
#include <linux/falloc.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "recorder/base/file.h"

#define SINK_BYTES_MAX (16 << 20)

int sink_open(struct sink *sink)
{
    sink->fd = memfd_create("output", MFD_CLOEXEC);
    return sink->fd < 0 ? -errno : 0;
}

void sink_reset(struct sink *sink)
{
    if (lseek(sink->fd, 0, SEEK_CUR) == 0)
        return;
    lseek(sink->fd, 0, SEEK_SET);
    if (ftruncate(sink->fd, 0) < 0)
        lseek(sink->fd, 0, SEEK_END);
}

/* A hole leaves size and offset as they are: the writer does not notice. */
void sink_trim(struct sink *sink)
{
    struct stat status;

    if (fstat(sink->fd, &status) == 0 && (uint64_t)status.st_blocks * 512 > SINK_BYTES_MAX)
        (void)fallocate(sink->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, status.st_size);
}

void sink_close(struct sink *sink)
{
    close_fd(&sink->fd);
}
