/* Executing and waiting are complete slices (X), which never overlap within a task; handlers are
 * nestable async slices (b, e), since others execute in between; all else are instants (i). Who
 * woke or made whom is a flow (s, f) from slice to slice. */
#include "reports/timeline/chrome.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "recorder/base/bytes.h"
#include "recorder/base/text.h"
#include "recorder/trace/json.h"

/* Processes whose number the trace does not tell; Linux pids are below 2^22. */
#define UNKNOWN_PID_BASE (1 << 22)

struct chrome {
    const struct timeline *timeline;
    enum chrome_axis axis;
    int32_t *tids; /* unique, by task */
    struct bytes line;
    FILE *out;
    bool is_first;
};

static void put(struct chrome *c, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void put(struct chrome *c, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    text_format_list(&c->line, format, args);
    va_end(args);
}

static void put_string(struct chrome *c, const char *name, const char *value)
{
    put(c, ", \"%s\": ", name);
    json_put_string(&c->line, value);
}

static void put_line(struct chrome *c)
{
    put(c, "}");
    fputs(c->is_first ? "\n" : ",\n", c->out);
    fwrite(c->line.data, 1, c->line.length, c->out);
    c->is_first = false;
    bytes_clear(&c->line);
}

static int32_t pid_of(const struct timeline *t, uint32_t task)
{
    const struct timeline_task *leader = &t->tasks[t->tasks[task].process];

    return leader->pid > 0 ? leader->pid : (int32_t)(UNKNOWN_PID_BASE + leader->id);
}

/* Viewers take a tid for one thread of the whole file: one that is used again, or is not known,
 * becomes another. */
static int32_t *unique_tids(const struct timeline *t)
{
    int32_t *tids = calloc(t->task_count + 1, sizeof(*tids));

    if (!tids)
        abort();
    for (size_t i = 0; i < t->task_count; i++) {
        tids[i] =
            t->tasks[i].tid > 0 ? t->tasks[i].tid : (int32_t)(UNKNOWN_PID_BASE + t->tasks[i].id);
        for (size_t k = 0; k < i && tids[i] < UNKNOWN_PID_BASE; k++) {
            if (tids[k] == tids[i])
                tids[i] = (int32_t)(UNKNOWN_PID_BASE + t->tasks[i].id);
        }
    }
    return tids;
}

static void put_time(struct chrome *c, const char *name, uint64_t step, uint64_t clock)
{
    if (c->axis == CHROME_AXIS_STEP)
        put(c, ", \"%s\": %" PRIu64, name, step);
    else
        put(c, ", \"%s\": %" PRIu64 ".%03u", name, clock / 1000, (unsigned)(clock % 1000));
}

/* {"ph": P, "pid": ..., "tid": ...: the task's lane */
static void begin(struct chrome *c, char phase, uint32_t task)
{
    put(c, "{\"ph\": \"%c\", \"pid\": %" PRId32 ", \"tid\": %" PRId32, phase,
        pid_of(c->timeline, task), c->tids[task]);
}

static void put_metadata(struct chrome *c, uint32_t index)
{
    const struct timeline_task *task = &c->timeline->tasks[index];
    const char *name = task->name ? task->name : "task";

    if (task->process == index) {
        begin(c, 'M', index);
        put(c, ", \"name\": \"process_name\", \"args\": {\"name\": ");
        json_put_string(&c->line, name);
        put(c, "}");
        put_line(c);
    }
    begin(c, 'M', index);
    put(c, ", \"name\": \"thread_name\", \"args\": {\"name\": ");
    put(c, "\"task %" PRIu32 " (%s)\"}", task->id, task->role);
    put_line(c);
    begin(c, 'M', index);
    put(c, ", \"name\": \"thread_sort_index\", \"args\": {\"sort_index\": %" PRIu32 "}", index);
    put_line(c);
}

static void put_place(struct chrome *c, const char *name, uint32_t index)
{
    const struct timeline_place *p = &c->timeline->places[index];
    const char *module = p->module ? strrchr(p->module, '/') : NULL;
    char *text;

    if (!index)
        return;
    module = module ? module + 1 : p->module ? p->module : "?";
    if (p->function && p->file)
        text = text_make("%s (%s:%" PRIu32 ")", p->function, p->file, p->line);
    else if (p->function)
        text = text_make("%s+0x%" PRIx64 " [%s]", p->function, p->offset, module);
    else
        text = text_make("%s+0x%" PRIx64, module, p->address);
    put_string(c, name, text);
    free(text);
}

static void put_args(struct chrome *c, const struct timeline_item *item)
{
    put(c, ", \"args\": {\"step\": %" PRIu64 ", \"ticks\": %" PRIu64, item->step, item->ticks);
    if (item->event)
        put(c, ", \"event\": %" PRIu64, item->event);
    put_place(c, "place", item->place);
    put_place(c, "handler", item->target);
    if (item->detail)
        put_string(c, "detail", c->timeline->strings[item->detail]);
    if (item->flags & TIMELINE_BUFFERED)
        put(c, ", \"buffered\": true");
    if (item->flags & TIMELINE_INJECTED)
        put(c, ", \"injected\": true");
    put(c, "}");
}

static void put_flow(struct chrome *c, size_t number, const struct timeline_item *item)
{
    const struct timeline_item *from = &c->timeline->items[item->cause - 1];
    const char *name = from->kind == TIMELINE_CLONE ? "makes" : "wakes";
    bool is_wait = item->kind == TIMELINE_WAIT || item->kind == TIMELINE_LOCK;

    begin(c, 's', from->task);
    put(c, ", \"id\": %zu, \"cat\": \"flow\", \"name\": \"%s\"", number, name);
    put_time(c, "ts", from->step, from->clock);
    put_line(c);
    begin(c, 'f', item->task);
    put(c, ", \"id\": %zu, \"cat\": \"flow\", \"name\": \"%s\", \"bp\": \"e\"", number, name);
    put_time(c, "ts", is_wait ? item->step_end : item->step,
             is_wait ? item->clock_end : item->clock);
    put_line(c);
}

static void put_slice(struct chrome *c, const struct timeline_item *item)
{
    const struct timeline *t = c->timeline;
    const char *name = item->kind == TIMELINE_RUN ? "runs" : t->strings[item->text];

    begin(c, 'X', item->task);
    put_string(c, "name", name);
    put(c, ", \"cat\": \"%s\"", timeline_kind_name((enum timeline_kind)item->kind));
    put_time(c, "ts", item->step, item->clock);
    put_time(c, "dur", item->step_end - item->step, item->clock_end - item->clock);
    put_args(c, item);
    put_line(c);
}

static void put_handler(struct chrome *c, size_t number, const struct timeline_item *item)
{
    for (int end = 0; end < 2; end++) {
        begin(c, end ? 'e' : 'b', item->task);
        put_string(c, "name", c->timeline->strings[item->text]);
        put(c, ", \"cat\": \"signal\", \"id\": %zu", number);
        put_time(c, "ts", end ? item->step_end : item->step, end ? item->clock_end : item->clock);
        if (!end)
            put_args(c, item);
        put_line(c);
    }
}

static void put_instant(struct chrome *c, const struct timeline_item *item)
{
    begin(c, 'i', item->task);
    put_string(c, "name", c->timeline->strings[item->text]);
    put(c, ", \"cat\": \"%s\", \"s\": \"t\"", timeline_kind_name((enum timeline_kind)item->kind));
    put_time(c, "ts", item->step, item->clock);
    put_args(c, item);
    put_line(c);
}

static void put_item(struct chrome *c, size_t number, const struct timeline_item *item)
{
    switch (item->kind) {
    case TIMELINE_RUN:
    case TIMELINE_WAIT:
    case TIMELINE_LOCK:
    case TIMELINE_DENSE:
        put_slice(c, item);
        break;
    case TIMELINE_SIGNAL:
        if (item->step_end > item->step)
            put_handler(c, number, item);
        else
            put_instant(c, item);
        break;
    default:
        put_instant(c, item);
    }
    if (item->cause)
        put_flow(c, number, item);
}

int chrome_write(const struct timeline *timeline, enum chrome_axis axis, FILE *out)
{
    struct chrome c = {.timeline = timeline,
                       .axis = axis,
                       .tids = unique_tids(timeline),
                       .out = out,
                       .is_first = true};

    fputs("{\"traceEvents\": [", out);
    for (uint32_t i = 0; i < timeline->task_count; i++)
        put_metadata(&c, i);
    for (size_t i = 0; i < timeline->item_count; i++)
        put_item(&c, i + 1, &timeline->items[i]);
    put(&c,
        "\n], \"displayTimeUnit\": \"ns\", \"otherData\": {\"tool\": \"rrtest\", \"axis\": \"%s\"",
        axis == CHROME_AXIS_STEP ? "step" : "virtual time");
    put(&c, ", \"seed\": \"%" PRIu64 "\", \"merged\": %" PRIu64, timeline->seed, timeline->merged);
    put_string(&c, "command", timeline->command);
    put_string(&c, "verdict", timeline->verdict ? timeline->verdict : "not finished");
    if (timeline->damage)
        put_string(&c, "damage", timeline->damage);
    put(&c, "}}\n");
    fwrite(c.line.data, 1, c.line.length, out);
    bytes_done(&c.line);
    free(c.tids);
    return fflush(out) || ferror(out) ? -EIO : 0;
}
