/* Reading and writing. Files and memory devices never wait; pipes and sockets are tried with
 * RWF_NOWAIT or MSG_DONTWAIT, and only where the answer is all or nothing. */
#include <errno.h>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>

#include "recorder/blob/handlers.h"

#define TRANSFER_MAX (RECORDER_RING_SIZE / 2)
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

static bool is_random(uint64_t fd)
{
    const uint32_t *word = blob_fd_info(fd);

    return (*blob_fd(fd) & PAGE_FD_OTHER) && word && *word == PAGE_INFO_RANDOM;
}

static bool holds_bytes(uint64_t fd)
{
    int32_t queued = 0;

    return blob_call(SYS_ioctl, fd, FIONREAD, (uint64_t)(uintptr_t)&queued, 0, 0, 0) == 0 &&
           queued > 0;
}

int64_t blob_read(const struct blob_frame *f)
{
    uint8_t fd = *blob_fd(f->argument[0]);
    uint64_t length = f->argument[2];

    if (is_random(f->argument[0]))
        return blob_random(f, f->argument[1], length);

    if (fd & (PAGE_FD_FILE | PAGE_FD_NULL)) {
        if (length > TRANSFER_MAX || !blob_may(f, 0, RING_SEGMENT + length))
            return BLOB_DECLINE;
        return read_recorded(f, blob_pass(f));
    }
    if ((fd & PAGE_FD_STREAM) && length <= TRANSFER_MAX &&
        blob_may_stream(f, f->argument[0], RING_SEGMENT + length)) {
        struct iovec_of_program iov = {f->argument[1], length};
        int64_t result = blob_call(SYS_preadv2, f->argument[0], (uint64_t)(uintptr_t)&iov, 1,
                                   UINT64_MAX, UINT64_MAX, NOWAIT);

        /* a pipe that was opened by a name, /dev/fd/N too, cannot be asked so (fs/pipe.c,
         * fifo_open: no FMODE_NOWAIT); but nobody takes what lies in it */
        if (result == -EOPNOTSUPP && (fd & PAGE_FD_PIPE) && holds_bytes(f->argument[0]))
            result = blob_pass(f);
        if (blob_has_ended(result))
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

static int64_t vector_recorded(const struct blob_frame *f, const struct iovec_of_program *iov,
                               int64_t result)
{
    struct record r = record_begin(f, 0);
    uint64_t left = result > 0 ? (uint64_t)result : 0;

    for (unsigned i = 0; left > 0; i++) {
        uint64_t piece = iov[i].length < left ? iov[i].length : left;

        if (piece)
            record_add(&r, iov[i].base, (const void *)(uintptr_t)iov[i].base, piece);
        left -= piece;
    }
    return record_end(&r, result);
}

int64_t blob_readv(const struct blob_frame *f)
{
    struct iovec_of_program iov[IOV_MAX_HERE];
    uint8_t fd = *blob_fd(f->argument[0]);
    uint64_t length;
    int64_t result;

    if (!(fd & (PAGE_FD_FILE | PAGE_FD_NULL | PAGE_FD_STREAM)))
        return BLOB_DECLINE;
    length = take_vector(f, iov);
    if (length == UINT64_MAX || (fd & PAGE_FD_STREAM && !blob_may_stream(f, f->argument[0], 0)) ||
        !blob_may(f, 0, length + IOV_MAX_HERE * (RING_SEGMENT + 8)))
        return BLOB_DECLINE;
    if (!(fd & PAGE_FD_STREAM))
        return vector_recorded(f, iov, blob_pass(f));
    result = blob_call(SYS_preadv2, f->argument[0], f->argument[1], f->argument[2], UINT64_MAX,
                       UINT64_MAX, NOWAIT);
    return blob_has_ended(result) ? vector_recorded(f, iov, result) : BLOB_DECLINE;
}

int64_t blob_preadv(const struct blob_frame *f)
{
    struct iovec_of_program iov[IOV_MAX_HERE];
    uint64_t length;

    if (!(*blob_fd(f->argument[0]) & (PAGE_FD_FILE | PAGE_FD_NULL)))
        return BLOB_DECLINE;
    length = take_vector(f, iov);
    if (length == UINT64_MAX || !blob_may(f, 0, length + IOV_MAX_HERE * (RING_SEGMENT + 8)))
        return BLOB_DECLINE;
    return vector_recorded(f, iov, blob_pass(f));
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

/* To a file, of which the time is remembered, or to a device. */
static bool may_write(const struct blob_frame *f, uint8_t fd, uint64_t length)
{
    uint64_t room = output_flags(fd) ? RING_SEGMENT + length : 0;

    /* a file that was mapped keeps its content until the recorder has it */
    if (fd & PAGE_FD_FILE)
        return !page_get(PAGE_MAPPED_COUNT) && blob_may(f, PAGE_SWITCH_FILE_WRITES, room) &&
               blob_written(f->argument[0]);
    return (fd & PAGE_FD_NULL) && blob_may(f, 0, room);
}

static int64_t write_now(const struct blob_frame *f, uint8_t fd)
{
    int64_t result = blob_pass(f);

    if (result > 0 && (fd & PAGE_FD_FILE))
        *blob_written(f->argument[0]) = blob_now_real();
    return result;
}

/* Will all of it go in at once? What is more than PIPE_BUF does into an empty pipe that is large
 * enough: every byte has its place (fs/pipe.c). */
static bool fits_pipe(uint64_t fd, uint64_t length)
{
    uint32_t queued = 1;

    if (length <= PIPE_ATOMIC)
        return true;
    return blob_call(SYS_ioctl, fd, FIONREAD, (uint64_t)(uintptr_t)&queued, 0, 0, 0) == 0 &&
           queued == 0 && (int64_t)length <= blob_call(SYS_fcntl, fd, F_GETPIPE_SZ, 0, 0, 0, 0);
}

static bool may_stream(const struct blob_frame *f, uint8_t fd, uint64_t length)
{
    return (fd & PAGE_FD_PIPE) && blob_may_stream(f, f->argument[0], RING_SEGMENT + length) &&
           fits_pipe(f->argument[0], length);
}

int64_t blob_write(const struct blob_frame *f)
{
    uint8_t fd = *blob_fd(f->argument[0]);
    struct iovec_of_program iov = {f->argument[1], f->argument[2]};
    int64_t result;

    if (iov.length > TRANSFER_MAX)
        return BLOB_DECLINE;
    if (may_write(f, fd, iov.length))
        return write_recorded(f, &iov, 1, fd, write_now(f, fd));
    if ((fd & (PAGE_FD_STREAM | PAGE_FD_PIPE)) == PAGE_FD_STREAM)
        return blob_send(f, &iov, 1);
    if (!may_stream(f, fd, iov.length))
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
    return blob_answer(f, write_now(f, fd));
}

int64_t blob_writev(const struct blob_frame *f)
{
    uint8_t fd = *blob_fd(f->argument[0]);
    struct iovec_of_program iov[IOV_MAX_HERE];
    unsigned count = (unsigned)f->argument[2];
    uint64_t length;
    int64_t result;

    if (!(fd & (PAGE_FD_FILE | PAGE_FD_NULL | PAGE_FD_STREAM)))
        return BLOB_DECLINE;
    length = take_vector(f, iov);
    if (length == UINT64_MAX)
        return BLOB_DECLINE;
    if (may_write(f, fd, length))
        return write_recorded(f, iov, count, fd, write_now(f, fd));
    if ((fd & (PAGE_FD_STREAM | PAGE_FD_PIPE)) == PAGE_FD_STREAM)
        return blob_send(f, iov, count);
    /* each part has pages of its own */
    if (length > PIPE_ATOMIC || !may_stream(f, fd, length))
        return BLOB_DECLINE;
    result = blob_call(SYS_pwritev2, f->argument[0], (uint64_t)(uintptr_t)iov, count, UINT64_MAX,
                       UINT64_MAX, NOWAIT);
    return result > 0 ? write_recorded(f, iov, count, fd, result) : BLOB_DECLINE;
}

int64_t blob_pwritev(const struct blob_frame *f)
{
    uint8_t fd = *blob_fd(f->argument[0]);
    struct iovec_of_program iov[IOV_MAX_HERE];

    if (output_flags(fd) || take_vector(f, iov) == UINT64_MAX || !may_write(f, fd, 0))
        return BLOB_DECLINE;
    return blob_answer(f, write_now(f, fd));
}

int64_t blob_ftruncate(const struct blob_frame *f)
{
    int64_t result;

    if (!may_write(f, *blob_fd(f->argument[0]) & PAGE_FD_FILE, 0))
        return BLOB_DECLINE;
    result = blob_pass(f);
    if (result == 0)
        *blob_written(f->argument[0]) = blob_now_real();
    return blob_answer(f, result);
}

/* ---- positions ----------------------------------------------------------------------------- */

/* In a directory, back to the beginning: all else depends on how much of it was read. */
int64_t blob_lseek(const struct blob_frame *f)
{
    uint8_t fd = *blob_fd(f->argument[0]);
    bool rewinds = (fd & PAGE_FD_DIRECTORY) && !f->argument[1] && !f->argument[2];

    /* of a stream: ESPIPE whatever it holds */
    if (!((fd & (PAGE_FD_FILE | PAGE_FD_STREAM)) || rewinds) || !blob_may(f, 0, 0))
        return BLOB_DECLINE;
    return blob_answer(f, blob_pass(f));
}

int64_t blob_fadvise(const struct blob_frame *f)
{
    if (!(*blob_fd(f->argument[0]) & PAGE_FD_FILE) || !blob_may(f, 0, 0))
        return BLOB_DECLINE;
    return blob_answer(f, blob_pass(f));
}

int64_t blob_sync(const struct blob_frame *f)
{
    if (!(*blob_fd(f->argument[0]) & (PAGE_FD_FILE | PAGE_FD_DIRECTORY)) || !blob_may(f, 0, 0))
        return BLOB_DECLINE;
    return blob_answer(f, blob_pass(f));
}
