/* The classic BPF of seccomp(2), interpreted. Semantics: kernel/seccomp.c and net/core/filter.c. */
#include "recorder/record/filter.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "recorder/record/process.h"
#include "recorder/record/signal.h"

struct filter {
    int references;
    struct filter *older;
    size_t length;
    struct sock_filter code[];
};

struct filter *filter_ref(struct filter *f)
{
    if (f)
        f->references++;
    return f;
}

void filter_unref(struct filter *f)
{
    while (f && --f->references == 0) {
        struct filter *older = f->older;

        free(f);
        f = older;
    }
}

/* BPF_ALU on the accumulator; division by zero ends the filter with 0 (KILL_THREAD). */
static bool arithmetic(uint16_t code, uint32_t *a, uint32_t operand)
{
    switch (BPF_OP(code)) {
    case BPF_ADD:
        *a += operand;
        return true;
    case BPF_SUB:
        *a -= operand;
        return true;
    case BPF_MUL:
        *a *= operand;
        return true;
    case BPF_DIV:
        if (operand == 0)
            return false;
        *a /= operand;
        return true;
    case BPF_AND:
        *a &= operand;
        return true;
    case BPF_OR:
        *a |= operand;
        return true;
    case BPF_XOR:
        *a ^= operand;
        return true;
    case BPF_LSH:
        *a = operand < 32 ? *a << operand : 0;
        return true;
    case BPF_RSH:
        *a = operand < 32 ? *a >> operand : 0;
        return true;
    case BPF_NEG:
        *a = -*a;
        return true;
    default:
        return false;
    }
}

static bool jumps(uint16_t code, uint32_t a, uint32_t operand)
{
    switch (BPF_OP(code)) {
    case BPF_JEQ:
        return a == operand;
    case BPF_JGT:
        return a > operand;
    case BPF_JGE:
        return a >= operand;
    default:
        return (a & operand) != 0; /* BPF_JSET */
    }
}

static uint32_t run_one(const struct filter *f, const struct seccomp_data *data)
{
    uint32_t a = 0, x = 0, memory[BPF_MEMWORDS] = {0};

    for (size_t i = 0; i < f->length; i++) {
        const struct sock_filter *c = &f->code[i];
        uint32_t operand = BPF_SRC(c->code) == BPF_X ? x : c->k, value = 0;

        switch (BPF_CLASS(c->code)) {
        case BPF_LD:
        case BPF_LDX:
            if (BPF_MODE(c->code) == BPF_ABS && c->k + 4 <= sizeof(*data))
                memcpy(&value, (const char *)data + c->k, 4);
            else if (BPF_MODE(c->code) == BPF_MEM && c->k < BPF_MEMWORDS)
                value = memory[c->k];
            else if (BPF_MODE(c->code) == BPF_LEN)
                value = sizeof(*data);
            else
                value = c->k;
            *(BPF_CLASS(c->code) == BPF_LD ? &a : &x) = value;
            break;
        case BPF_ST:
        case BPF_STX:
            if (c->k < BPF_MEMWORDS)
                memory[c->k] = BPF_CLASS(c->code) == BPF_ST ? a : x;
            break;
        case BPF_ALU:
            if (!arithmetic(c->code, &a, operand))
                return SECCOMP_RET_KILL_THREAD;
            break;
        case BPF_JMP:
            if (BPF_OP(c->code) == BPF_JA)
                i += c->k;
            else
                i += jumps(c->code, a, operand) ? c->jt : c->jf;
            break;
        case BPF_RET:
            return BPF_RVAL(c->code) == BPF_A ? a : c->k;
        default:
            if (BPF_MISCOP(c->code) == BPF_TAX)
                x = a;
            else
                a = x;
            break;
        }
    }
    return SECCOMP_RET_KILL_THREAD;
}

/* Precedence: the action values are ordered as signed numbers, least wins; ties: the newest. */
uint32_t filter_run(const struct filter *f, uint64_t nr, uint64_t ip, const uint64_t args[6])
{
    struct seccomp_data data = {
        .nr = (int)nr, .arch = AUDIT_ARCH_X86_64, .instruction_pointer = ip};
    uint32_t result = SECCOMP_RET_ALLOW;

    memcpy(data.args, args, sizeof(data.args));
    for (; f; f = f->older) {
        uint32_t now = run_one(f, &data);

        if ((int32_t)(now & SECCOMP_RET_ACTION_FULL) < (int32_t)(result & SECCOMP_RET_ACTION_FULL))
            result = now;
    }
    return result;
}

static enum call_action install(struct session *s, struct task *t, struct call *c, uint64_t address,
                                bool all_threads)
{
    struct {
        uint16_t length;
        uint64_t code;
    } program; /* struct sock_fprog */
    struct filter *f;

    if (tracee_read(t->tid, address, &program, sizeof(program)) < 0)
        return call_answer(c, -EFAULT);
    if (program.length == 0 || program.length > BPF_MAXINSNS)
        return call_answer(c, -EINVAL);
    f = calloc(1, sizeof(*f) + program.length * sizeof(f->code[0]));
    if (!f)
        abort();
    f->length = program.length;
    f->references = 1;
    if (tracee_read(t->tid, program.code, f->code, program.length * sizeof(f->code[0])) < 0) {
        free(f);
        return call_answer(c, -EFAULT);
    }
    f->older = t->filters;
    t->filters = f;
    for (struct task *o = s->tasks; all_threads && o; o = o->next) {
        if (o == t || o->process != t->process)
            continue;
        filter_unref(o->filters);
        o->filters = filter_ref(f);
    }
    return call_answer(c, 0);
}

enum call_action model_seccomp(struct session *s, struct task *t, struct call *c)
{
    uint32_t action;

    switch ((int)c->args[0]) {
    case SECCOMP_SET_MODE_FILTER:
        if (c->args[1] & SECCOMP_FILTER_FLAG_NEW_LISTENER)
            return call_answer(c, -EINVAL); /* a supervisor of the program's own is not modelled */
        return install(s, t, c, c->args[2], c->args[1] & SECCOMP_FILTER_FLAG_TSYNC);
    case SECCOMP_GET_ACTION_AVAIL:
        if (tracee_read(t->tid, c->args[2], &action, 4) < 0)
            return call_answer(c, -EFAULT);
        return call_answer(
            c, action == SECCOMP_RET_USER_NOTIF || action == SECCOMP_RET_TRACE ? -EOPNOTSUPP : 0);
    default: /* strict mode has no user left */
        return call_answer(c, -EINVAL);
    }
}

enum call_action filter_prctl(struct session *s, struct task *t, struct call *c)
{
    if (c->args[1] != SECCOMP_MODE_FILTER)
        return call_answer(c, -EINVAL);
    return install(s, t, c, c->args[2], false);
}

static void raise_sigsys(struct session *s, struct task *t, struct call *c, int code)
{
    siginfo_t info;

    memset(&info, 0, sizeof(info));
    info.si_signo = SIGSYS;
    info.si_errno = code;
    info.si_code = 1; /* SYS_SECCOMP */
    info.si_call_addr = (void *)(uintptr_t)c->before.rip;
    info.si_syscall = (int)c->nr;
    info.si_arch = AUDIT_ARCH_X86_64;
    signal_send(s, t->process, t, &info);
}

bool filter_decides(struct session *s, struct task *t, struct call *c, enum call_action *ret_action)
{
    uint32_t said = filter_run(t->filters, c->nr, c->before.rip, c->args);

    switch (said & SECCOMP_RET_ACTION_FULL) {
    case SECCOMP_RET_ALLOW:
    case SECCOMP_RET_LOG:
        return false;
    case SECCOMP_RET_ERRNO:
        *ret_action = call_answer(c, -(int64_t)(said & SECCOMP_RET_DATA));
        return true;
    case SECCOMP_RET_TRAP:
        raise_sigsys(s, t, c, (int)(said & SECCOMP_RET_DATA));
        *ret_action = call_answer(c, (int64_t)c->nr); /* skipped: rax keeps the number */
        return true;
    case SECCOMP_RET_TRACE:
    case SECCOMP_RET_USER_NOTIF:
        *ret_action = call_answer(c, -ENOSYS);
        return true;
    default: /* KILL_THREAD, KILL_PROCESS: the process, as no thread survives it usefully */
        emit_begin(s, t, EVENT_ENTRY);
        emit_end(s, t);
        process_kill(s, t, SIGSYS);
        *ret_action = CALL_GONE;
        return true;
    }
}
