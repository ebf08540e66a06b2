/* Finding a region by decoding, and its stub by the planner's own emitter. */
#include "recorder/images/region.h"

#include <string.h>

#include "recorder/images/memory.h"
#include "recorder/images/place.h"
#include "recorder/images/plan.h"
#include "recorder/images/stub.h"

#define SYSCALL_LENGTH 2
#define STREAMS 40   /* places before the `syscall` from which decoding is tried */
#define AGREEMENT 90 /* percent of them that must meet at a boundary */
#define BEFORE_MAX 3 /* instructions */
#define AFTER_MAX 5  /* instructions */
#define INT3 0xcc

/* ---- what lies around --------------------------------------------------------------------------
 */

struct around {
    const uint8_t *code; /* the `syscall` */
    size_t before, after;
    uint64_t number;
    /* boundaries behind the `syscall`, from it on: offset[0] is its end */
    size_t behind_count;
    int behind[AFTER_MAX + 1];
    /* and before it, nearest first: start[0] is the `syscall` itself */
    size_t front_count;
    int front[BEFORE_MAX + 1];
};

static bool is_padding(const uint8_t *code, size_t length)
{
    static const uint8_t nop[] = {0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66};

    if (length == 1)
        return code[0] == 0x90 || code[0] == INT3;
    for (size_t i = 0; i < length; i++) /* 66* 90, 66* 2e? 0f 1f */
        if (code[i] != nop[0] && code[i] != 0x2e)
            return (code[i] == 0x90 && i + 1 == length) ||
                   (code[i] == 0x0f && i + 1 < length && code[i + 1] == 0x1f);
    return false;
}

static bool ends_line(const struct decoded *d)
{
    return d->flow == FLOW_RETURN || d->flow == FLOW_JUMP || d->flow == FLOW_JUMP_INDIRECT;
}

/* Perhaps the call has prefixes before it, which would be those of the jump. */
static bool may_be_prefix(uint8_t byte)
{
    static const uint8_t prefixes[] = {0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65, 0x66, 0x67, 0xf2, 0xf3};

    return (byte & 0xf0) == 0x40 || memchr(prefixes, byte, sizeof(prefixes)) != NULL;
}

/* What follows is executed, up to where control leaves; behind that only padding may be taken. */
static void look_behind(struct around *a)
{
    size_t at = SYSCALL_LENGTH;
    bool left = false;

    a->behind[a->behind_count++] = SYSCALL_LENGTH;
    while (a->behind_count <= AFTER_MAX && at < a->after) {
        struct decoded d;

        if (!decode(a->code + at, a->after - at, &d) || d.immovable || d.special != DECODE_PLAIN)
            return;
        if (left ? !is_padding(a->code + at, d.length)
                 : d.flow != FLOW_NEXT && d.flow != FLOW_BRANCH && !ends_line(&d))
            return;
        left |= ends_line(&d);
        at += d.length;
        a->behind[a->behind_count++] = (int)at;
    }
}

/* How many of the decodings that begin before `from` have a boundary at it, in percent. */
static unsigned agreement(const struct around *a, int boundary)
{
    unsigned total = 0, met = 0;

    for (int start = boundary - 16 - STREAMS; start < boundary - 16; start++) {
        int at = start;

        if (at < -(int)a->before)
            continue;
        while (at < boundary) {
            struct decoded d;

            if (!decode(a->code + at, (size_t)((int)a->after - at), &d))
                break;
            at += d.length;
        }
        if (at < boundary)
            continue;
        total++;
        met += at == boundary;
    }
    return total < 4 ? 0 : met * 100 / total;
}

/* mov $number, %eax; or mov $number, %rax: the call that is being made says that it is one. */
static bool is_number_mov(const struct around *a, int at, int end)
{
    const uint8_t *code = a->code + at;
    uint32_t value;

    if (end - at == 5 && code[0] == 0xb8)
        memcpy(&value, code + 1, 4);
    else if (end - at == 7 && code[0] == 0x48 && code[1] == 0xc7 && code[2] == 0xc0)
        memcpy(&value, code + 3, 4);
    else
        return false;
    return value == (uint32_t)a->number;
}

static void look_front(struct around *a)
{
    a->front[a->front_count++] = 0;
    while (a->front_count <= BEFORE_MAX) {
        int end = a->front[a->front_count - 1], found = 1;

        for (int length = 1; length <= 11 && found > 0; length++) {
            struct decoded d;
            int at = end - length;

            if (at < -(int)a->before || !decode(a->code + at, (size_t)length, &d) ||
                d.length != length || d.flow != FLOW_NEXT || d.special != DECODE_PLAIN ||
                d.immovable)
                continue;
            if ((a->front_count == 1 && is_number_mov(a, at, end)) || agreement(a, at) >= AGREEMENT)
                found = at;
        }
        if (found > 0)
            return;
        a->front[a->front_count++] = found;
    }
}

static bool is_boundary(const struct around *a, size_t front, size_t behind, int64_t at)
{
    for (size_t i = 0; i < front; i++)
        if (a->front[i] == at)
            return true;
    for (size_t i = 0; i < behind; i++)
        if (a->behind[i] == at)
            return true;
    return false;
}

/* Could some bytes near it be a branch to an instruction inside? Says yes too often: outside of the
 * region it looks at every byte as if an instruction began there. */
static bool jumped_into(const struct around *a, size_t front, size_t behind)
{
    int start = a->front[front], end = a->behind[behind];

    for (int at = -(int)a->before; at < (int)a->after; at++) {
        struct decoded d;

        if (at > start && at < end && !is_boundary(a, front, behind, at))
            continue;
        if (decode(a->code + at, (size_t)((int)a->after - at), &d) &&
            (d.flow == FLOW_BRANCH || d.flow == FLOW_BRANCH_SHORT || d.flow == FLOW_JUMP ||
             d.flow == FLOW_CALL) &&
            is_boundary(a, front, behind, at + d.length + d.relative))
            return true;
    }
    return false;
}

static void take(const struct around *a, size_t front, size_t behind, struct image_region *ret)
{
    int start = a->front[front], end = a->behind[behind];

    memset(ret, 0, sizeof(*ret));
    ret->length = (uint8_t)(end - start);
    ret->before = (uint8_t)-start;
    memcpy(ret->code, a->code + start, (size_t)(end - start));
    for (size_t i = front; i > 0; i--)
        ret->offset[ret->count++] = (uint8_t)(a->front[i] - start);
    ret->offset[ret->count++] = ret->before;
    for (size_t i = 0; i < behind; i++)
        ret->offset[ret->count++] = (uint8_t)(a->behind[i] - start);
}

bool image_region_find(const uint8_t *code, size_t before, size_t after, uint64_t number,
                       struct image_region *ret)
{
    struct around a = {.code = code,
                       .before = before < REGION_CONTEXT ? before : REGION_CONTEXT,
                       .after = after < REGION_CONTEXT ? after : REGION_CONTEXT,
                       .number = number};
    size_t best = SIZE_MAX;

    if (after < SYSCALL_LENGTH || code[0] != 0x0f || code[1] != 0x05 ||
        (before > 0 && may_be_prefix(code[-1])))
        return false;
    look_behind(&a);
    look_front(&a);
    for (size_t front = 0; front < a.front_count; front++) {
        for (size_t behind = 0; behind < a.behind_count; behind++) {
            int start = a.front[front], end = a.behind[behind];

            if (end - start < REGION_JUMP || end - start > REGION_BYTES_MAX ||
                front + behind + 1 > REGION_INSNS_MAX || front + behind >= best ||
                jumped_into(&a, front, behind))
                continue;
            best = front + behind;
            take(&a, front, behind, ret);
        }
    }
    return best != SIZE_MAX;
}

/* ---- where its stub may lie
 * ---------------------------------------------------------------------- */

bool image_region_fits(const struct image_region *region, uint64_t start, uint64_t stub)
{
    int64_t distance = (int64_t)(stub - (start + REGION_JUMP));

    if (distance != (int32_t)distance)
        return false;
    for (size_t i = 1; i < region->count && region->offset[i] < REGION_JUMP; i++)
        if (!place_traps((uint8_t)(distance >> 8 * (region->offset[i] - 1))))
            return false;
    return true;
}

uint64_t image_region_place(const struct image_region *region, uint64_t start, uint64_t from,
                            uint64_t to)
{
    for (uint64_t at = from; at < to; at++)
        if (image_region_fits(region, start, at))
            return at;
    return 0;
}

/* ---- its stub -------------------------------------------------------------------------------- */

/* A plan of nothing but this window. */
struct little_plan {
    struct elf_file elf;
    Elf64_Phdr segment;
    struct insn insns[REGION_INSNS_MAX];
    uint64_t starts[2], targets[2];
    uint32_t rank[2];
    struct code code;
    uint8_t points[REGION_INSNS_MAX];
    struct plan plan;
    struct stub stub;
};

static bool fill_plan(const struct image_region *region, uint64_t start, struct little_plan *p)
{
    p->segment = (Elf64_Phdr){.p_type = PT_LOAD,
                              .p_flags = PF_R | PF_X,
                              .p_vaddr = start,
                              .p_filesz = region->length,
                              .p_memsz = region->length};
    p->elf.data = (uint8_t *)(uintptr_t)region->code;
    p->elf.size = region->length;
    p->elf.segments = &p->segment;
    p->elf.segment_count = 1;
    p->code = (struct code){.elf = &p->elf,
                            .base = start,
                            .size = region->length,
                            .insns = p->insns,
                            .count = region->count,
                            .starts = p->starts,
                            .targets = p->targets,
                            .rank = p->rank};
    for (size_t i = 0; i < region->count; i++) {
        struct decoded d;

        if (!decode(region->code + region->offset[i], region->length - region->offset[i], &d))
            return false;
        p->insns[i] = (struct insn){.offset = region->offset[i],
                                    .target = NO_INSN,
                                    .length = d.length,
                                    .flow = d.flow,
                                    .special = d.special,
                                    .rip_offset = d.rip_offset};
        p->starts[region->offset[i] / 64] |= 1ull << region->offset[i] % 64;
    }
    p->rank[1] = (uint32_t)__builtin_popcountll(p->starts[0]);
    p->plan.code = &p->code;
    p->plan.points = p->points;
    return true;
}

static bool take_places(const struct stub_part *part, struct image_region_stub *ret)
{
    if (part->map_count > sizeof(ret->place) / sizeof(*ret->place))
        return false;
    for (size_t i = 0; i < part->map_count; i++)
        ret->place[ret->place_count++] =
            (struct image_region_place){(uint8_t)part->map[i].at, (uint8_t)part->map[i].original,
                                        part->map[i].state == STATE_HEAD};
    return true;
}

bool image_region_emit(const struct image_region *region, uint64_t start, uint64_t stub,
                       struct image_region_stub *ret)
{
    struct little_plan *p = memory_zeroed(1, sizeof(*p));
    struct window w = {.last = region->count - 1u, .body_last = region->count - 1u};

    bool good = fill_plan(region, start, p) && stub_emit(&p->plan, &w, stub, stub, &p->stub) &&
                p->stub.hot.size <= sizeof(ret->code) && p->stub.cold.size == 0;

    memset(ret, 0, sizeof(*ret));
    if (good) {
        ret->size = p->stub.hot.size;
        memcpy(ret->code, p->stub.hot_code, ret->size);
        good = take_places(&p->stub.hot, ret);
    }
    free(p);
    return good;
}

void image_region_bytes(uint64_t start, size_t length, uint64_t target, uint8_t *ret)
{
    uint32_t distance = (uint32_t)(target - (start + REGION_JUMP));

    memset(ret, INT3, length);
    ret[0] = 0xe9;
    memcpy(ret + 1, &distance, 4);
}
