/* The event codec. It owns the layout of one record and the per-task history that deltas refer to;
 * it does not know frames, files or compression.
 *
 * Encoding is on the recorder's hot path (one record per stop), so the fixed part is written with a
 * bare pointer into room reserved once; decoding takes input that may be damaged and checks all. */
#include "recorder/events/codec.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define REGISTER_COUNT 27
static_assert(sizeof(struct user_regs_struct) == REGISTER_COUNT * sizeof(unsigned long long),
              "user_regs_struct is an array of 64-bit words");

enum record_flag {
    FLAG_BEFORE = 1 << 0, /* registers differ from those the task last went on with */
    FLAG_AFTER = 1 << 1,  /* `after` differs from `before` */
    FLAG_ENTERED = 1 << 2,
    FLAG_STEPS = 1 << 3, /* steps, counter */
    FLAG_CHILD = 1 << 4, /* child, clone_flags */
    FLAG_SIGNAL = 1 << 5,
    FLAG_STATUS = 1 << 6,
    FLAG_CHECKSUM = 1 << 7,
    FLAG_XSTATE = 1 << 8,
    FLAG_WRITES = 1 << 9,
    FLAG_MAPS = 1 << 10,
    FLAG_FILE_WRITES = 1 << 11,
    FLAG_OUTPUT = 1 << 12,
    FLAG_NOTE = 1 << 13,
    FLAG_PATCH = 1 << 14,
    FLAG_MOVES = 1 << 15,
    FLAG_ALL = (1 << 16) - 1,
};

/* Longest fixed part: kind, flags, 2 register sets, 20 integers, each at most 10 bytes. */
#define FIXED_MAX (10 * (2 + 2 * (REGISTER_COUNT + 1) + 20))

/* Bytes a list element takes at least, which bounds what a damaged count can make us allocate. */
#define WRITE_MIN 2
#define MAP_MIN 9
#define FILE_WRITE_MIN 4

struct task_history {
    uint32_t task;
    bool used;
    uint64_t epoch; /* history of an earlier frame counts as none */
    uint64_t ticks;
    uint64_t atomics;
    uint64_t write_end; /* address behind the task's last write */
    struct user_regs_struct regs;
};

struct event_codec {
    struct task_history *tasks; /* open addressing; capacity is a power of two */
    size_t task_capacity;
    size_t task_count;
    uint64_t epoch;
    uint64_t clock;
    struct event_write *writes; /* decoded lists, reused */
    size_t write_capacity;
    struct map_op *maps;
    size_t map_capacity;
    struct event_file_write *file_writes;
    size_t file_write_capacity;
    uint64_t *moves;
    size_t move_capacity;
    char *note;
    size_t note_capacity;
};

struct event_codec *event_codec_new(void)
{
    struct event_codec *codec = calloc(1, sizeof(*codec));

    if (!codec)
        return NULL;
    codec->task_capacity = 16;
    codec->tasks = calloc(codec->task_capacity, sizeof(*codec->tasks));
    if (!codec->tasks) {
        free(codec);
        return NULL;
    }
    return codec;
}

void event_codec_free(struct event_codec *codec)
{
    if (!codec)
        return;
    free(codec->tasks);
    free(codec->writes);
    free(codec->maps);
    free(codec->file_writes);
    free(codec->moves);
    free(codec->note);
    free(codec);
}

void event_codec_reset(struct event_codec *codec)
{
    codec->epoch++;
    codec->clock = 0;
}

static struct task_history *find_slot(struct task_history *tasks, size_t capacity, uint32_t task)
{
    size_t at = (task * 0x9e3779b1u) & (capacity - 1);

    while (tasks[at].used && tasks[at].task != task)
        at = (at + 1) & (capacity - 1);
    return &tasks[at];
}

static int grow_tasks(struct event_codec *codec)
{
    size_t capacity = codec->task_capacity * 2;
    struct task_history *tasks = calloc(capacity, sizeof(*tasks));

    if (!tasks)
        return -ENOMEM;
    for (size_t i = 0; i < codec->task_capacity; i++) {
        if (codec->tasks[i].used)
            *find_slot(tasks, capacity, codec->tasks[i].task) = codec->tasks[i];
    }
    free(codec->tasks);
    codec->tasks = tasks;
    codec->task_capacity = capacity;
    return 0;
}

/* The task's history in this frame, all zero at its first record; NULL when out of memory. */
static struct task_history *history_of(struct event_codec *codec, uint32_t task)
{
    struct task_history *h = find_slot(codec->tasks, codec->task_capacity, task);

    if (h->used && h->epoch == codec->epoch)
        return h;
    if (!h->used) {
        if ((codec->task_count + 1) * 2 > codec->task_capacity) {
            if (grow_tasks(codec))
                return NULL;
            h = find_slot(codec->tasks, codec->task_capacity, task);
        }
        codec->task_count++;
    }
    memset(h, 0, sizeof(*h));
    h->used = true;
    h->task = task;
    h->epoch = codec->epoch;
    return h;
}

/* ---- encoding ---- */

static inline uint8_t *put(uint8_t *at, uint64_t value)
{
    while (value >= 0x80) {
        *at++ = (uint8_t)(value | 0x80);
        value >>= 7;
    }
    *at++ = (uint8_t)value;
    return at;
}

/* A difference modulo 2^64 as a signed number. */
static inline uint8_t *put_delta(uint8_t *at, uint64_t value, uint64_t previous)
{
    uint64_t delta = value - previous;

    return put(at, (delta << 1) ^ (0 - (delta >> 63)));
}

static inline uint8_t *put_signed(uint8_t *at, int64_t value)
{
    return put_delta(at, (uint64_t)value, 0);
}

static const unsigned long long *words_of(const struct user_regs_struct *regs)
{
    return (const unsigned long long *)(const void *)regs;
}

static uint32_t changed_words(const struct user_regs_struct *regs,
                              const struct user_regs_struct *previous)
{
    const unsigned long long *new = words_of(regs), *old = words_of(previous);
    uint32_t mask = 0;

    for (int i = 0; i < REGISTER_COUNT; i++)
        mask |= (uint32_t)(new[i] != old[i]) << i;
    return mask;
}

static uint8_t *put_registers(uint8_t *at, uint32_t mask, const struct user_regs_struct *regs,
                              const struct user_regs_struct *previous)
{
    const unsigned long long *new = words_of(regs), *old = words_of(previous);

    at = put(at, mask);
    for (; mask; mask &= mask - 1) {
        int i = __builtin_ctz(mask);

        at = put_delta(at, new[i], old[i]);
    }
    return at;
}

static bool encodable(const struct event *e)
{
    if ((unsigned)e->kind >= EVENT_KIND_COUNT || e->patch.word >= PATCH_WORD_COUNT ||
        e->detach_result)
        return false;
    if (e->output.stream < 0 || e->output.stream > 2 || (e->output.length && !e->output.stream))
        return false;
    if ((e->output.length && !e->output.data) || (e->xstate_length && !e->xstate))
        return false;
    if ((e->write_count && !e->writes) || (e->map_count && !e->maps) ||
        (e->file_write_count && !e->file_writes) || (e->move_count && !e->moves))
        return false;
    for (size_t i = 0; i < e->write_count; i++) {
        if (e->writes[i].length && !e->writes[i].data)
            return false;
    }
    for (size_t i = 0; i < e->map_count; i++) {
        if ((unsigned)e->maps[i].kind >= MAP_OP_KIND_COUNT)
            return false;
    }
    return true;
}

static uint32_t flags_of(const struct event *e, uint32_t before, uint32_t after)
{
    uint32_t flags = 0;

    flags |= before ? FLAG_BEFORE : 0;
    flags |= after ? FLAG_AFTER : 0;
    flags |= e->entered ? FLAG_ENTERED : 0;
    flags |= e->steps || e->counter ? FLAG_STEPS : 0;
    flags |= e->child || e->clone_flags ? FLAG_CHILD : 0;
    flags |= e->signal ? FLAG_SIGNAL : 0;
    flags |= e->status ? FLAG_STATUS : 0;
    flags |= e->checksum ? FLAG_CHECKSUM : 0;
    flags |= e->xstate ? FLAG_XSTATE : 0;
    flags |= e->write_count ? FLAG_WRITES : 0;
    flags |= e->map_count ? FLAG_MAPS : 0;
    flags |= e->file_write_count ? FLAG_FILE_WRITES : 0;
    flags |= e->output.stream ? FLAG_OUTPUT : 0;
    flags |= e->note ? FLAG_NOTE : 0;
    flags |= e->patch.word ? FLAG_PATCH : 0;
    flags |= e->move_count ? FLAG_MOVES : 0;
    return flags;
}

static void encode_writes(struct task_history *h, const struct event *e, struct bytes *events,
                          struct bytes *data)
{
    bytes_put_uvarint(events, e->write_count);
    for (size_t i = 0; i < e->write_count; i++) {
        const struct event_write *w = &e->writes[i];

        bytes_put_svarint(events, (int64_t)(w->address - h->write_end));
        bytes_put_uvarint(events, w->length);
        h->write_end = w->address + w->length;
        bytes_append(data, w->data, w->length);
    }
}

static void encode_maps(const struct event *e, struct bytes *events)
{
    uint64_t previous = 0;

    bytes_put_uvarint(events, e->map_count);
    for (size_t i = 0; i < e->map_count; i++) {
        const struct map_op *m = &e->maps[i];
        uint8_t buffer[90], *at = buffer;

        at = put(at, m->kind);
        at = put_delta(at, m->address, previous);
        at = put(at, m->length);
        at = put_delta(at, m->new_address, 0);
        at = put(at, m->new_length);
        at = put(at, m->prot);
        at = put(at, m->flags);
        at = put(at, m->file);
        at = put(at, m->offset);
        previous = m->address + m->length;
        bytes_append(events, buffer, (size_t)(at - buffer));
    }
}

static void encode_file_writes(const struct event *e, struct bytes *events, struct bytes *data)
{
    bytes_put_uvarint(events, e->file_write_count);
    for (size_t i = 0; i < e->file_write_count; i++) {
        const struct event_file_write *w = &e->file_writes[i];

        bytes_put_uvarint(events, w->data ? 1 : 0);
        bytes_put_uvarint(events, w->file);
        bytes_put_uvarint(events, w->offset);
        bytes_put_uvarint(events, w->length);
        if (w->data)
            bytes_append(data, w->data, w->length);
    }
}

/* What most records lack, in the order of the flags. */
static void encode_rest(struct task_history *h, uint32_t flags, const struct event *e,
                        struct bytes *events, struct bytes *data)
{
    if (flags & FLAG_XSTATE) {
        bytes_put_uvarint(events, e->xstate_length);
        bytes_append(data, e->xstate, e->xstate_length);
    }
    if (flags & FLAG_WRITES)
        encode_writes(h, e, events, data);
    if (flags & FLAG_MAPS)
        encode_maps(e, events);
    if (flags & FLAG_FILE_WRITES)
        encode_file_writes(e, events, data);
    if (flags & FLAG_OUTPUT) {
        bytes_put_uvarint(events, (uint64_t)e->output.stream);
        bytes_put_uvarint(events, e->output.length);
        bytes_append(data, e->output.data, e->output.length);
    }
    if (flags & FLAG_NOTE) {
        size_t length = strlen(e->note);

        bytes_put_uvarint(events, length);
        bytes_append(events, e->note, length);
    }
    if (flags & FLAG_PATCH) {
        bytes_put_uvarint(events, e->patch.word);
        bytes_put_uvarint(events, e->patch.by);
        bytes_put_uvarint(events, e->patch.instruction);
        bytes_put_uvarint(events, e->patch.start);
        bytes_put_uvarint(events, e->patch.length);
    }
    if (flags & FLAG_MOVES) {
        bytes_put_uvarint(events, e->move_count);
        for (size_t i = 0; i < e->move_count; i++)
            bytes_put_uvarint(events, e->moves[i]);
    }
}

int event_encode(struct event_codec *codec, const struct event *e, struct bytes *events,
                 struct bytes *data)
{
    struct task_history *h;
    uint32_t before, after, flags;
    size_t start = events->length;
    uint8_t *at;

    if (!encodable(e))
        return -EINVAL;
    h = history_of(codec, e->task);
    if (!h)
        return -ENOMEM;
    before = changed_words(&e->before, &h->regs);
    after = changed_words(&e->after, &e->before);
    flags = flags_of(e, before, after);

    at = bytes_extend(events, FIXED_MAX);
    at = put(at, e->kind);
    at = put(at, flags);
    at = put(at, e->task);
    at = put_delta(at, e->ticks, h->ticks);
    at = put_delta(at, e->atomics, h->atomics);
    at = put_delta(at, e->clock, codec->clock);
    if (before)
        at = put_registers(at, before, &e->before, &h->regs);
    if (after)
        at = put_registers(at, after, &e->after, &e->before);
    if (flags & FLAG_STEPS)
        at = put(put(at, e->steps), e->counter);
    if (flags & FLAG_CHILD)
        at = put(put(at, e->child), e->clone_flags);
    if (flags & FLAG_SIGNAL)
        at = put_signed(at, e->signal);
    if (flags & FLAG_STATUS)
        at = put_signed(at, e->status);
    if (flags & FLAG_CHECKSUM)
        at = put(at, e->checksum);
    events->length = (size_t)(at - events->data);
    assert(events->length - start <= FIXED_MAX);

    h->ticks = e->ticks;
    h->atomics = e->atomics;
    h->regs = e->after;
    codec->clock = e->clock;
    if (flags >= FLAG_XSTATE)
        encode_rest(h, flags, e, events, data);
    return 0;
}

/* ---- decoding ---- */

static uint64_t get_delta(struct bytes_reader *r, uint64_t previous)
{
    return previous + (uint64_t)bytes_get_svarint(r);
}

/* An integer that must fit its field; more is damage. */
static uint64_t get_limited(struct bytes_reader *r, uint64_t maximum)
{
    uint64_t value = bytes_get_uvarint(r);

    if (value > maximum) {
        r->failed = 1;
        return 0;
    }
    return value;
}

static int32_t get_int32(struct bytes_reader *r)
{
    int64_t value = bytes_get_svarint(r);

    if (value < INT32_MIN || value > INT32_MAX) {
        r->failed = 1;
        return 0;
    }
    return (int32_t)value;
}

/* The number of elements of a list of which each takes at least `minimum` bytes. */
static size_t get_count(struct bytes_reader *r, size_t minimum)
{
    uint64_t count = bytes_get_uvarint(r);

    if (r->failed || count == 0 || count > (r->length - r->at) / minimum) {
        r->failed = 1;
        return 0;
    }
    return (size_t)count;
}

/* Bulk of the given length; a length of 0 gives a pointer that is valid but not to be read. */
static const uint8_t *get_bulk(struct bytes_reader *data, uint64_t length)
{
    static const uint8_t nothing;

    return length ? bytes_get(data, length) : &nothing;
}

/* *list gets room for count elements; its contents are lost. */
static int reserve(void **list, size_t *capacity, size_t count, size_t size)
{
    void *new;

    if (count <= *capacity)
        return 0;
    new = calloc(count, size);
    if (!new)
        return -ENOMEM;
    free(*list);
    *list = new;
    *capacity = count;
    return 0;
}

static void get_registers(struct bytes_reader *r, struct user_regs_struct *regs)
{
    unsigned long long *words = (unsigned long long *)(void *)regs;
    uint64_t mask = get_limited(r, (1ull << REGISTER_COUNT) - 1);

    if (mask == 0)
        r->failed = 1;
    for (; mask; mask &= mask - 1) {
        int i = __builtin_ctzll(mask);

        words[i] = get_delta(r, words[i]);
    }
}

static int decode_writes(struct event_codec *codec, struct task_history *h, struct bytes_reader *r,
                         struct bytes_reader *data, struct event *ret)
{
    size_t count = get_count(r, WRITE_MIN);

    if (reserve((void **)&codec->writes, &codec->write_capacity, count, sizeof(*codec->writes)))
        return -ENOMEM;
    for (size_t i = 0; i < count; i++) {
        struct event_write *w = &codec->writes[i];

        w->address = get_delta(r, h->write_end);
        w->length = bytes_get_uvarint(r);
        w->data = get_bulk(data, w->length);
        h->write_end = w->address + w->length;
    }
    ret->writes = codec->writes;
    ret->write_count = count;
    return 0;
}

static int decode_maps(struct event_codec *codec, struct bytes_reader *r, struct event *ret)
{
    size_t count = get_count(r, MAP_MIN);
    uint64_t previous = 0;

    if (reserve((void **)&codec->maps, &codec->map_capacity, count, sizeof(*codec->maps)))
        return -ENOMEM;
    for (size_t i = 0; i < count; i++) {
        struct map_op *m = &codec->maps[i];

        m->kind = (enum map_op_kind)get_limited(r, MAP_OP_KIND_COUNT - 1);
        m->address = get_delta(r, previous);
        m->length = bytes_get_uvarint(r);
        m->new_address = get_delta(r, 0);
        m->new_length = bytes_get_uvarint(r);
        m->prot = (uint32_t)get_limited(r, UINT32_MAX);
        m->flags = (uint32_t)get_limited(r, UINT32_MAX);
        m->file = (uint32_t)get_limited(r, UINT32_MAX);
        m->offset = bytes_get_uvarint(r);
        previous = m->address + m->length;
    }
    ret->maps = codec->maps;
    ret->map_count = count;
    return 0;
}

static int decode_file_writes(struct event_codec *codec, struct bytes_reader *r,
                              struct bytes_reader *data, struct event *ret)
{
    size_t count = get_count(r, FILE_WRITE_MIN);

    if (reserve((void **)&codec->file_writes, &codec->file_write_capacity, count,
                sizeof(*codec->file_writes)))
        return -ENOMEM;
    for (size_t i = 0; i < count; i++) {
        struct event_file_write *w = &codec->file_writes[i];
        bool has_data = get_limited(r, 1);

        w->file = (uint32_t)get_limited(r, UINT32_MAX);
        w->offset = bytes_get_uvarint(r);
        w->length = bytes_get_uvarint(r);
        w->data = has_data ? get_bulk(data, w->length) : NULL;
    }
    ret->file_writes = codec->file_writes;
    ret->file_write_count = count;
    return 0;
}

static int decode_moves(struct event_codec *codec, struct bytes_reader *r, struct event *ret)
{
    size_t count = get_count(r, 1);

    if (reserve((void **)&codec->moves, &codec->move_capacity, count, sizeof(*codec->moves)))
        return -ENOMEM;
    for (size_t i = 0; i < count; i++)
        codec->moves[i] = bytes_get_uvarint(r);
    ret->moves = codec->moves;
    ret->move_count = count;
    return 0;
}

static int decode_note(struct event_codec *codec, struct bytes_reader *r, struct event *ret)
{
    uint64_t length = bytes_get_uvarint(r);
    const char *text = bytes_get(r, length);

    if (!text || memchr(text, '\0', length)) {
        r->failed = 1;
        return 0;
    }
    if (reserve((void **)&codec->note, &codec->note_capacity, length + 1, 1))
        return -ENOMEM;
    memcpy(codec->note, text, length);
    codec->note[length] = '\0';
    ret->note = codec->note;
    return 0;
}

static int decode_rest(struct event_codec *codec, struct task_history *h, uint32_t flags,
                       struct bytes_reader *r, struct bytes_reader *data, struct event *ret)
{
    int error = 0;

    if (flags & FLAG_XSTATE) {
        ret->xstate_length = (uint32_t)get_limited(r, UINT32_MAX);
        ret->xstate = get_bulk(data, ret->xstate_length);
    }
    if (flags & FLAG_WRITES)
        error = decode_writes(codec, h, r, data, ret);
    if (!error && (flags & FLAG_MAPS))
        error = decode_maps(codec, r, ret);
    if (!error && (flags & FLAG_FILE_WRITES))
        error = decode_file_writes(codec, r, data, ret);
    if (!error && (flags & FLAG_OUTPUT)) {
        ret->output.stream = (int)get_limited(r, 2);
        r->failed |= ret->output.stream == 0;
        ret->output.length = bytes_get_uvarint(r);
        ret->output.data = get_bulk(data, ret->output.length);
    }
    if (!error && (flags & FLAG_NOTE))
        error = decode_note(codec, r, ret);
    if (!error && (flags & FLAG_PATCH)) {
        ret->patch.word = (uint32_t)get_limited(r, PATCH_WORD_COUNT - 1);
        r->failed |= ret->patch.word == PATCH_NONE;
        ret->patch.by = (uint32_t)get_limited(r, UINT32_MAX);
        ret->patch.instruction = bytes_get_uvarint(r);
        ret->patch.start = bytes_get_uvarint(r);
        ret->patch.length = (uint32_t)get_limited(r, UINT32_MAX);
    }
    if (!error && (flags & FLAG_MOVES))
        error = decode_moves(codec, r, ret);
    return error;
}

static void decode_scalars(uint32_t flags, struct bytes_reader *r, struct event *ret)
{
    ret->entered = flags & FLAG_ENTERED;
    if (flags & FLAG_STEPS) {
        ret->steps = (uint32_t)get_limited(r, UINT32_MAX);
        ret->counter = (uint8_t)get_limited(r, UINT8_MAX);
    }
    if (flags & FLAG_CHILD) {
        ret->child = (uint32_t)get_limited(r, UINT32_MAX);
        ret->clone_flags = bytes_get_uvarint(r);
    }
    if (flags & FLAG_SIGNAL)
        ret->signal = get_int32(r);
    if (flags & FLAG_STATUS)
        ret->status = get_int32(r);
    if (flags & FLAG_CHECKSUM)
        ret->checksum = bytes_get_uvarint(r);
}

int event_decode(struct event_codec *codec, struct bytes_reader *events, struct bytes_reader *data,
                 struct event *ret)
{
    struct task_history *h;
    uint32_t flags;
    int error;

    memset(ret, 0, sizeof(*ret));
    ret->kind = (enum event_kind)get_limited(events, EVENT_KIND_COUNT - 1);
    flags = (uint32_t)get_limited(events, FLAG_ALL);
    ret->task = (uint32_t)get_limited(events, UINT32_MAX);
    if (events->failed)
        return -EBADMSG;
    h = history_of(codec, ret->task);
    if (!h)
        return -ENOMEM;
    h->ticks = ret->ticks = get_delta(events, h->ticks);
    h->atomics = ret->atomics = get_delta(events, h->atomics);
    codec->clock = ret->clock = get_delta(events, codec->clock);
    ret->before = h->regs;
    if (flags & FLAG_BEFORE)
        get_registers(events, &ret->before);
    ret->after = ret->before;
    if (flags & FLAG_AFTER)
        get_registers(events, &ret->after);
    h->regs = ret->after;
    decode_scalars(flags, events, ret);
    error = decode_rest(codec, h, flags, events, data, ret);
    if (error)
        return error;
    return events->failed || data->failed ? -EBADMSG : 0;
}
