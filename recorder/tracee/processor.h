/* Traps of the processor for rdtsc, rdtscp and cpuid: SIGSEGV with SI_KERNEL in the thread for
 * which they are on. A second net where no window answers these instructions: nothing depends on
 * it. */
#ifndef RECORDER_TRACEE_PROCESSOR_H
#define RECORDER_TRACEE_PROCESSOR_H

#include <stdbool.h>

/* Does the machine trap them? Tried once per process, on the calling thread: some accept prctl(2)
 * PR_SET_TSC and do not trap. */
bool processor_traps_tsc(void);
bool processor_traps_cpuid(void);

/* arch_prctl(2), ARCH_SET_CPUID: the argument with which cpuid traps. clone and fork inherit the
 * trap, exec ends it; prctl(PR_SET_TSC)'s outlives exec. */
#define PROCESSOR_CPUID_TRAPS 0

/* To be called whenever a tracee whose cpuid traps is about to be resumed: the calling thread traps
 * too, so that the kernel need not switch the trap at every stop (processor.c). Its own cpuid
 * instructions work all the same. */
void processor_share_cpuid_trap(void);
/* Undoes it. */
void processor_unshare_cpuid_trap(void);

#endif
