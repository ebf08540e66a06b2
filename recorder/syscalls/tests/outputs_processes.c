/* Identity, limits, scheduling, clocks and timers, signals, children. */
#include "recorder/syscalls/tests/outputs.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <asm/prctl.h>
#include <errno.h>
#include <linux/capability.h>
#include <linux/keyctl.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

#include "recorder/syscalls/tests/poison.h"

static int set_up(void **state)
{
    (void)state;
    poison_reset();
    return 0;
}

static void test_identity(void **state)
{
    (void)state;
    poison(POISON_QUIET, "getpid", 0);
    poison(POISON_QUIET, "getppid", 0);
    poison(POISON_QUIET, "gettid", 0);
    poison(POISON_QUIET, "getuid", 0);
    poison(POISON_CHANGES, "getresuid", poison_take(4), poison_take(4), poison_take(4));
    poison(POISON_CHANGES, "getresgid", poison_take(4), poison_take(4), poison_take(4));
    poison(POISON_ANY, "getgroups", 100, poison_take(400));
    poison(POISON_QUIET, "getgroups", 0, poison_take(400));
    poison(POISON_CHANGES, "uname", poison_take(390));
    poison(POISON_CHANGES, "sysinfo", poison_take(112));
}

static void test_capabilities(void **state)
{
    static const uint32_t versions[] = {_LINUX_CAPABILITY_VERSION_1, _LINUX_CAPABILITY_VERSION_2,
                                        _LINUX_CAPABILITY_VERSION_3};

    (void)state;
    for (int i = 0; i < 3; i++) {
        struct __user_cap_header_struct header = {versions[i], 0};

        poison(POISON_CHANGES, "capget", poison_take_copy(&header, sizeof(header)),
               poison_take(24));
    }
    struct __user_cap_header_struct bad = {0x12345678, 0};
    poison(POISON_ANY, "capget", poison_take_copy(&bad, sizeof(bad)), poison_take(24));
    poison(POISON_FAILS_CHANGES, "capset", poison_take_copy(&bad, sizeof(bad)), poison_take(24));
}

static void test_limits_and_usage(void **state)
{
    (void)state;
    poison(POISON_CHANGES, "getrlimit", RLIMIT_NOFILE, poison_take(16));
    poison(POISON_CHANGES, "prlimit64", 0, RLIMIT_STACK, 0, poison_take(16));
    poison(POISON_CHANGES, "getrusage", RUSAGE_SELF, poison_take(144));
    poison(POISON_FAILS, "getrusage", 99, poison_take(144));
    poison(POISON_CHANGES, "times", poison_take(32));
}

static void test_scheduling(void **state)
{
    uint32_t *attributes = poison_take_zeroed(4096);

    (void)state;
    poison(POISON_CHANGES, "sched_getparam", 0, poison_take(4));
    poison(POISON_CHANGES, "sched_getaffinity", 0, 128, poison_take(128));
    poison(POISON_CHANGES, "sched_getaffinity", 0, 4096, poison_take(4096));
    poison(POISON_ANY, "sched_rr_get_interval", 0, poison_take(16));
    poison(POISON_CHANGES, "sched_getattr", 0, poison_take(48), 48, 0);
    poison(POISON_CHANGES, "sched_getattr", 0, poison_take(4096), 4096, 0);
    attributes[0] = 4096;
    attributes[100] = 1; /* unknown fields make E2BIG, and the size known comes back */
    assert_int_equal(poison(POISON_FAILS_CHANGES, "sched_setattr", 0, attributes, 0), -E2BIG);
    poison(POISON_CHANGES, "getcpu", poison_take(4), poison_take(4), 0);
    poison(POISON_QUIET, "sched_yield", 0);
    poison(POISON_QUIET, "getpriority", 0, 0);
    poison(POISON_QUIET, "ioprio_get", 1, 0);
}

static void test_clocks(void **state)
{
    struct timespec *nothing = poison_take_zeroed(sizeof(*nothing));

    (void)state;
    poison(POISON_CHANGES, "clock_gettime", CLOCK_MONOTONIC, poison_take(16));
    poison(POISON_CHANGES, "clock_getres", CLOCK_REALTIME, poison_take(16));
    poison(POISON_CHANGES, "gettimeofday", poison_take(16), poison_take(8));
    poison(POISON_CHANGES, "time", poison_take(8));
    poison(POISON_QUIET, "nanosleep", nothing, poison_take(16));
    poison(POISON_QUIET, "clock_nanosleep", CLOCK_MONOTONIC, 0, nothing, poison_take(16));
}

static void nothing_handler(int signal)
{
    (void)signal;
}

static void test_interrupted_sleeps(void **state)
{
    struct sigaction action = {.sa_handler = nothing_handler};
    struct itimerval soon = {{0, 0}, {0, 20000}};
    struct timespec *long_time = poison_take_copy(&(struct timespec){5, 0}, 16);

    (void)state;
    assert_int_equal(sigaction(SIGALRM, &action, NULL), 0);
    assert_int_equal(setitimer(ITIMER_REAL, &soon, NULL), 0);
    assert_int_equal(poison(POISON_FAILS_CHANGES, "nanosleep", long_time, poison_take(16)), -EINTR);
    assert_int_equal(setitimer(ITIMER_REAL, &soon, NULL), 0);
    assert_int_equal(poison(POISON_FAILS_CHANGES, "clock_nanosleep", CLOCK_MONOTONIC, 0, long_time,
                            poison_take(16)),
                     -EINTR);
}

static void test_timers(void **state)
{
    struct itimerspec *later = poison_take_copy(&(struct itimerspec){{0, 0}, {100, 0}}, 32);
    struct sigevent event = {.sigev_notify = SIGEV_NONE};
    int *id = poison_take(4);
    int fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);

    (void)state;
    poison(POISON_CHANGES, "getitimer", ITIMER_VIRTUAL, poison_take(32));
    poison(POISON_CHANGES, "setitimer", ITIMER_VIRTUAL, poison_take_zeroed(32), poison_take(32));
    poison(POISON_CHANGES, "timer_create", CLOCK_MONOTONIC, poison_take_copy(&event, sizeof(event)),
           id);
    poison(POISON_CHANGES, "timer_settime", *id, 0, later, poison_take(32));
    poison(POISON_CHANGES, "timer_gettime", *id, poison_take(32));
    poison(POISON_QUIET, "timer_getoverrun", *id);
    poison(POISON_QUIET, "timer_delete", *id);
    poison(POISON_FAILS, "timer_gettime", 12345, poison_take(32));
    poison(POISON_CHANGES, "timerfd_settime", fd, 0, later, poison_take(32));
    poison(POISON_CHANGES, "timerfd_gettime", fd, poison_take(32));
    close(fd);
}

static void test_signals(void **state)
{
    uint64_t *mask = poison_take_zeroed(8);
    uint64_t old = 0;
    struct timespec *soon = poison_take_zeroed(sizeof(*soon));
    siginfo_t *info = poison_take_zeroed(sizeof(*info));

    (void)state;
    poison(POISON_CHANGES, "rt_sigaction", SIGUSR2, 0, poison_take(32), 8);
    *mask = 1ull << (SIGUSR1 - 1);
    poison(POISON_CHANGES, "rt_sigprocmask", SIG_BLOCK, mask, poison_take(8), 8);
    poison(POISON_QUIET, "tgkill", getpid(), gettid(), SIGUSR1);
    poison(POISON_CHANGES, "rt_sigpending", poison_take(8), 8);
    poison(POISON_CHANGES, "rt_sigtimedwait", mask, poison_take(128), 0, 8);
    poison(POISON_FAILS, "rt_sigtimedwait", mask, poison_take(128), soon, 8);
    info->si_code = SI_QUEUE;
    poison(POISON_QUIET, "rt_sigqueueinfo", getpid(), SIGUSR1, info);
    poison(POISON_QUIET, "rt_sigtimedwait", mask, 0, soon, 8);
    poison(POISON_QUIET, "rt_sigprocmask", SIG_SETMASK, &old, 0, 8);
    poison(POISON_CHANGES, "sigaltstack", 0, poison_take(24));
}

static pid_t child_exiting(int status)
{
    pid_t pid = fork();

    if (pid == 0)
        _exit(status);
    return pid;
}

static void test_children(void **state)
{
    pid_t pid;

    (void)state;
    pid = child_exiting(3);
    poison(POISON_CHANGES, "waitid", P_PID, pid, poison_take(128), WEXITED | WNOWAIT,
           poison_take(144));
    poison(POISON_CHANGES, "wait4", pid, poison_take(4), 0, poison_take(144));
    poison(POISON_FAILS, "wait4", pid, poison_take(4), 0, poison_take(144));
    poison(POISON_FAILS_CHANGES, "waitid", P_PID, pid, poison_take(128), WEXITED, poison_take(144));
    pid = fork();
    if (pid == 0) {
        pause();
        _exit(0);
    }
    poison(POISON_QUIET, "wait4", pid, poison_take(4), WNOHANG, poison_take(144));
    poison(POISON_CHANGES, "waitid", P_PID, pid, poison_take(128), WEXITED | WNOHANG,
           poison_take(144));
    kill(pid, SIGKILL);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static void test_process_options(void **state)
{
    (void)state;
    poison(POISON_CHANGES, "prctl", PR_GET_NAME, poison_take(16));
    poison(POISON_CHANGES, "prctl", PR_GET_PDEATHSIG, poison_take(4));
    poison(POISON_CHANGES, "prctl", PR_GET_CHILD_SUBREAPER, poison_take(4));
    poison(POISON_CHANGES, "prctl", PR_GET_TSC, poison_take(4));
    poison(POISON_QUIET, "prctl", PR_GET_DUMPABLE);
    poison(POISON_CHANGES, "arch_prctl", ARCH_GET_FS, poison_take(8));
    poison(POISON_CHANGES, "arch_prctl", ARCH_GET_GS, poison_take(8));
    poison(POISON_ANY, "arch_prctl", ARCH_GET_XCOMP_SUPP, poison_take(8));
    poison(POISON_ANY, "arch_prctl", ARCH_GET_XCOMP_PERM, poison_take(8));
    poison(POISON_FAILS, "arch_prctl", 0x3001, poison_take(24));
    poison(POISON_CHANGES, "get_robust_list", 0, poison_take(8), poison_take(8));
    poison(POISON_CHANGES, "getrandom", poison_take(100), 100, 0);
}

static void test_kernel_state(void **state)
{
    int64_t key;

    (void)state;
    poison(POISON_ANY, "syslog", 3, poison_take(1000), 1000);
    poison(POISON_ANY, "syslog", 10, poison_take(1000), 1000);
    key = poison(POISON_ANY, "add_key", "user", "rrtest", poison_take(10), 10, -1);
    if (key < 0)
        return;
    poison(POISON_CHANGES, "keyctl", KEYCTL_READ, key, poison_take(100), 100);
    poison(POISON_ANY, "keyctl", KEYCTL_READ, key, poison_take(3), 3);
    poison(POISON_CHANGES, "keyctl", KEYCTL_DESCRIBE, key, poison_take(100), 100);
    poison(POISON_ANY, "keyctl", KEYCTL_GET_SECURITY, key, poison_take(100), 100);
    poison(POISON_ANY, "keyctl", KEYCTL_CAPABILITIES, poison_take(16), 16);
    poison(POISON_ANY, "keyctl", KEYCTL_INVALIDATE, key);
}

int outputs_of_processes(void)
{
#define TEST(name) cmocka_unit_test_setup(name, set_up)
    const struct CMUnitTest tests[] = {
        TEST(test_identity),        TEST(test_capabilities), TEST(test_limits_and_usage),
        TEST(test_scheduling),      TEST(test_clocks),       TEST(test_interrupted_sleeps),
        TEST(test_timers),          TEST(test_signals),      TEST(test_children),
        TEST(test_process_options), TEST(test_kernel_state),
    };
#undef TEST

    return cmocka_run_group_tests_name("outputs of processes", tests, NULL, NULL);
}
