/* The blob's traced calls, single-step walks after a trap, faults and stray entries. */
#include "recorder/record/traps.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>

#include "include/rrtest/recorder_page.h"
#include "recorder/base/log.h"
#include "recorder/images/image.h"
#include "recorder/record/cpuid.h"
#include "recorder/record/inject.h"
#include "recorder/record/signal.h"
#include "recorder/record/space.h"

static bool in_blob(uint64_t ip)
{
    return ip >= RECORDER_BLOB_ADDRESS && ip < RECORDER_BLOB_ADDRESS + RECORDER_BLOB_SIZE;
}

uint64_t traps_original_ip(struct task *t, bool *ret_exact)
{
    struct image_where where = space_locate(t->space, t->regs.rip);

    *ret_exact = !in_blob(t->regs.rip);
    if (where.place == IMAGE_STUB_HEAD || where.place == IMAGE_STUB_BODY) {
        *ret_exact = where.exact;
        return where.original;
    }
    return t->regs.rip;
}

uint64_t traps_continue_ip(struct task *t, uint64_t ip)
{
    struct image_where where = space_locate(t->space, ip);

    return where.place == IMAGE_INTERIOR && where.copy ? where.copy : ip;
}

static int step_once(struct session *s, struct task *t, struct stop *stop)
{
    int got;

    do {
        if (task_flush(t) < 0 || ptrace(PTRACE_SINGLESTEP, t->tid, 0, 0) < 0)
            return -ESRCH;
        t->at_seccomp = false;
        s->result->statistics.stops++;
        got = session_wait(s, t->tid, stop);
        if (got < 0)
            return got;
    } while (stop->kind == STOP_SIGNAL && (stop->signal == SIGCHLD || stop->signal == SIGPIPE));
    if (tracee_get_regs(t->tid, &t->regs) < 0)
        return -ESRCH;
    return stop->kind == STOP_SIGNAL && stop->signal == SIGTRAP ? 0 : 1;
}

/* One single step of a walk. 0: done; 1: another stop came (left pending in *stop); negative: gone.
 * The kernel's own SIGCHLD and SIGPIPE (modelled elsewhere) come instead of the instruction, as
 * does the end of a system call: it is stepped again. */
static int single_step(struct session *s, struct task *t, struct stop *stop)
{
    int got = step_once(s, t, stop);

    if (got == 0 && t->steps_done == 0 && tracee_step_was_empty(t->tid))
        got = step_once(s, t, stop);
    return got;
}

/* At the start of an instruction that the blob answers: it keeps its state in the page, where
 * another task would destroy it, so nobody may be stopped on the way. */
static bool enters_blob(struct task *t)
{
    struct image_where where = space_locate(t->space, t->regs.rip);

    if (where.place == IMAGE_STUB_HEAD)
        return where.point == IMAGE_POINT_CALL;
    return where.place == IMAGE_START && where.point != IMAGE_POINT_TICK &&
           where.point != IMAGE_POINT_ATOMIC;
}

/* What a walk does not step over: what enters the kernel, what traps (its SIGTRAP would look like a
 * step's), and pushf, which would store the trap flag that steps it. Runs of prefixes are not
 * looked through: nobody writes them before these. */
static bool at_barrier(struct task *t)
{
    uint8_t code[2];

    if (enters_blob(t) || in_blob(t->regs.rip) || tracee_read(t->tid, t->regs.rip, code, 2) < 0)
        return true;
    switch (code[0]) {
    case 0x0f: /* syscall, sysenter */
        return code[1] == 0x05 || code[1] == 0x34;
    case 0x66:
        return code[1] == 0x9c;
    case 0x9c:
    case 0xcc:
    case 0xcd:
    case 0xf1:
        return true;
    default:
        return false;
    }
}

#define OWN_CODE_LIMIT 300 /* single steps on the way to the program's own code */

static bool in_own_code(struct task *t)
{
    uint64_t address;
    struct loaded_image *l = space_image_at(t->space, t->regs.rip, &address);

    return l && l->own;
}

static bool at_access(struct task *t)
{
    uint8_t code[16] = {0};

    tracee_read_some(t->tid, t->regs.rip, code, sizeof(code));
    return image_accesses_memory(code, sizeof(code));
}

/* Is this the place that the slice asks for? Counts down what it passes. */
static bool arrived(struct task *t, struct sched_slice *place)
{
    bool exact;

    traps_original_ip(t, &exact);
    if (place->own && !in_own_code(t))
        return false;
    if (place->steps == 0)
        return exact;
    place->steps--;
    return exact && place->accesses && at_access(t) && --place->accesses == 0;
}

/* Walk on to the place that the slice asks for, at most to a barrier, and set the reason of the
 * decision that follows. False: the walk met another stop, which was handled. */
static bool walk(struct session *s, struct task *t)
{
    struct sched_slice place = t->slice;
    uint32_t limit = place.steps + 64 + (place.own ? OWN_CODE_LIMIT : 0);
    struct stop stop;

    *tracee_page_word(&s->area, PAGE_TICKS) = t->ticks_loaded = 1ll << 62;
    *tracee_page_word(&s->area, PAGE_ATOMICS) = t->atomics_loaded = 1ll << 62;
    for (uint32_t i = 0; i < limit + 64; i++) {
        bool exact = true;

        /* never inside a stub's own instructions: its registers hold counters there */
        if (i >= limit)
            traps_original_ip(t, &exact);
        if ((i < limit ? arrived(t, &place) : exact) || at_barrier(t))
            break;
        int got = single_step(s, t, &stop);

        if (got < 0)
            return false;
        if (got > 0) {
            session_account(s, t);
            if (stop.kind == STOP_SIGNAL)
                traps_handle_signal(s, t, stop.signal); /* t may be gone */
            return false;
        }
        t->steps_done++;
    }
    session_account(s, t);
    if (!traps_step_out(s, t))
        return false;
    if (place.own && !in_own_code(t))
        s->reason = SCHED_MISSED;
    return true;
}

void traps_walk_here(struct session *s, struct task *t)
{
    t->needs_event = true;
    t->trapped_counter = 2; /* no trap: steps from where the last event left it */
    t->trap_ticks = t->ticks;
    t->trap_atomics = t->atomics;
    t->steps_done = 0;
    s->result->statistics.preemptions++;
    s->reason = SCHED_SLICE_END;
    s->reschedule = true;
    t->slice_valid = false;
    walk(s, t);
}

static void counter_trapped(struct session *s, struct task *t, int counter)
{
    t->regs.rax = (uint64_t)*tracee_page_word(&s->area, PAGE_SAVE_RAX);
    t->regs.rip = (uint64_t)*tracee_page_word(&s->area, PAGE_SAVE_RETURN);
    t->regs.r11 = (uint64_t)*tracee_page_word(&s->area, PAGE_SAVE_R11);
    t->regs.rcx = (uint64_t)*tracee_page_word(&s->area, PAGE_SPILL_RCX);
    t->regs.orig_rax = (unsigned long long)-1;
    t->regs_dirty = true;
    t->trapped_counter = (uint8_t)counter;
    t->trap_ticks = t->ticks;
    t->trap_atomics = t->atomics;
    t->steps_done = 0;
    s->result->statistics.preemptions++;
    inject_at_tick(s, t);
    s->reason = SCHED_SLICE_END;
    s->reschedule = true;
    t->slice_valid = false;
    if (t->slice.steps > 0 || t->slice.own)
        walk(s, t);
}

static void set_register(struct user_regs_struct *r, unsigned number, unsigned size, uint64_t value)
{
    unsigned long long *at[16] = {&r->rax, &r->rcx, &r->rdx, &r->rbx, &r->rsp, &r->rbp,
                                  &r->rsi, &r->rdi, &r->r8,  &r->r9,  &r->r10, &r->r11,
                                  &r->r12, &r->r13, &r->r14, &r->r15};

    if (size == 8)
        *at[number & 15] = value;
    else if (size == 4)
        *at[number & 15] = (uint32_t)value;
    else
        *at[number & 15] = (*at[number & 15] & ~0xffffull) | (value & 0xffff);
}

static void answer_cpuid(struct session *s, struct task *t)
{
    uint32_t r[4];

    if (!cpuid_lookup(&s->area, (uint32_t)t->regs.rax, (uint32_t)t->regs.rcx, r))
        cpuid_answer((uint32_t)t->regs.rax, (uint32_t)t->regs.rcx, s->options->guards_off, r);
    t->regs.rax = r[0];
    t->regs.rbx = r[1];
    t->regs.rcx = r[2];
    t->regs.rdx = r[3];
}

static void answer_instruction(struct session *s, struct task *t, uint64_t at)
{
    uint8_t code[16] = {0};
    struct image_special_instruction special;
    uint64_t tsc = clock_now(s->clock) * 2;

    tracee_read_some(t->tid, at, code, sizeof(code));
    special = image_decode_special(code, sizeof(code));
    t->regs.rip = at + special.length;
    switch (special.kind) {
    case SPECIAL_CPUID:
        answer_cpuid(s, t);
        break;
    case SPECIAL_RDTSCP:
        t->regs.rcx = 0;
        __attribute__((fallthrough));
    case SPECIAL_RDTSC:
        if (s->options->guards_off & RECORD_GUARD_RDTSC)
            tsc = __builtin_ia32_rdtsc();
        t->regs.rax = (uint32_t)tsc;
        t->regs.rdx = tsc >> 32;
        break;
    case SPECIAL_RDRAND:
    case SPECIAL_RDSEED: {
        uint64_t value = random_u64(&s->data);

        if (s->options->guards_off & RECORD_GUARD_RANDOM)
            value ^= __builtin_ia32_rdtsc() * 0x9e3779b97f4a7c15ull;
        set_register(&t->regs, special.target, special.size, value);
        t->regs.eflags = (t->regs.eflags & ~0x8d5ull) | 1; /* CF: valid; OF SF ZF AF PF clear */
        break;
    }
    case SPECIAL_NONE:
        session_fail(s, RECORD_VERDICT_UNSUPPORTED, "a stub's instruction at %#lx is unknown",
                     (unsigned long)at);
        break;
    }
}

static void instruction_trapped(struct session *s, struct task *t)
{
    uint64_t at = (uint64_t)*tracee_page_word(&s->area, PAGE_SAVE_RETURN);

    emit_begin(s, t, EVENT_INSTRUCTION);
    t->regs.rax = (uint64_t)*tracee_page_word(&s->area, PAGE_SAVE_RAX);
    t->regs.r11 = (uint64_t)*tracee_page_word(&s->area, PAGE_SAVE_R11);
    t->regs.rcx = (uint64_t)*tracee_page_word(&s->area, PAGE_SPILL_RCX);
    t->regs.orig_rax = (unsigned long long)-1;
    t->regs_dirty = true;
    clock_advance(s->clock, CLOCK_NS_PER_TICK * 4);
    answer_instruction(s, t, at);
    emit_end(s, t);
}

bool traps_handle_blob(struct session *s, struct task *t)
{
    if (!in_blob(t->regs.rip))
        return false;
    switch (t->regs.orig_rax) {
    case BLOB_CALL_TICK:
        counter_trapped(s, t, 0);
        return true;
    case BLOB_CALL_ATOMIC:
        counter_trapped(s, t, 1);
        return true;
    case BLOB_CALL_CPUID:
    case BLOB_CALL_RDTSC:
    case BLOB_CALL_RANDOM:
        instruction_trapped(s, t);
        return true;
    default:
        return false;
    }
}

/* Control entered a window's interior: one of the trapping bytes raised SIGSEGV, SIGILL or SIGTRAP
 * (int3 leaves ip behind itself). Go on at the relocated copy. */
static bool stray_entry(struct session *s, struct task *t, int signal)
{
    uint64_t ip = t->regs.rip - (signal == SIGTRAP ? 1 : 0);
    struct image_where where = space_locate(t->space, ip);

    if ((where.place != IMAGE_INTERIOR && !where.trap) || !where.copy)
        return false;
    emit_begin(s, t, EVENT_STRAY);
    t->regs.rip = where.copy;
    t->regs.orig_rax = (unsigned long long)-1;
    t->regs_dirty = true;
    s->building.event.status = where.trap;
    *(where.trap ? &s->result->statistics.trap_ticks : &s->result->statistics.stray_entries) += 1;
    emit_end(s, t);
    return true;
}

/* An instruction that the processor traps for us (instructions.h): general protection comes as
 * SI_KERNEL, without an address. A program that asked for the fault gets it. */
static bool trapped_by_processor(struct session *s, struct task *t, const siginfo_t *info)
{
    uint8_t code[16] = {0};
    struct image_special_instruction special;

    if (info->si_signo != SIGSEGV || info->si_code != SI_KERNEL)
        return false;
    tracee_read_some(t->tid, t->regs.rip, code, sizeof(code));
    special = image_decode_special(code, sizeof(code));
    if (special.kind != SPECIAL_CPUID && special.kind != SPECIAL_RDTSC &&
        special.kind != SPECIAL_RDTSCP)
        return false;
    if (special.kind != SPECIAL_CPUID && t->tsc_mode == PR_TSC_SIGSEGV)
        return false;
    emit_begin(s, t, EVENT_INSTRUCTION);
    t->regs.orig_rax = (unsigned long long)-1;
    t->regs_dirty = true;
    clock_advance(s->clock, CLOCK_NS_PER_TICK * 4);
    answer_instruction(s, t, t->regs.rip);
    emit_end(s, t);
    return true;
}

static bool is_synchronous(int signal, const siginfo_t *info)
{
    switch (signal) {
    case SIGSEGV:
    case SIGBUS:
    case SIGILL:
    case SIGFPE:
    case SIGTRAP:
        return info->si_code > 0;
    default:
        return false;
    }
}

void traps_handle_signal(struct session *s, struct task *t, int signal)
{
    siginfo_t info;

    memset(&info, 0, sizeof(info));
    if (ptrace(PTRACE_GETSIGINFO, t->tid, 0, &info) < 0)
        return;
    if (signal == SIGSYS &&
        info.si_code == 1 /* SYS_SECCOMP: the filter's answer to another ABI */) {
        session_fail(s, RECORD_VERDICT_UNSUPPORTED,
                     "%s (pid %d) made a 32-bit system call (number %d, by int 0x80 or sysenter at "
                     "%#lx), which is not modelled: build it for x86-64",
                     t->name, t->process->pid, info.si_syscall, (unsigned long)t->regs.rip);
        return;
    }
    if (is_synchronous(signal, &info)) {
        if (!trapped_by_processor(s, t, &info) && !stray_entry(s, t, signal))
            signal_fault(s, t, &info);
        return;
    }
    signal_from_outside(s, t, &info);
}

bool traps_step_out(struct session *s, struct task *t)
{
    struct stop stop;
    bool exact;

    traps_original_ip(t, &exact);
    if (exact)
        return true;
    if (!t->needs_event) {
        t->needs_event = true;
        t->trapped_counter = 2; /* no trap: steps from where the last event left it */
        t->trap_ticks = t->ticks;
        t->trap_atomics = t->atomics;
        t->steps_done = 0;
    }
    *tracee_page_word(&s->area, PAGE_TICKS) = t->ticks_loaded = 1ll << 62;
    *tracee_page_word(&s->area, PAGE_ATOMICS) = t->atomics_loaded = 1ll << 62;
    for (int i = 0; i < 2000 && !exact; i++) { /* the blob's table of cpuid leaves is long */
        int got = single_step(s, t, &stop);

        if (got < 0)
            return false;
        session_account(s, t);
        if (got > 0) {
            if (stop.kind == STOP_SIGNAL)
                traps_handle_signal(s, t, stop.signal);
            return false;
        }
        t->steps_done++;
        traps_original_ip(t, &exact);
    }
    return true;
}
