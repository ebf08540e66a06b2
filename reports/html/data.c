/* The model as JSON. Numbers that a double cannot hold (seeds, addresses) are strings. */
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "recorder/base/text.h"
#include "recorder/stacks/stacks.h"
#include "recorder/trace/json.h"
#include "reports/html/parts.h"
#include "reports/html/strings.h"

/* What all timelines of a page may show one by one, and what one of them gets of it. */
#define ITEMS_PER_PAGE 200000
#define ITEMS_PER_TIMELINE_MAX 20000
#define ITEMS_PER_TIMELINE_MIN 500

struct writer {
    struct bytes *to;
    bool is_first;          /* of the object or array that is open */
    struct strings *frames; /* of all stacks */
};

static void put(struct writer *w, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void put(struct writer *w, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    text_format_list(w->to, format, args);
    va_end(args);
}

static void key(struct writer *w, const char *name)
{
    put(w, "%s\"%s\":", w->is_first ? "" : ",", name);
    w->is_first = false;
}

static void next(struct writer *w)
{
    put(w, "%s", w->is_first ? "" : ",");
    w->is_first = false;
}

static void open_with(struct writer *w, const char *bracket)
{
    put(w, "%s", bracket);
    w->is_first = true;
}

static void close_with(struct writer *w, const char *bracket)
{
    put(w, "%s", bracket);
    w->is_first = false;
}

static void text(struct writer *w, const char *value)
{
    if (value)
        json_put_string(w->to, value);
    else
        put(w, "null");
}

static void text_member(struct writer *w, const char *name, const char *value)
{
    key(w, name);
    text(w, value);
}

static void number_member(struct writer *w, const char *name, uint64_t value)
{
    key(w, name);
    put(w, "%" PRIu64, value);
}

static void exact_member(struct writer *w, const char *name, uint64_t value)
{
    key(w, name);
    put(w, "\"%" PRIu64 "\"", value);
}

static void bool_member(struct writer *w, const char *name, bool value)
{
    key(w, name);
    put(w, value ? "true" : "false");
}

static void real_member(struct writer *w, const char *name, double value)
{
    key(w, name);
    if (isfinite(value))
        put(w, "%.9g", value);
    else
        put(w, "null");
}

static void list_member(struct writer *w, const char *name, char *const *values)
{
    key(w, name);
    open_with(w, "[");
    for (; values && *values; values++) {
        next(w);
        text(w, *values);
    }
    close_with(w, "]");
}

/* ---- stacks ---- */

static void put_frame(struct writer *w, const struct stack_frame *f)
{
    open_with(w, "{");
    text_member(w, "function", f->function);
    text_member(w, "file", f->file);
    number_member(w, "line", f->line);
    number_member(w, "column", f->column);
    text_member(w, "module", f->module);
    key(w, "address");
    put(w, "\"0x%" PRIx64 "\"", f->address);
    key(w, "moduleOffset");
    put(w, "\"0x%" PRIx64 "\"", f->module_offset);
    number_member(w, "offset", f->offset);
    bool_member(w, "isInlined", f->is_inlined);
    bool_member(w, "isOwn", stacks_frame_is_own(f));
    close_with(w, "}");
}

/* Its index in the page's list of frames. */
static size_t frame_index(struct writer *w, const struct stack_frame *f)
{
    struct bytes json = {0};
    struct writer own = {.to = &json, .is_first = true};
    size_t index;

    put_frame(&own, f);
    index = strings_add(w->frames, json.data, json.length);
    bytes_done(&json);
    return index;
}

static void put_stack(struct writer *w, const struct task_stack *s)
{
    open_with(w, "{");
    key(w, "pid");
    put(w, "%" PRId32, s->pid);
    key(w, "tid");
    put(w, "%" PRId32, s->tid);
    text_member(w, "role", s->role);
    text_member(w, "name", s->name);
    text_member(w, "state", s->state);
    bool_member(w, "isCause", s->is_cause);
    bool_member(w, "isCut", s->is_cut);
    key(w, "frames");
    open_with(w, "[");
    for (size_t i = 0; i < s->frame_count; i++) {
        next(w);
        put(w, "%zu", frame_index(w, &s->frames[i]));
    }
    close_with(w, "]");
    close_with(w, "}");
}

/* ---- failures and tests ---- */

static void put_timeline(struct writer *w, const struct report_failure *f, size_t limit)
{
    struct timeline timeline;
    struct rr_error error = {0};

    if (!f->trace) {
        text_member(w, "noTimeline", "No trace of this failure was kept.");
        return;
    }
    if (timeline_read(f->trace, limit, &timeline, &error)) {
        text_member(w, "noTimeline", error.message);
        return;
    }
    key(w, "timeline");
    html_timeline(&timeline, w->to);
    timeline_done(&timeline);
}

static void put_failure(struct writer *w, const struct report_failure *f, size_t limit)
{
    open_with(w, "{");
    text_member(w, "signature", f->signature);
    text_member(w, "kind", f->kind);
    bool_member(w, "isError", f->is_error);
    text_member(w, "title", f->title);
    text_member(w, "reason", f->reason);
    text_member(w, "output", f->output);
    number_member(w, "count", f->count);
    number_member(w, "firstRun", f->first_run);
    exact_member(w, "firstSeed", f->first_seed);
    text_member(w, "strategy", f->strategy);
    text_member(w, "patching", f->patching);
    text_member(w, "trace", f->trace);
    exact_member(w, "traceSeed", f->trace_seed);
    number_member(w, "traceBytes", f->trace_bytes);
    text_member(w, "replay", f->replay);
    text_member(w, "rerun", f->rerun);
    key(w, "stacks");
    open_with(w, "[");
    for (size_t i = 0; i < f->stacks.count; i++) {
        next(w);
        put_stack(w, &f->stacks.tasks[i]);
    }
    close_with(w, "]");
    put_timeline(w, f, limit);
    close_with(w, "}");
}

static void put_test(struct writer *w, const struct report_test *t, size_t limit)
{
    open_with(w, "{");
    text_member(w, "name", t->name);
    list_member(w, "labels", t->labels);
    text_member(w, "command", t->command);
    text_member(w, "suite", t->suite);
    number_member(w, "line", t->line);
    text_member(w, "verdict", report_verdict_name(t->verdict));
    text_member(w, "note", t->note);
    bool_member(w, "keepGoing", t->keep_going);
    number_member(w, "planned", t->planned);
    number_member(w, "runs", t->runs);
    number_member(w, "failed", t->failed);
    number_member(w, "schedules", t->schedules);
    number_member(w, "outputs", t->outputs);
    bool_member(w, "countsAreEstimates", t->counts_are_estimates);
    number_member(w, "wall", t->wall_ns);
    real_member(w, "rate", t->failure_rate);
    real_member(w, "rateLow", t->rate_low);
    real_member(w, "rateHigh", t->rate_high);
    key(w, "failures");
    open_with(w, "[");
    for (size_t i = 0; i < t->failure_count; i++) {
        next(w);
        put_failure(w, &t->failures[i], limit);
    }
    close_with(w, "]");
    close_with(w, "}");
}

static size_t timeline_limit(const struct report_session *session)
{
    size_t traces = 0, limit;

    for (size_t i = 0; i < session->count; i++) {
        for (size_t k = 0; k < session->tests[i].failure_count; k++)
            traces += session->tests[i].failures[k].trace != NULL;
    }
    limit = ITEMS_PER_PAGE / (traces ? traces : 1);
    if (limit > ITEMS_PER_TIMELINE_MAX)
        return ITEMS_PER_TIMELINE_MAX;
    return limit < ITEMS_PER_TIMELINE_MIN ? ITEMS_PER_TIMELINE_MIN : limit;
}

static void put_session(struct writer *w, const struct report_session *s)
{
    size_t limit = timeline_limit(s);

    open_with(w, "{");
    text_member(w, "version", s->version);
    text_member(w, "suite", s->suite);
    exact_member(w, "seed", s->seed);
    number_member(w, "startedMs", s->started_unix_ns / 1000000);
    number_member(w, "wall", s->wall_ns);
    text_member(w, "machine", s->machine);
    number_member(w, "shardIndex", s->shard.index);
    number_member(w, "shardCount", s->shard.count);
    text_member(w, "unfinished", s->unfinished);
    list_member(w, "notes", s->notes);
    text_member(w, "reproduce", s->reproduce);
    key(w, "tests");
    open_with(w, "[");
    for (size_t i = 0; i < s->count; i++) {
        next(w);
        put_test(w, &s->tests[i], limit);
    }
    close_with(w, "]");
    key(w, "frames");
    open_with(w, "[");
    strings_append(w->frames, w->to);
    close_with(w, "]");
    close_with(w, "}");
}

void html_data(const struct report_session *session, struct bytes *ret)
{
    struct bytes json = {0};
    struct strings frames = {0};
    struct writer w = {.to = &json, .is_first = true, .frames = &frames};

    put_session(&w, session);
    strings_done(&frames);
    /* A script element ends at "</script" and changes its rules at "<!--", whatever its content
     * type (HTML, section 4.12.1.3): no '<' at all. In JSON it occurs in strings only. */
    for (size_t i = 0; i < json.length; i++) {
        if (json.data[i] == '<')
            bytes_append(ret, "\\u003c", 6);
        else
            bytes_append(ret, &json.data[i], 1);
    }
    bytes_done(&json);
}
