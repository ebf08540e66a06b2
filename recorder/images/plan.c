/* The order of planning. What cannot be replaced by anything else comes first. */
#include "recorder/images/plan.h"

#include <string.h>

#include "recorder/images/memory.h"

void plan_build(struct flow_graph *flow, struct plan *ret)
{
    memset(ret, 0, sizeof(*ret));
    ret->flow = flow;
    ret->code = flow->code;
    ret->owner = memory_resize(NULL, flow->code->count, sizeof(uint32_t));
    memset(ret->owner, 0xff, flow->code->count * sizeof(uint32_t));
    ret->points = memory_zeroed(flow->code->count, 1);
    ret->ticked = memory_zeroed(flow->block_count, sizeof(bool));
    ret->statistics.instructions = flow->code->count;
    ret->statistics.ranges = flow->code->range_count;
    ret->statistics.ranges_refused = flow->code->refused_count;
    plan_specials(ret);
    plan_indirect_jumps(ret);
    plan_indirect_calls(ret);
    plan_loops(ret);
    plan_entries(ret);
    plan_atomics(ret);
}

void plan_done(struct plan *plan)
{
    free(plan->windows);
    free(plan->owner);
    free(plan->points);
    free(plan->ticked);
    free(plan->refusals);
    memset(plan, 0, sizeof(*plan));
}
