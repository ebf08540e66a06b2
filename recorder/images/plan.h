/* The planner: which runs of instructions become windows, and which points they carry. One planner
 * for every kind of point, since all of them compete for the same bytes. */
#ifndef RECORDER_IMAGES_PLAN_H
#define RECORDER_IMAGES_PLAN_H

#include "recorder/images/flow.h"
#include "recorder/images/image.h"

#define NO_WINDOW UINT32_MAX
#define WINDOW_JUMP 5      /* bytes of the jump that a window becomes */
#define WINDOW_INSNS_MAX 9 /* longer windows gain nothing: they only copy more code */
#define LOOP_INSNS_MAX 96  /* of a loop copied whole */

/* Points before an instruction (struct plan.points). Emulated instructions need no bit: a stub
 * emulates them wherever it meets them. */
enum {
    POINT_TICK = 1,
    POINT_ATOMIC = 2,
    POINT_CALL = 8,   /* this direct call ticks on its way to its target */
    CALL_COVERED = 4, /* no point: a tick comes before every execution of this indirect call */
};

struct window {
    uint32_t first; /* instructions overwritten, inclusive */
    uint32_t last;
    uint32_t body_last; /* last instruction copied: behind `last` when a whole loop is copied */
    uint8_t kind;       /* enum image_point: why it was made */
    bool loop;          /* the copy is a whole loop, closed in the stub */
    bool back_tick;     /* of such a copy: its branches back tick, not its entry */
    bool trap;    /* too short for a jump: an int3, from which the recorder leads to the stub */
    bool edge;    /* a conditional branch or call that stays where it is, led through a
                   * stub that ticks and jumps on to its target; nothing is copied */
    bool dormant; /* a patch region whose jump is written at run time (patching: lazy) */
    /* placement (place.c): */
    uint8_t mask; /* bit n: byte n of the jump was an instruction boundary */
    bool placed;
    uint16_t entry; /* offset in the stub at which the window enters it */
    uint16_t hot_size;
    uint16_t cold_size;
    uint64_t hot;  /* address of the stub */
    uint64_t cold; /* address of its slow paths, 0 if it has none */
};

/* A site that got no window. */
struct refusal {
    uint32_t insn;
    uint8_t site;   /* enum refusal_site */
    uint8_t reason; /* enum refusal_reason */
};

enum refusal_site {
    SITE_LOOP,
    SITE_INDIRECT_JUMP,
    SITE_INDIRECT_CALL,
    SITE_ENTRY,
    SITE_ATOMIC,
    SITE_SPECIAL,
    SITE_CALL,
    SITE_COUNT
};

enum refusal_reason {
    REASON_SHORT,     /* no run of 5 bytes without a target inside */
    REASON_PLACEMENT, /* no stub address makes every boundary trap */
    REASON_UNREACHED, /* not known to be code that is executed */
    REASON_RESTORER,  /* rt_sigreturn: unwinders know a signal frame by these bytes */
    REASON_UNDECODED, /* of a range: a byte in it does not decode */
    REASON_COPIED,    /* of a range: the program copies it */
    REASON_COUNT
};

struct plan {
    struct flow_graph *flow;
    struct code *code;
    struct window *windows;
    size_t window_count;
    size_t window_capacity;
    uint32_t *owner;           /* per instruction: the window it is overwritten by, or NO_WINDOW */
    uint8_t *points;           /* per instruction */
    bool *ticked;              /* per block: passing through it ticks */
    bool *entered;             /* per block: every way into it ticks */
    bool *jump_ticked;         /* per block: its jump ticks when it is taken */
    uint8_t *depth;            /* per block: how many loops it is in */
    struct graph predecessors; /* of blocks */
    bool calls;                /* plan patch regions for system calls */
    bool dormant_calls;        /* ... that are written at run time */
    uint32_t *uncopied;        /* heads of loops that must not be copied whole (loops.c) */
    size_t uncopied_count;
    size_t uncopied_capacity;
    struct refusal *refusals;
    size_t refusal_count;
    size_t refusal_capacity;
    struct image_statistics statistics;
};

/* Plan all windows of the image; options: enum image_option. */
void plan_build(struct flow_graph *flow, uint32_t options, struct plan *ret);
void plan_done(struct plan *plan);

/* The primitives that the kinds of points share (windows.c). */

struct plan_request {
    uint32_t low; /* instructions the window may use */
    uint32_t high;
    uint32_t must;  /* an instruction it must contain, or NO_INSN */
    uint32_t first; /* where it must start, or NO_INSN */
    uint32_t last;  /* where it must end, or NO_INSN */
    uint32_t point; /* where a counter goes: prefer dead flags there; NO_INSN: the first one */
    bool branches;  /* conditional branches may stand before its last instruction */
};
/* The best window that fits the request; false if there is none. */
bool plan_find(const struct plan *plan, const struct plan_request *request, uint32_t *ret_first,
               uint32_t *ret_last);
uint32_t plan_add(struct plan *plan, uint32_t first, uint32_t last, enum image_point kind);
void plan_add_tick(struct plan *plan, uint32_t insn);
void plan_refuse(struct plan *plan, uint32_t insn, enum refusal_site site,
                 enum refusal_reason reason);
/* A window from plan_find() that ticks at its start. */
void plan_add_tick_window(struct plan *plan, uint32_t first, uint32_t last);
/* An instruction that no window can hold becomes int3s, and ticks if that is its kind. False if it
 * cannot be copied. A trap costs microseconds: for what there is no other way to count or to
 * emulate. */
bool plan_trap(struct plan *plan, uint32_t insn, enum image_point kind);
/* Let a direct call tick on its way; false if it cannot. */
bool plan_tick_call(struct plan *plan, uint32_t insn);
/* Get a tick into [low, high] of one block: a call, or a window, the one ending at high first.
 * False if nothing fits. */
bool plan_tick_block(struct plan *plan, uint32_t low, uint32_t high);
/* The same, and windows that reach over conditional branches before the block or behind it, as
 * long as there is no other way in. low must be the block's first instruction. */
bool plan_tick_path(struct plan *plan, uint32_t low, uint32_t high);
/* The same, and in all blocks that lead into this one, if only known ones do. */
bool plan_tick_before(struct plan *plan, uint32_t low, uint32_t high, int depth);
/* Let the branch that ends a block tick when it is taken; false if it cannot. */
bool plan_tick_edge(struct plan *plan, uint32_t block);
/* Does the straight line up to an instruction tick, or every way into it, or its own call? */
bool plan_ticked_before(const struct plan *plan, uint32_t insn);

/* The kinds, in the order in which they are planned. */
void plan_specials(struct plan *plan);       /* kinds.c */
void plan_calls(struct plan *plan);          /* kinds.c */
void plan_indirect_jumps(struct plan *plan); /* kinds.c */
void plan_indirect_calls(struct plan *plan); /* kinds.c */
void plan_loops(struct plan *plan);          /* loops.c */
void plan_recursion(struct plan *plan);      /* recursion.c */
void plan_last_loops(struct plan *plan);     /* loops.c */
void plan_atomics(struct plan *plan);        /* kinds.c */

#endif
