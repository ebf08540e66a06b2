/* The scheduling policy: which task runs next and how far. Pure: no tracee, no clock of its own;
 * everything random comes from the seed. One object per run, one thread.
 *
 * The recorder tells it what happens and asks it at every decision; tasks are the recorder's ids
 * (1, 2, 3...). Strategies are rows of a table (strategy.h inside this folder). */
#ifndef RECORDER_SCHED_SCHED_H
#define RECORDER_SCHED_SCHED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sched;

enum sched_strategy {
    SCHED_ROUND_ROBIN, /* default D of strategies.md: no randomness */
    SCHED_RANDOM,      /* strategies.md 2.2, scaled to the test's length */
    SCHED_STRATEGY_COUNT
};
const char *sched_strategy_name(enum sched_strategy strategy);
int sched_strategy_by_name(const char *name); /* -1: unknown ("auto" is the runner's business) */

/* What earlier runs of the same test taught; frozen for a session. Zeros: unknown. */
struct sched_length {
    uint64_t ticks; /* of all tasks while two or more were runnable */
    uint64_t atomics;
    uint64_t calls;
    uint64_t virtual_ns;
};

struct sched *sched_new(enum sched_strategy strategy, uint64_t seed,
                        const struct sched_length *length);
void sched_free(struct sched *s);

/* Tasks come and go. parent 0: the first task. */
void sched_task_new(struct sched *s, uint32_t task, uint32_t parent);
void sched_task_exit(struct sched *s, uint32_t task);

/* Why a decision is asked for. */
enum sched_reason {
    SCHED_SLICE_END, /* the current task's slice trapped */
    SCHED_CALL,      /* the current task made a system call and can go on */
    SCHED_YIELD,     /* it yielded (sched_yield, pause-like, nanosleep 0) */
    SCHED_BLOCKED,   /* it cannot go on */
    SCHED_EXITED,
    SCHED_NEW_TASK, /* it created a task; both can run */
    SCHED_WOKE,     /* it woke another task */
    SCHED_MISSED,   /* as SLICE_END, but the walk of a slice with `own` ended in other code */
};

/* Pick one of runnable[0..count), count >= 1; current is 0 or a task id (maybe not runnable).
 * now_ns: virtual time. Fairness for spinning threads is applied here (strategies.md section 2).
 * Returns the chosen id, or 0 with *ret_wait_ns > 0: nobody may run until the virtual clock has
 * advanced by that much (a high-only interval with only LOW tasks): the caller jumps the clock. */
uint32_t sched_choose(struct sched *s, enum sched_reason reason, const uint32_t *runnable,
                      size_t count, uint32_t current, uint64_t now_ns, uint64_t *ret_wait_ns);

/* How far the chosen task may run before the next decision. UINT64_MAX: no limit of that kind. */
struct sched_slice {
    uint64_t ticks;    /* counted points of class tick, >= 0: 0 traps at the next point */
    uint64_t atomics;  /* class atomic */
    uint32_t steps;    /* after the trap: instructions to walk on (place within a straight line) */
    uint32_t accesses; /* not 0: stop earlier, before the n-th instruction on the way that accesses
                        * memory otherwise than by rsp or rbp: what other tasks may see */
    bool own;  /* count steps and accesses in the program's own code alone (not in the C library
                * and its like); what is walked through before that has a limit of 300 */
    bool here; /* walk `steps` from where the task stands (behind a system call), then the slice is
                * over; when that can't be done, ticks and atomics hold instead */
    uint64_t calls; /* system calls until one is a decision, which counts, so >= 1. Those before it
                     * are none, unless they block, wake, make or end a task */
};
/* To be asked after every sched_choose(): gives what is left of the task's slice, or a fresh one.
 * (A slice goes on over system calls, but not when the task was alone at the last decision and is
 * not any more: who keeps it then is never preempted.) others_runnable: number of other runnable
 * tasks (0: nothing to decide, limits are fairness-free but finite so that signals and clocks are
 * looked at: at most 50 million ticks). A limit that the recorder lowers itself (to deliver a
 * signal) costs nothing: what was left goes on. */
struct sched_slice sched_slice(struct sched *s, uint32_t task, size_t others_runnable);
/* Account for what a task really ran; before the sched_choose() that follows it. calls: system
 * calls made in it; if 0 is always given, each decision with a reason that is a call counts one. */
void sched_ran(struct sched *s, uint32_t task, uint64_t ticks, uint64_t atomics, uint64_t calls);

/* Index in 0..count-1 of the futex waiter (or other equal candidate) to wake first. */
size_t sched_pick_waiter(struct sched *s, size_t count);
/* What was learned, for the next session. */
void sched_learned(const struct sched *s, struct sched_length *ret);
/* Digest of all decisions so far (schedule_digest): the switches, each with the
 * ticks, atomics and calls of the task that was left. */
uint64_t sched_digest(const struct sched *s);

#endif
