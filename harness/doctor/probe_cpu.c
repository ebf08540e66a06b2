/* Probes of what the processor, or the hypervisor in its place, lets a process do. */
#include "harness/doctor/doctor.h"

#include <asm/prctl.h>
#include <cpuid.h>
#include <errno.h>
#include <linux/perf_event.h>
#include <setjmp.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <x86intrin.h>

#include "recorder/base/file.h"

#ifndef ARCH_SET_CPUID
#define ARCH_SET_CPUID 0x1012
#endif

#define CALLS 100000
#define CPUIDS 500
#define SPAWNS 30

/* Where a trapping instruction goes on; the probe's process has one thread and ends soon. */
static sigjmp_buf after_trap;

static void on_fault(int number)
{
    (void)number;
    siglongjmp(after_trap, 1);
}

static void catch_fault(void)
{
    struct sigaction action = {.sa_handler = on_fault, .sa_flags = SA_NODEFER};

    sigaction(SIGSEGV, &action, NULL);
}

void probe_counters(struct probe_result *r)
{
    struct perf_event_attr attributes = {
        .type = PERF_TYPE_HARDWARE,
        .size = sizeof(attributes),
        .config = PERF_COUNT_HW_BRANCH_INSTRUCTIONS,
        .exclude_kernel = 1,
        .exclude_hv = 1,
    };
    cleanup_fd int fd =
        (int)syscall(SYS_perf_event_open, &attributes, 0, -1, -1, PERF_FLAG_FD_CLOEXEC);
    uint64_t count = 0;

    if (fd < 0) {
        probe_yes(r, false, "perf_event_open: %s", strerror(errno));
        return;
    }
    for (volatile int i = 0; i < 100000; i++)
        ;
    if (read(fd, &count, sizeof(count)) != sizeof(count) || count < 100000) {
        r->answer = PROBE_BROKEN;
        snprintf(r->detail, sizeof(r->detail), "opens, does not count");
        return;
    }
    probe_yes(r, true, "branch instructions are counted");
}

void probe_tsc(struct probe_result *r)
{
    catch_fault();
    if (prctl(PR_SET_TSC, PR_TSC_SIGSEGV, 0, 0, 0) < 0) {
        probe_yes(r, false, "refused: %s", strerror(errno));
        return;
    }
    if (sigsetjmp(after_trap, 1)) {
        prctl(PR_SET_TSC, PR_TSC_ENABLE, 0, 0, 0);
        probe_yes(r, true, "rdtsc traps");
        return;
    }
    __rdtsc();
    r->answer = PROBE_BROKEN;
    snprintf(r->detail, sizeof(r->detail), "accepted, rdtsc still executes");
}

void probe_cpuid_fault(struct probe_result *r)
{
    uint32_t a, b, c, d;

    catch_fault();
    if (syscall(SYS_arch_prctl, ARCH_SET_CPUID, 0) < 0) {
        probe_yes(r, false, "refused: %s", strerror(errno));
        return;
    }
    if (sigsetjmp(after_trap, 1)) {
        syscall(SYS_arch_prctl, ARCH_SET_CPUID, 1);
        probe_yes(r, true, "cpuid traps");
        return;
    }
    __cpuid(0, a, b, c, d);
    r->answer = PROBE_BROKEN;
    snprintf(r->detail, sizeof(r->detail), "accepted, cpuid still executes");
}

void probe_cpuid_cost(struct probe_result *r)
{
    uint64_t start = probe_now_ns();

    for (int i = 0; i < CPUIDS; i++) {
        uint32_t a, b, c, d;

        __cpuid(0, a, b, c, d);
        __asm__ volatile("" ::"r"(a ^ b ^ c ^ d));
    }
    probe_time(r, probe_now_ns() - start, CPUIDS);
}

void probe_syscall_cost(struct probe_result *r)
{
    uint64_t start;

    probe_pin(0);
    start = probe_now_ns();
    for (int i = 0; i < CALLS; i++)
        syscall(SYS_getppid);
    probe_time(r, probe_now_ns() - start, CALLS);
}

void probe_spawn_cost(struct probe_result *r)
{
    char name[] = "true";
    char *const arguments[] = {name, NULL};
    char *const environment[] = {NULL};
    uint64_t start;

    probe_pin(0);
    start = probe_now_ns();
    for (int i = 0; i < SPAWNS; i++) {
        pid_t pid;
        int error = posix_spawn(&pid, "/bin/true", NULL, NULL, arguments, environment);

        if (error) {
            errno = error;
            probe_failed(r, "/bin/true");
            return;
        }
        waitpid(pid, NULL, 0);
    }
    probe_time(r, probe_now_ns() - start, SPAWNS);
}
