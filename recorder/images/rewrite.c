/* Putting an image together: analysis, plan, placement, then text, stubs, maps and statistics as a
 * cache file. */
#include "recorder/images/rewrite.h"

#include <errno.h>
#include <rrtest/recorder_page.h>
#include <string.h>

#include "recorder/base/types.h"
#include "recorder/images/memory.h"
#include "recorder/images/place.h"
#include "recorder/images/stub.h"

struct rewriter {
    const struct elf_file *elf;
    struct code code;
    struct flow_graph flow;
    struct plan plan;
    struct placement placement;
    uint64_t zero;  /* what stub addresses count from: base shifted */
    uint8_t *stubs; /* contents of the stub area */
    struct image_segment *segments;
    size_t segment_count;
    uint8_t **contents; /* per segment */
    struct cache_window *windows;
    size_t window_count;
    struct cache_cold *cold;
    size_t cold_count;
    struct bytes hot_map;
    struct bytes cold_map;
};

static const char *why_not(const struct elf_file *elf)
{
    const char *reason;

    if (elf->code_low >= elf->code_high)
        return "it has no code";
    if (elf->text_relocations)
        return "its code is changed by relocations";
    for (size_t i = 0; i < elf->segment_count; i++) {
        const Elf64_Phdr *p = &elf->segments[i];

        if (p->p_type != PT_LOAD || !(p->p_flags & PF_X) || p->p_memsz == 0)
            continue;
        if (p->p_flags & PF_W)
            return "its code is writable";
        for (size_t k = 0; k < elf->segment_count; k++) {
            const Elf64_Phdr *q = &elf->segments[k];

            if (k != i && q->p_type == PT_LOAD && q->p_memsz > 0 &&
                page_down(q->p_vaddr) < page_up(p->p_vaddr + p->p_memsz) &&
                page_down(p->p_vaddr) < page_up(q->p_vaddr + q->p_memsz))
                return "its code shares a page with another segment";
        }
    }
    return place_possible(elf, &reason) ? NULL : reason;
}

/* Copies of the executable segments, page by page as the kernel maps them. */
static void copy_text(struct rewriter *r)
{
    const struct elf_file *elf = r->elf;

    r->segments = memory_zeroed(elf->segment_count + 1, sizeof(*r->segments));
    r->contents = memory_zeroed(elf->segment_count + 1, sizeof(*r->contents));
    for (size_t i = 0; i < elf->segment_count; i++) {
        const Elf64_Phdr *p = &elf->segments[i];
        struct image_segment *s = &r->segments[r->segment_count];
        uint64_t present;

        if (p->p_type != PT_LOAD || !(p->p_flags & PF_X) || p->p_filesz == 0)
            continue;
        s->address = page_down(p->p_vaddr);
        s->length = page_up(p->p_vaddr + p->p_filesz) - s->address;
        s->file_offset = page_down(p->p_offset);
        present = elf->size - s->file_offset;
        r->contents[r->segment_count] = memory_zeroed(s->length, 1);
        memcpy(r->contents[r->segment_count], elf->data + s->file_offset,
               present < s->length ? present : s->length);
        r->segment_count++;
    }
}

static uint8_t *text_at(struct rewriter *r, uint64_t address)
{
    for (size_t i = 0; i < r->segment_count; i++)
        if (address - r->segments[i].address < r->segments[i].length)
            return r->contents[i] + (address - r->segments[i].address);
    return NULL;
}

/*      e9 rel32    jmp stub
 *      cc ...      up to the window's end */
static void write_window(struct rewriter *r, const struct window *w)
{
    uint64_t start = code_address(&r->code, w->first);
    uint64_t length = code_end(&r->code, w->last) - start;
    uint32_t distance = (uint32_t)(w->hot + w->entry - (start + WINDOW_JUMP));
    uint8_t *text = text_at(r, start);

    if (w->dormant)
        return;
    if (w->edge) { /* 0f 8x rel32 or e8 rel32: the displacement alone changes */
        distance = (uint32_t)(w->hot - (start + length));
        memcpy(text + length - 4, &distance, 4);
        return;
    }

    memset(text, 0xcc, length);
    if (w->trap)
        return;
    text[0] = 0xe9;
    memcpy(text + 1, &distance, 4);
}

static void write_stub(struct rewriter *r, const struct window *w, const struct stub *stub)
{
    uint64_t base = r->placement.low;

    memcpy(r->stubs + (w->hot - base), stub->hot_code, stub->hot.size);
    if (stub->cold.size)
        memcpy(r->stubs + (w->cold - base), stub->cold_code, stub->cold.size);
}

static void map_window(struct rewriter *r, const struct window *w, const struct stub *stub)
{
    struct cache_window *c = &r->windows[r->window_count];
    uint64_t start = code_address(&r->code, w->first);

    c->start = (uint32_t)(start - r->code.base);
    c->hot = (uint32_t)(w->hot - r->zero);
    c->hot_size = (uint16_t)stub->hot.size;
    c->length = (uint8_t)(code_end(&r->code, w->last) - start);
    c->kind = w->kind;
    c->entry = (uint8_t)w->entry;
    c->trap = w->trap;
    c->dormant = w->dormant;
    if (w->edge) {
        uint32_t target = r->code.insns[w->first].target;

        c->edge = 1;
        c->target = r->code.insns[target].offset;
    }
    c->map = (uint32_t)(r->hot_map.length / sizeof(struct stub_map));
    c->map_count = (uint16_t)stub->hot.map_count;
    bytes_append(&r->hot_map, stub->hot.map, stub->hot.map_count * sizeof(struct stub_map));
    if (stub->cold.size) {
        struct cache_cold *d = &r->cold[r->cold_count++];

        d->cold = (uint32_t)(w->cold - r->zero);
        d->size = (uint16_t)stub->cold.size;
        d->window = (uint32_t)r->window_count;
        d->map = (uint32_t)(r->cold_map.length / sizeof(struct stub_map));
        d->map_count = (uint16_t)stub->cold.map_count;
        bytes_append(&r->cold_map, stub->cold.map, stub->cold.map_count * sizeof(struct stub_map));
    }
    r->window_count++;
}

static int compare_starts(const void *a, const void *b)
{
    const struct window *x = *(struct window *const *)a, *y = *(struct window *const *)b;

    return (x->first > y->first) - (x->first < y->first);
}

static int compare_cold(const void *a, const void *b)
{
    const struct cache_cold *x = a, *y = b;

    return (x->cold > y->cold) - (x->cold < y->cold);
}

static void count_window(struct rewriter *r, const struct window *w, const struct stub *stub)
{
    struct image_statistics *s = &r->plan.statistics;

    s->windows[w->kind]++;
    s->stub_bytes += stub->hot.size + stub->cold.size;
    for (uint32_t k = w->first; k <= w->body_last; k++)
        if ((r->plan.points[k] & (POINT_TICK | POINT_ATOMIC)) && r->code.insns[k].flags_live)
            s->live_form++;
}

static void emit_all(struct rewriter *r)
{
    size_t count = r->plan.window_count, placed = 0;
    struct window **order = memory_zeroed(count, sizeof(*order));
    struct stub *stub = memory_zeroed(1, sizeof(*stub));

    for (size_t i = 0; i < count; i++)
        if (r->plan.windows[i].placed)
            order[placed++] = &r->plan.windows[i];
    qsort(order, placed, sizeof(*order), compare_starts);
    r->windows = memory_zeroed(placed, sizeof(*r->windows));
    r->cold = memory_zeroed(placed, sizeof(*r->cold));
    for (size_t i = 0; i < placed; i++) {
        const struct window *w = order[i];

        if (!stub_emit(&r->plan, w, w->hot, w->cold, stub) || stub->hot.size != w->hot_size ||
            stub->cold.size != w->cold_size) {
            plan_refuse(&r->plan, w->first, SITE_LOOP, REASON_PLACEMENT);
            continue;
        }
        write_window(r, w);
        write_stub(r, w, stub);
        map_window(r, w, stub);
        count_window(r, w, stub);
    }
    if (r->cold_count)
        qsort(r->cold, r->cold_count, sizeof(*r->cold), compare_cold);
    free(order);
    free(stub);
}

static void add_stub_segment(struct rewriter *r)
{
    struct image_segment *s = &r->segments[r->segment_count];

    s->address = r->placement.low;
    s->length = r->placement.high - r->placement.low;
    s->file_offset = UINT64_MAX;
    s->stubs = true;
    r->contents[r->segment_count++] = r->stubs;
}

struct by_hot {
    uint32_t hot;
    uint32_t index;
};

static int compare_hot(const void *a, const void *b)
{
    const struct by_hot *x = a, *y = b;

    return (x->hot > y->hot) - (x->hot < y->hot);
}

static uint32_t *order_by_hot(const struct rewriter *r)
{
    struct by_hot *pairs = memory_zeroed(r->window_count, sizeof(*pairs));
    uint32_t *order = memory_zeroed(r->window_count, sizeof(*order));

    for (uint32_t i = 0; i < r->window_count; i++)
        pairs[i] = (struct by_hot){r->windows[i].hot, i};
    qsort(pairs, r->window_count, sizeof(*pairs), compare_hot);
    for (uint32_t i = 0; i < r->window_count; i++)
        order[i] = pairs[i].index;
    free(pairs);
    return order;
}

static struct bytes refusals_of(const struct rewriter *r)
{
    struct bytes table;

    bytes_init(&table);
    for (size_t i = 0; i < r->plan.refusal_count; i++) {
        const struct refusal *f = &r->plan.refusals[i];
        struct cache_refusal c = {
            .start = r->code.insns[f->insn].offset, .site = f->site, .reason = f->reason};

        bytes_append(&table, &c, sizeof(c));
    }
    for (size_t i = 0; i < r->code.refused_count; i++) {
        const struct code_refusal *f = &r->code.refused[i];
        struct cache_refusal c = {.start = (uint32_t)(f->range.start - r->code.base),
                                  .site = SITE_COUNT,
                                  .reason = f->copied ? REASON_COPIED : REASON_UNDECODED};

        bytes_append(&table, &c, sizeof(c));
    }
    return table;
}

static void append_padded(struct bytes *file, const void *data, size_t size, size_t alignment)
{
    size_t padding = -(file->length + size) % alignment;

    if (size)
        bytes_append(file, data, size);
    memset(bytes_extend(file, padding), 0, padding);
}

static void append_table(struct bytes *file, struct cache_header *h, enum cache_table table,
                         const void *data, size_t count, size_t element)
{
    h->tables[table].offset = file->length;
    h->tables[table].count = count;
    append_padded(file, data, count * element, 8);
}

static void fill_header(const struct rewriter *r, const struct cache_source *source,
                        struct cache_header *h)
{
    memset(h, 0, sizeof(*h));
    memcpy(h->magic, CACHE_MAGIC, sizeof(CACHE_MAGIC));
    h->format = CACHE_FORMAT;
    h->rewriter = REWRITER_VERSION;
    h->page_version = RECORDER_PAGE_VERSION;
    h->generation = 1;
    h->source = *source;
    h->base = r->code.base;
    h->displacement = r->placement.displacement;
    h->statistics = r->plan.statistics;
    h->statistics.refused = r->plan.refusal_count;
}

/* Segments lie behind all tables, so their offsets are known once the tables' sizes are. */
static void write_file(struct rewriter *r, const struct cache_source *source, struct bytes *file)
{
    struct bytes refusals = refusals_of(r);
    uint32_t *order = order_by_hot(r);
    struct cache_header h;
    size_t segments_at;

    fill_header(r, source, &h);
    append_padded(file, &h, sizeof(h), TRACEE_PAGE_SIZE);
    segments_at = file->length;
    append_table(file, &h, TABLE_SEGMENTS, r->segments, r->segment_count, sizeof(*r->segments));
    append_table(file, &h, TABLE_WINDOWS, r->windows, r->window_count, sizeof(*r->windows));
    append_table(file, &h, TABLE_ORDER, order, r->window_count, sizeof(*order));
    append_table(file, &h, TABLE_HOT_MAP, r->hot_map.data,
                 r->hot_map.length / sizeof(struct stub_map), sizeof(struct stub_map));
    append_table(file, &h, TABLE_COLD, r->cold, r->cold_count, sizeof(*r->cold));
    append_table(file, &h, TABLE_COLD_MAP, r->cold_map.data,
                 r->cold_map.length / sizeof(struct stub_map), sizeof(struct stub_map));
    append_table(file, &h, TABLE_REFUSALS, refusals.data,
                 refusals.length / sizeof(struct cache_refusal), sizeof(struct cache_refusal));
    append_padded(file, NULL, 0, TRACEE_PAGE_SIZE);
    for (size_t i = 0; i < r->segment_count; i++) {
        r->segments[i].cache_offset = file->length;
        append_padded(file, r->contents[i], r->segments[i].length, TRACEE_PAGE_SIZE);
    }
    memcpy(file->data + segments_at, r->segments, r->segment_count * sizeof(*r->segments));
    memcpy(file->data, &h, sizeof(h));
    cache_seal(file);
    bytes_done(&refusals);
    free(order);
}

static void rewriter_done(struct rewriter *r)
{
    for (size_t i = 0; i < r->segment_count; i++)
        free(r->contents[i]);
    free(r->contents);
    free(r->segments);
    free(r->windows);
    free(r->cold);
    bytes_done(&r->hot_map);
    bytes_done(&r->cold_map);
    plan_done(&r->plan);
    flow_done(&r->flow);
    code_done(&r->code);
}

int rewrite_image(const struct elf_file *elf, const struct cache_source *source, struct bytes *ret,
                  struct rr_error *error)
{
    struct rewriter r = {.elf = elf};
    const char *reason = why_not(elf);
    int result = 0;

    if (reason)
        return rr_error_set(error, -EOPNOTSUPP, "%s", reason);
    if (code_build(elf, &r.code))
        return rr_error_set(error, -EOPNOTSUPP,
                            "it has neither unwind tables nor symbols that tell where code is");
    flow_build(&r.code, &r.flow);
    plan_build(&r.flow, (uint32_t)source->options, &r.plan);
    place_windows(&r.plan, &r.placement);
    r.zero = r.code.base + (uint64_t)r.placement.displacement;
    if (r.placement.low == r.placement.high) {
        result = rr_error_set(error, -EOPNOTSUPP, "it has nothing to count");
    } else {
        copy_text(&r);
        r.stubs = memory_zeroed(r.placement.high - r.placement.low, 1);
        memset(r.stubs, 0xcc, r.placement.high - r.placement.low);
        emit_all(&r);
        add_stub_segment(&r);
        write_file(&r, source, ret);
    }
    rewriter_done(&r);
    return result;
}
