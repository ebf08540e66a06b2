/* The planner's primitives: which runs may be overwritten, which of them is best, and the
 * bookkeeping of windows, points and refusals. */
#include "recorder/images/plan.h"

#include <string.h>

#include "recorder/images/memory.h"

/* Longer windows gain nothing: they only copy more code. */
#define WINDOW_INSNS_MAX 9
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
static bool usable(const struct plan *plan, uint32_t index, bool last, bool branches)
{
    const struct insn *i = &plan->code->insns[index];

    if (plan->owner[index] != NO_WINDOW || (i->marks & MARK_FIXED) || !(i->marks & MARK_REACHED) ||
        !interior_free(plan, index))
        return false;
    switch (i->flow) {
    case FLOW_NEXT:
        return true;
    case FLOW_BRANCH:
        return last || branches;
    case FLOW_JUMP:
    case FLOW_JUMP_INDIRECT:
    case FLOW_RETURN:
        return last;
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
    uint32_t counted = r->must != NO_INSN ? r->must : first;
    int cost = (int)(last - first);

    if ((r->must != NO_INSN && (r->must < first || r->must > last)) ||
        (r->first != NO_INSN && r->first != first))
        return;
    if (r->counted && insns[counted].flags_live)
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
        if (!usable(plan, first, first == last, s->request->branches))
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

/* A window that is there already takes the tick too. */
static bool share_window(struct plan *plan, uint32_t low, uint32_t high)
{
    for (uint32_t k = low; k <= high; k++) {
        if (plan->owner[k] == NO_WINDOW || plan->windows[plan->owner[k]].first != k)
            continue;
        plan_add_tick(plan, k);
        return true;
    }
    return false;
}

bool plan_tick_block(struct plan *plan, uint32_t low, uint32_t high)
{
    struct plan_request request = {.low = low,
                                   .high = high,
                                   .must = NO_INSN,
                                   .first = NO_INSN,
                                   .last = NO_INSN,
                                   .counted = true};
    uint32_t first, last;

    if (low > high || high == NO_INSN)
        return false;
    if (share_window(plan, low, high))
        return true;
    if (!plan_find(plan, &request, &first, &last))
        return false;
    plan_add(plan, first, last, IMAGE_POINT_TICK);
    plan_add_tick(plan, first);
    return true;
}
