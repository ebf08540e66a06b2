/* Points other than loops: emulated instructions, indirect jumps and calls, function entries on
 * cycles of the call graph, atomic instructions and the entries of lock functions. */
#include "recorder/images/plan.h"

#include <string.h>

#include "recorder/images/memory.h"

#define REACH 9 /* instructions to either side that a window may take in */

static uint32_t lower_bound(uint32_t block_first, uint32_t insn)
{
    return insn - block_first > REACH ? insn - REACH : block_first;
}

static uint32_t upper_bound(uint32_t block_last, uint32_t insn)
{
    return block_last - insn > REACH ? insn + REACH : block_last;
}

static enum image_point special_point(uint8_t special)
{
    switch (special) {
    case DECODE_CPUID:
        return IMAGE_POINT_CPUID;
    case DECODE_RDTSC:
    case DECODE_RDTSCP:
        return IMAGE_POINT_RDTSC;
    default:
        return IMAGE_POINT_RANDOM;
    }
}

/* A window around one instruction, inside its block. */
static bool window_around(struct plan *plan, uint32_t insn, enum image_point kind, bool counted,
                          uint32_t *ret_first)
{
    const struct block *block = &plan->flow->blocks[plan->flow->block_of[insn]];
    struct plan_request request = {.low = lower_bound(block->first, insn),
                                   .high = upper_bound(block->last, insn),
                                   .must = insn,
                                   .first = NO_INSN,
                                   .last = NO_INSN,
                                   .counted = counted};
    uint32_t last;

    if (!plan_find(plan, &request, ret_first, &last)) {
        /* A fall-through over conditional branches is still one way in. */
        request.high = insn + REACH < plan->code->count ? insn + REACH : insn;
        request.branches = true;
        if (!plan_find(plan, &request, ret_first, &last))
            return false;
    }
    plan_add(plan, *ret_first, last, kind);
    return true;
}

static enum refusal_reason reason_for(const struct plan *plan, uint32_t insn)
{
    return plan->code->insns[insn].marks & MARK_REACHED ? REASON_SHORT : REASON_UNREACHED;
}

void plan_specials(struct plan *plan)
{
    for (uint32_t k = 0; k < plan->code->count; k++) {
        const struct insn *i = &plan->code->insns[k];
        uint32_t first;

        if (i->special < DECODE_CPUID || i->special > DECODE_RDSEED || plan->owner[k] != NO_WINDOW)
            continue;
        if (!window_around(plan, k, special_point(i->special), false, &first))
            plan_refuse(plan, k, SITE_SPECIAL, reason_for(plan, k));
    }
}

void plan_indirect_jumps(struct plan *plan)
{
    for (uint32_t k = 0; k < plan->code->count; k++) {
        const struct insn *i = &plan->code->insns[k];
        uint32_t low;

        if (i->flow != FLOW_JUMP_INDIRECT || (i->marks & MARK_LINKAGE))
            continue;
        plan->statistics.indirect_jumps++;
        low = plan->flow->blocks[plan->flow->block_of[k]].first;
        if (plan_tick_block(plan, low, k))
            plan->statistics.indirect_jumps_windowed++;
        else
            plan_refuse(plan, k, SITE_INDIRECT_JUMP, reason_for(plan, k));
    }
}

/* Does the straight line up to (not including) an instruction tick? */
static bool ticked_before(const struct plan *plan, uint32_t insn)
{
    uint32_t k = plan->flow->blocks[plan->flow->block_of[insn]].first;

    for (; k < insn; k++)
        if (plan->points[k] & POINT_TICK)
            return true;
    return false;
}

void plan_indirect_calls(struct plan *plan)
{
    for (uint32_t k = 0; k < plan->code->count; k++) {
        const struct insn *i = &plan->code->insns[k];
        uint32_t low;

        if (i->flow != FLOW_CALL_INDIRECT || (i->marks & MARK_LINKAGE))
            continue;
        plan->statistics.indirect_calls++;
        low = plan->flow->blocks[plan->flow->block_of[k]].first;
        if (ticked_before(plan, k) || (k > low && plan_tick_block(plan, low, k - 1)))
            plan->statistics.indirect_calls_windowed++;
    }
}

/* The call graph between functions, as far as no tick cuts it. */
struct calls {
    struct plan *plan;
    struct graph_edge *edges;
    size_t count;
    size_t capacity;
    uint32_t *component;
    bool *self;       /* per function: it calls itself */
    bool *must_enter; /* per function: its entry has to tick */
};

static void add_edge(struct calls *c, uint32_t from, uint32_t to)
{
    if (from == to)
        return;
    c->edges = memory_grow(c->edges, c->count, &c->capacity, sizeof(*c->edges));
    c->edges[c->count++] = (struct graph_edge){from, to};
}

static uint32_t function_of(const struct plan *plan, uint32_t insn)
{
    return plan->flow->blocks[plan->flow->block_of[insn]].function;
}

static bool is_call(const struct insn *i)
{
    return (i->flow == FLOW_CALL || i->flow == FLOW_CALL_INDIRECT) && i->target != NO_INSN;
}

static void block_edges(struct calls *c, uint32_t b)
{
    const struct flow_graph *flow = c->plan->flow;
    const struct block *block = &flow->blocks[b];
    bool ticked = false;

    for (uint32_t k = block->first; k <= block->last; k++) {
        const struct insn *i = &c->plan->code->insns[k];

        ticked = ticked || (c->plan->points[k] & POINT_TICK);
        if (is_call(i) && !ticked) {
            add_edge(c, block->function, function_of(c->plan, i->target));
            if (block->function == function_of(c->plan, i->target))
                c->self[block->function] = true;
        }
    }
    if (ticked)
        return;
    if (block->next != NO_BLOCK)
        add_edge(c, block->function, flow->blocks[block->next].function);
    if (block->jump != NO_BLOCK)
        add_edge(c, block->function, flow->blocks[block->jump].function);
}

static bool recursive_call(const struct calls *c, uint32_t insn)
{
    const struct insn *i = &c->plan->code->insns[insn];
    uint32_t from, to;

    if (!is_call(i) || ticked_before(c->plan, insn))
        return false;
    from = function_of(c->plan, insn);
    to = function_of(c->plan, i->target);
    return c->component[from] == c->component[to] && (from != to || c->self[from]);
}

/* A call through a pointer without a tick before it: whoever recurses through it passes the entry
 * of its function again. Parts of a function that live elsewhere (.cold) are entered by jumps, so
 * the functions that jump there have to tick as well. */
static void enter_for_indirect_calls(struct calls *c)
{
    const struct flow_graph *flow = c->plan->flow;
    bool changed = true;

    for (uint32_t k = 0; k < c->plan->code->count; k++) {
        const struct insn *i = &c->plan->code->insns[k];

        if (i->flow == FLOW_CALL_INDIRECT && !(i->marks & MARK_LINKAGE) &&
            !ticked_before(c->plan, k))
            c->must_enter[function_of(c->plan, k)] = true;
    }
    while (changed) {
        changed = false;
        for (uint32_t b = 0; b < flow->block_count; b++) {
            const struct block *block = &flow->blocks[b];
            uint32_t to = block->jump == NO_BLOCK ? block->next : block->jump;

            if (to == NO_BLOCK || !c->must_enter[flow->blocks[to].function] ||
                c->must_enter[block->function] || c->plan->ticked[b])
                continue;
            if (flow->function_entry[flow->blocks[to].function] == to &&
                (c->plan->code->insns[flow->blocks[to].first].marks & MARK_CALLED))
                continue; /* a tail call: passes the entry itself */
            c->must_enter[block->function] = changed = true;
        }
    }
}

/* A tick in the first block of a function, before anything is called. */
static bool tick_entry(struct plan *plan, uint32_t function)
{
    const struct flow_graph *flow = plan->flow;
    const struct block *block = &flow->blocks[flow->function_entry[function]];
    struct plan_request request = {.low = block->first,
                                   .high = upper_bound(block->last, block->first),
                                   .must = NO_INSN,
                                   .first = block->first,
                                   .last = NO_INSN,
                                   .counted = true};
    uint32_t first, last, high = block->first;

    if (plan->points[block->first] & POINT_TICK)
        return true;
    if (plan->owner[block->first] != NO_WINDOW &&
        plan->windows[plan->owner[block->first]].first == block->first) {
        plan_add_tick(plan, block->first);
        return true;
    }
    if (plan_find(plan, &request, &first, &last)) {
        plan_add(plan, first, last, IMAGE_POINT_TICK);
        plan_add_tick(plan, first);
        return true;
    }
    while (high < block->last && plan->code->insns[high].flow != FLOW_CALL &&
           plan->code->insns[high].flow != FLOW_CALL_INDIRECT)
        high++;
    return plan_tick_block(plan, block->first, high);
}

/* Without room at the entry, the recursive calls of the function tick before they are made. */
static bool tick_callers(struct calls *c, uint32_t function)
{
    bool all = true;

    for (uint32_t k = 0; k < c->plan->code->count; k++) {
        uint32_t low = c->plan->flow->blocks[c->plan->flow->block_of[k]].first;

        if (recursive_call(c, k) &&
            function_of(c->plan, c->plan->code->insns[k].target) == function)
            all = all && k > low && plan_tick_block(c->plan, low, k - 1);
    }
    return all;
}

void plan_entries(struct plan *plan)
{
    const struct flow_graph *flow = plan->flow;
    struct calls c = {
        .plan = plan,
        .component = memory_zeroed(flow->function_count, sizeof(uint32_t)),
        .self = memory_zeroed(flow->function_count, sizeof(bool)),
        .must_enter = memory_zeroed(flow->function_count, sizeof(bool)),
    };
    struct graph graph;

    for (uint32_t b = 0; b < flow->block_count; b++)
        block_edges(&c, b);
    graph_build(flow->function_count, c.edges, c.count, &graph);
    graph_components(&graph, NULL, c.component);
    graph_done(&graph);
    enter_for_indirect_calls(&c);
    for (uint32_t k = 0; k < plan->code->count; k++)
        if (recursive_call(&c, k))
            c.must_enter[function_of(plan, plan->code->insns[k].target)] = true;
    for (uint32_t f = 0; f < flow->function_count; f++) {
        uint32_t entry = flow->blocks[flow->function_entry[f]].first;

        if (!c.must_enter[f])
            continue;
        if (tick_entry(plan, f) || tick_callers(&c, f))
            plan->statistics.entries++;
        else
            plan_refuse(plan, entry, SITE_ENTRY, reason_for(plan, entry));
    }
    free(c.edges);
    free(c.component);
    free(c.self);
    free(c.must_enter);
}

void plan_atomics(struct plan *plan)
{
    for (uint32_t k = 0; k < plan->code->count; k++) {
        const struct insn *i = &plan->code->insns[k];
        uint32_t first = k;

        if (i->special != DECODE_ATOMIC && !(i->marks & MARK_SYNC))
            continue;
        if (plan->owner[k] == NO_WINDOW &&
            !window_around(plan, k, IMAGE_POINT_ATOMIC, true, &first)) {
            plan_refuse(plan, k, SITE_ATOMIC, reason_for(plan, k));
            continue;
        }
        plan->points[k] |= POINT_ATOMIC;
    }
}
