/* One system call from its entry stop to its event: which handler, run or answered or parked, what
 * it wrote. Knows nothing of single calls: models.c names their handlers. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <time.h>

#include "recorder/base/file.h"
#include "recorder/base/log.h"
#include "recorder/blob/blob.h"
#include "recorder/record/blocking.h"
#include "recorder/record/borrow.h"
#include "recorder/record/buffered.h"
#include "recorder/record/fds.h"
#include "recorder/record/filter.h"
#include "recorder/record/guards.h"
#include "recorder/record/inject.h"
#include "recorder/record/kernel_signals.h"
#include "recorder/record/notes.h"
#include "recorder/record/output.h"
#include "recorder/record/patches.h"
#include "recorder/record/process.h"
#include "recorder/record/session.h"
#include "recorder/record/shared.h"
#include "recorder/record/signal.h"
#include "recorder/record/transfer.h"

int call_memory_read(void *task, struct taddr address, void *ret, size_t length)
{
    return tracee_read(((struct task *)task)->tid, address.value, ret, length) < 0 ? -EFAULT : 0;
}

enum call_action call_answer(struct call *c, int64_t result)
{
    c->result = result;
    return CALL_DONE;
}

enum call_action call_park(struct task *t, struct call *c, const char *what, uint64_t deadline)
{
    (void)t;
    c->what = what;
    c->deadline = deadline;
    return CALL_PARK;
}

static void forget_deadline(struct session *s, struct task *t)
{
    if (t->call.has_deadline_entry)
        clock_deadline_remove(s->clock, t->id, 0);
    t->call.has_deadline_entry = false;
}

void call_drop(struct session *s, struct task *t)
{
    struct call *c = &t->call;

    forget_deadline(s, t);
    futex_cancel(s->futexes, t->id);
    blocking_release(c);
    bytes_clear(&c->buffer);
    c->active = false;
}

/* ---- running ------------------------------------------------------------------------------- */

static void set_run_registers(struct call *c, struct user_regs_struct *r)
{
    *r = c->before;
    r->orig_rax = r->rax = c->run_nr;
    r->rdi = c->run_args[0];
    r->rsi = c->run_args[1];
    r->rdx = c->run_args[2];
    r->r10 = c->run_args[3];
    r->r8 = c->run_args[4];
    r->r9 = c->run_args[5];
}

static bool is_restart(int64_t result)
{
    return result == -512 || result == -513 || result == -514 || result == -516;
}

/* The entry stop is gone (a remote call used it) or the kernel wants the call again: come to one
 * anew, at a `syscall` of the blob. The program's own may be anything by now. */
int call_reenter(struct session *s, struct task *t, struct call *c)
{
    struct user_regs_struct r = c->before;
    struct stop stop;
    int got;

    c->stop_lost = false;
    r.rip = blob_address(BLOB_ENTRY_TRACED);
    r.rax = c->before.orig_rax;
    r.orig_rax = (unsigned long long)-1;
    if (tracee_set_regs(t->tid, &r) < 0)
        return -ESRCH;
    do {
        if (ptrace(PTRACE_CONT, t->tid, 0, 0) < 0)
            return -ESRCH;
        got = session_wait(s, t->tid, &stop);
        s->result->statistics.stops++;
        if (got == 1 && stop.kind == STOP_SIGNAL)
            kernel_signals_arrived(s, t);
    } while (got == 1 && (stop.kind == STOP_SIGNAL || stop.kind == STOP_INITIAL));
    if (got == 1 && stop.kind == STOP_SECCOMP) {
        t->regs_dirty = true;
        return tracee_set_regs(t->tid, &c->before);
    }
    if (got == 1 && stop.kind == STOP_EXIT)
        process_task_exiting(s, t, (int)stop.message);
    else
        process_task_dead(s, t, got == 1 ? stop.status : 0);
    return -ESRCH;
}

/* Writing to where the run's output goes may take as long as the outside world likes, but not
 * longer than the run may. */
static bool is_patient(const struct session *s, const struct call *c)
{
    struct timespec now;

    if (!c->patient)
        return false;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return !s->wall_deadline || (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec <
                                    s->wall_deadline + s->rewriting_ns;
}

/* To the exit stop. 0; -ESRCH: the task is gone and accounted for; -EAGAIN: it sleeps in the
 * kernel; -EINTR: a signal interrupts it. */
static int run_in_kernel(struct session *s, struct task *t, struct call *c)
{
    struct user_regs_struct r;
    struct stop stop;
    int got;

    for (;;) {
        if (c->stop_lost && call_reenter(s, t, c) < 0)
            return -ESRCH;
        set_run_registers(c, &r);
        if (c->run_nr != c->nr || memcmp(c->run_args, c->args, sizeof(c->args)) != 0 ||
            t->regs_dirty)
            tracee_set_regs(t->tid, &r);
        t->regs_dirty = false;
        ptrace(PTRACE_SYSCALL, t->tid, 0, 0);
        do {
            got = wait_next(t->tid, true, &stop);
            if (got == -EINTR)
                session_watch(s);
            /* the session's 10 ms timer: slow is not asleep (design.md section 12) */
            if (got == -EINTR && !is_patient(s, c) && blocking_task_letter(t->tid) == 'S') {
                blocking_fell_asleep(s, t);
                return -EAGAIN;
            }
        } while (got == -EINTR);
        s->result->statistics.stops++;
        if (got == 1 && stop.kind == STOP_SYSCALL_EXIT) {
            if (tracee_get_regs(t->tid, &t->regs) < 0)
                return -ESRCH;
            if (!is_restart((int64_t)t->regs.rax))
                break;
            /* a signal of the kernel's own came: with a handler, or for a stop, it is to be seen
             * first */
            if (kernel_signals_take(s, t) != 0)
                return -ESRCH;
            if (signal_interrupts(s, t))
                return -EINTR;
            continue;
        }
        if (got == 1 && stop.kind == STOP_EXIT)
            process_task_exiting(s, t, (int)stop.message);
        else if (got == 1 && stop.kind != STOP_DEAD)
            continue;
        else
            process_task_dead(s, t, got == 1 ? stop.status : 0);
        return -ESRCH;
    }
    c->result = (int64_t)t->regs.rax;
    if (c->result == -EPIPE)
        c->sigpipe |= output_raised_sigpipe(t);
    /* what the program sees: its own arguments, as the kernel preserves them */
    r = c->before;
    r.rax = t->regs.rax;
    r.fs_base = t->regs.fs_base;
    r.gs_base = t->regs.gs_base;
    /* orig_rax stays as it is in the kernel: it matters to restarts only, and there is none */
    r.orig_rax = t->regs.orig_rax;
    t->regs_dirty = memcmp(&r, &t->regs, sizeof(r)) != 0;
    t->regs = r;
    t->regs.orig_rax = (unsigned long long)-1;
    return 0;
}

static void read_outputs(struct session *s, struct task *t, struct call *c)
{
    static struct syscall_regions regions;
    struct syscall_memory memory = {call_memory_read, t};

    if (c->row->class != SYSCALL_CLASS_RUN && !c->outputs)
        return;
    if (syscall_outputs(c->nr, c->args, c->result, &memory, &regions) < 0)
        return;
    for (size_t i = 0; i < regions.count; i++)
        emit_memory(s, t, regions.region[i].address, regions.region[i].length);
}

void call_complete(struct session *s, struct task *t)
{
    struct call *c = &t->call;

    c->active = false;
    t->state = TASK_READY;
    forget_deadline(s, t);
    blocking_release(c);
    signal_restore_mask(t, c);
    s->building.event.entered = c->entered;
    /* behind the call: a number here would make the kernel run or restart one, in replay too */
    t->regs.orig_rax = (unsigned long long)-1;
    emit_end(s, t);
    blocking_called(s, c);
    if (c->after)
        c->after(s, t, c);
    if (!c->handler_runs) /* else it goes into the handler's frame */
        patches_call_over(s, t);
    if (t->process->live_tasks > 1 || s->live > 1)
        s->reschedule = true;
}

static void finish_run(struct session *s, struct task *t, struct call *c)
{
    borrow_close_numbers(s, t, c);
    if (c->finish)
        c->finish(s, t, c);
    read_outputs(s, t, c);
    fds_after_call(s, t, c);
    buffered_learn(s, t, c);
    output_capture(s, t, c);
    shared_file_changed(s, t, c);
    t->regs_dirty |= t->regs.rax != (uint64_t)c->result;
    t->regs.rax = (uint64_t)c->result;
    if (c->sigpipe)
        output_send_sigpipe(s, t);
    s->state_changed |= blocking_may_wake(c);
    call_complete(s, t);
}

static void park(struct session *s, struct task *t, struct call *c)
{
    if (!c->entered || c->progress != c->recorded) {
        emit_begin(s, t, EVENT_ENTRY);
        s->building.event.before = s->building.event.after = c->before;
        if (c->progress !=
            c->recorded) { /* what the pieces so far have written is there to be seen */
            c->result = c->progress;
            read_outputs(s, t, c);
        }
        emit_end(s, t);
        c->entered = true;
        c->recorded = c->progress;
    }
    t->needs_event = false;
    t->state = TASK_PARKED;
    c->woken = false;
    if (c->deadline != UINT64_MAX && !c->has_deadline_entry) {
        clock_deadline_add(s->clock, (struct clock_deadline){c->deadline, t->id, 0});
        c->has_deadline_entry = true;
    }
    s->reason = SCHED_BLOCKED;
    s->reschedule = true;
    inject_at_park(s, t);
}

static void park_interrupted(struct session *s, struct task *t, struct call *c)
{
    blocking_release(c);
    blocking_park_retried(s, t, c, BLOCKING_CHANGE_ANY, c->deadline);
    park(s, t, c);
}

/* At the exit stop: the call is over, or it has to wait, or its next piece is run. */
static void after_run(struct session *s, struct task *t, struct call *c)
{
    enum call_action action = CALL_DONE;
    int64_t progress = c->progress;

    while (c->attempted) {
        action = c->attempted(s, t, c);
        if (action == CALL_DONE)
            break;
        c->stop_lost = true;
        s->state_changed |= c->progress != progress;
        if (action == CALL_PARK) {
            t->regs = c->before;
            t->regs_dirty = true;
            park(s, t, c);
            return;
        }
        int error = run_in_kernel(s, t, c);

        if (error == -EINTR)
            park_interrupted(s, t, c);
        if (error)
            return;
    }
    finish_run(s, t, c);
}

/* A call ends behind some pieces, without another run. */
static void finish_pieces(struct session *s, struct task *t, struct call *c)
{
    borrow_close_numbers(s, t, c);
    if (c->progress == 0)
        return;
    if (c->finish)
        c->finish(s, t, c);
    read_outputs(s, t, c);
    fds_after_call(s, t, c);
    output_capture(s, t, c);
    s->state_changed = true;
}

static void act(struct session *s, struct task *t, struct call *c, enum call_action action)
{
    int error;

    switch (action) {
    case CALL_DONE:
        t->regs = c->before;
        t->regs.rax = (uint64_t)c->result;
        t->regs.orig_rax = (unsigned long long)-1;
        t->regs_dirty = true;
        if (c->outputs && c->progress == 0)
            read_outputs(s, t, c);
        finish_pieces(s, t, c);
        call_complete(s, t);
        return;
    case CALL_REGS:
        call_complete(s, t);
        return;
    case CALL_RUN:
        error = run_in_kernel(s, t, c);
        if (error == 0)
            after_run(s, t, c);
        else if (error == -EINTR)
            park_interrupted(s, t, c);
        return;
    case CALL_PARK:
        park(s, t, c);
        return;
    case CALL_GONE:
        return;
    }
}

void call_kernel_done(struct session *s, struct task *t)
{
    struct call *c = &t->call;
    struct user_regs_struct r = c->before;

    c->in_kernel = false;
    c->result = (int64_t)t->regs.rax;
    r.rax = t->regs.rax;
    r.orig_rax = (unsigned long long)-1;
    t->regs = r;
    t->regs_dirty = true;
    if (is_restart(c->result)) {
        c->stop_lost = true;
        act(s, t, c, CALL_RUN);
        return;
    }
    emit_begin(s, t, EVENT_SYSCALL);
    s->building.event.before = c->before;
    after_run(s, t, c);
}

/* ---- entry --------------------------------------------------------------------------------- */

static call_handler default_handler(const struct syscall_row *row)
{
    switch (row->blocks) {
    case SYSCALL_BLOCKS_READ:
    case SYSCALL_BLOCKS_WRITE:
    case SYSCALL_BLOCKS_ACCEPT:
        return blocking_fd_call;
    default:
        return NULL;
    }
}

static void refuse(struct session *s, struct task *t, const struct syscall_row *row,
                   const char *message)
{
    struct syscall_memory memory = {call_memory_read, t};
    char text[512];

    if (message[0]) { /* it names the call and its arguments */
        session_fail(s, RECORD_VERDICT_UNSUPPORTED, "%s (pid %d): %s", t->name, t->process->pid,
                     message);
        return;
    }
    syscall_format(t->call.nr, t->call.args, &memory, text, sizeof(text));
    session_fail(s, RECORD_VERDICT_UNSUPPORTED, "%s (pid %d) called %s, which is not modelled%s%s",
                 t->name, t->process->pid, text, row && row->reason ? ": " : "",
                 row && row->reason ? row->reason : "");
}

void call_entry(struct session *s, struct task *t)
{
    struct call *c = &t->call;
    struct bytes buffer = c->buffer;
    struct pollfd *poll_space = c->poll;
    struct syscall_memory memory = {call_memory_read, t};
    char message[512] = "";
    int check;

    memset(c, 0, sizeof(*c));
    c->buffer = buffer;
    c->poll = poll_space;
    bytes_clear(&c->buffer);
    c->borrowed[0].fd = c->borrowed[1].fd = -1;
    c->active = true;
    c->deadline = UINT64_MAX;
    c->before = t->regs;
    c->nr = c->run_nr = t->regs.orig_rax;
    c->args[0] = t->regs.rdi;
    c->args[1] = t->regs.rsi;
    c->args[2] = t->regs.rdx;
    c->args[3] = t->regs.r10;
    c->args[4] = t->regs.r8;
    c->args[5] = t->regs.r9;
    memcpy(c->run_args, c->args, sizeof(c->args));
    c->row = syscall_row_by_number(c->nr);
    if (t->entry_lost) {
        t->entry_lost = false;
        if (call_reenter(s, t, c) < 0)
            return;
    }
    s->result->statistics.syscalls_total++;
    clock_advance(s->clock, CLOCK_NS_PER_CALL);
    t->cpu_ns += CLOCK_NS_PER_CALL;
    t->process->cpu_ns += CLOCK_NS_PER_CALL;
    sched_ran(s->sched, t->id, 0, 0, 1);
    if (!patches_call_begins(s, t))
        return;
    emit_begin(s, t, EVENT_SYSCALL);
    if (t->filters) {
        enum call_action action;

        if (filter_decides(s, t, c, &action)) {
            act(s, t, c, action);
            return;
        }
    }
    if (!c->row) {
        act(s, t, c, call_answer(c, -ENOSYS));
        return;
    }
    if (fds_names_ours(c)) {
        act(s, t, c, call_answer(c, -EBADF));
        return;
    }
    check = syscall_check(c->nr, c->args, &memory, message, sizeof(message));
    if (check > 0 && !guards_let_run(s->options->guards_off, c->nr)) {
        if (message[0] && check != ENOSYS) /* what lacks a call tries another one */
            notes_add(s, "%s: %s", t->name, message);
        act(s, t, c, call_answer(c, -check));
        return;
    }
    if (check < 0) {
        refuse(s, t, c->row, message);
        return;
    }
    c->handler = c->nr < SYSCALL_NUMBER_LIMIT ? call_models[c->nr] : NULL;
    if (!c->handler)
        c->handler = default_handler(c->row);
    if (!c->handler && c->row->class == SYSCALL_CLASS_MODEL) {
        refuse(s, t, c->row, "");
        return;
    }
    if (inject_at_entry(s, t))
        return;
    act(s, t, c, c->handler ? c->handler(s, t, c) : CALL_RUN);
}

void call_retry(struct session *s, struct task *t)
{
    struct call *c = &t->call;

    c->retry = true;
    t->regs = c->before;
    emit_begin(s, t, EVENT_SYSCALL);
    act(s, t, c, c->handler ? c->handler(s, t, c) : CALL_RUN);
}

bool call_ends_by_stop(struct call *c)
{
    switch (c->nr) {
    case SYS_epoll_wait: /* signal(7): EINTR after a stop and SIGCONT */
    case SYS_epoll_pwait:
    case SYS_epoll_pwait2:
    case SYS_semop:
    case SYS_semtimedop:
    case SYS_rt_sigtimedwait:
        c->no_restart = true;
        return true;
    case SYS_select: /* ERESTARTNOHAND, with what was left of the timeout then */
    case SYS_pselect6:
    case SYS_ppoll:
        return true;
    case SYS_nanosleep:
    case SYS_clock_nanosleep:
        return false;
    default:
        return c->no_restart || c->progress > 0;
    }
}

void call_interrupt(struct session *s, struct task *t, bool handler_runs, bool sa_restart)
{
    struct call *c = &t->call;
    int group = signal_restart_group(c->nr, c->args);
    bool restart =
        !c->no_restart && (!handler_runs || (group == SIGNAL_RESTART_IF_SA_RESTART && sa_restart));

    c->interrupted = true;
    c->handler_runs = handler_runs;
    futex_cancel(s->futexes, t->id);
    t->regs = c->before;
    emit_begin(s, t, EVENT_SYSCALL);
    t->regs.orig_rax = (unsigned long long)-1;
    t->regs_dirty = true;
    if (c->progress > 0) {
        c->result = c->progress;
        t->regs.rax = (uint64_t)c->result;
    } else if (restart) {
        c->result = -512;
        t->regs.rip -= 2;
        t->regs.rax = c->before.orig_rax;
        if (c->interrupt)
            c->interrupt(s, t, c);
    } else {
        c->result = -EINTR;
        t->regs.rax = (uint64_t)c->result;
        if (c->interrupt)
            c->interrupt(s, t, c);
    }
    finish_pieces(s, t, c);
    c->after = NULL;
    call_complete(s, t);
}
