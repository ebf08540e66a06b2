/* Buffered system calls as text: several in one event. */
#include "recorder/debug/text_calls.h"

#include <inttypes.h>
#include <stdio.h>

#include "include/rrtest/recorder_page.h"
#include "recorder/base/text.h"
#include "recorder/debug/text.h"
#include "recorder/events/ring.h"
#include "recorder/syscalls/syscalls.h"
#include "recorder/trace/json.h"

#define CALL_TEXT_MAX 512
#define RESULT_TEXT_MAX 64

static void format(const struct ring_call *call, char *text, char *result)
{
    if (call->number == RING_NUMBER_RDTSC) {
        snprintf(text, CALL_TEXT_MAX, "rdtsc at ip 0x%" PRIx64, call->arguments[0]);
        snprintf(result, RESULT_TEXT_MAX, "%" PRIu64, (uint64_t)call->result);
        return;
    }
    syscall_format(call->number, call->arguments, NULL, text, CALL_TEXT_MAX);
    syscall_format_result(call->number, call->result, result, RESULT_TEXT_MAX);
}

static bool next_of(const struct event *e, uint64_t *at, struct ring_call *ret)
{
    return e->write_count == 1 && ring_next_call(e->writes[0].data, e->writes[0].length, at, ret);
}

void text_buffered(struct bytes *b, const struct event *e)
{
    char text[CALL_TEXT_MAX], result[RESULT_TEXT_MAX];
    struct ring_call call;
    uint64_t at = 0;

    for (bool first = true; next_of(e, &at, &call); first = false) {
        format(&call, text, result);
        text_format(b, "%s%s = %s", first ? " " : "; ", text, result);
        if (ring_call_count(&call) > 1)
            text_format(b, " (%" PRIu64 " times)", ring_call_count(&call));
    }
}

void text_buffered_json(struct bytes *b, const struct event *e)
{
    char text[CALL_TEXT_MAX], result[RESULT_TEXT_MAX];
    struct ring_call call;
    uint64_t at = 0;

    text_format(b, ", \"calls\": [");
    for (bool first = true; next_of(e, &at, &call); first = false) {
        const struct syscall_row *row = syscall_row_by_number(call.number);

        format(&call, text, result);
        text_format(b, "%s{\"number\": %u, \"name\": ", first ? "" : ", ", call.number);
        if (row)
            json_put_string(b, row->name);
        else
            text_format(b, "null");
        text_format(b, ", \"arguments\": [");
        for (int i = 0; i < 6; i++)
            text_format(b, "%s%" PRIu64, i ? ", " : "", call.arguments[i]);
        text_format(b, "], \"text\": ");
        json_put_string(b, text);
        text_format(b, ", \"result\": %" PRId64, call.result);
        if (ring_call_count(&call) > 1)
            text_format(b, ", \"times\": %" PRIu64, ring_call_count(&call));
        text_format(b, "}");
    }
    text_format(b, "]");
}

size_t text_buffered_count(const struct event *e, uint64_t *by_number, size_t limit)
{
    struct ring_call call;
    uint64_t at = 0;
    size_t count = 0;

    while (next_of(e, &at, &call)) {
        if (call.number >= limit) /* an instruction */
            continue;
        by_number[call.number] += ring_call_count(&call);
        count += ring_call_count(&call);
    }
    return count;
}
