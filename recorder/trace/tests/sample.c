/* The sample trace of the unit tests. */
#include "recorder/trace/tests/sample.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "recorder/base/file.h"

struct trace_meta sample_meta(void)
{
    static char *command[] = {"./program", "an \"argument\"\n\xff", NULL};
    static char *environment[] = {"LANG=C.UTF-8", NULL};
    static uint8_t cpuid[] = {1, 2, 3, 0xff};

    return (struct trace_meta){
        .command = command,
        .environment = environment,
        .directory = "/somewhere",
        .seed = UINT64_MAX,
        .strategy = "round-robin",
        .verdict = "exit 1",
        .exit_status = 256,
        .schedule_digest = "0123456789abcdef",
        .statistics = "{\"stops\": 5}",
        .cpu_features = 0xfedcba9876543210,
        .cpuid_table = cpuid,
        .cpuid_length = sizeof(cpuid),
        .machine = "test",
    };
}

struct event sample_event(size_t number)
{
    static uint8_t data[64];
    static struct event_write writes[2];
    static struct map_op maps[2];
    static struct event_file_write file_writes[2];
    enum event_kind kind = (enum event_kind)(number % EVENT_KIND_COUNT);
    struct event e = {.kind = kind, .task = 1 + number % 3, .ticks = number * 7};

    memset(data, (int)number, sizeof(data));
    writes[0] = (struct event_write){0x7ffe00000000 + number, 10, data};
    writes[1] = (struct event_write){0x400000, 20, data + 5};
    maps[0] = (struct map_op){.kind = MAP_OP_RESET};
    maps[1] = (struct map_op){.kind = MAP_OP_MAP, .address = 0x400000, .length = 4096, .file = 1};
    file_writes[0] = (struct event_file_write){2, 100, 8, data};
    file_writes[1] = (struct event_file_write){2, 0, 9000, NULL};
    e.clock = number * 1000;
    e.atomics = number;
    e.before.rip = 0x401000 + number;
    e.before.orig_rax = number;
    e.after = e.before;
    e.after.rax = number * 3;
    if (kind == EVENT_EXEC || kind == EVENT_SYSCALL) {
        e.maps = maps;
        e.map_count = 2;
        e.writes = writes;
        e.write_count = 2;
    }
    if (kind == EVENT_SYSCALL) {
        e.file_writes = file_writes;
        e.file_write_count = 2;
        e.output = (struct event_output){1, (const uint8_t *)SAMPLE_STDOUT, strlen(SAMPLE_STDOUT)};
        e.note = "a note";
    }
    if (kind == EVENT_SIGNAL || kind == EVENT_SIGRETURN) {
        e.xstate = data;
        e.xstate_length = sizeof(data);
        e.signal = 11;
    }
    if (kind == EVENT_PREEMPT)
        e.steps = (uint32_t)number;
    if (kind == EVENT_EXIT || kind == EVENT_END)
        e.status = 256;
    if (kind == EVENT_CHECKSUM)
        e.checksum = number << 40;
    return e;
}

static void add_file(struct trace_writer *w, enum trace_file_kind kind, uint32_t expected_id)
{
    struct rr_error error;
    char content[50], key[8];
    int fd = memfd_create("sample", MFD_CLOEXEC);
    uint32_t id;

    memset(content, (int)expected_id, sizeof(content));
    snprintf(key, sizeof(key), "%u", expected_id);
    assert_int_equal(file_write_all(fd, content, sizeof(content)), 0);
    assert_int_equal(trace_writer_file(w, kind, key, "/bin/sample", fd, false, &id, &error), 0);
    assert_int_equal(id, expected_id);
    close_fd(&fd);
}

void sample_write(struct trace_writer *w, size_t count, bool flush_each)
{
    struct rr_error error;

    add_file(w, TRACE_FILE_CONTENT, 1);
    add_file(w, TRACE_FILE_SHARED, 2);
    for (size_t i = 0; i < count; i++) {
        struct event event = sample_event(i);

        assert_int_equal(trace_writer_event(w, &event, &error), 0);
        if (flush_each)
            assert_int_equal(trace_writer_flush(w, &error), 0);
    }
    assert_int_equal(trace_writer_event_count(w), count);
}

void sample_make(const char *path, size_t count, bool streamed)
{
    struct trace_meta meta = sample_meta();
    struct trace_writer *w;
    struct rr_error error;

    assert_int_equal(trace_writer_open(streamed ? path : NULL, &meta, &w, &error), 0);
    sample_write(w, count, false);
    if (streamed)
        assert_int_equal(trace_writer_finish(w, &meta, &error), 0);
    else
        assert_int_equal(trace_writer_keep(w, path, &meta, &error), 0);
    trace_writer_close(w);
}

static bool same_bytes(const uint8_t *a, const uint8_t *b, uint64_t length)
{
    return length == 0 || memcmp(a, b, length) == 0;
}

static bool same_lists(const struct event *a, const struct event *b)
{
    for (size_t i = 0; i < a->write_count; i++) {
        const struct event_write *x = &a->writes[i], *y = &b->writes[i];

        if (x->address != y->address || x->length != y->length ||
            !same_bytes(x->data, y->data, x->length))
            return false;
    }
    for (size_t i = 0; i < a->map_count; i++) {
        const struct map_op *x = &a->maps[i], *y = &b->maps[i];

        if (x->kind != y->kind || x->address != y->address || x->length != y->length ||
            x->file != y->file || x->offset != y->offset || x->prot != y->prot)
            return false;
    }
    for (size_t i = 0; i < a->file_write_count; i++) {
        const struct event_file_write *x = &a->file_writes[i], *y = &b->file_writes[i];

        if (x->file != y->file || x->offset != y->offset || x->length != y->length ||
            !x->data != !y->data || (x->data && !same_bytes(x->data, y->data, x->length)))
            return false;
    }
    return true;
}

bool sample_same(const struct event *a, const struct event *b)
{
    return a->kind == b->kind && a->task == b->task && a->ticks == b->ticks &&
           a->steps == b->steps && a->atomics == b->atomics && a->clock == b->clock &&
           a->signal == b->signal && a->status == b->status && a->checksum == b->checksum &&
           memcmp(&a->before, &b->before, sizeof(a->before)) == 0 &&
           memcmp(&a->after, &b->after, sizeof(a->after)) == 0 &&
           a->xstate_length == b->xstate_length &&
           same_bytes(a->xstate, b->xstate, a->xstate_length) &&
           a->output.stream == b->output.stream && a->output.length == b->output.length &&
           same_bytes(a->output.data, b->output.data, a->output.length) &&
           a->write_count == b->write_count && a->map_count == b->map_count &&
           a->file_write_count == b->file_write_count && same_lists(a, b) && !a->note == !b->note &&
           (!a->note || strcmp(a->note, b->note) == 0);
}

static int check_events(struct trace_reader *r, size_t *ret_events, struct rr_error *error)
{
    struct event got, expected;
    int result;

    while ((result = trace_reader_next(r, &got, error)) > 0) {
        expected = sample_event(*ret_events);
        assert_true(sample_same(&expected, &got));
        assert_int_equal(trace_reader_position(r), ++*ret_events);
    }
    return result;
}

int sample_check(const char *path, size_t *ret_events, struct rr_error *error)
{
    struct trace_reader *r;
    int result;

    *ret_events = 0;
    result = trace_reader_open(path, &r, error);
    if (result)
        return result;
    result = check_events(r, ret_events, error);
    for (uint32_t id = 1; !result && id <= trace_reader_file_count(r); id++) {
        if (!trace_reader_file(r, id, error))
            result = error->code;
    }
    trace_reader_close(r);
    return result;
}

char *sample_directory(void)
{
    char *path = strdup("/tmp/rrtest-test-trace-XXXXXX");

    assert_non_null(path);
    assert_non_null(mkdtemp(path));
    return path;
}

static int remove_entry(const char *path, const struct stat *status, int type, struct FTW *where)
{
    (void)status;
    (void)type;
    (void)where;
    return remove(path);
}

void sample_remove(char *path)
{
    assert_int_equal(nftw(path, remove_entry, 16, FTW_DEPTH | FTW_PHYS), 0);
    free(path);
}

char *sample_path(const char *directory, const char *name)
{
    char *path;

    assert_true(asprintf(&path, "%s/%s", directory, name) > 0);
    return path;
}
