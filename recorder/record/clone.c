/* clone, fork, vfork, clone3, execve: the kernel makes the task, the recorder holds it. */
#include <errno.h>
#include <linux/sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>

#include "include/rrtest/recorder_page.h"
#include "recorder/base/file.h"
#include "recorder/base/log.h"
#include "recorder/record/buffered.h"
#include "recorder/record/fds.h"
#include "recorder/record/limits.h"
#include "recorder/record/process.h"
#include "recorder/record/space.h"

/* Run the clone-like call of run_nr/run_args to its exit stop; new tid (tracer's view) or 0. */
static pid_t run_clone(struct session *s, struct task *t, struct call *c)
{
    struct user_regs_struct r = c->before;
    struct stop stop;
    pid_t child = 0;

    r.orig_rax = r.rax = c->run_nr;
    r.rdi = c->run_args[0];
    r.rsi = c->run_args[1];
    r.rdx = c->run_args[2];
    r.r10 = c->run_args[3];
    r.r8 = c->run_args[4];
    if (tracee_set_regs(t->tid, &r) < 0)
        return 0;
    for (;;) {
        int got;

        if (ptrace(PTRACE_SYSCALL, t->tid, 0, 0) < 0)
            return child;
        got = session_wait(s, t->tid, &stop);
        s->result->statistics.stops++;
        if (got < 0 || stop.kind == STOP_DEAD || stop.kind == STOP_EXIT)
            return child;
        if (stop.kind == STOP_CLONE)
            child = (pid_t)stop.message;
        if (stop.kind == STOP_SYSCALL_EXIT)
            break;
        /* a signal that came in first makes the kernel restart the call: it is seen again */
    }
    tracee_get_regs(t->tid, &r);
    c->result = (int64_t)r.rax;
    return child;
}

static void await_birth(pid_t child)
{
    struct stop stop;
    int got;

    do
        got = wait_next(child, true, &stop);
    while (got == -EINTR || (got == 1 && stop.kind != STOP_INITIAL && stop.kind != STOP_DEAD &&
                             ptrace(PTRACE_CONT, child, 0, 0) == 0));
}

static enum call_action do_clone(struct session *s, struct task *t, struct call *c, uint64_t flags,
                                 uint64_t parent_tid, uint64_t child_tid)
{
    struct task *child;
    struct event *e = &s->building.event;
    pid_t tid;

    if (!limits_allow_task(s, t, flags))
        return call_answer(c, -EAGAIN);
    tid = run_clone(s, t, c);

    /* the child's view of the registers: as ours, but rax 0 (and its own stack and TLS) */
    t->regs = c->before;
    t->regs_dirty = true;
    s->state_changed = true;
    if (tid <= 0 || c->result < 0)
        return CALL_DONE;
    await_birth(tid);
    child = session_task_new(s, t, tid, flags);
    child->ns_tid = (pid_t)c->result;
    if (!(flags & CLONE_THREAD)) {
        child->process->pid = child->ns_tid;
        child->process->exit_signal = (int)(flags & CSIGNAL);
        child->process->uid = t->process->uid;
        if (flags & CLONE_PARENT)
            child->process->parent = t->process->parent;
    }
    /* the arguments may have been bent for the kernel: the child sees the program's own (glibc's
     * clone3 finds its start function in rdx) */
    struct user_regs_struct born;

    tracee_get_regs(tid, &born);
    child->regs = c->before;
    child->regs.rsp = born.rsp;
    child->regs.fs_base = born.fs_base;
    child->regs.gs_base = born.gs_base;
    child->regs.orig_rax = (unsigned long long)-1;
    child->regs.rax = 0;
    child->regs_dirty = true;
    if (flags & CLONE_CHILD_CLEARTID)
        child->clear_tid = child_tid;
    e->child = child->id;
    e->clone_flags = flags & ~(uint64_t)(CLONE_VFORK | CLONE_CHILD_CLEARTID);
    if (flags & CLONE_PARENT_SETTID)
        emit_memory(s, t, parent_tid, 4);
    if (flags & CLONE_PIDFD)
        emit_memory(s, t, c->scratch[0], 4);
    if (flags & CLONE_VFORK) {
        child->process->vfork_parent = t;
        t->vfork_child = true;
    }
    s->reason = SCHED_NEW_TASK;
    s->reschedule = true;
    c->scratch[2] = child->id;
    return CALL_DONE;
}

/* The child's START event: its registers and what only its memory shows (CLONE_CHILD_SETTID). */
static void child_started(struct session *s, struct task *t, struct call *c)
{
    struct task *child = NULL;

    for (struct task *o = s->tasks; o; o = o->next)
        if (o->id == c->scratch[2])
            child = o;
    if (!child || c->result <= 0)
        return;
    emit_begin(s, child, EVENT_START);
    if (c->scratch[3]) {
        uint32_t tid = (uint32_t)child->ns_tid;

        emit_poke(s, child, c->scratch[3], &tid, 4);
    }
    emit_end(s, child);
    (void)t;
}

/* Namespaces of the program's own are not modelled. */
#define OWN_NAMESPACES                                                                         \
    (CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWUSER | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS | \
     CLONE_NEWCGROUP)

/* What the kernel gets: waiting, clearing and writing of tids are the recorder's. */
static uint64_t bent(uint64_t flags)
{
    return flags & ~(uint64_t)(CLONE_VFORK | CLONE_CHILD_CLEARTID | CLONE_UNTRACED |
                               CLONE_CHILD_SETTID | CLONE_PTRACE);
}

static enum call_action clone_common(struct session *s, struct task *t, struct call *c,
                                     uint64_t flags, uint64_t sp, uint64_t parent_tid,
                                     uint64_t child_tid, uint64_t tls)
{
    enum call_action action;

    if (flags & OWN_NAMESPACES)
        return call_answer(c, -EPERM);
    c->run_nr = SYS_clone;
    c->run_args[0] = bent(flags);
    c->run_args[1] = sp;
    c->run_args[2] = parent_tid;
    c->run_args[3] = child_tid;
    c->run_args[4] = tls;
    c->scratch[0] = parent_tid;
    c->scratch[3] = flags & CLONE_CHILD_SETTID ? child_tid : 0;
    action = do_clone(s, t, c, flags, parent_tid, child_tid);
    c->after = child_started;
    return action;
}

enum call_action model_clone(struct session *s, struct task *t, struct call *c)
{
    return clone_common(s, t, c, c->args[0], c->args[1], c->args[2], c->args[3], c->args[4]);
}

enum call_action model_fork(struct session *s, struct task *t, struct call *c)
{
    return clone_common(s, t, c, SIGCHLD, 0, 0, 0, 0);
}

enum call_action model_vfork(struct session *s, struct task *t, struct call *c)
{
    return clone_common(s, t, c, CLONE_VFORK | CLONE_VM | SIGCHLD, 0, 0, 0, 0);
}

/* The arguments are bent in a copy in the recorder page. */
#define CLONE3_SCRATCH 0xb00

enum call_action model_clone3(struct session *s, struct task *t, struct call *c)
{
    struct clone_args a = {0};
    uint64_t size = c->args[1], flags;
    enum call_action action;

    if (size < CLONE_ARGS_SIZE_VER0)
        return call_answer(c, -EINVAL);
    if (size > sizeof(a))
        return call_answer(c, -E2BIG);
    if (tracee_read(t->tid, c->args[0], &a, size) < 0)
        return call_answer(c, -EFAULT);
    flags = a.flags | a.exit_signal;
    if (flags & OWN_NAMESPACES)
        return call_answer(c, -EPERM);
    if (a.flags & CLONE_CLEAR_SIGHAND)
        return call_answer(c, -ENOSYS); /* the dispositions are the model's; glibc falls back */
    c->scratch[0] = a.pidfd;
    c->scratch[3] = flags & CLONE_CHILD_SETTID ? a.child_tid : 0;
    a.flags = bent(a.flags);
    memcpy(s->area.page + CLONE3_SCRATCH, &a, sizeof(a));
    c->run_nr = SYS_clone3;
    c->run_args[0] = RECORDER_PAGE_ADDRESS + CLONE3_SCRATCH;
    c->run_args[1] = size;
    action = do_clone(s, t, c, flags, a.parent_tid, a.child_tid);
    c->after = child_started;
    return action;
}

/* ---- exec ---------------------------------------------------------------------------------- */

/* A stop of somebody else while we wait for all: threads of the process that are being killed, or a
 * task asleep in the kernel elsewhere. */
static void other_task_stopped(struct session *s, const struct stop *stop)
{
    struct task *o = session_task_by_tid(s, stop->tid);

    if (!o)
        return;
    if (stop->kind == STOP_EXIT)
        process_task_exiting(s, o, (int)stop->message);
    else if (stop->kind == STOP_DEAD)
        process_task_dead(s, o, stop->status);
    else
        o->kernel_stop = *stop;
}

static void after_exec(struct session *s, struct task *t, pid_t leader)
{
    struct process *p = t->process;
    struct files *files = t->files;

    t->tid = leader;
    close_fd(&t->pidfd);
    t->ns_tid = p->pid;
    if (files->references > 1) {
        buffered_save_files(s);
        t->files = files_copy(files);
        files_unref(s, files);
    }
    fds_exec(s, t->files);
    buffered_exec(s, t);
    if (p->handlers) {
        struct signal_handlers *own = signal_handlers_copy(p->handlers);

        signal_handlers_unref(p->handlers);
        p->handlers = own;
        signal_handlers_exec(own);
    }
    t->altstack = (struct signal_altstack){.flags = SS_DISABLE};
    t->clear_tid = t->robust_list = 0;
    process_timers_free(p);
    p->exec_done = true;
    process_release_vfork(p);
    s->state_changed = true;
}

enum call_action model_execve(struct session *s, struct task *t, struct call *c)
{
    struct user_regs_struct r = c->before;
    struct stop stop;
    pid_t leader = t->process->tgid;
    bool multi = t->process->live_tasks > 1, ask = true;

    /* Other threads die in exec; the caller takes the leader's tid (ptrace(2), "execve under
     * ptrace"). */
    if (t->space->maps.count > 0 && !c->entered) { /* the first one is the recorder's own */
        emit_begin(s, t, EVENT_ENTRY);
        emit_end(s, t);
        c->entered = true;
    }
    t->process->execing = true;
    tracee_set_regs(t->tid, &r);
    for (;;) {
        int got;

        if (ask && ptrace(PTRACE_SYSCALL, t->tid, 0, 0) < 0)
            return CALL_GONE;
        got = session_wait(s, multi ? -1 : t->tid, &stop);
        s->result->statistics.stops++;
        if (got < 0)
            return CALL_GONE;
        if (stop.kind == STOP_EXEC) {
            after_exec(s, t, leader);
            t->call.active = false;
            t->process->execing = false;
            space_exec(s, t);
            return CALL_GONE;
        }
        if (stop.tid != t->tid) {
            other_task_stopped(s, &stop);
            ask = false;
            continue;
        }
        ask = true;
        if (stop.kind == STOP_SYSCALL_EXIT)
            break;
        if (stop.kind == STOP_EXIT) {
            process_task_exiting(s, t, (int)stop.message);
            return CALL_GONE;
        }
    }
    t->process->execing = false;
    tracee_get_regs(t->tid, &r);
    if (s->first->pid == t->process->pid && !t->space->maps.count)
        s->exec_error = (int)r.rax;
    emit_begin(s, t, EVENT_SYSCALL);
    return call_answer(c, (int64_t)r.rax);
}
