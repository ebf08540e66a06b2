/* The choice which traces go, and the removal. */
#include "harness/run/quota.h"

#include <stdlib.h>
#include <string.h>

#include "harness/run/keep.h"
#include "recorder/trace/size.h"

/* ---- the choice ---- */

struct item {
    const struct quota_trace *trace;
    size_t index;
    bool is_smallest, is_first; /* of the failures of its signature */
};

static int by_time(const void *a, const void *b)
{
    const struct item *x = a, *y = b;

    if (x->trace->time != y->trace->time)
        return x->trace->time < y->trace->time ? -1 : 1;
    return x->index < y->index ? -1 : x->index > y->index;
}

static int by_size(const void *a, const void *b)
{
    const struct item *x = a, *y = b;

    if (x->trace->bytes != y->trace->bytes)
        return x->trace->bytes < y->trace->bytes ? -1 : 1;
    return by_time(a, b);
}

static int largest_first(const void *a, const void *b)
{
    return by_size(b, a);
}

/* Failures with a signature first, those of one signature side by side. */
static int by_kind(const void *a, const void *b)
{
    const struct item *x = a, *y = b;
    bool alone_x = x->trace->is_pass || !x->trace->signature;
    bool alone_y = y->trace->is_pass || !y->trace->signature;

    if (alone_x || alone_y)
        return alone_x - alone_y;
    return strcmp(x->trace->signature, y->trace->signature);
}

static void mark_kinds(struct item *items, size_t count)
{
    qsort(items, count, sizeof(*items), by_kind);
    for (size_t start = 0, end; start < count; start = end) {
        size_t smallest = start, first = start;
        const struct quota_trace *trace = items[start].trace;

        end = start + 1;
        while (!trace->is_pass && trace->signature && end < count &&
               by_kind(&items[start], &items[end]) == 0)
            end++;
        for (size_t i = start; i < end; i++) {
            if (by_size(&items[i], &items[smallest]) < 0)
                smallest = i;
            if (by_time(&items[i], &items[first]) < 0)
                first = i;
        }
        items[smallest].is_smallest = true;
        items[first].is_first = true;
    }
}

static bool is_passing(const struct item *item)
{
    return item->trace->is_pass;
}

static bool is_duplicate(const struct item *item)
{
    return !item->trace->is_pass && !item->is_smallest && !item->is_first;
}

static bool is_larger_first(const struct item *item)
{
    return !item->trace->is_pass && !item->is_smallest && item->is_first;
}

/* The classes, in the order in which they go, and the order within. */
static const struct {
    bool (*is_in)(const struct item *item);
    int (*order)(const void *a, const void *b);
} classes[] = {
    {is_passing, by_time},
    {is_duplicate, largest_first},
    {is_larger_first, largest_first},
};

uint64_t quota_choose(const struct quota_trace *traces, size_t count, uint64_t quota,
                      bool *ret_remove)
{
    struct item *items = calloc(count ? count : 1, sizeof(*items));
    uint64_t stay = 0;

    if (!items)
        abort();
    for (size_t i = 0; i < count; i++) {
        items[i] = (struct item){.trace = &traces[i], .index = i};
        ret_remove[i] = false;
        stay += traces[i].bytes;
    }
    mark_kinds(items, count);
    for (size_t c = 0; c < sizeof(classes) / sizeof(classes[0]); c++) {
        qsort(items, count, sizeof(*items), classes[c].order);
        for (size_t i = 0; i < count && stay > quota; i++) {
            /* What takes no room of its own stays: nothing would be gained. */
            if (!classes[c].is_in(&items[i]) || items[i].trace->bytes == 0)
                continue;
            ret_remove[items[i].index] = true;
            stay -= items[i].trace->bytes;
        }
    }
    free(items);
    return stay;
}

/* ---- the disk ---- */

uint64_t quota_trace_bytes(const char *path)
{
    struct trace_size size;

    return trace_disk_size(path, &size) ? 0 : size.own;
}

int quota_apply(const struct quota_trace *traces, size_t count, uint64_t quota, bool *ret_removed,
                uint64_t *ret_stay, struct rr_error *error)
{
    uint64_t stay = quota_choose(traces, count, quota, ret_removed);
    int first = 0;

    for (size_t i = 0; i < count; i++) {
        int code = ret_removed[i] ? keep_remove_tree(traces[i].path) : 0;

        if (code == 0)
            continue;
        ret_removed[i] = false;
        stay += traces[i].bytes;
        if (!first)
            first = rr_error_set(error, code, "cannot remove the trace %s: %s", traces[i].path,
                                 strerror(-code));
    }
    *ret_stay = stay;
    return first;
}
