/* The table from which `cpuid` is answered inside the tracee (design.md sections 2, 12). */
#ifndef RECORDER_RECORD_CPUID_H
#define RECORDER_RECORD_CPUID_H

#include "recorder/trace/trace.h"
#include "recorder/tracee/tracee.h"

/* The machine's leaves, minus what a recorder cannot have (RTM, HLE, RDPID, WAITPKG) and minus what
 * names the core. */
void cpuid_table_fill(struct tracee_area *area, unsigned guards_off);
/* eax, ebx, ecx, edx as the table has them; false: not in it. */
bool cpuid_lookup(const struct tracee_area *area, uint32_t leaf, uint32_t subleaf, uint32_t ret[4]);
/* The same of a leaf that is not in the table. */
void cpuid_answer(uint32_t leaf, uint32_t subleaf, unsigned guards_off, uint32_t ret[4]);
void cpuid_table_describe(const struct tracee_area *area, struct trace_meta *meta);

#endif
