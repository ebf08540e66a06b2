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
        if (!window_around(plan, k, special_point(i->special)) &&
            !plan_trap(plan, k, special_point(i->special)))
            plan_refuse(plan, k, SITE_SPECIAL, reason_for(plan, k));
    }
}

/* Instructions before, around or behind the call: whatever its shape, as long as no other way leads
 * into the middle. */
static bool call_region(struct plan *plan, uint32_t insn)
{
    uint32_t last = plan->code->count - 1;
    struct plan_request request = {.low = insn > WINDOW_INSNS_MAX ? insn - WINDOW_INSNS_MAX : 0,
                                   .high = last - insn > WINDOW_INSNS_MAX ? insn + WINDOW_INSNS_MAX
                                                                          : last,
                                   .must = insn,
                                   .first = NO_INSN,
                                   .last = NO_INSN,
                                   .point = NO_INSN,
                                   .branches = true};
    uint32_t first, window;

    if (!plan_find(plan, &request, &first, &last))
        return false;
    window = plan_add(plan, first, last, IMAGE_POINT_CALL);
    plan->windows[window].dormant = plan->dormant_calls;
    return true;
}

/* mov $15, %eax or %rax before the call: rt_sigreturn. Unwinders compare the bytes at a frame's
 * return address where no FDE speaks (libgcc's x86_64_fallback_frame_state). By bytes: glibc's FDE
 * of its restorer begins one byte early, in the padding, and what is decoded from there is wrong.
 */
static bool is_restorer(const struct plan *plan, uint32_t insn)
{
    static const uint8_t narrow[] = {0xb8, 15, 0, 0, 0}, wide[] = {0x48, 0xc7, 0xc0, 15, 0, 0, 0};
    uint64_t address = code_address(plan->code, insn);
    const uint8_t *before = elf_file_at(plan->code->elf, address - sizeof(wide), sizeof(wide));

    return before && (memcmp(before, wide, sizeof(wide)) == 0 ||
                      memcmp(before + sizeof(wide) - sizeof(narrow), narrow, sizeof(narrow)) == 0);
}

void plan_calls(struct plan *plan)
{
    for (uint32_t k = 0; plan->calls && k < plan->code->count; k++) {
        if (plan->code->insns[k].special != DECODE_SYSCALL)
            continue;
        plan->statistics.calls++;
        if (is_restorer(plan, k))
            plan_refuse(plan, k, SITE_CALL, REASON_RESTORER);
        else if (plan->owner[k] == NO_WINDOW && call_region(plan, k))
            plan->statistics.calls_windowed++;
        else
            plan_refuse(plan, k, SITE_CALL, reason_for(plan, k));
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
    if (plan->owner[insn] == NO_WINDOW
            ? !window_around(plan, insn, IMAGE_POINT_ATOMIC)
            : plan->windows[plan->owner[insn]].edge || plan->windows[plan->owner[insn]].dormant)
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
