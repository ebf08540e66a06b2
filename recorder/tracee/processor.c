/* CR4.TSD by prctl(PR_SET_TSC), CPUID faulting by arch_prctl(ARCH_SET_CPUID).
 *
 * The kernel keeps both per thread and switches them with the threads. TSD costs nothing
 * measurable. CPUID faulting is a model-specific register, and in a virtual machine each write of
 * it leaves the guest: a stop that takes 4 us takes 22. The register is written only between
 * threads that differ, so the tracer makes itself one of those that trap. When it, or a library it
 * uses, executes cpuid then, its own signal handler switches the trap off and the instruction is
 * repeated. */
#include "recorder/base/names.h"
#include "recorder/tracee/processor.h"

#include <asm/prctl.h>
#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

enum { CPUID_TRAPS = PROCESSOR_CPUID_TRAPS, CPUID_RUNS = 1 };

/* Global, as dispositions of signals are. */
static struct sigaction before; /* SIGSEGV's, while `catching` */
static int catching;
static volatile sig_atomic_t trapping; /* the handler clears it */
static bool shared;

static int set_cpuid(int mode)
{
    return (int)syscall(SYS_arch_prctl, ARCH_SET_CPUID, mode);
}

/* Our own cpuid or rdtsc: let it run. Anything else is a fault like any other. */
static void on_fault(int signal, siginfo_t *info, void *context)
{
    const ucontext_t *u = context;
    const uint8_t *code = (const uint8_t *)(uintptr_t)u->uc_mcontext.gregs[REG_RIP];

    (void)signal;
    if (info->si_code == SI_KERNEL && trapping && code[0] == 0x0f && code[1] == 0xa2)
        set_cpuid(CPUID_RUNS);
    else if (info->si_code == SI_KERNEL && trapping && code[0] == 0x0f && code[1] == 0x31)
        prctl(PR_SET_TSC, PR_TSC_ENABLE);
    else
        sigaction(SIGSEGV, &before, NULL);
    trapping = 0;
}

static void catch_faults(void)
{
    struct sigaction action = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO};

    if (catching++ == 0)
        sigaction(SIGSEGV, &action, &before);
}

static void release_faults(void)
{
    trapping = 0;
    if (--catching == 0)
        sigaction(SIGSEGV, &before, NULL);
}

static bool try_tsc(void)
{
    int mode;

    if (prctl(PR_GET_TSC, &mode) < 0 || mode != PR_TSC_ENABLE ||
        prctl(PR_SET_TSC, PR_TSC_SIGSEGV) < 0)
        return false;
    trapping = 1;
    __asm__ volatile("rdtsc" ::: "eax", "edx");
    if (!trapping)
        return true;
    prctl(PR_SET_TSC, PR_TSC_ENABLE);
    return false;
}

static bool try_cpuid(void)
{
    uint32_t leaf = 0, subleaf = 0;

    if (set_cpuid(CPUID_TRAPS) < 0)
        return false;
    trapping = 1;
    __asm__ volatile("cpuid" : "+a"(leaf), "+c"(subleaf) : : "ebx", "edx");
    if (!trapping)
        return true;
    set_cpuid(CPUID_RUNS);
    return false;
}

/* For tests: a machine without such traps. */
static bool is_faulty(void)
{
    return names_fault("no_processor_traps");
}

/* known: 1 yes, -1 no */
static bool probe(bool (*attempt)(void), int *known)
{
    if (*known == 0 && is_faulty())
        *known = -1;
    if (*known == 0) {
        catch_faults();
        *known = attempt() ? 1 : -1;
        release_faults();
    }
    return *known > 0;
}

bool processor_traps_tsc(void)
{
    static int known;

    return probe(try_tsc, &known);
}

bool processor_traps_cpuid(void)
{
    static int known;

    return probe(try_cpuid, &known);
}

void processor_share_cpuid_trap(void)
{
    if (!shared)
        catch_faults();
    shared = true;
    if (!trapping)
        trapping = set_cpuid(CPUID_TRAPS) == 0;
}

void processor_unshare_cpuid_trap(void)
{
    if (!shared)
        return;
    set_cpuid(CPUID_RUNS);
    shared = false;
    release_faults();
}
