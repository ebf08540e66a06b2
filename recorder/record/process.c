/* Exits, deaths, zombies and who is told about them. */
#include "recorder/record/process.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "recorder/base/log.h"
#include "recorder/record/fds.h"
#include "recorder/record/futexes.h"
#include "recorder/record/limits.h"
#include "recorder/record/patches.h"
#include "recorder/record/signal.h"
#include "recorder/record/stack.h"

void process_release_vfork(struct process *p)
{
    if (p->vfork_parent)
        p->vfork_parent->vfork_child = false;
    p->vfork_parent = NULL;
}

static bool ignores_children(const struct process *p)
{
    const struct signal_action *a = signal_handlers_get(p->handlers, SIGCHLD);

    return a->handler == 1 || (a->handler > 1 && (a->flags & SA_NOCLDWAIT)) ||
           (a->handler == 0 && (a->flags & SA_NOCLDWAIT));
}

void process_notify_parent(struct session *s, struct process *p, int code, int status)
{
    struct process *parent = p->parent;
    const struct signal_action *a;
    siginfo_t info;
    int signal = code == CLD_STOPPED || code == CLD_CONTINUED ? SIGCHLD : p->exit_signal;

    s->state_changed = true;
    if (!parent || parent->zombie || signal == 0)
        return;
    a = signal_handlers_get(parent->handlers, SIGCHLD);
    if ((code == CLD_STOPPED || code == CLD_CONTINUED) && (a->flags & SA_NOCLDSTOP))
        return;
    memset(&info, 0, sizeof(info));
    info.si_signo = signal;
    info.si_code = code;
    info.si_pid = p->pid;
    info.si_uid = p->uid;
    info.si_status = status;
    signal_send(s, parent, NULL, &info);
}

/* Wait in the parent's name, in the kernel, for a zombie nobody will ask for. */
static void reap_in_parent(struct session *s, struct process *p)
{
    struct task *t;
    int64_t result;

    for (t = s->tasks; t; t = t->next)
        if (t->process == p->parent && (t->state == TASK_READY || t->state == TASK_PARKED))
            break;
    p->reaped = true;
    if (!t)
        return;
    struct user_regs_struct saved = t->regs;

    if (t->call.active)
        t->call.stop_lost = true;
    task_call(s, t, SYS_wait4, (uint64_t[6]){(uint64_t)p->pid, 0, WNOHANG | 0x40000000}, &result);
    t->regs = saved;
    t->regs_dirty = true;
}

static void reparent_children(struct session *s, struct process *dead)
{
    struct process *to = dead->parent;

    while (to && !to->subreaper)
        to = to->parent;
    for (struct process *p = s->processes; p; p = p->next) {
        if (p->parent != dead)
            continue;
        p->parent = to;
        if (p->death_signal && !p->zombie) {
            siginfo_t info = {.si_signo = p->death_signal, .si_code = SI_USER};

            info.si_pid = dead->pid;
            signal_send(s, p, NULL, &info);
        }
        if (!p->zombie)
            continue;
        if (to)
            process_notify_parent(s, p, CLD_EXITED, 0);
        else
            p->reaped = true;
    }
}

static void process_ended(struct session *s, struct process *p, int status)
{
    int code = WIFEXITED(status) ? CLD_EXITED : (WCOREDUMP(status) ? CLD_DUMPED : CLD_KILLED);

    p->zombie = true;
    p->status = status;
    p->stopped = false;
    process_release_vfork(p);
    process_timers_free(p);
    if (p == s->first) {
        s->first_exit_clock = clock_now(s->clock);
        s->result->status = status;
    }
    reparent_children(s, p);
    if (!p->parent) {
        p->reaped = true;
        return;
    }
    process_notify_parent(s, p, code, WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status));
    p->parent->children_cpu_ns += p->cpu_ns + p->children_cpu_ns;
    if (ignores_children(p->parent) && p->exit_signal == SIGCHLD)
        reap_in_parent(s, p);
}

void process_task_dead(struct session *s, struct task *t, int status)
{
    struct process *p = t->process;

    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL && !t->kill_signal)
        limits_killed_from_outside(s, t);
    t->state = TASK_DEAD;
    if (s->current == t) {
        s->reason = SCHED_EXITED;
        s->reschedule = true;
    }
    s->state_changed = true;
    if (--p->live_tasks == 0)
        process_ended(s, p, p->group_status_valid ? p->group_status : status);
    session_task_gone(s, t);
}

/* Wait until the kernel has let go of the task. A leader with live threads is only marked: its
 * death is reported when the last of them is gone. */
static void await_death(struct session *s, struct task *t, int status)
{
    struct stop stop;
    int got;
    bool leader = t->tid == t->process->tgid;

    if (leader &&
        t->process->execing) { /* the exec'ing thread takes its place: no death is reported */
        process_task_dead(s, t, status);
        return;
    }
    if (leader && t->process->live_tasks > 1) {
        t->state = TASK_EXITING;
        t->process->leader_gone = true;
        if (s->current == t) {
            s->reason = SCHED_EXITED;
            s->reschedule = true;
        }
        s->state_changed = true;
        t->exit_status = status;
        return;
    }
    for (;;) {
        got = session_wait(s, t->tid, &stop);
        if (got < 0 || stop.kind == STOP_DEAD)
            break;
        ptrace(PTRACE_CONT, t->tid, 0, 0);
    }
    process_task_dead(s, t, got == 1 ? stop.status : status);
}

static void leader_follows(struct session *s, struct process *p)
{
    for (struct task *o = s->tasks; o; o = o->next) {
        if (o->process != p || o->state != TASK_EXITING || p->live_tasks > 1)
            continue;
        await_death(s, o, o->exit_status);
        return;
    }
}

/* What a task leaves behind, as its EXIT event. Written while the task is still whole: a killed
 * task need not stop at PTRACE_EVENT_EXIT. */
static void leave(struct session *s, struct task *t, int status)
{
    if (t->left)
        return;
    t->left = true;
    call_drop(s, t);
    if (t->space->references == 1 && t->process->live_tasks == 1)
        emit_memory_checksum(s, t);
    emit_begin(s, t, EVENT_EXIT)->status = status;
    futexes_task_exits(s, t);
    emit_end(s, t);
    patches_task_leaves(s, t, t->space);
}

void process_task_exiting(struct session *s, struct task *t, int status)
{
    struct process *p = t->process;

    leave(s, t, status);
    t->state = TASK_EXITING;
    if (!p->group_status_valid && (p->group_exiting || p->live_tasks == 1)) {
        p->group_status = status;
        p->group_status_valid = true;
    }
    ptrace(PTRACE_CONT, t->tid, 0, 0);
    await_death(s, t, status);
    leader_follows(s, p);
}

static void all_leave(struct session *s, struct process *p, int status)
{
    for (struct task *o = s->tasks; o; o = o->next) {
        if (o->process != p || o->state == TASK_EXITING)
            continue;
        if ((uint32_t)o->space->references == p->live_tasks && p->live_tasks > 1)
            emit_memory_checksum(s, o);
        break;
    }
    for (struct task *o = s->tasks; o; o = o->next)
        if (o->process == p && o->state != TASK_EXITING)
            leave(s, o, status);
}

/* Every task of the process is on its way out: see each through, the leader last. */
static void collect_group(struct session *s, struct process *p)
{
    bool progress = true;

    while (progress) {
        struct task *victim = NULL, *leader = NULL;
        struct stop stop;
        int got;

        for (struct task *o = s->tasks; o; o = o->next) {
            if (o->process != p || o->state == TASK_EXITING)
                continue;
            if (o->tid == p->tgid)
                leader = o;
            else if (!victim)
                victim = o;
        }
        if (!victim)
            victim = leader;
        progress = victim != NULL;
        if (!victim)
            break;
        do {
            stop = victim->kernel_stop;
            got = 1;
            if (!stop.tid)
                got = session_wait(s, victim->tid, &stop);
            victim->kernel_stop.tid = 0;
            if (got == 1 && stop.kind != STOP_EXIT && stop.kind != STOP_DEAD)
                ptrace(PTRACE_CONT, victim->tid, 0, stop.kind == STOP_SIGNAL ? stop.signal : 0);
        } while (got == 1 && stop.kind != STOP_EXIT && stop.kind != STOP_DEAD);
        if (got == 1 && stop.kind == STOP_EXIT)
            process_task_exiting(s, victim, (int)stop.message);
        else
            process_task_dead(s, victim, got == 1 ? stop.status : 0);
    }
}

static bool dumps_core(int signal)
{
    const signal_set set = signal_bit(SIGQUIT) | signal_bit(SIGILL) | signal_bit(SIGTRAP) |
                           signal_bit(SIGABRT) | signal_bit(SIGBUS) | signal_bit(SIGFPE) |
                           signal_bit(SIGSEGV) | signal_bit(SIGXCPU) | signal_bit(SIGXFSZ) |
                           signal_bit(SIGSYS);

    return (set & signal_bit(signal)) != 0;
}

/* What became of other processes is the program's own business. */
static void report_crash(struct session *s, struct task *t, int signal)
{
    char how[64];

    if (s->ended || t->process != s->first)
        return;
    snprintf(how, sizeof(how), "killed by SIG%s", sigabbrev_np(signal));
    if (signal != s->options->expected_signal)
        stack_read_all(s, t, how);
    if (!dumps_core(signal))
        return;
    free(s->result->message);
    if (asprintf(&s->result->message, "%s in task %s (%s)", how, t->role, t->name) < 0)
        s->result->message = NULL;
}

/* The kernel's own default action: the signal is sent, reported to us at the task's next stop, and
 * let through there; only then are the other threads killed. False: the task is gone already. */
static bool deliver_fatal(struct session *s, struct task *t, int signal)
{
    struct stop stop;
    int let_through = 0;

    if (dumps_core(signal))
        limits_no_core(t);
    syscall(SYS_tgkill, t->process->tgid, t->tid, signal);
    do {
        int got;

        if (ptrace(PTRACE_CONT, t->tid, 0, let_through) < 0)
            return true;
        if (signal == SIGKILL || let_through)
            return true;
        got = session_wait(s, t->tid, &stop);
        if (got < 0 || stop.kind == STOP_DEAD)
            return false;
        if (stop.kind == STOP_SIGNAL && stop.signal == signal)
            let_through = signal;
    } while (stop.kind != STOP_EXIT);
    t->kernel_stop = stop;
    return true;
}

void process_kill(struct session *s, struct task *t, int signal)
{
    struct process *p = t->process;

    report_crash(s, t, signal);
    if (t->needs_event && !t->call.active) {
        emit_position(s, t);
    }
    p->group_exiting = true;
    p->stopped = false;
    for (struct task *o = s->tasks; o; o = o->next)
        if (o->process == p)
            o->kill_signal = signal;
    for (struct task *o = s->tasks; o; o = o->next)
        if (o->process == p && o != t)
            emit_position(s, o);
    all_leave(s, p, signal);
    t->regs.orig_rax = (unsigned long long)-1;
    t->regs_dirty = true;
    task_flush(t);
    if (deliver_fatal(s, t, signal))
        collect_group(s, p);
    else {
        process_task_dead(s, t, signal);
        collect_group(s, p);
    }
}

/* ---- exit ---------------------------------------------------------------------------------- */

/* The caller's position, before what its exit does to others. */
static void stands_at_exit(struct session *s, struct task *t, struct call *c)
{
    if (!c->entered) {
        emit_begin(s, t, EVENT_ENTRY);
        emit_end(s, t);
    }
    c->active = false;
}

/* Who called an end that nobody expected. */
static void report_exit(struct session *s, struct task *t, int status)
{
    const uint64_t *expected = s->options->expected_exits;
    char how[64];

    if (s->ended || t->process != s->first || !expected ||
        (expected[status / 64] >> (status % 64) & 1))
        return;
    snprintf(how, sizeof(how), "exits with %d", status);
    stack_read_all(s, t, how);
}

enum call_action model_exit(struct session *s, struct task *t, struct call *c)
{
    struct stop stop;
    int got;

    stands_at_exit(s, t, c);
    if (t->process->live_tasks == 1) {
        t->process->group_exiting = true;
        report_exit(s, t, (int)(c->args[0] & 0xff));
    }
    leave(s, t, (int)((c->args[0] & 0xff) << 8));
    task_flush(t);
    ptrace(PTRACE_CONT, t->tid, 0, 0);
    got = session_wait(s, t->tid, &stop);
    if (got == 1 && stop.kind == STOP_EXIT)
        process_task_exiting(s, t, (int)stop.message);
    else
        process_task_dead(s, t, got == 1 ? stop.status : 0);
    return CALL_GONE;
}

enum call_action model_exit_group(struct session *s, struct task *t, struct call *c)
{
    struct process *p = t->process;

    stands_at_exit(s, t, c);
    report_exit(s, t, (int)(c->args[0] & 0xff));
    p->group_exiting = true;
    p->group_status = (int)((c->args[0] & 0xff) << 8);
    p->group_status_valid = true;
    all_leave(s, p, p->group_status);
    task_flush(t);
    ptrace(PTRACE_CONT, t->tid, 0, 0);
    collect_group(s, p);
    return CALL_GONE;
}
