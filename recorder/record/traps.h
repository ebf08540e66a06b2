/* Stops that are not system calls: counted points, emulated instructions, faults, stray entries. */
#ifndef RECORDER_RECORD_TRAPS_H
#define RECORDER_RECORD_TRAPS_H

#include "recorder/record/session.h"

/* A seccomp stop inside the blob? True: it was handled. */
bool traps_handle_blob(struct session *s, struct task *t);
/* A signal-delivery stop: stray entry, fault of an instruction, or a signal from outside. */
void traps_handle_signal(struct session *s, struct task *t, int signal);
/* The address the program would see for a task that stands at t->regs.rip. *ret_exact false: in the
 * middle of a stub's own instructions. */
uint64_t traps_original_ip(struct task *t, bool *ret_exact);
/* Where to continue for an address the program set (an interior one goes to its copy). */
uint64_t traps_continue_ip(struct task *t, uint64_t ip);
/* Single-step out of stub and blob instructions that have no original address. */
/* Walk on from where the last event left the task (behind a system call), as its slice asks for;
 * the slice is over then. */
void traps_walk_here(struct session *s, struct task *t);
bool traps_step_out(struct session *s, struct task *t);

#endif
