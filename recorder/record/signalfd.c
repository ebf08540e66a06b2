/* Modelled signalfds. */
#include "recorder/record/signalfd.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "recorder/base/log.h"
#include "recorder/record/blocking.h"
#include "recorder/record/fds.h"
#include "recorder/record/timers.h"

static signal_set pending_of(struct session *s, const struct process *p)
{
    signal_set set = p ? signal_queue_set(p->queue) : 0; /* its process may be gone */

    for (struct task *t = s->tasks; t; t = t->next)
        if (t->process == p)
            set |= signal_queue_set(t->queue);
    return set;
}

static void refresh(struct session *s, struct fd_object *o)
{
    uint64_t value = 1;
    bool wanted = (pending_of(s, o->owner) & o->mask) != 0;
    bool readable;

    if (o->shadow < 0)
        return;
    readable = blocking_is_ready(o->shadow, POLLIN);
    if (wanted && !readable && write(o->shadow, &value, 8) < 0)
        log_debug("signalfd: %s", strerror(errno));
    else if (!wanted && readable && read(o->shadow, &value, 8) < 0)
        log_debug("signalfd: %s", strerror(errno));
}

void signalfd_notify(struct session *s, struct process *p)
{
    for (struct fd_object *o = s->objects; o; o = o->next)
        if (o->linked && o->owner == p)
            refresh(s, o);
}

static void created(struct session *s, struct task *t, struct call *c)
{
    struct fd_object *o;

    if (c->result < 0)
        return;
    fds_forget(s, t->files, (int)c->result);
    o = fds_object_new(s, t, (int)c->result, FD_SIGNALFD);
    if (!o)
        return;
    o->mask = c->scratch[0];
    o->linked = true;
    refresh(s, o);
}

enum call_action model_signalfd(struct session *s, struct task *t, struct call *c)
{
    uint64_t flags = c->nr == SYS_signalfd4 ? c->args[3] : 0;
    struct fd_object *o;
    signal_set mask;

    if (c->args[2] != 8 || (flags & ~(uint64_t)(SFD_CLOEXEC | SFD_NONBLOCK)))
        return call_answer(c, -EINVAL);
    if (tracee_read(t->tid, c->args[1], &mask, 8) < 0)
        return call_answer(c, -EFAULT);
    mask &= ~(signal_bit(SIGKILL) | signal_bit(SIGSTOP));
    if ((int)c->args[0] != -1) {
        o = fds_object(t->files, (int)c->args[0]);
        if (!o || !o->linked)
            return call_answer(c, fds_kind(s, t, (int)c->args[0]) == FD_UNKNOWN ? -EBADF : -EINVAL);
        o->mask = mask;
        refresh(s, o);
        return call_answer(c, (int)c->args[0]);
    }
    c->scratch[0] = mask;
    c->run_nr = SYS_eventfd2; /* EFD_CLOEXEC and EFD_NONBLOCK have the values of SFD_* */
    c->run_args[0] = 0;
    c->run_args[1] = flags;
    c->finish = created;
    return CALL_RUN;
}

static void fill(const siginfo_t *info, struct signalfd_siginfo *ret)
{
    memset(ret, 0, sizeof(*ret));
    ret->ssi_signo = (uint32_t)info->si_signo;
    ret->ssi_errno = info->si_errno;
    ret->ssi_code = info->si_code;
    ret->ssi_pid = (uint32_t)info->si_pid;
    ret->ssi_uid = info->si_uid;
    if (info->si_signo == SIGCHLD) {
        ret->ssi_status = info->si_status;
    } else if (info->si_code == SI_TIMER) {
        ret->ssi_tid = (uint32_t)info->si_timerid;
        ret->ssi_overrun = (uint32_t)info->si_overrun;
        ret->ssi_ptr = (uint64_t)(uintptr_t)info->si_ptr;
        ret->ssi_int = info->si_int;
    } else if (info->si_code == SI_QUEUE || info->si_code == SI_MESGQ) {
        ret->ssi_ptr = (uint64_t)(uintptr_t)info->si_ptr;
        ret->ssi_int = info->si_int;
    }
}

static bool has_signal(struct session *s, struct task *t, struct call *c)
{
    (void)s;
    return ((signal_queue_set(t->queue) | signal_queue_set(t->process->queue)) & c->scratch[0]) !=
           0;
}

enum call_action signalfd_read(struct session *s, struct task *t, struct call *c)
{
    struct fd_object *o = fds_object(t->files, (int)c->args[0]);
    uint64_t room = c->args[2] / sizeof(struct signalfd_siginfo), done = 0;
    siginfo_t info;

    if (!o && !c->retry)
        return CALL_RUN;
    if (room == 0)
        return call_answer(c, -EINVAL);
    if (!c->retry) {
        int fd = fds_take(t, (int)c->args[0]);

        c->scratch[0] = o->mask;
        c->scratch[1] = fd >= 0 && (fcntl(fd, F_GETFL) & O_NONBLOCK);
        close(fd);
    }
    while (done < room && (signal_queue_take(t->queue, c->scratch[0], &info) ||
                           signal_queue_take(t->process->queue, c->scratch[0], &info))) {
        struct signalfd_siginfo out;

        timers_signal_taken(t->process, &info);
        fill(&info, &out);
        if (emit_poke(s, t, c->args[1] + done * sizeof(out), &out, sizeof(out)) < 0)
            return call_answer(c, -EFAULT);
        done++;
    }
    if (done > 0) {
        signalfd_notify(s, t->process);
        return call_answer(c, (int64_t)(done * sizeof(struct signalfd_siginfo)));
    }
    if (c->scratch[1])
        return call_answer(c, -EAGAIN);
    c->ready = has_signal;
    c->off_streams = true;
    return call_park(t, c, "signalfd", UINT64_MAX);
}
