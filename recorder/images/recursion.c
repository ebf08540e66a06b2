/* Ticks of recursion: every cycle of the call graph that no other tick cuts.
 *
 * Functions are glued to clusters where one jumps into the middle of another (hot and cold parts).
 * Edges are calls, and jumps to functions' entries. A minimal set of edges whose removal leaves no
 * cycle is found by adding edges one by one, most frequent first, as long as no cycle closes; the
 * others are cut by a tick before the call, or at the callee's entry. So the tick of a recursion
 * through an error path sits in the error path. Frequencies are guesses from the code's layout;
 * they decide what a cycle costs, never whether it ticks. */
#include "recorder/images/plan.h"

#include <string.h>

#include "recorder/images/memory.h"

#define DEPTH 2

/* Guesses: how often a branch goes to code placed out of line, and a loop goes round. */
#define OUT_OF_LINE 0.08f
#define SKIP 0.5f
#define ROUNDS 8.0f
#define COLD 0.02f
#define TABLE 0.2f

struct call_edge {
    uint32_t site; /* the call, or the jump that ends a block */
    uint32_t from; /* clusters */
    uint32_t to;
    uint32_t entry; /* the function called */
    float cost;
};

struct recursion {
    struct plan *plan;
    const struct flow_graph *flow;
    uint32_t *cluster;   /* per function: union-find parent */
    uint32_t *component; /* per cluster */
    float *frequency;    /* per block, for one call of its function */
    float *weight;       /* per cluster: calls of it */
    bool *entry_ticks;   /* per function */
    uint32_t
        *sites; /* calls of known functions, and last instructions of blocks that jump to one */
    size_t site_count;
    size_t site_capacity;
    struct call_edge *edges;
    size_t count;
    size_t capacity;
};

static uint32_t find_cluster(const struct recursion *r, uint32_t function)
{
    while (r->cluster[function] != function) {
        r->cluster[function] = r->cluster[r->cluster[function]];
        function = r->cluster[function];
    }
    return function;
}

static bool is_entry(const struct recursion *r, uint32_t block)
{
    return r->flow->function_entry[r->flow->blocks[block].function] == block;
}

static void join(struct recursion *r, uint32_t from, uint32_t to)
{
    if (to != NO_BLOCK && !is_entry(r, to))
        r->cluster[find_cluster(r, r->flow->blocks[from].function)] =
            find_cluster(r, r->flow->blocks[to].function);
}

static void find_clusters(struct recursion *r)
{
    for (uint32_t f = 0; f < r->flow->function_count; f++)
        r->cluster[f] = f;
    for (uint32_t b = 0; b < r->flow->block_count; b++) {
        join(r, b, r->flow->blocks[b].jump);
        join(r, b, r->flow->blocks[b].next);
    }
}

/* Does a block's neighbour before it fall into it? */
static bool in_line(const struct recursion *r, uint32_t block)
{
    return block > 0 && r->flow->blocks[block - 1].next == block;
}

static float start_frequency(const struct recursion *r, uint32_t b)
{
    const struct insn *first = &r->plan->code->insns[r->flow->blocks[b].first];
    const struct graph *g = &r->plan->predecessors;

    if (first->marks & MARK_CALLED)
        return 1.0f;
    if (first->marks & MARK_TABLE)
        return TABLE;
    if (is_entry(r, b))
        return g->first[b] == g->first[b + 1] ? 1.0f : COLD;
    return 0.0f;
}

static void find_frequencies(struct recursion *r)
{
    for (uint32_t b = 0; b < r->flow->block_count; b++) {
        float start = start_frequency(r, b);

        if (r->frequency[b] < start)
            r->frequency[b] = start;
    }
    for (uint32_t b = 0; b < r->flow->block_count; b++) {
        const struct block *block = &r->flow->blocks[b];
        float taken = block->jump == NO_BLOCK ? 0.0f : 1.0f;

        if (r->frequency[b] < COLD)
            r->frequency[b] = COLD;
        if (block->jump != NO_BLOCK && block->next != NO_BLOCK) {
            taken = in_line(r, block->jump) ? SKIP : OUT_OF_LINE;
            if (block->jump <= b)
                taken = 0.0f; /* a loop's end is passed as often as its start */
        }
        if (block->jump != NO_BLOCK && block->jump > b &&
            r->flow->blocks[block->jump].function == block->function)
            r->frequency[block->jump] += r->frequency[b] * taken;
        if (block->next != NO_BLOCK && r->flow->blocks[block->next].function == block->function)
            r->frequency[block->next] += r->frequency[b] * (1.0f - taken);
    }
    for (uint32_t b = 0; b < r->flow->block_count; b++)
        for (uint8_t d = 0; d < r->plan->depth[b]; d++)
            r->frequency[b] *= ROUNDS;
}

static void add_edge(struct recursion *r, uint32_t block, uint32_t site, uint32_t target)
{
    uint32_t entry = r->flow->blocks[target].function;

    if (r->entry_ticks[entry] && is_entry(r, target))
        return;
    r->edges = memory_grow(r->edges, r->count, &r->capacity, sizeof(*r->edges));
    r->edges[r->count++] = (struct call_edge){
        .site = site,
        .from = find_cluster(r, r->flow->blocks[block].function),
        .to = find_cluster(r, entry),
        .entry = entry,
    };
}

static bool is_call(const struct insn *i)
{
    return i->flow == FLOW_CALL || i->flow == FLOW_CALL_INDIRECT;
}

static bool enters_other(const struct recursion *r, uint32_t from, uint32_t to)
{
    return to != NO_BLOCK && is_entry(r, to) &&
           find_cluster(r, r->flow->blocks[to].function) !=
               find_cluster(r, r->flow->blocks[from].function);
}

static void add_site(struct recursion *r, uint32_t insn)
{
    if (r->site_count > 0 && r->sites[r->site_count - 1] == insn)
        return;
    r->sites = memory_grow(r->sites, r->site_count, &r->site_capacity, sizeof(*r->sites));
    r->sites[r->site_count++] = insn;
}

static void find_sites(struct recursion *r)
{
    for (uint32_t b = 0; b < r->flow->block_count; b++) {
        const struct block *block = &r->flow->blocks[b];

        for (uint32_t k = block->first; k <= block->last; k++)
            if (is_call(&r->plan->code->insns[k]) && r->plan->code->insns[k].target != NO_INSN)
                add_site(r, k);
        if (enters_other(r, b, block->jump) || enters_other(r, b, block->next))
            add_site(r, block->last);
    }
}

/* Calls without a tick before them in their block, and jumps to entries of other clusters from
 * blocks that do not tick. */
static void find_edges(struct recursion *r)
{
    r->count = 0;
    for (size_t i = 0; i < r->site_count; i++) {
        uint32_t site = r->sites[i], b = r->flow->block_of[site];
        const struct block *block = &r->flow->blocks[b];
        const struct insn *insn = &r->plan->code->insns[site];

        if (is_call(insn) && insn->target != NO_INSN && !plan_ticked_before(r->plan, site))
            add_edge(r, b, site, r->flow->block_of[insn->target]);
        if (site != block->last || r->plan->ticked[b] || r->plan->entered[b])
            continue;
        if (enters_other(r, b, block->jump) && !r->plan->jump_ticked[b])
            add_edge(r, b, site, block->jump);
        if (enters_other(r, b, block->next))
            add_edge(r, b, site, block->next);
    }
}

static void find_components(struct recursion *r)
{
    struct graph_edge *edges = memory_zeroed(r->count, sizeof(*edges));
    struct graph graph;

    for (size_t i = 0; i < r->count; i++)
        edges[i] = (struct graph_edge){r->edges[i].from, r->edges[i].to};
    graph_build(r->flow->function_count, edges, r->count, &graph);
    graph_components(&graph, NULL, r->component);
    graph_done(&graph);
    free(edges);
}

static bool on_cycle(const struct recursion *r, const struct call_edge *e)
{
    return r->component[e->from] == r->component[e->to];
}

/* How often each cluster is called, passed down the call graph a few levels. */
static void find_weights(struct recursion *r)
{
    float *next = memory_zeroed(r->flow->function_count, sizeof(float));

    for (uint32_t f = 0; f < r->flow->function_count; f++)
        r->weight[f] = 1.0f;
    for (int round = 0; round < 4; round++) {
        for (uint32_t f = 0; f < r->flow->function_count; f++)
            next[f] = 1.0f;
        for (size_t i = 0; i < r->count; i++) {
            struct call_edge *e = &r->edges[i];

            e->cost = r->weight[e->from] * r->frequency[r->flow->block_of[e->site]];
            next[e->to] += 0.5f * e->cost;
        }
        for (uint32_t f = 0; f < r->flow->function_count; f++)
            r->weight[f] = next[f] < 1e6f ? next[f] : 1e6f;
    }
    free(next);
}

static int compare_costs(const void *a, const void *b)
{
    const struct call_edge *x = a, *y = b;

    if (x->cost != y->cost)
        return x->cost > y->cost ? -1 : 1;
    return (x->site > y->site) - (x->site < y->site);
}

/* A call that may lead back to the function: through a pointer, or along a cycle of calls. */
static bool may_recurse(const struct recursion *r, uint32_t from, const struct insn *i, uint32_t k)
{
    uint32_t to;

    if (!is_call(i))
        return false;
    if (i->target == NO_INSN)
        return i->flow == FLOW_CALL_INDIRECT && !(i->marks & MARK_LINKAGE) &&
               !(r->plan->points[k] & CALL_COVERED);
    to = r->flow->blocks[r->flow->block_of[i->target]].function;
    return r->component[find_cluster(r, from)] == r->component[find_cluster(r, to)];
}

/* The first such call in a block; one behind the block if there is none. */
static uint32_t first_call(const struct recursion *r, const struct block *block)
{
    uint32_t k = block->first;

    while (k <= block->last && !may_recurse(r, block->function, &r->plan->code->insns[k], k))
        k++;
    return k;
}

static uint32_t last_movable(const struct plan *plan, const struct block *block)
{
    return plan->code->insns[block->last].flow == FLOW_BRANCH_SHORT && block->last > block->first
               ? block->last - 1
               : block->last;
}

static bool tick_entry(struct recursion *r, uint32_t function)
{
    const struct block *block = &r->flow->blocks[r->flow->function_entry[function]];
    uint32_t call = first_call(r, block);
    uint32_t high = call > block->last ? last_movable(r->plan, block) : call - 1;

    for (uint32_t k = block->first; k < call && !r->entry_ticks[function]; k++)
        r->entry_ticks[function] = r->plan->points[k] & (POINT_TICK | POINT_CALL);
    if (!r->entry_ticks[function])
        r->entry_ticks[function] = plan_tick_before(r->plan, block->first, high, 0);
    return r->entry_ticks[function];
}

static bool tick_site(struct recursion *r, const struct call_edge *e, int depth)
{
    const struct block *block = &r->flow->blocks[r->flow->block_of[e->site]];
    bool call = is_call(&r->plan->code->insns[e->site]);

    if (call ? plan_ticked_before(r->plan, e->site) : r->plan->ticked[r->flow->block_of[e->site]])
        return true;
    if (!call)
        return plan_tick_before(r->plan, block->first, last_movable(r->plan, block), depth);
    return plan_tick_call(r->plan, e->site) ||
           (e->site > block->first && plan_tick_before(r->plan, block->first, e->site - 1, depth));
}

/* Calls through pointers that have no tick before them: whoever recurses through one passes an
 * entry of its cluster again. */
static void tick_for_indirect_calls(struct recursion *r)
{
    bool *needed = memory_zeroed(r->flow->function_count, sizeof(bool)); /* per cluster */

    for (uint32_t k = 0; k < r->plan->code->count; k++) {
        const struct insn *i = &r->plan->code->insns[k];

        if (i->flow == FLOW_CALL_INDIRECT && !(i->marks & MARK_LINKAGE) &&
            !(r->plan->points[k] & CALL_COVERED))
            needed[find_cluster(r, r->flow->blocks[r->flow->block_of[k]].function)] = true;
    }
    for (uint32_t f = 0; f < r->flow->function_count; f++) {
        uint32_t entry = r->flow->function_entry[f];

        if (!needed[find_cluster(r, f)] || start_frequency(r, entry) < 1.0f)
            continue;
        if (tick_entry(r, f))
            r->plan->statistics.entries++;
        else
            plan_refuse(r->plan, r->flow->blocks[entry].first, SITE_INDIRECT_CALL, REASON_SHORT);
    }
    free(needed);
}

/* An acyclic graph that grows edge by edge, with a topological order kept up (Pearce and Kelly,
 * "A dynamic topological sort algorithm for directed acyclic graphs", 2006). */
struct order {
    uint32_t *position;           /* per node */
    uint32_t *out, *in;           /* per node: its newest edge, or 0 */
    uint32_t *out_next, *in_next; /* per edge (from 1 on): the one before it */
    uint32_t *head, *tail;
    uint32_t edge_count;
    uint32_t *stack;
    uint32_t *seen; /* nodes of the affected region: forward ones, then backward ones */
    uint8_t *mark;
    uint64_t budget; /* steps left; edges are cut when it runs out */
};

static void order_init(struct order *o, uint32_t nodes, size_t edges)
{
    memset(o, 0, sizeof(*o));
    o->position = memory_zeroed(nodes, sizeof(uint32_t));
    o->out = memory_zeroed(nodes, sizeof(uint32_t));
    o->in = memory_zeroed(nodes, sizeof(uint32_t));
    o->out_next = memory_zeroed(edges + 1, sizeof(uint32_t));
    o->in_next = memory_zeroed(edges + 1, sizeof(uint32_t));
    o->head = memory_zeroed(edges + 1, sizeof(uint32_t));
    o->tail = memory_zeroed(edges + 1, sizeof(uint32_t));
    o->stack = memory_zeroed(nodes, sizeof(uint32_t));
    o->seen = memory_zeroed(2ul * nodes, sizeof(uint32_t));
    o->mark = memory_zeroed(nodes, 1);
    o->budget = 100000000;
    for (uint32_t n = 0; n < nodes; n++)
        o->position[n] = n;
}

static void order_done(struct order *o)
{
    free(o->position);
    free(o->out);
    free(o->in);
    free(o->out_next);
    free(o->in_next);
    free(o->head);
    free(o->tail);
    free(o->stack);
    free(o->seen);
    free(o->mark);
}

/* Nodes reached from `start` (backwards if so) inside [low, high]; false if `goal` is one. */
static bool order_search(struct order *o, uint32_t start, uint32_t low, uint32_t high,
                         uint32_t goal, bool backwards, uint32_t *seen, uint32_t *ret_count)
{
    uint32_t depth = 0;

    o->stack[depth++] = start;
    o->mark[start] = 1;
    seen[(*ret_count)++] = start;
    while (depth > 0) {
        uint32_t node = o->stack[--depth];
        uint32_t edge = backwards ? o->in[node] : o->out[node];

        for (; edge != 0; edge = backwards ? o->in_next[edge] : o->out_next[edge]) {
            uint32_t next = backwards ? o->tail[edge] : o->head[edge];

            o->budget -= o->budget > 0;
            if (next == goal)
                return false;
            if (o->mark[next] || o->position[next] < low || o->position[next] > high)
                continue;
            o->mark[next] = 1;
            seen[(*ret_count)++] = next;
            o->stack[depth++] = next;
        }
    }
    return true;
}

struct positioned {
    uint32_t position;
    uint32_t node;
};

static int compare_positions(const void *a, const void *b)
{
    const struct positioned *x = a, *y = b;

    return (x->position > y->position) - (x->position < y->position);
}

/* Backward nodes first, forward nodes behind, on the positions both had. */
static void order_shift(struct order *o, uint32_t forward, uint32_t backward)
{
    uint32_t count = forward + backward;
    struct positioned *nodes = memory_zeroed(count, sizeof(*nodes));
    uint32_t *positions = memory_zeroed(count, sizeof(uint32_t));

    for (uint32_t i = 0; i < count; i++)
        nodes[i] = (struct positioned){o->position[o->seen[i]], o->seen[i]};
    qsort(nodes, forward, sizeof(*nodes), compare_positions);
    qsort(nodes + forward, backward, sizeof(*nodes), compare_positions);
    for (uint32_t i = 0, f = 0, b = forward; i < count; i++)
        positions[i] = b >= count || (f < forward && nodes[f].position < nodes[b].position)
                           ? nodes[f++].position
                           : nodes[b++].position;
    for (uint32_t i = 0; i < count; i++)
        o->position[nodes[(i + forward) % count].node] = positions[i];
    free(nodes);
    free(positions);
}

/* Adds the edge unless it closes a cycle. */
static bool order_add(struct order *o, uint32_t from, uint32_t to)
{
    uint32_t forward = 0, backward = 0;
    bool acyclic = true;

    if (from == to || o->budget == 0)
        return false;
    if (o->position[from] > o->position[to]) {
        uint32_t low = o->position[to], high = o->position[from];

        acyclic = order_search(o, to, low, high, from, false, o->seen, &forward);
        if (acyclic) {
            order_search(o, from, low, high, NO_BLOCK, true, o->seen + forward, &backward);
            order_shift(o, forward, backward);
        }
        for (uint32_t i = 0; i < forward + backward; i++)
            o->mark[o->seen[i]] = 0;
    }
    if (!acyclic)
        return false;
    o->edge_count++;
    o->tail[o->edge_count] = from;
    o->head[o->edge_count] = to;
    o->out_next[o->edge_count] = o->out[from];
    o->in_next[o->edge_count] = o->in[to];
    o->out[from] = o->in[to] = o->edge_count;
    return true;
}

/* Edges that close cycles, most frequent edges being kept; moved to the front of the table. */
static size_t choose_cuts(struct recursion *r)
{
    struct order order;
    size_t cuts = 0;

    if (r->count)
        qsort(r->edges, r->count, sizeof(*r->edges), compare_costs);
    order_init(&order, r->flow->function_count, r->count);
    for (size_t i = 0; i < r->count; i++)
        if (on_cycle(r, &r->edges[i]) && !order_add(&order, r->edges[i].from, r->edges[i].to))
            r->edges[cuts++] = r->edges[i];
    order_done(&order);
    return cuts;
}

/* Many calls to one function that are most of its calls are cheaper to count in it. */
static bool prefer_entry(const struct recursion *r, const struct call_edge *e,
                         const uint32_t *cut_count, const float *cut_cost)
{
    return cut_count[e->entry] >= 8 && cut_cost[e->entry] > 0.5f * r->weight[e->to];
}

static void cut_edges(struct recursion *r, size_t cuts)
{
    uint32_t *cut_count = memory_zeroed(r->flow->function_count, sizeof(uint32_t));
    float *cut_cost = memory_zeroed(r->flow->function_count, sizeof(float));

    for (size_t i = 0; i < cuts; i++) {
        cut_count[r->edges[i].entry]++;
        cut_cost[r->edges[i].entry] += r->edges[i].cost;
    }
    for (size_t i = 0; i < cuts; i++) {
        const struct call_edge *e = &r->edges[i];

        if (r->entry_ticks[e->entry])
            continue;
        if ((prefer_entry(r, e, cut_count, cut_cost) && tick_entry(r, e->entry)) ||
            tick_site(r, e, 0) || tick_entry(r, e->entry) || tick_site(r, e, DEPTH))
            r->plan->statistics.entries++;
    }
    free(cut_count);
    free(cut_cost);
}

/* One more tick in each component that is left; true if one was made. */
static bool tick_components(struct recursion *r)
{
    bool *done = memory_zeroed(r->flow->function_count + 1ul, sizeof(bool)); /* per component */
    bool progress = false;

    for (size_t i = 0; i < r->count; i++) {
        struct call_edge *e = &r->edges[i];

        if (!on_cycle(r, e) || done[r->component[e->from]])
            continue;
        if (tick_entry(r, e->entry) || tick_site(r, e, 0))
            progress = done[r->component[e->from]] = true;
    }
    free(done);
    return progress;
}

/* Proves the cut; what is on a cycle still is ticked anywhere, or refused. */
static void check_cuts(struct recursion *r)
{
    do {
        find_edges(r);
        find_components(r);
    } while (tick_components(r));
    for (size_t i = 0; i < r->count; i++)
        if (on_cycle(r, &r->edges[i]))
            plan_refuse(r->plan, r->edges[i].site, SITE_ENTRY, REASON_SHORT);
}

void plan_recursion(struct plan *plan)
{
    const struct flow_graph *flow = plan->flow;
    struct recursion r = {
        .plan = plan,
        .flow = flow,
        .cluster = memory_zeroed(flow->function_count, sizeof(uint32_t)),
        .component = memory_zeroed(flow->function_count, sizeof(uint32_t)),
        .frequency = memory_zeroed(flow->block_count, sizeof(float)),
        .weight = memory_zeroed(flow->function_count, sizeof(float)),
        .entry_ticks = memory_zeroed(flow->function_count, sizeof(bool)),
    };

    find_clusters(&r);
    find_frequencies(&r);
    find_sites(&r);
    find_edges(&r);
    find_components(&r);
    tick_for_indirect_calls(&r);
    find_edges(&r);
    find_components(&r);
    find_weights(&r);
    cut_edges(&r, choose_cuts(&r));
    check_cuts(&r);
    free(r.cluster);
    free(r.component);
    free(r.frequency);
    free(r.weight);
    free(r.entry_ticks);
    free(r.edges);
    free(r.sites);
}
