/* A report's texts, packed one behind the other. */
#include "harness/run/message.h"

#include <stddef.h>
#include <string.h>

static const size_t limits[PART_COUNT] = {
    [PART_REASON] = REPORT_REASON_MAX,
    [PART_OUTPUT] = REPORT_OUTPUT_MAX,
    [PART_NOTES] = REPORT_NOTES_MAX,
    [PART_STACKS] = REPORT_STACKS_MAX,
};

const char *failure_kind_name(enum failure_kind kind)
{
    static const char *const names[FAILURE_KIND_COUNT] = {
        [FAILURE_NONE] = "none",
        [FAILURE_EXIT] = "exit",
        [FAILURE_SIGNAL] = "signal",
        [FAILURE_OUTPUT] = "output",
        [FAILURE_DEADLOCK] = "deadlock",
        [FAILURE_TIMEOUT] = "timeout",
        [FAILURE_VIRTUAL_TIMEOUT] = "virtual-timeout",
        [FAILURE_LIMIT] = "limit",
        [FAILURE_UNSUPPORTED] = "unsupported",
        [FAILURE_RECORDER] = "recorder",
        [FAILURE_SETUP] = "setup",
        [FAILURE_TRACE] = "trace",
    };

    return names[kind];
}

static size_t start_of(const struct report *report, enum report_part part)
{
    size_t at = 0;

    for (int i = 0; i < (int)part; i++)
        at += report->length[i];
    return at;
}

const char *report_part(const struct report *report, enum report_part part)
{
    return report->text + start_of(report, part);
}

void report_append(struct report *report, enum report_part part, const void *text, size_t length)
{
    size_t room = limits[part] - report->length[part];

    if (length > room)
        length = room;
    if (length == 0)
        return;
    memcpy(report->text + start_of(report, part) + report->length[part], text, length);
    report->length[part] += (uint32_t)length;
}

size_t report_size(const struct report *report)
{
    return offsetof(struct report, text) + start_of(report, PART_COUNT);
}

bool report_is_whole(const struct report *report, size_t size)
{
    if (size < offsetof(struct report, text))
        return false;
    for (int i = 0; i < PART_COUNT; i++) {
        if (report->length[i] > limits[i])
            return false;
    }
    return size == report_size(report) && (unsigned)report->outcome <= OUTCOME_MACHINE &&
           (unsigned)report->failure < FAILURE_KIND_COUNT &&
           (unsigned)report->job.kind <= JOB_TEARDOWN && report->job.known_count <= JOB_KNOWN_MAX;
}
