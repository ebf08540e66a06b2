/* The blob's traced calls, faults and stray entries. */
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
#include "recorder/record/walk.h"

static bool in_blob(uint64_t ip)
{
    return ip >= RECORDER_BLOB_ADDRESS && ip < RECORDER_BLOB_ADDRESS + RECORDER_BLOB_SIZE;
}

static bool is_in_stub(const struct image_where *where)
{
    return where->place == IMAGE_STUB_HEAD || where->place == IMAGE_STUB_BODY;
}

bool traps_is_exact(uint64_t address, const struct image_where *where)
{
    return is_in_stub(where) ? where->exact : !in_blob(address);
}

uint64_t traps_original_ip(struct task *t, bool *ret_exact)
{
    struct image_where where = space_locate(t->space, t->regs.rip);

    *ret_exact = traps_is_exact(t->regs.rip, &where);
    return is_in_stub(&where) ? where.original : t->regs.rip;
}

uint64_t traps_continue_ip(struct task *t, uint64_t ip)
{
    struct image_where where = space_locate(t->space, ip);

    return where.place == IMAGE_INTERIOR && where.copy ? where.copy : ip;
}

void traps_walk_here(struct session *s, struct task *t)
{
    t->needs_event = true;
    walk_begin(t, 2); /* no trap: from where the last event left it */
    s->result->statistics.preemptions++;
    s->reason = SCHED_SLICE_END;
    s->reschedule = true;
    t->slice_valid = false;
    walk(s, t);
}

void traps_leave_counter(struct session *s, struct task *t)
{
    t->regs.rax = (uint64_t)*tracee_page_word(&s->area, PAGE_SAVE_RAX);
    t->regs.rip = (uint64_t)*tracee_page_word(&s->area, PAGE_SAVE_RETURN);
    t->regs.r11 = (uint64_t)*tracee_page_word(&s->area, PAGE_SAVE_R11);
    t->regs.rcx = (uint64_t)*tracee_page_word(&s->area, PAGE_SPILL_RCX);
    t->regs.orig_rax = (unsigned long long)-1;
    t->regs_dirty = true;
}

static void counter_trapped(struct session *s, struct task *t, int counter)
{
    traps_leave_counter(s, t);
    walk_begin(t, counter);
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
