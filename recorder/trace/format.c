/* File and frame headers. Every header is the content of a zstd skippable frame, so that
 * `zstd -dc events.zst` gives the records of all frames. */
#include "recorder/trace/format.h"

#include <endian.h>
#include <errno.h>
#include <string.h>

#include "recorder/trace/trace.h"

#define SKIPPABLE_FILE 0x184d2a5du
#define SKIPPABLE_FRAME 0x184d2a5eu
#define FLAG_LAST 1u

static const char file_magic[8] = {'R', 'R', 'T', 'R', 'A', 'C', 'E', '\n'};
static const uint32_t frame_magic[TRACE_STREAM_COUNT] = {
    [TRACE_STREAM_EVENTS] = 0x45465252, /* "RRFE" */
    [TRACE_STREAM_DATA] = 0x44465252,   /* "RRFD" */
};

const char *format_stream_name(enum trace_stream stream)
{
    return stream == TRACE_STREAM_EVENTS ? "events.zst" : "data.zst";
}

static void put32(uint8_t *at, uint32_t value)
{
    value = htole32(value);
    memcpy(at, &value, sizeof(value));
}

static void put64(uint8_t *at, uint64_t value)
{
    value = htole64(value);
    memcpy(at, &value, sizeof(value));
}

static uint32_t get32(const uint8_t *at)
{
    uint32_t value;

    memcpy(&value, at, sizeof(value));
    return le32toh(value);
}

static uint64_t get64(const uint8_t *at)
{
    uint64_t value;

    memcpy(&value, at, sizeof(value));
    return le64toh(value);
}

void format_put_file_header(struct bytes *b, enum trace_stream stream, uint64_t id)
{
    uint8_t *at = bytes_extend(b, FORMAT_FILE_HEADER);

    put32(at, SKIPPABLE_FILE);
    put32(at + 4, FORMAT_FILE_HEADER - 8);
    memcpy(at + 8, file_magic, sizeof(file_magic));
    put32(at + 16, TRACE_VERSION);
    put32(at + 20, stream);
    put64(at + 24, id);
    put64(at + 32, bytes_hash(at, 32, 0));
}

int format_get_file_header(const uint8_t data[FORMAT_FILE_HEADER], enum trace_stream stream,
                           uint64_t *ret_id, uint32_t *ret_version)
{
    uint32_t version = get32(data + 16);

    if (get32(data) != SKIPPABLE_FILE || memcmp(data + 8, file_magic, sizeof(file_magic)) != 0)
        return -EBADMSG;
    if (get64(data + 32) != bytes_hash(data, 32, 0))
        return -EBADMSG;
    if (version < TRACE_VERSION_OLDEST || version > TRACE_VERSION) {
        *ret_version = version;
        return -EPROTONOSUPPORT;
    }
    if (get32(data + 4) != FORMAT_FILE_HEADER - 8 || get32(data + 20) != stream)
        return -EBADMSG;
    *ret_id = get64(data + 24);
    *ret_version = version;
    return 0;
}

void format_put_frame_header(uint8_t out[FORMAT_FRAME_HEADER], const struct frame_header *header)
{
    put32(out, SKIPPABLE_FRAME);
    put32(out + 4, FORMAT_FRAME_HEADER - 8);
    put32(out + 8, frame_magic[header->stream]);
    put32(out + 12, header->last ? FLAG_LAST : 0);
    put64(out + 16, header->number);
    put64(out + 24, header->stored_length);
    put64(out + 32, header->raw_length);
    put64(out + 40, header->first);
    put64(out + 48, header->event_count);
    put64(out + 56, header->data_first);
    put64(out + 64, header->data_length);
    put64(out + 72, header->hash);
    put64(out + 80, bytes_hash(out, 80, 0));
}

int format_get_frame_header(const uint8_t data[FORMAT_FRAME_HEADER], enum trace_stream stream,
                            struct frame_header *ret)
{
    uint32_t flags = get32(data + 12);
    uint64_t maximum = stream == TRACE_STREAM_EVENTS ? FORMAT_EVENTS_MAX : FORMAT_DATA_MAX;
    struct frame_header header = {
        .stream = stream,
        .last = flags & FLAG_LAST,
        .number = get64(data + 16),
        .stored_length = get64(data + 24),
        .raw_length = get64(data + 32),
        .first = get64(data + 40),
        .event_count = get64(data + 48),
        .data_first = get64(data + 56),
        .data_length = get64(data + 64),
        .hash = get64(data + 72),
    };

    if (get64(data + 80) != bytes_hash(data, 80, 0))
        return -EBADMSG;
    if (get32(data) != SKIPPABLE_FRAME || get32(data + 4) != FORMAT_FRAME_HEADER - 8 ||
        get32(data + 8) != frame_magic[stream] || (flags & ~FLAG_LAST))
        return -EBADMSG;
    /* zstd never makes more than its worst case, a few bytes per 128 KiB block above the input. */
    if (header.raw_length > maximum || header.stored_length > maximum + maximum / 128 + 512)
        return -EBADMSG;
    if (stream == TRACE_STREAM_DATA &&
        (header.last || header.event_count || header.data_first || header.data_length))
        return -EBADMSG;
    *ret = header;
    return 0;
}
