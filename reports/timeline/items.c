/* Strings and places in hash tables (open addressing, index + 1, 0 free), items in one array whose
 * front is folded into stretches when it has grown to twice the bound. */
#include "reports/timeline/items.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "recorder/base/bytes.h"
#include "recorder/base/text.h"

#define STRETCHES_MAX 256 /* of the run's merged part, per task */

struct table {
    uint32_t *slots;
    size_t size; /* a power of two; 0: none yet */
};

/* What one task did in one stretch of steps. */
struct stretch {
    uint64_t number; /* step / width */
    uint32_t task;
    uint64_t step, step_end, clock, clock_end, ticks;
    uint64_t counts[TIMELINE_KIND_COUNT];
};

struct items {
    struct timeline *timeline;
    size_t limit;
    size_t string_capacity, place_capacity, capacity;
    struct table strings, places;
    struct mapped_position *positions; /* of the places */
    uint64_t *numbers;                 /* of the items, growing */
    uint64_t next;                     /* number */
    size_t kept;                       /* items that the last merging left before its border */
    struct stretch *stretches;
    size_t stretch_count, stretch_capacity;
    uint64_t width; /* steps per stretch */
};

static void *grown(void *memory, size_t *capacity, size_t size)
{
    *capacity = *capacity ? *capacity * 2 : 64;
    memory = realloc(memory, *capacity * size);
    if (!memory)
        abort();
    return memory;
}

static uint32_t add_string(struct items *b, char *string)
{
    struct timeline *t = b->timeline;

    if (t->string_count == b->string_capacity)
        t->strings = grown(t->strings, &b->string_capacity, sizeof(*t->strings));
    t->strings[t->string_count] = string;
    return (uint32_t)t->string_count++;
}

static uint32_t add_place(struct items *b, struct mapped_position position)
{
    struct timeline *t = b->timeline;

    if (t->place_count == b->place_capacity) {
        t->places = grown(t->places, &b->place_capacity, sizeof(*t->places));
        b->positions = realloc(b->positions, b->place_capacity * sizeof(*b->positions));
        if (!b->positions)
            abort();
    }
    b->positions[t->place_count] = position;
    t->places[t->place_count] = (struct timeline_place){.address = position.address};
    return (uint32_t)t->place_count++;
}

struct items *items_new(struct timeline *timeline, size_t limit)
{
    struct items *b = calloc(1, sizeof(*b));
    char *empty = strdup("");

    if (!b || !empty)
        abort();
    b->timeline = timeline;
    b->limit = limit;
    b->next = 1;
    b->width = 1;
    add_string(b, empty);
    add_place(b, (struct mapped_position){0, 0});
    return b;
}

void items_free(struct items *b)
{
    free(b->strings.slots);
    free(b->places.slots);
    free(b->positions);
    free(b->numbers);
    free(b->stretches);
    free(b);
}

/* ---- strings and places ---- */

static uint64_t string_hash(const struct items *b, uint32_t index)
{
    const char *string = b->timeline->strings[index];

    return bytes_hash(string, strlen(string), 0);
}

static uint64_t place_hash(const struct items *b, uint32_t index)
{
    const uint64_t words[] = {b->positions[index].file, b->positions[index].address};

    return bytes_hash(words, sizeof(words), 0);
}

static void rehash(struct items *b, struct table *table, size_t count,
                   uint64_t (*hash)(const struct items *, uint32_t))
{
    free(table->slots);
    table->size = table->size ? table->size * 2 : 256;
    table->slots = calloc(table->size, sizeof(*table->slots));
    if (!table->slots)
        abort();
    for (uint32_t i = 1; i < count; i++) {
        size_t at = hash(b, i) & (table->size - 1);

        while (table->slots[at])
            at = (at + 1) & (table->size - 1);
        table->slots[at] = i;
    }
}

uint32_t items_text(struct items *b, const char *format, ...)
{
    struct timeline *t = b->timeline;
    va_list args;
    char *string;
    size_t at;

    va_start(args, format);
    string = text_make_list(format, args);
    va_end(args);
    if (!*string) {
        free(string);
        return 0;
    }
    if (t->string_count * 2 >= b->strings.size)
        rehash(b, &b->strings, t->string_count, string_hash);
    at = bytes_hash(string, strlen(string), 0) & (b->strings.size - 1);
    for (; b->strings.slots[at]; at = (at + 1) & (b->strings.size - 1)) {
        if (strcmp(t->strings[b->strings.slots[at]], string) == 0) {
            free(string);
            return b->strings.slots[at];
        }
    }
    return b->strings.slots[at] = add_string(b, string);
}

uint32_t items_place(struct items *b, struct mapped_position position)
{
    const uint64_t words[] = {position.file, position.address};
    struct timeline *t = b->timeline;
    size_t at;

    if (t->place_count * 2 >= b->places.size)
        rehash(b, &b->places, t->place_count, place_hash);
    at = bytes_hash(words, sizeof(words), 0) & (b->places.size - 1);
    for (; b->places.slots[at]; at = (at + 1) & (b->places.size - 1)) {
        const struct mapped_position *p = &b->positions[b->places.slots[at]];

        if (p->file == position.file && p->address == position.address)
            return b->places.slots[at];
    }
    return b->places.slots[at] = add_place(b, position);
}

struct mapped_position items_position(const struct items *b, size_t index)
{
    return b->positions[index];
}

/* ---- items ---- */

static struct stretch *stretch_of(struct items *b, const struct timeline_item *item)
{
    uint64_t number = item->step / b->width;

    for (size_t i = b->stretch_count; i-- > 0;) {
        if (b->stretches[i].number == number && b->stretches[i].task == item->task)
            return &b->stretches[i];
        if (b->stretches[i].number + 1 < number)
            break;
    }
    if (b->stretch_count == b->stretch_capacity)
        b->stretches = grown(b->stretches, &b->stretch_capacity, sizeof(*b->stretches));
    b->stretches[b->stretch_count] = (struct stretch){
        .number = number, .task = item->task, .step = item->step, .clock = item->clock};
    return &b->stretches[b->stretch_count++];
}

static void fold_into(struct stretch *s, const struct stretch *from)
{
    if (from->step < s->step)
        s->step = from->step;
    if (from->clock < s->clock)
        s->clock = from->clock;
    if (from->step_end > s->step_end)
        s->step_end = from->step_end;
    if (from->clock_end > s->clock_end)
        s->clock_end = from->clock_end;
    if (from->ticks > s->ticks)
        s->ticks = from->ticks;
    for (size_t i = 0; i < TIMELINE_KIND_COUNT; i++)
        s->counts[i] += from->counts[i];
}

/* Too many: twice as wide, neighbours of one task become one. */
static void widen(struct items *b)
{
    size_t count = b->stretch_count, kept = 0;

    b->width *= 2;
    for (size_t i = 0; i < count; i++) {
        struct stretch s = b->stretches[i];
        bool found = false;

        s.number /= 2;
        for (size_t k = kept; k-- > 0 && b->stretches[k].number + 1 >= s.number && !found;) {
            found = b->stretches[k].number == s.number && b->stretches[k].task == s.task;
            if (found)
                fold_into(&b->stretches[k], &s);
        }
        if (!found)
            b->stretches[kept++] = s;
    }
    b->stretch_count = kept;
}

/* A waiting span says nothing about what its task did; it must not stretch a stretch. */
static void fold(struct items *b, const struct timeline_item *item)
{
    bool waits = item->kind == TIMELINE_WAIT || item->kind == TIMELINE_LOCK;
    struct stretch one = {.step = item->step,
                          .step_end = waits ? item->step : item->step_end,
                          .clock = item->clock,
                          .clock_end = waits ? item->clock : item->clock_end,
                          .ticks = item->ticks};

    one.counts[item->kind] = 1;
    fold_into(stretch_of(b, item), &one);
    b->timeline->merged++;
    if (one.step_end > b->timeline->merged_step)
        b->timeline->merged_step = one.step_end;
}

/* Strings that only merged items had would make memory and report grow with the run. */
static void drop_unused_strings(struct items *b)
{
    struct timeline *t = b->timeline;
    uint32_t *moved = calloc(t->string_count, sizeof(*moved)); /* new index, 0: unused */
    uint32_t kept = 1;

    if (!moved)
        abort();
    for (size_t i = 0; i < t->item_count; i++)
        moved[t->items[i].text] = moved[t->items[i].detail] = 1;
    for (size_t i = 1; i < t->string_count; i++) {
        if (!moved[i]) {
            free(t->strings[i]);
            continue;
        }
        t->strings[kept] = t->strings[i];
        moved[i] = kept++;
    }
    moved[0] = 0;
    t->string_count = kept;
    for (size_t i = 0; i < t->item_count; i++) {
        t->items[i].text = moved[t->items[i].text];
        t->items[i].detail = moved[t->items[i].detail];
    }
    free(moved);
    b->strings.size = 128; /* rehash() doubles it */
    while (b->strings.size < kept)
        b->strings.size *= 2;
    rehash(b, &b->strings, kept, string_hash);
}

static bool is_span(const struct timeline_item *item)
{
    return item->kind == TIMELINE_DENSE || item->kind == TIMELINE_RUN ||
           item->kind == TIMELINE_WAIT || item->kind == TIMELINE_LOCK;
}

/* Spans that reach over the border stay, waits that have not ended among them. */
static void fold_front(struct items *b)
{
    struct timeline *t = b->timeline;
    size_t border = t->item_count - b->limit;
    uint64_t step = t->items[border].step;

    b->kept = 0;
    for (size_t i = 0; i < border; i++) {
        const struct timeline_item *item = &t->items[i];

        if (is_span(item) && (item->step_end >= step || item->flags & TIMELINE_OPEN)) {
            b->numbers[b->kept] = b->numbers[i];
            t->items[b->kept++] = *item;
        } else {
            fold(b, item);
        }
    }
    while (b->stretch_count > STRETCHES_MAX * (t->task_count < 8 ? t->task_count + 1 : 8) &&
           b->width < UINT64_MAX / 4)
        widen(b);
    t->item_count -= border;
    memmove(t->items + b->kept, t->items + border, t->item_count * sizeof(*t->items));
    memmove(b->numbers + b->kept, b->numbers + border, t->item_count * sizeof(*b->numbers));
    t->item_count += b->kept;
    drop_unused_strings(b);
}

uint64_t items_add(struct items *b, const struct timeline_item *item)
{
    struct timeline *t = b->timeline;

    if (t->item_count == b->capacity) {
        t->items = grown(t->items, &b->capacity, sizeof(*t->items));
        b->numbers = realloc(b->numbers, b->capacity * sizeof(*b->numbers));
        if (!b->numbers)
            abort();
    }
    b->numbers[t->item_count] = b->next;
    t->items[t->item_count++] = *item;
    if (b->limit && t->item_count >= 2 * (b->limit + b->kept)) /* now: its strings are used */
        fold_front(b);
    return b->next++;
}

/* The index of an item by its number; item_count: merged. */
static size_t find(const struct items *b, uint64_t number)
{
    size_t low = 0, high = b->timeline->item_count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (b->numbers[middle] < number)
            low = middle + 1;
        else
            high = middle;
    }
    return low < b->timeline->item_count && b->numbers[low] == number ? low
                                                                      : b->timeline->item_count;
}

struct timeline_item *items_get(struct items *b, uint64_t number)
{
    size_t index = number ? find(b, number) : b->timeline->item_count;

    return index < b->timeline->item_count ? &b->timeline->items[index] : NULL;
}

/* ---- the end ---- */

static uint32_t stretch_text(struct items *b, const struct stretch *s)
{
    struct bytes text = {0};
    uint32_t index;

    for (int i = 0; i < TIMELINE_KIND_COUNT; i++) {
        char one[64];
        int length = snprintf(one, sizeof(one), "%s%" PRIu64 " %s", text.length ? ", " : "",
                              s->counts[i], timeline_kind_name((enum timeline_kind)i));

        if (s->counts[i])
            bytes_append(&text, one, (size_t)length);
    }
    index = items_text(b, "%.*s", (int)text.length, (const char *)text.data);
    bytes_done(&text);
    return index;
}

struct order {
    struct timeline_item item;
    uint64_t number;
};

static int by_step(const void *a, const void *b)
{
    const struct order *x = a, *y = b;

    if (x->item.step != y->item.step)
        return x->item.step < y->item.step ? -1 : 1;
    return x->number < y->number ? -1 : x->number > y->number;
}

static void put_in_order(struct items *b)
{
    struct timeline *t = b->timeline;
    size_t total = t->item_count + b->stretch_count;
    struct order *order = calloc(total + 1, sizeof(*order));
    uint32_t *places =
        calloc(t->item_count + 1, sizeof(*places)); /* 1 + index in order, by index */

    if (!order || !places)
        abort();
    for (size_t i = 0; i < t->item_count; i++)
        order[i] = (struct order){t->items[i], i + 1};
    for (size_t i = 0; i < b->stretch_count; i++) {
        const struct stretch *s = &b->stretches[i];
        struct timeline_item item = {.kind = TIMELINE_DENSE,
                                     .task = s->task,
                                     .step = s->step,
                                     .step_end = s->step_end,
                                     .clock = s->clock,
                                     .clock_end = s->clock_end,
                                     .ticks = s->ticks,
                                     .text = items_text(b, "merged"),
                                     .detail = stretch_text(b, s)};

        order[t->item_count + i] = (struct order){item, 0};
    }
    qsort(order, total, sizeof(*order), by_step);
    for (size_t i = 0; i < total; i++) {
        if (order[i].number)
            places[order[i].number - 1] = (uint32_t)(i + 1);
    }
    for (size_t i = 0; i < total; i++) {
        size_t cause = order[i].item.cause ? find(b, order[i].item.cause) : t->item_count;

        order[i].item.cause = cause < t->item_count ? places[cause] : 0;
    }
    t->items = realloc(t->items, (total + 1) * sizeof(*t->items));
    if (!t->items)
        abort();
    for (size_t i = 0; i < total; i++)
        t->items[i] = order[i].item;
    t->item_count = total;
    free(order);
    free(places);
}

/* A stretch ends where its last item does, which may lie in the next one: spans of one task do not
 * overlap. */
static void clip_stretches(struct timeline *t)
{
    const struct timeline_item **next = calloc(t->task_count + 1, sizeof(*next));

    if (!next)
        abort();
    for (size_t i = t->item_count; i-- > 0;) {
        struct timeline_item *item = &t->items[i];
        const struct timeline_item *after = next[item->task];

        if (!is_span(item))
            continue;
        if (item->kind == TIMELINE_DENSE && after) {
            if (item->step_end > after->step)
                item->step_end = after->step;
            if (item->clock_end > after->clock)
                item->clock_end = after->clock;
        }
        next[item->task] = item;
    }
    free(next);
}

void items_finish(struct items *b)
{
    struct timeline *t = b->timeline;

    if (b->limit && t->item_count > b->limit)
        fold_front(b);
    put_in_order(b);
    clip_stretches(t);
}
