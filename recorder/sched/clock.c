/* The virtual clock: time, the clocks derived from it, deadlines in order, timer arithmetic. */
#include "recorder/sched/clock.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define NS_PER_SECOND 1000000000ull
#define COARSE_NS 4000000ull /* a 250 Hz kernel */

struct virtual_clock {
    uint64_t now;
    uint64_t realtime_offset; /* realtime = now + offset, modulo 2^64 */
    struct clock_deadline
        *entries; /* sorted: latest first, so that the earliest is taken off the end */
    size_t count;
    size_t capacity;
};

struct virtual_clock *clock_new(uint64_t realtime_ns)
{
    struct virtual_clock *c = calloc(1, sizeof(*c));

    if (!c)
        abort();
    c->realtime_offset = realtime_ns;
    return c;
}

void clock_free(struct virtual_clock *c)
{
    if (!c)
        return;
    free(c->entries);
    free(c);
}

uint64_t clock_now(const struct virtual_clock *c)
{
    return c->now;
}

uint64_t clock_epoch(const struct virtual_clock *c)
{
    return c->realtime_offset;
}

void clock_advance(struct virtual_clock *c, uint64_t ns)
{
    c->now = ns > CLOCK_NEVER - c->now ? CLOCK_NEVER : c->now + ns;
}

void clock_jump(struct virtual_clock *c, uint64_t to_ns)
{
    if (to_ns > c->now)
        c->now = to_ns;
}

enum kind { KIND_UNKNOWN, KIND_MONOTONIC, KIND_REALTIME, KIND_CPU };

static enum kind kind_of(clockid_t id, bool *ret_coarse)
{
    *ret_coarse = id == CLOCK_REALTIME_COARSE || id == CLOCK_MONOTONIC_COARSE;
    switch (id) {
    case CLOCK_REALTIME:
    case CLOCK_REALTIME_COARSE:
    case CLOCK_REALTIME_ALARM:
    case CLOCK_TAI:
        return KIND_REALTIME;
    case CLOCK_MONOTONIC:
    case CLOCK_MONOTONIC_RAW:
    case CLOCK_MONOTONIC_COARSE:
    case CLOCK_BOOTTIME:
    case CLOCK_BOOTTIME_ALARM:
        return KIND_MONOTONIC;
    case CLOCK_PROCESS_CPUTIME_ID:
    case CLOCK_THREAD_CPUTIME_ID:
        return KIND_CPU;
    default:
        /* Negative: clock of a process or thread; low bits 3 are clocks behind descriptors
         * (posix-timers.h: CPUCLOCK_CLOCK_MASK, CLOCKFD). */
        return id < 0 && (id & 3) != 3 ? KIND_CPU : KIND_UNKNOWN;
    }
}

/* What a clock of this kind is ahead of virtual time. */
static uint64_t offset_of(const struct virtual_clock *c, enum kind kind)
{
    return kind == KIND_REALTIME ? c->realtime_offset : CLOCK_MONOTONIC_START_NS;
}

static struct timespec to_timespec(uint64_t ns)
{
    return (struct timespec){.tv_sec = (time_t)(ns / NS_PER_SECOND),
                             .tv_nsec = (long)(ns % NS_PER_SECOND)};
}

int clock_read(const struct virtual_clock *c, clockid_t id, uint64_t cpu_ns, struct timespec *ret)
{
    bool coarse;
    enum kind kind = kind_of(id, &coarse);
    uint64_t value;

    if (kind == KIND_UNKNOWN)
        return -EINVAL;
    value = kind == KIND_CPU ? cpu_ns : c->now + offset_of(c, kind);
    if (coarse)
        value -= value % COARSE_NS;
    *ret = to_timespec(value);
    return 0;
}

int clock_resolution(clockid_t id, struct timespec *ret)
{
    bool coarse;

    if (kind_of(id, &coarse) == KIND_UNKNOWN)
        return -EINVAL;
    *ret = to_timespec(coarse ? COARSE_NS : 1);
    return 0;
}

void clock_set_realtime(struct virtual_clock *c, uint64_t realtime_ns)
{
    c->realtime_offset = realtime_ns - c->now;
}

int clock_to_virtual(const struct virtual_clock *c, clockid_t id, const struct timespec *absolute,
                     uint64_t *ret_ns)
{
    bool coarse;
    enum kind kind = kind_of(id, &coarse);
    uint64_t value, offset;

    if (kind == KIND_UNKNOWN || kind == KIND_CPU)
        return -EINVAL;
    if (absolute->tv_nsec < 0 || absolute->tv_nsec >= (long)NS_PER_SECOND)
        return -EINVAL;
    offset = offset_of(c, kind);
    if (absolute->tv_sec < 0) {
        *ret_ns = 0;
        return 0;
    }
    if ((uint64_t)absolute->tv_sec >= INT64_MAX / NS_PER_SECOND) { /* KTIME_MAX: never */
        *ret_ns = CLOCK_NEVER;
        return 0;
    }
    value = (uint64_t)absolute->tv_sec * NS_PER_SECOND + (uint64_t)absolute->tv_nsec;
    /* The offset may be "negative" when the program has set the time back. */
    if ((int64_t)offset >= 0)
        *ret_ns = value > offset ? value - offset : 0;
    else
        *ret_ns = value - offset;
    return 0;
}

/* First index whose entry is not after `at`: entries before it expire later. */
static size_t position_of(const struct virtual_clock *c, uint64_t at)
{
    size_t low = 0, high = c->count;

    while (low < high) {
        size_t middle = (low + high) / 2;

        if (c->entries[middle].at_ns > at)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

void clock_deadline_add(struct virtual_clock *c, struct clock_deadline d)
{
    size_t at = position_of(c, d.at_ns);

    if (c->count == c->capacity) {
        c->capacity = c->capacity ? 2 * c->capacity : 16;
        c->entries = realloc(c->entries, c->capacity * sizeof(*c->entries));
        if (!c->entries)
            abort();
    }
    /* Equal times: the new one goes before the older ones, which are taken off the end first. */
    memmove(&c->entries[at + 1], &c->entries[at], (c->count - at) * sizeof(*c->entries));
    c->entries[at] = d;
    c->count++;
}

void clock_deadline_remove(struct virtual_clock *c, uint64_t owner, uint64_t cookie)
{
    size_t kept = 0;

    for (size_t i = 0; i < c->count; i++) {
        const struct clock_deadline *d = &c->entries[i];

        if (d->owner != owner || d->cookie != cookie)
            c->entries[kept++] = c->entries[i];
    }
    c->count = kept;
}

bool clock_deadline_next(const struct virtual_clock *c, struct clock_deadline *ret)
{
    if (c->count == 0)
        return false;
    *ret = c->entries[c->count - 1];
    return true;
}

bool clock_deadline_pop_due(struct virtual_clock *c, struct clock_deadline *ret)
{
    if (!clock_deadline_next(c, ret) || ret->at_ns > c->now)
        return false;
    c->count--;
    return true;
}

uint64_t clock_timer_expire(struct clock_timer *t, uint64_t now_ns)
{
    uint64_t missed;

    if (t->next_ns == 0 || t->next_ns > now_ns)
        return 0;
    if (t->interval_ns == 0) {
        t->next_ns = 0;
        return 1;
    }
    missed = (now_ns - t->next_ns) / t->interval_ns;
    if (t->interval_ns > CLOCK_NEVER - t->next_ns ||
        missed >= (CLOCK_NEVER - t->next_ns) / t->interval_ns)
        t->next_ns = CLOCK_NEVER;
    else
        t->next_ns += (missed + 1) * t->interval_ns;
    return missed + 1;
}
