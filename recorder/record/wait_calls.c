/* wait4 and waitid: the model knows who is a zombie; the kernel then reaps it. Also the identity
 * calls. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "recorder/base/file.h"
#include "recorder/record/fds.h"
#include "recorder/record/process.h"

struct wanted {
    idtype_t type;
    pid_t id;
    int options;
};

static bool matches(struct session *s, struct task *t, const struct wanted *w,
                    const struct process *p)
{
    bool clone_child = p->exit_signal != SIGCHLD;

    (void)s;
    if (p->parent != t->process || p->reaped)
        return false;
    if (!(w->options & __WALL) && clone_child != ((w->options & __WCLONE) != 0))
        return false;
    switch (w->type) {
    case P_PID:
        return p->pid == w->id;
    case P_PGID:
        return p->group == (w->id ? w->id : t->process->group);
    default:
        return true;
    }
}

/* The child to report, or NULL; *ret_any: there are children at all. */
static struct process *find(struct session *s, struct task *t, const struct wanted *w,
                            bool *ret_any)
{
    *ret_any = false;
    for (struct process *p = s->processes; p; p = p->next) {
        if (!matches(s, t, w, p))
            continue;
        *ret_any = true;
        if (p->zombie && (w->options & WEXITED))
            return p;
        if (p->stopped && p->report_stop && (w->options & WUNTRACED))
            return p;
        if (p->report_continue && (w->options & WCONTINUED))
            return p;
    }
    return NULL;
}

static bool child_is_ready(struct session *s, struct task *t, struct call *c)
{
    struct wanted w = {(idtype_t)c->scratch[0], (pid_t)c->scratch[1], (int)c->scratch[2]};
    bool any;

    return find(s, t, &w, &any) != NULL || !any;
}

/* Reap in the kernel, in the waiting task's name. */
static int reap(struct session *s, struct task *t, struct call *c, struct process *p)
{
    int64_t result;

    c->stop_lost = true;
    if (task_call(s, t, SYS_wait4, (uint64_t[6]){(uint64_t)p->pid, 0, WNOHANG | __WALL}, &result))
        return -ESRCH;
    t->regs = c->before;
    t->regs_dirty = true;
    p->reaped = true;
    return 0;
}

static int put_usage(struct session *s, struct task *t, uint64_t address, const struct process *p)
{
    struct rusage usage;

    if (!address)
        return 0;
    memset(&usage, 0, sizeof(usage));
    usage.ru_utime.tv_sec = (time_t)(p->cpu_ns / 1000000000u);
    usage.ru_utime.tv_usec = (suseconds_t)(p->cpu_ns % 1000000000u / 1000);
    usage.ru_maxrss = 4096;
    return emit_poke(s, t, address, &usage, sizeof(usage));
}

static enum call_action park_for_child(struct task *t, struct call *c, const struct wanted *w)
{
    c->scratch[0] = w->type;
    c->scratch[1] = (uint64_t)w->id;
    c->scratch[2] = (uint64_t)w->options;
    c->ready = child_is_ready;
    c->off_streams = true;
    return call_park(t, c, "wait", UINT64_MAX);
}

static int take_status(struct process *p)
{
    if (p->zombie)
        return p->status;
    if (p->stopped && p->report_stop)
        return (p->stop_signal << 8) | 0x7f;
    return 0xffff;
}

static void mark_reported(struct process *p, int options)
{
    if (p->zombie || (options & WNOWAIT))
        return;
    if (p->stopped)
        p->report_stop = false;
    else
        p->report_continue = false;
}

enum call_action model_wait4(struct session *s, struct task *t, struct call *c)
{
    pid_t pid = (pid_t)c->args[0];
    struct wanted w = {P_ALL, 0, (int)c->args[2] | WEXITED};
    struct process *p;
    bool any;
    int status;

    if (c->args[2] &
        ~(uint64_t)(WNOHANG | WUNTRACED | WCONTINUED | __WNOTHREAD | __WCLONE | __WALL))
        return call_answer(c, -EINVAL);
    if (pid > 0)
        w = (struct wanted){P_PID, pid, w.options};
    else if (pid == 0)
        w = (struct wanted){P_PGID, t->process->group, w.options};
    else if (pid < -1)
        w = (struct wanted){P_PGID, -pid, w.options};
    p = find(s, t, &w, &any);
    if (!any)
        return call_answer(c, -ECHILD);
    if (!p) {
        if (c->args[2] & WNOHANG)
            return call_answer(c, 0);
        return park_for_child(t, c, &w);
    }
    status = take_status(p);
    if (p->zombie && reap(s, t, c, p) < 0)
        return CALL_GONE;
    mark_reported(p, 0);
    if ((c->args[1] && emit_poke(s, t, c->args[1], &status, 4) < 0) ||
        put_usage(s, t, c->args[3], p) < 0)
        return call_answer(c, -EFAULT);
    return call_answer(c, p->pid);
}

static void fill_info(const struct process *p, siginfo_t *info)
{
    memset(info, 0, sizeof(*info));
    info->si_signo = SIGCHLD;
    info->si_pid = p->pid;
    info->si_uid = p->uid;
    if (p->zombie) {
        info->si_code =
            WIFEXITED(p->status) ? CLD_EXITED : (WCOREDUMP(p->status) ? CLD_DUMPED : CLD_KILLED);
        info->si_status = WIFEXITED(p->status) ? WEXITSTATUS(p->status) : WTERMSIG(p->status);
    } else if (p->stopped) {
        info->si_code = CLD_STOPPED;
        info->si_status = p->stop_signal;
    } else {
        info->si_code = CLD_CONTINUED;
        info->si_status = SIGCONT;
    }
}

enum call_action model_waitid(struct session *s, struct task *t, struct call *c)
{
    struct wanted w = {(idtype_t)c->args[0], (pid_t)c->args[1], (int)c->args[3]};
    struct process *p;
    siginfo_t info;
    bool any;

    if (!(w.options & (WEXITED | WSTOPPED | WCONTINUED)))
        return call_answer(c, -EINVAL);
    if (w.type == P_PIDFD) {
        p = process_of_pidfd(s, t, (int)w.id);
        if (!p)
            return call_answer(c, fds_kind(s, t, (int)c->args[1]) == FD_PIDFD ? -ECHILD : -EBADF);
        w.type = P_PID;
        w.id = p->pid;
    } else if (w.type != P_PID && w.type != P_PGID && w.type != P_ALL) {
        return call_answer(c, -EINVAL);
    }
    p = find(s, t, &w, &any);
    if (!any)
        return call_answer(c, -ECHILD);
    if (!p && !(w.options & WNOHANG))
        return park_for_child(t, c, &w);
    memset(&info, 0, sizeof(info));
    if (p) {
        fill_info(p, &info);
        if (p->zombie && !(w.options & WNOWAIT) && reap(s, t, c, p) < 0)
            return CALL_GONE;
        mark_reported(p, w.options);
    }
    /* the kernel writes only the first fields of siginfo (kernel/exit.c waitid) */
    if (c->args[2] && emit_poke(s, t, c->args[2], &info, 28) < 0)
        return call_answer(c, -EFAULT);
    if (p && put_usage(s, t, c->args[4], p) < 0)
        return call_answer(c, -EFAULT);
    return call_answer(c, 0);
}

/* ---- who am I ------------------------------------------------------------------------------ */

enum call_action model_getpid(struct session *s, struct task *t, struct call *c)
{
    (void)s;
    return call_answer(c, t->process->pid);
}

enum call_action model_gettid(struct session *s, struct task *t, struct call *c)
{
    (void)s;
    return call_answer(c, t->ns_tid);
}

enum call_action model_getppid(struct session *s, struct task *t, struct call *c)
{
    (void)s;
    return call_answer(c, t->process->parent ? t->process->parent->pid : 1);
}

enum call_action model_set_tid_address(struct session *s, struct task *t, struct call *c)
{
    (void)s;
    t->clear_tid = c->args[0];
    return call_answer(c, t->ns_tid);
}

static void setpgid_finished(struct session *s, struct task *t, struct call *c)
{
    struct process *p = c->args[0] ? session_process_by_pid(s, (pid_t)c->args[0]) : t->process;

    if (c->result == 0 && p)
        p->group = c->args[1] ? (pid_t)c->args[1] : p->pid;
}

enum call_action model_setpgid(struct session *s, struct task *t, struct call *c)
{
    (void)s;
    (void)t;
    c->finish = setpgid_finished;
    return CALL_RUN;
}

static void setsid_finished(struct session *s, struct task *t, struct call *c)
{
    (void)s;
    if (c->result > 0)
        t->process->group = t->process->leader_session = t->process->pid;
}

enum call_action model_setsid(struct session *s, struct task *t, struct call *c)
{
    (void)s;
    (void)t;
    c->finish = setsid_finished;
    return CALL_RUN;
}

struct process *process_of_pidfd(struct session *s, struct task *t, int fd)
{
    char path[64];
    struct bytes text;
    struct process *found = NULL;
    const char *at;

    if (fds_kind(s, t, fd) != FD_PIDFD)
        return NULL;
    snprintf(path, sizeof(path), "/proc/%d/fdinfo/%d", t->tid, fd);
    bytes_init(&text);
    if (file_read_path(path, &text) == 0) {
        bytes_append(&text, "", 1);
        at = strstr((const char *)text.data, "Pid:\t");
        if (at) {
            pid_t pid = (pid_t)strtol(at + 5, NULL, 10);

            for (struct process *p = s->processes; p; p = p->next)
                if (p->tgid == pid)
                    found = p;
        }
    }
    bytes_done(&text);
    return found;
}
