/* Names of the event kinds, as dump, stats and reports print them. They are part of the tool's
 * output, so they never change. */
#include "recorder/events/event.h"

static const char *const names[EVENT_KIND_COUNT] = {
    [EVENT_START] = "start",
    [EVENT_EXEC] = "exec",
    [EVENT_SYSCALL] = "syscall",
    [EVENT_ENTRY] = "entry",
    [EVENT_INSTRUCTION] = "instruction",
    [EVENT_PREEMPT] = "preempt",
    [EVENT_FAULT] = "fault",
    [EVENT_STRAY] = "stray",
    [EVENT_SIGNAL] = "signal",
    [EVENT_SIGRETURN] = "sigreturn",
    [EVENT_EXIT] = "exit",
    [EVENT_CHECKSUM] = "checksum",
    [EVENT_END] = "end",
    [EVENT_MEMORY] = "memory",
    [EVENT_BUFFERED] = "buffered",
    [EVENT_PATCH] = "patch",
};

const char *event_kind_name(enum event_kind kind)
{
    if ((unsigned)kind >= EVENT_KIND_COUNT)
        return "unknown";
    return names[kind];
}
