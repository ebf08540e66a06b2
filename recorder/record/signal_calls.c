/* The system calls about signals, answered from the model. */
#include <errno.h>
#include <string.h>
#include <sys/syscall.h>

#include "recorder/record/fds.h"
#include "recorder/record/patches.h"
#include "recorder/record/process.h"
#include "recorder/record/signal.h"
#include "recorder/record/signalfd.h"
#include "recorder/record/timers.h"
#include "recorder/record/traps.h"

#define KILL_STOP (signal_bit(SIGKILL) | signal_bit(SIGSTOP))

enum call_action model_rt_sigaction(struct session *s, struct task *t, struct call *c)
{
    struct signal_action wanted, old;
    int signal = (int)c->args[0];
    int error;

    if (c->args[3] != 8)
        return call_answer(c, -EINVAL);
    if (c->args[1] && tracee_read(t->tid, c->args[1], &wanted, sizeof(wanted)) < 0)
        return call_answer(c, -EFAULT);
    error = signal_handlers_set(t->process->handlers, signal, c->args[1] ? &wanted : NULL, &old);
    if (error)
        return call_answer(c, error);
    if (c->args[1] && signal_is_ignored(t->process->handlers, signal)) {
        signal_queue_discard(t->process->queue, signal_bit(signal));
        for (struct task *o = s->tasks; o; o = o->next)
            if (o->process == t->process)
                signal_queue_discard(o->queue, signal_bit(signal));
    }
    if (c->args[2] && emit_poke(s, t, c->args[2], &old, sizeof(old)) < 0)
        return call_answer(c, -EFAULT);
    return call_answer(c, 0);
}

enum call_action model_rt_sigprocmask(struct session *s, struct task *t, struct call *c)
{
    signal_set set, old = t->mask;

    if (c->args[3] != 8)
        return call_answer(c, -EINVAL);
    if (c->args[1]) {
        if (tracee_read(t->tid, c->args[1], &set, 8) < 0)
            return call_answer(c, -EFAULT);
        set &= ~KILL_STOP;
        switch ((int)c->args[0]) {
        case SIG_BLOCK:
            t->mask |= set;
            break;
        case SIG_UNBLOCK:
            t->mask &= ~set;
            break;
        case SIG_SETMASK:
            t->mask = set;
            break;
        default:
            return call_answer(c, -EINVAL);
        }
    }
    if (c->args[2] && emit_poke(s, t, c->args[2], &old, 8) < 0)
        return call_answer(c, -EFAULT);
    return call_answer(c, 0);
}

static int read_frame(void *context, uint64_t address, void *ret, size_t length)
{
    struct task *t = context;

    return tracee_read(t->tid, address, ret, length);
}

enum call_action model_rt_sigreturn(struct session *s, struct task *t, struct call *c)
{
    static uint8_t xstate[TRACEE_XSTATE_MAX];
    size_t own = sizeof(xstate), length;
    struct user_regs_struct regs;
    struct signal_altstack altstack;
    signal_set mask;
    uint64_t sp = t->regs.rsp;
    int error = tracee_get_xstate(t->tid, xstate, &own);

    (void)c;
    length = own;
    if (!error)
        error =
            signal_frame_parse(read_frame, t, &t->regs, &regs, &mask, &altstack, xstate, &length);
    if (error) {
        siginfo_t info = {.si_signo = SIGSEGV, .si_code = SI_KERNEL};

        if (signal_handlers_force(t->process->handlers, SIGSEGV, t->mask & signal_bit(SIGSEGV)))
            t->mask &= ~signal_bit(SIGSEGV);
        signal_send(s, t->process, t, &info);
        return CALL_REGS;
    }
    patches_frame_returns(t, sp);
    t->mask = mask & ~KILL_STOP;
    signal_altstack_set(&t->altstack, sp, &altstack, NULL);
    regs.rip = traps_continue_ip(t, regs.rip);
    t->regs = regs;
    t->regs.orig_rax = (unsigned long long)-1;
    t->regs_dirty = true;
    s->building.event.kind = EVENT_SIGRETURN;
    if (length == 0) { /* no fpstate in the frame: the kernel starts afresh */
        length = own;
        signal_xstate_init(xstate, length);
    }
    tracee_set_xstate(t->tid, xstate, length);
    emit_xstate(s, xstate, length);
    return CALL_REGS;
}

enum call_action model_rt_sigpending(struct session *s, struct task *t, struct call *c)
{
    signal_set set = (signal_queue_set(t->queue) | signal_queue_set(t->process->queue)) & t->mask;
    uint64_t size = c->args[1];

    if (size > 8)
        return call_answer(c, -EINVAL);
    return call_answer(c, emit_poke(s, t, c->args[0], &set, size) < 0 ? -EFAULT : 0);
}

int signal_swap_mask(struct task *t, struct call *c, uint64_t set_address, uint64_t set_size)
{
    signal_set set;

    if (c->mask_swapped || !set_address)
        return 0;
    if (set_size != 8)
        return -EINVAL;
    if (tracee_read(t->tid, set_address, &set, 8) < 0)
        return -EFAULT;
    c->saved_mask = t->mask;
    c->mask_swapped = true;
    t->mask = set & ~KILL_STOP;
    return 0;
}

void signal_restore_mask(struct task *t, struct call *c)
{
    if (!c->mask_swapped)
        return;
    c->mask_swapped = false;
    if (c->interrupted) { /* the handler runs under the call's mask; its frame holds the old one */
        t->saved_mask = c->saved_mask;
        t->suspended_mask = true;
    } else {
        t->mask = c->saved_mask;
    }
}

enum call_action model_rt_sigsuspend(struct session *s, struct task *t, struct call *c)
{
    int error = signal_swap_mask(t, c, c->args[0], c->args[1]);

    (void)s;
    if (error || !c->args[0])
        return call_answer(c, error ? error : -EFAULT);
    c->no_restart = true;
    return call_park(t, c, "sigsuspend", UINT64_MAX);
}

enum call_action model_pause(struct session *s, struct task *t, struct call *c)
{
    (void)s;
    c->no_restart = true;
    return call_park(t, c, "pause", UINT64_MAX);
}

static bool wanted_signal_is_there(struct session *s, struct task *t, struct call *c)
{
    (void)s;
    return ((signal_queue_set(t->queue) | signal_queue_set(t->process->queue)) & c->scratch[0]) !=
           0;
}

enum call_action model_rt_sigtimedwait(struct session *s, struct task *t, struct call *c)
{
    siginfo_t info;
    struct timespec timeout;
    signal_set set;

    if (!c->retry) {
        if (c->args[3] != 8)
            return call_answer(c, -EINVAL);
        if (tracee_read(t->tid, c->args[0], &set, 8) < 0)
            return call_answer(c, -EFAULT);
        c->scratch[0] = set & ~KILL_STOP;
        c->scratch[1] = UINT64_MAX;
        if (c->args[2]) {
            if (tracee_read(t->tid, c->args[2], &timeout, sizeof(timeout)) < 0)
                return call_answer(c, -EFAULT);
            if (timeout.tv_nsec < 0 || timeout.tv_nsec > 999999999 || timeout.tv_sec < 0)
                return call_answer(c, -EINVAL);
            c->scratch[1] = timers_after(s, &timeout);
        }
    }
    if (signal_queue_take(t->queue, c->scratch[0], &info) ||
        signal_queue_take(t->process->queue, c->scratch[0], &info)) {
        signalfd_notify(s, t->process);
        timers_signal_taken(t->process, &info);
        if (c->args[1] && emit_poke(s, t, c->args[1], &info, sizeof(info)) < 0)
            return call_answer(c, -EFAULT);
        return call_answer(c, info.si_signo);
    }
    if (c->timed_out || c->scratch[1] <= clock_now(s->clock))
        return call_answer(c, -EAGAIN);
    c->ready = wanted_signal_is_there;
    c->off_streams = true;
    c->no_restart = true;
    return call_park(t, c, "sigtimedwait", c->scratch[1]);
}

enum call_action model_sigaltstack(struct session *s, struct task *t, struct call *c)
{
    struct {
        uint64_t sp;
        uint32_t flags, pad;
        uint64_t size;
    } user; /* stack_t of x86-64 */
    struct signal_altstack wanted, old;
    int error;

    if (c->args[0]) {
        if (tracee_read(t->tid, c->args[0], &user, sizeof(user)) < 0)
            return call_answer(c, -EFAULT);
        wanted = (struct signal_altstack){user.sp, user.size, user.flags};
    }
    error = signal_altstack_set(&t->altstack, c->before.rsp, c->args[0] ? &wanted : NULL, &old);
    if (error)
        return call_answer(c, error);
    if (c->args[1]) {
        memset(&user, 0, sizeof(user));
        user.sp = old.address;
        user.flags = old.flags;
        user.size = old.size;
        if (emit_poke(s, t, c->args[1], &user, sizeof(user)) < 0)
            return call_answer(c, -EFAULT);
    }
    return call_answer(c, 0);
}

/* ---- sending ------------------------------------------------------------------------------- */

static siginfo_t user_info(struct task *t, int signal, int code)
{
    siginfo_t info;

    memset(&info, 0, sizeof(info));
    info.si_signo = signal;
    info.si_code = code;
    info.si_pid = t->process->pid;
    info.si_uid = 0;
    return info;
}

enum call_action model_kill(struct session *s, struct task *t, struct call *c)
{
    pid_t pid = (pid_t)c->args[0];
    int signal = (int)c->args[1];
    siginfo_t info = user_info(t, signal, SI_USER);
    size_t found = 0;
    struct process *next;

    if (signal < 0 || signal >= SIGNAL_LIMIT)
        return call_answer(c, -EINVAL);
    info.si_uid = t->process->uid;
    for (struct process *p = s->processes; p; p = next) {
        next = p->next;
        if (p->reaped)
            continue;
        if (pid > 0 ? p->pid != pid
                    : (pid == -1 ? p == t->process : p->group != (pid ? -pid : t->process->group)))
            continue;
        found++;
        if (signal)
            signal_send(s, p, NULL, &info);
    }
    return call_answer(c, found ? 0 : (pid == 1 ? -EPERM : -ESRCH));
}

static int send_to_task(struct session *s, struct task *t, pid_t tgid, pid_t tid, int signal,
                        const siginfo_t *info)
{
    struct task *target = session_task_by_ns_tid(s, tid);

    if (signal < 0 || signal >= SIGNAL_LIMIT || tid <= 0)
        return -EINVAL;
    if (!target || (tgid > 0 && target->process->pid != tgid))
        return -ESRCH;
    (void)t;
    if (signal)
        signal_send(s, target->process, target, info);
    return 0;
}

enum call_action model_tgkill(struct session *s, struct task *t, struct call *c)
{
    siginfo_t info = user_info(t, (int)c->args[2], SI_TKILL);

    info.si_uid = t->process->uid;
    if ((int)c->args[0] <= 0)
        return call_answer(c, -EINVAL);
    return call_answer(
        c, send_to_task(s, t, (pid_t)c->args[0], (pid_t)c->args[1], (int)c->args[2], &info));
}

enum call_action model_tkill(struct session *s, struct task *t, struct call *c)
{
    siginfo_t info = user_info(t, (int)c->args[1], SI_TKILL);

    info.si_uid = t->process->uid;
    return call_answer(c, send_to_task(s, t, 0, (pid_t)c->args[0], (int)c->args[1], &info));
}

static int read_info(struct task *t, uint64_t address, int signal, siginfo_t *ret)
{
    if (tracee_read(t->tid, address, ret, sizeof(*ret)) < 0)
        return -EFAULT;
    ret->si_signo = signal;
    return 0;
}

enum call_action model_rt_sigqueueinfo(struct session *s, struct task *t, struct call *c)
{
    siginfo_t info;
    struct process *p = session_process_by_pid(s, (pid_t)c->args[0]);

    if (read_info(t, c->args[2], (int)c->args[1], &info) < 0)
        return call_answer(c, -EFAULT);
    if (!p)
        return call_answer(c, -ESRCH);
    if (info.si_code >= 0 && p != t->process)
        return call_answer(c, -EPERM);
    if ((int)c->args[1] < 0 || (int)c->args[1] >= SIGNAL_LIMIT)
        return call_answer(c, -EINVAL);
    if (c->args[1])
        signal_send(s, p, NULL, &info);
    return call_answer(c, 0);
}

enum call_action model_rt_tgsigqueueinfo(struct session *s, struct task *t, struct call *c)
{
    siginfo_t info;

    if (read_info(t, c->args[3], (int)c->args[2], &info) < 0)
        return call_answer(c, -EFAULT);
    return call_answer(
        c, send_to_task(s, t, (pid_t)c->args[0], (pid_t)c->args[1], (int)c->args[2], &info));
}

enum call_action model_pidfd_send_signal(struct session *s, struct task *t, struct call *c)
{
    struct process *p = process_of_pidfd(s, t, (int)c->args[0]);
    siginfo_t info = user_info(t, (int)c->args[1], SI_USER);

    info.si_uid = t->process->uid;
    if (c->args[3])
        return call_answer(c, -EINVAL);
    if (c->args[2] && read_info(t, c->args[2], (int)c->args[1], &info) < 0)
        return call_answer(c, -EFAULT);
    if (!p)
        return call_answer(c, fds_kind(s, t, (int)c->args[0]) == FD_PIDFD ? -ESRCH : -EBADF);
    if (p->zombie)
        return call_answer(c, p->reaped ? -ESRCH : 0);
    if ((int)c->args[1] < 0 || (int)c->args[1] >= SIGNAL_LIMIT)
        return call_answer(c, -EINVAL);
    if (c->args[1])
        signal_send(s, p, NULL, &info);
    return call_answer(c, 0);
}
