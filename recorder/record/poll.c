/* Waiting for several descriptors: duplicates are polled by us; once something is ready, or the virtual
 * deadline has come, the kernel executes the call with a timeout of zero. */
#include "recorder/record/poll.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/select.h>
#include <sys/syscall.h>
#include <time.h>

#include "include/rrtest/recorder_page.h"
#include "recorder/record/blocking.h"
#include "recorder/record/fds.h"
#include "recorder/record/signal.h"
#include "recorder/record/timers.h"

/* A zero timespec for the calls whose timeout is a pointer lives in the recorder page. */
#define ZERO_TIMEOUT 0xa00

static uint64_t zero_timeout(struct session *s)
{
    memset(s->area.page + ZERO_TIMEOUT, 0, 16);
    return RECORDER_PAGE_ADDRESS + ZERO_TIMEOUT;
}

static void add_fd(struct session *s, struct task *t, struct call *c, int fd, short events)
{
    enum fd_kind kind = fds_kind(s, t, fd);
    int taken;

    if (kind == FD_UNKNOWN)
        return;
    taken = fds_take(t, fd);
    if (taken < 0)
        return;
    c->poll = realloc(c->poll, (c->poll_count + 1) * sizeof(*c->poll));
    if (!c->poll)
        abort();
    c->poll[c->poll_count++] = (struct pollfd){taken, events, 0};
    c->external |= kind == FD_TERMINAL || kind == FD_SOCKET || kind == FD_OTHER || fd == 0;
}

static bool any_ready(struct call *c)
{
    return c->poll_count > 0 && poll(c->poll, c->poll_count, 0) > 0;
}

static int deadline_from_timespec(struct session *s, struct task *t, uint64_t address, bool timeval,
                                  uint64_t *ret)
{
    struct timespec value;

    *ret = UINT64_MAX;
    if (!address)
        return 0;
    if (tracee_read(t->tid, address, &value, sizeof(value)) < 0)
        return -EFAULT;
    if (value.tv_sec < 0 || value.tv_nsec < 0 || value.tv_nsec > 999999999)
        return -EINVAL;
    if (timeval)
        value.tv_nsec *= 1000;
    *ret = timers_after(s, &value);
    return 0;
}

static uint64_t deadline_from_ms(struct session *s, int ms)
{
    struct timespec value = {ms / 1000, ms % 1000 * 1000000l};

    return ms < 0 ? UINT64_MAX : timers_after(s, &value);
}

static bool looks_ready(struct session *s, struct task *t, struct call *c)
{
    (void)s;
    (void)t;
    return any_ready(c);
}

/* Common end: run with a zero timeout, or wait. set_zero has been prepared by the caller. */
static enum call_action run_or_wait(struct session *s, struct task *t, struct call *c, const char *what)
{
    if (any_ready(c) || c->timed_out || c->scratch[1] <= clock_now(s->clock)) {
        blocking_release(c);
        return CALL_RUN;
    }
    c->no_restart = true;
    c->ready = looks_ready;
    return call_park(t, c, what, c->scratch[1]);
}

enum call_action model_poll(struct session *s, struct task *t, struct call *c)
{
    bool timespec = c->nr == SYS_ppoll;
    uint64_t count = c->args[1];
    int error = 0;

    c->outputs = true;
    if (timespec)
        c->run_args[2] = zero_timeout(s);
    else
        c->run_args[2] = 0;
    if (timespec)
        c->run_args[3] = 0;
    if (!c->retry) {
        struct pollfd *set;

        if (timespec)
            error = deadline_from_timespec(s, t, c->args[2], false, &c->scratch[1]);
        else
            c->scratch[1] = deadline_from_ms(s, (int)c->args[2]);
        if (!error && timespec)
            error = signal_swap_mask(t, c, c->args[3], c->args[4]);
        if (error)
            return call_answer(c, error);
        if (count > 65536)
            return call_answer(c, -EINVAL);
        set = malloc((count + 1) * sizeof(*set));
        if (!set)
            abort();
        if (tracee_read(t->tid, c->args[0], set, count * sizeof(*set)) < 0) {
            free(set);
            return call_answer(c, -EFAULT);
        }
        bool invalid = false;

        for (uint64_t i = 0; i < count; i++) {
            if (set[i].fd < 0)
                continue;
            if (fds_kind(s, t, set[i].fd) == FD_UNKNOWN)
                invalid = true;
            else
                add_fd(s, t, c, set[i].fd, set[i].events);
        }
        free(set);
        if (invalid) {
            blocking_release(c);
            return CALL_RUN;
        }
    }
    return run_or_wait(s, t, c, "poll");
}

static int read_sets(struct task *t, struct call *c, fd_set sets[3])
{
    size_t bytes = ((size_t)c->args[0] + 63) / 64 * 8;

    memset(sets, 0, 3 * sizeof(fd_set));
    if (c->args[0] > FD_SETSIZE)
        bytes = sizeof(fd_set);
    for (int i = 0; i < 3; i++)
        if (c->args[1 + i] && tracee_read(t->tid, c->args[1 + i], &sets[i], bytes) < 0)
            return -EFAULT;
    return 0;
}

static void select_rest(struct session *s, struct task *t, struct call *c)
{
    uint64_t now = clock_now(s->clock), rest;
    int64_t value[2];

    if (!c->args[4] || c->scratch[1] == UINT64_MAX)
        return;
    rest = c->scratch[1] > now ? c->scratch[1] - now : 0;
    value[0] = (int64_t)(rest / 1000000000u);
    value[1] = (int64_t)(rest % 1000000000u / (c->nr == SYS_select ? 1000 : 1));
    emit_poke(s, t, c->args[4], value, sizeof(value));
}

enum call_action model_select(struct session *s, struct task *t, struct call *c)
{
    static const short wanted[3] = {POLLIN | POLLHUP | POLLERR, POLLOUT | POLLERR, POLLPRI};
    uint64_t mask[2];
    fd_set sets[3];
    int error;

    c->outputs = true;
    c->run_args[4] = zero_timeout(s);
    if (c->nr == SYS_pselect6)
        c->run_args[5] = 0;
    c->finish = select_rest;
    c->interrupt = select_rest;
    if (!c->retry) {
        if ((int)c->args[0] < 0)
            return call_answer(c, -EINVAL);
        error = deadline_from_timespec(s, t, c->args[4], c->nr == SYS_select, &c->scratch[1]);
        if (!error)
            error = read_sets(t, c, sets);
        if (!error && c->nr == SYS_pselect6 && c->args[5]) {
            if (tracee_read(t->tid, c->args[5], mask, sizeof(mask)) < 0)
                error = -EFAULT;
            else
                error = signal_swap_mask(t, c, mask[0], mask[1]);
        }
        if (error)
            return call_answer(c, error);
        for (int fd = 0; fd < (int)c->args[0] && fd < FD_SETSIZE; fd++) {
            for (int i = 0; i < 3; i++) {
                if (!FD_ISSET(fd, &sets[i]))
                    continue;
                if (fds_kind(s, t, fd) == FD_UNKNOWN) {
                    blocking_release(c);
                    return CALL_RUN;
                }
                add_fd(s, t, c, fd, wanted[i]);
            }
        }
    }
    return run_or_wait(s, t, c, "select");
}

enum call_action model_epoll_wait(struct session *s, struct task *t, struct call *c)
{
    int error = 0;

    c->outputs = true;
    c->run_args[3] = c->nr == SYS_epoll_pwait2 ? zero_timeout(s) : 0;
    if (c->nr != SYS_epoll_wait)
        c->run_args[4] = 0;
    if (!c->retry) {
        if (c->nr == SYS_epoll_pwait2)
            error = deadline_from_timespec(s, t, c->args[3], false, &c->scratch[1]);
        else
            c->scratch[1] = deadline_from_ms(s, (int)c->args[3]);
        if (!error && c->nr != SYS_epoll_wait)
            error = signal_swap_mask(t, c, c->args[4], c->args[5]);
        if (error)
            return call_answer(c, error);
        if (fds_kind(s, t, (int)c->args[0]) != FD_EPOLL)
            return CALL_RUN;
        add_fd(s, t, c, (int)c->args[0], POLLIN);
    }
    return run_or_wait(s, t, c, "epoll_wait");
}
