/* cpuid leaves as the program sees them. Numbers: Intel SDM volume 2A, CPUID. */
#include "recorder/record/cpuid.h"

#include <cpuid.h>
#include <stdlib.h>
#include <string.h>

#include "include/rrtest/recorder_page.h"
#include "recorder/base/bytes.h"
#include "recorder/record/record.h"

struct cpuid_entry {
    uint32_t leaf, subleaf, flags, pad;
    uint32_t a, b, c, d;
};

#define TABLE_OFFSET (RECORDER_CPUID_TABLE - RECORDER_PAGE_ADDRESS)

static unsigned subleaves(uint32_t leaf)
{
    switch (leaf) {
    case 4:
        return 6;
    case 7:
        return 3;
    case 0xb:
    case 0x1f:
        return 3;
    case 0xd:
        return 20;
    case 0x14:
    case 0x18:
    case 0x1d:
        return 2;
    case 0x8000001d:
        return 5;
    default:
        return 0;
    }
}

static void bend(struct cpuid_entry *e)
{
    switch (e->leaf) {
    case 1:
        e->b &= 0x00ffffffu; /* initial APIC id */
        break;
    case 7:
        if (e->subleaf == 0) {
            e->b &= ~((1u << 4) | (1u << 11)); /* HLE, RTM */
            e->c &= ~((1u << 22) | (1u << 5)); /* RDPID, WAITPKG */
        }
        break;
    case 0xb:
    case 0x1f:
        e->d = 0; /* x2APIC id */
        break;
    case 0x8000001e: /* extended APIC id; core and node ids */
        e->a = 0;
        e->b &= ~0xffu;
        e->c &= ~0xffu;
        break;
    default:
        break;
    }
}

static void add(struct tracee_area *area, size_t *count, uint32_t leaf, uint32_t subleaf,
                bool ignore)
{
    struct cpuid_entry e = {.leaf = leaf, .subleaf = subleaf, .flags = ignore};

    if (*count >= RECORDER_CPUID_MAX)
        return;
    __cpuid_count(leaf, subleaf, e.a, e.b, e.c, e.d);
    bend(&e);
    memcpy(area->page + TABLE_OFFSET + *count * sizeof(e), &e, sizeof(e));
    (*count)++;
}

static void add_range(struct tracee_area *area, size_t *count, uint32_t first)
{
    uint32_t last, b, c, d;

    __cpuid(first, last, b, c, d);
    if (last < first || last > first + 0x40)
        last = first;
    for (uint32_t leaf = first; leaf <= last; leaf++) {
        unsigned n = subleaves(leaf);

        if (n == 0)
            add(area, count, leaf, 0, true);
        for (unsigned i = 0; i < n; i++)
            add(area, count, leaf, i, false);
    }
}

bool cpuid_lookup(const struct tracee_area *area, uint32_t leaf, uint32_t subleaf, uint32_t ret[4])
{
    size_t count = (size_t)*tracee_page_word(area, PAGE_CPUID_COUNT);

    for (size_t i = 0; i < count; i++) {
        struct cpuid_entry e;

        memcpy(&e, area->page + TABLE_OFFSET + i * sizeof(e), sizeof(e));
        if (e.leaf != leaf || (!e.flags && e.subleaf != subleaf))
            continue;
        memcpy(ret, &e.a, 4 * sizeof(*ret));
        return true;
    }
    return false;
}

/* Intel answers for a basic leaf beyond the last one as for the last one. */
static uint32_t effective_leaf(uint32_t leaf)
{
    uint32_t last, b, c, d;

    if (leaf >= 0x40000000u)
        return leaf;
    __cpuid(0, last, b, c, d);
    return leaf > last ? last : leaf;
}

void cpuid_answer(uint32_t leaf, uint32_t subleaf, unsigned guards_off, uint32_t ret[4])
{
    struct cpuid_entry e = {.leaf = effective_leaf(leaf), .subleaf = subleaf};

    __cpuid_count(leaf, subleaf, e.a, e.b, e.c, e.d);
    if (!(guards_off & RECORD_GUARD_CPUID))
        bend(&e);
    ret[0] = e.a;
    ret[1] = e.b;
    ret[2] = e.c;
    ret[3] = e.d;
}

/* Filled once per process: each cpuid costs 6.5 us in a VM. */
void cpuid_table_fill(struct tracee_area *area, unsigned guards_off)
{
    static uint8_t saved[RECORDER_CPUID_SIZE];
    static size_t saved_count;

    if (guards_off & RECORD_GUARD_CPUID)
        return;
    if (saved_count == 0) {
        add_range(area, &saved_count, 0);
        add_range(area, &saved_count, 0x80000000u);
        memcpy(saved, area->page + TABLE_OFFSET, sizeof(saved));
    } else {
        memcpy(area->page + TABLE_OFFSET, saved, sizeof(saved));
    }
    *tracee_page_word(area, PAGE_CPUID_COUNT) = (int64_t)saved_count;
}

void cpuid_table_describe(const struct tracee_area *area, struct trace_meta *meta)
{
    size_t length = (size_t)*tracee_page_word(area, PAGE_CPUID_COUNT) * sizeof(struct cpuid_entry);

    meta->cpuid_table = malloc(length ? length : 1);
    if (!meta->cpuid_table)
        abort();
    memcpy(meta->cpuid_table, area->page + TABLE_OFFSET, length);
    meta->cpuid_length = length;
    meta->cpu_features = bytes_hash(meta->cpuid_table, length, 0);
}
