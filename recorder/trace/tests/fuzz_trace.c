/* libFuzzer target: everything a trace reader takes from disk. Checksums would keep the fuzzer out,
 * so this program puts right ones on whatever it is given. The first byte says which part is fed:
 * 0 event records, 1 whole streams of frames, 2 meta.json, 3 the index, 4 files as they are. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zstd.h>

#include "recorder/base/file.h"
#include "recorder/events/codec.h"
#include "recorder/trace/format.h"
#include "recorder/trace/json.h"
#include "recorder/trace/meta.h"
#include "recorder/trace/store.h"
#include "recorder/trace/trace.h"

#define TRACE_ID 0x1122334455667788u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char trace_path[64];

static void remove_trace(void)
{
    static const char *const names[] = {"/meta.json",    "/events.zst", "/data.zst",
                                        "/images/index", "/images",     ""};

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        char path[128];

        snprintf(path, sizeof(path), "%s%s", trace_path, names[i]);
        remove(path);
    }
}

static void make_directory(void)
{
    char images[128];

    if (trace_path[0])
        return;
    snprintf(trace_path, sizeof(trace_path), "/dev/shm/rrtest-fuzz-%d", (int)getpid());
    snprintf(images, sizeof(images), "%s/images", trace_path);
    if (file_make_directories(images, 0777))
        abort();
    atexit(remove_trace);
}

static void put_file(const char *name, const void *data, size_t length)
{
    cleanup_fd int fd = -1;
    char path[128];

    make_directory();
    snprintf(path, sizeof(path), "%s/%s", trace_path, name);
    fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0 || file_write_all(fd, data, length))
        abort();
}

static void put_meta(bool complete, uint64_t events)
{
    const struct trace_meta meta = {0};
    const struct trace_summary summary = {
        .id = TRACE_ID, .complete = complete, .events = events, .files = 2};
    struct bytes text = {0};

    if (meta_format(&meta, &summary, &text))
        abort();
    put_file("meta.json", text.data, text.length);
    bytes_done(&text);
}

static void put_index(void)
{
    const struct store_entry entry = {.name = (char[]){"x"}, .hash = 1, .length = 1};
    struct bytes text = {0};
    uint64_t chain = TRACE_ID;

    store_put_line(&text, 1, &entry, &chain);
    store_put_line(&text, 2, &entry, &chain);
    put_file("images/index", text.data, text.length);
    bytes_done(&text);
}

static void read_trace(void)
{
    struct trace_reader *reader;
    struct rr_error error;
    struct event event;
    int result;

    if (trace_reader_open(trace_path, &reader, &error))
        return;
    while ((result = trace_reader_next(reader, &event, &error)) > 0) {
        uint64_t sum = 0;

        for (size_t i = 0; i < event.write_count; i++)
            sum += bytes_hash(event.writes[i].data, event.writes[i].length, 0);
        if (event.xstate)
            sum += bytes_hash(event.xstate, event.xstate_length, 0);
        if (event.output.stream)
            sum += bytes_hash(event.output.data, event.output.length, sum);
        if (event.note)
            sum += strlen(event.note);
        if (sum == 1)
            fputc('.', stderr);
    }
    trace_reader_file(reader, 1, &error);
    trace_reader_close(reader);
}

/* One frame: its header's fields from the input where the input says so, else as they should be. */
static void put_frame(struct bytes *out, struct bytes_reader *input, struct frame_header *next)
{
    struct frame_header header = *next;
    uint8_t odd = bytes_get_u8(input);
    size_t length = bytes_get_uvarint(input) % 4096, bound;
    const uint8_t *raw = bytes_get(input, length);
    uint8_t *at;

    if (!raw)
        return;
    header.raw_length = length;
    if (header.stream == TRACE_STREAM_EVENTS) {
        header.event_count = bytes_get_u8(input);
        header.data_length = bytes_get_u8(input);
        header.last = odd & 1;
    }
    if (odd & 2)
        header.number = bytes_get_uvarint(input);
    if (odd & 4)
        header.first = bytes_get_uvarint(input);
    if (odd & 8)
        header.data_first = bytes_get_uvarint(input);
    if (odd & 16)
        header.raw_length = bytes_get_uvarint(input);
    bound = ZSTD_compressBound(length);
    at = bytes_extend(out, FORMAT_FRAME_HEADER + bound);
    header.stored_length = ZSTD_compress(at + FORMAT_FRAME_HEADER, bound, raw, length, 1);
    header.hash = bytes_hash(at + FORMAT_FRAME_HEADER, header.stored_length, 0);
    if (odd & 32)
        header.stored_length = bytes_get_uvarint(input);
    format_put_frame_header(at, &header);
    out->length -= bound;
    out->length += header.stored_length < bound ? header.stored_length : bound;
    next->number++;
    next->data_first += header.data_length;
    next->first += next->stream == TRACE_STREAM_EVENTS ? header.event_count : length;
}

static void fuzz_frames(struct bytes_reader *input)
{
    struct frame_header events = {.stream = TRACE_STREAM_EVENTS};
    struct frame_header data = {.stream = TRACE_STREAM_DATA};
    struct bytes files[TRACE_STREAM_COUNT] = {0};
    uint8_t head = bytes_get_u8(input);

    for (int i = 0; i < TRACE_STREAM_COUNT; i++)
        format_put_file_header(&files[i], (enum trace_stream)i, TRACE_ID);
    while (!input->failed && input->at < input->length) {
        if (bytes_get_u8(input) & 1)
            put_frame(&files[TRACE_STREAM_DATA], input, &data);
        else
            put_frame(&files[TRACE_STREAM_EVENTS], input, &events);
    }
    put_meta(head & 1, events.first);
    put_index();
    for (int i = 0; i < TRACE_STREAM_COUNT; i++) {
        put_file(format_stream_name((enum trace_stream)i), files[i].data, files[i].length);
        bytes_done(&files[i]);
    }
    read_trace();
}

static void fuzz_records(struct bytes_reader *input)
{
    struct event_codec *codec = event_codec_new();
    size_t events = bytes_get_uvarint(input) % (input->length + 1);
    const void *at = bytes_get(input, events);
    struct bytes_reader event_cursor, data_cursor;
    struct event event;

    if (at) {
        bytes_reader_init(&event_cursor, at, events);
        bytes_reader_init(&data_cursor, input->data + input->at, input->length - input->at);
        while (event_cursor.at < event_cursor.length &&
               event_decode(codec, &event_cursor, &data_cursor, &event) == 0)
            ;
    }
    event_codec_free(codec);
}

static void fuzz_meta(struct bytes_reader *input)
{
    struct trace_summary summary;
    struct trace_meta meta;
    struct rr_error error;
    struct bytes text = {0};
    char checksum[64];

    bytes_append(&text, input->data + input->at, input->length - input->at);
    snprintf(checksum, sizeof(checksum), "  \"checksum\": \"%016" PRIx64 "\"\n}\n",
             bytes_hash(text.data, text.length, 0));
    bytes_append(&text, checksum, strlen(checksum));
    if (meta_parse((const char *)text.data, text.length, &meta, &summary, &error) == 0)
        trace_meta_done(&meta);
    bytes_done(&text);
}

static void fuzz_index(struct bytes_reader *input)
{
    const char *json = (const char *)input->data + input->at;
    size_t length = input->length - input->at;
    struct store_entry entry;
    uint64_t chain = TRACE_ID;
    struct bytes line = {0};
    char checksum[32];

    snprintf(checksum, sizeof(checksum), "%016" PRIx64 " ", bytes_hash(json, length, chain));
    bytes_append(&line, checksum, strlen(checksum));
    bytes_append(&line, json, length);
    if (store_get_line((const char *)line.data, line.length, 1, &chain, &entry) == 0)
        free(entry.name);
    bytes_done(&line);
}

static void fuzz_files(struct bytes_reader *input)
{
    static const char *const names[] = {"events.zst", "data.zst", "meta.json", "images/index"};
    uint8_t which = bytes_get_u8(input) % 4;
    struct bytes header = {0};

    put_meta(false, 0);
    put_index();
    for (int i = 0; i < TRACE_STREAM_COUNT; i++) {
        bytes_clear(&header);
        format_put_file_header(&header, (enum trace_stream)i, TRACE_ID);
        put_file(names[i], header.data, header.length);
    }
    bytes_done(&header);
    put_file(names[which], input->data + input->at, input->length - input->at);
    read_trace();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static void (*const parts[])(struct bytes_reader *) = {fuzz_records, fuzz_frames, fuzz_meta,
                                                           fuzz_index, fuzz_files};
    struct bytes_reader input;

    bytes_reader_init(&input, data, size);
    if (size > 0)
        parts[bytes_get_u8(&input) % (sizeof(parts) / sizeof(parts[0]))](&input);
    return 0;
}
