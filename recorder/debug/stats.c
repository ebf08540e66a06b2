/* rrtest stats: counts over a trace's events, together with what the recorder counted itself
 * (meta.json's statistics: stops, wall times, patches), which wins where the events cannot tell. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "recorder/base/text.h"
#include "recorder/debug/debug.h"
#include "recorder/debug/text.h"
#include "recorder/debug/text_calls.h"
#include "recorder/syscalls/syscalls.h"
#include "recorder/trace/json.h"
#include "recorder/trace/trace.h"

#define TRACED_MAX 20 /* calls named as the most frequent ones that stopped */

struct task_ticks {
    uint32_t task;
    uint64_t ticks;
    uint64_t atomics;
};

struct counts {
    uint64_t events;
    uint64_t by_kind[EVENT_KIND_COUNT];
    uint64_t by_number[SYSCALL_NUMBER_LIMIT]; /* all system calls */
    uint64_t traced[SYSCALL_NUMBER_LIMIT];    /* those with an event of their own */
    uint64_t buffered;
    uint64_t patches[PATCH_WORD_COUNT];
    uint64_t trap_ticks;
    uint64_t stops;
    uint64_t switches;
    uint64_t written; /* bytes of memory effects */
    uint64_t output;
    uint64_t clock;
    uint32_t running;
    struct task_ticks *tasks;
    size_t task_count;
    bool complete;
};

/* ---- counting ---- */

static int count_task(struct counts *c, const struct event *e)
{
    struct task_ticks *tasks;

    for (size_t i = c->task_count; i-- > 0;) {
        if (c->tasks[i].task == e->task) {
            c->tasks[i].ticks = e->ticks;
            c->tasks[i].atomics = e->atomics;
            return 0;
        }
    }
    tasks = reallocarray(c->tasks, c->task_count + 1, sizeof(*tasks));
    if (!tasks)
        return -ENOMEM;
    c->tasks = tasks;
    tasks[c->task_count++] = (struct task_ticks){e->task, e->ticks, e->atomics};
    return 0;
}

static int count_event(struct counts *c, const struct event *e)
{
    c->events++;
    c->by_kind[e->kind]++;
    c->trap_ticks += e->kind == EVENT_STRAY && e->status == 1;
    c->clock = e->clock;
    c->output += e->output.length;
    for (size_t i = 0; i < e->write_count; i++)
        c->written += e->writes[i].length;
    if (e->kind == EVENT_SYSCALL && e->before.orig_rax < SYSCALL_NUMBER_LIMIT) {
        c->by_number[e->before.orig_rax]++;
        c->traced[e->before.orig_rax]++;
    }
    if (e->kind == EVENT_BUFFERED)
        c->buffered += text_buffered_count(e, c->by_number, SYSCALL_NUMBER_LIMIT);
    if (e->kind == EVENT_PATCH && e->patch.word < PATCH_WORD_COUNT)
        c->patches[e->patch.word]++;
    if (e->kind == EVENT_BUFFERED || e->kind == EVENT_PATCH || e->kind == EVENT_CHECKSUM ||
        e->kind == EVENT_END)
        return 0;
    if (e->kind != EVENT_START) {
        c->stops++;
        c->switches += c->running != 0 && c->running != e->task;
        c->running = e->task;
    }
    return count_task(c, e);
}

static int count_all(struct trace_reader *reader, struct counts *c, struct rr_error *error)
{
    struct event event;
    int result;

    while ((result = trace_reader_next(reader, &event, error)) > 0) {
        if (count_event(c, &event))
            return rr_error_set(error, -ENOMEM, "out of memory");
    }
    c->complete = result == 0;
    return result == -ENODATA ? 0 : result;
}

/* ---- as JSON ---- */

/* What the recorder's own statistics may replace. */
static void put_defaults(struct bytes *b, const struct counts *c)
{
    uint64_t ticks = 0, atomics = 0;
    char patches[PATCH_COUNTS_TEXT];

    for (size_t i = 0; i < c->task_count; i++) {
        ticks += c->tasks[i].ticks;
        atomics += c->tasks[i].atomics;
    }
    text_format(b, "{\"stops\": %" PRIu64 ", \"ticks\": %" PRIu64 ", \"atomics\": %" PRIu64,
                c->stops, ticks, atomics);
    text_format(b, ", \"switches\": %" PRIu64 ", \"tasks\": %zu", c->switches, c->task_count);
    text_format(b, ", \"syscalls\": {\"total\": %" PRIu64 ", \"buffered\": %" PRIu64 "}",
                c->by_kind[EVENT_SYSCALL] + c->buffered, c->buffered);
    patch_counts_text(c->patches, patches);
    text_format(b, ", \"patches\": %s", patches);
    text_format(b, ", \"times\": {\"virtual_ns\": %" PRIu64 "}}", c->clock);
}

static void put_string_or_null(struct bytes *b, const char *key, const char *string)
{
    text_format(b, ", \"%s\": ", key);
    if (string)
        json_put_string(b, string);
    else
        text_format(b, "null");
}

static void put_by_name(struct bytes *b, const char *key, const uint64_t *counts)
{
    bool first = true;

    text_format(b, "\"%s\": {", key);
    for (size_t i = 0; i < SYSCALL_NUMBER_LIMIT; i++) {
        const struct syscall_row *row = syscall_row_by_number(i);

        if (counts[i] == 0)
            continue;
        if (row)
            text_format(b, "%s\"%s\": %" PRIu64, first ? "" : ", ", row->name, counts[i]);
        else
            text_format(b, "%s\"%zu\": %" PRIu64, first ? "" : ", ", i, counts[i]);
        first = false;
    }
    text_format(b, "}");
}

/* The calls that stopped, the most frequent first. */
static void put_traced(struct bytes *b, const uint64_t *counts)
{
    bool done[SYSCALL_NUMBER_LIMIT] = {false};

    text_format(b, ", \"traced\": [");
    for (size_t n = 0; n < TRACED_MAX; n++) {
        const struct syscall_row *row;
        size_t best = SYSCALL_NUMBER_LIMIT;

        for (size_t i = 0; i < SYSCALL_NUMBER_LIMIT; i++)
            if (counts[i] > 0 && !done[i] &&
                (best == SYSCALL_NUMBER_LIMIT || counts[i] > counts[best]))
                best = i;
        if (best == SYSCALL_NUMBER_LIMIT)
            break;
        done[best] = true;
        row = syscall_row_by_number(best);
        text_format(b, "%s{\"name\": \"%s\", \"count\": %" PRIu64 "}", n ? ", " : "",
                    row ? row->name : "?", counts[best]);
    }
    text_format(b, "]");
}

static void put_calls(struct bytes *b, const struct counts *c)
{
    text_format(b, ", \"syscalls\": {");
    put_by_name(b, "by_name", c->by_number);
    text_format(b, ", ");
    put_by_name(b, "traced_by_name", c->traced);
    put_traced(b, c->traced);
    text_format(b, "}");
}

/* What the events alone decide. */
static void put_facts(struct bytes *b, const struct counts *c, const struct trace_meta *meta)
{
    text_format(b, "{\"complete\": %s, \"events\": %" PRIu64 ", \"events_by_kind\": {",
                c->complete ? "true" : "false", c->events);
    for (int i = 0; i < EVENT_KIND_COUNT; i++)
        text_format(b, "%s\"%s\": %" PRIu64, i ? ", " : "", event_kind_name((enum event_kind)i),
                    c->by_kind[i]);
    text_format(b,
                "}, \"preemptions\": %" PRIu64 ", \"stray_entries\": %" PRIu64
                ", \"trap_ticks\": %" PRIu64,
                c->by_kind[EVENT_PREEMPT], c->by_kind[EVENT_STRAY] - c->trap_ticks, c->trap_ticks);
    put_calls(b, c);
    text_format(b, ", \"bytes_written\": %" PRIu64 ", \"bytes_output\": %" PRIu64, c->written,
                c->output);
    put_string_or_null(b, "schedule_digest", meta->schedule_digest);
    put_string_or_null(b, "verdict", meta->verdict);
    put_string_or_null(b, "strategy", meta->strategy);
    put_string_or_null(b, "patching", meta->patching);
    text_format(b, ", \"exit_status\": %" PRId32 ", \"seed\": %" PRIu64 "}", meta->exit_status,
                meta->seed);
}

static void put_merged(struct bytes *b, const struct json *base, const struct json *over);

static void put_member(struct bytes *b, bool first, const char *key, const struct json *base,
                       const struct json *over)
{
    text_append(b, first ? "" : ", ");
    json_put_string(b, key);
    text_append(b, ": ");
    if (base && over)
        put_merged(b, base, over);
    else
        bytes_append(b, base ? base->text : over->text,
                     base ? base->text_length : over->text_length);
}

/* Members of both objects, those of over instead of base's of the same name; objects in both are
 * merged in turn. */
static void put_merged(struct bytes *b, const struct json *base, const struct json *over)
{
    bool first = true;

    if (base->kind != JSON_OBJECT || over->kind != JSON_OBJECT) {
        bytes_append(b, over->text, over->text_length);
        return;
    }
    text_append(b, "{");
    for (size_t i = 0; i < base->count; i++) {
        put_member(b, first, base->keys[i], &base->items[i], json_get(over, base->keys[i]));
        first = false;
    }
    for (size_t i = 0; i < over->count; i++) {
        if (json_get(base, over->keys[i]))
            continue;
        put_member(b, first, over->keys[i], NULL, &over->items[i]);
        first = false;
    }
    text_append(b, "}");
}

static int merge(struct bytes *base, const char *over, size_t over_length)
{
    struct json a, b;
    struct bytes merged = {0};
    size_t offset;
    int result = json_parse((const char *)base->data, base->length, &a, &offset);

    if (result)
        return result;
    result = json_parse(over, over_length, &b, &offset);
    if (!result) {
        put_merged(&merged, &a, &b);
        json_done(&b);
    }
    json_done(&a);
    if (!result) {
        bytes_done(base);
        *base = merged;
    }
    return result;
}

/* The facts come first for the reader's sake and once more at the end because nothing may replace
 * them. */
static int make_json(const struct counts *c, const struct trace_meta *meta, struct bytes *ret)
{
    struct bytes facts = {0}, defaults = {0};
    int result;

    put_facts(&facts, c, meta);
    put_defaults(&defaults, c);
    bytes_append(ret, facts.data, facts.length);
    result = merge(ret, (const char *)defaults.data, defaults.length);
    if (!result)
        result = merge(ret, meta->statistics, strlen(meta->statistics));
    if (!result)
        result = merge(ret, (const char *)facts.data, facts.length);
    bytes_done(&facts);
    bytes_done(&defaults);
    return result;
}

/* ---- as text: one line per value, members of objects as a.b ---- */

/* A list of {name, count}. */
static void put_list(struct bytes *b, const struct json *list)
{
    for (size_t i = 0; i < list->count; i++) {
        const struct json *name = json_get(&list->items[i], "name");
        const struct json *count = json_get(&list->items[i], "count");

        if (name && count && name->kind == JSON_STRING)
            text_format(b, "%s%s %.*s", i ? ", " : "", name->string, (int)count->text_length,
                        count->text);
    }
    text_format(b, "\n");
}

static void put_lines(struct bytes *b, const char *prefix, const struct json *value)
{
    if (value->kind == JSON_ARRAY) {
        text_format(b, "%-32s ", prefix);
        put_list(b, value);
        return;
    }
    if (value->kind != JSON_OBJECT) {
        text_format(b, "%-32s ", prefix);
        if (value->kind == JSON_STRING)
            text_format(b, "%s\n", value->string);
        else
            text_format(b, "%.*s\n", (int)value->text_length, value->text);
        return;
    }
    for (size_t i = 0; i < value->count; i++) {
        struct bytes name = {0};

        text_format(&name, "%s%s%s%c", prefix, *prefix ? "." : "", value->keys[i], '\0');
        put_lines(b, (const char *)name.data, &value->items[i]);
        bytes_done(&name);
    }
}

static int to_lines(struct bytes *json)
{
    struct bytes lines = {0};
    struct json value;
    size_t offset;
    int result = json_parse((const char *)json->data, json->length, &value, &offset);

    if (result)
        return result;
    put_lines(&lines, "", &value);
    json_done(&value);
    bytes_done(json);
    *json = lines;
    return 0;
}

int debug_stats(const char *trace, bool json, FILE *out, struct rr_error *error)
{
    struct trace_reader *reader;
    struct counts counts = {0};
    struct bytes text = {0};
    int result = trace_reader_open(trace, &reader, error);

    if (result)
        return result;
    result = count_all(reader, &counts, error);
    if (!result) {
        result = make_json(&counts, trace_reader_meta(reader), &text);
        if (!result && !json)
            result = to_lines(&text);
        else if (!result)
            text_append(&text, "\n");
        if (result)
            rr_error_set(error, result, "the statistics of %s cannot be used: %s", trace,
                         strerror(-result));
    }
    if (!result && (fwrite(text.data, 1, text.length, out) != text.length || fflush(out) != 0))
        result = rr_error_set(error, -EIO, "cannot write the statistics: %s", strerror(errno));
    bytes_done(&text);
    free(counts.tasks);
    trace_reader_close(reader);
    return result;
}
