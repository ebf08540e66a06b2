/* Dispositions and masks, which the recorder models: handlers change its page, and it takes the
 * change over at the task's next stop. Only while no signal is pending: else the recorder has to
 * look. */
#include <errno.h>
#include <signal.h>

#include "recorder/blob/handlers.h"

#define BIT(signal) (1ull << ((signal)-1))
#define UNBLOCKABLE (BIT(SIGKILL) | BIT(SIGSTOP))
#define SIGNAL_MAX 64
#define SET_SIZE 8

struct action {
    uint64_t handler, flags, restorer, mask;
};

/* Flags that mean something to the kernel (SA_* of sigaction(2)); others are cleared by it. */
#define KNOWN_FLAGS 0xdc000807ull

int64_t blob_rt_sigaction(const struct blob_frame *f)
{
    uint64_t signal = f->argument[0];
    struct action *table = (struct action *)(uintptr_t)RECORDER_ACTIONS;
    const struct action *wanted = (const struct action *)(uintptr_t)f->argument[1];
    struct action *old = (struct action *)(uintptr_t)f->argument[2];
    struct action before, after;
    struct record r;

    if (signal < 1 || signal > SIGNAL_MAX || f->argument[3] != SET_SIZE ||
        !blob_may(f, 0, 2 * (RING_SEGMENT + sizeof(before))))
        return BLOB_DECLINE;
    before = after = table[signal - 1];
    if (wanted) {
        after = *wanted;
        if (signal == SIGKILL || signal == SIGSTOP || (after.flags & ~KNOWN_FLAGS))
            return BLOB_DECLINE;
        after.mask &= ~UNBLOCKABLE;
    }
    if (old)
        *old = before;
    table[signal - 1] = after;
    r = record_begin(f, 0);
    if (wanted)
        record_add(&r, 0, &after, sizeof(after));
    if (old)
        record_add(&r, f->argument[2], &before, sizeof(before));
    return record_end(&r, 0);
}

int64_t blob_rt_sigprocmask(const struct blob_frame *f)
{
    const uint64_t *wanted = (const uint64_t *)(uintptr_t)f->argument[1];
    uint64_t *old = (uint64_t *)(uintptr_t)f->argument[2];
    uint64_t before = page_get(PAGE_SIGNAL_MASK), after = before;
    struct record r;

    if (f->argument[3] != SET_SIZE || !blob_may(f, 0, RING_SEGMENT + SET_SIZE))
        return BLOB_DECLINE;
    if (wanted) {
        uint64_t set = *wanted & ~UNBLOCKABLE;

        switch ((int)f->argument[0]) {
        case SIG_BLOCK:
            after |= set;
            break;
        case SIG_UNBLOCK:
            after &= ~set;
            break;
        case SIG_SETMASK:
            after = set;
            break;
        default:
            return BLOB_DECLINE;
        }
    }
    if (old)
        *old = before;
    page_set(PAGE_SIGNAL_MASK, after);
    r = record_begin(f, 0);
    if (old)
        record_add(&r, f->argument[2], &before, SET_SIZE);
    return record_end(&r, 0);
}

/* ---- the alternate stack ------------------------------------------------------------------- */

#define MINIMUM 2048 /* MINSIGSTKSZ of the kernel */

struct stack {
    uint64_t address;
    uint32_t flags, zero;
    uint64_t size;
};

/* Without a stack that the kernel has conditions for: one set or taken away while on no such one.
 */
int64_t blob_sigaltstack(const struct blob_frame *f)
{
    const struct stack *wanted = (const struct stack *)(uintptr_t)f->argument[0];
    struct stack *old = (struct stack *)(uintptr_t)f->argument[1];
    struct stack before = {page_get(PAGE_ALTSTACK), 0, 0, page_get(PAGE_ALTSTACK + 8)}, after;
    uint64_t sp = page_get(PAGE_CALL_RSP);
    struct record r;

    if (sp - before.address <= before.size || !blob_may(f, 0, 2 * (RING_SEGMENT + sizeof(after))))
        return BLOB_DECLINE;
    before.flags = before.size ? 0 : SS_DISABLE;
    after = before;
    if (wanted) {
        after = *wanted;
        if ((after.flags && after.flags != SS_DISABLE) ||
            (!after.flags && after.size < 2 * MINIMUM))
            return BLOB_DECLINE;
        if (after.flags)
            after.address = after.size = 0;
    }
    if (old)
        *old = before;
    page_set(PAGE_ALTSTACK, after.address);
    page_set(PAGE_ALTSTACK + 8, after.size);
    r = record_begin(f, 0);
    if (old)
        record_add(&r, f->argument[1], &before, sizeof(before));
    return record_end(&r, 0);
}
