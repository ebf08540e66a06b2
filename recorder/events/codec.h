/* Events to bytes and back (TRACE-FORMAT.md section 5 is normative).
 *
 * An event becomes a record in the event stream; the bulk it carries (extended registers, memory
 * writes, output) goes to the data stream in the same order. Registers and counters are coded
 * against the same task's previous event, so one codec object must see all records of a frame in
 * order; event_codec_reset() at a frame's start makes every frame decodable on its own. */
#ifndef RECORDER_EVENTS_CODEC_H
#define RECORDER_EVENTS_CODEC_H

#include "recorder/base/bytes.h"
#include "recorder/events/event.h"

struct event_codec;

/* NULL when out of memory. One object encodes or decodes, never both. */
struct event_codec *event_codec_new(void);
void event_codec_free(struct event_codec *codec);

/* Forget every task: the next record is the first of a frame. */
void event_codec_reset(struct event_codec *codec);

/* Append one event's record to events and its bulk to data. -EINVAL: a field is outside its range
 * (kind, map kind, output stream, a missing pointer); nothing was appended then. -ENOMEM. */
int event_encode(struct event_codec *codec, const struct event *event, struct bytes *events,
                 struct bytes *data);

/* Take one record. Pointers in *ret point into data or into the codec and are valid until its next
 * use. -EBADMSG: not a record that event_encode() writes; -ENOMEM. The cursors are then anywhere.
 */
int event_decode(struct event_codec *codec, struct bytes_reader *events, struct bytes_reader *data,
                 struct event *ret);

#endif
