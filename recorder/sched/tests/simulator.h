/* A machine of a few instructions for small multithreaded programs, driven by a scheduler as the
 * recorder drives it: slices in ticks and atomics, a trap at a point, steps behind it, a decision
 * at every system call. */
#ifndef RECORDER_SCHED_TESTS_SIMULATOR_H
#define RECORDER_SCHED_TESTS_SIMULATOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "recorder/sched/sched.h"

#define SIMULATOR_TASKS 40
#define SIMULATOR_WORDS 32
#define SIMULATOR_REGISTERS 4
#define SIMULATOR_OUTPUT 64

enum op_kind {
    OP_NOP,    /* `a` plain instructions; c: of the library */
    OP_TICK,   /* a counted point of class tick; c: of the library */
    OP_SET,    /* r[a] = b */
    OP_ADD,    /* r[a] += b */
    OP_LOAD,   /* r[a] = m[b] */
    OP_STORE,  /* m[b] = r[a] */
    OP_LOADX,  /* r[a] = m[b + r[a]] */
    OP_STOREX, /* m[b + r[c]] = r[a] */
    OP_JUMP,   /* by a, relative */
    OP_JZERO,  /* if r[a] == 0, by b */
    OP_LOOP,   /* if --r[a] > 0, by b; a backward branch: a tick */
    OP_SPIN,   /* while m[a] == 0: one tick a round */
    OP_XADD,   /* atomic: m[a] += b; c: of the library */
    OP_CAS,    /* atomic: if m[a] == r[b] then m[a] = r[c] and r[b] = 1 else r[b] = 0 */
    OP_NOTE,   /* append a to the output */
    OP_FAIL,   /* if r[a] == b: the bug has shown */
    OP_LOCK,   /* atomic; a futex wait when taken */
    OP_UNLOCK, /* atomic; a futex wake when somebody waits */
    OP_CALL,   /* a system call */
    OP_YIELD,
    OP_WAIT,   /* system call: wait on m[a] until a wake */
    OP_WAKE,   /* system call: wake one waiter on m[a] */
    OP_SLEEP,  /* system call: a microseconds */
    OP_CREATE, /* system call: a task running program a; r[b] = its number */
    OP_JOIN,   /* system call: until task r[a] has exited */
    OP_PRINT,  /* system call: append a to the output */
    OP_EXIT,
};

#define LIBRARY 1

struct op {
    enum op_kind kind;
    int a, b, c;
};

struct program {
    const char *name;
    const struct op *const *code; /* by program number; 0 is the first task's */
    bool deadlock_is_the_bug;
    int found_at_least; /* by random in 1000 runs: half of what it was when the law was settled */
};

enum outcome { OUTCOME_PASS, OUTCOME_BUG, OUTCOME_DEADLOCK, OUTCOME_ENDLESS };

struct simulation {
    enum outcome outcome;
    char output[SIMULATOR_OUTPUT];
    size_t output_length;
    uint64_t digest;
    uint64_t traps; /* slice ends */
    uint64_t waits; /* decisions that nobody may run */
    uint64_t switches;
    uint64_t points;       /* ticks and atomics in all */
    uint64_t longest_wait; /* points passed by others while one task could run and did not */
    struct sched_length learned;
};

void simulate(const struct program *program, enum sched_strategy strategy, uint64_t seed,
              const struct sched_length *length, struct simulation *ret);

#endif
