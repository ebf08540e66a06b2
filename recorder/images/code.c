/* Finding and decoding code: ranges, the instruction table, its address index. targets.c adds who
 * may jump where. */
#include "recorder/images/code.h"

#include <errno.h>
#include <string.h>

#include "recorder/images/copied.h"
#include "recorder/images/frames.h"
#include "recorder/images/memory.h"
#include "recorder/images/targets.h"

struct range_list {
    struct code_range *ranges;
    size_t count;
    size_t capacity;
    const struct elf_file *elf;
    struct copied copied;
};

static void add_range(struct range_list *list, uint64_t start, uint64_t end)
{
    if (start >= end || !elf_file_executable(list->elf, start) ||
        end - start > elf_file_backed(list->elf, start) ||
        copied_overlaps(&list->copied, start, end))
        return;
    list->ranges = memory_grow(list->ranges, list->count, &list->capacity, sizeof(*list->ranges));
    list->ranges[list->count++] = (struct code_range){start, end};
}

static void add_frame(uint64_t start, uint64_t end, void *context)
{
    add_range(context, start, end);
}

static void ignore_landing(uint64_t address, void *context)
{
    (void)address;
    (void)context;
}

static void add_symbol(const struct elf_symbol *symbol, void *context)
{
    if ((symbol->type == STT_FUNC || symbol->type == STT_GNU_IFUNC) && symbol->size > 0 &&
        symbol->address + symbol->size > symbol->address)
        add_range(context, symbol->address, symbol->address + symbol->size);
}

static int compare_ranges(const void *a, const void *b)
{
    const struct code_range *x = a, *y = b;

    if (x->start != y->start)
        return x->start < y->start ? -1 : 1;
    return (x->end > y->end) - (x->end < y->end);
}

static void set_bit(uint64_t *bits, uint64_t at)
{
    bits[at / 64] |= 1ull << (at % 64);
}

static bool get_bit(const uint64_t *bits, uint64_t at)
{
    return bits[at / 64] >> (at % 64) & 1;
}

static uint64_t relative_target(const struct code *code, uint64_t end, int64_t relative)
{
    uint64_t target = end + (uint64_t)relative;

    return target - code->base < code->size ? target - code->base : UINT64_MAX;
}

static void put_insn(struct code *code, size_t *capacity, uint64_t address, const struct decoded *d)
{
    uint64_t target = UINT64_MAX;
    struct insn *i;

    code->insns = memory_grow(code->insns, code->count, capacity, sizeof(*code->insns));
    i = &code->insns[code->count++];
    memset(i, 0, sizeof(*i));
    i->offset = (uint32_t)(address - code->base);
    i->length = d->length;
    i->flow = d->flow & 15;
    i->special = d->special & 15;
    i->flags_read = d->flags_read;
    i->flags_written = d->flags_written;
    i->rip_offset = d->rip_offset;
    i->marks = (uint16_t)((d->immovable ? MARK_FIXED : 0) | (d->lea ? MARK_LEA : 0));
    if (d->flow == FLOW_BRANCH || d->flow == FLOW_BRANCH_SHORT || d->flow == FLOW_JUMP ||
        d->flow == FLOW_CALL)
        target = relative_target(code, address + d->length, d->relative);
    /* An offset for now: targets.c turns it into an index once all code is known. */
    i->target = target == UINT64_MAX ? NO_INSN : (uint32_t)target;
}

/* In a position-dependent program an immediate may be an address of code. */
static void note_immediate(struct code *code, const uint8_t *bytes, const struct decoded *d)
{
    uint64_t value = 0;

    memcpy(&value, bytes + d->imm_offset, d->imm_size);
    if (value - code->base < code->size)
        set_bit(code->targets, value - code->base);
}

/* Decode [start, end) into the table; on a byte that does not decode, or a range start inside an
 * instruction, take all of it back. */
static bool decode_range(struct code *code, size_t *capacity, const struct code_range *ranges,
                         size_t range_count, uint64_t end)
{
    uint64_t at = ranges[0].start;
    const uint8_t *bytes = elf_file_at(code->elf, at, end - at);
    size_t first = code->count, next = 0;

    while (bytes && at < end) {
        struct decoded d;

        while (next < range_count && ranges[next].start <= at) {
            if (ranges[next].start < at)
                goto refused;
            next++;
        }
        if (!decode(bytes, end - at, &d))
            goto refused;
        put_insn(code, capacity, at, &d);
        if (d.imm_offset && code->elf->header.e_type == ET_EXEC)
            note_immediate(code, bytes, &d);
        at += d.length;
        bytes += d.length;
    }
    if (bytes && next == range_count) {
        for (size_t i = first; i < code->count; i++)
            set_bit(code->starts, code->insns[i].offset);
        return true;
    }
refused:
    code->count = first;
    return false;
}

static void refuse_range(struct code *code, struct code_range range, bool copied)
{
    code->refused = memory_resize(code->refused, code->refused_count + 1, sizeof(*code->refused));
    code->refused[code->refused_count++] = (struct code_refusal){range, copied};
}

static void decode_ranges(struct code *code, struct range_list *list)
{
    size_t capacity = 0;

    if (list->count)
        qsort(list->ranges, list->count, sizeof(*list->ranges), compare_ranges);
    for (size_t i = 0; i < list->count;) {
        uint64_t end = list->ranges[i].end;
        size_t next = i + 1;

        while (next < list->count && list->ranges[next].start < end) {
            if (list->ranges[next].end > end)
                end = list->ranges[next].end;
            next++;
        }
        code->range_count++;
        if (!decode_range(code, &capacity, list->ranges + i, next - i, end))
            refuse_range(code, (struct code_range){list->ranges[i].start, end}, false);
        else
            for (size_t k = i; k < next; k++)
                set_bit(code->targets, list->ranges[k].start - code->base);
        i = next;
    }
}

static void build_rank(struct code *code)
{
    size_t words = code->size / 64 + 1;
    uint32_t total = 0;

    code->rank = memory_zeroed(words, sizeof(*code->rank));
    for (size_t i = 0; i < words; i++) {
        code->rank[i] = total;
        total += (uint32_t)__builtin_popcountll(code->starts[i]);
    }
}

uint32_t code_index(const struct code *code, uint64_t address)
{
    uint64_t at = address - code->base;

    if (at >= code->size || !get_bit(code->starts, at))
        return NO_INSN;
    return code->rank[at / 64] +
           (uint32_t)__builtin_popcountll(code->starts[at / 64] & ((1ull << (at % 64)) - 1));
}

uint32_t code_index_containing(const struct code *code, uint64_t address)
{
    for (uint64_t back = 0; back < 15; back++) {
        uint32_t index = code_index(code, address - back);

        if (index != NO_INSN)
            return code->insns[index].length > back ? index : NO_INSN;
    }
    return NO_INSN;
}

bool code_is_target(const struct code *code, uint64_t address)
{
    uint64_t at = address - code->base;

    return at < code->size && get_bit(code->targets, at);
}

int code_build(const struct elf_file *elf, struct code *ret)
{
    struct range_list list = {.elf = elf};

    memset(ret, 0, sizeof(*ret));
    if (elf->code_low >= elf->code_high || elf->code_high - elf->low > UINT32_MAX / 2)
        return -EOPNOTSUPP;
    ret->elf = elf;
    ret->base = elf->low;
    ret->size = elf->code_high - ret->base;
    ret->starts = memory_zeroed(ret->size / 64 + 1, sizeof(uint64_t));
    ret->targets = memory_zeroed(ret->size / 64 + 1, sizeof(uint64_t));
    copied_find(elf, &list.copied);
    frames_visit(elf, add_frame, ignore_landing, &list);
    elf_file_symbols(elf, add_symbol, &list);
    decode_ranges(ret, &list);
    for (size_t i = 0; i < list.copied.count; i++)
        refuse_range(ret, list.copied.ranges[i], true);
    free(list.ranges);
    copied_done(&list.copied);
    build_rank(ret);
    if (ret->count == 0) {
        code_done(ret);
        return -EOPNOTSUPP;
    }
    targets_find(ret);
    return 0;
}

void code_done(struct code *code)
{
    free(code->insns);
    free(code->starts);
    free(code->targets);
    free(code->rank);
    free(code->refused);
    memset(code, 0, sizeof(*code));
}
