/* The scheduling loop: who runs next, how far, and what its stop means. The only place that resumes
 * tasks into user code; exactly one runs at a time. */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <time.h>

#include "include/rrtest/recorder_page.h"
#include "recorder/base/log.h"
#include "recorder/record/blocking.h"
#include "recorder/record/buffered.h"
#include "recorder/record/instructions.h"
#include "recorder/record/limits.h"
#include "recorder/record/outside.h"
#include "recorder/record/process.h"
#include "recorder/record/session.h"
#include "recorder/record/signal.h"
#include "recorder/record/space.h"
#include "recorder/record/step.h"
#include "recorder/record/timers.h"
#include "recorder/record/traps.h"

#define HALT_PATIENCE_NS 100000000ull
#define TURNS_PER_LOOK 16
#define COUNTER_IDLE (1ll << 62)
#define ASK_NS 1000000u

static uint64_t wall_now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

int task_flush(struct task *t)
{
    int error;

    if (!t->regs_dirty)
        return 0;
    error = tracee_set_regs(t->tid, &t->regs);
    if (!error)
        t->regs_dirty = false;
    return error;
}

int task_call(struct session *s, struct task *t, uint64_t nr, const uint64_t args[6], int64_t *ret)
{
    s->result->statistics.stops++;
    t->regs_dirty = true;
    t->regs.orig_rax = (unsigned long long)-1;
    return tracee_call(&s->area, t->tid, &t->regs, nr, args, ret);
}

/* ---- counters ------------------------------------------------------------------------------ */

void session_load_counters(struct session *s, struct task *t)
{
    int64_t ticks =
        t->slice.ticks < (uint64_t)COUNTER_IDLE ? (int64_t)t->slice.ticks : COUNTER_IDLE;
    int64_t atomics =
        t->slice.atomics < (uint64_t)COUNTER_IDLE ? (int64_t)t->slice.atomics : COUNTER_IDLE;

    t->ticks_loaded = ticks;
    t->atomics_loaded = atomics;
    *tracee_page_word(&s->area, PAGE_TICKS) = ticks;
    *tracee_page_word(&s->area, PAGE_ATOMICS) = atomics;
}

void session_account(struct session *s, struct task *t)
{
    uint64_t ticks = (uint64_t)(t->ticks_loaded - *tracee_page_word(&s->area, PAGE_TICKS));
    uint64_t atomics = (uint64_t)(t->atomics_loaded - *tracee_page_word(&s->area, PAGE_ATOMICS));
    uint64_t calls = buffered_calls(s);
    uint64_t spent = ticks * CLOCK_NS_PER_TICK + calls * CLOCK_NS_PER_CALL;

    t->ticks_loaded -= (int64_t)ticks;
    t->atomics_loaded -= (int64_t)atomics;
    t->ticks += ticks;
    t->atomics += atomics;
    t->slice.ticks -= ticks < t->slice.ticks ? ticks : t->slice.ticks;
    t->slice.atomics -= atomics < t->slice.atomics ? atomics : t->slice.atomics;
    t->slice.calls -= calls < t->slice.calls ? calls : t->slice.calls - 1;
    t->cpu_ns += spent;
    t->process->cpu_ns += spent;
    s->result->statistics.ticks += ticks;
    s->result->statistics.atomics += atomics;
    clock_advance(s->clock, spent);
    if (ticks || atomics || calls)
        sched_ran(s->sched, t->id, ticks, atomics, calls);
}

/* ---- choosing ------------------------------------------------------------------------------ */

static bool is_runnable(struct session *s, struct task *t)
{
    if (t->process->stopped)
        return t->state != TASK_DEAD && t->state != TASK_KERNEL && signal_kills(t);
    switch (t->state) {
    case TASK_READY:
        return !t->vfork_child || signal_kills(t);
    case TASK_PARKED:
        return t->call.woken || signal_interrupts(s, t);
    default:
        return false;
    }
}

static size_t collect(struct session *s, uint32_t *ids, struct task **tasks)
{
    size_t n = 0;

    for (struct task *t = s->tasks; t && n < LIMITS_TASKS_MAX; t = t->next) {
        if (!is_runnable(s, t))
            continue;
        ids[n] = t->id;
        tasks[n++] = t;
    }
    return n;
}

static void switch_to(struct session *s, struct task *t, size_t others)
{
    struct clock_deadline next;

    if (s->current != t) {
        s->result->statistics.switches++;
        if (s->current && s->current->state == TASK_READY)
            emit_position(s, s->current);
        if (s->current)
            s->current->slice_valid = false;
        s->current = t;
    }
    s->others = others;
    t->slice = sched_slice(s->sched, t->id, others);
    t->slice_valid = true;
    /* a sleeper's deadline ends every slice: it is a decision */
    if (clock_deadline_next(s->clock, &next) && next.at_ns > clock_now(s->clock)) {
        uint64_t ticks = (next.at_ns - clock_now(s->clock)) / CLOCK_NS_PER_TICK;

        if (ticks < t->slice.ticks) {
            t->slice.ticks = ticks;
            t->slice.steps = t->slice.accesses = 0;
            t->slice.own = t->slice.here = false;
        }
    }
}

/* Everybody waits. Advance virtual time, wait for the outside, or call it a deadlock. */
static bool all_wait(struct session *s)
{
    struct clock_deadline next;

    if (clock_deadline_next(s->clock, &next)) {
        if (s->options->real_clock)
            timers_sleep_until(s, next.at_ns);
        else if (outside_wait_until(s, next.at_ns))
            return true;
        clock_jump(s->clock, next.at_ns);
        return true;
    }
    if (outside_wait(s))
        return true;
    if (s->first && s->first->zombie) { /* only daemons are left, and they wait for ever */
        s->ended = true;
        return false;
    }
    session_fail(s, RECORD_VERDICT_DEADLOCK, "every task waits for ever");
    return false;
}

/* A task that runs is stopped wherever it is, so that its stack can be read; where the kernel is
 * busy in its name and does not listen (MAP_POPULATE), by its death. */
static void halt(struct session *s, struct task *running)
{
    uint64_t patient_until = wall_now() + HALT_PATIENCE_NS;
    struct stop stop;
    int got;

    if (!running || ptrace(PTRACE_INTERRUPT, running->tid, 0, 0) < 0)
        return;
    while ((got = wait_next(running->tid, true, &stop)) == -EINTR) {
        if (wall_now() < patient_until)
            continue;
        patient_until = UINT64_MAX;
        s->killed = true;
        kill(running->process->tgid, SIGKILL);
    }
    if (got == 1 && stop.kind != STOP_DEAD)
        tracee_get_regs(running->tid, &running->regs);
    if (got == 1 && stop.kind != STOP_DEAD && buffered_inside(running))
        buffered_leave(s, running);
}

/* running: the task that is not stopped, or NULL. */
static bool over_memory(struct session *s, struct task *running, uint64_t now)
{
    char *headline;

    if (!limits_over_memory(s, now, &headline))
        return false;
    halt(s, running);
    session_fail(s, RECORD_VERDICT_LIMIT, "%s", headline);
    free(headline);
    return true;
}

/* running: the same. Asking costs as much as a system call or two, and decisions come every few
 * microseconds. */
static bool is_over(struct session *s, struct task *running)
{
    uint64_t now = wall_now();
    bool ask = running || now - s->asked_ns >= ASK_NS;

    if (over_memory(s, running, now))
        return true;
    if (ask)
        s->asked_ns = now;
    if (s->wall_deadline && now > s->wall_deadline + s->rewriting_ns) {
        halt(s, running);
        session_fail(s, RECORD_VERDICT_TIMEOUT, "%s", "");
        return true;
    }
    if (s->deadline_virtual && clock_now(s->clock) > s->deadline_virtual) {
        halt(s, running);
        session_fail(s, RECORD_VERDICT_VIRTUAL_TIMEOUT, "%s", "");
        return true;
    }
    if (ask && s->options->interrupted &&
        s->options->interrupted(s->options->interrupted_context)) {
        session_fail(s, RECORD_VERDICT_INTERRUPTED, "interrupted");
        return true;
    }
    if (s->first && s->first->zombie &&
        clock_now(s->clock) > s->first_exit_clock + 10000000000ull) {
        s->ended = true; /* what outlives the program by ten virtual seconds is a daemon */
        return true;
    }
    return false;
}

static struct task *choose(struct session *s)
{
    uint32_t ids[LIMITS_TASKS_MAX];
    struct task *tasks[LIMITS_TASKS_MAX];

    for (;;) {
        uint64_t wait_ns = 0;
        uint32_t id;
        size_t n;

        if (is_over(s, NULL) || s->live == 0)
            return NULL;
        blocking_collect_kernel(s);
        timers_fire(s);
        if (s->state_changed)
            blocking_poll(s);
        n = collect(s, ids, tasks);
        if (n == 0) {
            if (s->live == 0 || !all_wait(s))
                return NULL;
            s->state_changed = true;
            continue;
        }
        id = sched_choose(s->sched, s->reason, ids, n, s->current ? s->current->id : 0,
                          clock_now(s->clock), &wait_ns);
        if (id == 0) {
            struct clock_deadline next;
            uint64_t to = clock_now(s->clock) + wait_ns;

            if (clock_deadline_next(s->clock, &next) && next.at_ns < to)
                to = next.at_ns;
            clock_jump(s->clock, to > clock_now(s->clock) ? to : clock_now(s->clock) + 1);
            continue;
        }
        for (size_t i = 0; i < n; i++) {
            if (tasks[i]->id == id) {
                switch_to(s, tasks[i], n - 1);
                s->reschedule = false;
                s->reason = SCHED_CALL;
                return tasks[i];
            }
        }
        return NULL;
    }
}

/* ---- running ------------------------------------------------------------------------------- */

void session_handle_stop(struct session *s, struct task *t, const struct stop *stop)
{
    bool entry_lost = t->entry_lost;

    switch (stop->kind) {
    case STOP_SECCOMP:
        t->at_seccomp = true;
        t->entry_lost = false;
        if (traps_handle_blob(s, t)) /* a walk that it begins may see the task's end */
            return;
        t->entry_lost = entry_lost;
        call_entry(s, t);
        return;
    case STOP_SIGNAL:
        t->nowhere = true;
        traps_handle_signal(s, t, stop->signal);
        return;
    case STOP_EXIT:
        process_task_exiting(s, t, (int)stop->message);
        return;
    case STOP_DEAD:
        process_task_dead(s, t, stop->status);
        return;
    case STOP_INITIAL: /* a group stop the kernel tried: not ours, go on */
        return;
    default:
        log_debug("task %u: unexpected stop %d", t->id, stop->kind);
        return;
    }
}

/* A stop inside a handler of a buffered call, which went on. */
static bool is_inside(struct session *s, struct task *t, int got, const struct stop *stop)
{
    return got == 1 && (stop->kind == STOP_SIGNAL || stop->kind == STOP_INITIAL) &&
           tracee_get_regs(t->tid, &t->regs) == 0 && buffered_goes_on(s, t, stop);
}

/* Resume into user code until the next stop. */
static void run(struct session *s, struct task *t)
{
    struct stop stop;
    bool stepped;
    int got;

    instructions_guard(s, t);
    session_load_counters(s, t);
    stepped = step_due(s, t);
    buffered_load(s, t);
    if (task_flush(t) < 0 || (!stepped && ptrace(PTRACE_CONT, t->tid, 0, 0) < 0)) {
        if (errno != ESRCH)
            log_debug("task %u: %s", t->id, strerror(errno));
    }
    t->needs_event = true;
    t->nowhere = false;
    t->moves.steps = 0;
    t->moves.count = 0;
    t->space->ran = true;
    for (;;) {
        got = stepped ? step_next(s, t, &stop) : wait_next(t->tid, true, &stop);
        if (got == -EINTR && is_over(s, stepped ? NULL : t))
            return;
        if (got == -EINTR && !stepped && blocking_task_letter(t->tid) == 'S')
            buffered_rescue(t);
        if (got == 0)
            stepped = false;
        else if (got != -EINTR && !is_inside(s, t, got, &stop))
            break;
    }
    t->at_seccomp = false;
    if (got < 0) {
        process_task_dead(s, t, 0);
        return;
    }
    s->result->statistics.stops++;
    if (stop.kind != STOP_DEAD) {
        session_account(s, t);
        if (tracee_get_regs(t->tid, &t->regs) < 0)
            return;
        buffered_absorb(s, t);
    }
    session_handle_stop(s, t, &stop);
}

static void step_task(struct session *s, struct task *t)
{
    if (t->call.active) {
        if (signal_interrupts(s, t))
            signal_interrupt_call(s, t);
        else
            call_retry(s, t);
        return;
    }
    /* nothing happens where replay could not stop: the next counted point or call is soon there */
    if (!(t->nowhere && t->needs_event) && signal_deliver(s, t))
        return; /* it died, stopped, or another decision is due */
    if (t->slice.here && !t->needs_event)
        traps_walk_here(s, t);
    else
        run(s, t);
}

int session_loop(struct session *s)
{
    s->reschedule = true;
    for (uint32_t turns = 1; !s->ended && s->live > 0; turns++) {
        struct task *t = s->current;

        /* a task that stops often and alone neither meets the timer in a wait nor a decision */
        if (turns % TURNS_PER_LOOK == 0 && is_over(s, NULL))
            break;
        session_sweep(s);
        if (s->reschedule || !t || t->state != TASK_READY || t->vfork_child)
            t = choose(s);
        if (!t)
            break;
        step_task(s, t);
    }
    return 0;
}
