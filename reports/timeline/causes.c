/* Wakes in a hash table (open addressing; address 0 is free). */
#include "reports/timeline/causes.h"

#include <stdlib.h>

#include "recorder/base/bytes.h"

struct wake {
    const void *space;
    uint64_t address; /* 0: free */
    uint64_t item;
    uint64_t to;
};

struct causes {
    struct wake *wakes;
    size_t count, size; /* size: a power of two */
};

struct causes *causes_new(void)
{
    struct causes *c = calloc(1, sizeof(*c));

    if (!c)
        abort();
    return c;
}

void causes_free(struct causes *c)
{
    free(c->wakes);
    free(c);
}

static struct wake *slot(struct wake *wakes, size_t size, const void *space, uint64_t address)
{
    const uint64_t words[] = {(uint64_t)(uintptr_t)space, address};
    size_t at = bytes_hash(words, sizeof(words), 0) & (size - 1);

    while (wakes[at].address && (wakes[at].address != address || wakes[at].space != space))
        at = (at + 1) & (size - 1);
    return &wakes[at];
}

static void grow(struct causes *c)
{
    size_t size = c->size ? c->size * 2 : 64;
    struct wake *wakes = calloc(size, sizeof(*wakes));

    if (!wakes)
        abort();
    for (size_t i = 0; i < c->size; i++) {
        if (c->wakes[i].address)
            *slot(wakes, size, c->wakes[i].space, c->wakes[i].address) = c->wakes[i];
    }
    free(c->wakes);
    c->wakes = wakes;
    c->size = size;
}

void causes_wake(struct causes *c, const void *space, uint64_t address, uint64_t item, uint64_t to)
{
    struct wake *w;

    if (!address)
        return;
    if (c->count * 2 >= c->size)
        grow(c);
    w = slot(c->wakes, c->size, space, address);
    c->count += !w->address;
    *w = (struct wake){space, address, item, to};
}

uint64_t causes_of_wait(const struct causes *c, const void *space, uint64_t address, uint64_t since)
{
    const struct wake *w;

    if (!c->size || !address)
        return 0;
    w = slot(c->wakes, c->size, space, address);
    if (w->address && w->to) {
        const struct wake *there = slot(c->wakes, c->size, space, w->to);

        if (there->address && there->item > w->item)
            w = there;
    }
    return w->address && w->item > since ? w->item : 0;
}
