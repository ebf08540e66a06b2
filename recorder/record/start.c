/* The run's namespaces (pid, mount, network) with an idle reaper as pid 1, and the launch of the
 * program under ptrace and the seccomp filter. See pid_namespaces(7), seccomp(2). */
#include "recorder/record/start.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "recorder/base/file.h"
#include "recorder/base/log.h"
#include "recorder/tracee/filter.h"

static int pidfd_open_tid(pid_t pid)
{
    return (int)syscall(SYS_pidfd_open, pid, 0);
}

/* ---- reaper ------------------------------------------------------------------------------ */

static void write_text(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);

    if (fd >= 0) {
        if (write(fd, text, strlen(text)) < 0)
            log_debug("%s: %s", path, strerror(errno));
        close(fd);
    }
}

static void map_own_ids(uid_t uid, gid_t gid)
{
    char text[64];

    write_text("/proc/self/setgroups", "deny");
    snprintf(text, sizeof(text), "%u %u 1", uid, uid);
    write_text("/proc/self/uid_map", text);
    snprintf(text, sizeof(text), "%u %u 1", gid, gid);
    write_text("/proc/self/gid_map", text);
}

struct reaper_plan {
    uid_t uid;
    gid_t gid;
    bool user_namespace, tmpdir, network;
    int ready; /* write end: one byte once mounts are made */
};

static void loopback_up(void)
{
    struct ifreq request = {.ifr_name = "lo", .ifr_flags = IFF_UP};
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    if (fd >= 0) {
        ioctl(fd, SIOCSIFFLAGS, &request);
        close(fd);
    }
}

static void reaper_main(const struct reaper_plan *plan)
{
    sigset_t all;
    char byte = 1;

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    prctl(PR_SET_NAME, "rrtest-reaper");
    if (plan->user_namespace)
        map_own_ids(plan->uid, plan->gid);
    signal(SIGCHLD, SIG_IGN); /* orphans vanish by themselves */
    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL);
    if (mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) < 0)
        byte |= 2;
    if (plan->tmpdir && mount("tmpfs", START_TMPDIR, "tmpfs", MS_NOSUID | MS_NODEV, "mode=1777") < 0)
        byte |= 4;
    if (plan->network)
        loopback_up();
    if (write(plan->ready, &byte, 1) != 1)
        _exit(1);
    close(plan->ready);
    close_range(0, ~0u, 0);
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, NULL);
    for (;;)
        pause();
}

static int make_reaper(struct session *s)
{
    struct reaper_plan plan = {.uid = geteuid(), .gid = getegid()};
    unsigned long flags = CLONE_NEWPID | CLONE_NEWNS | SIGCHLD;
    int ready[2];
    char byte = 0;
    pid_t pid;

    if (s->options->guards_off & RECORD_GUARD_PIDS)
        return -EPERM;
    plan.tmpdir = !(s->options->guards_off & RECORD_GUARD_TMPDIR);
    if (plan.tmpdir && mkdir(START_TMPDIR, 01777) == 0)
        chmod(START_TMPDIR, 01777);
    plan.network = !(s->options->guards_off & RECORD_GUARD_NETWORK) && s->want_network;
    if (plan.network)
        flags |= CLONE_NEWNET;
    if (plan.uid != 0) {
        plan.user_namespace = true;
        flags |= CLONE_NEWUSER;
    }
    if (pipe2(ready, O_CLOEXEC) < 0)
        return -errno;
    plan.ready = ready[1];
    pid = (pid_t)syscall(SYS_clone, flags, 0, 0, 0, 0);
    if (pid == 0)
        reaper_main(&plan);
    close(ready[1]);
    if (pid < 0) {
        int error = -errno;

        close(ready[0]);
        return error;
    }
    s->reaper = pid;
    if (read(ready[0], &byte, 1) != 1)
        byte = 0;
    close(ready[0]);
    if (!(byte & 1))
        return -EPERM;
    s->tmpdir = plan.tmpdir && !(byte & 4);
    s->own_proc = !(byte & 2);
    s->reaper_pidfd = pidfd_open_tid(pid);
    return s->reaper_pidfd < 0 ? -errno : 0;
}

/* ---- the program --------------------------------------------------------------------------- */

struct child_plan {
    struct session *s;
    int go;      /* read end: the tracer has seized us */
    int status;  /* write end, cloexec: errno of what failed */
    int mount_namespace, user_namespace, network_namespace;
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

static void child_fail(int fd, int code)
{
    if (write(fd, &code, sizeof(code)) < 0)
        _exit(126);
    _exit(127);
}

static void child_main(const struct child_plan *plan)
{
    struct session *s = plan->s;
    const struct record_options *o = s->options;
    struct rlimit limit;
    char byte;
    int error;

    if (plan->user_namespace >= 0)
        setns(plan->user_namespace, CLONE_NEWUSER);
    if (plan->network_namespace >= 0)
        setns(plan->network_namespace, CLONE_NEWNET);
    if (plan->mount_namespace >= 0 && setns(plan->mount_namespace, CLONE_NEWNS) < 0)
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
    if (geteuid() != 0)
        prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    if (read(1000, &byte, 1) != 1)
        _exit(127);
    error = tracee_install_filter(s->area.blob_syscall);
    if (error)
        child_fail(1001, -error);
    execve(o->argv[0], o->argv, s->environment);
    _exit(127);
}

static int enter_pid_namespace(struct session *s, int *own)
{
    *own = open("/proc/self/ns/pid", O_RDONLY | O_CLOEXEC);
    if (s->reaper_pidfd < 0)
        return 0;
    if (setns(s->reaper_pidfd, CLONE_NEWPID) < 0)
        return -errno;
    return 0;
}

static int open_reaper_namespace(struct session *s, const char *name)
{
    char path[64];

    if (s->reaper_pidfd < 0)
        return -1;
    snprintf(path, sizeof(path), "/proc/%d/ns/%s", s->reaper, name);
    return open(path, O_RDONLY | O_CLOEXEC);
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
            if (read(status_fd, &code, sizeof(code)) != sizeof(code))
                code = EPERM;
            return rr_error_set(s->error, -code, "the program's process cannot be set up: %s (is "
                                "seccomp allowed here? see `rrtest doctor`)", strerror(code));
        }
        if (stop.kind == STOP_SECCOMP)
            return 0;
        ptrace(PTRACE_CONT, pid, 0, 0);
    }
}

static pid_t namespace_pid(pid_t tid)
{
    char path[64];
    struct bytes text;
    pid_t pid = tid;

    snprintf(path, sizeof(path), "/proc/%d/status", tid);
    bytes_init(&text);
    if (file_read_path(path, &text) == 0) {
        bytes_append(&text, "", 1);
        const char *at = strstr((const char *)text.data, "\nNSpid:");

        if (at) {
            const char *end = strchr(at + 1, '\n');
            const char *last = at;

            for (const char *c = at; c < end; c++)
                if (*c == '\t')
                    last = c;
            pid = (pid_t)strtol(last, NULL, 10);
        }
    }
    bytes_done(&text);
    return pid;
}

static pid_t launch(struct session *s, int go, int status)
{
    struct child_plan plan = {.s = s, .go = go, .status = status};
    int own = -1;
    pid_t pid;

    if (!getcwd(plan.directory, sizeof(plan.directory)))
        strcpy(plan.directory, "/");
    plan.user_namespace = geteuid() != 0 ? open_reaper_namespace(s, "user") : -1;
    plan.mount_namespace = open_reaper_namespace(s, "mnt");
    plan.network_namespace = s->want_network ? open_reaper_namespace(s, "net") : -1;
    if (enter_pid_namespace(s, &own) < 0)
        return -1;
    pid = fork();
    if (pid == 0)
        child_main(&plan);
    if (own >= 0) {
        setns(own, CLONE_NEWPID);
        close(own);
    }
    close_fd(&plan.user_namespace);
    close_fd(&plan.mount_namespace);
    close_fd(&plan.network_namespace);
    return pid;
}

int start_program(struct session *s)
{
    int go[2], status[2];
    struct task *t;
    pid_t pid;
    int error = make_reaper(s);

    s->namespaces = error == 0;
    if (error)
        log_debug("no namespaces for the run: %s", strerror(-error));
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
            error = rr_error_set(s->error, error, "ptrace is not permitted here (%s): allow "
                                 "SYS_PTRACE, see `rrtest doctor`", strerror(-error));
        }
    }
    if (!error) {
        if (write(go[1], "g", 1) != 1)
            log_debug("start: %s", strerror(errno));
        error = await_execve(s, pid, status[0]);
    }
    close(go[1]);
    close(status[0]);
    if (error)
        return error;
    close_fd(&s->area.socket_tracee);
    t = session_task_new(s, NULL, pid, 0);
    t->ns_tid = s->namespaces ? namespace_pid(pid) : pid;
    t->process->pid = t->ns_tid;
    t->process->group = t->process->leader_session = t->ns_tid;
    s->first = t->process;
    tracee_get_regs(pid, &t->regs);
    t->at_seccomp = true;
    return 0;
}

void start_cleanup(struct session *s)
{
    for (struct task *t = s->tasks; t; t = t->next)
        kill(t->tid, SIGKILL);
    for (struct process *p = s->processes; p; p = p->next)
        if (!p->reaped && p->tgid > 0)
            kill(p->tgid, SIGKILL);
    if (s->reaper > 0)
        kill(s->reaper, SIGKILL);
    /* tracees first: the namespace's pid 1 dies only after all others were reaped (its tracer is us) */
    for (;;) {
        struct stop stop;
        int got = wait_next(-1, true, &stop);

        if (got == -EINTR)
            continue;
        if (got < 0)
            break;
        if (stop.kind != STOP_DEAD)
            ptrace(PTRACE_CONT, stop.tid, 0, 0);
        else if (stop.tid == s->reaper)
            s->reaper = 0;
    }
    s->reaper = 0;
    close_fd(&s->reaper_pidfd);
}
