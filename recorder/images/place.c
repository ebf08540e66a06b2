/* Packing stubs: most constrained first, upwards from one anchor per 64 KiB of text, inside one
 * 64-byte line where possible. */
#include "recorder/images/place.h"

#include <rrtest/recorder_page.h>
#include <string.h>

#include "recorder/base/types.h"
#include "recorder/images/memory.h"
#include "recorder/images/stub.h"

#define LINE 64
#define ANCHOR 0x10000ull
#define REACH 0x10000ll /* the low two bytes of a jump's displacement are free to either side */

/* One-byte opcodes that raise #UD, #GP or #BP in 64-bit mode on every processor: removed by AMD64
 * (push/pop segment, daa, das, aaa, aas, pusha, popa, call far, into, aam, aad's neighbour salc,
 * jmp far), int3, int1, hlt. d5 is left out: APX makes it a prefix. */
bool place_traps(uint8_t byte)
{
    static const uint8_t trapping[] = {0x06, 0x07, 0x0e, 0x16, 0x17, 0x1e, 0x1f,
                                       0x27, 0x2f, 0x37, 0x3f, 0x60, 0x61, 0x9a,
                                       0xcc, 0xce, 0xd4, 0xd6, 0xea, 0xf1, 0xf4};

    return memchr(trapping, byte, sizeof(trapping)) != NULL;
}

static int64_t displacement_of(const struct elf_file *elf)
{
    return elf->header.e_type == ET_EXEC ? DISPLACEMENT_FIXED : DISPLACEMENT_MOVABLE;
}

/* The area: the image's own span, shifted; no further up than the code needs. */
static void area_of(const struct elf_file *elf, uint64_t *ret_low, uint64_t *ret_high)
{
    uint64_t high = page_up(elf->code_high) + 0x1000000;

    *ret_low = elf->low + (uint64_t)displacement_of(elf);
    *ret_high = (high < elf->high ? high : elf->high) + (uint64_t)displacement_of(elf);
}

bool place_possible(const struct elf_file *elf, const char **ret_reason)
{
    uint64_t low, high;

    area_of(elf, &low, &high);
    *ret_reason = "its code is too large for a stub area within reach";
    if (elf->header.e_type == ET_EXEC)
        return elf->high <= low && high <= RECORDER_PAGE_ADDRESS;
    return high - low <= (uint64_t)-DISPLACEMENT_MOVABLE;
}

struct packer {
    struct plan *plan;
    uint64_t low; /* of the area; wraps below zero for movable images, so compare differences */
    uint64_t size;
    uint64_t *used; /* one bit per byte */
    bool traps[256];
    /* Per anchor and size: nothing of that size fits below in the anchor's block. */
    uint32_t *hints;
    uint64_t top;  /* offset behind the last stub */
    uint64_t cold; /* where slow paths go next */
};

#define HINT_SIZES 128

/* 0 if [at, at + size) is free, else an offset behind its last used byte. */
static uint64_t used_until(const struct packer *p, uint64_t at, uint64_t size)
{
    uint64_t last = at + size - 1;

    for (uint64_t word = last / 64;; word--) {
        uint64_t bits = p->used[word];

        if (word == last / 64)
            bits &= ~0ull >> (63 - last % 64);
        if (word == at / 64)
            bits &= ~0ull << (at % 64);
        if (bits)
            return word * 64 + 64 - (uint64_t)__builtin_clzll(bits);
        if (word == at / 64)
            return 0;
    }
}

static void use(struct packer *p, uint64_t at, uint64_t size)
{
    for (uint64_t i = at; i < at + size; i++)
        p->used[i / 64] |= 1ull << (i % 64);
}

/* What one window asks for; all positions are offsets in the area. */
struct wish {
    uint64_t next; /* position of zero displacement: the window's jump ends there, shifted */
    uint64_t low;
    uint64_t high; /* exclusive, of the first byte */
    uint64_t size;
    uint8_t mask;
    bool line; /* stay inside a line */
};

/* The first position at or behind `at` that the jump's free bytes allow. */
static uint64_t allowed(const struct packer *p, const struct wish *w, uint64_t at)
{
    for (;; at++) {
        uint32_t d = (uint32_t)(at - w->next);

        if ((w->mask & 4) && !p->traps[d >> 8 & 0xff]) {
            at += 0xff - (d & 0xff);
            continue;
        }
        if (!(w->mask & 2) || p->traps[d & 0xff])
            return at;
        if (at >= w->high)
            return at;
    }
}

static uint64_t line_start(const struct wish *w, uint64_t at)
{
    uint64_t need = w->size < LINE ? w->size : LINE;

    if (!w->line || at % LINE + need <= LINE)
        return at;
    return at + LINE - at % LINE;
}

/* First fit in [from, to); UINT64_MAX if there is none. */
static uint64_t fit(const struct packer *p, const struct wish *w, uint64_t from, uint64_t to)
{
    uint64_t at = from;

    while (at < to && at + w->size <= p->size) {
        uint64_t good = allowed(p, w, at);
        uint64_t behind;

        if (good == at)
            good = line_start(w, at);
        if (good != at) {
            at = good;
            continue;
        }
        behind = used_until(p, at, w->size);
        if (behind == 0)
            return at;
        at = behind;
    }
    return UINT64_MAX;
}

static uint64_t fit_around(struct packer *p, const struct wish *w)
{
    uint64_t anchor = (w->low + ANCHOR - 1) / ANCHOR * ANCHOR;
    uint32_t *hint = NULL;
    uint64_t from, at;

    if (anchor >= w->high)
        anchor = w->low;
    from = anchor;
    if (!(w->mask & 6) && w->line && w->size < HINT_SIZES && anchor % ANCHOR == 0) {
        hint = &p->hints[anchor / ANCHOR * HINT_SIZES + w->size];
        from += *hint;
    }
    at = fit(p, w, from, w->high);
    if (hint)
        *hint = (uint32_t)((at == UINT64_MAX ? w->high : at) - anchor);
    if (at == UINT64_MAX)
        at = fit(p, w, w->low, anchor);
    return at;
}

static uint8_t boundary_mask(const struct plan *plan, const struct window *w)
{
    uint64_t start = code_address(plan->code, w->first);
    uint8_t mask = 0;

    for (uint32_t k = w->first + 1; k <= w->last; k++) {
        uint64_t at = code_address(plan->code, k) - start;

        if (at < WINDOW_JUMP)
            mask |= (uint8_t)(1 << at);
    }
    return mask;
}

/* Slow paths go anywhere: behind the stubs, then into holes from the bottom up. */
static bool place_cold(struct packer *p, struct window *w)
{
    struct wish wish = {.size = w->cold_size};
    uint64_t at;

    if (w->cold_size == 0)
        return true;
    at = fit(p, &wish, p->cold, p->size);
    if (at == UINT64_MAX)
        at = fit(p, &wish, 0, p->cold);
    if (at == UINT64_MAX)
        return false;
    use(p, at, w->cold_size);
    w->cold = p->low + at;
    p->cold = at + w->cold_size;
    return true;
}

static bool place_hot(struct packer *p, struct window *w)
{
    int64_t next = (int64_t)(code_address(p->plan->code, w->first) - p->plan->code->base);
    struct wish wish = {.size = w->hot_size, .mask = w->mask, .line = true};
    uint64_t at;

    /* In area offsets the image's address a stands at a - base: displacements are relative to
     * that, less the area's own. The jump leads to the stub's entry, not to its start. */
    next += WINDOW_JUMP - w->entry;
    wish.next = (uint64_t)(next - displacement_of(p->plan->code->elf));
    wish.low = next > REACH ? (uint64_t)(next - REACH) : 0;
    wish.high = (uint64_t)(next + REACH);
    if (wish.high > p->size)
        wish.high = p->size;
    if (wish.low >= wish.high)
        return false;
    at = fit_around(p, &wish);
    if (at == UINT64_MAX) {
        wish.line = false;
        at = fit_around(p, &wish);
    }
    if (at == UINT64_MAX)
        return false;
    use(p, at, w->hot_size);
    w->hot = p->low + at;
    if (at + w->hot_size > p->top)
        p->top = at + w->hot_size;
    return true;
}

static enum refusal_site site_of(const struct window *w)
{
    switch (w->kind) {
    case IMAGE_POINT_TICK:
        return SITE_LOOP;
    case IMAGE_POINT_ATOMIC:
        return SITE_ATOMIC;
    case IMAGE_POINT_CALL:
        return SITE_CALL;
    default:
        return SITE_SPECIAL;
    }
}

static bool measure(struct packer *p, struct window *w, struct stub *scratch)
{
    uint64_t near =
        code_address(p->plan->code, w->first) + (uint64_t)displacement_of(p->plan->code->elf);

    w->mask = boundary_mask(p->plan, w);
    if (!stub_emit(p->plan, w, near, near, scratch))
        return false;
    w->entry = scratch->entry;
    w->hot_size = (uint16_t)scratch->hot.size;
    w->cold_size = (uint16_t)scratch->cold.size;
    return true;
}

static int compare_windows(const void *a, const void *b)
{
    const struct window *x = *(struct window *const *)a, *y = *(struct window *const *)b;

    return (x->first > y->first) - (x->first < y->first);
}

/* 0: both low bytes bound, 1: the lowest, 2: the second, 3: none. */
static int constraint_class(const struct window *w)
{
    static const int classes[] = {3, 1, 2, 0};

    return classes[w->mask >> 1 & 3];
}

static void place_all(struct packer *p, struct window **order, size_t count)
{
    for (int class = 0; class < 4; class ++)
        for (size_t i = 0; i < count; i++)
            if (constraint_class(order[i]) == class && order[i]->hot_size > 0 && !order[i]->placed)
                order[i]->placed = place_hot(p, order[i]);
    p->cold = p->top;
    for (size_t i = 0; i < count; i++)
        if (order[i]->placed && order[i]->cold == 0)
            order[i]->placed = place_cold(p, order[i]);
}

/* An int3 leads to a stub wherever that is. Atomic instructions and calls can be done without. */
static void trap_instead(struct window *w)
{
    if (w->placed || w->edge || w->kind == IMAGE_POINT_ATOMIC || w->kind == IMAGE_POINT_CALL)
        return;
    w->trap = true;
    w->mask = 0;
}

static void find_span(const struct plan *plan, struct placement *ret)
{
    uint64_t low = UINT64_MAX, high = 0, zero = plan->code->base + (uint64_t)ret->displacement;

    for (size_t i = 0; i < plan->window_count; i++) {
        const struct window *w = &plan->windows[i];

        if (!w->placed)
            continue;
        low = w->hot - zero < low ? w->hot - zero : low;
        high = w->hot + w->hot_size - zero > high ? w->hot + w->hot_size - zero : high;
        if (w->cold_size == 0)
            continue;
        low = w->cold - zero < low ? w->cold - zero : low;
        high = w->cold + w->cold_size - zero > high ? w->cold + w->cold_size - zero : high;
    }
    ret->low = ret->high = zero;
    if (low < high) {
        ret->low = zero + page_down(low);
        ret->high = zero + page_up(high);
    }
}

void place_windows(struct plan *plan, struct placement *ret)
{
    struct packer p = {.plan = plan};
    struct window **order = memory_zeroed(plan->window_count, sizeof(*order));
    struct stub *scratch = memory_zeroed(1, sizeof(*scratch));
    uint64_t high;

    area_of(plan->code->elf, &p.low, &high);
    p.size = high - p.low;
    p.used = memory_zeroed(p.size / 64 + 2, sizeof(uint64_t));
    p.hints = memory_zeroed((p.size / ANCHOR + 4) * HINT_SIZES, sizeof(uint32_t));
    for (int i = 0; i < 256; i++)
        p.traps[i] = place_traps((uint8_t)i);
    for (size_t i = 0; i < plan->window_count; i++) {
        order[i] = &plan->windows[i];
        measure(&p, order[i], scratch);
    }
    qsort(order, plan->window_count, sizeof(*order), compare_windows);
    place_all(&p, order, plan->window_count);
    for (size_t i = 0; i < plan->window_count; i++)
        trap_instead(order[i]);
    place_all(&p, order, plan->window_count);
    for (size_t i = 0; i < plan->window_count; i++)
        if (!order[i]->placed)
            plan_refuse(plan, order[i]->first, site_of(order[i]), REASON_PLACEMENT);
    ret->displacement = displacement_of(plan->code->elf);
    find_span(plan, ret);
    free(order);
    free(scratch);
    free(p.used);
    free(p.hints);
}
