/* Round trips of random events of every kind, and damaged records. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "recorder/base/random.h"
#include "recorder/events/codec.h"

#define LIST_MAX 5
#define BULK_MAX 300

/* Storage for everything a random event points to. */
struct holder {
    struct event event;
    struct event_write writes[LIST_MAX];
    struct map_op maps[LIST_MAX];
    struct event_file_write file_writes[LIST_MAX];
    uint8_t bulk[2 * LIST_MAX + 2][BULK_MAX];
    char note[40];
    uint64_t moves[LIST_MAX];
};

static const uint64_t edges[] = {0, 1, 0x7f, 0x80, UINT32_MAX, 1ull << 63, UINT64_MAX};

static uint64_t any(struct random_stream *s)
{
    switch (random_below(s, 3)) {
    case 0:
        return edges[random_below(s, sizeof(edges) / sizeof(edges[0]))];
    case 1:
        return random_below(s, 1000);
    default:
        return random_u64(s);
    }
}

static void fill_registers(struct random_stream *s, struct user_regs_struct *regs,
                           const struct user_regs_struct *like)
{
    unsigned long long *words = (unsigned long long *)(void *)regs;

    *regs = *like;
    for (size_t i = 0; i < sizeof(*regs) / sizeof(*words); i++) {
        if (random_below(s, 4) == 0)
            words[i] = any(s);
    }
}

static const uint8_t *bulk(struct random_stream *s, uint8_t *at, uint64_t *ret_length)
{
    *ret_length = random_below(s, BULK_MAX);
    random_fill(s, at, *ret_length);
    return at;
}

static void fill_lists(struct random_stream *s, struct holder *h)
{
    struct event *e = &h->event;
    uint64_t length;

    e->writes = h->writes;
    e->write_count = random_below(s, LIST_MAX + 1);
    for (size_t i = 0; i < e->write_count; i++) {
        h->writes[i].address = any(s);
        h->writes[i].data = bulk(s, h->bulk[i], &h->writes[i].length);
    }
    e->maps = h->maps;
    e->map_count = random_below(s, LIST_MAX + 1);
    for (size_t i = 0; i < e->map_count; i++)
        h->maps[i] = (struct map_op){
            .kind = (enum map_op_kind)random_below(s, MAP_OP_KIND_COUNT),
            .address = any(s),
            .length = any(s),
            .new_address = any(s),
            .new_length = any(s),
            .prot = (uint32_t)any(s),
            .flags = (uint32_t)any(s),
            .file = (uint32_t)any(s),
            .offset = any(s),
        };
    e->file_writes = h->file_writes;
    e->file_write_count = random_below(s, LIST_MAX + 1);
    for (size_t i = 0; i < e->file_write_count; i++) {
        struct event_file_write *w = &h->file_writes[i];

        w->file = (uint32_t)any(s);
        w->offset = any(s);
        w->data = bulk(s, h->bulk[LIST_MAX + i], &w->length);
        if (random_below(s, 3) == 0) {
            w->data = NULL;
            w->length = any(s);
        }
    }
    if (random_below(s, 2)) {
        e->xstate = bulk(s, h->bulk[2 * LIST_MAX], &length);
        e->xstate_length = (uint32_t)length;
    }
    if (random_below(s, 2)) {
        e->output.stream = (int)random_below(s, 2) + 1;
        e->output.data = bulk(s, h->bulk[2 * LIST_MAX + 1], &e->output.length);
    }
    if (random_below(s, 2)) {
        strcpy(h->note, "a note \xff of some length");
        h->note[random_below(s, strlen(h->note))] = '\0';
        e->note = h->note;
    }
    if (random_below(s, 2))
        e->patch = (struct event_patch){
            .word = 1 + (uint32_t)random_below(s, PATCH_WORD_COUNT - 1),
            .by = (uint32_t)any(s),
            .instruction = any(s),
            .start = any(s),
            .length = (uint32_t)any(s),
        };
    e->move_count = random_below(s, LIST_MAX + 1);
    e->moves = e->move_count ? h->moves : NULL;
    for (size_t i = 0; i < e->move_count; i++)
        h->moves[i] = random_below(s, 2) ? any(s) : 0;
}

static void fill(struct random_stream *s, enum event_kind kind, struct holder *h)
{
    static const struct user_regs_struct zero;
    struct event *e = &h->event;

    memset(h, 0, sizeof(*h));
    e->kind = kind;
    e->task = (uint32_t)(random_below(s, 4) ? random_below(s, 40) : any(s));
    e->ticks = any(s);
    e->atomics = any(s);
    e->clock = any(s);
    fill_registers(s, &e->before, &zero);
    fill_registers(s, &e->after, &e->before);
    if (random_below(s, 2)) {
        e->steps = (uint32_t)any(s);
        e->counter = (uint8_t)any(s);
        e->entered = random_below(s, 2);
        e->child = (uint32_t)any(s);
        e->clone_flags = any(s);
        e->signal = (int32_t)any(s);
        e->status = (int32_t)any(s);
        e->checksum = any(s);
    }
    if (random_below(s, 2))
        fill_lists(s, h);
}

static void assert_same_lists(const struct event *a, const struct event *b)
{
    assert_int_equal(a->write_count, b->write_count);
    for (size_t i = 0; i < a->write_count; i++) {
        assert_int_equal(a->writes[i].address, b->writes[i].address);
        assert_int_equal(a->writes[i].length, b->writes[i].length);
        assert_memory_equal(a->writes[i].data, b->writes[i].data, a->writes[i].length);
    }
    assert_int_equal(a->map_count, b->map_count);
    for (size_t i = 0; i < a->map_count; i++) {
        assert_int_equal(a->maps[i].kind, b->maps[i].kind);
        assert_int_equal(a->maps[i].address, b->maps[i].address);
        assert_int_equal(a->maps[i].length, b->maps[i].length);
        assert_int_equal(a->maps[i].new_address, b->maps[i].new_address);
        assert_int_equal(a->maps[i].new_length, b->maps[i].new_length);
        assert_int_equal(a->maps[i].prot, b->maps[i].prot);
        assert_int_equal(a->maps[i].flags, b->maps[i].flags);
        assert_int_equal(a->maps[i].file, b->maps[i].file);
        assert_int_equal(a->maps[i].offset, b->maps[i].offset);
    }
    assert_int_equal(a->file_write_count, b->file_write_count);
    for (size_t i = 0; i < a->file_write_count; i++) {
        assert_int_equal(a->file_writes[i].file, b->file_writes[i].file);
        assert_int_equal(a->file_writes[i].offset, b->file_writes[i].offset);
        assert_int_equal(a->file_writes[i].length, b->file_writes[i].length);
        assert_int_equal(!a->file_writes[i].data, !b->file_writes[i].data);
        if (a->file_writes[i].data)
            assert_memory_equal(a->file_writes[i].data, b->file_writes[i].data,
                                a->file_writes[i].length);
    }
    assert_int_equal(a->move_count, b->move_count);
    for (size_t i = 0; i < a->move_count; i++)
        assert_int_equal(a->moves[i], b->moves[i]);
}

static void assert_same(const struct event *a, const struct event *b)
{
    assert_int_equal(a->kind, b->kind);
    assert_int_equal(a->task, b->task);
    assert_int_equal(a->ticks, b->ticks);
    assert_int_equal(a->steps, b->steps);
    assert_int_equal(a->counter, b->counter);
    assert_int_equal(a->atomics, b->atomics);
    assert_memory_equal(&a->before, &b->before, sizeof(a->before));
    assert_memory_equal(&a->after, &b->after, sizeof(a->after));
    assert_int_equal(a->entered, b->entered);
    assert_int_equal(a->child, b->child);
    assert_int_equal(a->clone_flags, b->clone_flags);
    assert_int_equal(a->signal, b->signal);
    assert_int_equal(a->status, b->status);
    assert_int_equal(a->clock, b->clock);
    assert_int_equal(a->checksum, b->checksum);
    assert_int_equal(!a->xstate, !b->xstate);
    assert_int_equal(a->xstate_length, b->xstate_length);
    if (a->xstate)
        assert_memory_equal(a->xstate, b->xstate, a->xstate_length);
    assert_int_equal(a->output.stream, b->output.stream);
    assert_int_equal(a->output.length, b->output.length);
    if (a->output.stream)
        assert_memory_equal(a->output.data, b->output.data, a->output.length);
    assert_int_equal(!a->note, !b->note);
    if (a->note)
        assert_string_equal(a->note, b->note);
    assert_int_equal(a->patch.word, b->patch.word);
    assert_int_equal(a->patch.by, b->patch.by);
    assert_int_equal(a->patch.instruction, b->patch.instruction);
    assert_int_equal(a->patch.start, b->patch.start);
    assert_int_equal(a->patch.length, b->patch.length);
    assert_same_lists(a, b);
}

static void test_round_trip(void **state)
{
    enum { FRAMES = 20, EVENTS = 13 * EVENT_KIND_COUNT };
    struct event_codec *encoder = event_codec_new(), *decoder = event_codec_new();
    struct holder *holders = calloc(EVENTS, sizeof(*holders));
    struct random_stream s;

    (void)state;
    random_init(&s, 1, RANDOM_DATA);
    for (int frame = 0; frame < FRAMES; frame++) {
        struct bytes events, data;
        struct bytes_reader event_cursor, data_cursor;
        struct event got;

        bytes_init(&events);
        bytes_init(&data);
        event_codec_reset(encoder);
        event_codec_reset(decoder);
        for (int i = 0; i < EVENTS; i++) {
            fill(&s, (enum event_kind)(i % EVENT_KIND_COUNT), &holders[i]);
            assert_int_equal(event_encode(encoder, &holders[i].event, &events, &data), 0);
        }
        bytes_reader_init(&event_cursor, events.data, events.length);
        bytes_reader_init(&data_cursor, data.data, data.length);
        for (int i = 0; i < EVENTS; i++) {
            assert_int_equal(event_decode(decoder, &event_cursor, &data_cursor, &got), 0);
            assert_same(&holders[i].event, &got);
        }
        assert_int_equal(event_cursor.at, events.length);
        assert_int_equal(data_cursor.at, data.length);
        bytes_done(&events);
        bytes_done(&data);
    }
    free(holders);
    event_codec_free(encoder);
    event_codec_free(decoder);
}

/* What nearly every record of a real trace is: a system call after a few instructions. */
static void test_compact(void **state)
{
    struct event_codec *codec = event_codec_new();
    struct bytes events = {0}, data = {0};
    struct event e = {.kind = EVENT_SYSCALL, .task = 1};

    (void)state;
    e.before.rip = 0x7ffff7d00000;
    e.before.rsp = 0x7fffffffe000;
    e.after = e.before;
    for (int i = 0; i < 100; i++) {
        e.ticks += 20;
        e.clock += 1000;
        e.before = e.after;
        e.before.rip += 100;
        e.before.orig_rax = 1;
        e.before.rdi = (unsigned)i;
        e.after = e.before;
        e.after.rax = 1;
        assert_int_equal(event_encode(codec, &e, &events, &data), 0);
    }
    assert_true(events.length < 100 * 24);
    bytes_done(&events);
    bytes_done(&data);
    event_codec_free(codec);
}

static void refuse(struct event_codec *codec, const struct event *e)
{
    struct bytes events = {0}, data = {0};

    assert_int_equal(event_encode(codec, e, &events, &data), -EINVAL);
    assert_int_equal(events.length, 0);
    assert_int_equal(data.length, 0);
}

static void test_refuses_nonsense(void **state)
{
    struct event_codec *codec = event_codec_new();
    struct event_write write = {.address = 1, .length = 1, .data = NULL};
    struct map_op map = {.kind = MAP_OP_KIND_COUNT};
    const struct event good = {.kind = EVENT_PREEMPT, .task = 1};
    struct event e;

    (void)state;
    e = good;
    e.kind = EVENT_KIND_COUNT;
    refuse(codec, &e);
    e = good;
    e.output.stream = 3;
    refuse(codec, &e);
    e = good;
    e.output.length = 1;
    refuse(codec, &e);
    e = good;
    e.writes = &write;
    e.write_count = 1;
    refuse(codec, &e);
    e = good;
    e.maps = &map;
    e.map_count = 1;
    refuse(codec, &e);
    e = good;
    e.xstate_length = 4;
    refuse(codec, &e);
    e = good;
    e.detach_result = true;
    refuse(codec, &e);
    event_codec_free(codec);
}

/* Cut anywhere, and random damage: an error or some event, never a read outside (under ASan). */
static void test_damage(void **state)
{
    struct event_codec *codec = event_codec_new();
    struct random_stream s;

    (void)state;
    random_init(&s, 2, RANDOM_DATA);
    for (int round = 0; round < 300; round++) {
        struct bytes events = {0}, data = {0};
        struct holder h;
        struct event got;

        fill(&s, (enum event_kind)(round % EVENT_KIND_COUNT), &h);
        event_codec_reset(codec);
        assert_int_equal(event_encode(codec, &h.event, &events, &data), 0);
        for (size_t cut = 0; cut < events.length; cut++) {
            uint8_t *copy = malloc(cut + 1);
            struct bytes_reader a, b;

            memcpy(copy, events.data, cut);
            bytes_reader_init(&a, copy, cut);
            bytes_reader_init(&b, data.data, data.length);
            event_codec_reset(codec);
            assert_int_equal(event_decode(codec, &a, &b, &got), -EBADMSG);
            memcpy(copy, events.data, cut);
            copy[cut] = (uint8_t)random_u64(&s);
            bytes_reader_init(&a, copy, cut + 1);
            bytes_reader_init(&b, data.data, data.length / 2);
            event_codec_reset(codec);
            event_decode(codec, &a, &b, &got);
            free(copy);
        }
        bytes_done(&events);
        bytes_done(&data);
    }
    event_codec_free(codec);
}

static void test_names(void **state)
{
    (void)state;
    for (int i = 0; i < EVENT_KIND_COUNT; i++) {
        const char *name = event_kind_name((enum event_kind)i);

        assert_non_null(name);
        for (int k = 0; k < i; k++)
            assert_string_not_equal(name, event_kind_name((enum event_kind)k));
    }
    assert_string_equal(event_kind_name(EVENT_KIND_COUNT), "unknown");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_compact),
        cmocka_unit_test(test_refuses_nonsense),
        cmocka_unit_test(test_damage),
        cmocka_unit_test(test_names),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
