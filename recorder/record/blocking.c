/* Parking, polling, sleeping in the kernel. */
#include "recorder/record/blocking.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "recorder/base/file.h"
#include "recorder/base/log.h"
#include "recorder/record/fds.h"
#include "recorder/record/process.h"

#define OUTSIDE_GRACE_MS 50 /* kernel workers (ptys, loopback) may still bring something */

bool blocking_is_ready(int fd, short events)
{
    struct pollfd p = {.fd = fd, .events = events};

    return poll(&p, 1, 0) > 0;
}

void blocking_release(struct call *c)
{
    close_fd(&c->dup_fd);
    for (size_t i = 0; i < c->poll_count; i++)
        close_fd(&c->poll[i].fd);
    c->poll_count = 0;
}

void blocking_poll(struct session *s)
{
    s->state_changed = false;
    for (struct task *t = s->tasks; t; t = t->next) {
        struct call *c = &t->call;

        if (t->state != TASK_PARKED || c->woken)
            continue;
        if (c->ready)
            c->woken = c->ready(s, t, c);
        else if (c->poll_count > 0)
            c->woken = poll(c->poll, c->poll_count, 0) > 0;
    }
}

static size_t gather(struct session *s, struct pollfd *all, size_t max, bool *ret_external)
{
    size_t n = 0;

    *ret_external = false;
    for (struct task *t = s->tasks; t; t = t->next) {
        if (t->state == TASK_KERNEL)
            *ret_external = true;
        if (t->state != TASK_PARKED)
            continue;
        if (t->call.external)
            *ret_external = true;
        for (size_t i = 0; i < t->call.poll_count && n < max; i++)
            all[n++] = t->call.poll[i];
        if (t->call.dup_fd >= 0 && t->call.poll_count == 0 && n < max)
            all[n++] = (struct pollfd){t->call.dup_fd, (short)t->call.scratch[7], 0};
    }
    return n;
}

bool blocking_wait_outside(struct session *s)
{
    struct pollfd all[256];
    bool external;
    size_t n = gather(s, all, 256, &external);
    int got;

    if (n == 0 && !external)
        return false;
    got = poll(all, n, external && s->outside_waits > 0 ? 10 : OUTSIDE_GRACE_MS);
    if (got > 0) {
        s->outside_waits = 0;
        return true;
    }
    if (got < 0 && errno == EINTR)
        return true;
    /* a call asleep in the kernel or a descriptor from outside may wake at any time: go on waiting
     * until the run's timeout; for inner ones the grace is over */
    s->outside_waits++;
    if (external && s->external_input)
        return true;
    return s->outside_waits < 3 && external;
}

/* ---- asleep in the kernel ------------------------------------------------------------------ */

char blocking_task_letter(pid_t tid)
{
    char path[64], text[512];
    cleanup_fd int fd = -1;
    ssize_t n;
    const char *at;

    snprintf(path, sizeof(path), "/proc/%d/stat", tid);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return 'X';
    n = read(fd, text, sizeof(text) - 1);
    if (n <= 0)
        return 'X';
    text[n] = '\0';
    at = strrchr(text, ')');
    return at && at[1] ? at[2] : 'X';
}

/* Let the task run inside the kernel until its call is over (true) or it sleeps (false). Everybody else
 * is stopped, so the answer is a fact about the call and not about timing. */
static bool settle(struct session *s, struct task *t)
{
    for (;;) {
        struct stop stop = t->kernel_stop;
        int got = 1;
        char letter;

        if (!stop.tid)
            got = wait_next(t->tid, false, &stop);
        t->kernel_stop.tid = 0;
        if (got < 0 || (got == 1 && stop.kind == STOP_DEAD)) {
            process_task_dead(s, t, got == 1 ? stop.status : 0);
            return true;
        }
        if (got == 1) {
            s->result->statistics.stops++;
            if (stop.kind == STOP_SYSCALL_EXIT) {
                t->state = TASK_READY;
                tracee_get_regs(t->tid, &t->regs);
                return true;
            }
            if (stop.kind == STOP_EXIT) {
                process_task_exiting(s, t, (int)stop.message);
                return true;
            }
            ptrace(PTRACE_SYSCALL, t->tid, 0, 0);
            continue;
        }
        letter = blocking_task_letter(t->tid);
        if (letter == 'S' || letter == 'X')
            return false;
        sched_yield();
    }
}

void blocking_fell_asleep(struct session *s, struct task *t)
{
    struct call *c = &t->call;

    if (!c->entered) {
        emit_begin(s, t, EVENT_ENTRY);
        s->building.event.before = s->building.event.after = c->before;
        emit_end_registers(s, t, &c->before);
        c->entered = true;
    }
    c->in_kernel = true;
    t->state = TASK_KERNEL;
    s->reason = SCHED_BLOCKED;
    s->reschedule = true;
}

void blocking_collect_kernel(struct session *s)
{
    struct task *next;

    for (struct task *t = s->tasks; t; t = next) {
        next = t->next;
        if (t->state == TASK_KERNEL && settle(s, t) && t->state == TASK_READY)
            t->call.woken = true;
        if (t->state == TASK_READY && t->call.active && t->call.woken && t->call.in_kernel) {
            call_kernel_done(s, t);
            return;
        }
    }
}

/* ---- descriptors --------------------------------------------------------------------------- */

static short wanted_events(const struct syscall_row *row)
{
    return row->blocks == SYSCALL_BLOCKS_WRITE ? POLLOUT : POLLIN;
}

static bool is_nonblocking(struct task *t, struct call *c, int fd)
{
    int flags = fcntl(fd, F_GETFL);

    (void)t;
    if (flags >= 0 && (flags & O_NONBLOCK))
        return true;
    switch (c->nr) {
    case SYS_recvfrom:
    case SYS_sendto:
        return (c->args[3] & MSG_DONTWAIT) != 0;
    case SYS_recvmsg:
    case SYS_sendmsg:
        return (c->args[2] & MSG_DONTWAIT) != 0;
    case SYS_recvmmsg:
    case SYS_sendmmsg:
        return (c->args[3] & MSG_DONTWAIT) != 0;
    default:
        return false;
    }
}

static bool duplicate_is_ready(struct session *s, struct task *t, struct call *c)
{
    (void)s;
    (void)t;
    return blocking_is_ready(c->dup_fd, (short)c->scratch[7]);
}

/* The number may mean another file by now: then the call gets our duplicate under a number of its own. */
static enum call_action run_on_duplicate(struct session *s, struct task *t, struct call *c)
{
    struct fd_entry *e = fds_entry(t->files, (int)c->args[c->row->fd_argument]);
    int number;

    if (e && e->generation == c->fd_generation) {
        blocking_release(c);
        return CALL_RUN;
    }
    c->stop_lost = true;
    t->regs = c->before;
    if (tracee_send_fd(&s->area, t->tid, &t->regs, c->dup_fd, &number) < 0)
        return call_answer(c, -EBADF);
    t->regs_dirty = true;
    blocking_release(c);
    c->run_args[c->row->fd_argument] = (uint64_t)number;
    c->close_after = number;
    return CALL_RUN;
}

enum call_action blocking_fd_call(struct session *s, struct task *t, struct call *c)
{
    int fd = (int)c->args[c->row->fd_argument];
    enum fd_kind kind;
    struct fd_entry *e;

    if (c->retry) {
        if (!duplicate_is_ready(s, t, c))
            return call_park(t, c, c->row->name, UINT64_MAX);
        return run_on_duplicate(s, t, c);
    }
    kind = fds_kind(s, t, fd);
    if (kind == FD_UNKNOWN || kind == FD_NEVER_BLOCKS)
        return CALL_RUN;
    c->dup_fd = fds_take(t, fd);
    if (c->dup_fd < 0)
        return CALL_RUN;
    c->scratch[7] = (uint64_t)wanted_events(c->row);
    if (is_nonblocking(t, c, c->dup_fd) || duplicate_is_ready(s, t, c)) {
        blocking_release(c);
        return CALL_RUN;
    }
    e = fds_entry(t->files, fd);
    c->fd_generation = e ? e->generation : 0;
    c->external = kind == FD_TERMINAL || kind == FD_SOCKET || kind == FD_OTHER || fd == 0;
    c->ready = duplicate_is_ready;
    return call_park(t, c, c->row->name, UINT64_MAX);
}
