/* The run's namespaces (pid, mount, network) with an idle reaper as pid 1, and the launch of the
 * program under ptrace and the seccomp filter. See pid_namespaces(7), seccomp(2). */
#include "recorder/record/start.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "recorder/base/file.h"
#include "recorder/base/log.h"
#include "recorder/record/file_facts.h"
#include "recorder/record/notes.h"
#include "recorder/record/place.h"
#include "recorder/tracee/filter.h"

/* ---- the program --------------------------------------------------------------------------- */

struct child_plan {
    struct session *s;
    int go;                   /* read end: the tracer has seized us */
    int status;               /* write end, cloexec: our pid, then errno of what failed */
    int outside;              /* write end: the pid as its maker sees it; -1: not asked for */
    char directory[PATH_MAX]; /* ours */
};

static void place_stdio(const struct record_options *o)
{
    int null = open("/dev/null", O_RDWR);
    int fds[3] = {o->stdin_fd, o->stdout_fd, o->stderr_fd};

    for (int i = 0; i < 3; i++)
        fds[i] = fcntl(fds[i] >= 0 ? fds[i] : null, F_DUPFD, 1010);
    for (int i = 0; i < 3; i++)
        dup2(fds[i], i);
}

/* From a pipe, whatever the 10 ms timer does; 0 at its end. */
static size_t read_pipe(int fd, void *ret, size_t size)
{
    for (;;) {
        ssize_t n = read(fd, ret, size);

        if (n >= 0 || errno != EINTR)
            return n > 0 ? (size_t)n : 0;
    }
}

static void child_fail(int fd, int code)
{
    if (write(fd, &code, sizeof(code)) < 0)
        _exit(126);
    _exit(127);
}

static int place_namespaces(const struct place *place)
{
    return CLONE_NEWNS | (place->network ? CLONE_NEWNET : 0);
}

/* Without privileges the filter is allowed to those who can gain none. */
static int install_filter(const struct tracee_area *area)
{
    int error =
        geteuid() == 0 ? tracee_install_filter(area->blob_syscall, area->blob_untraced) : -EACCES;

    if (error == -EACCES && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0)
        error = tracee_install_filter(area->blob_syscall, area->blob_untraced);
    return error;
}

static void child_main(const struct child_plan *plan)
{
    struct session *s = plan->s;
    const struct record_options *o = s->options;
    struct rlimit limit;
    pid_t pid = getpid();
    char byte;
    int error;

    if (write(plan->status, &pid, sizeof(pid)) != sizeof(pid))
        _exit(127);
    if (s->place && !s->place->user_namespace &&
        setns(s->place->reaper_pidfd, place_namespaces(s->place)) < 0)
        child_fail(plan->status, errno);
    /* setns to a mount namespace moves to its root */
    if (chdir(plan->directory) < 0 || (o->directory && chdir(o->directory) < 0))
        child_fail(plan->status, errno);
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < 1024 && limit.rlim_max >= 1024) {
        limit.rlim_cur = 1024;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
    setsid();
    place_stdio(o);
    dup2(s->area.memfd, TRACEE_FD_AREA);
    dup2(s->area.socket_tracee, TRACEE_FD_SOCKET);
    dup2(plan->go, 1000);
    fcntl(1000, F_SETFD, FD_CLOEXEC);
    dup2(plan->status, 1001);
    fcntl(1001, F_SETFD, FD_CLOEXEC);
    close_range(3, TRACEE_FD_AREA - 1, 0);
    close_range(1002, ~0u, 0);
    signal(SIGPIPE, SIG_DFL);
    signal(SIGINT, SIG_DFL);
    signal(SIGTERM, SIG_DFL);
    signal(SIGCHLD, SIG_DFL);
    if (!(o->guards_off & RECORD_GUARD_ASLR))
        personality(ADDR_NO_RANDOMIZE);
    umask(022);
    if (read_pipe(1000, &byte, 1) != 1)
        _exit(127);
    error = install_filter(&s->area);
    if (error)
        child_fail(1001, -error);
    execve(o->argv[0], o->argv, s->environment);
    _exit(127);
}

/* Whoever joins a user namespace cannot leave it again, so a go-between does: what it makes is our
 * child. It stays dumpable, or we could not trace it (ptrace(2), access mode checking). */
static void go_between(const struct child_plan *plan)
{
    const struct place *place = plan->s->place;
    pid_t pid;

    if (setns(place->reaper_pidfd, CLONE_NEWUSER | CLONE_NEWPID | place_namespaces(place)) < 0)
        child_fail(plan->status, errno);
    prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
    pid = (pid_t)syscall(SYS_clone, CLONE_PARENT | SIGCHLD, 0, 0, 0, 0);
    if (pid == 0)
        child_main(plan);
    if (pid < 0)
        pid = -errno;
    _exit(write(plan->outside, &pid, sizeof(pid)) == sizeof(pid) ? 0 : 1);
}

static pid_t launch_between(struct child_plan *plan)
{
    int outside[2];
    pid_t between, pid = -ECHILD;

    if (pipe2(outside, O_CLOEXEC) < 0)
        return -1;
    plan->outside = outside[1];
    between = fork();
    if (between == 0)
        go_between(plan);
    close(outside[1]);
    if (between > 0) {
        if (read_pipe(outside[0], &pid, sizeof(pid)) != sizeof(pid))
            pid = -ECHILD;
        while (waitpid(between, NULL, 0) < 0 && errno == EINTR)
            ;
    }
    close(outside[0]);
    if (pid < 0)
        errno = -pid;
    return pid < 0 ? -1 : pid;
}

static int enter_pid_namespace(struct session *s, int *own)
{
    if (!s->place)
        return 0;
    *own = open("/proc/self/ns/pid", O_RDONLY | O_CLOEXEC);
    return setns(s->place->reaper_pidfd, CLONE_NEWPID) < 0 ? -errno : 0;
}

/* PTRACE_SEIZE so that PTRACE_INTERRUPT works and group stops are told apart (ptrace(2)). */
static int seize(pid_t pid)
{
    unsigned long options = PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACESECCOMP | PTRACE_O_TRACECLONE |
                            PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK | PTRACE_O_TRACEEXEC |
                            PTRACE_O_TRACEEXIT | PTRACE_O_EXITKILL;

    return ptrace(PTRACE_SEIZE, pid, 0, options) < 0 ? -errno : 0;
}

static int await_execve(struct session *s, pid_t pid, int status_fd)
{
    struct stop stop;
    int code = 0;

    for (;;) {
        int got = wait_next(pid, true, &stop);

        if (got == -EINTR)
            continue;
        if (got < 0)
            return rr_error_set(s->error, got, "the started process vanished: %s", strerror(-got));
        if (stop.kind == STOP_DEAD || stop.kind == STOP_EXIT) {
            if (read_pipe(status_fd, &code, sizeof(code)) != sizeof(code))
                code = EPERM;
            return rr_error_set(s->error, -code,
                                "the program's process cannot be set up: %s (is "
                                "seccomp allowed here? see `rrtest doctor`)",
                                strerror(code));
        }
        if (stop.kind == STOP_SECCOMP)
            return 0;
        ptrace(PTRACE_CONT, pid, 0, 0);
    }
}

static pid_t launch(struct session *s, int go, int status)
{
    struct child_plan plan = {.s = s, .go = go, .status = status, .outside = -1};
    int own = -1;
    pid_t pid;

    if (!getcwd(plan.directory, sizeof(plan.directory)))
        strcpy(plan.directory, "/");
    if (s->place && s->place->user_namespace)
        return launch_between(&plan);
    if (enter_pid_namespace(s, &own) < 0)
        return -1;
    pid = fork();
    if (pid == 0)
        child_main(&plan);
    if (own >= 0) {
        setns(own, CLONE_NEWPID);
        close(own);
    }
    return pid;
}

int start_program(struct session *s)
{
    int go[2], status[2];
    struct task *t;
    pid_t pid;
    pid_t inner = 0;
    int error;

    s->place = place_take(s->options->guards_off, &error);
    notes_about_place(s, error);
    if (pipe2(go, O_CLOEXEC) < 0)
        return rr_error_set(s->error, -errno, "pipe: %s", strerror(errno));
    if (pipe2(status, O_CLOEXEC) < 0)
        return rr_error_set(s->error, -errno, "pipe: %s", strerror(errno));
    pid = launch(s, go[0], status[1]);
    close(go[0]);
    close(status[1]);
    if (pid < 0) {
        error = rr_error_set(s->error, -errno, "fork: %s", strerror(errno));
    } else {
        error = seize(pid);
        if (error) {
            kill(pid, SIGKILL);
            waitpid(pid, NULL, 0);
            error = rr_error_set(s->error, error,
                                 "ptrace is not permitted here (%s): allow "
                                 "SYS_PTRACE, see `rrtest doctor`",
                                 strerror(-error));
        }
    }
    if (!error) {
        if (write(go[1], "g", 1) != 1)
            log_debug("start: %s", strerror(errno));
        if (read_pipe(status[0], &inner, sizeof(inner)) != sizeof(inner))
            inner = pid;
        error = await_execve(s, pid, status[0]);
    }
    close(go[1]);
    close(status[0]);
    if (error)
        return error;
    close_fd(&s->area.socket_tracee);
    t = session_task_new(s, NULL, pid, 0);
    t->ns_tid = inner;
    t->process->pid = t->ns_tid;
    t->process->group = t->process->leader_session = t->ns_tid;
    s->first = t->process;
    tracee_get_regs(pid, &t->regs);
    t->at_seccomp = true;
    file_facts_started(s);
    return 0;
}

static void reap(pid_t tid)
{
    struct stop stop;
    int got;

    for (;;) {
        got = wait_next(tid, true, &stop);
        if (got == -EINTR)
            continue;
        if (got < 0 || stop.kind == STOP_DEAD)
            return;
        ptrace(PTRACE_CONT, stop.tid, 0, 0);
    }
}

/* Tracees that nobody knew of (born while their parent was killed). */
static void reap_strangers(void)
{
    struct stop stop;

    while (wait_next(-1, false, &stop) > 0)
        if (stop.kind != STOP_DEAD)
            ptrace(PTRACE_CONT, stop.tid, 0, 0);
}

void start_cleanup(struct session *s)
{
    for (struct task *t = s->tasks; t; t = t->next)
        kill(t->tid, SIGKILL);
    /* leaders last: their death is reported when no other thread is left */
    for (int leaders = 0; leaders < 2; leaders++)
        for (struct task *t = s->tasks; t; t = t->next)
            if ((t->tid == t->process->tgid) == (leaders == 1))
                reap(t->tid);
    reap_strangers();
    if (!s->place)
        return;
    while (!place_is_empty(s->place)) {
        reap_strangers();
        sched_yield();
    }
    place_leave(s->place, s->used_network);
}
