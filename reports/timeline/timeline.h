/* The timeline of a recorded run: which task executed when, what it waited for, who woke it, and
 * what was done to it, made from a trace alone.
 *
 * There are two axes. `clock` is the run's virtual time in ns, which jumps when all tasks sleep and
 * stands still for calls that cost nothing. `step` counts what happened: every event of the trace
 * is one step, and so is every call of a buffered event, in the order of the run. */
#ifndef REPORTS_TIMELINE_TIMELINE_H
#define REPORTS_TIMELINE_TIMELINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "recorder/base/error.h"

enum timeline_kind {
    TIMELINE_RUN,         /* span: the task executes; detail says why it stopped */
    TIMELINE_WAIT,        /* span: a system call that waits */
    TIMELINE_LOCK,        /* span: a futex wait */
    TIMELINE_CALL,        /* a system call that ended at once */
    TIMELINE_WAKE,        /* futex wake, requeue or unlock, or a task's end that wakes its joiner */
    TIMELINE_PREEMPT,     /* taken off by the scheduler at an instruction */
    TIMELINE_SIGNAL,      /* a handler's frame was pushed; a span if the handler returned */
    TIMELINE_FAULT,       /* an instruction raised a signal */
    TIMELINE_CLONE,       /* a new task or process */
    TIMELINE_EXEC,        /* a new program */
    TIMELINE_EXIT,        /* the task ended */
    TIMELINE_OUTPUT,      /* wrote to the run's stdout or stderr; detail is what */
    TIMELINE_PATCH,       /* a decision about patching a system call */
    TIMELINE_INSTRUCTION, /* rdtsc, rdrand, cpuid: answered by the recorder */
    TIMELINE_STRAY,       /* control entered a rewritten window */
    TIMELINE_END,         /* the end of the run */
    TIMELINE_DENSE,       /* span: many items, merged; detail counts them */
    TIMELINE_KIND_COUNT
};
const char *timeline_kind_name(enum timeline_kind kind); /* "run", "wait", "lock"... */

enum timeline_flag {
    TIMELINE_BUFFERED = 1, /* answered inside the program; the place is not recorded */
    TIMELINE_INJECTED = 2, /* the signal was sent by rrtest */
    TIMELINE_OPEN = 4,     /* still waits at the end of the run */
    TIMELINE_FAILED = 8,   /* the call's result is an error; the task was killed */
    TIMELINE_STDERR = 16,  /* output: to stderr, not stdout */
};

struct timeline_item {
    uint8_t kind;  /* enum timeline_kind */
    uint8_t flags; /* enum timeline_flag */
    uint32_t task; /* index into tasks */
    uint64_t step, step_end;
    uint64_t clock, clock_end;
    uint64_t event; /* number in the trace, as `rrtest dump` shows it; 0: several */
    uint64_t ticks; /* of the task so far */
    uint32_t text;  /* strings[text]: "futex(0x..., FUTEX_WAIT, 2) = 0" */
    uint32_t detail;
    uint32_t place;  /* places[place]: where the task was (run: when it stopped); 0: not recorded */
    uint32_t target; /* places[target]: the handler of a signal; 0 */
    uint32_t cause;  /* 1 + index of the item that let this one begin (run) or end (wait); 0: none
                      * or not known */
};

/* A place in the program. */
struct timeline_place {
    char *function;  /* demangled; NULL: not known */
    uint64_t offset; /* of the address in the function, or in the one that it is inlined into */
    char *file;      /* source file; NULL: not known */
    uint32_t line;
    char *inlined_into; /* NULL: function was not inlined at this place */
    char *module;       /* path of the ELF file; NULL: code that no file backs */
    uint64_t address;   /* in the module's own numbering, else in the program */
};

struct timeline_task {
    uint32_t id;             /* as dump has it: task 1, 2... */
    uint32_t parent;         /* index; of the first task itself */
    uint32_t process;        /* index of the task that leads its process */
    int32_t pid, tid;        /* as the program sees them; 0: not known */
    char *role;              /* "0" the first, "0.2" its second child */
    char *name;              /* comm as far as the trace tells: the program's name */
    uint64_t step, step_end; /* its life */
    uint64_t clock, clock_end;
    bool ended;     /* false: was still there at the end of the run */
    int32_t status; /* as wait(2), if ended */
};

struct timeline {
    char *command; /* for people */
    char *verdict; /* of the trace: "deadlock", "exit 1"...; NULL: not finished */
    char *strategy;
    uint64_t seed;
    struct timeline_task *tasks;
    size_t task_count;
    struct timeline_item *items; /* by step of their beginning */
    size_t item_count;
    char **strings; /* strings[0] is "" */
    size_t string_count;
    struct timeline_place *places; /* places[0]: not known */
    size_t place_count;
    uint64_t steps, clock_end; /* totals: axes run from 0 to these */
    uint64_t events;
    uint64_t merged;      /* items that are in TIMELINE_DENSE ones only */
    uint64_t merged_step; /* up to this step; 0: none */
    char *damage;         /* why there is no more of it: cut or damaged; NULL: whole */
};

/* Read a trace's folder. At most about `limit` items (0: no limit) stand for themselves: the last
 * ones of the run; those before are merged by task and stretch of time. What could be read of a cut
 * or damaged trace is shown, `damage` says so. Errors: those of trace_reader_open(). */
int timeline_read(const char *trace, size_t limit, struct timeline *ret, struct rr_error *error);
void timeline_done(struct timeline *t);

#endif
