/* Where the blob's entries lie in the tracee. */
#include "recorder/blob/blob.h"

#include "include/rrtest/recorder_page.h"

extern const uint8_t blob_code_end[], blob_batch_here[], blob_syscall_here[], blob_tick_here[],
    blob_atomic_here[], blob_cpuid_here[], blob_rdtsc_here[], blob_random_here[];

size_t blob_size(void)
{
    return (size_t)(blob_code_end - blob_code);
}

uint64_t blob_address(enum blob_entry entry)
{
    static const uint8_t *const entries[BLOB_ENTRY_COUNT] = {
        [BLOB_ENTRY_BATCH] = blob_batch_here,   [BLOB_ENTRY_SYSCALL] = blob_syscall_here,
        [BLOB_ENTRY_TICK] = blob_tick_here,     [BLOB_ENTRY_ATOMIC] = blob_atomic_here,
        [BLOB_ENTRY_CPUID] = blob_cpuid_here,   [BLOB_ENTRY_RDTSC] = blob_rdtsc_here,
        [BLOB_ENTRY_RANDOM] = blob_random_here,
    };

    return RECORDER_BLOB_ADDRESS + (uint64_t)(entries[entry] - blob_code);
}
