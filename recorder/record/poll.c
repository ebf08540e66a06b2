/* Waiting for several descriptors. The kernel executes the call with a timeout of zero; if nothing
 * was ready it is parked, its descriptors' duplicates are polled by us, and it is executed again
 * once something is ready or the virtual deadline has come. A short list is looked at before the
 * first execution: parking then costs no stop. */
#include "recorder/record/poll.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/select.h>
#include <sys/syscall.h>
#include <time.h>

#include "include/rrtest/recorder_page.h"
#include "recorder/base/file.h"
#include "recorder/record/blocking.h"
#include "recorder/record/borrow.h"
#include "recorder/record/fds.h"
#include "recorder/record/signal.h"
#include "recorder/record/timers.h"

/* A zero timespec for the calls whose timeout is a pointer lives in the recorder page. */
#define ZERO_TIMEOUT 0xa00
#define SHORT_LIST 16
#define LIST_MAX 65536
#define CLOSED_FD 0x7fffffff /* no process has so many */

/* scratch[] of these calls */
enum { SCRATCH_DEADLINE = 1, SCRATCH_TIMED, SCRATCH_HIDDEN };

uint64_t poll_zero_timeout(struct session *s)
{
    memset(s->area.page + ZERO_TIMEOUT, 0, 16);
    return RECORDER_PAGE_ADDRESS + ZERO_TIMEOUT;
}

static bool is_recorders(int fd)
{
    return fd == TRACEE_FD_AREA || fd == TRACEE_FD_SOCKET;
}

/* ---- timeouts ------------------------------------------------------------------------------ */

static int deadline_from_timespec(struct session *s, struct task *t, struct call *c,
                                  uint64_t address, bool timeval)
{
    struct timespec value;

    c->scratch[SCRATCH_DEADLINE] = UINT64_MAX;
    if (!address)
        return 0;
    if (tracee_read(t->tid, address, &value, sizeof(value)) < 0)
        return -EFAULT;
    if (timeval) { /* kern_select() carries the microseconds over */
        value.tv_sec += value.tv_nsec / 1000000;
        value.tv_nsec = value.tv_nsec % 1000000 * 1000;
    }
    if (value.tv_sec < 0 || value.tv_nsec < 0 || value.tv_nsec > 999999999)
        return -EINVAL;
    c->scratch[SCRATCH_TIMED] = value.tv_sec != 0 || value.tv_nsec != 0;
    c->scratch[SCRATCH_DEADLINE] = timers_after(s, &value);
    return 0;
}

static void deadline_from_ms(struct session *s, struct call *c, int ms)
{
    struct timespec value = {ms / 1000, ms % 1000 * 1000000l};

    c->scratch[SCRATCH_DEADLINE] = ms < 0 ? UINT64_MAX : timers_after(s, &value);
}

static bool is_over(struct session *s, const struct call *c)
{
    return c->timed_out || c->scratch[SCRATCH_DEADLINE] <= clock_now(s->clock);
}

/* What is left of the timeout: select, pselect6 and ppoll tell (fs/select.c poll_select_finish). */
static void write_rest(struct session *s, struct task *t, struct call *c, uint64_t address)
{
    uint64_t now = clock_now(s->clock), deadline = c->scratch[SCRATCH_DEADLINE];
    uint64_t rest = deadline > now ? deadline - now : 0;
    int64_t value[2] = {(int64_t)(rest / 1000000000u),
                        (int64_t)(rest % 1000000000u / (c->nr == SYS_select ? 1000 : 1))};

    if (address && c->scratch[SCRATCH_TIMED])
        emit_poke(s, t, address, value, sizeof(value));
}

/* ---- waiting ------------------------------------------------------------------------------- */

static void add_fd(struct task *t, struct call *c, int fd, short events)
{
    int taken = fds_take(t, fd);

    if (taken < 0)
        return;
    c->poll = realloc(c->poll, (c->poll_count + 1) * sizeof(*c->poll));
    if (!c->poll)
        abort();
    c->poll[c->poll_count++] = (struct pollfd){taken, events, 0};
}

static enum call_action park(struct task *t, struct call *c)
{
    return call_park(t, c, c->row->name, c->scratch[SCRATCH_DEADLINE]);
}

/* poll(2) reports POLLHUP and POLLERR unasked; select(2) does not take each of them for readiness.
 */
static bool any_ready(struct call *c)
{
    if (c->poll_count == 0 || poll(c->poll, c->poll_count, 0) <= 0)
        return false;
    for (size_t i = 0; i < c->poll_count; i++)
        if (c->poll[i].revents & c->poll[i].events)
            return true;
    return false;
}

/* ---- poll ---------------------------------------------------------------------------------- */

static struct pollfd *poll_set(const struct call *c)
{
    return (struct pollfd *)(void *)c->buffer.data;
}

static size_t poll_count(const struct call *c)
{
    return c->buffer.length / sizeof(struct pollfd);
}

/* Duplicates of the whole list. False: some number is not open, which counts as ready. */
static bool take_poll_set(struct session *s, struct task *t, struct call *c)
{
    const struct pollfd *set = poll_set(c);

    for (size_t i = 0; i < poll_count(c); i++) {
        if (set[i].fd < 0)
            continue;
        if (fds_kind(s, t, set[i].fd) == FD_UNKNOWN)
            return false;
        add_fd(t, c, set[i].fd, (short)(set[i].events | POLLERR | POLLHUP));
    }
    return true;
}

/* The recorder's own descriptors are not open for the program. */
static void hide_own(struct task *t, struct call *c, bool hide)
{
    const struct pollfd *set = poll_set(c);

    for (size_t i = 0; i < poll_count(c); i++) {
        int number = hide ? CLOSED_FD : set[i].fd;

        if (is_recorders(set[i].fd))
            tracee_write(t->tid, c->args[0] + i * sizeof(*set), &number, sizeof(number));
    }
    c->scratch[SCRATCH_HIDDEN] = hide;
}

static void poll_finished(struct session *s, struct task *t, struct call *c)
{
    if (c->scratch[SCRATCH_HIDDEN])
        hide_own(t, c, false);
    if (c->nr == SYS_ppoll)
        write_rest(s, t, c, c->args[2]);
}

static enum call_action poll_attempted(struct session *s, struct task *t, struct call *c)
{
    if (c->result != 0 || is_over(s, c))
        return CALL_DONE;
    /* nothing was ready: `revents` are written when the call returns, not now */
    tracee_write(t->tid, c->args[0], c->buffer.data, c->buffer.length);
    blocking_release(c);
    if (!take_poll_set(s, t, c) || any_ready(c))
        return CALL_RUN;
    return park(t, c);
}

static int start_poll(struct session *s, struct task *t, struct call *c)
{
    uint64_t count = (uint32_t)c->args[1], length = count * sizeof(struct pollfd);
    bool own = false;
    int error = 0;

    if (c->nr == SYS_ppoll)
        error = deadline_from_timespec(s, t, c, c->args[2], false);
    else
        deadline_from_ms(s, c, (int)c->args[2]);
    if (!error && c->nr == SYS_ppoll)
        error = signal_swap_mask(t, c, c->args[3], c->args[4]);
    if (error)
        return error;
    if (count > LIST_MAX)
        return -EINVAL;
    bytes_clear(&c->buffer);
    if (length > 0 && tracee_read(t->tid, c->args[0], bytes_extend(&c->buffer, length), length) < 0)
        return -EFAULT;
    for (size_t i = 0; i < count; i++)
        own |= is_recorders(poll_set(c)[i].fd);
    if (own)
        hide_own(t, c, true);
    return 0;
}

enum call_action model_poll(struct session *s, struct task *t, struct call *c)
{
    int error;

    if (c->retry)
        return CALL_RUN;
    error = start_poll(s, t, c);
    if (error)
        return call_answer(c, error);
    c->outputs = true;
    c->finish = poll_finished;
    c->interrupt = poll_finished;
    c->attempted = poll_attempted;
    c->run_args[2] = c->nr == SYS_ppoll ? poll_zero_timeout(s) : 0;
    if (c->nr == SYS_ppoll)
        c->run_args[3] = 0;
    if (is_over(s, c) || poll_count(c) > SHORT_LIST || c->scratch[SCRATCH_HIDDEN])
        return CALL_RUN;
    if (take_poll_set(s, t, c) && !any_ready(c))
        return park(t, c);
    blocking_release(c);
    return CALL_RUN;
}

/* ---- select -------------------------------------------------------------------------------- */

static uint64_t set_bytes(const struct call *c)
{
    uint64_t count = c->args[0] < LIST_MAX ? c->args[0] : LIST_MAX;

    return (count + 63) / 64 * 8;
}

/* c->buffer holds the three sets as they were passed. */
static bool in_set(const struct call *c, int which, uint64_t fd)
{
    return c->args[1 + which] != 0 &&
           (c->buffer.data[(uint64_t)which * set_bytes(c) + fd / 8] >> (fd % 8) & 1) != 0;
}

static int read_sets(struct task *t, struct call *c)
{
    uint64_t length = set_bytes(c);
    uint8_t *to;

    bytes_clear(&c->buffer);
    to = bytes_extend(&c->buffer, 3 * length + 1);
    memset(to, 0, 3 * length + 1);
    for (uint64_t i = 0; i < 3 && length > 0; i++)
        if (c->args[1 + i] && tracee_read(t->tid, c->args[1 + i], to + i * length, length) < 0)
            return -EFAULT;
    return 0;
}

static void write_sets(struct task *t, struct call *c)
{
    for (uint64_t i = 0; i < 3; i++)
        if (c->args[1 + i])
            tracee_write(t->tid, c->args[1 + i], c->buffer.data + i * set_bytes(c), set_bytes(c));
}

/* -EBADF, or how many descriptors are in the sets; their duplicates are taken if `take`. */
static int walk_sets(struct session *s, struct task *t, struct call *c, bool take)
{
    static const short wanted[3] = {POLLIN | POLLHUP | POLLERR, POLLOUT | POLLERR, POLLPRI};
    int count = 0;

    for (uint64_t fd = 0; fd < c->args[0] && fd < LIST_MAX; fd++) {
        for (int i = 0; i < 3; i++) {
            if (!in_set(c, i, fd))
                continue;
            count++;
            if (is_recorders((int)fd))
                return -EBADF;
            if (!take)
                continue;
            if (fds_kind(s, t, (int)fd) == FD_UNKNOWN)
                return -EBADF;
            add_fd(t, c, (int)fd, wanted[i]);
        }
    }
    return count;
}

static void select_rest(struct session *s, struct task *t, struct call *c)
{
    write_rest(s, t, c, c->args[4]);
}

static enum call_action select_attempted(struct session *s, struct task *t, struct call *c)
{
    if (c->result != 0 || is_over(s, c))
        return CALL_DONE;
    write_sets(t, c); /* the kernel emptied them; that is for the end of the call */
    blocking_release(c);
    if (walk_sets(s, t, c, true) < 0 || any_ready(c))
        return CALL_RUN;
    return park(t, c);
}

static int start_select(struct session *s, struct task *t, struct call *c)
{
    uint64_t mask[2];
    int error;

    if ((int)c->args[0] < 0)
        return -EINVAL;
    error = deadline_from_timespec(s, t, c, c->args[4], c->nr == SYS_select);
    if (!error)
        error = read_sets(t, c);
    if (!error && c->nr == SYS_pselect6 && c->args[5]) {
        if (tracee_read(t->tid, c->args[5], mask, sizeof(mask)) < 0)
            error = -EFAULT;
        else
            error = signal_swap_mask(t, c, mask[0], mask[1]);
    }
    return error;
}

enum call_action model_select(struct session *s, struct task *t, struct call *c)
{
    int count;

    if (c->retry)
        return CALL_RUN;
    count = start_select(s, t, c);
    if (count == 0)
        count = walk_sets(s, t, c, false);
    if (count < 0)
        return call_answer(c, count);
    c->outputs = true;
    c->finish = select_rest;
    c->interrupt = select_rest;
    c->attempted = select_attempted;
    c->run_args[4] = poll_zero_timeout(s);
    if (c->nr == SYS_pselect6)
        c->run_args[5] = 0;
    if (is_over(s, c) || count > SHORT_LIST)
        return CALL_RUN;
    if (walk_sets(s, t, c, true) >= 0 && !any_ready(c))
        return park(t, c);
    blocking_release(c);
    return CALL_RUN;
}

/* ---- epoll --------------------------------------------------------------------------------- */

static enum call_action park_epoll(struct session *s, struct task *t, struct call *c)
{
    uint64_t deadline = c->scratch[SCRATCH_DEADLINE];

    if (blocking_events(c, POLLIN) != 0)
        return blocking_park_retried(s, t, c, BLOCKING_CHANGE_ANY, deadline);
    return blocking_park_polled(t, c, POLLIN, deadline);
}

static enum call_action epoll_attempted(struct session *s, struct task *t, struct call *c)
{
    if (c->result != 0 || is_over(s, c))
        return CALL_DONE;
    return park_epoll(s, t, c);
}

enum call_action model_epoll_wait(struct session *s, struct task *t, struct call *c)
{
    int error = 0;

    if (c->retry) {
        if (!c->timed_out && !c->wait_change && blocking_events(c, POLLIN) == 0)
            return park_epoll(s, t, c);
        return borrow_run(s, t, c);
    }
    if (c->nr == SYS_epoll_pwait2)
        error = deadline_from_timespec(s, t, c, c->args[3], false);
    else
        deadline_from_ms(s, c, (int)c->args[3]);
    if (!error && c->nr != SYS_epoll_wait)
        error = signal_swap_mask(t, c, c->args[4], c->args[5]);
    if (error)
        return call_answer(c, error);
    c->outputs = true;
    c->run_args[3] = c->nr == SYS_epoll_pwait2 ? poll_zero_timeout(s) : 0;
    if (c->nr != SYS_epoll_wait)
        c->run_args[4] = 0;
    if (is_over(s, c) || (int)c->args[2] <= 0 || fds_kind(s, t, (int)c->args[0]) != FD_EPOLL)
        return CALL_RUN;
    c->attempted = epoll_attempted;
    if (borrow_take(t, c, 0, 0) < 0 || blocking_events(c, POLLIN) != 0)
        return CALL_RUN;
    return park_epoll(s, t, c);
}
