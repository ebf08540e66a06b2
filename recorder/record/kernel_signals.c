/* From the kernel's signal queues into the model's. */
#include "recorder/record/kernel_signals.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/ptrace.h>

#include "recorder/base/log.h"
#include "recorder/record/process.h"
#include "recorder/record/signal.h"

#define PEEK_MAX 16

static bool is_news(const siginfo_t *info)
{
    return info->si_signo != SIGCHLD && info->si_signo != SIGPIPE && info->si_signo != SIGKILL;
}

static bool has_news(pid_t tid, uint32_t flags)
{
    struct __ptrace_peeksiginfo_args from = {.off = 0, .flags = flags, .nr = PEEK_MAX};
    siginfo_t queue[PEEK_MAX];
    long n = ptrace(PTRACE_PEEKSIGINFO, tid, &from, queue);

    for (long i = 0; i < n; i++)
        if (is_news(&queue[i]))
            return true;
    return false;
}

void kernel_signals_arrived(struct session *s, struct task *t)
{
    siginfo_t info;

    memset(&info, 0, sizeof(info));
    if (ptrace(PTRACE_GETSIGINFO, t->tid, 0, &info) < 0 || !is_news(&info) ||
        info.si_signo == t->kill_signal)
        return;
    log_debug("task %u: signal %d of the kernel's", t->id, info.si_signo);
    signal_send(s, t->process, NULL, &info);
}

static bool any_news(const struct task *t)
{
    return has_news(t->tid, PTRACE_PEEKSIGINFO_SHARED) || has_news(t->tid, 0);
}

/* The kernel delivers what it has before it lets the task go back to its program: as long as
 * something is queued, resuming the task leads to the next signal's stop and no further. */
int kernel_signals_take(struct session *s, struct task *t)
{
    struct user_regs_struct r = t->call.before;
    struct stop stop;
    int got;

    r.orig_rax = (unsigned long long)-1;
    t->call.stop_lost = true;
    t->regs = t->call.before;
    t->regs_dirty = true;
    if (tracee_set_regs(t->tid, &r) < 0)
        return -ESRCH;
    while (any_news(t)) {
        if (ptrace(PTRACE_CONT, t->tid, 0, 0) < 0)
            return -ESRCH;
        got = session_wait(s, t->tid, &stop);
        s->result->statistics.stops++;
        if (got == 1 && stop.kind == STOP_SIGNAL)
            kernel_signals_arrived(s, t);
        else if (got == 1 && stop.kind == STOP_EXIT)
            process_task_exiting(s, t, (int)stop.message);
        else if (got != 1 || stop.kind == STOP_DEAD)
            process_task_dead(s, t, got == 1 ? stop.status : 0);
        if (got != 1 || stop.kind == STOP_EXIT || stop.kind == STOP_DEAD)
            return -ESRCH;
    }
    return 0;
}

void kernel_signals_collect(struct session *s)
{
    struct task *next;

    for (struct task *t = s->tasks; t; t = next) {
        next = t->next;
        if (t->state == TASK_PARKED && any_news(t) && kernel_signals_take(s, t) != 0)
            return; /* more than this task may be gone */
    }
}
