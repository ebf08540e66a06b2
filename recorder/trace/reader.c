/* The trace reader: frames are read, checked and decompressed one at a time, as events are asked
 * for. Everything read is taken as possibly damaged or hostile; what an allocation may be is
 * bounded by the format's limits and by bytes that are really in the files. */
#include "recorder/trace/trace.h"

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
#include "recorder/trace/meta.h"
#include "recorder/trace/store.h"

struct stream {
    int fd;
    uint64_t offset;       /* of the next frame */
    uint64_t frame_offset; /* of the one read last */
    uint64_t number;       /* of the next frame */
    uint64_t position;     /* events or bytes before the next frame */
};

struct content {
    struct store_entry entry;
    struct trace_file file;
    bool verified;
};

struct trace_reader {
    char *path;
    int directory;
    struct trace_meta meta;
    struct trace_summary summary;
    struct stream streams[TRACE_STREAM_COUNT];
    ZSTD_DCtx *zstd;
    struct event_codec *codec;
    struct bytes stored; /* scratch: a compressed frame */
    struct bytes raw[TRACE_STREAM_COUNT];
    struct bytes_reader cursors[TRACE_STREAM_COUNT];
    struct frame_header frame; /* the event frame being read */
    uint64_t frame_left;       /* its events not yet given out */
    uint64_t position;
    struct content *contents;
    size_t content_count;
    bool ended;
    struct rr_error failure; /* stays: nothing is read past damage */
};

/* ---- errors ---- */

static int out_of_memory(struct rr_error *error)
{
    return rr_error_set(error, -ENOMEM, "out of memory while reading a trace");
}

static int damaged(const struct trace_reader *r, enum trace_stream stream, struct rr_error *error,
                   const char *what)
{
    const struct stream *s = &r->streams[stream];

    return rr_error_set(error, -EBADMSG, "%s/%s: frame %" PRIu64 " at offset %" PRIu64 ": %s",
                        r->path, format_stream_name(stream), s->number, s->offset, what);
}

/* The file ends where more was to come: what a killed recorder leaves, or, if the recorder did
 * finish, damage. */
static int cut(const struct trace_reader *r, enum trace_stream stream, struct rr_error *error)
{
    const struct stream *s = &r->streams[stream];

    if (r->summary.complete)
        return damaged(r, stream, error, "the file is cut off here, the whole trace was longer");
    return rr_error_set(error, -ENODATA,
                        "%s/%s: frame %" PRIu64 " at offset %" PRIu64
                        ": the trace ends here after %" PRIu64
                        " events; its recorder did not finish",
                        r->path, format_stream_name(stream), s->number, s->offset, r->position);
}

static int read_error(const struct trace_reader *r, enum trace_stream stream, int code,
                      struct rr_error *error)
{
    const struct stream *s = &r->streams[stream];

    return rr_error_set(error, code, "%s/%s: frame %" PRIu64 " at offset %" PRIu64 ": %s", r->path,
                        format_stream_name(stream), s->number, s->offset, strerror(-code));
}

/* ---- frames ---- */

/* bytes_extend() that can fail: the length comes from the file. NULL: out of memory. */
static uint8_t *extend_checked(struct bytes *b, size_t length)
{
    if (!b->data || b->capacity - b->length < length) {
        size_t capacity = b->length + length + 1;
        uint8_t *data;

        if (capacity < b->capacity + b->capacity / 2)
            capacity = b->capacity + b->capacity / 2;
        data = realloc(b->data, capacity);
        if (!data)
            return NULL;
        b->data = data;
        b->capacity = capacity;
    }
    b->length += length;
    return b->data + b->length - length;
}

static int read_header(struct trace_reader *r, enum trace_stream stream, struct frame_header *ret,
                       struct rr_error *error)
{
    const struct stream *s = &r->streams[stream];
    uint8_t data[FORMAT_FRAME_HEADER];
    int result = file_pread_all(s->fd, data, sizeof(data), s->offset);

    if (result == -ENODATA)
        return cut(r, stream, error);
    if (result)
        return read_error(r, stream, result, error);
    if (format_get_frame_header(data, stream, ret))
        return damaged(r, stream, error, "its header is damaged");
    if (ret->number != s->number || ret->first != s->position)
        return damaged(r, stream, error, "it is not the frame that belongs here");
    return 0;
}

/* Read the next frame of a stream and append its content to raw. */
static int read_frame(struct trace_reader *r, enum trace_stream stream, struct frame_header *ret,
                      struct rr_error *error)
{
    struct stream *s = &r->streams[stream];
    uint64_t offset = s->offset + FORMAT_FRAME_HEADER;
    struct frame_header header;
    uint8_t *raw, *stored;
    int result = read_header(r, stream, &header, error);

    if (result)
        return result;
    bytes_clear(&r->stored);
    stored = extend_checked(&r->stored, header.stored_length);
    if (!stored)
        return out_of_memory(error);
    result = file_pread_all(s->fd, stored, header.stored_length, offset);
    if (result == -ENODATA)
        return cut(r, stream, error);
    if (result)
        return read_error(r, stream, result, error);
    if (bytes_hash(stored, header.stored_length, 0) != header.hash)
        return damaged(r, stream, error, "the checksum of its content is wrong");
    raw = extend_checked(&r->raw[stream], header.raw_length);
    if (!raw)
        return out_of_memory(error);
    if (ZSTD_decompressDCtx(r->zstd, raw, header.raw_length, stored, header.stored_length) !=
        header.raw_length)
        return damaged(r, stream, error, "its content cannot be decompressed");
    s->frame_offset = s->offset;
    s->offset = offset + header.stored_length;
    s->number++;
    s->position += stream == TRACE_STREAM_EVENTS ? header.event_count : header.raw_length;
    *ret = header;
    return 0;
}

/* Read the data frames that the event frame just read refers to. */
static int read_data(struct trace_reader *r, struct rr_error *error)
{
    struct bytes *raw = &r->raw[TRACE_STREAM_DATA];
    struct frame_header header;

    bytes_clear(raw);
    while (raw->length < r->frame.data_length) {
        int result = read_frame(r, TRACE_STREAM_DATA, &header, error);

        if (result)
            return result;
        if (header.raw_length == 0)
            return damaged(r, TRACE_STREAM_DATA, error, "the frame before it is empty");
    }
    if (raw->length != r->frame.data_length)
        return damaged(r, TRACE_STREAM_DATA, error, "it does not begin where its events do");
    bytes_reader_init(&r->cursors[TRACE_STREAM_DATA], raw->data, raw->length);
    return 0;
}

static int next_frame(struct trace_reader *r, struct rr_error *error)
{
    struct bytes *raw = &r->raw[TRACE_STREAM_EVENTS];
    uint64_t data_position = r->streams[TRACE_STREAM_DATA].position;
    int result;

    bytes_clear(raw);
    result = read_frame(r, TRACE_STREAM_EVENTS, &r->frame, error);
    if (result)
        return result;
    if (r->frame.data_first != data_position)
        return damaged(r, TRACE_STREAM_DATA, error, "an event frame refers to other data");
    result = read_data(r, error);
    if (result)
        return result;
    bytes_reader_init(&r->cursors[TRACE_STREAM_EVENTS], raw->data, raw->length);
    event_codec_reset(r->codec);
    r->frame_left = r->frame.event_count;
    return 0;
}

/* ---- events ---- */

static int bad_event(const struct trace_reader *r, struct rr_error *error, const char *what)
{
    return rr_error_set(
        error, -EBADMSG,
        "%s/events.zst: frame %" PRIu64 " at offset %" PRIu64 ": event %" PRIu64 " %s", r->path,
        r->frame.number, r->streams[TRACE_STREAM_EVENTS].frame_offset, r->position + 1, what);
}

static bool files_exist(const struct trace_reader *r, const struct event *event)
{
    for (size_t i = 0; i < event->map_count; i++) {
        if (event->maps[i].file > r->content_count)
            return false;
    }
    for (size_t i = 0; i < event->file_write_count; i++) {
        if (event->file_writes[i].file == 0 || event->file_writes[i].file > r->content_count)
            return false;
    }
    return true;
}

/* All events of the frame are given out: nothing may be left of it. */
static int check_frame_end(struct trace_reader *r, struct rr_error *error)
{
    const struct bytes_reader *events = &r->cursors[TRACE_STREAM_EVENTS];
    const struct bytes_reader *data = &r->cursors[TRACE_STREAM_DATA];

    if (events->at != events->length || data->at != data->length)
        return bad_event(r, error, "does not begin at the end of its frame");
    return 0;
}

static int check_trace_end(struct trace_reader *r, struct rr_error *error)
{
    for (int i = 0; i < TRACE_STREAM_COUNT; i++) {
        const struct stream *s = &r->streams[i];
        uint8_t byte;
        int result = file_pread_all(s->fd, &byte, 1, s->offset);

        if (result == 0)
            return damaged(r, (enum trace_stream)i, error, "there is something behind the end");
        if (result != -ENODATA)
            return read_error(r, (enum trace_stream)i, result, error);
    }
    if (r->summary.complete && r->summary.events != r->position)
        return rr_error_set(error, -EBADMSG,
                            "%s: meta.json speaks of %" PRIu64 " events, events.zst has %" PRIu64,
                            r->path, r->summary.events, r->position);
    return 0;
}

/* 1: an event; 0: the end; or an error. */
static int next_event(struct trace_reader *r, struct event *ret, struct rr_error *error)
{
    int result;

    while (r->frame_left == 0) {
        if (r->frame.last)
            return check_trace_end(r, error);
        result = next_frame(r, error);
        if (!result && r->frame_left == 0)
            result = check_frame_end(r, error);
        if (result)
            return result;
    }
    result = event_decode(r->codec, &r->cursors[TRACE_STREAM_EVENTS],
                          &r->cursors[TRACE_STREAM_DATA], ret);
    if (result == -ENOMEM)
        return out_of_memory(error);
    if (result)
        return bad_event(r, error, "is not valid");
    if (!files_exist(r, ret))
        return bad_event(r, error, "refers to a file that images/index does not list");
    r->position++;
    r->frame_left--;
    result = r->frame_left == 0 ? check_frame_end(r, error) : 0;
    return result ? result : 1;
}

int trace_reader_next(struct trace_reader *r, struct event *ret, struct rr_error *error)
{
    struct event event;
    int result;

    if (r->ended || r->failure.code) {
        if (r->failure.code && error)
            *error = r->failure;
        return r->failure.code;
    }
    result = next_event(r, &event, &r->failure);
    if (result > 0)
        *ret = event;
    else
        r->ended = true;
    if (result < 0 && error)
        *error = r->failure;
    return result;
}

uint64_t trace_reader_position(const struct trace_reader *r)
{
    return r->position;
}

/* ---- opening ---- */

static int read_meta(struct trace_reader *r, struct rr_error *error)
{
    cleanup_fd int fd = openat(r->directory, "meta.json", O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    struct bytes text;
    struct stat status;
    int result = 0;

    if (fd < 0 || fstat(fd, &status) < 0)
        return rr_error_set(error, -errno, "%s/meta.json: %s%s", r->path, strerror(errno),
                            errno == ENOENT ? "; this is not a trace directory" : "");
    bytes_init(&text);
    if (!S_ISREG(status.st_mode) || status.st_size > FORMAT_EVENTS_MAX)
        result =
            rr_error_set(error, -EBADMSG, "%s/meta.json: not a regular file of a trace", r->path);
    if (!result && status.st_size > 0) {
        uint8_t *at = extend_checked(&text, (size_t)status.st_size);

        result = at ? file_pread_all(fd, at, (size_t)status.st_size, 0) : -ENOMEM;
        if (result)
            rr_error_set(error, result, "%s/meta.json: %s", r->path, strerror(-result));
    }
    if (!result) {
        result = meta_parse((const char *)text.data, text.length, &r->meta, &r->summary, error);
        if (result)
            rr_error_context(error, "%s/meta.json", r->path);
    }
    bytes_done(&text);
    return result;
}

static int open_stream(struct trace_reader *r, enum trace_stream stream, struct rr_error *error)
{
    struct stream *s = &r->streams[stream];
    const char *name = format_stream_name(stream);
    uint8_t header[FORMAT_FILE_HEADER];
    uint32_t version = 0;
    uint64_t id = 0;
    int result;

    s->fd = openat(r->directory, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (s->fd < 0)
        return rr_error_set(error, -errno, "%s/%s: %s", r->path, name, strerror(errno));
    result = file_pread_all(s->fd, header, sizeof(header), 0);
    if (result == -ENODATA)
        return rr_error_set(error, -EBADMSG, "%s/%s: the file header at offset 0 is cut off",
                            r->path, name);
    if (result)
        return rr_error_set(error, result, "%s/%s: %s", r->path, name, strerror(-result));
    result = format_get_file_header(header, stream, &id, &version);
    if (result == -EPROTONOSUPPORT)
        return rr_error_set(
            error, result, "%s/%s: format version %" PRIu32 ", this rrtest reads versions %d to %d",
            r->path, name, version, TRACE_VERSION_OLDEST, TRACE_VERSION);
    if (result)
        return rr_error_set(error, result, "%s/%s: the file header at offset 0 is damaged", r->path,
                            name);
    if (id != r->summary.id)
        return rr_error_set(error, -EBADMSG, "%s/%s: the file belongs to another trace", r->path,
                            name);
    s->offset = FORMAT_FILE_HEADER;
    return 0;
}

static int add_content(struct trace_reader *r, const struct store_entry *entry)
{
    struct content *contents = reallocarray(r->contents, r->content_count + 1, sizeof(*contents));

    if (!contents)
        return -ENOMEM;
    r->contents = contents;
    contents[r->content_count++] = (struct content){
        .entry = *entry,
        .file = {.kind = entry->kind,
                 .name = entry->name,
                 .fd = -1,
                 .changed = entry->changed,
                 .length = entry->length},
    };
    return 0;
}

static int parse_index(struct trace_reader *r, const struct bytes *text, struct rr_error *error)
{
    uint64_t chain = r->summary.id;
    size_t at = 0;

    while (at < text->length) {
        const char *line = (const char *)text->data + at;
        const char *end = memchr(line, '\n', text->length - at);
        struct store_entry entry;
        int result;

        if (!end)
            break;
        result = store_get_line(line, (size_t)(end - line), (uint32_t)r->content_count + 1, &chain,
                                &entry);
        if (!result && add_content(r, &entry)) {
            free(entry.name);
            result = -ENOMEM;
        }
        if (result == -ENOMEM)
            return out_of_memory(error);
        if (result)
            return rr_error_set(error, result, "%s/images/index: line %zu at offset %zu is damaged",
                                r->path, r->content_count + 1, at);
        at += (size_t)(end - line) + 1;
    }
    if (r->summary.complete && (at != text->length || r->content_count != r->summary.files))
        return rr_error_set(error, -EBADMSG,
                            "%s/images/index: cut off or too long at offset %zu: %zu of %" PRIu64
                            " lines are whole",
                            r->path, at, r->content_count, r->summary.files);
    return 0;
}

static int read_index(struct trace_reader *r, struct rr_error *error)
{
    cleanup_fd int fd =
        openat(r->directory, "images/" STORE_INDEX, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    struct bytes text;
    struct stat status;
    int result = 0;

    if (fd < 0 || fstat(fd, &status) < 0)
        return rr_error_set(error, -errno, "%s/images/index: %s", r->path, strerror(errno));
    if (!S_ISREG(status.st_mode) || status.st_size > FORMAT_EVENTS_MAX)
        return rr_error_set(error, -EBADMSG, "%s/images/index: not a regular file of a trace",
                            r->path);
    bytes_init(&text);
    if (status.st_size > 0) {
        uint8_t *at = extend_checked(&text, (size_t)status.st_size);

        result = at ? file_pread_all(fd, at, (size_t)status.st_size, 0) : -ENOMEM;
        if (result)
            rr_error_set(error, result, "%s/images/index: %s", r->path, strerror(-result));
    }
    if (!result)
        result = parse_index(r, &text, error);
    bytes_done(&text);
    return result;
}

static int open_all(struct trace_reader *r, const char *directory, struct rr_error *error)
{
    int result;

    r->path = strdup(directory);
    r->zstd = ZSTD_createDCtx();
    r->codec = event_codec_new();
    if (!r->path || !r->zstd || !r->codec)
        return out_of_memory(error);
    r->directory = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (r->directory < 0)
        return rr_error_set(error, -errno, "cannot open the trace %s: %s", directory,
                            strerror(errno));
    result = read_meta(r, error);
    for (int i = 0; !result && i < TRACE_STREAM_COUNT; i++)
        result = open_stream(r, (enum trace_stream)i, error);
    return result ? result : read_index(r, error);
}

int trace_reader_open(const char *directory, struct trace_reader **ret, struct rr_error *error)
{
    struct trace_reader *r = calloc(1, sizeof(*r));
    int result;

    if (!r)
        return out_of_memory(error);
    r->directory = -1;
    for (int i = 0; i < TRACE_STREAM_COUNT; i++)
        r->streams[i].fd = -1;
    result = open_all(r, directory, error);
    if (result) {
        trace_reader_close(r);
        return result;
    }
    *ret = r;
    return 0;
}

void trace_reader_close(struct trace_reader *r)
{
    if (!r)
        return;
    for (size_t i = 0; i < r->content_count; i++) {
        close_fd(&r->contents[i].file.fd);
        free(r->contents[i].entry.name);
    }
    free(r->contents);
    for (int i = 0; i < TRACE_STREAM_COUNT; i++) {
        close_fd(&r->streams[i].fd);
        bytes_done(&r->raw[i]);
    }
    bytes_done(&r->stored);
    event_codec_free(r->codec);
    ZSTD_freeDCtx(r->zstd);
    close_fd(&r->directory);
    trace_meta_done(&r->meta);
    free(r->path);
    free(r);
}

const struct trace_meta *trace_reader_meta(const struct trace_reader *r)
{
    return &r->meta;
}

bool trace_reader_complete(const struct trace_reader *r)
{
    return r->summary.complete;
}

/* ---- mapped files ---- */

size_t trace_reader_file_count(const struct trace_reader *r)
{
    return r->content_count;
}

static int verify_content(struct trace_reader *r, uint32_t id, struct content *c,
                          struct rr_error *error)
{
    cleanup_fd int fd = -1;
    char name[STORE_NAME_MAX], path[STORE_NAME_MAX + 16];
    struct stat status;
    uint64_t length, hash;
    int result;

    store_file_name(&c->entry, id, name);
    snprintf(path, sizeof(path), "images/%s", name);
    fd = openat(r->directory, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0 || fstat(fd, &status) < 0)
        return rr_error_set(error, -errno, "%s/%s (content of %s): %s", r->path, path,
                            c->entry.name, strerror(errno));
    if (!S_ISREG(status.st_mode) || (uint64_t)status.st_size != c->entry.length)
        return rr_error_set(
            error, -EBADMSG, "%s/%s (content of %s): has %lld bytes, the trace says %" PRIu64,
            r->path, path, c->entry.name, (long long)status.st_size, c->entry.length);
    result = store_hash(fd, &length, &hash);
    if (result)
        return rr_error_set(error, result, "%s/%s: %s", r->path, path, strerror(-result));
    if (length != c->entry.length || hash != c->entry.hash)
        return rr_error_set(error, -EBADMSG, "%s/%s (content of %s): its checksum is wrong",
                            r->path, path, c->entry.name);
    c->file.fd = take_fd(&fd);
    return 0;
}

const struct trace_file *trace_reader_file(struct trace_reader *r, uint32_t id,
                                           struct rr_error *error)
{
    struct content *c;

    if (id == 0 || id > r->content_count) {
        rr_error_set(error, -ENOENT, "%s: no mapped file %" PRIu32 "; it has %zu", r->path, id,
                     r->content_count);
        return NULL;
    }
    c = &r->contents[id - 1];
    if (!c->verified) {
        if (verify_content(r, id, c, error))
            return NULL;
        c->verified = true;
    }
    return &c->file;
}
