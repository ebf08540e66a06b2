/* A sorted array of disjoint ranges with split, cut and move. */
#include "recorder/tracee/maps.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "recorder/base/types.h"

void maps_init(struct maps *m)
{
    memset(m, 0, sizeof(*m));
}

void maps_done(struct maps *m)
{
    free(m->entry);
    maps_init(m);
}

static void reserve(struct maps *m, size_t count)
{
    if (count <= m->capacity)
        return;
    m->capacity = count * 2 + 16;
    m->entry = realloc(m->entry, m->capacity * sizeof(*m->entry));
    if (!m->entry)
        abort();
}

void maps_copy(struct maps *to, const struct maps *from)
{
    to->count = 0;
    reserve(to, from->count);
    if (from->count > 0)
        memcpy(to->entry, from->entry, from->count * sizeof(*to->entry));
    to->count = from->count;
}

/* Index of the first entry whose end lies above the address. */
static size_t lower(const struct maps *m, uint64_t address)
{
    size_t low = 0, high = m->count;

    while (low < high) {
        size_t middle = (low + high) / 2;

        if (m->entry[middle].end > address)
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

const struct map_entry *maps_above(const struct maps *m, uint64_t address)
{
    size_t at = lower(m, address);

    return at < m->count ? &m->entry[at] : NULL;
}

const struct map_entry *maps_find(const struct maps *m, uint64_t address)
{
    const struct map_entry *e = maps_above(m, address);

    return e && e->start <= address ? e : NULL;
}

static void insert_at(struct maps *m, size_t at, const struct map_entry *entry)
{
    reserve(m, m->count + 1);
    memmove(&m->entry[at + 1], &m->entry[at], (m->count - at) * sizeof(*m->entry));
    m->entry[at] = *entry;
    m->count++;
}

/* Make `address` a border between entries. */
static void split(struct maps *m, uint64_t address)
{
    size_t at = lower(m, address);
    struct map_entry upper;

    if (at == m->count || m->entry[at].start >= address)
        return;
    upper = m->entry[at];
    upper.offset += address - upper.start;
    upper.start = address;
    m->entry[at].end = address;
    insert_at(m, at + 1, &upper);
}

void maps_remove(struct maps *m, uint64_t start, uint64_t end)
{
    size_t first, last;

    if (start >= end)
        return;
    split(m, start);
    split(m, end);
    first = lower(m, start);
    last = first;
    while (last < m->count && m->entry[last].end <= end)
        last++;
    if (last < m->count && last > first)
        memmove(&m->entry[first], &m->entry[last], (m->count - last) * sizeof(*m->entry));
    m->count -= last - first;
}

static bool joinable(const struct map_entry *a, const struct map_entry *b)
{
    return a->end == b->start && a->prot == b->prot && a->flags == b->flags && a->file == b->file &&
           a->object == b->object && a->name == b->name &&
           ((a->file == 0 && a->object == 0) || a->offset + (a->end - a->start) == b->offset);
}

void maps_insert(struct maps *m, const struct map_entry *entry)
{
    size_t at;

    maps_remove(m, entry->start, entry->end);
    at = lower(m, entry->start);
    insert_at(m, at, entry);
    if (at + 1 < m->count && joinable(&m->entry[at], &m->entry[at + 1])) {
        m->entry[at].end = m->entry[at + 1].end;
        memmove(&m->entry[at + 1], &m->entry[at + 2], (m->count - at - 2) * sizeof(*m->entry));
        m->count--;
    }
    if (at > 0 && joinable(&m->entry[at - 1], &m->entry[at])) {
        m->entry[at - 1].end = m->entry[at].end;
        memmove(&m->entry[at], &m->entry[at + 1], (m->count - at - 1) * sizeof(*m->entry));
        m->count--;
    }
}

void maps_protect(struct maps *m, uint64_t start, uint64_t end, uint32_t prot)
{
    split(m, start);
    split(m, end);
    for (size_t i = lower(m, start); i < m->count && m->entry[i].end <= end; i++)
        m->entry[i].prot = prot;
}

void maps_move(struct maps *m, uint64_t start, uint64_t length, uint64_t new_start,
               uint64_t new_length, bool keep_old)
{
    uint64_t end = start + length;
    struct maps moved;
    uint64_t used = 0;

    maps_init(&moved);
    split(m, start);
    split(m, end);
    for (size_t i = lower(m, start); i < m->count && m->entry[i].end <= end; i++) {
        reserve(&moved, moved.count + 1);
        moved.entry[moved.count++] = m->entry[i];
    }
    if (!keep_old)
        maps_remove(m, start, end);
    for (size_t i = 0; i < moved.count && used < new_length; i++) {
        struct map_entry e = moved.entry[i];
        uint64_t size = e.end - e.start;

        if (i + 1 == moved.count || used + size > new_length)
            size = new_length - used;
        e.start = new_start + used;
        e.end = e.start + size;
        used += size;
        maps_insert(m, &e);
    }
    maps_done(&moved);
}

void maps_annotate(struct maps *m, uint64_t start, uint64_t end, uint64_t object, const char *name)
{
    split(m, start);
    split(m, end);
    for (size_t i = lower(m, start); i < m->count && m->entry[i].end <= end; i++) {
        m->entry[i].object = object;
        m->entry[i].name = name;
    }
}

void maps_apply(struct maps *m, const struct map_op *op)
{
    switch (op->kind) {
    case MAP_OP_RESET:
        m->count = 0;
        break;
    case MAP_OP_MAP: {
        struct map_entry e = {.start = op->address,
                              .end = op->address + page_up(op->length),
                              .prot = op->prot,
                              .flags = op->flags & (MAP_SHARED | MAP_PRIVATE | MAP_GROWSDOWN),
                              .file = op->file,
                              .offset = op->offset};

        maps_insert(m, &e);
        break;
    }
    case MAP_OP_UNMAP:
        maps_remove(m, op->address, op->address + page_up(op->length));
        break;
    case MAP_OP_PROTECT:
        maps_protect(m, op->address, op->address + page_up(op->length), op->prot);
        break;
    case MAP_OP_REMAP:
        if (op->length == 0) { /* a second mapping of a shared object: mremap(2), old_size 0 */
            const struct map_entry *found = maps_find(m, op->address);
            struct map_entry e;

            if (!found)
                break;
            e = *found;
            e.offset += op->address - e.start;
            e.start = op->new_address;
            e.end = op->new_address + page_up(op->new_length);
            maps_insert(m, &e);
            break;
        }
        maps_move(m, op->address, page_up(op->length), op->new_address, page_up(op->new_length),
                  false);
        break;
    case MAP_OP_RANGE:
    case MAP_OP_ADVISE:
    case MAP_OP_KIND_COUNT:
        break;
    }
}
