/* The trace writer: events into frames, frames to the disk (streaming) or into memory.
 *
 * A segment is one frame of events with the data frames it needs. In memory segments stay as they
 * are, uncompressed, until there are many bytes of them: the traces of passing runs are short and
 * thrown away, so they should never meet the compressor. Beyond a bound the oldest are moved to a
 * file without a name. */
#include "recorder/trace/trace.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zstd.h>

#include "recorder/base/file.h"
#include "recorder/events/codec.h"
#include "recorder/trace/format.h"
#include "recorder/trace/output.h"
#include "recorder/trace/spill.h"
#include "recorder/trace/store.h"

#define COMPRESSION_LEVEL 1

/* A frame ends at the first event that reaches one of these. The counts hold for streaming only,
 * where they bound what a killed recorder loses: early frames are short, so that this is little of
 * a short trace as well. */
#define FRAME_EVENT_BYTES (256u << 10)
#define FRAME_DATA_BYTES (1u << 20)
#define FRAME_EVENT_COUNT 512
#define FRAME_EVENT_COUNT_FIRST 32

#define SPILLED_NOT UINT64_MAX
#define SPILL_BLOCK (1u << 20)

/* In memory, this much may stay uncompressed. */
#define RAW_MEMORY_MAX (16u << 20)

/* events and data are raw, or, once sealed, the whole frames as they go to the files; once spilled,
 * only their lengths are here. */
struct segment {
    struct bytes events;
    struct bytes data;
    bool sealed;
    uint64_t spilled_at; /* data, then events; SPILLED_NOT: here */
    bool last;
    uint64_t number;
    uint64_t first_event;
    uint64_t event_count;
    uint64_t data_first;
    uint64_t data_frame; /* number of its first data frame */
};

struct mapped_file {
    struct store_entry entry;
    char *key;
    uint64_t key_hash;
    int fd;          /* in memory: where the content comes from at keep */
    bool owned_copy; /* fd is our own copy */
    uint64_t size;   /* at registration */
    struct timespec modified;
};

struct trace_writer {
    struct output *output; /* NULL: in memory */
    struct event_codec *codec;
    ZSTD_CCtx *zstd; /* made when first needed */
    struct segment open;
    struct segment *segments; /* in memory: the closed ones, in order */
    size_t segment_count;
    size_t segment_capacity;
    size_t sealed_count;  /* the first so many are sealed */
    size_t spilled_count; /* and of them, the first so many are spilled */
    uint64_t memory_max;  /* 0: no bound */
    char *spill_directory;
    struct spill spill;
    bool lost;
    uint64_t raw_memory;  /* bytes in segments that are not sealed */
    uint64_t full_memory; /* bytes in all segments */
    struct bytes text[2]; /* streaming: stdout and stderr of the open segment */
    struct mapped_file *files;
    size_t file_count;
    size_t file_capacity;
    uint64_t file_memory; /* bytes of own copies */
    bool done;            /* kept or finished: no more events */
    struct rr_error failure;
};

/* ---- segments ---- */

/* Give back what a buffer that will not grow any more does not use. */
static void shrink(struct bytes *b)
{
    uint8_t *data;

    if (b->length == 0) {
        bytes_done(b);
        return;
    }
    data = realloc(b->data, b->length);
    if (data) {
        b->data = data;
        b->capacity = b->length;
    }
}

static int compress_frame(struct trace_writer *w, struct frame_header *header, const uint8_t *raw,
                          struct bytes *out)
{
    size_t bound = ZSTD_compressBound(header->raw_length);
    size_t start = out->length, n;
    uint8_t *payload;

    if (!w->zstd) {
        w->zstd = ZSTD_createCCtx();
        if (!w->zstd)
            return -ENOMEM;
    }
    bytes_extend(out, FORMAT_FRAME_HEADER + bound);
    payload = out->data + start + FORMAT_FRAME_HEADER;
    n = ZSTD_compressCCtx(w->zstd, payload, bound, raw, header->raw_length, COMPRESSION_LEVEL);
    if (ZSTD_isError(n))
        return -ENOMEM;
    header->stored_length = n;
    header->hash = bytes_hash(payload, n, 0);
    format_put_frame_header(out->data + start, header);
    out->length = start + FORMAT_FRAME_HEADER + n;
    return 0;
}

/* The frames of a raw segment, as they go to the files. */
static int seal(struct trace_writer *w, const struct segment *raw, struct bytes *events,
                struct bytes *data)
{
    struct frame_header header = {
        .stream = TRACE_STREAM_EVENTS,
        .last = raw->last,
        .number = raw->number,
        .raw_length = raw->events.length,
        .first = raw->first_event,
        .event_count = raw->event_count,
        .data_first = raw->data_first,
        .data_length = raw->data.length,
    };
    int error = compress_frame(w, &header, raw->events.data, events);

    for (size_t at = 0; !error && at < raw->data.length; at += FRAME_DATA_BYTES) {
        size_t left = raw->data.length - at;
        struct frame_header piece = {
            .stream = TRACE_STREAM_DATA,
            .number = raw->data_frame + at / FRAME_DATA_BYTES,
            .raw_length = left < FRAME_DATA_BYTES ? left : FRAME_DATA_BYTES,
            .first = raw->data_first + at,
        };

        error = compress_frame(w, &piece, raw->data.data + at, data);
    }
    return error;
}

/* The segment that follows s begins; s's buffers are not touched. */
static struct segment next_segment(const struct segment *s)
{
    return (struct segment){
        .spilled_at = SPILLED_NOT,
        .number = s->number + 1,
        .first_event = s->first_event + s->event_count,
        .data_first = s->data_first + s->data.length,
        .data_frame = s->data_frame + (s->data.length + FRAME_DATA_BYTES - 1) / FRAME_DATA_BYTES,
    };
}

static int output_spilled(const struct spill *spill, struct output *output,
                          enum trace_stream stream, uint64_t offset, uint64_t length,
                          struct rr_error *error)
{
    struct bytes block;
    int result = 0;

    bytes_init(&block);
    while (!result && length > 0) {
        size_t n = length < SPILL_BLOCK ? length : SPILL_BLOCK;

        bytes_clear(&block);
        result = file_pread_all(spill->fd, bytes_extend(&block, n), n, offset);
        if (result)
            rr_error_set(error, result, "cannot read back a part of the trace: %s",
                         strerror(-result));
        else
            result = output_frames(output, stream, &block, error);
        offset += n;
        length -= n;
    }
    bytes_done(&block);
    return result;
}

/* Write a segment, sealed or not. Data first: an event frame never refers to data not there. */
static int output_segment(struct trace_writer *w, struct output *output, const struct segment *s,
                          struct rr_error *error)
{
    struct bytes events, data;
    int result;

    if (s->spilled_at != SPILLED_NOT) {
        result = output_spilled(&w->spill, output, TRACE_STREAM_DATA, s->spilled_at, s->data.length,
                                error);
        return result ? result
                      : output_spilled(&w->spill, output, TRACE_STREAM_EVENTS,
                                       s->spilled_at + s->data.length, s->events.length, error);
    }
    if (s->sealed) {
        result = output_frames(output, TRACE_STREAM_DATA, &s->data, error);
        return result ? result : output_frames(output, TRACE_STREAM_EVENTS, &s->events, error);
    }
    bytes_init(&events);
    bytes_init(&data);
    result = seal(w, s, &events, &data);
    if (result)
        rr_error_set(error, result, "cannot compress a trace frame: %s", strerror(-result));
    if (!result)
        result = output_frames(output, TRACE_STREAM_DATA, &data, error);
    if (!result)
        result = output_frames(output, TRACE_STREAM_EVENTS, &events, error);
    bytes_done(&events);
    bytes_done(&data);
    return result;
}

/* Compress the oldest raw segments until little enough is left uncompressed. */
static int compress_old(struct trace_writer *w)
{
    uint64_t most =
        w->memory_max && w->memory_max / 2 < RAW_MEMORY_MAX ? w->memory_max / 2 : RAW_MEMORY_MAX;

    while (w->raw_memory > most) {
        struct segment *s = &w->segments[w->sealed_count];
        struct bytes events, data;
        uint64_t before = s->events.capacity + s->data.capacity;
        int error;

        bytes_init(&events);
        bytes_init(&data);
        error = seal(w, s, &events, &data);
        if (error) {
            bytes_done(&events);
            bytes_done(&data);
            return error;
        }
        bytes_done(&s->events);
        bytes_done(&s->data);
        s->events = events;
        s->data = data;
        s->sealed = true;
        shrink(&s->events);
        shrink(&s->data);
        w->raw_memory -= before;
        w->full_memory += s->events.capacity + s->data.capacity - before;
        w->sealed_count++;
    }
    return 0;
}

static void free_segment(struct segment *s)
{
    free(s->events.data);
    free(s->data.data);
    s->events.data = s->data.data = NULL; /* the lengths stay */
    s->events.capacity = s->data.capacity = 0;
}

/* What was appended so far is of no use without what comes now. */
static int lose(struct trace_writer *w, int code, const char *where)
{
    for (size_t i = 0; i < w->segment_count; i++)
        free_segment(&w->segments[i]);
    spill_close(&w->spill);
    w->segment_count = w->sealed_count = w->spilled_count = 0;
    w->raw_memory = w->full_memory = 0;
    w->lost = true;
    return rr_error_set(&w->failure, code,
                        "it outgrew the memory it may take (%llu MiB), and cannot go on in %s: %s",
                        (unsigned long long)w->memory_max >> 20, where, strerror(-code));
}

static int open_spill(struct trace_writer *w)
{
    char *where;
    int error = spill_open(w->spill_directory, &w->spill, &where);

    if (error) {
        error = lose(w, error, where ? where : "a file");
        free(where);
        return error;
    }
    free(w->spill_directory);
    w->spill_directory = where;
    return 0;
}

/* Move the oldest sealed segments to the disk until the bound holds. */
static int spill_old(struct trace_writer *w)
{
    while (w->memory_max && w->full_memory > w->memory_max && w->spilled_count < w->sealed_count) {
        struct segment *s = &w->segments[w->spilled_count];
        uint64_t at = w->spill.length;
        int error = w->spill.fd < 0 ? open_spill(w) : 0;

        if (error)
            return error;
        error = spill_append(&w->spill, s->data.data, s->data.length);
        if (!error)
            error = spill_append(&w->spill, s->events.data, s->events.length);
        if (error)
            return lose(w, error, w->spill_directory);
        w->full_memory -= s->events.capacity + s->data.capacity;
        free_segment(s);
        s->spilled_at = at;
        w->spilled_count++;
    }
    return 0;
}

static int push_segment(struct trace_writer *w)
{
    int error;

    struct segment *s;

    if (w->segment_count == w->segment_capacity) {
        size_t capacity = w->segment_capacity ? 2 * w->segment_capacity : 16;

        s = reallocarray(w->segments, capacity, sizeof(*s));
        if (!s)
            return -ENOMEM;
        w->segments = s;
        w->segment_capacity = capacity;
    }
    s = &w->segments[w->segment_count++];
    *s = w->open;
    w->open = next_segment(s);
    shrink(&s->events);
    shrink(&s->data);
    w->raw_memory += s->events.capacity + s->data.capacity;
    w->full_memory += s->events.capacity + s->data.capacity;
    error = compress_old(w);
    return error ? error : spill_old(w);
}

static int stream_segment(struct trace_writer *w, struct rr_error *error)
{
    struct segment next;
    int result = output_segment(w, w->output, &w->open, error);

    for (int i = 0; !result && i < 2; i++) {
        result = output_text(w->output, i + 1, w->text[i].data, w->text[i].length, error);
        bytes_clear(&w->text[i]);
    }
    next = next_segment(&w->open);
    next.events = w->open.events;
    next.data = w->open.data;
    bytes_clear(&next.events);
    bytes_clear(&next.data);
    w->open = next;
    return result;
}

/* After a failure nothing more is written: what followed a gap could not be replayed. Every
 * function below puts its first failure into w->failure and gives it again at each later call. */
static int report(const struct trace_writer *w, struct rr_error *error)
{
    if (w->failure.code && error)
        *error = w->failure;
    return w->failure.code;
}

static int close_segment(struct trace_writer *w)
{
    int result;

    if (w->output)
        return stream_segment(w, &w->failure);
    result = push_segment(w);
    return result && !w->lost
               ? rr_error_set(&w->failure, result, "cannot hold the trace in memory: %s",
                              strerror(-result))
               : result;
}

/* ---- life ---- */

int trace_writer_open(const char *directory, const struct trace_meta *meta,
                      struct trace_writer **ret, struct rr_error *error)
{
    struct trace_writer *w = calloc(1, sizeof(*w));
    int result = 0;

    if (!w)
        return rr_error_set(error, -ENOMEM, "out of memory for a trace");
    w->spill.fd = -1;
    w->open.spilled_at = SPILLED_NOT;
    w->codec = event_codec_new();
    if (!w->codec)
        result = rr_error_set(error, -ENOMEM, "out of memory for a trace");
    else if (directory)
        result = output_open(directory, meta, &w->output, error);
    if (result) {
        trace_writer_close(w);
        return result;
    }
    event_codec_reset(w->codec);
    *ret = w;
    return 0;
}

void trace_writer_bound(struct trace_writer *w, uint64_t memory, const char *spill_directory)
{
    w->memory_max = memory;
    free(w->spill_directory);
    w->spill_directory = spill_directory ? strdup(spill_directory) : NULL;
}

bool trace_writer_lost(const struct trace_writer *w)
{
    return w->lost;
}

void trace_writer_close(struct trace_writer *w)
{
    if (!w)
        return;
    output_close(w->output);
    event_codec_free(w->codec);
    ZSTD_freeCCtx(w->zstd);
    bytes_done(&w->open.events);
    bytes_done(&w->open.data);
    for (size_t i = 0; i < w->segment_count; i++) {
        bytes_done(&w->segments[i].events);
        bytes_done(&w->segments[i].data);
    }
    free(w->segments);
    spill_close(&w->spill);
    free(w->spill_directory);
    for (size_t i = 0; i < w->file_count; i++) {
        close_fd(&w->files[i].fd);
        free(w->files[i].key);
        free(w->files[i].entry.name);
    }
    free(w->files);
    bytes_done(&w->text[0]);
    bytes_done(&w->text[1]);
    free(w);
}

uint64_t trace_writer_event_count(const struct trace_writer *w)
{
    return w->open.first_event + w->open.event_count;
}

uint64_t trace_writer_memory(const struct trace_writer *w)
{
    return w->full_memory + w->file_memory + w->open.events.capacity + w->open.data.capacity;
}

/* ---- events ---- */

static bool frame_is_full(const struct trace_writer *w)
{
    const struct segment *s = &w->open;

    if (s->events.length >= FRAME_EVENT_BYTES || s->data.length >= FRAME_DATA_BYTES)
        return true;
    return w->output && (s->event_count >= FRAME_EVENT_COUNT ||
                         s->event_count >= s->first_event + FRAME_EVENT_COUNT_FIRST);
}

int trace_writer_event(struct trace_writer *w, const struct event *event, struct rr_error *error)
{
    int result;

    if (w->failure.code)
        return report(w, error);
    if (w->done)
        return rr_error_set(error, -EINVAL, "an event after the end of the trace");
    result = event_encode(w->codec, event, &w->open.events, &w->open.data);
    if (result == -EINVAL)
        return rr_error_set(error, result, "event %llu (%s) is not one the trace can hold",
                            (unsigned long long)trace_writer_event_count(w) + 1,
                            event_kind_name(event->kind));
    if (!result && w->open.events.length > FORMAT_EVENTS_MAX)
        result = -E2BIG;
    if (result) {
        rr_error_set(&w->failure, result, "event %llu does not fit into the trace: %s",
                     (unsigned long long)trace_writer_event_count(w) + 1, strerror(-result));
        return report(w, error);
    }
    w->open.event_count++;
    if (w->output && event->output.length)
        bytes_append(&w->text[event->output.stream - 1], event->output.data, event->output.length);
    return frame_is_full(w) ? trace_writer_flush(w, error) : 0;
}

int trace_writer_flush(struct trace_writer *w, struct rr_error *error)
{
    if (!w->failure.code && !w->done && w->open.event_count > 0) {
        close_segment(w);
        event_codec_reset(w->codec);
    }
    return report(w, error);
}

/* ---- mapped files ---- */

/* A copy in memory; of a large file, in a file without a name. */
static int copy_file(struct trace_writer *w, int fd, const struct stat *from, int *ret_fd,
                     uint64_t *ret_length)
{
    bool large = w->memory_max && (uint64_t)from->st_blocks * 512 > w->memory_max / 4;
    struct spill spill = {.fd = -1};
    cleanup_fd int copy = -1;
    struct stat status;
    int error;

    if (large) {
        char *where;

        error = spill_open(w->spill_directory, &spill, &where);
        free(where);
        if (error)
            return error;
        copy = spill.fd;
    } else {
        copy = memfd_create("rrtest-trace-file", MFD_CLOEXEC);
    }
    if (copy < 0)
        return -errno;
    error = file_copy(fd, copy);
    if (error)
        return error;
    if (fstat(copy, &status) < 0)
        return -errno;
    if (!large)
        w->file_memory += (uint64_t)status.st_blocks * 512;
    *ret_length = (uint64_t)status.st_size;
    *ret_fd = take_fd(&copy);
    return 0;
}

/* Take hold of the content as the mode asks for. */
static int take_content(struct trace_writer *w, struct mapped_file *file, int fd, bool copy_now,
                        struct rr_error *error)
{
    struct stat status;
    int result = 0;

    if (w->output)
        return output_file(w->output, (uint32_t)w->file_count + 1, fd, &file->entry, error);
    if (fstat(fd, &status) < 0)
        result = -errno;
    if (!result && copy_now) {
        result = copy_file(w, fd, &status, &file->fd, &file->size);
        file->owned_copy = true;
    } else if (!result) {
        file->size = (uint64_t)status.st_size;
        file->modified = status.st_mtim;
        file->fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
        result = file->fd < 0 ? -errno : 0;
    }
    return result ? rr_error_set(error, result, "cannot hold %s for the trace: %s",
                                 file->entry.name, strerror(-result))
                  : 0;
}

static int add_file(struct trace_writer *w, const struct mapped_file *file)
{
    if (w->file_count == w->file_capacity) {
        size_t capacity = w->file_capacity ? 2 * w->file_capacity : 16;
        struct mapped_file *files = reallocarray(w->files, capacity, sizeof(*files));

        if (!files)
            return -ENOMEM;
        w->files = files;
        w->file_capacity = capacity;
    }
    w->files[w->file_count++] = *file;
    return 0;
}

int trace_writer_file(struct trace_writer *w, enum trace_file_kind kind, const char *key,
                      const char *name, int fd, bool copy_now, uint32_t *ret_id,
                      struct rr_error *error)
{
    struct mapped_file file = {
        .entry = {.kind = kind}, .key_hash = bytes_hash(key, strlen(key), kind), .fd = -1};
    int result;

    if (w->failure.code)
        return report(w, error);
    for (size_t i = 0; i < w->file_count; i++) {
        const struct mapped_file *known = &w->files[i];

        if (known->key_hash == file.key_hash && known->entry.kind == kind &&
            strcmp(known->key, key) == 0) {
            *ret_id = (uint32_t)i + 1;
            return 0;
        }
    }
    file.key = strdup(key);
    file.entry.name = strdup(name);
    if (!file.key || !file.entry.name)
        result = rr_error_set(error, -ENOMEM, "out of memory for a trace");
    else
        result = take_content(w, &file, fd, copy_now, error);
    if (!result && add_file(w, &file))
        result = rr_error_set(error, -ENOMEM, "out of memory for a trace");
    if (result) {
        close_fd(&file.fd);
        free(file.key);
        free(file.entry.name);
        return result;
    }
    *ret_id = (uint32_t)w->file_count;
    return 0;
}

/* ---- the end ---- */

/* The last frame, which says so; it may be empty. */
static int output_last(struct trace_writer *w, struct output *output, struct rr_error *error)
{
    struct segment last = w->open;

    last.last = true;
    return output_segment(w, output, &last, error);
}

int trace_writer_finish(struct trace_writer *w, const struct trace_meta *meta,
                        struct rr_error *error)
{
    int result;

    if (w->failure.code)
        return report(w, error);
    if (!w->output || w->done)
        return rr_error_set(error, -EINVAL, "only a streamed trace is finished, and only once");
    result = output_last(w, w->output, &w->failure);
    for (int i = 0; !result && i < 2; i++)
        result = output_text(w->output, i + 1, w->text[i].data, w->text[i].length, &w->failure);
    if (!result)
        result = output_complete(w->output, meta, trace_writer_event_count(w), &w->failure);
    w->done = true;
    return result ? report(w, error) : 0;
}

/* A file whose size or time changed after it was mapped has, perhaps, not the content that was
 * mapped: the trace says so. */
static int keep_files(struct trace_writer *w, struct output *output, struct rr_error *error)
{
    for (size_t i = 0; i < w->file_count; i++) {
        struct mapped_file *file = &w->files[i];
        struct stat status;
        int result;

        if (!file->owned_copy && fstat(file->fd, &status) == 0)
            file->entry.changed = (uint64_t)status.st_size != file->size ||
                                  status.st_mtim.tv_sec != file->modified.tv_sec ||
                                  status.st_mtim.tv_nsec != file->modified.tv_nsec;
        result = output_file(output, (uint32_t)i + 1, file->fd, &file->entry, error);
        if (result)
            return result;
    }
    return 0;
}

/* stdout and stderr of the trace are made by reading back what was written, which also proves that
 * it can be read. */
static int keep_text(struct output *output, const char *directory, struct rr_error *error)
{
    struct trace_reader *reader;
    struct event event;
    int result = trace_reader_open(directory, &reader, error);

    if (result)
        return result;
    while ((result = trace_reader_next(reader, &event, error)) > 0) {
        if (event.output.length == 0)
            continue;
        result =
            output_text(output, event.output.stream, event.output.data, event.output.length, error);
        if (result)
            break;
    }
    trace_reader_close(reader);
    return result;
}

static int keep_into(struct trace_writer *w, const char *directory, const struct trace_meta *meta,
                     struct rr_error *error)
{
    struct output *output;
    int result = output_open(directory, meta, &output, error);

    if (result)
        return result;
    result = keep_files(w, output, error);
    for (size_t i = 0; !result && i < w->segment_count; i++)
        result = output_segment(w, output, &w->segments[i], error);
    if (!result)
        result = output_last(w, output, error);
    if (!result)
        result = output_complete(output, meta, trace_writer_event_count(w), error);
    if (!result)
        result = keep_text(output, directory, error);
    if (!result)
        result = output_sync(output, error);
    output_close(output);
    return result;
}

int trace_writer_keep(struct trace_writer *w, const char *directory, const struct trace_meta *meta,
                      struct rr_error *error)
{
    char *temporary;
    int result;

    if (w->failure.code)
        return report(w, error);
    if (w->output)
        return rr_error_set(error, -EINVAL, "a streamed trace is finished, not kept");
    result = output_reserve(directory, &temporary, error);
    if (result)
        return result;
    w->done = true;
    result = keep_into(w, temporary, meta, error);
    if (!result)
        result = output_publish(temporary, directory, error);
    if (result) {
        output_remove(temporary);
        rr_error_context(error, "the trace %s was not kept", directory);
    }
    free(temporary);
    return result;
}
