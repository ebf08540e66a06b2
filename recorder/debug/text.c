/* One event as a line of text or as JSON members. Names of calls, arguments and signals come from
 * recorder/syscalls; registers are those of the stop. */
#include "recorder/debug/text.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "recorder/base/text.h"
#include "recorder/debug/text_calls.h"
#include "recorder/syscalls/syscalls.h"
#include "recorder/trace/json.h"

#define SHOWN_WRITES 4
#define SHOWN_OUTPUT 60
#define CALL_TEXT_MAX 1024

static const char *const map_names[] = {
    [MAP_OP_RESET] = "reset",     [MAP_OP_MAP] = "map",     [MAP_OP_UNMAP] = "unmap",
    [MAP_OP_PROTECT] = "protect", [MAP_OP_REMAP] = "remap", [MAP_OP_RANGE] = "range",
    [MAP_OP_ADVISE] = "advise",
};
static_assert(sizeof(map_names) / sizeof(map_names[0]) == MAP_OP_KIND_COUNT,
              "every kind has a name");

/* By struct event's counter. */
static const char *const trapped_names[] = {"ticks trapped", "atomics trapped", "nothing trapped"};

void text_status(struct bytes *b, int32_t status)
{
    if (WIFEXITED(status))
        text_format(b, "exit %d", WEXITSTATUS(status));
    else if (WIFSIGNALED(status))
        text_format(b, "signal %s", syscall_signal_name(WTERMSIG(status)));
    else
        text_format(b, "status 0x%x", (unsigned)status);
}

static void call_arguments(const struct event *e, uint64_t ret[6])
{
    const struct user_regs_struct *r = &e->before;
    const uint64_t arguments[6] = {r->rdi, r->rsi, r->rdx, r->r10, r->r8, r->r9};

    memcpy(ret, arguments, sizeof(arguments));
}

static void put_call(struct bytes *b, const struct event *e)
{
    uint64_t arguments[6];
    char text[CALL_TEXT_MAX];

    call_arguments(e, arguments);
    syscall_format(e->before.orig_rax, arguments, NULL, text, sizeof(text));
    text_format(b, "%s", text);
}

static void put_result(struct bytes *b, const struct event *e)
{
    char text[64];

    syscall_format_result(e->before.orig_rax, (int64_t)e->after.rax, text, sizeof(text));
    text_format(b, "%s", text);
}

/* ---- lines ---- */

static void put_kind_details(struct bytes *b, const struct event *e)
{
    switch (e->kind) {
    case EVENT_SYSCALL:
    case EVENT_EXEC:
        text_format(b, " ");
        put_call(b, e);
        text_format(b, " = ");
        put_result(b, e);
        if (e->entered)
            text_format(b, " (was parked)");
        if (e->child)
            text_format(b, " [new task %" PRIu32 ", flags 0x%" PRIx64 "]", e->child,
                        e->clone_flags);
        break;
    case EVENT_ENTRY:
        text_format(b, " ");
        put_call(b, e);
        text_format(b, " parked");
        break;
    case EVENT_PREEMPT:
        text_format(b, " ip 0x%llx, %s, %zu steps on", e->before.rip,
                    trapped_names[e->counter < 3 ? e->counter : 2], e->steps + e->move_count);
        break;
    case EVENT_FAULT:
    case EVENT_SIGNAL:
        text_format(b, " %s at ip 0x%llx", syscall_signal_name(e->signal), e->before.rip);
        break;
    case EVENT_EXIT:
    case EVENT_END:
        text_format(b, " ");
        text_status(b, e->status);
        break;
    case EVENT_CHECKSUM:
        text_format(b, " %016" PRIx64, e->checksum);
        break;
    case EVENT_BUFFERED:
        text_buffered(b, e);
        break;
    case EVENT_PATCH:
        text_format(b, " %s, call at 0x%" PRIx64, patch_word_name((enum patch_word)e->patch.word),
                    e->patch.instruction);
        if (e->patch.by)
            text_format(b, ", by task %" PRIu32, e->patch.by);
        break;
    default:
        text_format(b, " ip 0x%llx", e->after.rip);
    }
}

static void put_prot(struct bytes *b, uint32_t prot)
{
    text_format(b, " %c%c%c", prot & PROT_READ ? 'r' : '-', prot & PROT_WRITE ? 'w' : '-',
                prot & PROT_EXEC ? 'x' : '-');
}

static void put_maps(struct bytes *b, const struct event *e)
{
    for (size_t i = 0; i < e->map_count; i++) {
        const struct map_op *m = &e->maps[i];

        text_format(b, "%s%s", i ? "; " : " [", map_names[m->kind]);
        if (m->kind == MAP_OP_RESET)
            continue;
        text_format(b, " %" PRIx64 "-%" PRIx64, m->address, m->address + m->length);
        if (m->kind == MAP_OP_REMAP)
            text_format(b, " to %" PRIx64 "-%" PRIx64, m->new_address,
                        m->new_address + m->new_length);
        if (m->kind == MAP_OP_MAP || m->kind == MAP_OP_PROTECT)
            put_prot(b, m->prot);
        if (m->kind == MAP_OP_MAP)
            text_format(b, "%s", m->flags & MAP_SHARED ? "s" : "p");
        if (m->file)
            text_format(b, " file %" PRIu32 "+0x%" PRIx64, m->file, m->offset);
    }
    if (e->map_count)
        text_format(b, "]");
}

static void put_writes(struct bytes *b, const struct event *e)
{
    uint64_t total = 0;

    for (size_t i = 0; i < e->write_count; i++)
        total += e->writes[i].length;
    if (e->write_count)
        text_format(b, " [%zu write%s, %" PRIu64 " bytes:", e->write_count,
                    e->write_count == 1 ? "" : "s", total);
    for (size_t i = 0; i < e->write_count && i < SHOWN_WRITES; i++)
        text_format(b, " %" PRIx64 "+%" PRIu64, e->writes[i].address, e->writes[i].length);
    if (e->write_count)
        text_format(b, "%s]", e->write_count > SHOWN_WRITES ? " ..." : "");
    for (size_t i = 0; i < e->file_write_count; i++) {
        const struct event_file_write *w = &e->file_writes[i];

        if (w->data)
            text_format(b, " [file %" PRIu32 ": %" PRIu64 " bytes at %" PRIu64 "]", w->file,
                        w->length, w->offset);
        else
            text_format(b, " [file %" PRIu32 ": size %" PRIu64 "]", w->file, w->length);
    }
}

static void put_output(struct bytes *b, const struct event *e)
{
    uint64_t shown = e->output.length < SHOWN_OUTPUT ? e->output.length : SHOWN_OUTPUT;

    if (!e->output.stream)
        return;
    text_format(b, " [%s %" PRIu64 " bytes: ", e->output.stream == 1 ? "stdout" : "stderr",
                e->output.length);
    for (uint64_t i = 0; i < shown; i++) {
        uint8_t c = e->output.data[i];

        if (c == '\n')
            text_format(b, "\\n");
        else if (c < 0x20 || c >= 0x7f || c == '\\')
            text_format(b, "\\x%02x", c);
        else
            text_format(b, "%c", c);
    }
    text_format(b, "%s]", shown < e->output.length ? "..." : "");
}

void text_event(struct bytes *b, const struct event *e)
{
    text_format(b, "%s", event_kind_name(e->kind));
    put_kind_details(b, e);
    put_maps(b, e);
    if (e->kind != EVENT_BUFFERED)
        put_writes(b, e);
    if (e->xstate)
        text_format(b, " [xstate %" PRIu32 " bytes]", e->xstate_length);
    put_output(b, e);
    if (e->note)
        text_format(b, " # %s", e->note);
}

/* ---- JSON ---- */

static void put_call_json(struct bytes *b, const struct event *e)
{
    const struct syscall_row *row = syscall_row_by_number(e->before.orig_rax);
    uint64_t arguments[6];
    struct bytes call = {0};

    call_arguments(e, arguments);
    text_format(b, ", \"number\": %llu, \"name\": ", e->before.orig_rax);
    if (row)
        json_put_string(b, row->name);
    else
        text_format(b, "null");
    text_format(b, ", \"arguments\": [");
    for (int i = 0; i < 6; i++)
        text_format(b, "%s%" PRIu64, i ? ", " : "", arguments[i]);
    text_format(b, "], \"text\": ");
    put_call(&call, e);
    bytes_append(&call, "", 1);
    json_put_string(b, (const char *)call.data);
    bytes_done(&call);
    if (e->kind == EVENT_ENTRY)
        return;
    text_format(b, ", \"result\": %lld, \"entered\": %s", (long long)e->after.rax,
                e->entered ? "true" : "false");
    if (e->child)
        text_format(b, ", \"child\": %" PRIu32 ", \"clone_flags\": %" PRIu64, e->child,
                    e->clone_flags);
}

static void put_place_json(struct bytes *b, const struct event *e)
{
    static const char *const counters[] = {"ticks", "atomics", "none"};

    text_format(b, ", \"counter\": \"%s\", \"steps\": %" PRIu32 ", \"moves\": [",
                counters[e->counter < 3 ? e->counter : 2], e->steps);
    for (size_t i = 0; i < e->move_count; i++)
        text_format(b, "%s%" PRIu64, i ? ", " : "", e->moves[i]);
    text_format(b, "]");
}

static void put_maps_json(struct bytes *b, const struct event *e)
{
    text_format(b, ", \"maps\": [");
    for (size_t i = 0; i < e->map_count; i++) {
        const struct map_op *m = &e->maps[i];

        text_format(b, "%s{\"op\": \"%s\"", i ? ", " : "", map_names[m->kind]);
        if (m->kind != MAP_OP_RESET)
            text_format(b, ", \"address\": %" PRIu64 ", \"length\": %" PRIu64, m->address,
                        m->length);
        if (m->kind == MAP_OP_REMAP)
            text_format(b, ", \"new_address\": %" PRIu64 ", \"new_length\": %" PRIu64,
                        m->new_address, m->new_length);
        if (m->kind == MAP_OP_MAP || m->kind == MAP_OP_PROTECT)
            text_format(b, ", \"prot\": %" PRIu32, m->prot);
        if (m->kind == MAP_OP_MAP)
            text_format(b, ", \"flags\": %" PRIu32 ", \"file\": %" PRIu32 ", \"offset\": %" PRIu64,
                        m->flags, m->file, m->offset);
        text_format(b, "}");
    }
    text_format(b, "]");
}

static void put_writes_json(struct bytes *b, const struct event *e)
{
    text_format(b, ", \"writes\": [");
    for (size_t i = 0; i < e->write_count; i++)
        text_format(b, "%s{\"address\": %" PRIu64 ", \"length\": %" PRIu64 "}", i ? ", " : "",
                    e->writes[i].address, e->writes[i].length);
    text_format(b, "]");
}

static void put_file_writes_json(struct bytes *b, const struct event *e)
{
    text_format(b, ", \"file_writes\": [");
    for (size_t i = 0; i < e->file_write_count; i++) {
        const struct event_file_write *w = &e->file_writes[i];

        text_format(b, "%s{\"file\": %" PRIu32, i ? ", " : "", w->file);
        if (w->data)
            text_format(b, ", \"offset\": %" PRIu64 ", \"length\": %" PRIu64 "}", w->offset,
                        w->length);
        else
            text_format(b, ", \"size\": %" PRIu64 "}", w->length);
    }
    text_format(b, "]");
}

void text_event_json(struct bytes *b, const struct event *e)
{
    text_format(b, "\"kind\": \"%s\", \"ip\": %llu, \"sp\": %llu", event_kind_name(e->kind),
                e->before.rip, e->before.rsp);
    if (e->kind == EVENT_SYSCALL || e->kind == EVENT_ENTRY || e->kind == EVENT_EXEC)
        put_call_json(b, e);
    if (e->kind == EVENT_BUFFERED)
        text_buffered_json(b, e);
    if (e->kind == EVENT_PREEMPT)
        put_place_json(b, e);
    if (e->patch.word)
        text_format(b,
                    ", \"decision\": \"%s\", \"instruction\": %" PRIu64 ", \"start\": %" PRIu64
                    ", \"length\": %" PRIu32 ", \"by\": %" PRIu32,
                    patch_word_name((enum patch_word)e->patch.word), e->patch.instruction,
                    e->patch.start, e->patch.length, e->patch.by);
    if (e->signal)
        text_format(b, ", \"signal\": \"%s\"", syscall_signal_name(e->signal));
    if (e->kind == EVENT_EXIT || e->kind == EVENT_END)
        text_format(b, ", \"status\": %" PRId32, e->status);
    if (e->kind == EVENT_CHECKSUM)
        text_format(b, ", \"checksum\": \"%016" PRIx64 "\"", e->checksum);
    if (e->xstate)
        text_format(b, ", \"xstate_length\": %" PRIu32, e->xstate_length);
    if (e->map_count)
        put_maps_json(b, e);
    if (e->write_count)
        put_writes_json(b, e);
    if (e->file_write_count)
        put_file_writes_json(b, e);
    if (e->output.stream)
        text_format(b, ", \"output\": {\"stream\": %d, \"length\": %" PRIu64 "}", e->output.stream,
                    e->output.length);
    if (e->note) {
        text_format(b, ", \"note\": ");
        json_put_string(b, e->note);
    }
}
