/* Points that single instructions are: emulated instructions, indirect jumps and calls, atomic
 * instructions and the entries of lock functions. */
#include "recorder/images/plan.h"

#include <string.h>

#include "recorder/images/memory.h"

/* Blocks to look back when there is no room right before an indirect jump or call. */
#define DEPTH 2

static uint32_t lower_bound(uint32_t block_first, uint32_t insn)
{
    return insn - block_first > WINDOW_INSNS_MAX ? insn - WINDOW_INSNS_MAX : block_first;
}

static uint32_t upper_bound(uint32_t block_last, uint32_t insn)
{
    return block_last - insn > WINDOW_INSNS_MAX ? insn + WINDOW_INSNS_MAX : block_last;
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
static bool window_around(struct plan *plan, uint32_t insn, enum image_point kind)
{
    const struct block *block = &plan->flow->blocks[plan->flow->block_of[insn]];
    struct plan_request request = {.low = lower_bound(block->first, insn),
                                   .high = upper_bound(block->last, insn),
                                   .must = insn,
                                   .first = NO_INSN,
                                   .last = NO_INSN,
                                   .point = insn};
    uint32_t first, last;

    if (!plan_find(plan, &request, &first, &last)) {
        /* A fall-through over conditional branches is still one way in. */
        request.low = insn > WINDOW_INSNS_MAX ? insn - WINDOW_INSNS_MAX : 0;
        request.high = insn + WINDOW_INSNS_MAX < plan->code->count ? insn + WINDOW_INSNS_MAX : insn;
        request.branches = true;
        if (!plan_find(plan, &request, &first, &last))
            return false;
    }
    plan_add(plan, first, last, kind);
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

        if (i->special < DECODE_CPUID || i->special > DECODE_RDSEED || plan->owner[k] != NO_WINDOW)
            continue;
        if (!window_around(plan, k, special_point(i->special)))
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
        if (plan_tick_before(plan, low, k, DEPTH))
            plan->statistics.indirect_jumps_windowed++;
        else
            plan_refuse(plan, k, SITE_INDIRECT_JUMP, reason_for(plan, k));
    }
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
        if (!plan_ticked_before(plan, k) && !plan_tick_before(plan, low, k - 1, DEPTH))
            continue; /* recursion.c finds another place */
        plan->points[k] |= CALL_COVERED;
        plan->statistics.indirect_calls_windowed++;
    }
}

static bool count_atomic(struct plan *plan, uint32_t insn)
{
    if (plan->owner[insn] == NO_WINDOW ? !window_around(plan, insn, IMAGE_POINT_ATOMIC)
                                       : plan->windows[plan->owner[insn]].edge)
        return false;
    plan->points[insn] |= POINT_ATOMIC;
    return true;
}

/* A lock function counts at its entry, or further down in its first block. */
static bool count_entry(struct plan *plan, uint32_t entry)
{
    uint32_t last = plan->flow->blocks[plan->flow->block_of[entry]].last;

    for (uint32_t k = entry; k <= last; k++)
        if (count_atomic(plan, k))
            return true;
    return false;
}

void plan_atomics(struct plan *plan)
{
    for (uint32_t k = 0; k < plan->code->count; k++) {
        const struct insn *i = &plan->code->insns[k];
        bool entry = i->marks & MARK_SYNC;

        if (i->special != DECODE_ATOMIC && !entry)
            continue;
        if (!(entry ? count_entry(plan, k) : count_atomic(plan, k)))
            plan_refuse(plan, k, SITE_ATOMIC, reason_for(plan, k));
    }
}
