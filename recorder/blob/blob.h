/* The in-process code: what runs at RECORDER_BLOB_ADDRESS in every tracee (blob.S, handlers.h).
 * Freestanding, position-fixed: it reaches the recorder page by absolute addresses only. */
#ifndef RECORDER_BLOB_BLOB_H
#define RECORDER_BLOB_BLOB_H

#include <stddef.h>
#include <stdint.h>

#include "recorder/blob/abi.h"

enum blob_entry {
    BLOB_ENTRY_BATCH,   /* calls from the table at PAGE_BATCH, then int3 */
    BLOB_ENTRY_SYSCALL, /* the untraced `syscall` */
    BLOB_ENTRY_TICK,
    BLOB_ENTRY_ATOMIC,
    BLOB_ENTRY_CPUID,
    BLOB_ENTRY_RDTSC,
    BLOB_ENTRY_RANDOM,
    BLOB_ENTRY_CALL,          /* a patch region's system call */
    BLOB_ENTRY_REPLAYED_CALL, /* the same in replay: answered from the ring */
    BLOB_ENTRY_UNTRACED,      /* the handlers' `syscall` */
    BLOB_ENTRY_TRACED,        /* a `syscall` that stops: calls of the program are made anew there */
    BLOB_ENTRY_TRACED_RDTSC,
    BLOB_ENTRY_REPLAYED_RDTSC,
    BLOB_ENTRY_FRAME, /* of a call: from here on its frame is whole */
    BLOB_ENTRY_COUNT
};

extern const uint8_t blob_code[]; /* to be mapped at RECORDER_BLOB_ADDRESS */
size_t blob_size(void);
uint64_t blob_address(enum blob_entry entry); /* in the tracee */

/* The handlers' stack while one runs: what the program's registers are (its rsp is PAGE_CALL_RSP).
 * It ends at RECORDER_STACK_TOP. */
struct blob_frame {
    uint64_t number;
    uint64_t argument[6];
    uint64_t flags;  /* lahf in bits 8 to 15, OF in bit 0 */
    uint64_t resume; /* X of the call protocol */
    uint64_t rbx, rbp, r12, r13, r14, r15;
};

#endif
