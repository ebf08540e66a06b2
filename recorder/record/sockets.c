/* connect, recvmmsg, sendmmsg. */
#include "recorder/record/sockets.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "recorder/record/blocking.h"
#include "recorder/record/borrow.h"
#include "recorder/record/fds.h"
#include "recorder/record/timers.h"
#include "recorder/record/transfer.h"

/* ---- connect ------------------------------------------------------------------------------- */

static int option_of(const struct call *c, int option)
{
    socklen_t length = sizeof(int);
    int value = -1;

    return getsockopt(c->borrowed[0].fd, SOL_SOCKET, option, &value, &length) < 0 ? -1 : value;
}

/* A connection in progress is brought to its end by connecting again: on our duplicate, which is
 * the same socket. 0, an error, or -EALREADY. (Only the first call of a Unix socket looks at who
 * calls.) */
static int64_t connect_again(struct task *t, struct call *c)
{
    struct sockaddr_storage address;
    uint64_t length = (uint32_t)c->args[2];

    if (length > sizeof(address) || tracee_read(t->tid, c->args[1], &address, length) < 0)
        return -EFAULT;
    if (connect(c->borrowed[0].fd, (struct sockaddr *)&address, (socklen_t)length) == 0)
        return 0;
    return -errno;
}

static bool in_progress(int64_t result)
{
    return result == -EINPROGRESS || result == -EALREADY;
}

static enum call_action connect_attempted(struct session *s, struct task *t, struct call *c)
{
    if (c->result == -EAGAIN && option_of(c, SO_DOMAIN) == AF_UNIX) { /* the backlog is full */
        borrow_reblock(c);
        return blocking_park_retried(s, t, c, BLOCKING_CHANGE_CONNECTIONS,
                                     transfer_deadline(s, c, SO_SNDTIMEO));
    }
    c->scratch[0] = (uint64_t)c->result;
    if (in_progress(c->result) && blocking_events(c, POLLOUT) != 0)
        c->result = connect_again(t, c);
    borrow_reblock(c);
    if (!in_progress(c->result))
        return CALL_DONE;
    return blocking_park_polled(t, c, POLLOUT, transfer_deadline(s, c, SO_SNDTIMEO));
}

static enum call_action retry_connect(struct session *s, struct task *t, struct call *c)
{
    int64_t result;

    if (c->wait_change) {
        if (c->timed_out)
            return call_answer(c, -EAGAIN);
        borrow_unblock(c);
        return borrow_run(s, t, c);
    }
    if (blocking_events(c, POLLOUT) == 0) {
        if (c->timed_out)
            return call_answer(c, (int64_t)c->scratch[0]);
        return blocking_park_polled(t, c, POLLOUT, c->deadline);
    }
    borrow_unblock(c);
    result = connect_again(t, c);
    borrow_reblock(c);
    return call_answer(c, result);
}

enum call_action model_connect(struct session *s, struct task *t, struct call *c)
{
    if (c->retry)
        return retry_connect(s, t, c);
    if (fds_kind(s, t, (int)c->args[0]) != FD_SOCKET || borrow_take(t, c, 0, 0) < 0 ||
        borrow_is_nonblocking(c))
        return CALL_RUN;
    if (option_of(c, SO_TYPE) == SOCK_DGRAM)
        return CALL_RUN;
    borrow_unblock(c);
    c->attempted = connect_attempted;
    return CALL_RUN;
}

/* ---- many messages ------------------------------------------------------------------------- */

/* Both run from message c->progress on, without waiting, and are parked for the rest. */

#define MESSAGES_MAX 1024 /* UIO_MAXIOV */

static uint64_t message_count(const struct call *c)
{
    return (uint32_t)c->args[2] < MESSAGES_MAX ? (uint32_t)c->args[2] : MESSAGES_MAX;
}

static enum call_action run_rest(struct session *s, struct task *t, struct call *c)
{
    c->run_args[1] = c->args[1] + (uint64_t)c->progress * sizeof(struct mmsghdr);
    c->run_args[2] = message_count(c) - (uint64_t)c->progress;
    c->run_args[3] = c->args[3] | MSG_DONTWAIT;
    return borrow_run(s, t, c);
}

/* The timeout is looked at behind each message only, as in the kernel (recvmmsg(2), BUGS). */
static void write_rest_of_timeout(struct session *s, struct task *t, struct call *c)
{
    uint64_t now = clock_now(s->clock), deadline = c->scratch[1];
    uint64_t rest = deadline > now ? deadline - now : 0;
    struct timespec value = {(time_t)(rest / 1000000000u), (long)(rest % 1000000000u)};

    if (c->args[4] && c->result > 0)
        emit_poke(s, t, c->args[4], &value, sizeof(value));
}

static enum call_action recvmmsg_attempted(struct session *s, struct task *t, struct call *c)
{
    bool one_will_do = (c->args[3] & MSG_WAITFORONE) != 0;

    if (c->result > 0)
        c->progress += c->result;
    if ((c->result < 0 && c->result != -EAGAIN) || (uint64_t)c->progress >= message_count(c) ||
        (c->progress > 0 && (one_will_do || clock_now(s->clock) >= c->scratch[1])))
        return call_answer(c, c->progress > 0 ? c->progress : c->result);
    run_rest(s, t, c);
    return blocking_park_polled(t, c, POLLIN, transfer_deadline(s, c, SO_RCVTIMEO));
}

enum call_action model_recvmmsg(struct session *s, struct task *t, struct call *c)
{
    struct timespec limit;

    if (c->retry) {
        if (blocking_events(c, POLLIN) != 0)
            return run_rest(s, t, c);
        if (c->timed_out)
            return call_answer(c, c->progress > 0 ? c->progress : -EAGAIN);
        return blocking_park_polled(t, c, POLLIN, c->deadline);
    }
    c->scratch[1] = UINT64_MAX;
    if (c->args[4]) {
        if (tracee_read(t->tid, c->args[4], &limit, sizeof(limit)) < 0)
            return call_answer(c, -EFAULT);
        if (limit.tv_sec < 0 || limit.tv_nsec < 0 || limit.tv_nsec > 999999999)
            return call_answer(c, -EINVAL);
        c->scratch[1] = timers_after(s, &limit);
        c->run_args[4] = 0; /* the kernel's clock is not the run's */
    }
    c->finish = write_rest_of_timeout;
    if ((c->args[3] & (MSG_DONTWAIT | MSG_ERRQUEUE)) ||
        fds_kind(s, t, (int)c->args[0]) != FD_SOCKET || borrow_take(t, c, 0, 0) < 0 ||
        borrow_is_nonblocking(c))
        return CALL_RUN;
    c->attempted = recvmmsg_attempted;
    c->outputs = true;
    return run_rest(s, t, c);
}

static enum call_action sendmmsg_attempted(struct session *s, struct task *t, struct call *c)
{
    if (c->result > 0)
        c->progress += c->result;
    if ((c->result < 0 && c->result != -EAGAIN) || (uint64_t)c->progress >= message_count(c))
        return call_answer(c, c->progress > 0 ? c->progress : c->result);
    run_rest(s, t, c);
    if (c->result > 0)
        return CALL_RUN; /* says what stopped it */
    if (blocking_events(c, POLLOUT) != 0)
        return blocking_park_retried(s, t, c, BLOCKING_CHANGE_ANY,
                                     transfer_deadline(s, c, SO_SNDTIMEO));
    return blocking_park_polled(t, c, POLLOUT, transfer_deadline(s, c, SO_SNDTIMEO));
}

enum call_action model_sendmmsg(struct session *s, struct task *t, struct call *c)
{
    if (c->retry) {
        if (c->timed_out)
            return call_answer(c, c->progress > 0 ? c->progress : -EAGAIN);
        return run_rest(s, t, c);
    }
    if ((c->args[3] & MSG_DONTWAIT) || fds_kind(s, t, (int)c->args[0]) != FD_SOCKET ||
        borrow_take(t, c, 0, 0) < 0 || borrow_is_nonblocking(c))
        return CALL_RUN;
    c->attempted = sendmmsg_attempted;
    c->outputs = true;
    return run_rest(s, t, c);
}

/* ---- options ------------------------------------------------------------------------------- */

enum call_action model_setsockopt(struct session *s, struct task *t, struct call *c)
{
    (void)t;
    if ((int)c->args[1] == SOL_SOCKET && (int)c->args[2] == SO_RCVLOWAT)
        s->sockets_low_water = true;
    return CALL_RUN;
}
