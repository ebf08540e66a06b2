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

/* The graph's nodes are blocks; once the cycles of the whole graph are known, only those on one,
 * which are few. */
struct loops {
    struct plan *plan;
    struct graph graph;
    uint32_t *component; /* per block; 0: on no cycle that is left */
    uint32_t *node;      /* per block: its node, or NO_BLOCK */
    uint32_t *block;     /* per node */
    uint32_t *whole;     /* per block: its component in the whole graph; NULL until known */
    uint32_t node_count;
    struct back_edge *edges;
    size_t count;
    size_t capacity;
};

static bool inside(const struct loops *l, uint32_t from, uint32_t to)
{
    return to != NO_BLOCK && l->node[to] != NO_BLOCK &&
           (!l->whole || l->whole[from] == l->whole[to]);
}

/* All of it, or what no tick cuts so far. */
static void build_graph(struct loops *l, bool all)
{
    const struct flow_graph *flow = l->plan->flow;
    struct graph_edge *edges = memory_zeroed(2ul * l->node_count, sizeof(*edges));
    size_t count = 0;

    for (uint32_t n = 0; n < l->node_count; n++) {
        uint32_t b = l->block[n];
        const struct block *block = &flow->blocks[b];

        if (inside(l, b, block->next))
            edges[count++] = (struct graph_edge){n, l->node[block->next]};
        if (inside(l, b, block->jump) && (all || !l->plan->jump_ticked[b]))
            edges[count++] = (struct graph_edge){n, l->node[block->jump]};
    }
    graph_build(l->node_count, edges, count, &l->graph);
    free(edges);
}

static void find_components(struct loops *l, const bool *removed)
{
    uint32_t *component = memory_zeroed(l->node_count, sizeof(uint32_t));
    bool *gone = memory_zeroed(l->node_count, sizeof(bool));

    build_graph(l, removed == NULL);
    for (uint32_t n = 0; n < l->node_count && removed; n++)
        gone[n] = removed[l->block[n]];
    graph_components(&l->graph, gone, component);
    for (uint32_t n = 0; n < l->node_count; n++)
        l->component[l->block[n]] = component[n];
    graph_done(&l->graph);
    free(component);
    free(gone);
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

/* The branches back that lie on a cycle, in address order; with `removed` blocks, on a cycle that
 * neither they nor ticking branches cut. */
static void find_back_edges(struct loops *l, const bool *removed)
{
    uint32_t inner = 0;

    find_components(l, removed);
    l->count = 0;
    for (uint32_t n = 0; n < l->node_count; n++) {
        uint32_t b = l->block[n];
        uint32_t k = l->plan->flow->blocks[b].last;
        uint32_t to;

        if (!closes_cycle(l, k) || (removed && l->plan->jump_ticked[b]))
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

static bool same_component(const struct loops *l, uint32_t a, uint32_t b)
{
    const uint32_t *of = l->plan->flow->block_of;

    return l->component[of[a]] != 0 && l->component[of[a]] == l->component[of[b]];
}

/* Neither an inner loop nor the way back to an outer one: the latter's tick would find no place,
 * since the branch is in the copy. */
static bool clean_branch(const struct loops *l, const struct back_edge *e, uint32_t k)
{
    const struct insn *i = &l->plan->code->insns[k];

    if (i->flow == FLOW_NEXT || i->target == NO_INSN || i->target > k || i->target == e->to)
        return true;
    return i->target < e->to && !same_component(l, k, i->target);
}

static bool is_uncopied(const struct plan *plan, uint32_t head)
{
    for (size_t i = 0; i < plan->uncopied_count; i++)
        if (plan->uncopied[i] == head)
            return true;
    return false;
}

static bool copyable(const struct loops *l, const struct back_edge *e)
{
    const struct plan *plan = l->plan;
    const struct code *code = plan->code;

    if (is_uncopied(plan, e->to))
        return false;
    if (e->from - e->to >= LOOP_INSNS_MAX ||
        code_end(code, e->from) - code_address(code, e->to) > LOOP_COPY_BYTES ||
        code->insns[e->to].flags_live)
        return false;
    for (uint32_t k = e->to; k <= e->from; k++) {
        const struct insn *i = &code->insns[k];

        if ((i->flow != FLOW_NEXT && i->flow != FLOW_BRANCH && i->flow != FLOW_JUMP) ||
            i->special != DECODE_PLAIN || plan->owner[k] != NO_WINDOW ||
            (i->marks & (MARK_FIXED | MARK_SYNC | MARK_DATA)) || !(i->marks & MARK_REACHED) ||
            (k > e->to && !code_adjoins(code, k - 1)) || !clean_branch(l, e, k))
            return false;
    }
    return true;
}

/* Does control enter the loop at its first instruction alone? */
static bool entered_at_head(const struct plan *plan, const struct back_edge *e)
{
    const struct graph *g = &plan->predecessors;
    uint32_t head = plan->flow->block_of[e->to], tail = plan->flow->block_of[e->from];

    for (uint32_t b = head + 1; b <= tail; b++) {
        const struct insn *first = &plan->code->insns[plan->flow->blocks[b].first];

        if (first->marks & (MARK_ROOT | MARK_WEAK | MARK_FUNCTION | MARK_CALLED))
            return false;
        for (uint32_t i = g->first[b]; i < g->first[b + 1]; i++)
            if (g->edges[i] < head || g->edges[i] > tail)
                return false;
    }
    return true;
}

/* Copy a whole call-free innermost loop into the stub: its iterations neither leave nor return. */
static bool copy_loop(struct loops *l, const struct back_edge *e)
{
    struct plan *plan = l->plan;
    struct plan_request request = {.low = e->to,
                                   .high = e->from,
                                   .must = NO_INSN,
                                   .first = e->to,
                                   .last = NO_INSN,
                                   .point = NO_INSN};
    uint32_t first, last, window;

    if (!copyable(l, e))
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
    if (entered_at_head(plan, e)) {
        plan->windows[window].back_tick = true;
        for (uint32_t b = plan->flow->block_of[e->to]; b <= plan->flow->block_of[e->from]; b++)
            if (plan->flow->blocks[b].jump == plan->flow->block_of[e->to])
                plan->jump_ticked[b] = true;
    } else {
        plan_add_tick(plan, first);
    }
    plan->statistics.cloned_loops++;
    return true;
}

static bool covered(const struct plan *plan, const struct back_edge *e)
{
    uint32_t from = plan->flow->block_of[e->from], to = plan->flow->block_of[e->to];

    return plan->ticked[from] || plan->ticked[to] || plan->jump_ticked[from];
}

/* The end of the loop, else its head. */
static bool tick_edge(struct plan *plan, const struct back_edge *e)
{
    const struct flow_graph *flow = plan->flow;
    const struct block *tail = &flow->blocks[flow->block_of[e->from]];
    const struct block *head = &flow->blocks[flow->block_of[e->to]];
    bool branch = plan->code->insns[e->from].flow != FLOW_BRANCH_SHORT;

    for (uint32_t k = tail->first; k < e->from; k++)
        if (plan_tick_call(plan, k))
            return true;
    if (plan_tick_edge(plan, flow->block_of[e->from]))
        return true;

    if ((branch || e->from > tail->first) &&
        plan_tick_block(plan, tail->first, branch ? e->from : e->from - 1))
        return true;
    return plan_tick_block(plan, head->first, head->last) ||
           (branch && plan_tick_path(plan, tail->first, e->from)) ||
           plan_tick_path(plan, head->first, head->last);
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

/* How deep in loops each block lies, by address. */
static void find_depth(struct loops *l)
{
    const struct flow_graph *flow = l->plan->flow;
    uint32_t *end = memory_zeroed(flow->block_count, sizeof(uint32_t));
    int *change = memory_zeroed(flow->block_count + 1ul, sizeof(int));
    int depth = 0;

    for (size_t i = 0; i < l->count; i++)
        end[flow->block_of[l->edges[i].to]] = flow->block_of[l->edges[i].from] + 1;
    for (uint32_t b = 0; b < flow->block_count; b++) {
        if (end[b] == 0)
            continue;
        change[b]++;
        change[end[b]]--;
    }
    for (uint32_t b = 0; b < flow->block_count; b++) {
        depth += change[b];
        l->plan->depth[b] = (uint8_t)(depth > 4 ? 4 : depth);
    }
    free(end);
    free(change);
}

static void loops_init(struct loops *l, struct plan *plan)
{
    uint32_t count = plan->flow->block_count;

    memset(l, 0, sizeof(*l));
    l->plan = plan;
    l->component = memory_zeroed(count, sizeof(uint32_t));
    l->node = memory_zeroed(count, sizeof(uint32_t));
    l->block = memory_zeroed(count, sizeof(uint32_t));
    l->node_count = count;
    for (uint32_t b = 0; b < count; b++)
        l->node[b] = l->block[b] = b;
}

static void loops_done(struct loops *l)
{
    free(l->edges);
    free(l->component);
    free(l->node);
    free(l->block);
    free(l->whole);
}

/* Nothing outside the cycles of the whole graph matters from here on. */
static void keep_cycles(struct loops *l)
{
    uint32_t count = l->plan->flow->block_count;
    uint32_t *members = memory_zeroed(count + 1ul, sizeof(uint32_t)); /* per component */

    for (uint32_t b = 0; b < count; b++)
        members[l->component[b]]++;
    l->whole = l->component;
    l->component = memory_zeroed(count, sizeof(uint32_t));
    l->node_count = 0;
    for (uint32_t b = 0; b < count; b++) {
        const struct block *block = &l->plan->flow->blocks[b];
        bool cycle = members[l->whole[b]] > 1 || block->jump == b || block->next == b;

        l->node[b] = cycle ? l->node_count : NO_BLOCK;
        if (cycle)
            l->block[l->node_count++] = b;
    }
    free(members);
}

void plan_loops(struct plan *plan)
{
    struct loops l;

    loops_init(&l, plan);
    find_back_edges(&l, NULL);
    plan->statistics.loops = l.count;
    find_depth(&l);
    keep_cycles(&l);
    find_back_edges(&l, plan->ticked);
    for (size_t i = l.count; i-- > 0;)
        if (!covered(plan, &l.edges[i]))
            copy_loop(&l, &l.edges[i]);
    find_back_edges(&l, plan->ticked);
    tick_edges(&l, true);
    find_back_edges(&l, plan->ticked);
    tick_edges(&l, false);
    loops_done(&l);
}

/* A tick in any block of each remaining cycle; true if one was made. */
static bool tick_components(struct loops *l)
{
    struct plan *plan = l->plan;
    const struct flow_graph *flow = plan->flow;
    bool *done = memory_zeroed(flow->block_count + 1ul, sizeof(bool)); /* per component */
    bool progress = false;

    for (size_t i = 0; i < l->count; i++) {
        uint32_t component = l->component[flow->block_of[l->edges[i].from]];

        for (uint32_t b = flow->block_of[l->edges[i].to];
             b <= flow->block_of[l->edges[i].from] && !done[component]; b++)
            if (l->component[b] == component && !plan->ticked[b])
                done[component] = plan_tick_path(plan, flow->blocks[b].first, flow->blocks[b].last);
        progress = progress || done[component];
    }
    free(done);
    return progress;
}

/* Blocks whose execution is counted by something else than a tick of their own: system calls stop
 * anyway, and functions that tick at their entry tick for their callers' loops. */
static bool counts_otherwise(const struct plan *plan, uint32_t block)
{
    const struct block *b = &plan->flow->blocks[block];

    for (uint32_t k = b->first; k <= b->last; k++) {
        const struct insn *i = &plan->code->insns[k];

        if (i->special == DECODE_SYSCALL)
            return true;
        if (i->flow == FLOW_CALL && i->target != NO_INSN && (plan->points[i->target] & POINT_TICK))
            return true;
    }
    return false;
}

/* A cycle through the middle of a loop that was copied whole runs through the originals, which the
 * copy keeps from having windows: it had better not be copied. */
static bool blame_copies(const struct loops *l, const struct back_edge *e)
{
    struct plan *plan = l->plan;
    uint32_t component = l->component[plan->flow->block_of[e->from]];
    bool found = false;

    for (uint32_t n = 0; n < l->node_count; n++) {
        uint32_t owner = plan->owner[plan->flow->blocks[l->block[n]].first];

        if (l->component[l->block[n]] != component || owner == NO_WINDOW ||
            !plan->windows[owner].loop || is_uncopied(plan, plan->windows[owner].first))
            continue;
        plan->uncopied = memory_grow(plan->uncopied, plan->uncopied_count, &plan->uncopied_capacity,
                                     sizeof(*plan->uncopied));
        plan->uncopied[plan->uncopied_count++] = plan->windows[owner].first;
        found = true;
    }
    return found;
}

/* What is a cycle still gets a tick in any of its blocks, or is refused. */
void plan_last_loops(struct plan *plan)
{
    struct image_statistics *s = &plan->statistics;
    bool *removed = memory_zeroed(plan->flow->block_count, sizeof(bool));
    struct loops l;

    loops_init(&l, plan);
    find_components(&l, NULL);
    keep_cycles(&l);
    do
        find_back_edges(&l, plan->ticked);
    while (l.count > 0 && tick_components(&l));
    s->loops_windowed = s->loops - l.count;
    for (uint32_t b = 0; b < plan->flow->block_count; b++)
        removed[b] = plan->ticked[b] || counts_otherwise(plan, b);
    find_back_edges(&l, removed);
    s->loops_other = s->loops - s->loops_windowed - l.count;
    for (size_t i = 0; i < l.count; i++) {
        uint32_t k = l.edges[i].from;
        bool reached = plan->code->insns[k].marks & MARK_REACHED;

        if (reached && blame_copies(&l, &l.edges[i]))
            continue; /* all is planned anew */
        if (reached && plan_trap(plan, k, IMAGE_POINT_TICK)) {
            s->loops_trapped++;
            continue;
        }
        plan_refuse(plan, k, SITE_LOOP, reached ? REASON_SHORT : REASON_UNREACHED);
    }
    free(removed);
    loops_done(&l);
}
