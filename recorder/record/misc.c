/* Small models. */
#include "recorder/record/misc.h"

#include <asm/prctl.h>
#include <errno.h>
#include <linux/nsfs.h>
#include <sched.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/sysinfo.h>

#include "recorder/base/file.h"
#include "recorder/base/log.h"
#include "recorder/record/fds.h"
#include "recorder/record/filter.h"

enum call_action model_sched_yield(struct session *s, struct task *t, struct call *c)
{
    (void)t;
    s->reason = SCHED_YIELD;
    s->reschedule = true;
    return call_answer(c, 0);
}

enum call_action model_getrandom(struct session *s, struct task *t, struct call *c)
{
    uint64_t length = c->args[1];

    if (c->args[2] & ~7ull)
        return call_answer(c, -EINVAL);
    if (length > 33554431)
        length = 33554431;
    bytes_clear(&c->buffer);
    random_fill(&s->data, bytes_extend(&c->buffer, length), length);
    if ((s->options->guards_off & RECORD_GUARD_GETRANDOM) &&
        getrandom(c->buffer.data, length, GRND_NONBLOCK) < 0)
        log_debug("getrandom");
    if (emit_poke(s, t, c->args[0], c->buffer.data, length) < 0)
        return call_answer(c, -EFAULT);
    return call_answer(c, (int64_t)length);
}

enum call_action model_prctl(struct session *s, struct task *t, struct call *c)
{
    switch ((int)c->args[0]) {
    case PR_SET_NAME:
        if (tracee_read_some(t->tid, c->args[1], t->name, 15) == 0)
            return call_answer(c, -EFAULT);
        t->name[15] = '\0';
        return CALL_RUN;
    case PR_SET_CHILD_SUBREAPER:
        t->process->subreaper = c->args[1] != 0;
        return CALL_RUN;
    case PR_GET_TSC: {
        int mode = t->tsc_mode ? t->tsc_mode : PR_TSC_ENABLE;

        return call_answer(c, emit_poke(s, t, c->args[1], &mode, sizeof(mode)) < 0 ? -EFAULT : 0);
    }
    case PR_SET_TSC:
        if (c->args[1] != PR_TSC_ENABLE && c->args[1] != PR_TSC_SIGSEGV)
            return call_answer(c, -EINVAL);
        t->tsc_mode = (uint8_t)c->args[1];
        return call_answer(c, 0);
    case PR_SET_DUMPABLE: /* an undumpable tracee could not be read any more */
        if (c->args[1] > 1)
            return call_answer(c, -EINVAL);
        t->process->undumpable = c->args[1] == 0;
        return call_answer(c, 0);
    case PR_GET_DUMPABLE:
        return call_answer(c, !t->process->undumpable);
    case PR_SET_NO_NEW_PRIVS:
        if (c->args[1] != 1)
            return call_answer(c, -EINVAL);
        t->process->no_new_privs = true;
        return CALL_RUN;
    case PR_GET_NO_NEW_PRIVS:
        return call_answer(c, t->process->no_new_privs);
    case PR_GET_SECCOMP:
        return call_answer(c, t->filters ? 2 : 0);
    case PR_SET_SECCOMP:
        return filter_prctl(s, t, c);
    case PR_SET_PDEATHSIG:
        if (c->args[1] >= SIGNAL_LIMIT)
            return call_answer(c, -EINVAL);
        t->process->death_signal = (int)c->args[1];
        return call_answer(c, 0);
    case PR_GET_PDEATHSIG:
        return call_answer(
            c, emit_poke(s, t, c->args[1], &t->process->death_signal, 4) < 0 ? -EFAULT : 0);
    case PR_SET_MM:
        return call_answer(c, -EPERM);
    default:
        c->outputs = true;
        (void)s;
        return CALL_RUN;
    }
}

enum call_action model_arch_prctl(struct session *s, struct task *t, struct call *c)
{
    (void)s;
    switch ((int)c->args[0]) {
    case ARCH_SET_FS:
        if (c->args[1] >= 0x7ffffffff000ull)
            return call_answer(c, -EPERM);
        c->before.fs_base = c->args[1];
        return call_answer(c, 0);
    case ARCH_SET_GS:
        if (c->args[1] >= 0x7ffffffff000ull)
            return call_answer(c, -EPERM);
        c->before.gs_base = c->args[1];
        return call_answer(c, 0);
    case ARCH_GET_FS:
        return call_answer(c, emit_poke(s, t, c->args[1], &t->regs.fs_base, 8) < 0 ? -EFAULT : 0);
    case ARCH_GET_GS:
        return call_answer(c, emit_poke(s, t, c->args[1], &t->regs.gs_base, 8) < 0 ? -EFAULT : 0);
    case ARCH_SET_CPUID:
    case ARCH_GET_CPUID:
        return call_answer(c, -ENODEV);
    default: /* CET, AMX permission, LAM: as if the kernel knew none of it */
        return call_answer(c, -EINVAL);
    }
}

enum call_action model_sysinfo(struct session *s, struct task *t, struct call *c)
{
    struct sysinfo info;
    struct timespec up = {0};

    memset(&info, 0, sizeof(info));
    clock_read(s->clock, CLOCK_BOOTTIME, 0, &up);
    if (s->options->real_clock || (s->options->guards_off & RECORD_GUARD_TIME))
        clock_gettime(CLOCK_BOOTTIME, &up);
    info.uptime = up.tv_sec;
    info.totalram = 8ul << 30;
    info.freeram = 4ul << 30;
    info.procs = (unsigned short)s->live;
    info.mem_unit = 1;
    return call_answer(c, emit_poke(s, t, c->args[0], &info, sizeof(info)) < 0 ? -EFAULT : 0);
}

enum call_action model_getcpu(struct session *s, struct task *t, struct call *c)
{
    uint32_t zero = 0;

    if ((c->args[0] && emit_poke(s, t, c->args[0], &zero, 4) < 0) ||
        (c->args[1] && emit_poke(s, t, c->args[1], &zero, 4) < 0))
        return call_answer(c, -EFAULT);
    return call_answer(c, 0);
}

/* Two processors for everybody: enough that programs make threads, and the same everywhere. */
enum call_action model_sched_getaffinity(struct session *s, struct task *t, struct call *c)
{
    uint64_t mask = 3;

    if (c->args[1] < 8 || (c->args[1] & 7))
        return call_answer(c, -EINVAL);
    if (c->args[0] && !session_task_by_ns_tid(s, (pid_t)c->args[0]))
        return call_answer(c, -ESRCH);
    return call_answer(c, emit_poke(s, t, c->args[2], &mask, 8) < 0 ? -EFAULT : 8);
}

enum call_action model_sched_setaffinity(struct session *s, struct task *t, struct call *c)
{
    (void)t;
    if (c->args[0] && !session_task_by_ns_tid(s, (pid_t)c->args[0]))
        return call_answer(c, -ESRCH);
    return call_answer(c, 0);
}

/* ASLR off is our doing: the program sees and sets the rest. */
enum call_action model_personality(struct session *s, struct task *t, struct call *c)
{
    (void)s;
    (void)t;
    if ((uint32_t)c->args[0] == 0xffffffffu)
        return call_answer(c, 0);
    return call_answer(c, (uint32_t)c->args[0] & ~0x0040000u ? -EINVAL : 0);
}

/* A kind that the program does not name is asked of the descriptor; kinds it names are checked
 * before. */
enum call_action model_setns(struct session *s, struct task *t, struct call *c)
{
    cleanup_fd int fd = (uint32_t)c->args[1] ? -1 : fds_take(t, (int)c->args[0]);
    int kind = fd < 0 ? -1 : ioctl(fd, NS_GET_NSTYPE);

    if (kind < 0 || !(kind & (CLONE_NEWPID | CLONE_NEWTIME)))
        return CALL_RUN;
    session_fail(s, RECORD_VERDICT_UNSUPPORTED,
                 "%s (pid %d): setns(%d, 0): %s namespaces inside the run's own are not modelled",
                 t->name, t->process->pid, (int)c->args[0], kind & CLONE_NEWPID ? "pid" : "time");
    return CALL_GONE;
}

enum call_action model_restart_syscall(struct session *s, struct task *t, struct call *c)
{
    (void)s;
    (void)t;
    return call_answer(c, -EINTR);
}

/* The kernel writes into another task's memory: an event of that task, so that replay finds it. */
static void process_vm_written(struct session *s, struct task *t, struct call *c)
{
    static struct syscall_regions regions;
    struct syscall_memory memory = {call_memory_read, t};
    struct task *to = session_task_by_ns_tid(s, (pid_t)c->args[0]);

    if (c->result <= 0 || !to || syscall_outputs(c->nr, c->args, c->result, &memory, &regions) < 0)
        return;
    emit_entry(s, t);
    emit_begin(s, to, EVENT_MEMORY);
    for (size_t i = 0; i < regions.count; i++)
        emit_memory(s, to, regions.region[i].address, regions.region[i].length);
    emit_end(s, to);
    emit_begin(s, t, EVENT_SYSCALL);
    s->building.event.before = c->before;
}

enum call_action model_process_vm_writev(struct session *s, struct task *t, struct call *c)
{
    (void)t;
    (void)s;
    c->finish = process_vm_written;
    return CALL_RUN;
}
