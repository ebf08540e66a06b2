/* Sockets: what is there is received, what fits is sent, with MSG_DONTWAIT. Addresses and control
 * messages (which may bring descriptors) are left to the recorder. */
#include <errno.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "recorder/blob/handlers.h"

#define TRANSFER_MAX (RECORDER_RING_SIZE / 2)
#define SEND_MAX                                                                    \
    4096 /* less than a socket buffer's piece: goes as a whole (net/unix/af_unix.c) \
          */
#define IOV_MAX_HERE 16
#define RECEIVE_FLAGS (MSG_DONTWAIT | MSG_PEEK | MSG_NOSIGNAL | MSG_CMSG_CLOEXEC)
#define SEND_FLAGS (MSG_DONTWAIT | MSG_NOSIGNAL)

struct message {
    uint64_t name, name_length, iov, iov_count, control, control_length, flags;
};

static bool is_socket(uint64_t fd)
{
    return (*blob_fd(fd) & (PAGE_FD_STREAM | PAGE_FD_PIPE)) == PAGE_FD_STREAM;
}

static bool is_unix(uint64_t fd)
{
    const uint32_t *word = blob_fd_info(fd);

    return is_socket(fd) && word && *word == PAGE_INFO_UNIX;
}

int64_t blob_recvfrom(const struct blob_frame *f)
{
    uint64_t length = f->argument[2];
    int64_t result;

    if (!is_socket(f->argument[0]) || length > TRANSFER_MAX || f->argument[4] ||
        (f->argument[3] & ~(uint64_t)RECEIVE_FLAGS) || !blob_may(f, 0, RING_SEGMENT + length))
        return BLOB_DECLINE;
    result = blob_call(SYS_recvfrom, f->argument[0], f->argument[1], length,
                       f->argument[3] | MSG_DONTWAIT, 0, 0);
    if (!blob_has_ended(result))
        return BLOB_DECLINE;
    return blob_answer_with(f, result, f->argument[1], (uint64_t)result);
}

/* A copy of the message and its vector; the bytes it holds, UINT64_MAX: not here. */
static uint64_t take_message(const struct blob_frame *f, struct message *ret,
                             struct iovec_of_program *iov)
{
    const struct iovec_of_program *theirs;
    uint64_t length = 0;

    *ret = *(const struct message *)(uintptr_t)f->argument[1];
    theirs = (const struct iovec_of_program *)(uintptr_t)ret->iov;
    if (ret->name || ret->control || ret->iov_count > IOV_MAX_HERE)
        return UINT64_MAX;
    for (uint64_t i = 0; i < ret->iov_count; i++) {
        iov[i] = theirs[i];
        if (iov[i].length > TRANSFER_MAX)
            return UINT64_MAX;
        length += iov[i].length;
    }
    return length > TRANSFER_MAX ? UINT64_MAX : length;
}

int64_t blob_recvmsg(const struct blob_frame *f)
{
    struct iovec_of_program iov[IOV_MAX_HERE];
    struct message m;
    uint64_t length, left;
    int64_t result;
    struct record r;

    if (!is_socket(f->argument[0]) || (f->argument[2] & ~(uint64_t)RECEIVE_FLAGS))
        return BLOB_DECLINE;
    length = take_message(f, &m, iov);
    if (length == UINT64_MAX || m.control_length ||
        !blob_may(f, 0, length + (IOV_MAX_HERE + 4) * (RING_SEGMENT + 8) + sizeof(m)))
        return BLOB_DECLINE;
    result = blob_call(SYS_recvmsg, f->argument[0], f->argument[1], f->argument[2] | MSG_DONTWAIT,
                       0, 0, 0);
    if (!blob_has_ended(result))
        return BLOB_DECLINE;
    if (result < 0)
        return blob_answer(f, result);
    r = record_begin(f, 0);
    left = (uint64_t)result < length ? (uint64_t)result : length;
    for (unsigned i = 0; left > 0; i++) {
        uint64_t piece = iov[i].length < left ? iov[i].length : left;

        if (piece)
            record_add(&r, iov[i].base, (const void *)(uintptr_t)iov[i].base, piece);
        left -= piece;
    }
    record_add(&r, f->argument[1], (const void *)(uintptr_t)f->argument[1], sizeof(m));
    return record_end(&r, result);
}

/* ---- sending ------------------------------------------------------------------------------- */

static int64_t send_all(const struct blob_frame *f, const struct iovec_of_program *iov,
                        uint64_t count, uint64_t flags)
{
    struct message m = {0, 0, (uint64_t)(uintptr_t)iov, count, 0, 0, 0};
    uint64_t length = 0;
    int64_t result;

    for (uint64_t i = 0; i < count; i++)
        length += iov[i].length;
    if (length > SEND_MAX || length == 0 || (flags & ~(uint64_t)SEND_FLAGS) ||
        !is_unix(f->argument[0]) || !blob_may(f, PAGE_SWITCH_STREAMS, 0))
        return BLOB_DECLINE;
    /* who is to get SIGPIPE gets it from the recorder */
    result = blob_call(SYS_sendmsg, f->argument[0], (uint64_t)(uintptr_t)&m,
                       MSG_DONTWAIT | MSG_NOSIGNAL, 0, 0, 0);
    return blob_has_ended(result) && result != -EPIPE ? blob_answer(f, result) : BLOB_DECLINE;
}

int64_t blob_send(const struct blob_frame *f, const struct iovec_of_program *iov, unsigned count)
{
    return send_all(f, iov, count, 0);
}

int64_t blob_sendto(const struct blob_frame *f)
{
    struct iovec_of_program iov = {f->argument[1], f->argument[2]};

    return f->argument[4] ? BLOB_DECLINE : send_all(f, &iov, 1, f->argument[3]);
}

int64_t blob_sendmsg(const struct blob_frame *f)
{
    struct iovec_of_program iov[IOV_MAX_HERE];
    struct message m;

    if (!is_unix(f->argument[0]) || take_message(f, &m, iov) == UINT64_MAX || m.control_length)
        return BLOB_DECLINE;
    return send_all(f, iov, m.iov_count, f->argument[2]);
}
