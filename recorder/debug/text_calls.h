/* The calls of an EVENT_BUFFERED as text. Internal to debug/. */
#ifndef RECORDER_DEBUG_TEXT_CALLS_H
#define RECORDER_DEBUG_TEXT_CALLS_H

#include <stddef.h>

#include "recorder/base/bytes.h"
#include "recorder/events/event.h"

/* " read(3, 0x..., 10) = 10; close(3) = 0". */
void text_buffered(struct bytes *b, const struct event *e);
/* Member "calls" of a JSON object, with a comma before it. */
void text_buffered_json(struct bytes *b, const struct event *e);
/* How many calls there are; each is added to by_number[0..limit). */
size_t text_buffered_count(const struct event *e, uint64_t *by_number, size_t limit);

#endif
