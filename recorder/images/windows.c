/* The planner's primitives: which runs may be overwritten, which of them is best, and the
 * bookkeeping of windows, points and refusals. */
#include "recorder/images/plan.h"

#include <string.h>

#include "recorder/images/memory.h"

#define WINDOW_BYTES_MAX 60

/* Weights of what a window should avoid, in instructions copied for nothing. */
enum {
    COST_LIVE_FLAGS = 64,   /* the long form of a counter */
    COST_LOW_BOUNDARY = 16, /* a boundary on byte 1 or 2 of the jump narrows the stub's place */
    COST_NOT_LAST = 4,      /* needs a jump back that ending with the branch would save */
};

static bool interior_free(const struct plan *plan, uint32_t index)
{
    uint64_t address = code_address(plan->code, index);

    for (uint8_t k = 1; k < plan->code->insns[index].length; k++)
        if (code_is_target(plan->code, address + k))
            return false;
    return true;
}

/* May the instruction be part of a window, as its last one or before others? */
static bool usable(const struct plan *plan, uint32_t index, bool last,
                   const struct plan_request *request)
{
    const struct insn *i = &plan->code->insns[index];

    if (plan->owner[index] != NO_WINDOW || (i->marks & MARK_FIXED) || !(i->marks & MARK_REACHED) ||
        !interior_free(plan, index))
        return false;
    switch (i->flow) {
    case FLOW_NEXT:
        return true;
    case FLOW_BRANCH:
        return last || request->branches;
    case FLOW_JUMP:
    case FLOW_JUMP_INDIRECT:
    case FLOW_RETURN:
        return last;
    case FLOW_KERNEL: /* only as the call that the window is made for */
        return plan->calls && i->special == DECODE_SYSCALL && index == request->must;
    default:
        return false;
    }
}

static bool low_boundary(const struct plan *plan, uint32_t first)
{
    const struct insn *i = &plan->code->insns[first];

    return i->length <= 2;
}

/* State of the search: the best window so far. */
struct search {
    const struct plan *plan;
    const struct plan_request *request;
    uint32_t first;
    uint32_t last;
    int cost;
};

static void consider(struct search *s, uint32_t first, uint32_t last)
{
    const struct plan_request *r = s->request;
    const struct insn *insns = s->plan->code->insns;
    uint32_t point = r->point != NO_INSN ? r->point : first;
    int cost = (int)(last - first);

    if ((r->must != NO_INSN && (r->must < first || r->must > last)) ||
        (r->first != NO_INSN && r->first != first))
        return;
    if (insns[point].flags_live)
        cost += COST_LIVE_FLAGS;
    if (low_boundary(s->plan, first))
        cost += COST_LOW_BOUNDARY;
    if (r->must == NO_INSN && r->first == NO_INSN && last != r->high)
        cost += COST_NOT_LAST + (int)(r->high - last);
    if (cost < s->cost) {
        s->cost = cost;
        s->first = first;
        s->last = last;
    }
}

/* All windows that end with `last`. */
static void search_back(struct search *s, uint32_t last)
{
    const struct plan *plan = s->plan;
    const struct code *code = plan->code;
    uint32_t length = 0;

    for (uint32_t first = last;; first--) {
        if (!usable(plan, first, first == last, s->request))
            return;
        length += code->insns[first].length;
        if (length > WINDOW_BYTES_MAX || last - first >= WINDOW_INSNS_MAX)
            return;
        if (length >= WINDOW_JUMP)
            consider(s, first, last);
        if (first == s->request->low || first == 0 ||
            code_is_target(code, code_address(code, first)) || !code_adjoins(code, first - 1))
            return;
    }
}

bool plan_find(const struct plan *plan, const struct plan_request *request, uint32_t *ret_first,
               uint32_t *ret_last)
{
    struct search s = {.plan = plan, .request = request, .cost = INT32_MAX};

    if (request->low == NO_INSN || request->low > request->high)
        return false;
    for (uint32_t last = request->high;; last--) {
        if (request->last == NO_INSN || request->last == last)
            search_back(&s, last);
        if (last == request->low || (request->must != NO_INSN && last == request->must))
            break;
        /* Later windows of the block cost more than any that is without faults here. */
        if (s.cost < (int)(COST_NOT_LAST + request->high - last) && request->must == NO_INSN &&
            request->first == NO_INSN)
            break;
    }
    if (s.cost == INT32_MAX)
        return false;
    *ret_first = s.first;
    *ret_last = s.last;
    return true;
}

uint32_t plan_add(struct plan *plan, uint32_t first, uint32_t last, enum image_point kind)
{
    uint32_t index = (uint32_t)plan->window_count;

    plan->windows = memory_grow(plan->windows, plan->window_count, &plan->window_capacity,
                                sizeof(*plan->windows));
    plan->windows[plan->window_count++] =
        (struct window){.first = first, .last = last, .body_last = last, .kind = (uint8_t)kind};
    for (uint32_t k = first; k <= last; k++)
        plan->owner[k] = index;
    return index;
}

void plan_add_tick(struct plan *plan, uint32_t insn)
{
    plan->points[insn] |= POINT_TICK;
    plan->ticked[plan->flow->block_of[insn]] = true;
}

void plan_refuse(struct plan *plan, uint32_t insn, enum refusal_site site,
                 enum refusal_reason reason)
{
    plan->refusals = memory_grow(plan->refusals, plan->refusal_count, &plan->refusal_capacity,
                                 sizeof(*plan->refusals));
    plan->refusals[plan->refusal_count++] =
        (struct refusal){.insn = insn, .site = (uint8_t)site, .reason = (uint8_t)reason};
}

/* A window that is there already takes the tick too; not one whose jump may never be written. */
static bool share_window(struct plan *plan, uint32_t low, uint32_t high)
{
    for (uint32_t k = low; k <= high; k++) {
        if (plan->points[k] & (POINT_CALL | POINT_TICK))
            return true;
        if (plan->owner[k] == NO_WINDOW || plan->windows[plan->owner[k]].first != k ||
            plan->windows[plan->owner[k]].edge || plan->windows[plan->owner[k]].dormant)
            continue;
        plan_add_tick(plan, k);
        return true;
    }
    return false;
}

void plan_add_tick_window(struct plan *plan, uint32_t first, uint32_t last)
{
    plan_add(plan, first, last, IMAGE_POINT_TICK);
    plan_add_tick(plan, first);
    /* Blocks that start inside are entered through the window alone. */
    for (uint32_t k = first; k <= last; k++)
        plan->ticked[plan->flow->block_of[k]] = true;
}

static const struct plan_request any_window = {
    .must = NO_INSN, .first = NO_INSN, .last = NO_INSN, .point = NO_INSN};

/* Does a branch or call lead to the very start of a known instruction that reads no flags? */
static bool plain_target(const struct plan *plan, uint32_t k)
{
    const struct code *code = plan->code;
    const struct insn *i = &code->insns[k];
    struct decoded d;

    return i->target != NO_INSN && !code->insns[i->target].flags_live &&
           plan->owner[k] == NO_WINDOW && !(i->marks & (MARK_FIXED | MARK_DATA)) &&
           (i->marks & MARK_REACHED) && interior_free(plan, k) &&
           decode(code_bytes(code, k), i->length, &d) &&
           code_end(code, k) + (uint64_t)d.relative == code_address(code, i->target);
}

static void add_edge_window(struct plan *plan, uint32_t insn)
{
    uint32_t window = plan_add(plan, insn, insn, IMAGE_POINT_TICK);

    plan->windows[window].edge = true;
}

bool plan_tick_edge(struct plan *plan, uint32_t block)
{
    uint32_t k = plan->flow->blocks[block].last;
    const struct insn *i = &plan->code->insns[k];

    if (plan->jump_ticked[block])
        return true;
    if (i->flow != FLOW_BRANCH || i->length != 6 || !plain_target(plan, k))
        return false;
    add_edge_window(plan, k);
    plan->jump_ticked[block] = true;
    return true;
}

bool plan_trap(struct plan *plan, uint32_t insn, enum image_point kind)
{
    const struct plan_request alone = {.must = insn};
    uint32_t window;

    if (plan->code->insns[insn].special == DECODE_SYSCALL || !usable(plan, insn, true, &alone))
        return false;
    window = plan_add(plan, insn, insn, kind); /* moves plan->windows */
    plan->windows[window].trap = true;
    if (kind == IMAGE_POINT_TICK)
        plan_add_tick(plan, insn);
    return true;
}

bool plan_tick_call(struct plan *plan, uint32_t insn)
{
    const struct insn *i = &plan->code->insns[insn];

    if (plan->points[insn] & POINT_CALL)
        return true;
    if (i->flow != FLOW_CALL || i->length != 5 || !plain_target(plan, insn))
        return false;
    add_edge_window(plan, insn);
    plan->points[insn] |= POINT_CALL;
    plan->ticked[plan->flow->block_of[insn]] = true;
    return true;
}

bool plan_tick_block(struct plan *plan, uint32_t low, uint32_t high)
{
    struct plan_request request = any_window;
    uint32_t first, last;

    if (low > high || high == NO_INSN)
        return false;
    if (share_window(plan, low, high))
        return true;
    for (uint32_t k = low; k <= high; k++)
        if (plan_tick_call(plan, k))
            return true;
    request.low = low;
    request.high = high;
    if (!plan_find(plan, &request, &first, &last))
        return false;
    plan_add_tick_window(plan, first, last);
    return true;
}

/* Backwards over branches that fall into the block, or forwards over its own. */
static bool tick_superblock(struct plan *plan, uint32_t low, uint32_t high)
{
    struct plan_request request = any_window;
    uint32_t first, last;

    request.branches = true;
    request.low = high > WINDOW_INSNS_MAX ? high - WINDOW_INSNS_MAX : 0;
    request.high = request.last = high;
    if (plan_find(plan, &request, &first, &last)) {
        plan_add_tick_window(plan, first, last);
        return true;
    }
    if (high != plan->flow->blocks[plan->flow->block_of[low]].last)
        return false; /* what must come after the tick stands right behind `high` */
    request.low = low;
    request.last = NO_INSN;
    request.must = high;
    request.high = high + WINDOW_INSNS_MAX;
    if (request.high >= plan->code->count || !plan_find(plan, &request, &first, &last))
        return false;
    plan_add_tick_window(plan, first, last);
    return true;
}

bool plan_tick_path(struct plan *plan, uint32_t low, uint32_t high)
{
    if (plan_tick_block(plan, low, high))
        return true;
    return high != NO_INSN && low <= high && tick_superblock(plan, low, high);
}

bool plan_tick_before(struct plan *plan, uint32_t low, uint32_t high, int depth)
{
    const struct flow_graph *flow = plan->flow;
    const struct graph *g = &plan->predecessors;
    uint32_t block = flow->block_of[low];
    const struct insn *first = &plan->code->insns[low];

    if (high >= low && high != NO_INSN && plan_tick_path(plan, low, high))
        return true;
    if (depth == 0 || (first->marks & (MARK_ROOT | MARK_WEAK | MARK_FUNCTION | MARK_CALLED)) ||
        g->first[block] == g->first[block + 1])
        return false;
    for (uint32_t i = g->first[block]; i < g->first[block + 1]; i++) {
        const struct block *p = &flow->blocks[g->edges[i]];
        bool short_branch = plan->code->insns[p->last].flow == FLOW_BRANCH_SHORT ||
                            plan->code->insns[p->last].flow == FLOW_CALL ||
                            plan->code->insns[p->last].flow == FLOW_CALL_INDIRECT ||
                            plan->code->insns[p->last].flow == FLOW_KERNEL;

        if (plan->ticked[g->edges[i]] ||
            (p->jump == block && p->next != block && plan_tick_edge(plan, g->edges[i])))
            continue;
        if (g->edges[i] == block ||
            !plan_tick_before(plan, p->first, short_branch ? p->last - 1 : p->last, depth - 1))
            return false;
    }
    plan->entered[block] = true;
    return true;
}

bool plan_ticked_before(const struct plan *plan, uint32_t insn)
{
    uint32_t block = plan->flow->block_of[insn];

    if (plan->entered[block] || (plan->points[insn] & POINT_CALL))
        return true;
    for (uint32_t k = plan->flow->blocks[block].first; k < insn; k++)
        if (plan->points[k] & (POINT_TICK | POINT_CALL))
            return true;
    return false;
}
