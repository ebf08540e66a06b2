/* A timeline as JSON: items by column, with differences where numbers grow, which halves the page.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "recorder/base/text.h"
#include "recorder/stacks/stacks.h"
#include "recorder/trace/json.h"
#include "reports/html/parts.h"
#include "reports/text.h"

/* Traces hold bytes as they came; a page shows what the model would. */
static void put_text(struct bytes *to, const char *value)
{
    char *text = value ? text_clean(value, strlen(value)) : NULL;

    if (text)
        json_put_string(to, text);
    else
        text_format(to, "null");
    free(text);
}

static void put_tasks(struct bytes *to, const struct timeline *t)
{
    text_format(to, ",\"tasks\":[");
    for (size_t i = 0; i < t->task_count; i++) {
        const struct timeline_task *k = &t->tasks[i];

        text_format(to, "%s{\"id\":%" PRIu32 ",\"parent\":%" PRIu32 ",\"process\":%" PRIu32,
                    i ? "," : "", k->id, k->parent, k->process);
        text_format(to, ",\"pid\":%" PRId32 ",\"tid\":%" PRId32 ",\"role\":", k->pid, k->tid);
        put_text(to, k->role);
        text_format(to, ",\"name\":");
        put_text(to, k->name);
        text_format(to, ",\"step\":%" PRIu64 ",\"stepEnd\":%" PRIu64, k->step, k->step_end);
        text_format(to, ",\"clock\":%" PRIu64 ",\"clockEnd\":%" PRIu64, k->clock, k->clock_end);
        text_format(to, ",\"ended\":%s}", k->ended ? "true" : "false");
    }
    text_format(to, "]");
}

static bool is_own(const struct timeline_place *place)
{
    return stacks_frame_is_own(&(struct stack_frame){.module = place->module});
}

static void put_places(struct bytes *to, const struct timeline *t)
{
    text_format(to, ",\"places\":[");
    for (size_t i = 0; i < t->place_count; i++) {
        const struct timeline_place *p = &t->places[i];

        text_format(to, "%s[", i ? "," : "");
        put_text(to, p->function);
        text_format(to, ",%" PRIu64 ",", p->offset);
        put_text(to, p->file);
        text_format(to, ",%" PRIu32 ",", p->line);
        put_text(to, p->inlined_into);
        text_format(to, ",");
        put_text(to, p->module);
        text_format(to, ",\"0x%" PRIx64 "\",%d]", p->address, is_own(p));
    }
    text_format(to, "]");
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

    text_format(to, "%s\"%s\":[", column ? "," : "", name);
    for (size_t i = 0; i < t->item_count; i++) {
        uint64_t value = value_of(&t->items[i], column);

        text_format(to, "%s%" PRId64, i ? "," : "", (int64_t)(grows ? value - before : value));
        before = value;
    }
    text_format(to, "]");
}

void html_timeline(const struct timeline *t, struct bytes *ret)
{
    static const char *const names[COLUMN_COUNT] = {
        [KIND] = "kind",     [FLAGS] = "flags", [TASK] = "task",     [STEP] = "step",
        [STEPS] = "steps",   [CLOCK] = "clock", [CLOCKS] = "clocks", [EVENT] = "event",
        [TICKS] = "ticks",   [TEXT] = "text",   [DETAIL] = "detail", [PLACE] = "place",
        [TARGET] = "target", [CAUSE] = "cause",
    };

    text_format(ret, "{\"seed\":\"%" PRIu64 "\",\"steps\":%" PRIu64 ",\"duration\":%" PRIu64,
                t->seed, t->steps, t->clock_end);
    text_format(ret, ",\"events\":%" PRIu64 ",\"merged\":%" PRIu64 ",\"mergedStep\":%" PRIu64,
                t->events, t->merged, t->merged_step);
    text_format(ret, ",\"command\":");
    put_text(ret, t->command);
    text_format(ret, ",\"verdict\":");
    put_text(ret, t->verdict);
    text_format(ret, ",\"damage\":");
    put_text(ret, t->damage);
    put_tasks(ret, t);
    put_places(ret, t);
    text_format(ret, ",\"strings\":[");
    for (size_t i = 0; i < t->string_count; i++) {
        text_format(ret, "%s", i ? "," : "");
        put_text(ret, t->strings[i]);
    }
    text_format(ret, "],\"kinds\":[");
    for (int i = 0; i < TIMELINE_KIND_COUNT; i++)
        text_format(ret, "%s\"%s\"", i ? "," : "", timeline_kind_name((enum timeline_kind)i));
    text_format(ret, "],\"items\":{");
    for (int i = 0; i < COLUMN_COUNT; i++)
        put_column(ret, t, names[i], (enum column)i);
    text_format(ret, "}}");
}
