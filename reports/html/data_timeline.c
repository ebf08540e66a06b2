/* A timeline as JSON: items by column, with differences where numbers grow, which halves the page.
 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "recorder/stacks/stacks.h"
#include "recorder/trace/json.h"
#include "reports/html/parts.h"
#include "reports/text.h"

static void put(struct bytes *to, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void put(struct bytes *to, const char *format, ...)
{
    va_list args;
    char text[256];
    int length;

    va_start(args, format);
    length = vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    bytes_append(to, text, (size_t)length);
}

/* Traces hold bytes as they came; a page shows what the model would. */
static void put_text(struct bytes *to, const char *value)
{
    char *text = value ? text_clean(value, strlen(value)) : NULL;

    if (text)
        json_put_string(to, text);
    else
        put(to, "null");
    free(text);
}

static void put_tasks(struct bytes *to, const struct timeline *t)
{
    put(to, ",\"tasks\":[");
    for (size_t i = 0; i < t->task_count; i++) {
        const struct timeline_task *k = &t->tasks[i];

        put(to, "%s{\"id\":%" PRIu32 ",\"parent\":%" PRIu32 ",\"process\":%" PRIu32, i ? "," : "",
            k->id, k->parent, k->process);
        put(to, ",\"pid\":%" PRId32 ",\"tid\":%" PRId32 ",\"role\":", k->pid, k->tid);
        put_text(to, k->role);
        put(to, ",\"name\":");
        put_text(to, k->name);
        put(to, ",\"step\":%" PRIu64 ",\"stepEnd\":%" PRIu64, k->step, k->step_end);
        put(to, ",\"clock\":%" PRIu64 ",\"clockEnd\":%" PRIu64, k->clock, k->clock_end);
        put(to, ",\"ended\":%s}", k->ended ? "true" : "false");
    }
    put(to, "]");
}

static bool is_own(const struct timeline_place *place)
{
    return stacks_frame_is_own(&(struct stack_frame){.module = place->module});
}

static void put_places(struct bytes *to, const struct timeline *t)
{
    put(to, ",\"places\":[");
    for (size_t i = 0; i < t->place_count; i++) {
        const struct timeline_place *p = &t->places[i];

        put(to, "%s[", i ? "," : "");
        put_text(to, p->function);
        put(to, ",%" PRIu64 ",", p->offset);
        put_text(to, p->file);
        put(to, ",%" PRIu32 ",", p->line);
        put_text(to, p->inlined_into);
        put(to, ",");
        put_text(to, p->module);
        put(to, ",\"0x%" PRIx64 "\",%d]", p->address, is_own(p));
    }
    put(to, "]");
}

enum column {
    KIND,
    FLAGS,
    TASK,
    STEP,
    STEPS,
    CLOCK,
    CLOCKS,
    EVENT,
    TICKS,
    TEXT,
    DETAIL,
    PLACE,
    TARGET,
    CAUSE,
    COLUMN_COUNT
};

static uint64_t value_of(const struct timeline_item *i, enum column column)
{
    switch (column) {
    case KIND:
        return i->kind;
    case FLAGS:
        return i->flags;
    case TASK:
        return i->task;
    case STEP:
        return i->step;
    case STEPS:
        return i->step_end - i->step;
    case CLOCK:
        return i->clock;
    case CLOCKS:
        return i->clock_end - i->clock;
    case EVENT:
        return i->event;
    case TICKS:
        return i->ticks;
    case TEXT:
        return i->text;
    case DETAIL:
        return i->detail;
    case PLACE:
        return i->place;
    case TARGET:
        return i->target;
    default:
        return i->cause;
    }
}

static void put_column(struct bytes *to, const struct timeline *t, const char *name,
                       enum column column)
{
    bool grows = column == STEP || column == CLOCK || column == EVENT;
    uint64_t before = 0;

    put(to, "%s\"%s\":[", column ? "," : "", name);
    for (size_t i = 0; i < t->item_count; i++) {
        uint64_t value = value_of(&t->items[i], column);

        put(to, "%s%" PRId64, i ? "," : "", (int64_t)(grows ? value - before : value));
        before = value;
    }
    put(to, "]");
}

void html_timeline(const struct timeline *t, struct bytes *ret)
{
    static const char *const names[COLUMN_COUNT] = {
        [KIND] = "kind",     [FLAGS] = "flags", [TASK] = "task",     [STEP] = "step",
        [STEPS] = "steps",   [CLOCK] = "clock", [CLOCKS] = "clocks", [EVENT] = "event",
        [TICKS] = "ticks",   [TEXT] = "text",   [DETAIL] = "detail", [PLACE] = "place",
        [TARGET] = "target", [CAUSE] = "cause",
    };

    put(ret, "{\"seed\":\"%" PRIu64 "\",\"steps\":%" PRIu64 ",\"duration\":%" PRIu64, t->seed,
        t->steps, t->clock_end);
    put(ret, ",\"events\":%" PRIu64 ",\"merged\":%" PRIu64 ",\"mergedStep\":%" PRIu64, t->events,
        t->merged, t->merged_step);
    put(ret, ",\"command\":");
    put_text(ret, t->command);
    put(ret, ",\"verdict\":");
    put_text(ret, t->verdict);
    put(ret, ",\"damage\":");
    put_text(ret, t->damage);
    put_tasks(ret, t);
    put_places(ret, t);
    put(ret, ",\"strings\":[");
    for (size_t i = 0; i < t->string_count; i++) {
        put(ret, "%s", i ? "," : "");
        put_text(ret, t->strings[i]);
    }
    put(ret, "],\"kinds\":[");
    for (int i = 0; i < TIMELINE_KIND_COUNT; i++)
        put(ret, "%s\"%s\"", i ? "," : "", timeline_kind_name((enum timeline_kind)i));
    put(ret, "],\"items\":{");
    for (int i = 0; i < COLUMN_COUNT; i++)
        put_column(ret, t, names[i], (enum column)i);
    put(ret, "}}");
}
