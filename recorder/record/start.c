/* The launch of the program in the run's place, under ptrace, to the entry of its execve; and the
 * end of everything that runs there. See pid_namespaces(7), ptrace(2). */
#include "recorder/record/start.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "recorder/base/file.h"
#include "recorder/base/log.h"
#include "recorder/record/child.h"
#include "recorder/record/file_facts.h"
#include "recorder/record/notes.h"
#include "recorder/record/place.h"

/* From a pipe, whatever the 10 ms timer does; 0 at its end. */
static size_t read_pipe(int fd, void *ret, size_t size)
{
    for (;;) {
        ssize_t n = read(fd, ret, size);

        if (n >= 0 || errno != EINTR)
            return n > 0 ? (size_t)n : 0;
    }
}

/* Whoever joins a user namespace cannot leave it again, so a go-between does: what it makes is our
 * child. It stays dumpable, or we could not trace it (ptrace(2), access mode checking). */
static void go_between(struct child_plan *plan)
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

/* In the run's pid namespace, and in our memory. */
static pid_t launch(struct child_plan *plan)
{
    struct session *s = plan->s;
    pid_t pid;

    if (!getcwd(plan->directory, sizeof(plan->directory)))
        strcpy(plan->directory, "/");
    if (s->place && s->place->user_namespace)
        return launch_between(plan);
    s->child_stack = malloc(CHILD_STACK_SIZE);
    if (!s->child_stack)
        return -1;
    if (s->place && setns(s->place->reaper_pidfd, CLONE_NEWPID) < 0)
        return -1;
    pid = clone(child_main, s->child_stack + CHILD_STACK_SIZE, CLONE_VM | SIGCHLD, plan);
    if (s->place)
        setns(s->place->own_pids, CLONE_NEWPID);
    return pid;
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

int start_program(struct session *s)
{
    struct child_plan plan = {.s = s, .outside = -1};
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
    plan.go = go[0];
    plan.status = status[1];
    pid = launch(&plan);
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
        if (error) { /* it may stand anywhere on its way out */
            kill(pid, SIGKILL);
            ptrace(PTRACE_CONT, pid, 0, 0); /* a process that exits is not woken by it */
            reap(pid);
        }
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

/* Tracees that nobody knew of (born while their parent was killed). */
static void reap_strangers(void)
{
    struct stop stop;

    while (wait_next(-1, false, &stop) > 0)
        if (stop.kind != STOP_DEAD)
            ptrace(PTRACE_CONT, stop.tid, 0, 0);
}

/* A task that made no other and has ended by itself leaves nobody behind. */
static bool is_alone(const struct session *s)
{
    return s->next_task == 1 && !s->tasks && s->result->verdict == RECORD_VERDICT_EXITED &&
           WIFEXITED(s->result->status);
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
    free(s->child_stack);
    s->child_stack = NULL;
    if (!s->place)
        return;
    while (!is_alone(s) && !place_is_empty(s->place)) {
        reap_strangers();
        sched_yield();
    }
    place_leave(s->place, s->spoiled);
}
