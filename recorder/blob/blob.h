/* The in-process code: what runs at RECORDER_BLOB_ADDRESS in every tracee (blob.S). Freestanding,
 * stackless, position-fixed: it reaches the recorder page by absolute addresses only. */
#ifndef RECORDER_BLOB_BLOB_H
#define RECORDER_BLOB_BLOB_H

#include <stddef.h>
#include <stdint.h>

enum blob_entry {
    BLOB_ENTRY_BATCH,   /* calls from the table at PAGE_BATCH, then int3 */
    BLOB_ENTRY_SYSCALL, /* the untraced `syscall` */
    BLOB_ENTRY_TICK,
    BLOB_ENTRY_ATOMIC,
    BLOB_ENTRY_CPUID,
    BLOB_ENTRY_RDTSC,
    BLOB_ENTRY_RANDOM,
    BLOB_ENTRY_COUNT
};

extern const uint8_t blob_code[]; /* to be mapped at RECORDER_BLOB_ADDRESS */
size_t blob_size(void);
uint64_t blob_address(enum blob_entry entry); /* in the tracee */

#endif
