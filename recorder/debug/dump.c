/* rrtest dump: every event of a trace, one line each. */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "recorder/debug/debug.h"
#include "recorder/debug/text.h"
#include "recorder/trace/trace.h"

#define NANOSECONDS 1000000000u

static void put_line(struct bytes *line, uint64_t number, const struct event *e)
{
    text_put(line,
             "%8" PRIu64 " %6" PRIu64 ".%09" PRIu64 " task %-3" PRIu32 " ticks %-10" PRIu64 " ",
             number, e->clock / NANOSECONDS, e->clock % NANOSECONDS, e->task, e->ticks);
    text_event(line, e);
    text_put(line, "\n");
}

static void put_json_line(struct bytes *line, uint64_t number, const struct event *e)
{
    text_put(line,
             "{\"event\": %" PRIu64 ", \"clock\": %" PRIu64 ", \"task\": %" PRIu32
             ", \"ticks\": %" PRIu64 ", \"atomics\": %" PRIu64 ", ",
             number, e->clock, e->task, e->ticks, e->atomics);
    text_event_json(line, e);
    text_put(line, "}\n");
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
    bytes_done(&line);
    trace_reader_close(reader);
    if (result >= 0 && (fflush(out) != 0 || ferror(out)))
        return rr_error_set(error, -EIO, "cannot write the dump: %s", strerror(errno));
    return result;
}
