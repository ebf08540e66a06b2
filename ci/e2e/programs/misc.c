/* The calls that fit nowhere else: limits, identities, names, processor state, a filter of the
 * program's own. */
#include <asm/prctl.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/membarrier.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/utsname.h>

#include "check.h"

static void limits(void)
{
    struct rlimit limit;
    CHECK(getrlimit(RLIMIT_NOFILE, &limit) == 0);
    limit.rlim_cur = 10;
    CHECK(setrlimit(RLIMIT_NOFILE, &limit) == 0 && prlimit(0, RLIMIT_NOFILE, NULL, &limit) == 0);
    CHECK(limit.rlim_cur == 10);
    while (open("/dev/null", O_RDONLY) >= 0)
        ;
    CHECK(errno == EMFILE);
    CHECK(getpriority(PRIO_PROCESS, 0) >= -20 && setpriority(PRIO_PROCESS, 0, 5) == 0);
    CHECK(getpriority(PRIO_PROCESS, 0) == 5);
    struct rusage usage;
    CHECK(getrusage(RUSAGE_CHILDREN, &usage) == 0 && getrusage(99, &usage) == -1);
}

static void identities(void)
{
    uid_t real, effective, saved;
    gid_t groups[64];
    CHECK(getresuid(&real, &effective, &saved) == 0 && real == getuid() && effective == geteuid());
    CHECK(getresgid(&real, &effective, &saved) == 0 && real == getgid() && effective == getegid());
    CHECK(getgroups(64, groups) >= 0 && setuid(getuid()) == 0 && setgid(getgid()) == 0);
    CHECK(setreuid((uid_t)-1, geteuid()) == 0 && setresgid((gid_t)-1, (gid_t)-1, getegid()) == 0);
    struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
    struct __user_cap_data_struct data[2];
    CHECK(syscall(SYS_capget, &header, data) == 0);
    struct utsname names;
    CHECK(uname(&names) == 0 && strcmp(names.sysname, "Linux") == 0 &&
          strcmp(names.machine, "x86_64") == 0);
    char host[256];
    CHECK(gethostname(host, sizeof host) == 0 && strcmp(host, names.nodename) == 0);
}

static void process_state(void)
{
    char name[16];
    CHECK(prctl(PR_SET_NAME, "other") == 0 && prctl(PR_GET_NAME, name) == 0 &&
          strcmp(name, "other") == 0);
    CHECK(prctl(PR_SET_DUMPABLE, 0) == 0 && prctl(PR_GET_DUMPABLE) == 0);
    CHECK(prctl(PR_SET_DUMPABLE, 1) == 0);
    CHECK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
          prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1);
    CHECK(prctl(PR_SET_KEEPCAPS, 1) == 0 && prctl(PR_GET_KEEPCAPS) == 1);
    int timing = prctl(PR_GET_TIMERSLACK);
    CHECK(timing >= 0);
    unsigned long base = 0, own = 77;
    CHECK(syscall(SYS_arch_prctl, ARCH_GET_FS, &base) == 0 &&
          base == (unsigned long)pthread_self());
    CHECK(syscall(SYS_arch_prctl, ARCH_SET_GS, &own) == 0);
    unsigned long seen;
    __asm__("mov %%gs:0, %0" : "=r"(seen));
    CHECK(seen == 77 && syscall(SYS_arch_prctl, ARCH_GET_GS, &base) == 0 &&
          base == (unsigned long)&own);
    CHECK(personality(0xffffffff) != -1);
    CHECK(syscall(SYS_membarrier, MEMBARRIER_CMD_QUERY, 0, 0) >= 0);
    CHECK(syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0) == 0);
}

static void scheduling(void)
{
    struct sched_param parameter = {0};
    struct timespec slice;
    cpu_set_t set;
    CHECK(sched_getscheduler(0) == SCHED_OTHER && sched_getparam(0, &parameter) == 0);
    CHECK(sched_setscheduler(0, SCHED_BATCH, &parameter) == 0 &&
          sched_getscheduler(0) == SCHED_BATCH);
    CHECK(sched_get_priority_max(SCHED_FIFO) == 99 && sched_get_priority_min(SCHED_FIFO) == 1);
    CHECK(sched_rr_get_interval(0, &slice) == 0 && sched_yield() == 0);
    CHECK(sched_getaffinity(0, sizeof set, &set) == 0 && CPU_COUNT(&set) >= 1);
    CHECK(sched_setaffinity(0, sizeof set, &set) == 0);
    int policy;
    CHECK(pthread_getschedparam(pthread_self(), &policy, &parameter) == 0 && policy == SCHED_BATCH);
}

/* A filter of the program's own: one call fails, one raises SIGSYS, one kills, all others pass. */
static volatile sig_atomic_t trapped;

static void on_sigsys(int signal, siginfo_t *info, void *context)
{
    (void)signal;
    (void)context;
    trapped = info->si_syscall;
}

static void own_filter(void)
{
    struct sock_filter program[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getpgid, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | 42),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getsid, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_acct, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog filter = {COUNT_OF(program), program};
    struct sigaction action = {.sa_sigaction = on_sigsys, .sa_flags = SA_SIGINFO};
    CHECK(sigaction(SIGSYS, &action, NULL) == 0);
    CHECK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
    CHECK(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) == 0);
    CHECK(prctl(PR_GET_SECCOMP) == 2);
    CHECK(getpgid(0) == -1 && errno == 42);
    getsid(0);
    CHECK(trapped == SYS_getsid);
    CHECK(getpid() > 0);
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        CHECK(getpgid(0) == -1 && errno == 42);
        syscall(SYS_acct, NULL);
        _exit(0);
    }
    int status;
    CHECK(waitpid(child, &status, 0) == child && WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS);
}

/* Without a kind, which namespace is meant is known from the descriptor alone. */
static void namespaces(void)
{
    int uts = open("/proc/self/ns/uts", O_RDONLY | O_CLOEXEC);
    int file = open("/proc/self/stat", O_RDONLY | O_CLOEXEC);

    CHECK(uts >= 0 && file >= 0);
    CHECK(setns(uts, 0) == 0 || errno == EPERM);
    CHECK(setns(file, 0) == -1 && errno == EINVAL);
    CHECK(setns(99, 0) == -1 && errno == EBADF);
    close(uts);
    close(file);
}

static void unknown_calls(void)
{
    CHECK(syscall(9999) == -1 && errno == ENOSYS);
    CHECK(syscall(-5L) == -1 && errno == ENOSYS);
    CHECK(syscall(SYS_futex_waitv, NULL, 0, 0, NULL, 0) == -1);
}

static const struct test_case cases[] = {
    {"limits", limits},         {"identities", identities}, {"process_state", process_state},
    {"scheduling", scheduling}, {"own_filter", own_filter}, {"unknown_calls", unknown_calls},
    {"namespaces", namespaces},
};

int main(int argc, char **argv)
{
    return run_cases(argc, argv, cases, COUNT_OF(cases));
}
