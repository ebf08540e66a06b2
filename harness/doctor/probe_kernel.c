/* Probes of kernel services that a container may forbid or an older kernel lacks. */
#include "harness/doctor/doctor.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/personality.h>
#include <sys/pidfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "recorder/base/file.h"

#ifndef PIDFD_THREAD /* Linux 6.9 */
#define PIDFD_THREAD O_EXCL
#endif
#ifndef MAP_FIXED_NOREPLACE
#define MAP_FIXED_NOREPLACE 0x100000
#endif

#define LOW_ADDRESS 0x70000000ul

/* unshare, with a user namespace first where we are not privileged. */
static bool enter(int flags, bool *ret_through_user)
{
    *ret_through_user = false;
    if (unshare(flags) == 0)
        return true;
    if (errno != EPERM)
        return false;
    *ret_through_user = true;
    return unshare(CLONE_NEWUSER | flags) == 0;
}

static void probe_namespace(struct probe_result *r, int flags)
{
    bool through_user;
    bool entered = enter(flags, &through_user);

    probe_yes(r, entered, "%s",
              !entered       ? strerror(errno)
              : through_user ? "through a user namespace"
                             : "");
}

void probe_user_namespace(struct probe_result *r)
{
    bool entered = unshare(CLONE_NEWUSER) == 0;

    probe_yes(r, entered, "%s", entered ? "" : strerror(errno));
}

void probe_pid_namespace(struct probe_result *r)
{
    pid_t pid;
    int status = 0;

    probe_namespace(r, CLONE_NEWPID);
    if (r->answer != PROBE_YES)
        return;
    pid = fork();
    if (pid == 0)
        _exit(getpid() == 1 ? 0 : 1);
    if (pid < 0 || waitpid(pid, &status, 0) != pid || status != 0)
        probe_failed(r, "a child in it");
}

void probe_mount_namespace(struct probe_result *r)
{
    probe_namespace(r, CLONE_NEWNS);
    if (r->answer == PROBE_YES && mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
        probe_yes(r, false, "mount: %s", strerror(errno));
}

void probe_network_namespace(struct probe_result *r)
{
    probe_namespace(r, CLONE_NEWNET);
}

void probe_aslr(struct probe_result *r)
{
    int old = personality(0xffffffff);
    bool off = old != -1 && personality((unsigned long)old | ADDR_NO_RANDOMIZE) != -1;

    probe_yes(r, off, "%s", off ? "personality(ADDR_NO_RANDOMIZE)" : strerror(errno));
}

/* A child that waits to be killed. */
static pid_t start_idle(void)
{
    pid_t pid = fork();

    if (pid == 0) {
        for (;;)
            pause();
    }
    return pid;
}

void probe_pidfd_getfd(struct probe_result *r)
{
    cleanup_fd int duplicate = -1;
    pid_t pid = start_idle();
    cleanup_fd int fd = pid > 0 ? (int)syscall(SYS_pidfd_open, pid, 0) : -1;

    if (fd < 0) {
        probe_yes(r, false, "pidfd_open: %s", strerror(errno));
        return;
    }
    duplicate = (int)syscall(SYS_pidfd_getfd, fd, 2, 0);
    probe_yes(r, duplicate >= 0, "%s", duplicate >= 0 ? "" : strerror(errno));
}

void probe_pidfd_thread(struct probe_result *r)
{
    cleanup_fd int fd = (int)syscall(SYS_pidfd_open, gettid(), PIDFD_THREAD);

    probe_yes(r, fd >= 0, "%s", fd >= 0 ? "" : strerror(errno));
}

void probe_low_address(struct probe_result *r)
{
    void *wanted = (void *)LOW_ADDRESS;
    void *got = mmap(wanted, 1 << 16, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);

    probe_yes(r, got == wanted, "%s", got == wanted ? "" : strerror(errno));
}
