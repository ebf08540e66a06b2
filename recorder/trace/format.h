/* The fixed parts of events.zst and data.zst: file headers and frame headers (TRACE-FORMAT.md
 * sections 3 and 4). Pure: bytes in, bytes out; checks everything it takes. */
#ifndef RECORDER_TRACE_FORMAT_H
#define RECORDER_TRACE_FORMAT_H

#include <stdbool.h>
#include <stdint.h>

#include "recorder/base/bytes.h"

enum trace_stream { TRACE_STREAM_EVENTS, TRACE_STREAM_DATA, TRACE_STREAM_COUNT };

#define FORMAT_FILE_HEADER 40
#define FORMAT_FRAME_HEADER 88

/* Most uncompressed bytes of one frame; what a damaged or hostile file can make a reader allocate.
 */
#define FORMAT_EVENTS_MAX (64u << 20)
#define FORMAT_DATA_MAX (1u << 20)

struct frame_header {
    enum trace_stream stream;
    bool last;              /* events: the recorder finished, nothing follows */
    uint64_t number;        /* from 0 in its stream */
    uint64_t stored_length; /* compressed bytes behind the header */
    uint64_t raw_length;
    uint64_t first;       /* events: number of events before; data: bytes before in the stream */
    uint64_t event_count; /* events only */
    uint64_t data_first;  /* events only: the part of the data stream these events use */
    uint64_t data_length;
    uint64_t hash; /* of the stored bytes */
};

const char *format_stream_name(enum trace_stream stream); /* "events.zst", "data.zst" */

void format_put_file_header(struct bytes *b, enum trace_stream stream, uint64_t id);

/* 0 and the trace's id; -EBADMSG: not such a header or damaged; -EPROTONOSUPPORT: another version,
 * which *ret_version names. */
int format_get_file_header(const uint8_t data[FORMAT_FILE_HEADER], enum trace_stream stream,
                           uint64_t *ret_id, uint32_t *ret_version);

void format_put_frame_header(uint8_t out[FORMAT_FRAME_HEADER], const struct frame_header *header);

/* 0 or -EBADMSG. Lengths and totals are checked against the stream's limits, not against the file.
 */
int format_get_frame_header(const uint8_t data[FORMAT_FRAME_HEADER], enum trace_stream stream,
                            struct frame_header *ret);

#endif
