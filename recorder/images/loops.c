/* Ticks of loops: every cycle of the control-flow graph that no other tick cuts. */
#include "recorder/images/plan.h"

#include <string.h>

#include "recorder/images/memory.h"

#define LOOP_COPY_BYTES 1000

/* A branch back, from instruction `from` to `to` <= from. */
struct back_edge {
    uint32_t from;
    uint32_t to;
    bool innermost;
};

struct loops {
    struct plan *plan;
    struct graph graph; /* of blocks */
    uint32_t *component;
    struct back_edge *edges;
    size_t count;
    size_t capacity;
};

static void build_graph(struct loops *l)
{
    const struct flow_graph *flow = l->plan->flow;
    struct graph_edge *edges = memory_zeroed(2ul * flow->block_count, sizeof(*edges));
    size_t count = 0;

    for (uint32_t b = 0; b < flow->block_count; b++) {
        if (flow->blocks[b].next != NO_BLOCK)
            edges[count++] = (struct graph_edge){b, flow->blocks[b].next};
        if (flow->blocks[b].jump != NO_BLOCK)
            edges[count++] = (struct graph_edge){b, flow->blocks[b].jump};
    }
    graph_build(flow->block_count, edges, count, &l->graph);
    free(edges);
}

static bool closes_cycle(const struct loops *l, uint32_t from)
{
    const struct flow_graph *flow = l->plan->flow;
    const struct insn *i = &l->plan->code->insns[from];
    uint32_t a, b;

    if ((i->flow != FLOW_BRANCH && i->flow != FLOW_BRANCH_SHORT && i->flow != FLOW_JUMP &&
         i->flow != FLOW_JUMP_INDIRECT) ||
        i->target == NO_INSN || i->target > from)
        return false;
    a = flow->block_of[from];
    b = flow->block_of[i->target];
    return l->component[a] != 0 && l->component[a] == l->component[b];
}

/* The branches back that lie on a cycle no ticking block cuts, in address order. */
static void find_back_edges(struct loops *l, const bool *removed)
{
    uint32_t inner = 0;

    graph_components(&l->graph, removed, l->component);
    l->count = 0;
    for (uint32_t b = 0; b < l->plan->flow->block_count; b++) {
        uint32_t k = l->plan->flow->blocks[b].last;
        uint32_t to;

        if (!closes_cycle(l, k))
            continue;
        to = l->plan->code->insns[k].target;
        l->edges = memory_grow(l->edges, l->count, &l->capacity, sizeof(*l->edges));
        /* An earlier branch back to or behind `to` is nested in this one. */
        l->edges[l->count++] =
            (struct back_edge){.from = k, .to = to, .innermost = l->count == 0 || inner < to};
        if (to > inner)
            inner = to;
    }
}

static bool copyable(const struct plan *plan, const struct back_edge *e)
{
    const struct code *code = plan->code;

    if (e->from - e->to >= LOOP_INSNS_MAX ||
        code_end(code, e->from) - code_address(code, e->to) > LOOP_COPY_BYTES ||
        code->insns[e->to].flags_live)
        return false;
    for (uint32_t k = e->to; k <= e->from; k++) {
        const struct insn *i = &code->insns[k];

        if ((i->flow != FLOW_NEXT && i->flow != FLOW_BRANCH && i->flow != FLOW_JUMP) ||
            i->special != DECODE_PLAIN || plan->owner[k] != NO_WINDOW ||
            (i->marks & (MARK_FIXED | MARK_SYNC)) || !(i->marks & MARK_REACHED) ||
            (k > e->to && !code_adjoins(code, k - 1)))
            return false;
        if (i->flow != FLOW_NEXT && i->target != NO_INSN && i->target > e->to && i->target <= k)
            return false; /* an inner loop */
    }
    return true;
}

/* Copy a whole call-free innermost loop into the stub: its iterations neither leave nor return. */
static bool copy_loop(struct plan *plan, const struct back_edge *e)
{
    struct plan_request request = {.low = e->to,
                                   .high = e->from,
                                   .must = NO_INSN,
                                   .first = e->to,
                                   .last = NO_INSN,
                                   .counted = true};
    uint32_t first, last, window;

    if (!copyable(plan, e))
        return false;
    if (request.high - request.low > 8)
        request.high = request.low + 8;
    if (!plan_find(plan, &request, &first, &last))
        return false;
    window = plan_add(plan, first, last, IMAGE_POINT_TICK);
    plan->windows[window].body_last = e->from;
    plan->windows[window].loop = true;
    for (uint32_t k = last + 1; k <= e->from; k++)
        plan->owner[k] = window;
    plan_add_tick(plan, first);
    plan->statistics.cloned_loops++;
    return true;
}

static bool covered(const struct plan *plan, const struct back_edge *e)
{
    return plan->ticked[plan->flow->block_of[e->from]] || plan->ticked[plan->flow->block_of[e->to]];
}

/* The end of the loop, else its head, else a window from the head over its branches. */
static bool tick_edge(struct plan *plan, const struct back_edge *e)
{
    const struct flow_graph *flow = plan->flow;
    const struct block *tail = &flow->blocks[flow->block_of[e->from]];
    const struct block *head = &flow->blocks[flow->block_of[e->to]];
    struct plan_request request = {.low = head->first,
                                   .must = NO_INSN,
                                   .first = head->first,
                                   .last = NO_INSN,
                                   .counted = true,
                                   .branches = true};
    bool branch = plan->code->insns[e->from].flow != FLOW_BRANCH_SHORT;
    uint32_t first, last;

    if ((branch || e->from > tail->first) &&
        plan_tick_block(plan, tail->first, branch ? e->from : e->from - 1))
        return true;
    if (plan_tick_block(plan, head->first, head->last))
        return true;
    request.high = head->first + 8 < plan->code->count ? head->first + 8 : head->last;
    if (!plan_find(plan, &request, &first, &last))
        return false;
    plan_add(plan, first, last, IMAGE_POINT_TICK);
    plan_add_tick(plan, first);
    return true;
}

static void tick_edges(struct loops *l, bool innermost)
{
    for (size_t i = 0; i < l->count; i++) {
        const struct back_edge *e = &l->edges[i];

        if ((innermost && !e->innermost) || covered(l->plan, e))
            continue;
        tick_edge(l->plan, e);
    }
}

/* What is still a cycle gets a tick in any of its blocks, or is refused. */
static void tick_remaining(struct loops *l)
{
    struct plan *plan = l->plan;
    bool progress = true;

    while (progress) {
        progress = false;
        find_back_edges(l, plan->ticked);
        for (size_t i = 0; i < l->count && !progress; i++) {
            uint32_t component = l->component[plan->flow->block_of[l->edges[i].from]];

            for (uint32_t b = plan->flow->block_of[l->edges[i].to];
                 b <= plan->flow->block_of[l->edges[i].from] && !progress; b++)
                progress =
                    l->component[b] == component &&
                    plan_tick_block(plan, plan->flow->blocks[b].first, plan->flow->blocks[b].last);
        }
    }
    for (size_t i = 0; i < l->count; i++) {
        uint32_t k = l->edges[i].from;
        bool reached = plan->code->insns[k].marks & MARK_REACHED;

        plan_refuse(plan, k, SITE_LOOP, reached ? REASON_SHORT : REASON_UNREACHED);
    }
}

void plan_loops(struct plan *plan)
{
    struct loops l = {.plan = plan,
                      .component = memory_zeroed(plan->flow->block_count, sizeof(uint32_t))};
    struct image_statistics *s = &plan->statistics;
    struct back_edge *all;
    size_t all_count;

    build_graph(&l);
    find_back_edges(&l, NULL);
    s->loops = all_count = l.count;
    all = l.edges;
    l.edges = NULL;
    l.capacity = 0;
    find_back_edges(&l, plan->ticked);
    for (size_t i = l.count; i-- > 0;)
        if (!covered(plan, &l.edges[i]))
            copy_loop(plan, &l.edges[i]);
    find_back_edges(&l, plan->ticked);
    tick_edges(&l, true);
    find_back_edges(&l, plan->ticked);
    tick_edges(&l, false);
    tick_remaining(&l);
    for (size_t i = 0; i < all_count; i++)
        s->loops_windowed += covered(plan, &all[i]);
    s->loops_other = s->loops - s->loops_windowed - l.count;
    free(all);
    free(l.edges);
    free(l.component);
    graph_done(&l.graph);
}
