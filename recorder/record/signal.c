/* Sending, choosing and delivering. The kernel's own masks stay empty and its dispositions default:
 * everything a program sees of signals is made here. */
#include "recorder/record/signal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "recorder/base/log.h"
#include "recorder/record/patches.h"
#include "recorder/record/process.h"
#include "recorder/record/signalfd.h"
#include "recorder/record/space.h"
#include "recorder/record/timers.h"
#include "recorder/record/traps.h"
#include "recorder/record/walk.h"

#define KILL_STOP (signal_bit(SIGKILL) | signal_bit(SIGSTOP))
#define STOP_SET \
    (signal_bit(SIGSTOP) | signal_bit(SIGTSTP) | signal_bit(SIGTTIN) | signal_bit(SIGTTOU))

/* Does this signal do anything to the process when it is taken? */
static bool acts(const struct process *p, int signal)
{
    return signal == SIGKILL || signal == SIGSTOP || !signal_is_ignored(p->handlers, signal);
}

static signal_set deliverable(struct task *t)
{
    return (signal_queue_set(t->queue) | signal_queue_set(t->process->queue)) &
           (~t->mask | signal_bit(SIGKILL) | signal_bit(SIGSTOP));
}

bool signal_pending(struct task *t)
{
    return deliverable(t) != 0;
}

bool signal_kills(struct task *t)
{
    return ((signal_queue_set(t->queue) | signal_queue_set(t->process->queue)) &
            signal_bit(SIGKILL)) != 0;
}

bool signal_interrupts(struct session *s, struct task *t)
{
    signal_set set = deliverable(t);

    (void)s;
    if (!t->call.active)
        return false;
    for (int n = 1; set && n < SIGNAL_LIMIT; n++)
        if ((set & signal_bit(n)) && acts(t->process, n))
            return true;
    return false;
}

static void resume_process(struct session *s, struct process *p, int signal)
{
    signal_queue_discard(p->queue, STOP_SET);
    for (struct task *t = s->tasks; t; t = t->next)
        if (t->process == p)
            signal_queue_discard(t->queue, STOP_SET);
    if (signal == SIGCONT && p->stopped) {
        p->stopped = false;
        p->report_stop = false;
        p->report_continue = true;
        process_notify_parent(s, p, CLD_CONTINUED, SIGCONT);
    }
    if (signal == SIGKILL)
        p->stopped = false;
    s->state_changed = true;
}

void signal_send(struct session *s, struct process *p, struct task *t, const siginfo_t *info)
{
    int signal = info->si_signo;
    bool blocked = false;

    if (p->zombie)
        return;
    if (signal == SIGCONT || signal == SIGKILL)
        resume_process(s, p, signal);
    if (signal_bit(signal) & STOP_SET)
        signal_queue_discard(p->queue, signal_bit(SIGCONT));
    if (t)
        blocked = (t->mask & signal_bit(signal)) != 0;
    else
        for (struct task *other = s->tasks; other; other = other->next)
            blocked |= other->process == p && (other->mask & signal_bit(signal));
    if (!acts(p, signal) && !blocked)
        return;
    signal_queue_add(t ? t->queue : p->queue, info);
    signalfd_notify(s, p);
    s->state_changed = true;
    if (s->reason == SCHED_CALL)
        s->reason = SCHED_WOKE;
    s->reschedule = true;
}

/* ---- dying and stopping -------------------------------------------------------------------- */

static void stop_process(struct session *s, struct task *t, int signal)
{
    struct process *p = t->process;

    p->stopped = true;
    p->stop_signal = signal;
    p->report_stop = true;
    p->report_continue = false;
    process_notify_parent(s, p, CLD_STOPPED, signal);
    s->reason = SCHED_BLOCKED;
    s->reschedule = true;
    s->state_changed = true;
}

/* ---- frames -------------------------------------------------------------------------------- */

static void take_fault_details(const siginfo_t *info, const struct task *t,
                               struct signal_frame_request *request)
{
    uint8_t code[16] = {0};

    if (info->si_code <= 0 || info->si_code == SI_KERNEL)
        return;
    switch (info->si_signo) {
    case SIGSEGV:
    case SIGBUS:
        request->fault_trap = 14;
        request->fault_address = (uint64_t)(uintptr_t)info->si_addr;
        request->fault_error = 4; /* user */
        if (info->si_code == SEGV_ACCERR || info->si_signo == SIGBUS)
            request->fault_error |= 1;
        tracee_read_some(t->tid, t->regs.rip, code, sizeof(code));
        if (request->fault_address == t->regs.rip)
            request->fault_error |= 16;
        else if (image_instruction_writes(code, sizeof(code)))
            request->fault_error |= 2;
        break;
    case SIGFPE:
        request->fault_trap = info->si_code == FPE_INTDIV ? 0 : 19;
        break;
    case SIGILL:
        request->fault_trap = 6;
        break;
    case SIGTRAP:
        request->fault_trap = info->si_code == SI_KERNEL ? 3 : 1;
        break;
    default:
        break;
    }
}

static int push_frame(struct session *s, struct task *t, const siginfo_t *info,
                      const struct signal_action *action, bool synchronous)
{
    uint8_t xstate[TRACEE_XSTATE_MAX];
    struct signal_frame_request request = {.xstate = xstate, .xstate_length = sizeof(xstate)};
    struct signal_frame frame = {0};
    struct user_regs_struct seen = t->regs;
    bool exact;
    int error;

    seen.rip = traps_original_ip(t, &exact);
    if (seen.rcx == t->regs.rip) /* `syscall` leaves its return address there */
        seen.rcx = seen.rip;
    error = tracee_get_xstate(t->tid, xstate, &request.xstate_length);
    if (error)
        return error;
    request.regs = &seen;
    request.saved_mask = t->suspended_mask ? t->saved_mask : t->mask;
    request.action = *action;
    request.altstack = t->altstack;
    request.info = *info;
    if (synchronous)
        take_fault_details(info, t, &request);
    error = signal_frame_build(&request, &frame);
    if (error)
        return error;
    emit_begin(s, t, EVENT_SIGNAL)->signal = info->si_signo;
    if (t->injected_signals & signal_bit(info->si_signo)) { /* its siginfo is that of a kill() */
        s->building.event.note = "injected";
        t->injected_signals &= ~signal_bit(info->si_signo);
    }
    for (size_t i = 0; i < frame.piece_count && !error; i++)
        error = emit_poke(s, t, frame.piece[i].address, frame.piece[i].data, frame.piece[i].length);
    if (!error) {
        t->regs = frame.regs;
        t->regs.orig_rax = (unsigned long long)-1;
        t->regs_dirty = true;
        if (frame.xstate_length > 0) { /* the kernel gives handlers a fresh FPU */
            error = tracee_set_xstate(t->tid, frame.xstate, frame.xstate_length);
            emit_xstate(s, frame.xstate, frame.xstate_length);
        }
        t->altstack = frame.altstack_after;
        t->mask |= action->mask & ~KILL_STOP;
        if (!(action->flags & SA_NODEFER))
            t->mask |= signal_bit(info->si_signo);
        t->suspended_mask = false;
        emit_end(s, t);
        patches_frame_pushed(s, t, frame.regs.rsp, seen.rip);
        s->result->statistics.signals++;
    }
    signal_frame_done(&frame);
    return error;
}

static bool act_on(struct session *s, struct task *t, const siginfo_t *info, bool synchronous)
{
    struct process *p = t->process;
    int signal = info->si_signo;
    struct signal_action action = *signal_handlers_get(p->handlers, signal);

    if (signal == SIGKILL) {
        process_kill(s, t, SIGKILL);
        return true;
    }
    if (action.handler == 1 && !synchronous)
        return false;
    if (action.handler > 1 && signal != SIGSTOP) {
        if (action.flags & SA_RESETHAND) {
            struct signal_action reset = {0};

            signal_handlers_set(p->handlers, signal, &reset, NULL);
        }
        if (push_frame(s, t, info, &action, synchronous) == 0)
            return false;
        process_kill(s, t, SIGSEGV); /* no room for the frame */
        return true;
    }
    switch (signal_default_action(signal)) {
    case SIGNAL_IGNORE:
    case SIGNAL_CONTINUE:
        if (!synchronous)
            return false;
        break;
    case SIGNAL_STOP:
        stop_process(s, t, signal);
        return true;
    default:
        break;
    }
    process_kill(s, t, signal);
    return true;
}

static bool take(struct task *t, siginfo_t *ret)
{
    signal_set wanted = ~t->mask | KILL_STOP;

    if (signal_queue_take(t->queue, signal_bit(SIGKILL), ret) ||
        signal_queue_take(t->process->queue, signal_bit(SIGKILL), ret))
        return true;
    return signal_queue_take(t->queue, wanted, ret) ||
           signal_queue_take(t->process->queue, wanted, ret);
}

bool signal_deliver(struct session *s, struct task *t)
{
    siginfo_t info;

    if (t->process->stopped && !signal_kills(t)) {
        s->reschedule = true;
        s->reason = SCHED_BLOCKED;
        return true;
    }
    if (!signal_pending(t)) {
        if (t->suspended_mask) {
            t->mask = t->saved_mask;
            t->suspended_mask = false;
        }
        return false;
    }
    if (!walk_step_out(s, t))
        return true;
    emit_position(s, t);
    while (signal_pending(t) && take(t, &info)) {
        bool fatal;

        signalfd_notify(s, t->process);
        timers_signal_taken(t->process, &info);
        fatal = act_on(s, t, &info, false);
        if (fatal)
            return true;
    }
    if (t->suspended_mask) {
        t->mask = t->saved_mask;
        t->suspended_mask = false;
    }
    return false;
}

void signal_interrupt_call(struct session *s, struct task *t)
{
    signal_set set = deliverable(t);
    bool handler = false, restart = false;

    /* what is taken first decides about the restart, as in the kernel's handle_signal() */
    for (int pass = 0; pass < 2 && !handler; pass++) {
        signal_set part =
            set & (pass == 0 ? signal_queue_set(t->queue) : signal_queue_set(t->process->queue));

        for (int n = 1; n < SIGNAL_LIMIT && !handler; n++) {
            const struct signal_action *a;

            if (!(part & signal_bit(n)))
                continue;
            a = signal_handlers_get(t->process->handlers, n);
            if (a->handler > 1 && n != SIGKILL && n != SIGSTOP) {
                handler = true;
                restart = (a->flags & SA_RESTART) != 0;
            }
        }
    }
    if (handler || call_ends_by_stop(&t->call))
        call_interrupt(s, t, handler, restart);
    signal_deliver(s, t);
}

void signal_fault(struct session *s, struct task *t, const siginfo_t *info)
{
    siginfo_t seen = *info;
    bool exact;
    const struct signal_action *a = signal_handlers_get(t->process->handlers, info->si_signo);
    struct event *e = emit_begin(s, t, EVENT_FAULT);

    e->signal = info->si_signo;
    emit_end(s, t);
    if (info->si_signo == SIGILL || info->si_signo == SIGFPE || info->si_signo == SIGTRAP) {
        if (info->si_addr == (void *)(uintptr_t)t->regs.rip)
            seen.si_addr = (void *)(uintptr_t)traps_original_ip(t, &exact);
    }
    /* force_sig: a blocked or ignored fault kills (kernel/signal.c force_sig_info_to_task) */
    if ((t->mask & signal_bit(info->si_signo)) || a->handler == 1) {
        process_kill(s, t, info->si_signo);
        return;
    }
    if (act_on(s, t, &seen, true))
        return;
}

void signal_from_outside(struct session *s, struct task *t, const siginfo_t *info)
{
    /* The kernel's own SIGCHLD and SIGPIPE are modelled where they arise; what else comes is news.
     */
    if (info->si_signo == SIGCHLD || info->si_signo == SIGPIPE)
        return;
    if (t->kill_signal == info->si_signo)
        return;
    log_debug("task %u: signal %d from outside", t->id, info->si_signo);
    signal_send(s, t->process, NULL, info);
    t->slice.ticks = 0; /* delivered at the next counted point */
    s->reschedule = false;
}
