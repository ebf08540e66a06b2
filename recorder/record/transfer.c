/* Reads, writes, sends, receives and accepts that do not sleep in the kernel. */
#include "recorder/record/transfer.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>

#include "recorder/record/blocking.h"
#include "recorder/record/borrow.h"
#include "recorder/record/fds.h"
#include "recorder/record/terminal.h"
#include "recorder/record/timers.h"

#define PARTS_MAX 1024 /* UIO_MAXIOV */
#define SMALL 4096     /* PIPE_BUF: where there is any room, there is room for so much */

/* scratch[] of these calls */
enum { SCRATCH_KIND, SCRATCH_TARGET, SCRATCH_PIECE, SCRATCH_SEEN };

/* ---- shapes of calls ----------------------------------------------------------------------- */

static bool is_socket_call(uint64_t nr)
{
    return nr == SYS_sendto || nr == SYS_sendmsg || nr == SYS_recvfrom || nr == SYS_recvmsg;
}

/* ENOTSOCK on everything else. */
static bool needs_socket(const struct call *c)
{
    return is_socket_call(c->nr) || c->row->blocks == SYSCALL_BLOCKS_ACCEPT;
}

/* Which argument has the MSG_ flags. */
static int flags_argument(uint64_t nr)
{
    return nr == SYS_sendmsg || nr == SYS_recvmsg ? 2 : 3;
}

static uint64_t message_flags(const struct call *c)
{
    return is_socket_call(c->nr) ? c->args[flags_argument(c->nr)] : 0;
}

/* With a file offset: pipes and sockets answer ESPIPE and never wait. */
static bool is_positional(const struct call *c)
{
    switch (c->nr) {
    case SYS_pread64:
    case SYS_pwrite64:
    case SYS_preadv:
    case SYS_pwritev:
        return true;
    case SYS_preadv2:
    case SYS_pwritev2:
        return c->args[3] != UINT64_MAX;
    default:
        return false;
    }
}

static bool is_vector(uint64_t nr)
{
    return nr == SYS_readv || nr == SYS_writev || nr == SYS_preadv2 || nr == SYS_pwritev2;
}

struct vector {
    struct iovec part[PARTS_MAX];
    size_t count;
    uint64_t total;
};

/* The call's data, as its arguments describe it. */
static int vector_read(struct task *t, const struct call *c, struct vector *ret)
{
    uint64_t address = c->args[1], count = c->args[2];
    struct msghdr message;

    if (c->nr == SYS_sendmsg || c->nr == SYS_recvmsg) {
        if (tracee_read(t->tid, address, &message, sizeof(message)) < 0)
            return -EFAULT;
        address = (uint64_t)(uintptr_t)message.msg_iov;
        count = message.msg_iovlen;
    } else if (!is_vector(c->nr)) {
        ret->part[0] = (struct iovec){(void *)(uintptr_t)address, count};
        ret->count = 1;
        ret->total = count;
        return 0;
    }
    if (count > PARTS_MAX)
        return -EINVAL;
    if (count > 0 && tracee_read(t->tid, address, ret->part, count * sizeof(*ret->part)) < 0)
        return -EFAULT;
    ret->count = count;
    ret->total = 0;
    for (size_t i = 0; i < count; i++)
        ret->total += ret->part[i].iov_len;
    return 0;
}

/* Point run_args at the data behind the first c->progress bytes: one part of the vector at a time.
 */
static bool next_piece(struct call *c, const struct vector *v, bool socket)
{
    uint64_t skip = (uint64_t)c->progress;
    bool sends = c->row->blocks == SYSCALL_BLOCKS_WRITE;
    size_t i = 0;

    while (i < v->count && skip >= v->part[i].iov_len)
        skip -= v->part[i++].iov_len;
    if (i == v->count)
        return false;
    c->run_args[1] = (uint64_t)(uintptr_t)v->part[i].iov_base + skip;
    c->run_args[2] = v->part[i].iov_len - skip;
    c->scratch[SCRATCH_PIECE] = c->run_args[2];
    if (!socket && !is_socket_call(c->nr)) {
        c->run_nr = sends ? SYS_write : SYS_read;
        return true;
    }
    if (sends && !is_socket_call(c->nr)) {
        c->run_nr = SYS_write; /* on a socket made non-blocking */
        return true;
    }
    c->run_nr = sends ? SYS_sendto : SYS_recvfrom;
    c->run_args[3] = message_flags(c) | MSG_DONTWAIT;
    if (c->nr != SYS_sendto)
        c->run_args[4] = c->run_args[5] = 0;
    return true;
}

static enum call_action answer_progress(struct call *c, int64_t otherwise)
{
    return call_answer(c, c->progress > 0 ? c->progress : otherwise);
}

uint64_t transfer_deadline(struct session *s, struct call *c, int option)
{
    struct timeval value = {0, 0};
    socklen_t length = sizeof(value);
    struct timespec wait;

    if (c->no_restart) /* looked at before */
        return c->deadline;
    if (getsockopt(c->borrowed[0].fd, SOL_SOCKET, option, &value, &length) < 0 ||
        (value.tv_sec == 0 && value.tv_usec == 0))
        return UINT64_MAX;
    c->no_restart = true;
    wait = (struct timespec){value.tv_sec, value.tv_usec * 1000};
    return timers_after(s, &wait);
}

static int socket_option(const struct call *c, int option)
{
    socklen_t length = sizeof(int);
    int value = 0;

    return getsockopt(c->borrowed[0].fd, SOL_SOCKET, option, &value, &length) < 0 ? -1 : value;
}

static bool can_wait(enum fd_kind kind)
{
    switch (kind) {
    case FD_PIPE:
    case FD_SOCKET:
    case FD_TERMINAL:
    case FD_EVENTFD:
    case FD_TIMERFD:
    case FD_OTHER:
        return true;
    default:
        return false;
    }
}

/* ---- reading ------------------------------------------------------------------------------- */

/* Nothing is there to be read: does the call wait, or fail at once? */
static bool read_would_wait(struct task *t, struct call *c, enum fd_kind kind)
{
    struct vector v;
    uint8_t byte;

    if (borrow_is_nonblocking(c))
        return false;
    if (kind == FD_SOCKET) /* ENOTCONN and its like, by a look that takes nothing */
        return recv(c->borrowed[0].fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) < 0 &&
               (errno == EAGAIN || errno == EWOULDBLOCK);
    if ((c->borrowed[0].flags & O_ACCMODE) == O_WRONLY)
        return false;
    if (vector_read(t, c, &v) < 0 || v.total == 0)
        return false;
    return (kind != FD_EVENTFD && kind != FD_TIMERFD) || v.total >= 8;
}

static enum call_action park_read(struct session *s, struct task *t, struct call *c,
                                  enum fd_kind kind)
{
    uint64_t deadline = kind == FD_SOCKET ? transfer_deadline(s, c, SO_RCVTIMEO) : UINT64_MAX;

    return blocking_park_polled(t, c, POLLIN, deadline);
}

static bool peek_grew(struct session *s, struct task *t, struct call *c)
{
    int available = 0;

    (void)s;
    (void)t;
    if (blocking_events(c, POLLRDHUP) != 0)
        return true;
    return ioctl(c->borrowed[0].fd, FIONREAD, &available) == 0 &&
           (uint64_t)available != c->scratch[SCRATCH_SEEN];
}

/* A TCP socket peeks until the target is there; nothing has been taken, so it looks anew each time.
 */
static enum call_action peek_attempted(struct session *s, struct task *t, struct call *c)
{
    if (c->result == -EAGAIN) {
        c->ready = NULL;
        return park_read(s, t, c, FD_SOCKET);
    }
    if (c->result <= 0 || (uint64_t)c->result >= c->scratch[SCRATCH_TARGET] ||
        socket_option(c, SO_DOMAIN) == AF_UNIX || blocking_events(c, POLLRDHUP) != 0)
        return CALL_DONE;
    c->scratch[SCRATCH_SEEN] = (uint64_t)c->result;
    c->ready = peek_grew;
    return park_read(s, t, c, FD_SOCKET);
}

static enum call_action read_attempted(struct session *s, struct task *t, struct call *c)
{
    uint64_t target = c->scratch[SCRATCH_TARGET];
    int64_t result = c->result;
    struct vector v;

    if (message_flags(c) & MSG_PEEK)
        return peek_attempted(s, t, c);
    if (result == -EAGAIN && (uint64_t)c->progress < target)
        return park_read(s, t, c, FD_SOCKET);
    if (result <= 0)
        return answer_progress(c, result);
    c->progress += result;
    if (vector_read(t, c, &v) < 0 || (uint64_t)c->progress >= v.total)
        return answer_progress(c, 0);
    if ((uint64_t)result == c->scratch[SCRATCH_PIECE] && next_piece(c, &v, true))
        return CALL_RUN;
    /* cut short though more is there: a boundary between messages' control data, an error, the end
     */
    if ((uint64_t)c->progress >= target || blocking_events(c, POLLIN) != 0)
        return answer_progress(c, 0);
    next_piece(c, &v, true);
    return park_read(s, t, c, FD_SOCKET);
}

/* How many bytes make a receive return? 1, but with MSG_WAITALL and SO_RCVLOWAT. */
static uint64_t read_target(struct session *s, struct task *t, struct call *c, struct vector *v)
{
    bool all = (message_flags(c) & MSG_WAITALL) != 0;
    int mark = 1;

    if (!all && !s->sockets_low_water)
        return 1;
    if (socket_option(c, SO_TYPE) != SOCK_STREAM || vector_read(t, c, v) < 0)
        return 1;
    if (all)
        return v->total;
    mark = socket_option(c, SO_RCVLOWAT);
    return mark > 0 && (uint64_t)mark < v->total ? (uint64_t)mark : v->total;
}

static enum call_action terminal_read(struct session *s, struct task *t, struct call *c)
{
    (void)s;
    (void)c;
    terminal_leave(t);
    return CALL_DONE;
}

/* Something is there. */
static enum call_action run_read(struct session *s, struct task *t, struct call *c,
                                 enum fd_kind kind)
{
    struct vector v;
    uint64_t target;

    if (kind == FD_TERMINAL) {
        terminal_enter(s, t);
        c->attempted = terminal_read;
    }

    if (kind != FD_SOCKET || c->attempted)
        return borrow_run(s, t, c);
    target = read_target(s, t, c, &v);
    if (target <= 1)
        return borrow_run(s, t, c);
    c->scratch[SCRATCH_TARGET] = target;
    c->scratch[SCRATCH_PIECE] = v.total;
    c->attempted = read_attempted;
    c->outputs = true;
    if (is_socket_call(c->nr))
        c->run_args[flags_argument(c->nr)] |= MSG_DONTWAIT;
    else
        next_piece(c, &v, true);
    return borrow_run(s, t, c);
}

static enum call_action start_read(struct session *s, struct task *t, struct call *c,
                                   enum fd_kind kind)
{
    if (message_flags(c) & (MSG_OOB | MSG_ERRQUEUE))
        return CALL_RUN;
    if (c->args[2] == 0 && !is_socket_call(c->nr))
        return CALL_RUN;
    if (borrow_take(t, c, 0, c->row->fd_argument) < 0)
        return CALL_RUN;
    if (blocking_events(c, POLLIN) != 0)
        return run_read(s, t, c, kind);
    if (!read_would_wait(t, c, kind))
        return CALL_RUN;
    return park_read(s, t, c, kind);
}

static enum call_action retry_read(struct session *s, struct task *t, struct call *c,
                                   enum fd_kind kind)
{
    short events = blocking_events(c, POLLIN);
    int available = 0;

    if (events == 0 && c->timed_out)
        return answer_progress(c, -EAGAIN);
    if (events == 0)
        return park_read(s, t, c, kind);
    /* an error behind bytes that were moved already is for the next call to find */
    if (c->progress > 0 && (events & (POLLERR | POLLHUP)) &&
        (ioctl(c->borrowed[0].fd, FIONREAD, &available) < 0 || available == 0))
        return answer_progress(c, 0);
    return run_read(s, t, c, kind);
}

/* ---- writing ------------------------------------------------------------------------------- */

static bool pipe_is_full(const struct call *c)
{
    int capacity = fcntl(c->borrowed[0].fd, F_GETPIPE_SZ), held = 0;

    /* the last page may have room for a short write though poll(2) says no (fs/pipe.c pipe_write)
     */
    return capacity > 0 && ioctl(c->borrowed[0].fd, FIONREAD, &held) == 0 && held == capacity;
}

static enum call_action park_write(struct session *s, struct task *t, struct call *c,
                                   enum fd_kind kind)
{
    uint64_t deadline = kind == FD_SOCKET ? transfer_deadline(s, c, SO_SNDTIMEO) : UINT64_MAX;

    /* poll(2) says yes and the call says no: an eventfd near its limit, a datagram to a full socket
     */
    if (blocking_events(c, POLLOUT) != 0)
        return blocking_park_retried(s, t, c, BLOCKING_CHANGE_ANY, deadline);
    return blocking_park_polled(t, c, POLLOUT, deadline);
}

static enum call_action write_attempted(struct session *s, struct task *t, struct call *c);

static enum call_action run_write(struct session *s, struct task *t, struct call *c)
{
    c->attempted = write_attempted;
    if (c->scratch[SCRATCH_KIND] == FD_TERMINAL)
        terminal_enter(s, t);
    if (!is_socket_call(c->nr))
        borrow_unblock(c);
    return borrow_run(s, t, c);
}

static enum call_action write_attempted(struct session *s, struct task *t, struct call *c)
{
    enum fd_kind kind = (enum fd_kind)c->scratch[SCRATCH_KIND];
    int64_t result = c->result;
    struct vector v;

    borrow_reblock(c);
    if (kind == FD_TERMINAL) {
        terminal_leave(t);
        terminal_flush(s, c->borrowed[0].fd);
    }
    if (result == -EAGAIN)
        return park_write(s, t, c, kind);
    if (c->progress > 0 && kind == FD_SOCKET)
        c->sigpipe = false; /* raised by sockets when nothing was sent, by pipes in any case */
    if (result <= 0)
        return answer_progress(c, result);
    c->progress += result;
    if (kind == FD_EVENTFD || vector_read(t, c, &v) < 0 || (uint64_t)c->progress >= v.total)
        return answer_progress(c, 0);
    bool whole = (uint64_t)result == c->scratch[SCRATCH_PIECE];

    next_piece(c, &v, kind == FD_SOCKET);
    if (whole || blocking_events(c, POLLOUT) != 0)
        return run_write(s, t, c);
    return park_write(s, t, c, kind);
}

static enum call_action start_write(struct session *s, struct task *t, struct call *c,
                                    enum fd_kind kind)
{
    bool small = !is_vector(c->nr) && c->args[2] <= SMALL;

    if (fds_stream(s, t, (int)c->args[c->row->fd_argument])) {
        c->patient = true;
        return CALL_RUN;
    }
    if ((c->args[2] == 0 && c->nr == SYS_write) || borrow_take(t, c, 0, c->row->fd_argument) < 0)
        return CALL_RUN;
    if (!is_socket_call(c->nr)) {
        bool room = blocking_events(c, POLLOUT) != 0;

        if (room && small && (kind == FD_PIPE || kind == FD_SOCKET))
            return CALL_RUN;
        if (borrow_is_nonblocking(c))
            return CALL_RUN;
        if (!room && kind == FD_PIPE && pipe_is_full(c))
            return park_write(s, t, c, kind);
    } else if (borrow_is_nonblocking(c)) {
        return CALL_RUN;
    } else {
        c->run_args[flags_argument(c->nr)] |= MSG_DONTWAIT;
    }
    return run_write(s, t, c);
}

static enum call_action retry_write(struct session *s, struct task *t, struct call *c,
                                    enum fd_kind kind)
{
    bool room = blocking_events(c, POLLOUT) != 0;

    if (c->timed_out && (!room || c->wait_change))
        return answer_progress(c, -EAGAIN);
    if (!room)
        return park_write(s, t, c, kind);
    return run_write(s, t, c);
}

/* ---- accepting ----------------------------------------------------------------------------- */

static enum call_action accept_call(struct session *s, struct task *t, struct call *c)
{
    if (!c->retry && borrow_take(t, c, 0, c->row->fd_argument) < 0)
        return CALL_RUN;
    if (blocking_events(c, POLLIN) != 0)
        return borrow_run(s, t, c);
    if (c->timed_out)
        return call_answer(c, -EAGAIN);
    if (!c->retry && (borrow_is_nonblocking(c) || socket_option(c, SO_ACCEPTCONN) != 1))
        return CALL_RUN;
    return park_read(s, t, c, FD_SOCKET);
}

/* ---- dispatch ------------------------------------------------------------------------------ */

enum call_action blocking_fd_call(struct session *s, struct task *t, struct call *c)
{
    struct syscall_memory memory = {call_memory_read, t};
    enum fd_kind kind;

    if (c->retry) {
        kind = (enum fd_kind)c->scratch[SCRATCH_KIND];
    } else {
        if (syscall_waits(c->nr, c->args, &memory) == SYSCALL_BLOCKS_NEVER || is_positional(c))
            return CALL_RUN;
        kind = fds_kind(s, t, (int)c->args[c->row->fd_argument]);
        c->scratch[SCRATCH_KIND] = kind;
        if (!can_wait(kind) || (kind != FD_SOCKET && needs_socket(c)))
            return CALL_RUN;
    }
    switch (c->row->blocks) {
    case SYSCALL_BLOCKS_ACCEPT:
        return accept_call(s, t, c);
    case SYSCALL_BLOCKS_READ:
        return c->retry ? retry_read(s, t, c, kind) : start_read(s, t, c, kind);
    default:
        break;
    }
    if (c->retry)
        return retry_write(s, t, c, kind);
    return start_write(s, t, c, kind);
}
