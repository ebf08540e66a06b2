/* The one ABI between the recorder and code that runs inside the tracee (the blob and the stubs of
 * rewritten images): layout of the recorder page at a fixed low address, reached by absolute
 * [disp32] addressing. Included by C and by assembly.
 *
 *   0x70000000  recorder page  (memfd, MAP_SHARED, RW; one per run, shared by all its processes)
 *   0x70001000  cpuid table    (second page of the same memfd)
 *   0x70002000  blob           (memfd, MAP_PRIVATE, RX)
 *
 * One thread of a run executes at a time, so the "per thread" values below are swapped by the
 * recorder at each switch; no TLS. Bump RECORDER_PAGE_VERSION on any change: it is part of the
 * image-cache key and of a trace. */
#ifndef RRTEST_RECORDER_PAGE_H
#define RRTEST_RECORDER_PAGE_H

#define RECORDER_PAGE_VERSION 2

#define RECORDER_PAGE_ADDRESS 0x70000000
#define RECORDER_PAGE_SIZE 0x2000
#define RECORDER_BLOB_ADDRESS 0x70002000
#define RECORDER_BLOB_SIZE 0x1000
#define RECORDER_AREA_SIZE (RECORDER_PAGE_SIZE + RECORDER_BLOB_SIZE)

/* Offsets from RECORDER_PAGE_ADDRESS. A stub's hot path touches the first 64 bytes only. */
#define PAGE_TICKS 0x00      /* int64: ticks left before the trap; `sub qword [..],1; js` */
#define PAGE_ATOMICS 0x08    /* int64: the same for the second class (atomics, lock entries) */
#define PAGE_SPILL_RCX 0x10  /* the program's rcx while a stub or the blob uses rcx */
#define PAGE_ENTRY_TICK 0x18 /* blob entries, jumped to as `jmp *[abs]` */
#define PAGE_ENTRY_ATOMIC 0x20
#define PAGE_ENTRY_CPUID 0x28
#define PAGE_ENTRY_RDTSC 0x30  /* rdtsc and rdtscp */
#define PAGE_ENTRY_RANDOM 0x38 /* rdrand and rdseed */
/* Saved by the blob before its traced system call; read by the recorder at that stop. */
#define PAGE_SAVE_RAX 0x40
#define PAGE_SAVE_RETURN 0x48 /* see the stub protocol below */
#define PAGE_SAVE_R11 0x50
#define PAGE_SAVE_RDX 0x58
#define PAGE_SAVE_RSI 0x60
#define PAGE_SAVE_FLAGS 0x68
#define PAGE_JUMP 0x70        /* target of the blob's final `jmp *[abs]` */
#define PAGE_CPUID_COUNT 0x78 /* uint64: entries in the cpuid table */

/* Batches of remote calls: 16 entries of 64 bytes (number, six arguments, result). An fd argument
 * (rdi or r8) of PAGE_BATCH_LAST_FD means the descriptor that the last recvmsg of the batch
 * brought. */
#define PAGE_SCRATCH 0x800  /* message header of remote recvmsg */
#define PAGE_BATCH_FD 0x860 /* int: where its control message's descriptor lands */
#define PAGE_BATCH 0xc00
#define PAGE_BATCH_MAX 16
#define PAGE_BATCH_ENTRY_SIZE 64
#define PAGE_BATCH_LAST_FD -2

/* cpuid table entry, 32 bytes: leaf, subleaf, flags (1: subleaf is ignored), 0, eax, ebx, ecx, edx
 */
#define RECORDER_CPUID_TABLE 0x70001000
#define RECORDER_CPUID_ENTRY_SIZE 32
#define RECORDER_CPUID_MAX 128

/* The stub protocol. Every slow path of a stub is:
 *
 *      mov  [PAGE_SPILL_RCX], rcx
 *      lea  rcx, [rip + X]
 *      jmp  *[PAGE_ENTRY_...]          (ff 24 25 disp32)
 *
 * For PAGE_ENTRY_TICK and PAGE_ENTRY_ATOMIC, X is the address in the stub where execution goes on
 * once the point has been counted (the program's rcx is PAGE_SPILL_RCX, all other registers and
 * the flags as the stub leaves them; the tick's own flags are dead or preserved by construction).
 * For PAGE_ENTRY_CPUID, _RDTSC and _RANDOM, X is the address of a copy of the original
 * instruction's bytes, which the stub keeps right behind the jump and never executes: whoever
 * emulates decodes it and goes on behind it. In the live-flags form of a tick, rcx is already
 * spilled: the slow path starts at the `lea`. The counter of a class is decremented exactly once
 * per execution of a point, and the trap is taken when the value becomes negative (< 0) in every
 * form. No flags are changed by the blob for a tick. */

/* Private system-call numbers of the blob's traced `syscall` (orig_rax at the stop). */
#define BLOB_CALL_TICK 0x52520001
#define BLOB_CALL_ATOMIC 0x52520002
#define BLOB_CALL_CPUID 0x52520003
#define BLOB_CALL_RDTSC 0x52520004
#define BLOB_CALL_RANDOM 0x52520005

#endif
