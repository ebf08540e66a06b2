/* Events and values as text, shared by dump, stats and ls. Appends to buffers; reads nothing. */
#ifndef RECORDER_DEBUG_TEXT_H
#define RECORDER_DEBUG_TEXT_H

#include <stdint.h>

#include "recorder/base/bytes.h"
#include "recorder/events/event.h"

/* "syscall read(3, 0x7ffe..., 10) = 5 [1 write, 5 bytes: ...]": all of an event but its number,
 * clock, task and ticks. */
void text_event(struct bytes *b, const struct event *event);

/* The same as the members of a JSON object, beginning with "kind". */
void text_event_json(struct bytes *b, const struct event *event);

/* "exit 3", "signal SIGSEGV": a wait(2) status. */
void text_status(struct bytes *b, int32_t status);

#endif
