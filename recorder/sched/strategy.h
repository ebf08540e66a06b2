/* What strategies share inside this folder: the scheduler's state, the row that a strategy is, and
 * the laws that random strategies draw from. Not for other folders. */
#ifndef RECORDER_SCHED_STRATEGY_H
#define RECORDER_SCHED_STRATEGY_H

#include "recorder/base/random.h"
#include "recorder/sched/sched.h"

/* Classes of counted events (design.md section 2). */
enum event_class { EVENT_TICK, EVENT_ATOMIC, EVENT_CALL, EVENT_CLASS_COUNT };

/* Of a change point: an event of any class; an arrival in the program's own code. */
#define EVENT_ANY EVENT_CLASS_COUNT
#define EVENT_OWN (EVENT_CLASS_COUNT + 1)

#define SLICE_TICKS_MAX 50000000ull /* even alone: signals and clocks are looked at */
#define SCHED_UNLIMITED UINT64_MAX

enum chaos_priority { CHAOS_HIGH, CHAOS_MEDIUM, CHAOS_LOW };

struct sched_task {
    uint32_t id; /* 0: gone */
    uint32_t parent;
    uint64_t seen;          /* number of the last decision at which it was runnable */
    bool penalised;         /* spun or yielded: below the others once */
    bool held;              /* by the strategy: below the others, but above penalised ones */
    bool due;               /* its fairness limit is over: others come at its next call */
    bool behind_call;       /* stands directly behind a system call (or its birth) */
    uint64_t waiting_since; /* order number; smaller: has waited longer */
    uint64_t turns;         /* fairness limits reached in a row without a call */
    uint64_t quiet_ticks;   /* ticks since its last call or fairness limit */
    uint64_t turn_calls;    /* calls since it was last penalised or switched to */
    uint64_t total[EVENT_CLASS_COUNT];
    uint64_t counted[EVENT_CLASS_COUNT]; /* while there was a choice */
    /* owned by the strategy */
    int64_t rank;
    enum chaos_priority priority;
    bool steady; /* never preempted but for fairness */
    unsigned change_class;
    uint64_t change_at; /* value of counted[change_class], of EVENT_OWN how many more to let pass;
                         * SCHED_UNLIMITED: none */
    unsigned tries;     /* EVENT_OWN: walks made */
    bool change_here;   /* a few steps on: the point is behind the call just made */
};

struct decision {
    enum sched_reason reason;
    bool trapped; /* SLICE_END or MISSED: not at a call */
    bool change;  /* trapped, and not for fairness alone: the strategy's own limit was reached */
    bool called;  /* at the call at which the slice's limit of calls was reached */
    struct sched_task *current; /* NULL: none, or it is not a candidate */
    /* Runnable, not penalised, not held; never empty; in the order they were given. */
    struct sched_task **candidates;
    size_t count;
    uint64_t now_ns;
};

struct strategy {
    const char *name;
    void (*begin)(struct sched *s);
    void (*task_new)(struct sched *s, struct sched_task *t);
    /* NULL: nobody may run for *ret_wait_ns. */
    struct sched_task *(*choose)(struct sched *s, const struct decision *d, uint64_t *ret_wait_ns);
    /* A fresh slice while others can run; *slice holds no limits. */
    void (*slice)(struct sched *s, struct sched_task *t, struct sched_slice *slice);
    uint64_t fair_ticks;     /* first fairness limit: ticks while others can run */
    uint64_t fair_ticks_max; /* it doubles up to this */
    bool fair_calls;         /* so does a number of calls in a row; else looked at when one stops */
};

extern const struct strategy strategy_round_robin, strategy_random;
/* Flavours of random: one is drawn per run. */
extern const struct strategy strategy_chaos, strategy_walk, strategy_points;

struct chaos_state {
    uint64_t ticks; /* L */
    uint64_t atomics;
    uint64_t span_ns; /* T */
    bool absolute;    /* rr's own intervals */
    uint64_t redraw_at;
    uint64_t interval_ns; /* D': length of a high-only interval */
    uint64_t interval_start;
    uint64_t interval_redraw_at;
};

struct walk_state {
    uint64_t mean[EVENT_CLASS_COUNT]; /* 0: never for this class */
    uint64_t quiet_ticks;             /* no preemption before so many counted ticks */
    uint64_t hold;                    /* of 4: how often the preempted task is held back */
    uint64_t changes;
    uint64_t child_first; /* of 4 */
    uint64_t steady;      /* of 8: a task is never preempted, so that the others' places last */
};

struct points_state {
    uint64_t chance; /* of 8: a task gets a change point */
    uint64_t own;    /* of 8: a point is sought in the program's own code */
    uint64_t any;    /* of 8: it counts events of any class, each of which costs a stop */
    uint64_t any_reach;
    uint64_t again;     /* of 8: and another one after it */
    unsigned reach;     /* log2 of how far local points lie */
    uint64_t global[3]; /* over all tasks, when the length is known; sorted is not needed */
    enum event_class global_class[3];
    size_t global_count;
    int64_t lowest;
};

struct sched {
    const struct strategy *row;
    struct sched_length length;
    struct sched_length learned;
    struct random_stream random[RANDOM_PURPOSE_COUNT];
    struct sched_task *tasks; /* live ones, in order of creation */
    size_t task_count;
    size_t task_capacity;
    struct sched_task **candidates; /* room for all tasks */
    uint32_t running;               /* chosen last; 0: none */
    uint64_t order;
    uint64_t decisions;
    uint64_t own_walks;  /* slices that ended, or were to end, in the program's own code */
    bool waited;         /* the last decision was that nobody may run */
    bool calls_reported; /* sched_ran() is told about calls; else each decision counts one */
    bool choice;         /* two or more could run at the last decision */
    uint64_t digest;
    struct {
        uint32_t task; /* 0: none */
        bool alone;
        bool fairness; /* the tick limit is the fairness one */
        bool calls;    /* its task has made one */
        struct sched_slice left;
    } slice;
    union {
        struct chaos_state chaos;
        struct walk_state walk;
        struct points_state points;
    } u;
    uint64_t counted[EVENT_CLASS_COUNT]; /* by all tasks, while there was a choice */
    uint64_t here_chance;                /* of 16: a slice walks on from behind a call */
    bool random_wake;
};

static inline struct random_stream *stream(struct sched *s, enum random_purpose purpose)
{
    return &s->random[purpose];
}

/* 2^0 .. 2^(bits+1) - 1, each power of two equally likely. */
uint64_t law_log_uniform(struct random_stream *r, unsigned bits);
/* Exponential with this mean, rounded down. */
uint64_t law_geometric(struct random_stream *r, uint64_t mean);
/* How far to walk on from a point of this class, or from where the task stands (EVENT_CALL). */
void law_place(struct random_stream *r, enum event_class class, struct sched_slice *slice);
/* A place in the program's own code. */
void law_own_place(struct random_stream *r, struct sched_slice *slice);
/* Uniform over the candidates; `except` may be NULL and is taken only if there is no other. */
struct sched_task *law_candidate(struct sched *s, const struct decision *d,
                                 const struct sched_task *except);

#endif
