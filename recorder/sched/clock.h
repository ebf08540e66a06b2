/* The virtual clock and its deadlines. Time moves with counted work and jumps when all sleep.
 * Pure; one object per run. */
#ifndef RECORDER_SCHED_CLOCK_H
#define RECORDER_SCHED_CLOCK_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "include/rrtest/recorder_page.h"

#define CLOCK_NS_PER_TICK RECORDER_NS_PER_TICK
#define CLOCK_NS_PER_CALL RECORDER_NS_PER_CALL
/* CLOCK_MONOTONIC, BOOTTIME and their kin at virtual time 0: some programs take 0 for "not set",
 * and subtract from what they read. Constant: part of "same". */
#define CLOCK_MONOTONIC_START_NS ((uint64_t)RECORDER_MONOTONIC_START)
#define CLOCK_NEVER UINT64_MAX /* a deadline that no jump reaches */

struct virtual_clock;
/* realtime_ns: what CLOCK_REALTIME says at virtual time 0 (a constant of the run: part of "same").
 */
struct virtual_clock *clock_new(uint64_t realtime_ns);
void clock_free(struct virtual_clock *c);
uint64_t clock_now(const struct virtual_clock *c);        /* ns since the run began (monotonic) */
void clock_advance(struct virtual_clock *c, uint64_t ns); /* by work */
void clock_jump(struct virtual_clock *c, uint64_t to_ns); /* never backwards */
/* CLOCK_REALTIME at virtual time 0, as the program has set it. */
uint64_t clock_epoch(const struct virtual_clock *c);

/* Value of clockid (CLOCK_REALTIME, MONOTONIC, BOOTTIME, TAI, *_COARSE, *_RAW, *_ALARM); process
 * and thread CPU clocks: pass the task's consumed ns in cpu_ns. -EINVAL: unknown clock. */
int clock_read(const struct virtual_clock *c, clockid_t id, uint64_t cpu_ns, struct timespec *ret);
int clock_resolution(clockid_t id, struct timespec *ret);
/* clock_settime/settimeofday/adjtimex by the program: realtime offset within the run. */
void clock_set_realtime(struct virtual_clock *c, uint64_t realtime_ns);
/* An absolute time on `id` as virtual ns (for TIMER_ABSTIME and futex). Past: <= clock_now; beyond
 * what the kernel can count: CLOCK_NEVER. -EINVAL: CPU clocks, bad tv_nsec. Deadlines already
 * converted do not follow clock_set_realtime(). */
int clock_to_virtual(const struct virtual_clock *c, clockid_t id, const struct timespec *absolute,
                     uint64_t *ret_ns);

/* Deadlines: a small ordered set. Owner and cookie are the caller's. */
struct clock_deadline {
    uint64_t at_ns;
    uint64_t owner;  /* task id, process id, timer object... */
    uint64_t cookie; /* what it is for */
};
void clock_deadline_add(struct virtual_clock *c, struct clock_deadline d);
/* Remove all with this owner and cookie. */
void clock_deadline_remove(struct virtual_clock *c, uint64_t owner, uint64_t cookie);
/* Earliest; false: none. Ties: order of adding. */
bool clock_deadline_next(const struct virtual_clock *c, struct clock_deadline *ret);
/* Pop the earliest if it is due (at_ns <= now). */
bool clock_deadline_pop_due(struct virtual_clock *c, struct clock_deadline *ret);

/* Timers of POSIX and itimer kind: next expiry and overrun arithmetic. */
struct clock_timer {
    uint64_t next_ns;     /* 0: disarmed */
    uint64_t interval_ns; /* 0: one shot */
};
/* Expirations up to now; advances next_ns past now (0 if one shot). */
uint64_t clock_timer_expire(struct clock_timer *t, uint64_t now_ns);

#endif
