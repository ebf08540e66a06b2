/* The event: one position in one task's life, and everything that has to be applied there in
 * replay. Recording decides; replay applies: an event never says why, only where and what.
 *
 * Order: events are totally ordered by their number (position in the trace). Replay runs the task
 * of the next event until it reaches that event's stop, checks, applies, goes on. A task therefore
 * has an event wherever it stops being the running one. */
#ifndef RECORDER_EVENTS_EVENT_H
#define RECORDER_EVENTS_EVENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/user.h>

#include "recorder/events/patch.h"

enum event_kind {
    EVENT_START,   /* first event of a task (child: state after clone/fork, set by its parent) */
    EVENT_EXEC,    /* the address space was replaced: maps begin with MAP_OP_RESET */
    EVENT_SYSCALL, /* a system call and its result */
    EVENT_ENTRY,   /* a system call was entered and parked; its EVENT_SYSCALL comes later */
    EVENT_INSTRUCTION, /* rdtsc, rdrand, cpuid miss: answered by the recorder */
    EVENT_PREEMPT,     /* stopped at a counted point, then `steps` single steps further */
    EVENT_FAULT,       /* an instruction raised a signal (the frame, if any, is a later event) */
    EVENT_STRAY,       /* control entered a window; continued at the copy */
    EVENT_SIGNAL,      /* a handler frame was pushed while the task was already stopped */
    EVENT_SIGRETURN,   /* rt_sigreturn: whole state incl. extended registers */
    EVENT_EXIT,        /* the task ended (status as wait(2) would say in `status`) */
    EVENT_CHECKSUM,    /* no stop: memory checksum of the task's address space at this point */
    EVENT_END,         /* end of the run; `status` is the run's exit status */
    EVENT_MEMORY,      /* no stop: another task changed this task's memory (process_vm_writev) */
    EVENT_BUFFERED, /* no stop: what the blob's ring (recorder_page.h) is to hold when the task goes
                     * on; maps are what its calls do by themselves */
    EVENT_PATCH, /* no stop: a decision about patching a system call; what it writes, and for a task
                  * that was moved, its registers */
    EVENT_KIND_COUNT
};
const char *event_kind_name(enum event_kind kind); /* "syscall", "preempt", ... */

/* One change of the tracee's memory; data is stored in order of appearance. */
struct event_write {
    uint64_t address;
    uint64_t length;
    const uint8_t *data; /* owned by whoever built the event; valid during encode / until the
                          * reader's next event */
};

enum map_op_kind {
    MAP_OP_RESET,   /* unmap everything but the recorder area */
    MAP_OP_MAP,     /* address, length, prot, flags; file (0: anonymous), offset */
    MAP_OP_UNMAP,   /* address, length */
    MAP_OP_PROTECT, /* address, length, prot */
    MAP_OP_REMAP,   /* address, length -> new_address, new_length (MREMAP_FIXED) */
    MAP_OP_RANGE,   /* CHECKSUM: a range that was summed (none: all writable memory); no change */
    MAP_OP_ADVISE,  /* address, length, prot: the advice of madvise(2) that fork looks at */
    MAP_OP_KIND_COUNT
};
struct map_op {
    enum map_op_kind kind;
    uint64_t address, length;
    uint64_t new_address, new_length;
    uint32_t prot, flags; /* flags: MAP_SHARED/MAP_PRIVATE/MAP_GROWSDOWN as in mmap(2) */
    uint32_t file;        /* index in the trace's file table, 1-based; 0 anonymous */
    uint64_t offset;
};

/* A change of a shared file mapping's backing object that did not go through memory (write(2) to
 * a mapped file, ftruncate): replay applies it to its memfd. */
struct event_file_write {
    uint32_t file;
    uint64_t offset;
    uint64_t length;
    const uint8_t *data; /* NULL: length is the file's new size */
};

struct event_output {
    int stream; /* 0: none, 1: the run's stdout, 2: its stderr */
    const uint8_t *data;
    uint64_t length;
};

struct event {
    enum event_kind kind;
    uint32_t task;   /* the recorder's id: 1, 2, 3... in order of creation; never a tid */
    uint64_t ticks;  /* of this task since its birth, at the stop */
    uint32_t steps;  /* PREEMPT: single steps after the point's trap */
    uint8_t counter; /* PREEMPT: which counter trapped (0 ticks, 1 atomics); 2: none, the steps
                      * begin where the last event left the task */
    /* PREEMPT: how it went on behind these steps: to the next arrival at this address, or 0: one
     * single step */
    const uint64_t *moves;
    size_t move_count;
    uint64_t atomics; /* of this task since its birth, at the stop */

    struct user_regs_struct before; /* registers at the stop; rip may be one of a stub */
    struct user_regs_struct after;  /* registers with which the task goes on */

    /* SYSCALL, ENTRY: before.orig_rax is the number, before.rdi.. the arguments; after.rax the
     * result */
    bool entered;   /* SYSCALL: an ENTRY event for this call came before */
    uint32_t child; /* SYSCALL of the clone family: the new task's id, else 0 */
    uint64_t clone_flags;
    bool detach_result; /* reserved: 0 */
    int32_t signal;     /* FAULT, SIGNAL: number */
    int32_t status;     /* EXIT, END: as wait(2); STRAY: 1 for an int3 that counts a tick */
    uint64_t clock;     /* virtual time in ns, for dump and timelines */
    uint64_t checksum;  /* CHECKSUM: of the memory */

    const uint8_t
        *xstate; /* SIGNAL, SIGRETURN, START: extended state to set (NT_X86_XSTATE), or NULL */
    uint32_t xstate_length;

    struct event_write *writes;
    size_t write_count;
    struct map_op *maps;
    size_t map_count;
    struct event_file_write *file_writes;
    size_t file_write_count;
    struct event_output output;
    struct event_patch patch; /* PATCH */
    const char *note;         /* for dump only (e.g. "futex parked", "injected"); NULL mostly */
};

#endif
