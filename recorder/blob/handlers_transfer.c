/* Reading and writing. Files and memory devices never wait; pipes and sockets are tried with
 * RWF_NOWAIT or MSG_DONTWAIT, and only where the answer is all or nothing. */
#include <errno.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "recorder/blob/handlers.h"

#define TRANSFER_MAX (RECORDER_RING_SIZE / 8)
#define NOWAIT 8         /* RWF_NOWAIT */
#define PIPE_ATOMIC 4096 /* PIPE_BUF: pipe(7), a write of no more is done at once or not at all */
#define IOV_MAX_HERE 16

/* ---- reading ------------------------------------------------------------------------------- */

static int64_t read_recorded(const struct blob_frame *f, int64_t result)
{
    struct record r = record_begin(f, 0);

    if (result > 0)
        record_add(&r, f->argument[1], (const void *)(uintptr_t)f->argument[1], (uint64_t)result);
    return record_end(&r, result);
}

int64_t blob_read(const struct blob_frame *f)
{
    uint8_t fd = *blob_fd(f->argument[0]);
    uint64_t length = f->argument[2];

    if (fd & (PAGE_FD_FILE | PAGE_FD_NULL)) {
        if (length > TRANSFER_MAX || !blob_may(f, 0, RING_SEGMENT + length))
            return BLOB_DECLINE;
        return read_recorded(f, blob_pass(f));
    }
    if ((fd & PAGE_FD_STREAM) && length <= TRANSFER_MAX &&
        blob_may(f, PAGE_SWITCH_STREAMS, RING_SEGMENT + length)) {
        struct iovec_of_program iov = {f->argument[1], length};
        int64_t result = blob_call(SYS_preadv2, f->argument[0], (uint64_t)(uintptr_t)&iov, 1,
                                   UINT64_MAX, UINT64_MAX, NOWAIT);

        if (result > 0)
            return read_recorded(f, result);
    }
    return BLOB_DECLINE;
}

int64_t blob_pread(const struct blob_frame *f)
{
    uint64_t length = f->argument[2];

    if (!(*blob_fd(f->argument[0]) & (PAGE_FD_FILE | PAGE_FD_NULL)) || length > TRANSFER_MAX ||
        !blob_may(f, 0, RING_SEGMENT + length))
        return BLOB_DECLINE;
    return read_recorded(f, blob_pass(f));
}

int64_t blob_recvfrom(const struct blob_frame *f)
{
    uint64_t length = f->argument[2];
    int64_t result;

    if (!(*blob_fd(f->argument[0]) & PAGE_FD_STREAM) || length > TRANSFER_MAX || f->argument[4] ||
        (f->argument[3] & ~(uint64_t)(MSG_DONTWAIT | MSG_PEEK | MSG_NOSIGNAL)) ||
        !blob_may(f, PAGE_SWITCH_STREAMS, RING_SEGMENT + length))
        return BLOB_DECLINE;
    result = blob_call(SYS_recvfrom, f->argument[0], f->argument[1], length,
                       f->argument[3] | MSG_DONTWAIT, 0, 0);
    return result > 0 ? read_recorded(f, result) : BLOB_DECLINE;
}

/* ---- vectors ------------------------------------------------------------------------------- */

/* A copy of the program's vector; its length, or UINT64_MAX if it is too much of one. */
static uint64_t take_vector(const struct blob_frame *f, struct iovec_of_program *ret)
{
    const struct iovec_of_program *theirs =
        (const struct iovec_of_program *)(uintptr_t)f->argument[1];
    uint64_t length = 0;

    if (f->argument[2] > IOV_MAX_HERE)
        return UINT64_MAX;
    for (uint64_t i = 0; i < f->argument[2]; i++) {
        ret[i] = theirs[i];
        if (ret[i].length > TRANSFER_MAX)
            return UINT64_MAX;
        length += ret[i].length;
    }
    return length > TRANSFER_MAX ? UINT64_MAX : length;
}

int64_t blob_readv(const struct blob_frame *f)
{
    struct iovec_of_program iov[IOV_MAX_HERE];
    uint64_t left;
    int64_t result;
    struct record r;

    if (!(*blob_fd(f->argument[0]) & (PAGE_FD_FILE | PAGE_FD_NULL)))
        return BLOB_DECLINE;
    left = take_vector(f, iov);
    if (left == UINT64_MAX || !blob_may(f, 0, left + IOV_MAX_HERE * (RING_SEGMENT + 8)))
        return BLOB_DECLINE;
    result = blob_pass(f);
    r = record_begin(f, 0);
    left = result > 0 ? (uint64_t)result : 0;
    for (unsigned i = 0; left > 0; i++) {
        uint64_t piece = iov[i].length < left ? iov[i].length : left;

        if (piece)
            record_add(&r, iov[i].base, (const void *)(uintptr_t)iov[i].base, piece);
        left -= piece;
    }
    return record_end(&r, result);
}

/* ---- writing ------------------------------------------------------------------------------- */

static unsigned output_flags(uint8_t fd)
{
    return (fd & PAGE_FD_STDOUT ? RING_FLAG_STDOUT : 0u) |
           (fd & PAGE_FD_STDERR ? RING_FLAG_STDERR : 0u);
}

static int64_t write_recorded(const struct blob_frame *f, const struct iovec_of_program *iov,
                              unsigned count, uint8_t fd, int64_t result)
{
    unsigned flags = output_flags(fd);
    struct record r = record_begin(f, flags);

    if (flags && result > 0)
        record_gather(&r, iov, count, (uint64_t)result);
    return record_end(&r, result);
}

static bool may_write(const struct blob_frame *f, uint8_t fd, uint64_t length)
{
    uint64_t room = output_flags(fd) ? RING_SEGMENT + length : 0;

    if (fd & PAGE_FD_FILE)
        return blob_may(f, PAGE_SWITCH_FILE_WRITES, room);
    return (fd & PAGE_FD_NULL) && blob_may(f, 0, room);
}

int64_t blob_write(const struct blob_frame *f)
{
    uint8_t fd = *blob_fd(f->argument[0]);
    struct iovec_of_program iov = {f->argument[1], f->argument[2]};
    int64_t result;

    if (iov.length > TRANSFER_MAX)
        return BLOB_DECLINE;
    if (may_write(f, fd, iov.length))
        return write_recorded(f, &iov, 1, fd, blob_pass(f));
    if (!(fd & PAGE_FD_PIPE) || iov.length > PIPE_ATOMIC ||
        !blob_may(f, PAGE_SWITCH_STREAMS, RING_SEGMENT + iov.length))
        return BLOB_DECLINE;
    result = blob_call(SYS_pwritev2, f->argument[0], (uint64_t)(uintptr_t)&iov, 1, UINT64_MAX,
                       UINT64_MAX, NOWAIT);
    return result > 0 ? write_recorded(f, &iov, 1, fd, result) : BLOB_DECLINE;
}

int64_t blob_pwrite(const struct blob_frame *f)
{
    uint8_t fd = *blob_fd(f->argument[0]);

    if (f->argument[2] > TRANSFER_MAX || output_flags(fd) || !may_write(f, fd, 0))
        return BLOB_DECLINE;
    return blob_answer(f, blob_pass(f));
}

int64_t blob_writev(const struct blob_frame *f)
{
    uint8_t fd = *blob_fd(f->argument[0]);
    struct iovec_of_program iov[IOV_MAX_HERE];
    uint64_t length;

    if (!(fd & (PAGE_FD_FILE | PAGE_FD_NULL)))
        return BLOB_DECLINE;
    length = take_vector(f, iov);
    if (length == UINT64_MAX || !may_write(f, fd, length))
        return BLOB_DECLINE;
    return write_recorded(f, iov, (unsigned)f->argument[2], fd, blob_pass(f));
}

/* ---- positions ----------------------------------------------------------------------------- */

int64_t blob_lseek(const struct blob_frame *f)
{
    if (!(*blob_fd(f->argument[0]) & PAGE_FD_FILE) || !blob_may(f, 0, 0))
        return BLOB_DECLINE;
    return blob_answer(f, blob_pass(f));
}

int64_t blob_sync(const struct blob_frame *f)
{
    if (!(*blob_fd(f->argument[0]) & PAGE_FD_FILE) || !blob_may(f, 0, 0))
        return BLOB_DECLINE;
    return blob_answer(f, blob_pass(f));
}
