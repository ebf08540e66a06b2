/* rrtest dump: every event of a trace, one line each, and where its tasks stood at the end. */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "recorder/base/text.h"
#include "recorder/debug/debug.h"
#include "recorder/debug/text.h"
#include "recorder/stacks/stacks.h"
#include "recorder/trace/stacks_json.h"
#include "recorder/trace/trace.h"

#define NANOSECONDS 1000000000u

static void put_line(struct bytes *line, uint64_t number, const struct event *e)
{
    text_format(line,
                "%8" PRIu64 " %6" PRIu64 ".%09" PRIu64 " task %-3" PRIu32 " ticks %-10" PRIu64 " ",
                number, e->clock / NANOSECONDS, e->clock % NANOSECONDS, e->task, e->ticks);
    text_event(line, e);
    text_format(line, "\n");
}

static void put_json_line(struct bytes *line, uint64_t number, const struct event *e)
{
    text_format(line,
                "{\"event\": %" PRIu64 ", \"clock\": %" PRIu64 ", \"task\": %" PRIu32
                ", \"ticks\": %" PRIu64 ", \"atomics\": %" PRIu64 ", ",
                number, e->clock, e->task, e->ticks, e->atomics);
    text_event_json(line, e);
    text_format(line, "}\n");
}

static void put_stacks(struct bytes *b, const struct stack_list *stacks, bool json)
{
    if (json) {
        text_append(b, "{\"stacks\": ");
        stacks_json_put(b, stacks);
        text_append(b, "}\n");
    } else {
        text_append(b, stacks->count ? "at its end:\n"
                                     : "no stacks: they are read when a run fails\n");
        stacks_render(stacks, "  ", b);
    }
}

static int finish(struct trace_reader *reader, struct bytes *text, FILE *out, int result,
                  struct rr_error *error)
{
    if (text->length > 0 && !ferror(out))
        fwrite(text->data, 1, text->length, out);
    bytes_done(text);
    trace_reader_close(reader);
    if (result >= 0 && (fflush(out) != 0 || ferror(out)))
        return rr_error_set(error, -EIO, "cannot write the dump: %s", strerror(errno));
    return result;
}

int debug_stacks(const char *trace, bool json, FILE *out, struct rr_error *error)
{
    struct trace_reader *reader;
    struct bytes text = {0};
    int result = trace_reader_open(trace, &reader, error);

    if (result)
        return result;
    put_stacks(&text, &trace_reader_meta(reader)->stacks, json);
    return finish(reader, &text, out, 0, error);
}

int debug_dump(const char *trace, bool json, FILE *out, struct rr_error *error)
{
    struct trace_reader *reader;
    struct bytes line = {0};
    struct event event;
    int result = trace_reader_open(trace, &reader, error);

    if (result)
        return result;
    while ((result = trace_reader_next(reader, &event, error)) > 0) {
        bytes_clear(&line);
        if (json)
            put_json_line(&line, trace_reader_position(reader), &event);
        else
            put_line(&line, trace_reader_position(reader), &event);
        if (fwrite(line.data, 1, line.length, out) != line.length)
            break;
    }
    bytes_clear(&line);
    if (result == 0 && trace_reader_meta(reader)->stacks.count > 0)
        put_stacks(&line, &trace_reader_meta(reader)->stacks, json);
    return finish(reader, &line, out, result, error);
}
