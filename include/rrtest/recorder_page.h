/* The one ABI between the recorder and code that runs inside the tracee (the blob and the stubs of
 * rewritten images): layout of the recorder page at a fixed low address, reached by absolute
 * [disp32] addressing. Included by C and by assembly.
 *
 *   0x70000000  recorder page  (memfd, MAP_SHARED, RW; one per run, shared by all its processes)
 *   0x70001000  cpuid table    (second page of the same memfd)
 *   0x70002000  what handlers know of descriptors and signals (two pages)
 *   0x70004000  the handlers' stack, growing down from 0x70008000
 *   0x70008000  ring of buffered calls
 *   0x70108000  more about descriptors (a word each), scratch space of handlers
 *   0x70150000  what is known of files (blob/facts.h)
 *   0x70400000  blob           (memfd, MAP_PRIVATE, RX)
 *
 * One thread of a run executes at a time, so the "per thread" values below are swapped by the
 * recorder at each switch; no TLS. Bump RECORDER_PAGE_VERSION on any change: it is part of the
 * image-cache key and of a trace. */
#ifndef RRTEST_RECORDER_PAGE_H
#define RRTEST_RECORDER_PAGE_H

#define RECORDER_PAGE_VERSION 5

#define RECORDER_PAGE_ADDRESS 0x70000000
#define RECORDER_PAGE_SIZE 0x400000 /* all of it that is shared and writable; touched as needed */
#define RECORDER_BLOB_ADDRESS 0x70400000
#define RECORDER_BLOB_SIZE 0x10000
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
#define PAGE_ENTRY_CALL 0x80  /* the blob's entry for system calls, see the call protocol below */
#define PAGE_CALL_RSP 0x88    /* the program's rsp while a handler runs */
/* Buffered calls: the ring holds records (below); written by handlers, emptied by the recorder. In
 * replay the recorder's bytes are put there and read from PAGE_RING_READ on. */
#define PAGE_RING_USED 0x90  /* uint64: bytes */
#define PAGE_RING_READ 0x98  /* uint64: bytes; replay only */
#define PAGE_CALLS_LEFT 0xa0 /* int64: calls that may be buffered before one must be traced */
#define PAGE_SWITCHES 0xa8   /* uint64: PAGE_SWITCH_* */
#define PAGE_CLOCK 0xb0      /* uint64: virtual ns when PAGE_TICKS was PAGE_CLOCK_TICKS... */
#define PAGE_CLOCK_TICKS 0xb8
#define PAGE_CLOCK_CALLS 0xc0 /* ... and PAGE_CALLS_LEFT was this */
#define PAGE_EPOCH 0xc8       /* uint64: CLOCK_REALTIME ns at virtual time 0 */
#define PAGE_PID 0xd0         /* int64: of the current task, as it sees them */
#define PAGE_TID 0xd8
#define PAGE_PARENT 0xe0
#define PAGE_SIGNAL_MASK 0xe8   /* uint64: of the current task; handlers change it */
#define PAGE_FUTEX_WAITERS 0xf0 /* uint64: parked in the whole run */
#define PAGE_RANDOM_KEY 0xf8    /* the stream of base/random.h that getrandom(2) draws from */
#define PAGE_DEVICES 0x100      /* 8 x uint64: st_dev of file systems that are what they seem */
#define PAGE_DEVICES_MAX 8
#define PAGE_BREAK 0x140         /* uint64: the program break of the current space; 0: not known */
#define PAGE_HIDDEN_INODES 0x148 /* 3 x uint64: inodes whose numbers are not shown as they are */
#define PAGE_HIDDEN_INODES_MAX 3
#define PAGE_RANDOM_COUNTER 0x160
#define PAGE_ALTSTACK 0x168     /* address and size of the current task's; 0, 0: none */
#define PAGE_TRACED_CALLS 0x180 /* 512 bits: calls that must be traced, by number */
/* Files that handlers mapped since the recorder looked last: their descriptors stay open. */
#define PAGE_MAPPED_COUNT 0x1c0
#define PAGE_MAPPED 0x1c8 /* 4 x uint64 */
#define PAGE_MAPPED_MAX 4
#define PAGE_ZONE_START                                                      \
    0x1e8 /* where images of the current space are placed, from the top down \
           */
#define PAGE_ZONE_NEXT 0x1f0
#define RECORDER_TRACEE_FD 998 /* and the next one: the recorder's own in every tracee */
/* A record that stands for several calls (RING_FLAG_RUN). */
#define PAGE_RUN_RECORD \
    0x200                    /* uint64: the last record of the ring, if it may be continued, or 0 */
#define PAGE_RUN_END 0x208   /* uint64: PAGE_RING_USED behind it */
#define PAGE_RUN_INDEX 0x210 /* uint64: replay only: calls answered from it so far... */
#define PAGE_RUN_TICKS 0x218 /* ... and what PAGE_TICKS was at the first */
/* The last record, if it is a run of clock_gettime: what continuing it needs. All of it holds until
 * the next record or the next stop. */
#define PAGE_CLOCK_RUN 0x220    /* uint64: address of its count, or 0 */
#define PAGE_CLOCK_RUN_ID 0x228 /* the call's arguments */
#define PAGE_CLOCK_RUN_TO 0x230
#define PAGE_CLOCK_RUN_SECONDS 0x238
#define PAGE_CLOCK_RUN_BASE                                               \
    0x240 /* ns since then: this - PAGE_TICKS * 4 - PAGE_CALLS_LEFT * 400 \
           */
#define RECORDER_NS_PER_TICK 4
#define RECORDER_NS_PER_CALL 400
/* CLOCK_MONOTONIC and its kin at virtual time 0. */
#define RECORDER_MONOTONIC_START 10000000000000

/* Pipes that parked tasks wait for: a call on another one is nobody's business (PAGE_SWITCH_PIPES).
 */
#define PAGE_WAITED_COUNT 0x250
#define PAGE_WAITED 0x258 /* 8 x uint32: recorder_pipe_id() */
#define PAGE_WAITED_MAX 8

/* What may be buffered just now. */
#define PAGE_SWITCH_CALLS 1   /* any call at all */
#define PAGE_SWITCH_STREAMS 2 /* calls on pipes and sockets: nobody is parked who might see it */
#define PAGE_SWITCH_FILE_WRITES 4 /* writes to files: known which ones are mapped shared */
#define PAGE_SWITCH_PATHS 8       /* calls with relative paths: the directory is an ordinary one */
#define PAGE_SWITCH_SIGNALS 16    /* signal masks and dispositions: no signal is pending */
#define PAGE_SWITCH_ALONE 32      /* no other task can run */
#define PAGE_SWITCH_VIRTUAL 64    /* the clock is the virtual one */
#define PAGE_SWITCH_CODE \
    128 /* no code of the space was patched at run time: mprotect, mremap, madvise */
#define PAGE_SWITCH_PIPES 256 /* calls on pipes that nobody waits for */

/* A byte per descriptor of the current task's table: what may be done with it unseen. */
#define RECORDER_FDS 0x70002000
#define RECORDER_FDS_MAX 1024
#define PAGE_FD_FILE 1    /* regular, what it seems: never waits */
#define PAGE_FD_NULL 2    /* a memory device that never waits */
#define PAGE_FD_STREAM 4  /* pipe or socket: waits */
#define PAGE_FD_PIPE 8    /* ... pipe */
#define PAGE_FD_STDOUT 16 /* what is written there is the run's output */
#define PAGE_FD_STDERR 32
#define PAGE_FD_DIRECTORY 64 /* of a file system that is what it seems */
#define PAGE_FD_OTHER 128    /* harmless to close and to duplicate, and that is all */

/* A word more for the first descriptors. Of a file open for writing: its fact's number
 * (blob/facts.h), 0 not looked up; of a directory: 1 + how many entries getdents64 gave, all there
 * were; 0 not read to its end. */
#define RECORDER_FD_INFO 0x70108000
#define RECORDER_FD_INFO_MAX 1024
#define PAGE_INFO_UNIX 1   /* of a PAGE_FD_STREAM: of AF_UNIX; of a pipe: recorder_pipe_id() */
#define PAGE_INFO_EPOLL 2  /* of a PAGE_FD_OTHER */
#define PAGE_INFO_RANDOM 3 /* of a PAGE_FD_OTHER: reads are as getrandom(2) */

#define RECORDER_SCRATCH 0x70110000
#define RECORDER_SCRATCH_SIZE 0x40000
#define RECORDER_FACTS 0x70150000
#define RECORDER_FACTS_SIZE 0x2b0000

/* Dispositions of the current process, 64 of the kernel's struct sigaction (32 bytes each). */
#define RECORDER_ACTIONS 0x70003000
#define RECORDER_ACTION_SIZE 32

#define RECORDER_STACK_BOTTOM 0x70004000
#define RECORDER_STACK_TOP 0x70008000
#define RECORDER_RING 0x70008000
#define RECORDER_RING_SIZE 0x100000

/* A record of the ring: a header of 64 bytes, then segments, each of 16 bytes and its data padded
 * to 8. */
#define RING_SIZE 0   /* uint32: of the whole record */
#define RING_NUMBER 4 /* uint16: of the call */
#define RING_FLAGS 6  /* uint16 */
#define RING_RESULT 8
#define RING_ARGUMENTS 16 /* 6 x uint64 */
#define RING_HEADER 64
#define RING_SEGMENT 16    /* uint64 address, uint32 length, uint32 0 */
#define RING_FLAG_STDOUT 1 /* the first segment is not written anywhere: it is output */
#define RING_FLAG_STDERR 2
#define RING_FLAG_MAPS 4 /* changes the address space: made again in replay */
/* The same call (number and first two arguments) several times, with nothing between: the last
 * segment, at address 0, is how often (uint64). What the first one gave is in the record; the
 * others' time (struct timespec at the second argument; of rdtsc the result, in half ns) is later
 * by what the ticks and calls since then take. */
#define RING_FLAG_RUN 8
#define RING_NUMBER_RDTSC 0xfff0 /* no call: rdtsc or rdtscp; its first argument is where */

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
#define RECORDER_CPUID_SIZE 0x1000

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
 * form. No flags are changed by the blob for a tick.
 *
 * The call protocol. A patch region's stub executes
 *
 *      lea  rcx, [rip + X]
 *      jmp  *[PAGE_ENTRY_CALL]
 *   X: syscall
 *
 * with everything but rcx (which `syscall` destroys) as the program has it. The blob goes on at X
 * with all registers restored: the call is traced. Or it answers it and goes on at X + 2, with rax
 * the result, rcx X + 2 and r11 some flags, as behind a `syscall`. Nothing else tells the two
 * apart.
 */

/* Private system-call numbers of the blob's traced `syscall` (orig_rax at the stop). */
#define BLOB_CALL_TICK 0x52520001
#define BLOB_CALL_ATOMIC 0x52520002
#define BLOB_CALL_CPUID 0x52520003
#define BLOB_CALL_RDTSC 0x52520004
#define BLOB_CALL_RANDOM 0x52520005

#ifndef __ASSEMBLER__
#include <stdint.h>

/* Which pipe a descriptor means, in a word; never 0. Two may share one: that costs a stop. */
static inline uint32_t recorder_pipe_id(uint64_t device, uint64_t inode)
{
    return (uint32_t)(inode * 0x9e3779b1u + device * 0x85ebca77u) | 1;
}
#endif

#endif
