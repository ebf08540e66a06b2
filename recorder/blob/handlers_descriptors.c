/* Calls about descriptors. */
#include <fcntl.h>
#include <sys/ioctl.h>

#include "recorder/blob/handlers.h"

int64_t blob_close(const struct blob_frame *f)
{
    uint8_t *fd = blob_fd(f->argument[0]);

    /* a pipe's end that goes may wake somebody */
    if (!*fd || !blob_may(f, *fd & PAGE_FD_STREAM ? PAGE_SWITCH_STREAMS : 0, 0))
        return BLOB_DECLINE;
    *fd = 0;
    return blob_answer(f, blob_pass(f));
}

int64_t blob_fcntl(const struct blob_frame *f)
{
    switch ((int)f->argument[1]) {
    case F_GETFD:
    case F_SETFD:
    case F_GETFL:
        if (*blob_fd(f->argument[0]) && blob_may(f, 0, 0))
            return blob_answer(f, blob_pass(f));
        return BLOB_DECLINE;
    default:
        return BLOB_DECLINE;
    }
}

/* Is it a terminal? No. */
int64_t blob_ioctl(const struct blob_frame *f)
{
    if (f->argument[1] != 0x5401 /* TCGETS */ && f->argument[1] != 0x5413 /* TIOCGWINSZ */)
        return BLOB_DECLINE;
    if (!(*blob_fd(f->argument[0]) & (PAGE_FD_FILE | PAGE_FD_NULL | PAGE_FD_STREAM)) ||
        !blob_may(f, 0, 0))
        return BLOB_DECLINE;
    return blob_answer(f, blob_pass(f));
}
