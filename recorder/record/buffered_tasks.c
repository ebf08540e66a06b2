/* Buffered calls as events, and tasks that stop inside a handler. */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>

#include "include/rrtest/recorder_page.h"
#include "recorder/base/log.h"
#include "recorder/blob/blob.h"
#include "recorder/record/buffered_state.h"
#include "recorder/record/signal.h"

/* ---- events -------------------------------------------------------------------------------- */

void buffered_new_piece(struct buffered *b, uint64_t start)
{
    size_t n = b->piece_count;

    if (n == b->piece_capacity) {
        b->piece_capacity = b->piece_capacity * 2 + 4;
        b->piece = realloc(b->piece, b->piece_capacity * sizeof(*b->piece));
        if (!b->piece)
            abort();
    }
    b->piece[n] = (struct buffered_piece){.end = start,
                                          .output_end = n ? b->piece[n - 1].output_end : 0,
                                          .map_end = n ? b->piece[n - 1].map_end : 0};
    b->piece_count++;
}

static void emit_piece(struct session *s, size_t index)
{
    static const struct buffered_piece none;
    struct buffered *b = s->buffered;
    const struct buffered_piece *p = &b->piece[index], *before = index ? p - 1 : &none;
    const uint8_t *ring = s->area.page + (RECORDER_RING - RECORDER_PAGE_ADDRESS);
    bool needs_event = b->task->needs_event;

    emit_begin(s, b->task, EVENT_BUFFERED);
    emit_bytes(s, RECORDER_RING + before->end, ring + before->end, p->end - before->end);
    for (size_t i = before->map_end; i < p->map_end; i++)
        emit_map_applied(s, &b->maps[i]);
    if (p->stream)
        emit_output(s, p->stream, b->output.data + before->output_end,
                    p->output_end - before->output_end);
    emit_end(s, b->task);
    b->task->needs_event = needs_event;
}

void buffered_emit(struct session *s)
{
    struct buffered *b = s->buffered;

    if (!b || b->absorbed == 0 || b->emitting)
        return;
    b->emitting = true;
    for (size_t i = 0; i < b->piece_count; i++)
        emit_piece(s, i);
    b->emitting = false;
    b->absorbed = 0;
    b->map_count = b->piece_count = 0;
    bytes_clear(&b->output);
    *tracee_page_word(&s->area, PAGE_RING_USED) = 0;
}

/* ---- stops inside -------------------------------------------------------------------------- */

bool buffered_inside(const struct task *t)
{
    uint64_t start = blob_address(BLOB_ENTRY_CALL);

    return t->regs.rip - start < RECORDER_BLOB_ADDRESS + RECORDER_BLOB_SIZE - start;
}

void buffered_leave(struct session *s, struct task *t)
{
    struct blob_frame f;
    uint64_t top = RECORDER_STACK_TOP - RECORDER_PAGE_ADDRESS;

    if (t->regs.rip < blob_address(BLOB_ENTRY_FRAME)) { /* nothing can fail there */
        t->regs.rip = t->regs.rcx;
        if (t->regs.rsp <= RECORDER_STACK_TOP && t->regs.rsp > RECORDER_STACK_BOTTOM)
            t->regs.rsp = (uint64_t)*tracee_page_word(&s->area, PAGE_CALL_RSP);
        return;
    }
    memcpy(&f, s->area.page + top - sizeof(f), sizeof(f));
    t->regs.rax = f.number;
    t->regs.rdi = f.argument[0];
    t->regs.rsi = f.argument[1];
    t->regs.rdx = f.argument[2];
    t->regs.r10 = f.argument[3];
    t->regs.r8 = f.argument[4];
    t->regs.r9 = f.argument[5];
    t->regs.rbx = f.rbx;
    t->regs.rbp = f.rbp;
    t->regs.r12 = f.r12;
    t->regs.r13 = f.r13;
    t->regs.r14 = f.r14;
    t->regs.r15 = f.r15;
    t->regs.rcx = t->regs.rip = f.resume;
    t->regs.rsp = (uint64_t)*tracee_page_word(&s->area, PAGE_CALL_RSP);
    t->regs.eflags = (t->regs.eflags & ~0xcd5ull) | (f.flags >> 8 & 0xd5) | (f.flags & 1) << 11;
    t->regs.orig_rax = (unsigned long long)-1;
    t->regs_dirty = true;
}

void buffered_rescue(struct task *t)
{
    ptrace(PTRACE_INTERRUPT, t->tid, 0, 0);
}

static bool was_interrupted(const struct task *t)
{
    int64_t result = (int64_t)t->regs.rax;

    return t->regs.rip == blob_address(BLOB_ENTRY_UNTRACED) + 2 &&
           (result == -EINTR || result == -512 || result == -513 || result == -514 ||
            result == -516);
}

bool buffered_goes_on(struct session *s, struct task *t, const struct stop *stop)
{
    siginfo_t info;
    bool fault = false;

    if ((stop->kind != STOP_SIGNAL && stop->kind != STOP_INITIAL) || !buffered_inside(t))
        return false;
    memset(&info, 0, sizeof(info));
    if (stop->kind == STOP_SIGNAL && ptrace(PTRACE_GETSIGINFO, t->tid, 0, &info) == 0) {
        fault = (stop->signal == SIGSEGV || stop->signal == SIGBUS) && info.si_code > 0;
        if (!fault && stop->signal != SIGTRAP) {
            volatile int64_t *ticks = tracee_page_word(&s->area, PAGE_TICKS);

            signal_from_outside(s, t, &info);
            t->ticks_loaded -= *ticks; /* the next one traps */
            *ticks = 0;
        }
    }
    if (fault || was_interrupted(t)) {
        log_debug("task %u: call %lu is taken away from its handler", t->id,
                  (unsigned long)t->regs.orig_rax);
        s->result->statistics.syscalls_rescued += !fault;
        buffered_leave(s, t);
        if (task_flush(t) < 0)
            return false;
    }
    s->result->statistics.stops++;
    return ptrace(PTRACE_CONT, t->tid, 0, 0) == 0;
}
