/* Is a patch region occupied? The one place that decides it, from addresses alone (design.md
 * section 5). Pure: whoever asks lists what the address space's tasks and signal frames hold.
 *
 * A region [start, end) is occupied by an address a if start < a < end: control that is, or comes
 * back, to a would execute the middle of what is written. A task contributes its ip; a task in a
 * system call also that call's instruction, since the kernel restarts a call by going back to it
 * (arch/x86/kernel/signal.c, handle_signal(): ip -= 2), and that even where the ip is the region's
 * end; a signal frame that its rt_sigreturn has not popped contributes both. */
#ifndef RECORDER_PATCH_OCCUPANCY_H
#define RECORDER_PATCH_OCCUPANCY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PATCH_SYSCALL_LENGTH 2 /* bytes of the `syscall` instruction */

/* One place to which control is bound. */
struct patch_occupant {
    uint64_t ip;
    uint32_t task;
    bool in_call; /* the instruction before ip is a system call that may be made again */
    bool movable; /* a stopped task outside any call: the recorder can let it go on in the copy */
};

/* For tests that bring old mistakes back (fault.h); 0: none. */
enum patch_blindness {
    PATCH_BLIND_TO_ALL = 1,
    PATCH_BLIND_TO_RESTARTS = 2,
};

/* The first occupant of [start, end) that cannot be moved, or NULL. */
const struct patch_occupant *patch_occupied(const struct patch_occupant *occupants, size_t count,
                                            uint64_t start, uint64_t end, unsigned blindness);
/* Does it stand in the region's middle? */
bool patch_inside(uint64_t address, uint64_t start, uint64_t end);

#endif
