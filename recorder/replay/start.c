/* The first process: a fork of the replayer that lays out nothing but the recorder's area, takes
 * the seccomp filter, and gives up everything else it inherited. It never runs again but for remote
 * calls: all tracees are clones of it. */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "include/rrtest/recorder_page.h"
#include "recorder/base/file.h"
#include "recorder/replay/session.h"
#include "recorder/tracee/filter.h"

#define HIGHEST_ADDRESS 0x7ffffffff000ull /* TASK_SIZE_MAX with four-level page tables */
#define AREA_END ((uint64_t)RECORDER_PAGE_ADDRESS + RECORDER_AREA_SIZE)

/* ---- the child ----------------------------------------------------------------------------- */

static void *place(uint64_t address, size_t length, int prot, int flags, int fd, off_t offset)
{
    return mmap((void *)(uintptr_t)address, length, prot, flags | MAP_FIXED_NOREPLACE, fd, offset);
}

static void reset_signals(void)
{
    struct sigaction action = {.sa_handler = SIG_DFL};
    sigset_t none;

    for (int signal = 1; signal < NSIG; signal++)
        sigaction(signal, &action, NULL);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

static void raise_file_limit(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

static void child_fail(int status, int code)
{
    if (write(status, &code, sizeof(code)) < 0)
        _exit(126);
    _exit(127);
}

/* go: one byte once we are traced; status: the errno of what failed. */
static void child_main(const struct tracee_area *area, int go, int status)
{
    char byte;
    int error;

    setsid(); /* no terminal's signals */
    reset_signals();
    raise_file_limit();
    personality(ADDR_NO_RANDOMIZE);
    prctl(PR_SET_NAME, "rrtest-replay");
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        child_fail(status, errno);
    if (place(RECORDER_PAGE_ADDRESS, RECORDER_PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED,
              area->memfd, 0) == MAP_FAILED ||
        place(RECORDER_BLOB_ADDRESS, RECORDER_BLOB_SIZE, PROT_READ | PROT_EXEC, MAP_PRIVATE,
              area->memfd, RECORDER_PAGE_SIZE) == MAP_FAILED)
        child_fail(status, errno);
    if (dup2(area->socket_tracee, TRACEE_FD_SOCKET) < 0)
        child_fail(status, errno);
    if (read(go, &byte, 1) != 1)
        _exit(127);
    error = tracee_install_filter(area->blob_syscall, area->blob_untraced);
    if (error)
        child_fail(status, -error);
    syscall(SYS_getpid); /* stops at the tracer and never comes back */
    _exit(127);
}

/* ---- the tracer ---------------------------------------------------------------------------- */

void replay_reap(pid_t tid)
{
    struct stop stop;
    int got;

    if (tid <= 0)
        return;
    kill(tid, SIGKILL);
    do
        got = wait_next(tid, true, &stop);
    while (got == -EINTR || (got == 1 && stop.kind != STOP_DEAD));
}

static int seize(pid_t pid)
{
    unsigned long options = PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACESECCOMP | PTRACE_O_TRACECLONE |
                            PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK | PTRACE_O_EXITKILL;

    return ptrace(PTRACE_SEIZE, pid, 0, options) < 0 ? -errno : 0;
}

/* The child ended before it was ready. */
static int child_failed(struct replay_session *r, int status_fd, int error)
{
    int code;
    ssize_t got;

    do
        got = read(status_fd, &code, sizeof(code));
    while (got < 0 && errno == EINTR);
    if (got != sizeof(code))
        return rr_error_set(r->error, error,
                            "ptrace is not permitted here (%s): allow SYS_PTRACE, see `rrtest "
                            "doctor`",
                            strerror(-error));
    return rr_error_set(r->error, -code,
                        "replay's first process cannot be set up: %s (is seccomp allowed here, and "
                        "are %d open files? see `rrtest doctor`)",
                        strerror(code), TRACEE_FD_SOCKET + 1);
}

static int await_filter(struct replay_session *r, pid_t pid, int status_fd)
{
    struct stop stop;

    for (;;) {
        int got = wait_next(pid, true, &stop);

        if (got == -EINTR)
            continue;
        if (got < 0)
            return rr_error_set(r->error, got, "replay's first process vanished: %s",
                                strerror(-got));
        if (stop.kind == STOP_SECCOMP)
            return 0;
        if (stop.kind == STOP_DEAD)
            return child_failed(r, status_fd, -EPERM);
        ptrace(PTRACE_CONT, pid, 0, 0);
    }
}

/* pipes[0]: go, pipes[1]: status; ends as pipe2(2) orders them. */
static int launch(struct replay_session *r, int pipes[2][2], pid_t *ret_pid)
{
    pid_t pid = fork();
    int error;

    if (pid < 0)
        return rr_error_set(r->error, -errno, "fork: %s", strerror(errno));
    if (pid == 0) {
        close(pipes[0][1]);
        child_main(&r->area, pipes[0][0], pipes[1][1]);
    }
    *ret_pid = pid;
    close_fd(&pipes[0][0]);
    close_fd(&pipes[1][1]);
    error = seize(pid);
    if (error) {
        close_fd(&pipes[0][1]); /* it does not wait for us any more */
        return child_failed(r, pipes[1][0], error);
    }
    if (write(pipes[0][1], "g", 1) != 1)
        return rr_error_set(r->error, -EPIPE, "replay's first process ended at once");
    return await_filter(r, pid, pipes[1][0]);
}

static int call_empty(struct replay_session *r, uint64_t nr, uint64_t a, uint64_t b, uint64_t c)
{
    int64_t result;
    int error =
        tracee_call(&r->area, r->empty, &r->empty_regs, nr, (uint64_t[6]){a, b, c}, &result);

    return error ? error : (result < 0 ? (int)result : 0);
}

static int reset_xstate(struct replay_session *r)
{
    uint8_t state[TRACEE_XSTATE_MAX];
    int error = tracee_reset_xstate(r->empty);

    r->xstate_size = sizeof(state);
    return error ? error : tracee_get_xstate(r->empty, state, &r->xstate_size);
}

/* The fork still has the replayer's memory, descriptors, and what its C library registered with the
 * kernel for it (rseq, robust list, alternate stack). A clone that shares its memory starts without
 * those registrations (copy_process(), rseq_fork()), so it can lose the memory too. */
static int strip(struct replay_session *r, pid_t first)
{
    struct user_regs_struct regs;
    int error = tracee_get_regs(first, &regs);

    if (error)
        return error;
    regs.orig_rax = (unsigned long long)-1;
    regs.fs_base = regs.gs_base = 0;
    error = tracee_clone(&r->area, first, &regs, CLONE_VM | CLONE_FILES | CLONE_FS | CLONE_PARENT,
                         &r->empty);
    if (error)
        return error;
    replay_reap(first);
    r->empty_regs = regs;
    error = call_empty(r, SYS_munmap, 0, RECORDER_PAGE_ADDRESS, 0);
    if (!error)
        error = call_empty(r, SYS_munmap, AREA_END, HIGHEST_ADDRESS - AREA_END, 0);
    if (!error)
        error = call_empty(r, SYS_close_range, 0, TRACEE_FD_SOCKET - 1, 0);
    if (!error)
        error = call_empty(r, SYS_close_range, TRACEE_FD_SOCKET + 1, ~0u, 0);
    return error ? error : reset_xstate(r);
}

int replay_start(struct replay_session *r)
{
    int pipes[2][2] = {{-1, -1}, {-1, -1}};
    pid_t pid = 0;
    int error = 0;

    for (int i = 0; i < 2 && !error; i++)
        if (pipe2(pipes[i], O_CLOEXEC) < 0)
            error = rr_error_set(r->error, -errno, "pipe: %s", strerror(errno));
    if (!error)
        error = launch(r, pipes, &pid);
    for (int i = 0; i < 2; i++) {
        close_fd(&pipes[i][0]);
        close_fd(&pipes[i][1]);
    }
    if (!error) {
        error = strip(r, pid);
        if (error)
            rr_error_set(r->error, error, "replay's first process cannot be emptied: %s",
                         strerror(-error));
    }
    if (error && !r->empty)
        replay_reap(pid);
    close_fd(&r->area.socket_tracee);
    return error;
}
