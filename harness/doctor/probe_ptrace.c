/* Probes that trace a child of their own. */
#include "harness/doctor/doctor.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef PTRACE_SYSEMU
#define PTRACE_SYSEMU 31
#endif
#ifndef PTRACE_GET_SYSCALL_USER_DISPATCH_CONFIG /* Linux 6.4 */
#define PTRACE_GET_SYSCALL_USER_DISPATCH_CONFIG 0x4211
#endif

#define STOPS 2000
#define STEPS 1000

static long trace(long request, pid_t pid, uintptr_t address, uintptr_t data)
{
    return syscall(SYS_ptrace, request, pid, address, data);
}

/* Trace getppid and let everything else pass. */
static int install_filter(void)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getppid, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRACE),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {.len = sizeof(code) / sizeof(*code), .filter = code};

    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        return -1;
    return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
}

static void call_getppid(void)
{
    for (;;)
        syscall(SYS_getppid);
}

/* A traced child, stopped by its own SIGSTOP; it then runs `body`. -1: r says why. */
static pid_t start_tracee(struct probe_result *r, bool filter, void (*body)(void), int cpu)
{
    pid_t pid = fork();
    int status;

    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (cpu >= 0)
            probe_pin(cpu);
        raise(SIGSTOP);
        if (filter && install_filter() < 0)
            _exit(1);
        body();
        _exit(0);
    }
    if (pid < 0 || waitpid(pid, &status, WUNTRACED) != pid || !WIFSTOPPED(status)) {
        probe_failed(r, "start of a child");
        return -1;
    }
    if (trace(PTRACE_SEIZE, pid, 0,
              PTRACE_O_EXITKILL | PTRACE_O_TRACESECCOMP | PTRACE_O_TRACESYSGOOD) < 0) {
        probe_failed(r, "PTRACE_SEIZE");
        r->answer = PROBE_NO;
        return -1;
    }
    kill(pid, SIGCONT);
    /* The group stop is reported, then the SIGCONT; both are passed over. */
    return pid;
}

/* Continue with `request` until a stop for which is_wanted() holds. */
static bool wait_for(pid_t pid, long request, bool (*is_wanted)(int status))
{
    int status;

    for (;;) {
        if (waitpid(pid, &status, __WALL) != pid || !WIFSTOPPED(status))
            return false;
        if (is_wanted(status))
            return true;
        if (trace(request, pid, 0, 0) < 0)
            return false;
    }
}

static bool is_seccomp(int status)
{
    return status >> 8 == (SIGTRAP | PTRACE_EVENT_SECCOMP << 8);
}

static bool is_trap(int status)
{
    return status >> 8 == SIGTRAP;
}

static bool is_call(int status)
{
    return WSTOPSIG(status) == (SIGTRAP | 0x80);
}

static bool is_interrupt(int status)
{
    return status >> 16 == PTRACE_EVENT_STOP && WSTOPSIG(status) == SIGTRAP;
}

static void spin(void)
{
    for (volatile uint64_t i = 0;; i++)
        ;
}

void probe_seize(struct probe_result *r)
{
    pid_t pid = start_tracee(r, false, spin, -1);

    if (pid < 0)
        return;
    trace(PTRACE_INTERRUPT, pid, 0, 0);
    probe_yes(r, wait_for(pid, PTRACE_CONT, is_interrupt), "PTRACE_SEIZE, PTRACE_INTERRUPT");
}

void probe_seccomp(struct probe_result *r)
{
    pid_t pid = start_tracee(r, true, call_getppid, -1);

    if (pid < 0)
        return;
    probe_yes(r, wait_for(pid, PTRACE_CONT, is_seccomp), "SECCOMP_RET_TRACE stops a call");
}

void probe_sysemu(struct probe_result *r)
{
    struct user_regs_struct regs;
    pid_t pid = start_tracee(r, true, call_getppid, -1);

    if (pid < 0 || !wait_for(pid, PTRACE_CONT, is_seccomp))
        return;
    if (trace(PTRACE_SYSEMU, pid, 0, 0) < 0 || !wait_for(pid, PTRACE_SYSEMU, is_call)) {
        probe_yes(r, false, "PTRACE_SYSEMU");
        return;
    }
    trace(PTRACE_GETREGS, pid, 0, (uintptr_t)&regs);
    probe_yes(r, (long long)regs.rax == -ENOSYS, "PTRACE_SYSEMU keeps calls from the kernel");
}

static void time_stops(struct probe_result *r, int tracer_cpu, int tracee_cpu)
{
    pid_t pid;
    uint64_t start;

    probe_pin(tracer_cpu);
    pid = start_tracee(r, true, call_getppid, tracee_cpu);
    if (pid < 0 || !wait_for(pid, PTRACE_CONT, is_seccomp))
        return;
    start = probe_now_ns();
    for (int i = 0; i < STOPS; i++) {
        trace(PTRACE_CONT, pid, 0, 0);
        if (!wait_for(pid, PTRACE_CONT, is_seccomp))
            return;
    }
    probe_time(r, probe_now_ns() - start, STOPS);
}

void probe_stop_cost(struct probe_result *r)
{
    time_stops(r, 0, -1); /* the tracee inherits the tracer's CPU */
}

void probe_stop_cost_apart(struct probe_result *r)
{
    if (sysconf(_SC_NPROCESSORS_ONLN) < 2) {
        probe_yes(r, false, "there is one CPU");
        return;
    }
    /* The child is forked before the parent is pinned to the other CPU: it needs both allowed. */
    pid_t pid = start_tracee(r, true, call_getppid, 1);
    uint64_t start;

    probe_pin(0);
    if (pid < 0 || !wait_for(pid, PTRACE_CONT, is_seccomp))
        return;
    start = probe_now_ns();
    for (int i = 0; i < STOPS; i++) {
        trace(PTRACE_CONT, pid, 0, 0);
        if (!wait_for(pid, PTRACE_CONT, is_seccomp))
            return;
    }
    probe_time(r, probe_now_ns() - start, STOPS);
}

void probe_step_cost(struct probe_result *r)
{
    pid_t pid;
    uint64_t start;

    probe_pin(0);
    pid = start_tracee(r, false, spin, -1);
    if (pid < 0)
        return;
    trace(PTRACE_INTERRUPT, pid, 0, 0);
    if (!wait_for(pid, PTRACE_CONT, is_interrupt))
        return;
    start = probe_now_ns();
    for (int i = 0; i < STEPS; i++) {
        trace(PTRACE_SINGLESTEP, pid, 0, 0);
        if (!wait_for(pid, PTRACE_SINGLESTEP, is_trap))
            return;
    }
    probe_time(r, probe_now_ns() - start, STEPS);
}

void probe_registers_cost(struct probe_result *r)
{
    struct user_regs_struct regs;
    pid_t pid;
    uint64_t start;

    probe_pin(0);
    pid = start_tracee(r, true, call_getppid, -1);
    if (pid < 0 || !wait_for(pid, PTRACE_CONT, is_seccomp))
        return;
    start = probe_now_ns();
    for (int i = 0; i < STOPS; i++)
        trace(PTRACE_GETREGS, pid, 0, (uintptr_t)&regs);
    probe_time(r, probe_now_ns() - start, STOPS);
}

__attribute__((noinline)) static void watched(void)
{
    __asm__ volatile("nop" ::: "memory");
}

static void pass_watched(void)
{
    for (int i = 0; i < 100; i++) {
        syscall(SYS_getppid);
        watched();
    }
}

/* DR0 at watched(), enabled in DR7 for execution: does it fire before the child ends? */
void probe_breakpoint(struct probe_result *r)
{
    size_t debug = offsetof(struct user, u_debugreg);
    size_t word = sizeof(((struct user *)0)->u_debugreg[0]);
    pid_t pid = start_tracee(r, true, pass_watched, -1);

    if (pid < 0 || !wait_for(pid, PTRACE_CONT, is_seccomp))
        return;
    if (trace(PTRACE_POKEUSER, pid, debug, (uintptr_t)watched) < 0 ||
        trace(PTRACE_POKEUSER, pid, debug + 7 * word, 1) < 0) {
        probe_yes(r, false, "refused: %s", strerror(errno));
        return;
    }
    trace(PTRACE_CONT, pid, 0, 0);
    if (wait_for(pid, PTRACE_CONT, is_trap)) {
        probe_yes(r, true, "DR0 fires");
    } else {
        r->answer = PROBE_BROKEN;
        snprintf(r->detail, sizeof(r->detail), "accepted, never fires");
    }
}

void probe_dispatch(struct probe_result *r)
{
    struct {
        uint64_t mode, selector, offset, length;
    } config;
    pid_t pid = start_tracee(r, true, call_getppid, -1);

    if (pid < 0 || !wait_for(pid, PTRACE_CONT, is_seccomp))
        return;
    probe_yes(r,
              trace(PTRACE_GET_SYSCALL_USER_DISPATCH_CONFIG, pid, sizeof(config),
                    (uintptr_t)&config) == 0,
              "set from outside (Linux 6.4)");
}
