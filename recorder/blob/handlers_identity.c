/* What the page knows without asking the kernel: who the task is, what time it is, that nobody
 * waits. */
#include <errno.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>

#include "recorder/blob/handlers.h"

#define NS 1000000000ull
#define COARSE_NS 4000000ull

static int64_t from_page(const struct blob_frame *f, unsigned offset)
{
    if (!blob_may(f, 0, 0))
        return BLOB_DECLINE;
    return blob_answer(f, (int64_t)page_get(offset));
}

int64_t blob_getpid(const struct blob_frame *f)
{
    return from_page(f, PAGE_PID);
}

int64_t blob_gettid(const struct blob_frame *f)
{
    return from_page(f, PAGE_TID);
}

int64_t blob_getppid(const struct blob_frame *f)
{
    return from_page(f, PAGE_PARENT);
}

int64_t blob_credential(const struct blob_frame *f)
{
    if (!blob_may(f, 0, 0))
        return BLOB_DECLINE;
    return blob_answer(f, blob_pass(f));
}

#define UTSNAME_SIZE 390

int64_t blob_uname(const struct blob_frame *f)
{
    int64_t result;
    struct record r;

    if (!blob_may(f, 0, RING_SEGMENT + UTSNAME_SIZE))
        return BLOB_DECLINE;
    result = blob_pass(f);
    r = record_begin(f, 0);
    if (result == 0)
        record_add(&r, f->argument[0], (const void *)(uintptr_t)f->argument[0], UTSNAME_SIZE);
    return record_end(&r, result);
}

int64_t blob_sched_yield(const struct blob_frame *f)
{
    if (!blob_may(f, PAGE_SWITCH_ALONE, 0))
        return BLOB_DECLINE;
    return blob_answer(f, 0);
}

/* ---- time ---------------------------------------------------------------------------------- */

/* Virtual ns at the end of this call. */
static uint64_t now(void)
{
    return page_get(PAGE_CLOCK) +
           (page_get(PAGE_CLOCK_TICKS) - page_get(PAGE_TICKS)) * RECORDER_NS_PER_TICK +
           (page_get(PAGE_CLOCK_CALLS) - page_get(PAGE_CALLS_LEFT) + 1) * RECORDER_NS_PER_CALL;
}

int64_t blob_clock_gettime(const struct blob_frame *f)
{
    uint64_t *to = (uint64_t *)(uintptr_t)f->argument[1];
    struct record r;
    uint64_t value;

    if (!blob_may(f, PAGE_SWITCH_VIRTUAL, 32))
        return BLOB_DECLINE;
    value = now();
    switch (f->argument[0]) {
    case CLOCK_REALTIME:
    case CLOCK_REALTIME_COARSE:
        value += page_get(PAGE_EPOCH);
        break;
    case CLOCK_MONOTONIC:
    case CLOCK_MONOTONIC_RAW:
    case CLOCK_MONOTONIC_COARSE:
    case CLOCK_BOOTTIME:
        value += RECORDER_MONOTONIC_START;
        break;
    default:
        return BLOB_DECLINE;
    }
    if (f->argument[0] == CLOCK_REALTIME_COARSE || f->argument[0] == CLOCK_MONOTONIC_COARSE)
        value -= value % COARSE_NS;
    to[0] = value / NS;
    to[1] = value % NS;
    r = record_begin(f, 0);
    record_add(&r, f->argument[1], to, 16);
    return record_end(&r, 0);
}

int64_t blob_gettimeofday(const struct blob_frame *f)
{
    uint64_t *to = (uint64_t *)(uintptr_t)f->argument[0];
    struct record r;
    uint64_t value;

    if (!to || f->argument[1] || !blob_may(f, PAGE_SWITCH_VIRTUAL, 32))
        return BLOB_DECLINE;
    value = now() + page_get(PAGE_EPOCH);
    to[0] = value / NS;
    to[1] = value % NS / 1000;
    r = record_begin(f, 0);
    record_add(&r, f->argument[0], to, 16);
    return record_end(&r, 0);
}

int64_t blob_time(const struct blob_frame *f)
{
    uint64_t *to = (uint64_t *)(uintptr_t)f->argument[0];
    struct record r;
    uint64_t value;

    if (!blob_may(f, PAGE_SWITCH_VIRTUAL, 32))
        return BLOB_DECLINE;
    value = (now() + page_get(PAGE_EPOCH)) / NS;
    if (to)
        *to = value;
    r = record_begin(f, 0);
    if (to)
        record_add(&r, f->argument[0], to, 8);
    return record_end(&r, (int64_t)value);
}

/* ---- futexes ------------------------------------------------------------------------------- */

/* A wake with nobody parked in the whole run, a wait whose word has changed already. */
int64_t blob_futex(const struct blob_frame *f)
{
    const volatile uint32_t *word = (const volatile uint32_t *)(uintptr_t)f->argument[0];

    if ((f->argument[0] & 3) || f->argument[0] >= 1ull << 47 || !blob_may(f, 0, 0))
        return BLOB_DECLINE;
    switch (f->argument[1] & FUTEX_CMD_MASK) {
    case FUTEX_WAKE_BITSET:
        if (!(uint32_t)f->argument[5])
            return BLOB_DECLINE;
        __attribute__((fallthrough));
    case FUTEX_WAKE:
        if (page_get(PAGE_FUTEX_WAITERS) || (f->argument[1] & FUTEX_CLOCK_REALTIME))
            return BLOB_DECLINE;
        (void)*word; /* a bad address is EFAULT for shared ones: traced */
        return blob_answer(f, 0);
    case FUTEX_WAIT:
        if (f->argument[3] || *word == (uint32_t)f->argument[2])
            return BLOB_DECLINE;
        return blob_answer(f, -EAGAIN);
    default:
        return BLOB_DECLINE;
    }
}
