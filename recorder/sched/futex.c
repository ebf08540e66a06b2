/* The futex model: one list of waiters in the order they queued, searched per operation (a run has
 * few). Which of several equal waiters is taken is the caller's choice, by index in that order. */
#include "recorder/sched/futex.h"

#include <assert.h>
#include <errno.h>
#include <linux/futex.h>
#include <stdlib.h>
#include <string.h>

struct waiter {
    struct futex_key key;
    uint32_t task;
    uint32_t bitset;
    enum futex_wait_kind kind;
};

struct futex_model {
    futex_pick pick; /* NULL: first come, first served */
    void *context;
    struct waiter *waiters;
    size_t count;
    size_t capacity;
};

struct futex_model *futex_new(futex_pick pick, void *context)
{
    struct futex_model *f = calloc(1, sizeof(*f));

    if (!f)
        abort();
    f->pick = pick;
    f->context = context;
    return f;
}

void futex_free(struct futex_model *f)
{
    if (!f)
        return;
    free(f->waiters);
    free(f);
}

static bool same_key(struct futex_key a, struct futex_key b)
{
    return a.space == b.space && a.offset == b.offset;
}

static struct waiter *find_task(const struct futex_model *f, uint32_t task)
{
    for (size_t i = 0; i < f->count; i++) {
        if (f->waiters[i].task == task)
            return &f->waiters[i];
    }
    return NULL;
}

static void append(struct futex_model *f, struct waiter w)
{
    if (f->count == f->capacity) {
        f->capacity = f->capacity ? 2 * f->capacity : 16;
        f->waiters = realloc(f->waiters, f->capacity * sizeof(*f->waiters));
        if (!f->waiters)
            abort();
    }
    f->waiters[f->count++] = w;
}

static struct waiter take(struct futex_model *f, size_t index)
{
    struct waiter w = f->waiters[index];

    f->count--;
    memmove(&f->waiters[index], &f->waiters[index + 1], (f->count - index) * sizeof(*f->waiters));
    return w;
}

void futex_wait(struct futex_model *f, struct futex_key key, uint32_t task, uint32_t bitset,
                enum futex_wait_kind kind)
{
    assert(!find_task(f, task));
    append(f, (struct waiter){key, task, bitset, kind});
}

bool futex_cancel(struct futex_model *f, uint32_t task)
{
    struct waiter *w = find_task(f, task);

    if (!w)
        return false;
    take(f, (size_t)(w - f->waiters));
    return true;
}

bool futex_waiting_on(const struct futex_model *f, uint32_t task, struct futex_key *ret_key,
                      enum futex_wait_kind *ret_kind)
{
    const struct waiter *w = find_task(f, task);

    if (!w)
        return false;
    if (ret_key)
        *ret_key = w->key;
    if (ret_kind)
        *ret_kind = w->kind;
    return true;
}

static bool matches(const struct waiter *w, struct futex_key key, enum futex_wait_kind kind,
                    uint32_t bitset)
{
    return same_key(w->key, key) && w->kind == kind && (w->bitset & bitset);
}

/* Take one matching waiter, chosen by the caller's pick. False: there is none. */
static bool take_one(struct futex_model *f, struct futex_key key, enum futex_wait_kind kind,
                     uint32_t bitset, struct waiter *ret)
{
    size_t candidates = 0, choice = 0;

    for (size_t i = 0; i < f->count; i++)
        candidates += matches(&f->waiters[i], key, kind, bitset);
    if (candidates == 0)
        return false;
    if (f->pick && candidates > 1)
        choice = f->pick(f->context, candidates);
    assert(choice < candidates);
    for (size_t i = 0; i < f->count; i++) {
        if (!matches(&f->waiters[i], key, kind, bitset))
            continue;
        if (choice-- == 0) {
            *ret = take(f, i);
            return true;
        }
    }
    return false;
}

static size_t wake_kind(struct futex_model *f, struct futex_key key, enum futex_wait_kind kind,
                        size_t count, uint32_t bitset, uint32_t *woken, size_t max)
{
    struct waiter w;
    size_t n = 0;

    while (n < count && n < max && take_one(f, key, kind, bitset, &w))
        woken[n++] = w.task;
    return n;
}

size_t futex_wake(struct futex_model *f, struct futex_key key, size_t count, uint32_t bitset,
                  uint32_t *woken, size_t max)
{
    return wake_kind(f, key, FUTEX_WAIT_PLAIN, count, bitset, woken, max);
}

bool futex_wake_pi(struct futex_model *f, struct futex_key key, uint32_t *ret_task)
{
    return wake_kind(f, key, FUTEX_WAIT_PI, 1, FUTEX_BITSET_MATCH_ANY, ret_task, 1) == 1;
}

/* Move up to `limit` waiters of a kind; they queue at the new key behind those already there. */
static size_t move(struct futex_model *f, struct futex_key from, struct futex_key to,
                   enum futex_wait_kind kind, enum futex_wait_kind new_kind, size_t limit)
{
    struct waiter w;
    size_t moved = 0, present = futex_waiters_of_kind(f, from, kind);

    /* `from` and `to` may be one key: each waiter moves at most once. */
    if (limit > present)
        limit = present;
    while (moved < limit && take_one(f, from, kind, FUTEX_BITSET_MATCH_ANY, &w)) {
        w.key = to;
        w.kind = new_kind;
        append(f, w);
        moved++;
    }
    return moved;
}

size_t futex_requeue(struct futex_model *f, struct futex_key from, struct futex_key to, size_t wake,
                     size_t requeue, uint32_t *woken, size_t max, size_t *ret_moved)
{
    size_t n = wake_kind(f, from, FUTEX_WAIT_PLAIN, wake, FUTEX_BITSET_MATCH_ANY, woken, max);

    *ret_moved = move(f, from, to, FUTEX_WAIT_PLAIN, FUTEX_WAIT_PLAIN, requeue);
    return n;
}

size_t futex_requeue_pi(struct futex_model *f, struct futex_key from, struct futex_key to,
                        bool wake, size_t requeue, uint32_t *ret_woken, size_t *ret_moved)
{
    size_t n =
        wake_kind(f, from, FUTEX_WAIT_REQUEUE_PI_KIND, wake, FUTEX_BITSET_MATCH_ANY, ret_woken, 1);

    *ret_moved = move(f, from, to, FUTEX_WAIT_REQUEUE_PI_KIND, FUTEX_WAIT_PI, requeue);
    return n;
}

size_t futex_waiters(const struct futex_model *f, struct futex_key key)
{
    size_t n = 0;

    for (size_t i = 0; i < f->count; i++)
        n += same_key(f->waiters[i].key, key);
    return n;
}

size_t futex_waiters_of_kind(const struct futex_model *f, struct futex_key key,
                             enum futex_wait_kind kind)
{
    size_t n = 0;

    for (size_t i = 0; i < f->count; i++)
        n += same_key(f->waiters[i].key, key) && f->waiters[i].kind == kind;
    return n;
}

size_t futex_waiters_total(const struct futex_model *f)
{
    return f->count;
}

static int32_t sign_extend_12(uint32_t value)
{
    return (int32_t)(value << 20) >> 20;
}

int futex_wake_op(uint32_t encoded, uint32_t old, uint32_t *ret_new)
{
    uint32_t operation = (encoded >> 28) & 7;
    uint32_t comparison = (encoded >> 24) & 15;
    int32_t argument = sign_extend_12((encoded >> 12) & 0xfff);
    int32_t with = sign_extend_12(encoded & 0xfff);
    int32_t value = (int32_t)old;
    uint32_t operand;

    if (encoded & ((uint32_t)FUTEX_OP_OPARG_SHIFT << 28))
        operand = 1u << ((uint32_t)argument & 31); /* out of range: the kernel masks, too */
    else
        operand = (uint32_t)argument;
    switch (operation) {
    case FUTEX_OP_SET:
        *ret_new = operand;
        break;
    case FUTEX_OP_ADD:
        *ret_new = old + operand;
        break;
    case FUTEX_OP_OR:
        *ret_new = old | operand;
        break;
    case FUTEX_OP_ANDN:
        *ret_new = old & ~operand;
        break;
    case FUTEX_OP_XOR:
        *ret_new = old ^ operand;
        break;
    default:
        return -ENOSYS;
    }
    switch (comparison) {
    case FUTEX_OP_CMP_EQ:
        return value == with;
    case FUTEX_OP_CMP_NE:
        return value != with;
    case FUTEX_OP_CMP_LT:
        return value < with;
    case FUTEX_OP_CMP_GE:
        return value >= with;
    case FUTEX_OP_CMP_LE:
        return value <= with;
    case FUTEX_OP_CMP_GT:
        return value > with;
    default:
        return -ENOSYS;
    }
}

void futex_forget_space(struct futex_model *f, uint64_t space)
{
    size_t kept = 0;

    for (size_t i = 0; i < f->count; i++) {
        if (f->waiters[i].key.space != space)
            f->waiters[kept++] = f->waiters[i];
    }
    f->count = kept;
}
