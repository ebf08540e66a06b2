/* Events on their way into the trace: one is built at a time. Memory effects are read from the
 * tracee at the moment they are added, so the order of emit calls is the order of replay. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>

#include "recorder/record/buffered.h"
#include "recorder/record/patches.h"
#include "recorder/record/session.h"
#include "recorder/record/walk.h"
#include "recorder/tracee/memsum.h"

#define BUILDING_KEPT (16u << 20)
#define CHECKSUM_EVERY 256 /* events; issue: checksums of written memory every 256 events */

struct event *emit_begin(struct session *s, struct task *t, enum event_kind kind)
{
    struct event *e = &s->building.event;

    buffered_emit(s);
    memset(e, 0, sizeof(*e));
    if (s->building.data.capacity > BUILDING_KEPT) /* one huge read shall not be held for ever */
        bytes_done(&s->building.data);
    bytes_clear(&s->building.data);
    e->kind = kind;
    e->task = t->id;
    e->ticks = t->ticks;
    e->atomics = t->atomics;
    e->before = t->regs;
    e->after = t->regs;
    e->clock = clock_now(s->clock);
    return e;
}

void emit_remember(struct session *s, uint64_t address, uint64_t length)
{
    s->recent[s->recent_count % 64][0] = address;
    s->recent[s->recent_count % 64][1] = length;
    s->recent_count++;
}

static void add_write(struct session *s, uint64_t address, uint64_t length)
{
    struct event *e = &s->building.event;

    if (e->write_count == s->building.write_capacity) {
        s->building.write_capacity = s->building.write_capacity * 2 + 16;
        s->building.writes =
            realloc(s->building.writes, s->building.write_capacity * sizeof(struct event_write));
        if (!s->building.writes)
            abort();
    }
    s->building.writes[e->write_count++] = (struct event_write){address, length, NULL};
    if (e->kind != EVENT_BUFFERED)
        emit_remember(s, address, length);
}

void emit_memory(struct session *s, struct task *t, uint64_t address, uint64_t length)
{
    uint8_t *at;
    size_t got;

    if (length == 0 || !s->trace)
        return;
    at = bytes_extend(&s->building.data, length);
    got = tracee_read(t->tid, address, at, length) == 0
              ? length
              : tracee_read_some(t->tid, address, at, length);
    s->building.data.length -= length - got;
    if (got > 0)
        add_write(s, address, got);
}

/* Since Linux 6.5 process_vm_writev does not grow a stack; a copy by the kernel in the task's own
 * name does (mm/gup.c, "GUP does not expand the stack"). */
static bool grow_stack(struct session *s, struct task *t, uint64_t address)
{
    const struct map_entry *above = maps_above(&t->space->maps, address);
    struct user_regs_struct saved = t->regs;
    int64_t result;

    while (above && !(above->flags & MAP_GROWSDOWN))
        above = maps_above(&t->space->maps, above->end);
    if (!above || address < 1 << 20 || above->start - address > 1ull << 30)
        return false;
    if (t->call.active)
        t->call.stop_lost = true;
    if (task_call(s, t, SYS_clock_gettime, (uint64_t[6]){CLOCK_MONOTONIC, address & ~15ull},
                  &result))
        return false;
    t->regs = saved;
    t->regs_dirty = true;
    return result == 0;
}

int emit_poke(struct session *s, struct task *t, uint64_t address, const void *data,
              uint64_t length)
{
    int error = tracee_write(t->tid, address, data, length);

    if (error == -EFAULT && grow_stack(s, t, address))
        error = tracee_write(t->tid, address, data, length);
    if (error)
        return error;
    emit_copy(s, address, data, length);
    return 0;
}

void emit_bytes(struct session *s, uint64_t address, const void *data, uint64_t length)
{
    if (!s->trace)
        return;
    add_write(s, address, length);
    s->building.writes[s->building.event.write_count - 1].data = data;
}

void emit_copy(struct session *s, uint64_t address, const void *data, uint64_t length)
{
    if (!s->trace)
        return;
    bytes_append(&s->building.data, data, length);
    add_write(s, address, length);
}

void emit_map(struct session *s, struct task *t, const struct map_op *op)
{
    emit_map_applied(s, op);
    maps_apply(&t->space->maps, op);
}

void emit_map_applied(struct session *s, const struct map_op *op)
{
    struct event *e = &s->building.event;

    if (e->map_count == s->building.map_capacity) {
        s->building.map_capacity = s->building.map_capacity * 2 + 16;
        s->building.maps = realloc(s->building.maps, s->building.map_capacity * sizeof(*op));
        if (!s->building.maps)
            abort();
    }
    s->building.maps[e->map_count++] = *op;
}

void emit_file_write(struct session *s, uint32_t file, uint64_t offset, const void *data,
                     uint64_t length)
{
    struct event *e = &s->building.event;
    uint8_t *copy = NULL;

    if (e->file_write_count == s->building.file_write_capacity) {
        s->building.file_write_capacity = s->building.file_write_capacity * 2 + 4;
        s->building.file_writes =
            realloc(s->building.file_writes,
                    s->building.file_write_capacity * sizeof(struct event_file_write));
        if (!s->building.file_writes)
            abort();
    }
    if (data) {
        copy = malloc(length ? length : 1);
        if (!copy)
            abort();
        memcpy(copy, data, length);
    }
    s->building.file_writes[e->file_write_count++] =
        (struct event_file_write){file, offset, length, copy};
}

void emit_output(struct session *s, int stream, const void *data, uint64_t length)
{
    s->building.event.output = (struct event_output){stream, data, length};
}

void emit_xstate(struct session *s, const uint8_t *data, size_t length)
{
    s->building.event.xstate = data;
    s->building.event.xstate_length = (uint32_t)length;
}

static void append(struct session *s, const struct event *e)
{
    s->result->statistics.events++;
    /* without its trace the run still has a verdict */
    if (s->trace && trace_writer_event(s->trace, e, s->error) < 0 && !trace_writer_lost(s->trace))
        session_fail(s, RECORD_VERDICT_UNSUPPORTED, "the trace cannot be written: %s",
                     s->error ? s->error->message : "");
}

/* Sums what the last events wrote, as it stands now, and the top of the stack. */
static void append_checksum(struct session *s, struct task *t, bool all)
{
    struct event e = {
        .kind = EVENT_CHECKSUM, .task = t->id, .ticks = t->ticks, .atomics = t->atomics};
    size_t count = s->recent_count < 64 ? s->recent_count : 64;
    struct event_write ranges[65];
    size_t n = 0;

    e.before = e.after = t->regs;
    e.clock = clock_now(s->clock);
    if (all) {
        e.checksum = memsum_writable(t->tid, &t->space->maps);
        e.note = "all";
    } else {
        uint64_t sum = 1;

        for (size_t i = 0; i < count; i++) {
            uint64_t at = s->recent[i][0], length = s->recent[i][1];
            const struct map_entry *m = maps_find(&t->space->maps, at);

            if (!m || !(m->prot & 1))
                continue;
            if (length > 65536)
                length = 65536;
            ranges[n++] = (struct event_write){at, length, NULL};
            sum = memsum_range(t->tid, at, length, sum);
        }
        ranges[n++] = (struct event_write){t->regs.rsp, 4096, NULL};
        sum = memsum_range(t->tid, t->regs.rsp, 4096, sum);
        e.checksum = sum;
    }
    struct map_op ops[65];

    for (size_t i = 0; i < n; i++)
        ops[i] = (struct map_op){
            .kind = MAP_OP_RANGE, .address = ranges[i].address, .length = ranges[i].length};
    e.maps = ops;
    e.map_count = n;
    append(s, &e);
}

void emit_end(struct session *s, struct task *t)
{
    emit_end_registers(s, t, &t->regs);
}

void emit_end_registers(struct session *s, struct task *t, const struct user_regs_struct *after)
{
    struct event *e = &s->building.event;
    const uint8_t *at = s->building.data.data;
    /* what a buffered call wrote is there only when the task has run on, in replay */
    bool last = e->kind == EVENT_EXIT || e->kind == EVENT_BUFFERED;

    e->after = *after;
    e->writes = s->building.writes;
    e->maps = s->building.maps;
    e->file_writes = s->building.file_writes;
    for (size_t i = 0; i < e->write_count; i++) {
        if (e->writes[i].data)
            continue;
        e->writes[i].data = at;
        at += e->writes[i].length;
    }
    t->needs_event = false;
    append(s, e);
    for (size_t i = 0; i < e->file_write_count; i++)
        free((void *)(uintptr_t)e->file_writes[i].data);
    if (s->trace && !last && ++s->events_since_checksum >= CHECKSUM_EVERY) {
        s->events_since_checksum = 0;
        append_checksum(s, t, false);
    }
    if (e->kind != EVENT_BUFFERED)
        patches_emit(s);
}

void emit_memory_checksum(struct session *s, struct task *t)
{
    if (s->trace)
        append_checksum(s, t, true);
}

void emit_position(struct session *s, struct task *t)
{
    struct event *e;

    if (!t->needs_event)
        return;
    e = emit_begin(s, t, EVENT_PREEMPT);
    walk_position(t, e);
    emit_end(s, t);
}

void emit_entry(struct session *s, struct task *t)
{
    struct call *c = &t->call;

    if (!t->needs_event || !c->active || c->entered)
        return;
    emit_begin(s, t, EVENT_ENTRY);
    s->building.event.before = c->before;
    c->entered = true;
    emit_end_registers(s, t, &c->before);
}
