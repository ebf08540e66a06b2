/* What replay finds against what was recorded. */
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "recorder/base/types.h"
#include "recorder/replay/session.h"
#include "recorder/tracee/memsum.h"

/* Not compared. A tick subtracts from its counter where the arithmetic flags are dead, so they
 * depend on how far the counter was from its trap, which replay need not repeat; what lives by them
 * shows elsewhere. The trap flag is the tracer's, the resume flag comes and goes with the kind of
 * stop. */
#define FLAGS_ARITHMETIC 0x8d5ull
#define FLAG_TF (1ull << 8)
#define FLAG_RF (1ull << 16)
#define FLAGS_IGNORED (FLAGS_ARITHMETIC | FLAG_TF | FLAG_RF)

static const struct register_row {
    const char *name;
    size_t offset;
    bool position; /* tells where the task is */
} registers[] = {
#define ROW(name, position)                                      \
    {                                                            \
#name, offsetof(struct user_regs_struct, name), position \
    }
    ROW(rip, true),      ROW(orig_rax, true), ROW(rsp, true),     ROW(rax, false),
    ROW(rbx, false),     ROW(rcx, false),     ROW(rdx, false),    ROW(rsi, false),
    ROW(rdi, false),     ROW(rbp, false),     ROW(r8, false),     ROW(r9, false),
    ROW(r10, false),     ROW(r11, false),     ROW(r12, false),    ROW(r13, false),
    ROW(r14, false),     ROW(r15, false),     ROW(eflags, false), ROW(fs_base, false),
    ROW(gs_base, false), ROW(cs, false),      ROW(ss, false),     ROW(ds, false),
    ROW(es, false),      ROW(fs, false),      ROW(gs, false),
#undef ROW
};

#define IS(row, name) ((row)->offset == offsetof(struct user_regs_struct, name))

/* call: the stop is that of a `syscall` instruction, which has put the flags into r11. */
static uint64_t value_of(const struct register_row *row, const struct user_regs_struct *regs,
                         bool call)
{
    uint64_t value;

    memcpy(&value, (const char *)regs + row->offset, sizeof(value));
    if (IS(row, eflags) || (call && IS(row, r11)))
        value &= ~FLAGS_IGNORED;
    return value;
}

int replay_compare_registers(struct replay_session *r, const struct replay_task *t, bool all,
                             bool call)
{
    char text[512] = "";
    size_t length = 0, count = 0;

    for (size_t i = 0; i < sizeof(registers) / sizeof(*registers); i++) {
        const struct register_row *row = &registers[i];
        uint64_t expected = value_of(row, &r->event->before, call);
        uint64_t got = value_of(row, &t->regs, call);

        if (expected == got || (!all && !row->position) || (!call && IS(row, orig_rax)))
            continue;
        if (count++ < 6)
            length += (size_t)snprintf(text + length, sizeof(text) - length,
                                       "%s%s: expected %#lx, got %#lx", count > 1 ? "; " : "",
                                       row->name, (unsigned long)expected, (unsigned long)got);
    }
    if (count == 0)
        return 0;
    if (count > 6)
        snprintf(text + length, sizeof(text) - length, "; and %zu more", count - 6);
    return replay_diverged(r, "registers differ: %s", text);
}

int replay_compare_memory(struct replay_session *r, struct replay_task *t)
{
    const struct event *e = r->event;
    uint64_t sum = 1;
    size_t ranges = 0;

    for (size_t i = 0; i < e->map_count; i++) {
        if (e->maps[i].kind != MAP_OP_RANGE)
            continue;
        ranges++;
        sum = memsum_range(t->tid, e->maps[i].address, e->maps[i].length, sum);
    }
    if (ranges == 0)
        sum = memsum_writable(t->tid, &t->space->maps);
    if (sum == e->checksum)
        return 0;
    if (ranges == 0)
        return replay_diverged(
            r, "memory differs: checksum of all writable memory: expected %#lx, got %#lx",
            (unsigned long)e->checksum, (unsigned long)sum);
    return replay_diverged(
        r, "memory differs: checksum of %zu ranges that were written last: expected %#lx, got %#lx",
        ranges, (unsigned long)e->checksum, (unsigned long)sum);
}
