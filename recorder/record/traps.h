/* Stops that are not system calls: counted points, emulated instructions, faults, stray entries. */
#ifndef RECORDER_RECORD_TRAPS_H
#define RECORDER_RECORD_TRAPS_H

#include "recorder/images/image.h"
#include "recorder/record/session.h"

/* A seccomp stop inside the blob? True: it was handled. */
bool traps_handle_blob(struct session *s, struct task *t);
/* A signal-delivery stop: stray entry, fault of an instruction, or a signal from outside. */
void traps_handle_signal(struct session *s, struct task *t, int signal);
/* The address the program would see for a task that stands at t->regs.rip. *ret_exact false: in the
 * middle of a stub's own instructions. */
uint64_t traps_original_ip(struct task *t, bool *ret_exact);
/* Does the program see this address as it is, or, in a stub, as one of its own? `where` is its. */
bool traps_is_exact(uint64_t address, const struct image_where *where);
/* Where to continue for an address the program set (an interior one goes to its copy). */
uint64_t traps_continue_ip(struct task *t, uint64_t ip);
/* Walk on from where the last event left the task (behind a system call), as its slice asks for;
 * the slice is over then. */
void traps_walk_here(struct session *s, struct task *t);
/* From the blob's stop for a counter to where the task goes on: its registers as if it had not been
 * there. */
void traps_leave_counter(struct session *s, struct task *t);

#endif
