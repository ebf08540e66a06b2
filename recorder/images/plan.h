/* The planner: which runs of instructions become windows, and which points they carry. One planner
 * for every kind of point, since all of them compete for the same bytes. */
#ifndef RECORDER_IMAGES_PLAN_H
#define RECORDER_IMAGES_PLAN_H

#include "recorder/images/flow.h"
#include "recorder/images/image.h"

#define NO_WINDOW UINT32_MAX
#define WINDOW_JUMP 5     /* bytes of the jump that a window becomes */
#define LOOP_INSNS_MAX 96 /* of a loop copied whole */

/* Points before an instruction (struct plan.points). Emulated instructions need no bit: a stub
 * emulates them wherever it meets them. */
enum {
    POINT_TICK = 1,
    POINT_ATOMIC = 2,
};

struct window {
    uint32_t first; /* instructions overwritten, inclusive */
    uint32_t last;
    uint32_t body_last; /* last instruction copied: behind `last` when a whole loop is copied */
    uint8_t kind;       /* enum image_point: why it was made */
    bool loop;          /* the copy is a whole loop, closed in the stub */
    /* placement (place.c): */
    uint8_t mask; /* bit n: byte n of the jump was an instruction boundary */
    bool placed;
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
    SITE_COUNT
};

enum refusal_reason {
    REASON_SHORT,     /* no run of 5 bytes without a target inside */
    REASON_PLACEMENT, /* no stub address makes every boundary trap */
    REASON_UNREACHED, /* not known to be code that is executed */
    REASON_COUNT
};

struct plan {
    struct flow_graph *flow;
    struct code *code;
    struct window *windows;
    size_t window_count;
    size_t window_capacity;
    uint32_t *owner; /* per instruction: the window it is overwritten by, or NO_WINDOW */
    uint8_t *points; /* per instruction */
    bool *ticked;    /* per block: passing through it ticks */
    struct refusal *refusals;
    size_t refusal_count;
    size_t refusal_capacity;
    struct image_statistics statistics;
};

/* Plan all windows of the image. */
void plan_build(struct flow_graph *flow, struct plan *ret);
void plan_done(struct plan *plan);

/* The primitives that the kinds of points share (windows.c). */

struct plan_request {
    uint32_t low; /* instructions the window may use */
    uint32_t high;
    uint32_t must;  /* an instruction it must contain, or NO_INSN */
    uint32_t first; /* where it must start, or NO_INSN */
    uint32_t last;  /* where it must end, or NO_INSN */
    bool counted;   /* a counter goes before `must` or the first instruction: prefer dead flags */
    bool branches;  /* conditional branches may stand before its last instruction */
};
/* The best window that fits the request; false if there is none. */
bool plan_find(const struct plan *plan, const struct plan_request *request, uint32_t *ret_first,
               uint32_t *ret_last);
uint32_t plan_add(struct plan *plan, uint32_t first, uint32_t last, enum image_point kind);
void plan_add_tick(struct plan *plan, uint32_t insn);
void plan_refuse(struct plan *plan, uint32_t insn, enum refusal_site site,
                 enum refusal_reason reason);
/* Get a tick into the block: a window in [low, high] of it, the one ending at high first.
 * False if nothing fits. */
bool plan_tick_block(struct plan *plan, uint32_t low, uint32_t high);

/* The kinds (kinds.c, loops.c), in the order in which they are planned. */
void plan_specials(struct plan *plan);
void plan_indirect_jumps(struct plan *plan);
void plan_indirect_calls(struct plan *plan);
void plan_loops(struct plan *plan);
void plan_entries(struct plan *plan);
void plan_atomics(struct plan *plan);

#endif
