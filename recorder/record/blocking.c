/* Looking at parked calls, and at those asleep in the kernel. */
#include "recorder/record/blocking.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "recorder/base/file.h"
#include "recorder/base/log.h"
#include "recorder/record/borrow.h"
#include "recorder/record/kernel_signals.h"
#include "recorder/record/process.h"

bool blocking_is_ready(int fd, short events)
{
    struct pollfd p = {.fd = fd, .events = events};

    return poll(&p, 1, 0) > 0;
}

short blocking_events(struct call *c, short events)
{
    struct pollfd p = {.fd = c->borrowed[0].fd, .events = events};

    return poll(&p, 1, 0) > 0 ? p.revents : 0;
}

void blocking_release(struct call *c)
{
    borrow_release(c);
    for (size_t i = 0; i < c->poll_count; i++)
        close_fd(&c->poll[i].fd);
    c->poll_count = 0;
}

/* ---- changes ------------------------------------------------------------------------------- */

static unsigned changes_of(const struct call *c)
{
    switch (c->nr) {
    case SYS_flock:
        return 1u << BLOCKING_CHANGE_LOCKS;
    case SYS_fcntl:
        switch ((int)c->args[1]) {
        case F_SETLK:
        case F_SETLKW:
        case F_OFD_SETLK:
        case F_OFD_SETLKW:
            return 1u << BLOCKING_CHANGE_LOCKS;
        default:
            return 0;
        }
    case SYS_close:
    case SYS_close_range:
    case SYS_dup2:
    case SYS_dup3:
    case SYS_execve:
    case SYS_execveat:
        return 1u << BLOCKING_CHANGE_LOCKS | 1u << BLOCKING_CHANGE_CONNECTIONS;
    case SYS_semop:
    case SYS_semtimedop:
    case SYS_semctl:
    case SYS_msgsnd:
    case SYS_msgrcv:
    case SYS_msgctl:
        return 1u << BLOCKING_CHANGE_QUEUES;
    case SYS_accept:
    case SYS_accept4:
    case SYS_listen:
    case SYS_shutdown:
        return 1u << BLOCKING_CHANGE_CONNECTIONS;
    default:
        return 0;
    }
}

void blocking_called(struct session *s, const struct call *c)
{
    unsigned kinds = changes_of(c);

    if (c->result < 0)
        return;
    s->changes[BLOCKING_CHANGE_ANY]++;
    for (int i = BLOCKING_CHANGE_ANY + 1; i < BLOCKING_CHANGE_COUNT; i++)
        if (kinds & (1u << i))
            s->changes[i]++;
}

bool blocking_may_wake(const struct call *c)
{
    switch (c->nr) {
    case SYS_stat:
    case SYS_fstat:
    case SYS_lstat:
    case SYS_newfstatat:
    case SYS_statx:
    case SYS_access:
    case SYS_faccessat:
    case SYS_faccessat2:
    case SYS_readlink:
    case SYS_readlinkat:
    case SYS_getcwd:
    case SYS_lseek:
    case SYS_getdents64:
    case SYS_mprotect:
    case SYS_madvise:
    case SYS_brk:
    case SYS_pread64:
    case SYS_getuid:
    case SYS_geteuid:
    case SYS_getgid:
    case SYS_getegid:
    case SYS_uname:
    case SYS_getrlimit:
    case SYS_prlimit64:
    case SYS_getsockname:
    case SYS_getpeername:
    case SYS_getsockopt:
    case SYS_socket:
    case SYS_pipe2:
    case SYS_socketpair:
        return false;
    default:
        return true;
    }
}

static void note_deaths(struct session *s)
{
    uint32_t deaths = s->next_task - s->live;

    if (deaths == s->deaths_seen)
        return;
    s->deaths_seen = deaths;
    for (int i = BLOCKING_CHANGE_ANY; i < BLOCKING_CHANGE_COUNT; i++)
        s->changes[i]++;
}

/* ---- parking ------------------------------------------------------------------------------- */

enum call_action blocking_park_polled_slot(struct task *t, struct call *c, int slot, short events,
                                           uint64_t deadline)
{
    c->borrowed[slot].events = events;
    c->borrowed[1 - slot].events = 0;
    c->wait_change = BLOCKING_CHANGE_NONE;
    return call_park(t, c, c->row->name, deadline);
}

enum call_action blocking_park_polled(struct task *t, struct call *c, short events,
                                      uint64_t deadline)
{
    return blocking_park_polled_slot(t, c, 0, events, deadline);
}

enum call_action blocking_park_retried(struct session *s, struct task *t, struct call *c,
                                       enum blocking_change change, uint64_t deadline)
{
    c->borrowed[0].events = c->borrowed[1].events = 0;
    c->wait_change = (uint8_t)change;
    c->wait_seen = s->changes[change];
    return call_park(t, c, c->row->name, deadline);
}

static size_t poll_need(const struct task *t)
{
    const struct call *c = &t->call;

    if (t->state != TASK_PARKED || c->ready)
        return 0;
    return c->poll_count + (c->borrowed[0].events != 0) + (c->borrowed[1].events != 0);
}

static size_t fill_poll_set(struct session *s)
{
    size_t n = 0;

    for (struct task *t = s->tasks; t; t = t->next)
        n += poll_need(t);
    if (n > s->poll_capacity) {
        s->poll_capacity = n * 2;
        s->poll_set = realloc(s->poll_set, s->poll_capacity * sizeof(*s->poll_set));
        if (!s->poll_set)
            abort();
    }
    n = 0;
    for (struct task *t = s->tasks; t; t = t->next) {
        struct call *c = &t->call;

        if (poll_need(t) == 0)
            continue;
        for (size_t i = 0; i < c->poll_count; i++)
            s->poll_set[n++] = (struct pollfd){.fd = c->poll[i].fd, .events = c->poll[i].events};
        for (int i = 0; i < 2; i++)
            if (c->borrowed[i].events)
                s->poll_set[n++] =
                    (struct pollfd){.fd = c->borrowed[i].fd,
                                    .events = (short)(c->borrowed[i].events | POLLERR | POLLHUP)};
    }
    return n;
}

static void wake_polled(struct session *s)
{
    size_t n = fill_poll_set(s), at = 0;
    int got = 0;

    if (n > 0)
        got = poll(s->poll_set, n, 0);
    for (struct task *t = s->tasks; t; t = t->next) {
        size_t need = poll_need(t);

        /* who was woken for what another one took meanwhile sleeps on */
        if (need > 0)
            t->call.woken = t->call.timed_out;
        for (size_t i = 0; i < need && got > 0; i++)
            if (s->poll_set[at + i].revents & s->poll_set[at + i].events)
                t->call.woken = true;
        at += need;
    }
}

void blocking_poll(struct session *s)
{
    s->state_changed = false;
    note_deaths(s);
    if (s->kernel_signals)
        kernel_signals_collect(s);
    wake_polled(s);
    for (struct task *t = s->tasks; t; t = t->next) {
        struct call *c = &t->call;

        if (t->state != TASK_PARKED || c->woken)
            continue;
        if (c->wait_change)
            c->woken = s->changes[c->wait_change] != c->wait_seen;
        if (c->ready && !c->woken)
            c->woken = c->ready(s, t, c);
    }
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

/* Let the task run inside the kernel until its call is over (true) or it sleeps (false). Everybody
 * else is stopped, so the answer is a fact about the call and not about timing. */
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

    log_debug("task %u: %s sleeps in the kernel", t->id, c->row->name);
    borrow_reblock(c);
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
