/* rdtsc, rdtscp and cpuid where no window answers them (code made at run time, images that could
 * not be rewritten, bytes that nothing says are code): where the processor can trap them, they do,
 * and traps.c answers. */
#ifndef RECORDER_RECORD_INSTRUCTIONS_H
#define RECORDER_RECORD_INSTRUCTIONS_H

#include "recorder/record/session.h"

/* A fresh program: add what makes its rdtsc trap to the batch of remote calls. */
void instructions_exec(struct session *s, struct task *t, struct tracee_batch *batch);
/* Before the task goes on: if there is code without windows in its space, its cpuid traps from now
 * on. */
void instructions_guard(struct session *s, struct task *t);

#endif
