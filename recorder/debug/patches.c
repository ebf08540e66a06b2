/* rrtest dump --patches: what was decided about each place that makes system calls. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "recorder/base/text.h"
#include "recorder/debug/debug.h"
#include "recorder/debug/text.h"
#include "recorder/trace/trace.h"

struct decision {
    uint64_t event;
    uint32_t task;
    struct event_patch patch;
};

struct history {
    struct decision *decision;
    size_t count, capacity;
};

static int remember(struct history *h, uint64_t number, const struct event *e)
{
    if (h->count == h->capacity) {
        size_t capacity = h->capacity * 2 + 64;
        struct decision *grown = reallocarray(h->decision, capacity, sizeof(*grown));

        if (!grown)
            return -ENOMEM;
        h->decision = grown;
        h->capacity = capacity;
    }
    h->decision[h->count++] = (struct decision){number, e->task, e->patch};
    return 0;
}

/* By place, then in order. */
static int compare(const void *a, const void *b)
{
    const struct decision *x = a, *y = b;

    if (x->patch.instruction != y->patch.instruction)
        return x->patch.instruction < y->patch.instruction ? -1 : 1;
    return (x->event > y->event) - (x->event < y->event);
}

static void put_region(struct bytes *b, const struct event_patch *p)
{
    if (p->start)
        text_format(b, "call at 0x%" PRIx64 ", region 0x%" PRIx64 " to 0x%" PRIx64 "\n",
                    p->instruction, p->start, p->start + p->length);
    else
        text_format(b, "call at 0x%" PRIx64 ", no region\n", p->instruction);
}

static void put_text(struct bytes *b, const struct decision *d, bool first)
{
    if (first)
        put_region(b, &d->patch);
    text_format(b, "    event %-8" PRIu64 " task %-4" PRIu32 " %s", d->event, d->task,
                patch_word_name((enum patch_word)d->patch.word));
    if (d->patch.by)
        text_format(b, " by task %" PRIu32, d->patch.by);
    text_format(b, "\n");
}

static void put_json(struct bytes *b, const struct decision *d, bool first)
{
    if (first)
        text_format(b,
                    "{\"instruction\": %" PRIu64 ", \"start\": %" PRIu64 ", \"length\": %" PRIu32
                    ", \"history\": [",
                    d->patch.instruction, d->patch.start, d->patch.length);
    text_format(b, "%s{\"event\": %" PRIu64 ", \"task\": %" PRIu32 ", \"decision\": \"%s\"",
                first ? "" : ", ", d->event, d->task,
                patch_word_name((enum patch_word)d->patch.word));
    if (d->patch.by)
        text_format(b, ", \"by\": %" PRIu32, d->patch.by);
    text_format(b, "}");
}

static void put_all(struct bytes *b, const struct history *h, bool json)
{
    for (size_t i = 0; i < h->count; i++) {
        const struct decision *d = &h->decision[i];
        bool first = i == 0 || d[-1].patch.instruction != d->patch.instruction;

        if (json) {
            if (first && i > 0)
                text_format(b, "]}\n");
            put_json(b, d, first);
        } else {
            put_text(b, d, first);
        }
    }
    if (json && h->count > 0)
        text_format(b, "]}\n");
}

int debug_patches(const char *trace, bool json, FILE *out, struct rr_error *error)
{
    struct trace_reader *reader;
    struct history history = {0};
    struct bytes text = {0};
    struct event event;
    int result = trace_reader_open(trace, &reader, error);

    if (result)
        return result;
    while ((result = trace_reader_next(reader, &event, error)) > 0) {
        if (event.kind != EVENT_PATCH || event.patch.word == PATCH_NONE)
            continue;
        if (remember(&history, trace_reader_position(reader), &event)) {
            result = rr_error_set(error, -ENOMEM, "out of memory");
            break;
        }
    }
    if (history.count > 0)
        qsort(history.decision, history.count, sizeof(*history.decision), compare);
    put_all(&text, &history, json);
    if ((fwrite(text.data, 1, text.length, out) != text.length || fflush(out) != 0) && result >= 0)
        result = rr_error_set(error, -EIO, "cannot write the dump: %s", strerror(errno));
    bytes_done(&text);
    free(history.decision);
    trace_reader_close(reader);
    return result;
}
