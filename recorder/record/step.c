/* Single steps with an observer. A step is 10 to 40 us, so this reads registers and code and no
 * more. */
#include "recorder/record/step.h"

#include <errno.h>
#include <signal.h>
#include <sys/ptrace.h>

#include "include/rrtest/recorder_page.h"

#define FLAG_TRAP 0x100u
#define REPEATS_STEPPED                                                       \
    8 /* more iterations than this run to a breakpoint behind the instruction \
       */

static bool is_prefix(uint8_t byte)
{
    switch (byte) {
    case 0x26:
    case 0x2e:
    case 0x36:
    case 0x3e:
    case 0x64:
    case 0x65:
    case 0x66:
    case 0x67:
    case 0xf0:
    case 0xf2:
    case 0xf3:
        return true;
    default:
        return (byte & 0xf0) == 0x40;
    }
}

static enum step_kind kind_of_group5(uint8_t modrm)
{
    switch (modrm >> 3 & 7) {
    case 2:
    case 3:
        return STEP_CALL;
    case 4:
    case 5:
        return STEP_INDIRECT_JUMP;
    default:
        return STEP_OTHER;
    }
}

enum step_kind step_kind_of(const uint8_t *code, size_t length, size_t *ret_length)
{
    bool repeat = false;
    size_t i = 0;

    *ret_length = image_instruction_length(code, length);
    while (i + 1 < length && is_prefix(code[i])) {
        repeat |= code[i] == 0xf2 || code[i] == 0xf3;
        i++;
    }
    if (i + 1 >= length)
        return STEP_OTHER;
    switch (code[i]) {
    case 0xe8:
        return STEP_CALL;
    case 0xff:
        return kind_of_group5(code[i + 1]);
    case 0xc2:
    case 0xc3:
        return STEP_RETURN;
    case 0x0f:
        return code[i + 1] == 0x05 ? STEP_SYSTEM_CALL : STEP_OTHER;
    case 0xcc:
    case 0xcd:
    case 0xf1:
        return STEP_TRAP;
    case 0x9c:
        return STEP_PUSH_FLAGS;
    case 0x6c:
    case 0x6d:
    case 0x6e:
    case 0x6f:
    case 0xa4:
    case 0xa5:
    case 0xa6:
    case 0xa7:
    case 0xaa:
    case 0xab:
    case 0xac:
    case 0xad:
    case 0xae:
    case 0xaf:
        return repeat ? STEP_REPEATED : STEP_OTHER;
    default:
        return STEP_OTHER;
    }
}

bool step_due(struct session *s, struct task *t)
{
    const struct record_stepper *stepper = s->options->stepper;
    uint64_t total = s->result->statistics.ticks;

    if (!stepper || stepper->done >= stepper->steps)
        return false;
    if (total >= stepper->start_ticks)
        return true;
    if (t->ticks_loaded > (int64_t)(stepper->start_ticks - total)) {
        t->ticks_loaded = (int64_t)(stepper->start_ticks - total);
        *tracee_page_word(&s->area, PAGE_TICKS) = t->ticks_loaded;
    }
    return false;
}

/* Resume and wait for the stop that ends it. *ret_late: the timer went off meanwhile. */
static int resume(struct task *t, int request, struct stop *ret, bool *ret_late)
{
    int got;

    do {
        if (ptrace(request, t->tid, 0, 0) < 0)
            return -errno;
        while ((got = wait_next(t->tid, true, ret)) == -EINTR)
            *ret_late = true;
        /* the kernel's own, modelled elsewhere: nothing was executed */
    } while (got == 1 && ret->kind == STOP_SIGNAL &&
             (ret->signal == SIGCHLD || ret->signal == SIGPIPE));
    return got;
}

/* Run a repeated instruction to a breakpoint behind it. */
static int run_repeated(struct task *t, size_t length, struct stop *ret, bool *ret_late)
{
    const uint8_t breakpoint = 0xcc;
    uint64_t behind = t->regs.rip + length;
    uint8_t saved;
    int got = tracee_read_forced(t->tid, behind, &saved, 1);

    if (got || (got = tracee_write_forced(t->tid, behind, &breakpoint, 1)))
        return got;
    got = resume(t, PTRACE_CONT, ret, ret_late);
    if (got != 1 || ret->kind == STOP_DEAD || ret->kind == STOP_EXIT)
        return got;
    tracee_write_forced(t->tid, behind, &saved, 1);
    if (tracee_get_regs(t->tid, &t->regs) < 0)
        return -ESRCH;
    if (ret->kind == STOP_SIGNAL && ret->signal == SIGTRAP && t->regs.rip == behind + 1) {
        t->regs.rip = behind;
        return tracee_set_regs(t->tid, &t->regs) < 0 ? -ESRCH : 1;
    }
    return got;
}

/* A stepped pushf stores the trap flag that steps it. */
static void clear_pushed_flag(struct task *t)
{
    uint16_t flags;

    if (tracee_read(t->tid, t->regs.rsp, &flags, sizeof(flags)) == 0) {
        flags &= (uint16_t)~FLAG_TRAP;
        tracee_write(t->tid, t->regs.rsp, &flags, sizeof(flags));
    }
}

static bool is_step(const struct stop *stop, enum step_kind kind)
{
    return stop->kind == STOP_SIGNAL && stop->signal == SIGTRAP && kind != STEP_TRAP;
}

static int step_once(struct session *s, struct task *t, struct step *step, struct stop *ret,
                     bool *ret_late)
{
    struct record_stepper *stepper = s->options->stepper;
    uint8_t code[16];
    size_t length, available = tracee_read_some(t->tid, t->regs.rip, code, sizeof(code));
    uint64_t before = t->regs.rip;
    int got;

    step->kind = step_kind_of(code, available, &length);
    step->ticks = t->ticks + (uint64_t)(t->ticks_loaded - *tracee_page_word(&s->area, PAGE_TICKS));
    stepper->look(stepper->context, s, t, step);
    stepper->done++;
    if (step->kind == STEP_REPEATED && length && t->regs.rcx > REPEATS_STEPPED)
        return run_repeated(t, length, ret, ret_late);
    do {
        got = resume(t, PTRACE_SINGLESTEP, ret, ret_late);
        if (got != 1 || !is_step(ret, step->kind))
            return got;
        if (tracee_get_regs(t->tid, &t->regs) < 0)
            return -ESRCH;
    } while (step->kind == STEP_REPEATED && t->regs.rip == before);
    if (step->kind == STEP_PUSH_FLAGS)
        clear_pushed_flag(t);
    return got;
}

static bool at_skipped_call(struct task *t)
{
    struct __ptrace_syscall_info info;

    return ptrace(PTRACE_GET_SYSCALL_INFO, t->tid, sizeof(info), &info) > 0 &&
           info.op == PTRACE_SYSCALL_INFO_SECCOMP;
}

/* From a seccomp stop whose call was skipped the first step ends at once, with nothing executed
 * (report_single_step() in kernel/entry/common.c). */
static int leave_call(struct task *t, struct stop *ret, bool *ret_late)
{
    uint64_t before = t->regs.rip;
    int got = resume(t, PTRACE_SINGLESTEP, ret, ret_late);

    if (got == 1 && is_step(ret, STEP_OTHER) && tracee_get_regs(t->tid, &t->regs) < 0)
        return -ESRCH;
    return got == 1 && t->regs.rip != before ? -EPROTO : got;
}

int step_next(struct session *s, struct task *t, struct stop *ret)
{
    struct record_stepper *stepper = s->options->stepper;
    struct step step = {.resumed = !stepper->interrupted};
    bool late = false;
    int got;

    stepper->interrupted = false;
    if (at_skipped_call(t)) {
        got = leave_call(t, ret, &late);
        if (got != 1 || !is_step(ret, STEP_OTHER))
            return got;
    }
    while (stepper->done < stepper->steps) {
        if (late) {
            stepper->interrupted = true;
            return -EINTR;
        }
        got = step_once(s, t, &step, ret, &late);
        if (got != 1 || !is_step(ret, step.kind))
            return got;
        step.resumed = false;
    }
    return ptrace(PTRACE_CONT, t->tid, 0, 0) < 0 ? -errno : 0;
}
