/* Calls about descriptors. */
#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "recorder/blob/handlers.h"

/* A pipe's or socket's end that goes may wake somebody; so may who knows what. */
static bool may_go(const struct blob_frame *f, uint64_t fd)
{
    uint8_t what = *blob_fd(fd);

    if (blob_fd_is_kept(fd))
        return false;
    return what & (PAGE_FD_STREAM | PAGE_FD_OTHER) ? blob_may_stream(f, fd, 0) : blob_may(f, 0, 0);
}

static bool is_ours(uint64_t fd)
{
    return (uint32_t)fd == RECORDER_TRACEE_FD || (uint32_t)fd == RECORDER_TRACEE_FD + 1;
}

/* EBADF of a number that means nothing. */
static int64_t answer_closed(const struct blob_frame *f)
{
    if (!blob_may(f, 0, 0) || !blob_fd_is_closed(f->argument[0]))
        return BLOB_DECLINE;
    return blob_answer(f, -EBADF);
}

int64_t blob_close(const struct blob_frame *f)
{
    if (!*blob_fd(f->argument[0]))
        return answer_closed(f);
    if (!may_go(f, f->argument[0]))
        return BLOB_DECLINE;
    blob_fd_set(f->argument[0], 0, 0);
    return blob_answer(f, blob_pass(f));
}

static int64_t duplicated(const struct blob_frame *f, int64_t result)
{
    uint32_t *from = blob_fd_info(f->argument[0]);

    if (result >= 0 && (uint64_t)result != f->argument[0])
        blob_fd_set((uint64_t)result, *blob_fd(f->argument[0]), from ? *from : 0);
    return blob_answer(f, result);
}

int64_t blob_dup(const struct blob_frame *f)
{
    if (!*blob_fd(f->argument[0]))
        return answer_closed(f);
    if (!blob_may(f, 0, 0))
        return BLOB_DECLINE;
    return duplicated(f, blob_pass(f));
}

int64_t blob_dup2(const struct blob_frame *f)
{
    uint64_t to = f->argument[1];

    if (!*blob_fd(f->argument[0]) || (uint32_t)to >= RECORDER_FDS_MAX || is_ours(to) ||
        !may_go(f, to) || (!*blob_fd(to) && !blob_fd_is_closed(to)))
        return BLOB_DECLINE;
    return duplicated(f, blob_pass(f));
}

static uint32_t pipe_id(uint64_t fd)
{
    struct kernel_stat st;

    return blob_call(SYS_fstat, fd, (uint64_t)(uintptr_t)&st, 0, 0, 0, 0) == 0
               ? recorder_pipe_id(st.device, st.inode)
               : 0;
}

int64_t blob_pipe(const struct blob_frame *f)
{
    const uint32_t *fd = (const uint32_t *)(uintptr_t)f->argument[0];
    int64_t result;

    if (!blob_may(f, 0, RING_SEGMENT + 8) ||
        (f->number == SYS_pipe2 && (f->argument[1] & ~(uint64_t)(O_CLOEXEC | O_NONBLOCK))))
        return BLOB_DECLINE;
    result = blob_pass(f);
    if (result == 0) {
        uint32_t id = pipe_id(fd[0]);

        blob_fd_set(fd[0], PAGE_FD_STREAM | PAGE_FD_PIPE, id);
        blob_fd_set(fd[1], PAGE_FD_STREAM | PAGE_FD_PIPE, id);
    }
    return blob_answer_with(f, result, f->argument[0], 8);
}

int64_t blob_socketpair(const struct blob_frame *f)
{
    const uint32_t *fd = (const uint32_t *)(uintptr_t)f->argument[3];
    int64_t result;

    if (f->argument[0] != AF_UNIX || f->argument[2] || !blob_may(f, 0, RING_SEGMENT + 8))
        return BLOB_DECLINE;
    result = blob_pass(f);
    if (result == 0) {
        blob_fd_set(fd[0], PAGE_FD_STREAM, PAGE_INFO_UNIX);
        blob_fd_set(fd[1], PAGE_FD_STREAM, PAGE_INFO_UNIX);
    }
    return blob_answer_with(f, result, f->argument[3], 8);
}

/* ---- fcntl --------------------------------------------------------------------------------- */

/* Locks are tried; who would wait for one is traced. */
static int64_t lock(const struct blob_frame *f, uint64_t command)
{
    int64_t result;

    if (!(*blob_fd(f->argument[0]) & PAGE_FD_FILE) || !blob_may(f, 0, RING_SEGMENT + 32))
        return BLOB_DECLINE;
    result = blob_call(SYS_fcntl, f->argument[0], command, f->argument[2], 0, 0, 0);
    if (command != f->argument[1] && (result == -EAGAIN || result == -EACCES))
        return BLOB_DECLINE;
    return blob_answer_with(f, result, command == F_GETLK ? f->argument[2] : 0,
                            sizeof(struct flock));
}

int64_t blob_fcntl(const struct blob_frame *f)
{
    const uint64_t harmless = O_NONBLOCK | O_APPEND | O_ACCMODE | 0100000 /* O_LARGEFILE */;
    uint8_t what = *blob_fd(f->argument[0]);

    if (!what)
        return answer_closed(f);
    switch ((int)f->argument[1]) {
    case F_SETFL:
        if ((f->argument[2] & ~harmless) || (what & PAGE_FD_OTHER))
            return BLOB_DECLINE;
        __attribute__((fallthrough));
    case F_GETFD:
    case F_SETFD:
    case F_GETFL:
        return blob_may(f, 0, 0) ? blob_answer(f, blob_pass(f)) : BLOB_DECLINE;
    case F_DUPFD:
    case F_DUPFD_CLOEXEC:
        return blob_may(f, 0, 0) ? duplicated(f, blob_pass(f)) : BLOB_DECLINE;
    case F_SETLK:
    case F_GETLK:
    case F_OFD_SETLK:
        return lock(f, f->argument[1]);
    case F_SETLKW:
        return lock(f, F_SETLK);
    case F_OFD_SETLKW:
        return lock(f, F_OFD_SETLK);
    default:
        return BLOB_DECLINE;
    }
}

int64_t blob_flock(const struct blob_frame *f)
{
    uint64_t wanted = f->argument[1];
    int64_t result;

    if (!(*blob_fd(f->argument[0]) & (PAGE_FD_FILE | PAGE_FD_DIRECTORY)) || !blob_may(f, 0, 0))
        return BLOB_DECLINE;
    result = blob_call(SYS_flock, f->argument[0], wanted | LOCK_NB, 0, 0, 0, 0);
    if (result == -EWOULDBLOCK && !(wanted & LOCK_NB))
        return BLOB_DECLINE;
    return blob_answer(f, result);
}

/* ---- ioctl --------------------------------------------------------------------------------- */

/* Is it a terminal? No. How much is there to read? */
int64_t blob_ioctl(const struct blob_frame *f)
{
    uint8_t what = *blob_fd(f->argument[0]);

    if (!what)
        return answer_closed(f);
    if ((what & PAGE_FD_OTHER) || !blob_may(f, 0, RING_SEGMENT + 8))
        return BLOB_DECLINE;
    switch (f->argument[1]) {
    case 0x5401: /* TCGETS */
    case TIOCGWINSZ:
    case FIOCLEX:
    case FIONCLEX:
        return blob_answer(f, blob_pass(f));
    case FIONREAD:
        if (!(what & (PAGE_FD_FILE | PAGE_FD_PIPE)))
            return BLOB_DECLINE;
        return blob_answer_with(f, blob_pass(f), f->argument[2], 4);
    case FIONBIO:
        if (!(what & PAGE_FD_STREAM))
            return BLOB_DECLINE;
        return blob_answer(f, blob_pass(f));
    default:
        return BLOB_DECLINE;
    }
}
