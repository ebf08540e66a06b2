#include "recorder/record/instructions.h"

#include <asm/prctl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "recorder/record/record.h"
#include "recorder/tracee/processor.h"

void instructions_exec(struct session *s, struct task *t, struct tracee_batch *batch)
{
    t->cpuid_traps = false;
    /* the vDSO's clocks read the counter: without its guard they are to be right */
    if (!(s->options->guards_off & (RECORD_GUARD_RDTSC | RECORD_GUARD_VDSO)) &&
        processor_traps_tsc())
        tracee_batch_add(batch, SYS_prctl, (uint64_t[6]){PR_SET_TSC, PR_TSC_SIGSEGV});
}

void instructions_guard(struct session *s, struct task *t)
{
    int64_t result;

    if (!t->space->rewritten_nothing || (s->options->guards_off & RECORD_GUARD_CPUID) ||
        !processor_traps_cpuid())
        return;
    processor_share_cpuid_trap();
    if (t->cpuid_traps)
        return;
    t->cpuid_traps = true; /* a task that is gone is seen when it is resumed */
    task_call(s, t, SYS_arch_prctl, (uint64_t[6]){ARCH_SET_CPUID, PROCESSOR_CPUID_TRAPS}, &result);
}
