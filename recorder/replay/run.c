/* Running a task to the place in its life that an event names.
 *
 * The counters are loaded such that they trap at the event's counted point, or, where the event is
 * another stop, with one point more than the recording has: a task that misses its stop is caught
 * at the next tick instead of running on. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <asm/prctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>

#include "include/rrtest/recorder_page.h"
#include "recorder/replay/session.h"
#include "recorder/tracee/processor.h"

#define COUNTER_IDLE (1ll << 62)

static bool in_blob(uint64_t ip)
{
    return ip >= RECORDER_BLOB_ADDRESS && ip < RECORDER_BLOB_ADDRESS + RECORDER_BLOB_SIZE;
}

/* ---- what happened instead ----------------------------------------------------------------- */

static void describe_signal(const struct replay_task *t, int signal, char *text, size_t size)
{
    siginfo_t info;

    if (ptrace(PTRACE_GETSIGINFO, t->tid, 0, &info) < 0)
        memset(&info, 0, sizeof(info));
    snprintf(text, size, "signal %d (%s) at ip %#lx, address %#lx", signal, strsignal(signal),
             (unsigned long)t->regs.rip, (unsigned long)(uintptr_t)info.si_addr);
}

static void describe_call(const struct replay_session *r, const struct replay_task *t, char *text,
                          size_t size)
{
    const char *what = NULL;

    switch (t->regs.orig_rax) {
    case BLOB_CALL_TICK:
        what = "a tick beyond the recorded ones";
        break;
    case BLOB_CALL_ATOMIC:
        what = "an atomic operation beyond the recorded ones";
        break;
    case BLOB_CALL_CPUID:
        what = "cpuid";
        break;
    case BLOB_CALL_RDTSC:
        what = "rdtsc";
        break;
    case BLOB_CALL_RANDOM:
        what = "rdrand or rdseed";
        break;
    default:
        break;
    }
    if (what && in_blob(t->regs.rip))
        snprintf(text, size, "%s, at ip %#lx", what,
                 (unsigned long)*tracee_page_word(&r->area, PAGE_SAVE_RETURN));
    else
        snprintf(text, size, "system call %ld at ip %#lx", (long)t->regs.orig_rax,
                 (unsigned long)t->regs.rip);
}

/* The stop that came is of another kind than the event's. */
static int other_stop(struct replay_session *r, struct replay_task *t, const struct stop *stop,
                      const char *expected)
{
    char text[256];
    int error = replay_task_regs(r, t);

    if (error)
        return error;
    if (stop->kind == STOP_SIGNAL)
        describe_signal(t, stop->signal, text, sizeof(text));
    else
        describe_call(r, t, text, sizeof(text));
    return replay_diverged(r,
                           "expected %s, got %s (ticks: expected %lu, got %lu; atomics: "
                           "expected %lu, got %lu)",
                           expected, text, (unsigned long)r->event->ticks, (unsigned long)t->ticks,
                           (unsigned long)r->event->atomics, (unsigned long)t->atomics);
}

static int check_position(struct replay_session *r, const struct replay_task *t)
{
    const struct event *e = r->event;

    if (t->ticks == e->ticks && t->atomics == e->atomics)
        return 0;
    return replay_diverged(r, "ticks: expected %lu, got %lu; atomics: expected %lu, got %lu",
                           (unsigned long)e->ticks, (unsigned long)t->ticks,
                           (unsigned long)e->atomics, (unsigned long)t->atomics);
}

/* ---- resuming ------------------------------------------------------------------------------ */

/* A SIGSEGV that the recording does not have here may be the stack growing further than replay's
 * room for it. */
static bool is_growth(struct replay_session *r, struct replay_task *t, const struct stop *stop,
                      uint64_t *ret_address)
{
    const struct event *e = r->event;
    siginfo_t info;

    if (stop->kind != STOP_SIGNAL || stop->signal != SIGSEGV ||
        ptrace(PTRACE_GETSIGINFO, t->tid, 0, &info) < 0 || info.si_code != SEGV_MAPERR)
        return false;
    *ret_address = (uint64_t)(uintptr_t)info.si_addr;
    if (e->kind != EVENT_FAULT || t->ticks != e->ticks || t->atomics != e->atomics)
        return true;
    return replay_task_regs(r, t) == 0 &&
           (t->regs.rip != e->before.rip || t->regs.rsp != e->before.rsp);
}

/* Run to the next stop with so many counted points left before the counters trap. */
static int go(struct replay_session *r, struct replay_task *t, int64_t ticks, int64_t atomics,
              struct stop *stop)
{
    uint64_t address;

    for (;;) {
        uint64_t ticks_before = t->ticks, atomics_before = t->atomics;
        int error = replay_task_resume(r, t, PTRACE_CONT, ticks, atomics, stop);

        if (error)
            return error;
        if (stop->kind != STOP_SIGNAL || !is_growth(r, t, stop, &address))
            return 0;
        error = replay_grow_stack(r, t, address, r->event->kind == EVENT_FAULT);
        if (error)
            return error < 0 ? 0 : error;
        ticks -= (int64_t)(t->ticks - ticks_before);
        atomics -= (int64_t)(t->atomics - atomics_before);
    }
}

/* ... with an int3 in an instruction's place, for the time of this run; with registers. */
static int go_with_int3(struct replay_session *r, struct replay_task *t, uint64_t at, int64_t ticks,
                        int64_t atomics, struct stop *stop)
{
    uint8_t saved, trap = 0xcc;
    int error = tracee_read(t->tid, at, &saved, 1);

    if (!error)
        error = tracee_write_forced(t->tid, at, &trap, 1);
    if (error)
        return replay_failed(r, error, "an int3 at %#lx: %s", (unsigned long)at, strerror(-error));
    error = go(r, t, ticks, atomics, stop);
    if (!error)
        error = replay_task_regs(r, t);
    if (!error)
        tracee_write_forced(t->tid, at, &saved, 1);
    return error;
}

/* ... where the event is no counter's trap. */
static int go_guarded(struct replay_session *r, struct replay_task *t, struct stop *stop)
{
    const struct event *e = r->event;

    if (e->ticks < t->ticks || e->atomics < t->atomics)
        return check_position(r, t);
    return go(r, t, (int64_t)(e->ticks - t->ticks), (int64_t)(e->atomics - t->atomics), stop);
}

/* ---- arrivals ------------------------------------------------------------------------------ */

static int check_registers(struct replay_session *r, struct replay_task *t, bool call)
{
    int error = replay_task_regs(r, t);

    return error ? error : replay_compare_registers(r, t, r->options->verify, call);
}

/* The stop of a system call: the program's, or the blob's for an instruction. */
static int arrive_call(struct replay_session *r, struct replay_task *t)
{
    struct stop stop;
    int error = go_guarded(r, t, &stop);

    if (error)
        return error;
    if (stop.kind != STOP_SECCOMP) {
        char text[64];

        snprintf(text, sizeof(text), "system call %ld", (long)r->event->before.orig_rax);
        return other_stop(r, t, &stop, text);
    }
    error = replay_task_regs(r, t);
    if (error)
        return error;
    if (in_blob(t->regs.rip) && !in_blob(r->event->before.rip))
        return other_stop(r, t, &stop, "a system call");
    error = check_position(r, t);
    return error ? error : check_registers(r, t, true);
}

static int arrive_signal(struct replay_session *r, struct replay_task *t)
{
    const struct event *e = r->event;
    struct stop stop;
    int error = go_guarded(r, t, &stop);
    char text[64];

    if (error)
        return error;
    snprintf(text, sizeof(text), "signal %d", e->signal);
    if (stop.kind != STOP_SIGNAL || (e->kind == EVENT_FAULT && stop.signal != e->signal))
        return other_stop(r, t, &stop, e->kind == EVENT_FAULT ? text : "a stray entry's trap");
    error = check_position(r, t);
    return error ? error : check_registers(r, t, false);
}

static int step(struct replay_session *r, struct replay_task *t, bool first)
{
    struct stop stop;
    int error = replay_task_resume(r, t, PTRACE_SINGLESTEP, COUNTER_IDLE, COUNTER_IDLE, &stop);

    if (!error && first && stop.kind == STOP_SIGNAL && stop.signal == SIGTRAP &&
        tracee_step_was_empty(t->tid))
        error = replay_task_resume(r, t, PTRACE_SINGLESTEP, COUNTER_IDLE, COUNTER_IDLE, &stop);
    if (error)
        return error;
    if (stop.kind != STOP_SIGNAL || stop.signal != SIGTRAP)
        return other_stop(r, t, &stop, "a single step");
    return 0;
}

static int step_to(struct replay_session *r, struct replay_task *t, uint64_t ip)
{
    int error = replay_task_regs(r, t);

    for (bool first = true; !error && t->regs.rip != ip; first = false) {
        error = step(r, t, first);
        if (!error)
            error = replay_check_interrupted(r);
        if (!error && (t->ticks > r->event->ticks || t->atomics > r->event->atomics))
            return check_position(r, t);
        if (!error)
            error = replay_task_regs(r, t);
    }
    return error;
}

/* ---- instructions that the recording's processor trapped ----------------------------------- */

enum trapped { TRAPPED_UNKNOWN, TRAPPED_TSC, TRAPPED_CPUID };

/* Code that the program can write may be another by the time it is executed. */
static bool is_lasting(const struct replay_task *t, uint64_t address)
{
    const struct map_entry *m = maps_find(&t->space->maps, address);

    return m && !(m->prot & PROT_WRITE);
}

static enum trapped trapped_at(const struct replay_task *t, uint64_t address)
{
    uint8_t code[3] = {0};

    tracee_read_some(t->tid, address, code, sizeof(code));
    if (code[0] != 0x0f)
        return TRAPPED_UNKNOWN;
    if (code[1] == 0xa2)
        return TRAPPED_CPUID;
    return code[1] == 0x31 || (code[1] == 0x01 && code[2] == 0xf9) ? TRAPPED_TSC : TRAPPED_UNKNOWN;
}

/* Let this machine trap them too, as far as it can, from here on. */
static int arm(struct replay_session *r, struct replay_task *t)
{
    int64_t result;
    int error = 0;

    if (t->armed)
        return 0;
    t->armed = true;
    if (processor_traps_tsc())
        error =
            replay_task_call(r, t, SYS_prctl, (uint64_t[6]){PR_SET_TSC, PR_TSC_SIGSEGV}, &result);
    if (!error && processor_traps_cpuid())
        error = replay_task_call(r, t, SYS_arch_prctl,
                                 (uint64_t[6]){ARCH_SET_CPUID, PROCESSOR_CPUID_TRAPS}, &result);
    return error;
}

static int go_to_int3(struct replay_session *r, struct replay_task *t, uint64_t at,
                      struct stop *stop)
{
    const struct event *e = r->event;
    struct user_regs_struct regs;
    int error;

    if (e->ticks < t->ticks || e->atomics < t->atomics)
        return check_position(r, t);
    error = go_with_int3(r, t, at, (int64_t)(e->ticks - t->ticks),
                         (int64_t)(e->atomics - t->atomics), stop);
    if (error)
        return error;
    if (stop->kind != STOP_SIGNAL || stop->signal != SIGTRAP || t->regs.rip != at + 1)
        return 0;
    regs = t->regs;
    regs.rip = at;
    replay_task_set_regs(t, &regs);
    return 0;
}

/* Where this machine has no such trap, the first execution of the instruction since the last event
 * is found by an int3, or by steps where that may not stay. */
static int arrive_trapped(struct replay_session *r, struct replay_task *t)
{
    uint64_t at = r->event->before.rip;
    bool tsc = processor_traps_tsc(), cpuid = processor_traps_cpuid();
    enum trapped what = is_lasting(t, at) ? trapped_at(t, at) : TRAPPED_UNKNOWN;
    struct stop stop = {.kind = STOP_SIGNAL};
    int error = arm(r, t);

    if (error)
        return error;
    if (what == TRAPPED_UNKNOWN && !(tsc && cpuid))
        error = step_to(r, t, at);
    else if (what == TRAPPED_UNKNOWN || (what == TRAPPED_TSC ? tsc : cpuid))
        error = go_guarded(r, t, &stop);
    else
        error = go_to_int3(r, t, at, &stop);
    if (!error)
        error = replay_task_regs(r, t);
    if (error)
        return error;
    if (stop.kind != STOP_SIGNAL || t->regs.rip != at)
        return other_stop(r, t, &stop, "an instruction that trapped");
    error = check_position(r, t);
    /* Not the other registers: pushf in code that nobody looked through may have put flags there
     * that a tick left, and they differ. */
    return error ? error : replay_compare_registers(r, t, false, false);
}

/* ---- counted points ------------------------------------------------------------------------ */

/* What the program's registers are behind the counted point (the stub protocol, recorder_page.h).
 */
static void leave_blob(struct replay_session *r, struct replay_task *t)
{
    struct user_regs_struct regs = t->regs;

    regs.rax = (uint64_t)*tracee_page_word(&r->area, PAGE_SAVE_RAX);
    regs.rip = (uint64_t)*tracee_page_word(&r->area, PAGE_SAVE_RETURN);
    regs.r11 = (uint64_t)*tracee_page_word(&r->area, PAGE_SAVE_R11);
    regs.rcx = (uint64_t)*tracee_page_word(&r->area, PAGE_SPILL_RCX);
    regs.orig_rax = (unsigned long long)-1;
    replay_task_set_regs(t, &regs);
}

static int arrive_counted(struct replay_session *r, struct replay_task *t)
{
    const struct event *e = r->event;
    bool atomic = e->counter == 1;
    uint64_t ticks = e->ticks - t->ticks, atomics = e->atomics - t->atomics;
    struct stop stop;
    int error;

    if (e->ticks < t->ticks || e->atomics < t->atomics || (atomic ? atomics : ticks) == 0)
        return check_position(r, t)
                   ? REPLAY_ENDED
                   : replay_failed(r, -EBADMSG, "the counted point is already past");
    error = go(r, t, (int64_t)ticks - !atomic, (int64_t)atomics - atomic, &stop);
    if (!error)
        error = stop.kind == STOP_SECCOMP ? replay_task_regs(r, t) : 0;
    if (error)
        return error;
    if (stop.kind != STOP_SECCOMP || !in_blob(t->regs.rip) ||
        t->regs.orig_rax != (atomic ? BLOB_CALL_ATOMIC : BLOB_CALL_TICK))
        return other_stop(r, t, &stop, atomic ? "a counted atomic operation" : "a tick");
    error = check_position(r, t);
    if (!error)
        leave_blob(r, t);
    return error;
}

#define MOVE_TICKS 200 /* of one move, at most: TRACE-FORMAT.md, preempt */

/* To the next arrival at the address. */
static int move_to(struct replay_session *r, struct replay_task *t, uint64_t at)
{
    struct user_regs_struct regs;
    struct stop stop;
    char text[64];
    int error = go_with_int3(r, t, at, MOVE_TICKS, COUNTER_IDLE, &stop);

    if (error)
        return error;
    if (stop.kind != STOP_SIGNAL || stop.signal != SIGTRAP || t->regs.rip != at + 1) {
        snprintf(text, sizeof(text), "an arrival at %#lx", (unsigned long)at);
        return other_stop(r, t, &stop, text);
    }
    regs = t->regs;
    regs.rip = at;
    regs.orig_rax = (unsigned long long)-1;
    replay_task_set_regs(t, &regs);
    return 0;
}

static int arrive_preempted(struct replay_session *r, struct replay_task *t)
{
    const struct event *e = r->event;
    int error = e->counter == 2 ? check_position(r, t) : arrive_counted(r, t);

    for (uint32_t i = 0; i < e->steps && !error; i++)
        error = step(r, t, i == 0);
    for (size_t i = 0; i < e->move_count && !error; i++)
        error = e->moves[i] ? move_to(r, t, e->moves[i]) : step(r, t, true);
    return error ? error : check_registers(r, t, false);
}

/* An event without a stop of its own finds its task where the last event left it, but for a task
 * that ends in a system call: it comes there first. */
static bool ends_in_call(const struct replay_task *t, const struct event *e)
{
    bool there = t->known && t->regs.rip == e->before.rip && t->ticks == e->ticks &&
                 t->atomics == e->atomics;

    return !t->parked && !there && (int64_t)e->before.orig_rax >= 0;
}

static int run_to_event(struct replay_session *r, struct replay_task *t)
{
    const struct event *e = r->event;
    int error;

    switch (e->kind) {
    case EVENT_SYSCALL:
    case EVENT_ENTRY:
    case EVENT_SIGRETURN:
        return t->parked ? 0 : arrive_call(r, t);
    case EVENT_INSTRUCTION:
        return in_blob(e->before.rip) ? arrive_call(r, t) : arrive_trapped(r, t);
    case EVENT_PREEMPT:
        return arrive_preempted(r, t);
    case EVENT_FAULT: /* a program's own trap of rdtsc, too */
        return e->signal == SIGSEGV && trapped_at(t, e->before.rip) != TRAPPED_UNKNOWN
                   ? arrive_trapped(r, t)
                   : arrive_signal(r, t);
    case EVENT_STRAY:
        return arrive_signal(r, t);
    case EVENT_EXIT:
    case EVENT_CHECKSUM:
        if (!ends_in_call(t, e))
            return 0;
        error = arrive_call(r, t);
        t->parked = error == 0;
        return error;
    default:
        return 0;
    }
}

int replay_run_to_event(struct replay_session *r, struct replay_task *t)
{
    int error = run_to_event(r, t);

    if (error || r->event->kind == EVENT_BUFFERED)
        return error;
    return replay_check_calls(r, t);
}
