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

/* What the kernel says of the process and nothing changes but itself. */
int64_t blob_plain(const struct blob_frame *f)
{
    if (!blob_may(f, 0, 0))
        return BLOB_DECLINE;
    return blob_answer(f, blob_pass(f));
}

#define UTSNAME_SIZE 390

int64_t blob_uname(const struct blob_frame *f)
{
    if (!blob_may(f, 0, RING_SEGMENT + UTSNAME_SIZE))
        return BLOB_DECLINE;
    return blob_answer_with(f, blob_pass(f), f->argument[0], UTSNAME_SIZE);
}

/* Own limits, read. */
int64_t blob_limit(const struct blob_frame *f)
{
    bool old = f->number == SYS_getrlimit;

    if ((!old && (f->argument[0] || f->argument[2])) || !blob_may(f, 0, RING_SEGMENT + 16))
        return BLOB_DECLINE;
    return blob_answer_with(f, blob_pass(f), f->argument[old ? 1 : 3], 16);
}

/* ---- the task ------------------------------------------------------------------------------ */

int64_t blob_set_tid_address(const struct blob_frame *f)
{
    return from_page(f, PAGE_TID);
}

#define ROBUST_LIST_HEAD_SIZE 24

int64_t blob_set_robust_list(const struct blob_frame *f)
{
    if (!blob_may(f, 0, 0))
        return BLOB_DECLINE;
    return blob_answer(f, f->argument[1] == ROBUST_LIST_HEAD_SIZE ? 0 : -EINVAL);
}

/* Restartable sequences show preemptions that the recorder makes. */
int64_t blob_rseq(const struct blob_frame *f)
{
    return blob_may(f, 0, 0) ? blob_answer(f, -ENOSYS) : BLOB_DECLINE;
}

#define ARCH_SET_FS 0x1002
#define ARCH_LIMIT 0x7ffffffff000ull

/* The base of the thread's own memory: set here, and again in replay. What the kernel has for
 * others is hidden, as model_arch_prctl() says. */
int64_t blob_arch_prctl(const struct blob_frame *f)
{
    struct record r;
    int64_t result;

    if ((int)f->argument[0] != ARCH_SET_FS || f->argument[1] >= ARCH_LIMIT || !blob_may(f, 0, 0))
        return BLOB_DECLINE;
    result = blob_pass(f);
    r = record_begin(f, RING_FLAG_MAPS);
    return record_end(&r, result);
}

/* Two processors for everybody. */
int64_t blob_sched_getaffinity(const struct blob_frame *f)
{
    uint64_t *to = (uint64_t *)(uintptr_t)f->argument[2];

    if ((f->argument[0] && f->argument[0] != page_get(PAGE_TID)) || f->argument[1] < 8 ||
        (f->argument[1] & 7) || !blob_may(f, 0, RING_SEGMENT + 8))
        return BLOB_DECLINE;
    *to = 3;
    return blob_answer_with(f, 8, f->argument[2], 8);
}

int64_t blob_getcpu(const struct blob_frame *f)
{
    struct record r;

    if (!blob_may(f, 0, 64))
        return BLOB_DECLINE;
    for (int i = 0; i < 2; i++)
        if (f->argument[i])
            *(uint32_t *)(uintptr_t)f->argument[i] = 0;
    r = record_begin(f, 0);
    for (int i = 0; i < 2; i++)
        if (f->argument[i])
            record_add(&r, f->argument[i], (const void *)(uintptr_t)f->argument[i], 4);
    return record_end(&r, 0);
}

int64_t blob_sched_yield(const struct blob_frame *f)
{
    return blob_may(f, 0, 0) ? blob_answer(f, 0) : BLOB_DECLINE;
}

/* ---- time ---------------------------------------------------------------------------------- */

int64_t blob_clock_gettime(const struct blob_frame *f)
{
    uint64_t *to = (uint64_t *)(uintptr_t)f->argument[1];
    uint64_t value;

    if (!blob_may(f, 0, 64))
        return BLOB_DECLINE;
    value = blob_now();
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
    if (f->argument[0] == CLOCK_REALTIME_COARSE || f->argument[0] == CLOCK_MONOTONIC_COARSE) {
        struct record r = record_begin(f, 0);

        value -= value % COARSE_NS;
        to[0] = value / NS;
        to[1] = value % NS;
        record_add(&r, f->argument[1], to, 16);
        return record_end(&r, 0);
    }
    to[0] = value / NS;
    to[1] = value % NS;
    return blob_answer_time(f, to);
}

int64_t blob_gettimeofday(const struct blob_frame *f)
{
    uint64_t *to = (uint64_t *)(uintptr_t)f->argument[0];
    struct record r;
    uint64_t value;

    if (!to || f->argument[1] || !blob_may(f, 0, 32))
        return BLOB_DECLINE;
    value = blob_now() + page_get(PAGE_EPOCH);
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

    if (!blob_may(f, 0, 32))
        return BLOB_DECLINE;
    value = (blob_now() + page_get(PAGE_EPOCH)) / NS;
    if (to)
        *to = value;
    r = record_begin(f, 0);
    if (to)
        record_add(&r, f->argument[0], to, 8);
    return record_end(&r, (int64_t)value);
}

int64_t blob_clock_getres(const struct blob_frame *f)
{
    uint64_t *to = (uint64_t *)(uintptr_t)f->argument[1];
    uint64_t id = f->argument[0];

    if (id > CLOCK_BOOTTIME || !blob_may(f, 0, 32))
        return BLOB_DECLINE;
    if (to) {
        to[0] = 0;
        to[1] = id == CLOCK_REALTIME_COARSE || id == CLOCK_MONOTONIC_COARSE ? COARSE_NS : 1;
    }
    return blob_answer_with(f, 0, f->argument[1], 16);
}

/* ---- randomness ---------------------------------------------------------------------------- */

#define RANDOM_MAX 4096

/* random_u64() of base/random.c; the stream is the recorder's. */
static uint64_t next_random(void)
{
    uint64_t counter = page_get(PAGE_RANDOM_COUNTER) + 1;
    uint64_t x = page_get(PAGE_RANDOM_KEY) + 0x9e3779b97f4a7c15ull * counter;

    page_set(PAGE_RANDOM_COUNTER, counter);
    x ^= x >> 30;
    x *= 0xbf58476d1ce4e5b9ull;
    x ^= x >> 27;
    x *= 0x94d049bb133111ebull;
    return x ^ (x >> 31);
}

int64_t blob_random(const struct blob_frame *f, uint64_t address, uint64_t length)
{
    uint8_t *to = (uint8_t *)(uintptr_t)address;

    if (length > RANDOM_MAX || !blob_may(f, 0, RING_SEGMENT + length))
        return BLOB_DECLINE;
    for (uint64_t at = 0; at < length; at++) /* a fault must come before anything was drawn */
        to[at] = 0;
    for (uint64_t at = 0; at < length; at += 8) {
        uint64_t word = next_random();

        for (uint64_t i = 0; i < 8 && at + i < length; i++)
            to[at + i] = (uint8_t)(word >> 8 * i);
    }
    return blob_answer_with(f, (int64_t)length, address, length);
}

int64_t blob_getrandom(const struct blob_frame *f)
{
    return f->argument[2] & ~7ull ? BLOB_DECLINE : blob_random(f, f->argument[0], f->argument[1]);
}

/* ---- futexes ------------------------------------------------------------------------------- */

/* None, or a proper one. */
static bool is_timeout(uint64_t address)
{
    const int64_t *timeout = (const int64_t *)(uintptr_t)address;

    return !timeout || (timeout[0] >= 0 && (uint64_t)timeout[1] < NS);
}

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
    case FUTEX_WAIT_BITSET:
        if (!(uint32_t)f->argument[5])
            return BLOB_DECLINE;
        __attribute__((fallthrough));
    case FUTEX_WAIT:
        if (!is_timeout(f->argument[3]) || *word == (uint32_t)f->argument[2])
            return BLOB_DECLINE;
        return blob_answer(f, -EAGAIN);
    default:
        return BLOB_DECLINE;
    }
}
