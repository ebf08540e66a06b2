/* The order of planning. What cannot be replaced by anything else comes first. */
#include "recorder/images/plan.h"

#include <string.h>

#include "recorder/images/memory.h"

static void build_predecessors(struct plan *plan)
{
    const struct flow_graph *flow = plan->flow;
    struct graph_edge *edges = memory_zeroed(2ul * flow->block_count, sizeof(*edges));
    size_t count = 0;

    for (uint32_t b = 0; b < flow->block_count; b++) {
        if (flow->blocks[b].next != NO_BLOCK)
            edges[count++] = (struct graph_edge){flow->blocks[b].next, b};
        if (flow->blocks[b].jump != NO_BLOCK)
            edges[count++] = (struct graph_edge){flow->blocks[b].jump, b};
    }
    graph_build(flow->block_count, edges, count, &plan->predecessors);
    free(edges);
}

static void plan_once(struct flow_graph *flow, uint32_t options, struct plan *ret)
{
    ret->flow = flow;
    ret->dormant_calls = options & IMAGE_OPTION_DORMANT_CALLS;
    ret->calls = ret->dormant_calls || (options & IMAGE_OPTION_CALLS);
    ret->code = flow->code;
    ret->owner = memory_resize(NULL, flow->code->count, sizeof(uint32_t));
    memset(ret->owner, 0xff, flow->code->count * sizeof(uint32_t));
    ret->points = memory_zeroed(flow->code->count, 1);
    ret->ticked = memory_zeroed(flow->block_count, sizeof(bool));
    ret->entered = memory_zeroed(flow->block_count, sizeof(bool));
    ret->jump_ticked = memory_zeroed(flow->block_count, sizeof(bool));
    ret->depth = memory_zeroed(flow->block_count, 1);
    build_predecessors(ret);
    ret->statistics.instructions = flow->code->count;
    ret->statistics.ranges = flow->code->range_count;
    ret->statistics.ranges_refused = flow->code->refused_count;
    plan_specials(ret);
    plan_calls(ret);
    plan_indirect_jumps(ret);
    plan_indirect_calls(ret);
    plan_loops(ret);
    plan_recursion(ret);
    plan_last_loops(ret);
    plan_atomics(ret);
}

static void forget(struct plan *plan)
{
    free(plan->windows);
    free(plan->owner);
    free(plan->points);
    free(plan->ticked);
    free(plan->entered);
    free(plan->jump_ticked);
    free(plan->depth);
    graph_done(&plan->predecessors);
    free(plan->refusals);
    *plan = (struct plan){.uncopied = plan->uncopied,
                          .uncopied_count = plan->uncopied_count,
                          .uncopied_capacity = plan->uncopied_capacity};
}

/* Planned anew where a loop copied whole left another one without room for a tick. */
void plan_build(struct flow_graph *flow, uint32_t options, struct plan *ret)
{
    size_t known;

    memset(ret, 0, sizeof(*ret));
    for (;;) {
        known = ret->uncopied_count;
        plan_once(flow, options, ret);
        if (ret->uncopied_count == known)
            return;
        forget(ret);
    }
}

void plan_done(struct plan *plan)
{
    forget(plan);
    free(plan->uncopied);
    memset(plan, 0, sizeof(*plan));
}
