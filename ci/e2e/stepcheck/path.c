/* Positions since the last tick in a hash table, open calls in an array. A tick empties the tables,
 * so the work of a step does not depend on how much went before. */
#include "ci/e2e/stepcheck/path.h"

#include <stdlib.h>
#include <string.h>

/* From a pair of numbers to one. Emptied in time proportional to its content. */
struct table {
    struct slot {
        uint64_t a, b;
        uint64_t value;
        bool used;
    } * slot;
    size_t capacity; /* a power of two */
    size_t *order;   /* indices of used slots */
    size_t count;
};

struct frame {
    uint64_t slot; /* stack address of the return address */
    uint64_t site;
    uint64_t node;
    uint64_t opened; /* index on the path, or BEFORE */
    bool signal;
};

#define BEFORE UINT64_MAX

struct path {
    struct table positions; /* (ip, node) -> index on the path */
    struct table hits;      /* ip -> index of the first << 32 | count */
    struct table nodes;     /* (node, call site) -> node */
    struct frame *frame;
    size_t depth, capacity;
    uint64_t *log; /* ips since the tick */
    size_t length, log_capacity;
    uint64_t root; /* node of what was open before anything was seen */
    uint64_t next_node;
    uint64_t ticks;
    struct path_step last;
    bool started;
    bool repeated;
    uint32_t last_hits;
    bool has_cycle;
    size_t cycle_start, cycle_end;
};

static void *allocate(void *old, size_t count, size_t size)
{
    void *p = reallocarray(old, count, size);

    if (!p)
        abort();
    return p;
}

/* ---- tables -------------------------------------------------------------------------------- */

static size_t place_of(const struct table *t, uint64_t a, uint64_t b)
{
    uint64_t hash = (a * 0x9e3779b97f4a7c15ull ^ b) * 0xff51afd7ed558ccdull;
    size_t i = (hash >> 20) & (t->capacity - 1);

    while (t->slot[i].used && (t->slot[i].a != a || t->slot[i].b != b))
        i = (i + 1) & (t->capacity - 1);
    return i;
}

static void table_grow(struct table *t)
{
    struct table larger = {.capacity = t->capacity ? t->capacity * 2 : 256};

    larger.slot = allocate(NULL, larger.capacity, sizeof(*larger.slot));
    larger.order = allocate(NULL, larger.capacity, sizeof(*larger.order));
    memset(larger.slot, 0, larger.capacity * sizeof(*larger.slot));
    for (size_t k = 0; k < t->count; k++) {
        const struct slot *from = &t->slot[t->order[k]];
        size_t i = place_of(&larger, from->a, from->b);

        larger.slot[i] = *from;
        larger.order[larger.count++] = i;
    }
    free(t->slot);
    free(t->order);
    *t = larger;
}

/* The value of the pair; a new pair gets `initial`, and *ret_new is set. */
static uint64_t *table_at(struct table *t, uint64_t a, uint64_t b, uint64_t initial, bool *ret_new)
{
    size_t i;

    if (t->count * 2 >= t->capacity)
        table_grow(t);
    i = place_of(t, a, b);
    *ret_new = !t->slot[i].used;
    if (*ret_new) {
        t->slot[i] = (struct slot){.a = a, .b = b, .value = initial, .used = true};
        t->order[t->count++] = i;
    }
    return &t->slot[i].value;
}

static void table_clear(struct table *t)
{
    for (size_t k = 0; k < t->count; k++)
        t->slot[t->order[k]].used = false;
    t->count = 0;
}

static void table_done(struct table *t)
{
    free(t->slot);
    free(t->order);
}

/* ---- open calls ---------------------------------------------------------------------------- */

/* Of all cycles since the tick the one that starts last is kept: it lies between most hits. */
static void found_cycle(struct path *p, uint64_t start)
{
    p->repeated = true;
    if (p->has_cycle && p->cycle_start > start)
        return;
    p->has_cycle = true;
    p->cycle_start = (size_t)start;
    p->cycle_end = p->length;
}

/* Calls opened before the tick keep a name of their own: once closed they never come back. */
static uint64_t node_of_top(const struct path *p)
{
    return p->depth > 0 ? p->frame[p->depth - 1].node : p->root;
}

static void push(struct path *p, struct frame frame)
{
    if (p->depth == p->capacity) {
        p->capacity = p->capacity ? p->capacity * 2 : 256;
        p->frame = allocate(p->frame, p->capacity, sizeof(*p->frame));
    }
    p->frame[p->depth++] = frame;
}

static void open_call(struct path *p, uint64_t slot, uint64_t site)
{
    bool is_new;
    uint64_t node;

    while (p->depth > 0 && p->frame[p->depth - 1].slot <= slot)
        p->depth--; /* left behind by a jump */
    for (size_t i = p->depth; i-- > 0 && p->frame[i].opened != BEFORE;) {
        if (!p->frame[i].signal && p->frame[i].site == site) {
            found_cycle(p, p->frame[i].opened);
            break;
        }
    }
    node = *table_at(&p->nodes, node_of_top(p), site, p->next_node, &is_new);
    if (is_new)
        p->next_node++;
    push(p, (struct frame){.slot = slot, .site = site, .node = node, .opened = p->length});
}

static void open_signal(struct path *p, uint64_t slot)
{
    push(p,
         (struct frame){.slot = slot, .node = p->next_node++, .opened = p->length, .signal = true});
}

/* Close what lies below the stack pointer. A signal frame is closed by its own return, or by a jump
 * that leaves its stack. */
static bool close_calls(struct path *p, uint64_t sp, bool signals)
{
    bool closed = false;

    while (p->depth > 0 && p->frame[p->depth - 1].slot < sp &&
           (signals || !p->frame[p->depth - 1].signal)) {
        p->depth--;
        closed = true;
    }
    return closed;
}

static void close_signal(struct path *p)
{
    size_t depth = p->depth;

    while (depth > 0 && !p->frame[depth - 1].signal)
        depth--;
    if (depth > 0)
        p->depth = depth - 1;
}

static void finish_last(struct path *p, const struct path_step *step)
{
    const struct path_step *last = &p->last;

    if (last->kind == PATH_CALL && step->sp == last->sp - 8)
        open_call(p, step->sp, last->ip);
    else if (step->resumed && last->kind == PATH_SIGNAL_RETURN)
        close_signal(p);
    else if (step->resumed && step->sp != last->sp)
        open_signal(p, step->sp);
    else if (last->kind == PATH_INDIRECT_JUMP)
        close_calls(p, step->sp, true);
    else if (last->kind == PATH_RETURN && !close_calls(p, step->sp, false))
        p->root = p->next_node++; /* into a caller that was never seen */
}

/* ---- steps --------------------------------------------------------------------------------- */

static void tick(struct path *p, uint64_t ticks)
{
    p->ticks = ticks;
    p->has_cycle = false;
    p->length = 0;
    table_clear(&p->positions);
    table_clear(&p->hits);
    table_clear(&p->nodes);
    for (size_t i = p->depth; i-- > 0 && p->frame[i].opened != BEFORE;)
        p->frame[i].opened = BEFORE;
}

static void log_step(struct path *p, uint64_t ip)
{
    if (p->length == p->log_capacity) {
        p->log_capacity = p->log_capacity ? p->log_capacity * 2 : 1024;
        p->log = allocate(p->log, p->log_capacity, sizeof(*p->log));
    }
    p->log[p->length++] = ip;
}

enum path_judgement path_look(struct path *p, const struct path_step *step)
{
    uint64_t *index, *hits;
    bool is_new;

    p->repeated = false;
    if (p->started)
        finish_last(p, step);
    if (!p->started || step->ticks != p->ticks)
        tick(p, step->ticks);
    p->started = true;
    p->last = *step;
    index = table_at(&p->positions, step->ip, node_of_top(p), p->length, &is_new);
    if (!is_new) {
        found_cycle(p, *index);
        *index = p->length;
    }
    hits = table_at(&p->hits, step->ip, 0, (uint64_t)p->length << 32, &is_new);
    ++*hits;
    p->last_hits = (uint32_t)*hits;
    log_step(p, step->ip);
    if (p->last_hits <= PATH_HITS_MAX)
        return PATH_GOOD;
    return p->has_cycle && p->cycle_start >= *hits >> 32 ? PATH_CYCLE : PATH_OFTEN;
}

uint32_t path_hits(const struct path *p)
{
    return p->last_hits;
}

bool path_repeats(const struct path *p)
{
    return p->repeated;
}

size_t path_cycle(const struct path *p, uint64_t *ret, size_t max)
{
    size_t count = p->has_cycle ? p->cycle_end - p->cycle_start : 0;

    for (size_t i = 0; i < count && i < max; i++)
        ret[i] = p->log[p->cycle_start + i];
    return count;
}

void path_reset(struct path *p)
{
    tick(p, 0);
    p->depth = 0;
    p->started = false;
}

struct path *path_new(void)
{
    struct path *p = calloc(1, sizeof(*p));

    if (!p)
        abort();
    p->next_node = 1;
    return p;
}

void path_free(struct path *p)
{
    if (!p)
        return;
    table_done(&p->positions);
    table_done(&p->hits);
    table_done(&p->nodes);
    free(p->frame);
    free(p->log);
    free(p);
}
