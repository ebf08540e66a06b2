/* rrtest timeline: a trace for the viewers of other tools. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "harness/cli/command.h"
#include "harness/cli/trace_home.h"
#include "reports/timeline/chrome.h"
#include "reports/timeline/timeline.h"

#define ITEMS_DEFAULT 1000000

struct timeline_target {
    const char *output;
    uint64_t items;
    enum chrome_axis axis;
};

static void init(void *target)
{
    struct timeline_target *t = target;

    t->items = ITEMS_DEFAULT;
}

static int parse_axis(void *target, const char *value, struct rr_error *error)
{
    struct timeline_target *t = target;

    if (strcmp(value, "time") == 0)
        t->axis = CHROME_AXIS_TIME;
    else if (strcmp(value, "step") == 0)
        t->axis = CHROME_AXIS_STEP;
    else
        return rr_error_set(error, -EINVAL, "expected time or step, got '%s'", value);
    return 0;
}

static const struct option_row rows[] = {
    {"output", 'o', OPTION_TEXT, "FILE", offsetof(struct timeline_target, output), OPTION_NO_GIVEN,
     NULL, "where to; - is stdout (required)"},
    {"axis", 0, OPTION_CALL, "AXIS", 0, OPTION_NO_GIVEN, parse_axis,
     "time (virtual time, default), or step: one microsecond for each thing that happened"},
    {"items", 0, OPTION_U64, "N", offsetof(struct timeline_target, items), OPTION_NO_GIVEN, NULL,
     "show about this many of the last things one by one, merge those before (default 1000000; 0: "
     "all)"},
    {NULL, 0, OPTION_FLAG, NULL, 0, 0, NULL, NULL},
};

static int write_to(const struct timeline_target *t, const struct timeline *timeline)
{
    bool is_stdout = strcmp(t->output, "-") == 0;
    FILE *out = is_stdout ? stdout : fopen(t->output, "we");
    int code;

    if (!out)
        return command_fail(COMMAND_EXIT_USAGE, "timeline: cannot write %s: %s", t->output,
                            strerror(errno));
    code = chrome_write(timeline, t->axis, out);
    if (!is_stdout && fclose(out) != 0)
        code = -EIO;
    if (code)
        return command_fail(COMMAND_EXIT_USAGE, "timeline: cannot write %s: %s", t->output,
                            strerror(errno));
    return 0;
}

static int run(const char *program, void *target, const struct option_result *operands)
{
    const struct timeline_target *t = target;
    struct timeline timeline;
    struct rr_error error = {0};
    struct pack_place place;
    int code;

    (void)program;
    if (!t->output)
        return command_fail(COMMAND_EXIT_USAGE,
                            "timeline: -o FILE is missing; '-o -' writes to stdout");
    if (trace_home_open("timeline", operands, &place, &error))
        return command_fail(COMMAND_EXIT_USAGE, "%s", error.message);
    code = timeline_read(place.path, t->items, &timeline, &error);
    pack_place_done(&place);
    if (code)
        return command_fail(COMMAND_EXIT_USAGE, "%s", error.message);
    code = write_to(t, &timeline);
    /* A trace that ends early is an answer, not an error: it says so on stderr. */
    if (!code && timeline.damage)
        command_fail(0, "%s", timeline.damage);
    if (!code && timeline.merged)
        command_fail(0, "timeline: %llu earlier items are merged; --items 0 shows all",
                     (unsigned long long)timeline.merged);
    timeline_done(&timeline);
    return code;
}

const struct command command_timeline = {
    .name = "timeline",
    .arguments = "[TRACE] -o FILE",
    .summary = "write a trace as a timeline for Perfetto",
    .options = rows,
    .error_status = COMMAND_EXIT_USAGE,
    .target_size = sizeof(struct timeline_target),
    .init = init,
    .run = run,
};
