/* Joins the run's namespaces, puts its descriptors in place, takes the seccomp filter, execs. It
 * runs on a stack of its own in its parent's memory (CLONE_VM): copying that memory, and giving the
 * copy up again at the exec, would cost more than all of this together. */
#include "recorder/record/child.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "recorder/base/kernel.h"
#include "recorder/record/place.h"
#include "recorder/tracee/filter.h"

#define GO_FD 1000
#define STATUS_FD 1001
#define STDIO_ABOVE 1010 /* where stdio is out of the way of what comes to 0, 1, 2 */

static uint64_t pointer(const void *p)
{
    return (uint64_t)(uintptr_t)p;
}

static int64_t call(int64_t number, uint64_t a, uint64_t b, uint64_t c)
{
    return kernel_call(number, a, b, c, 0);
}

_Noreturn static void leave(int status)
{
    for (;;)
        call(SYS_exit_group, (uint64_t)status, 0, 0);
}

void child_fail(int status_fd, int code)
{
    leave(call(SYS_write, (uint64_t)status_fd, pointer(&code), sizeof(code)) < 0 ? 126 : 127);
}

static void place_stdio(const struct record_options *o)
{
    int64_t null = call(SYS_open, pointer("/dev/null"), O_RDWR, 0);
    int64_t fds[3] = {o->stdin_fd, o->stdout_fd, o->stderr_fd};

    for (int i = 0; i < 3; i++)
        fds[i] = call(SYS_fcntl, (uint64_t)(fds[i] >= 0 ? fds[i] : null), F_DUPFD, STDIO_ABOVE);
    for (int i = 0; i < 3; i++)
        call(SYS_dup2, (uint64_t)fds[i], (uint64_t)i, 0);
}

static void place_descriptors(const struct child_plan *plan)
{
    const struct tracee_area *area = &plan->s->area;

    place_stdio(plan->s->options);
    call(SYS_dup2, (uint64_t)area->memfd, TRACEE_FD_AREA, 0);
    call(SYS_dup2, (uint64_t)area->socket_tracee, TRACEE_FD_SOCKET, 0);
    call(SYS_dup3, (uint64_t)plan->go, GO_FD, O_CLOEXEC);
    call(SYS_dup3, (uint64_t)plan->status, STATUS_FD, O_CLOEXEC);
    call(SYS_close_range, 3, TRACEE_FD_AREA - 1, 0);
    call(SYS_close_range, STATUS_FD + 1, ~0u, 0);
}

/* The recorder's own may be raised; descriptors above it stay open. */
static void own_file_limit(const struct session *s)
{
    struct rlimit limit = s->limits.files;

    if (!s->limits.has_files)
        return;
    if (limit.rlim_cur < 1024 && limit.rlim_max >= 1024)
        limit.rlim_cur = 1024;
    call(SYS_setrlimit, RLIMIT_NOFILE, pointer(&limit), 0);
}

static void default_signals(void)
{
    static const int signals[] = {SIGPIPE, SIGINT, SIGTERM, SIGCHLD};
    static const struct signal_action none; /* SIG_DFL, in the kernel's layout */

    for (size_t i = 0; i < sizeof(signals) / sizeof(*signals); i++)
        kernel_call(SYS_rt_sigaction, (uint64_t)signals[i], pointer(&none), 0, 8);
}

/* From the pipe, whatever the 10 ms timer does. */
static bool may_go(void)
{
    char byte;
    int64_t n;

    do
        n = call(SYS_read, GO_FD, pointer(&byte), 1);
    while (n == -EINTR);
    return n == 1;
}

/* Without privileges the filter is allowed to those who can gain none. */
static int install_filter(const struct tracee_area *area)
{
    int error = call(SYS_geteuid, 0, 0, 0) == 0
                    ? tracee_install_filter(area->blob_syscall, area->blob_untraced)
                    : -EACCES;

    if (error == -EACCES && kernel_call(SYS_prctl, PR_SET_NO_NEW_PRIVS, 1, 0, 0) == 0)
        error = tracee_install_filter(area->blob_syscall, area->blob_untraced);
    return error;
}

int child_main(void *argument)
{
    const struct child_plan *plan = argument;
    const struct session *s = plan->s;
    const struct record_options *o = s->options;
    int pid = (int)call(SYS_getpid, 0, 0, 0);
    int64_t error = 0;

    if (call(SYS_write, (uint64_t)plan->status, pointer(&pid), sizeof(pid)) != sizeof(pid))
        leave(127);
    if (s->place && !s->place->user_namespace)
        error = call(SYS_setns, (uint64_t)s->place->reaper_pidfd,
                     (uint64_t)place_namespaces(s->place), 0);
    /* setns to a mount namespace moves to its root */
    if (error == 0)
        error = call(SYS_chdir, pointer(plan->directory), 0, 0);
    if (error == 0 && o->directory)
        error = call(SYS_chdir, pointer(o->directory), 0, 0);
    if (error < 0)
        child_fail(plan->status, (int)-error);
    call(SYS_setsid, 0, 0, 0);
    place_descriptors(plan);
    own_file_limit(s);
    default_signals();
    if (!(o->guards_off & RECORD_GUARD_ASLR))
        call(SYS_personality, ADDR_NO_RANDOMIZE, 0, 0);
    call(SYS_umask, 022, 0, 0);
    if (!may_go())
        leave(127);
    error = install_filter(&s->area);
    if (error)
        child_fail(STATUS_FD, (int)-error);
    call(SYS_execve, pointer(o->argv[0]), pointer(o->argv), pointer(s->environment));
    leave(127);
}
