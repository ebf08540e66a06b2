/* Walks: a stopped task goes on by some instructions, to the place that its slice asks for. A
 * single step costs several times what a stop does, so the way is read from the code and run
 * through, from one branch that only the task's registers decide to the next.
 *
 * The moves of a walk are the position's part behind the counted point (events/event.h). */
#ifndef RECORDER_RECORD_WALK_H
#define RECORDER_RECORD_WALK_H

#include "recorder/record/session.h"

/* Walk t on, at most to a barrier (what enters the kernel, what traps), and set the reason of the
 * decision that follows. If another stop comes on the way it is handled, and t may be gone. */
void walk(struct session *s, struct task *t);
/* Single-step t out of stub and blob instructions that have no original address. False: another
 * stop came, and was handled. */
bool walk_step_out(struct session *s, struct task *t);

/* Moves start anew: t stands behind a point of this class, or where the last event left it (2). */
void walk_begin(struct task *t, int counter);
/* The steps and moves since then, for e; they live as long as t makes none. */
void walk_position(const struct task *t, struct event *e);
void walk_task_free(struct task *t);

#endif
