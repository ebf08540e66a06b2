/* The virtual clock: derived clocks, deadlines in order against a sorted reference, timers against
 * counting one period at a time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <errno.h>

#include "recorder/base/random.h"
#include "recorder/sched/clock.h"

#define SECOND 1000000000ull
#define EPOCH (1700000000ull * SECOND + 123)

static uint64_t read_ns(const struct virtual_clock *c, clockid_t id)
{
    struct timespec ts;

    assert_int_equal(clock_read(c, id, 77, &ts), 0);
    assert_in_range(ts.tv_nsec, 0, 999999999);
    return (uint64_t)ts.tv_sec * SECOND + (uint64_t)ts.tv_nsec;
}

static void test_clocks(void **state)
{
    struct virtual_clock *c = clock_new(EPOCH);
    struct timespec ts;

    (void)state;
    assert_true(read_ns(c, CLOCK_REALTIME) == EPOCH);
    assert_true(read_ns(c, CLOCK_MONOTONIC) == CLOCK_MONOTONIC_START_NS);
    clock_advance(c, 5000001);
    assert_true(clock_now(c) == 5000001);
    assert_true(read_ns(c, CLOCK_REALTIME) == EPOCH + 5000001);
    assert_true(read_ns(c, CLOCK_TAI) == EPOCH + 5000001);
    assert_true(read_ns(c, CLOCK_BOOTTIME) == CLOCK_MONOTONIC_START_NS + 5000001);
    assert_true(read_ns(c, CLOCK_MONOTONIC_RAW) == CLOCK_MONOTONIC_START_NS + 5000001);
    assert_true(read_ns(c, CLOCK_MONOTONIC_COARSE) == CLOCK_MONOTONIC_START_NS + 4000000);
    assert_true(read_ns(c, CLOCK_THREAD_CPUTIME_ID) == 77);
    assert_true(read_ns(c, (clockid_t)(~4242u << 3 | 2)) == 77); /* clock_getcpuclockid() */
    assert_int_equal(clock_read(c, (clockid_t)(~7u << 3 | 3), 0, &ts),
                     -EINVAL); /* a descriptor's */
    assert_int_equal(clock_read(c, 10, 0, &ts), -EINVAL);
    assert_int_equal(clock_read(c, 99, 0, &ts), -EINVAL);
    assert_int_equal(clock_resolution(CLOCK_MONOTONIC, &ts), 0);
    assert_int_equal(ts.tv_nsec, 1);
    assert_int_equal(clock_resolution(CLOCK_REALTIME_COARSE, &ts), 0);
    assert_int_equal(ts.tv_nsec, 4000000);
    assert_int_equal(clock_resolution(99, &ts), -EINVAL);
    clock_jump(c, 10); /* never backwards */
    assert_true(clock_now(c) == 5000001);
    clock_advance(c, UINT64_MAX);
    assert_true(clock_now(c) == CLOCK_NEVER);
    clock_free(c);
}

static void test_absolute_times(void **state)
{
    struct virtual_clock *c = clock_new(EPOCH);
    struct timespec ts;
    uint64_t ns;

    (void)state;
    clock_advance(c, SECOND);
    ts = (struct timespec){1700000003, 123};
    assert_int_equal(clock_to_virtual(c, CLOCK_REALTIME, &ts, &ns), 0);
    assert_true(ns == 3 * SECOND);
    clock_set_realtime(c, EPOCH + 100 * SECOND);
    assert_true(read_ns(c, CLOCK_REALTIME) == EPOCH + 100 * SECOND);
    assert_true(read_ns(c, CLOCK_MONOTONIC) == CLOCK_MONOTONIC_START_NS + SECOND);
    ts.tv_sec = 1700000102;
    assert_int_equal(clock_to_virtual(c, CLOCK_REALTIME, &ts, &ns), 0);
    assert_true(ns == 3 * SECOND);
    clock_set_realtime(c, 0); /* 1970: the offset is negative now */
    assert_true(read_ns(c, CLOCK_REALTIME) == 0);
    ts = (struct timespec){2, 0};
    assert_int_equal(clock_to_virtual(c, CLOCK_REALTIME, &ts, &ns), 0);
    assert_true(ns == 3 * SECOND);
    ts = (struct timespec){(time_t)(CLOCK_MONOTONIC_START_NS / SECOND) + 7, 1};
    assert_int_equal(clock_to_virtual(c, CLOCK_MONOTONIC, &ts, &ns), 0);
    assert_true(ns == 7 * SECOND + 1);
    ts = (struct timespec){0, 0}; /* long past */
    assert_int_equal(clock_to_virtual(c, CLOCK_MONOTONIC, &ts, &ns), 0);
    assert_true(ns == 0);
    ts = (struct timespec){-5, 0};
    assert_int_equal(clock_to_virtual(c, CLOCK_MONOTONIC, &ts, &ns), 0);
    assert_true(ns == 0);
    ts = (struct timespec){INT64_MAX, 999999999};
    assert_int_equal(clock_to_virtual(c, CLOCK_MONOTONIC, &ts, &ns), 0);
    assert_true(ns == CLOCK_NEVER);
    ts = (struct timespec){0, 1000000000};
    assert_int_equal(clock_to_virtual(c, CLOCK_MONOTONIC, &ts, &ns), -EINVAL);
    ts.tv_nsec = -1;
    assert_int_equal(clock_to_virtual(c, CLOCK_MONOTONIC, &ts, &ns), -EINVAL);
    ts.tv_nsec = 0;
    assert_int_equal(clock_to_virtual(c, CLOCK_THREAD_CPUTIME_ID, &ts, &ns), -EINVAL);
    assert_int_equal(clock_to_virtual(c, 99, &ts, &ns), -EINVAL);
    clock_free(c);
}

#define REFERENCE_MAX 256

struct reference {
    struct clock_deadline d[REFERENCE_MAX]; /* in order of adding */
    size_t count;
};

static bool reference_earliest(const struct reference *r, size_t *ret)
{
    if (r->count == 0)
        return false;
    *ret = 0;
    for (size_t i = 1; i < r->count; i++) {
        if (r->d[i].at_ns < r->d[*ret].at_ns)
            *ret = i;
    }
    return true;
}

static void reference_drop(struct reference *r, size_t i)
{
    r->count--;
    memmove(&r->d[i], &r->d[i + 1], (r->count - i) * sizeof(r->d[0]));
}

static void reference_pop_and_compare(struct virtual_clock *c, struct reference *r)
{
    struct clock_deadline got;
    size_t i;

    while (reference_earliest(r, &i) && r->d[i].at_ns <= clock_now(c)) {
        assert_true(clock_deadline_pop_due(c, &got));
        assert_memory_equal(&got, &r->d[i], sizeof(got));
        reference_drop(r, i);
    }
    assert_false(clock_deadline_pop_due(c, &got));
    if (reference_earliest(r, &i)) {
        assert_true(clock_deadline_next(c, &got));
        assert_memory_equal(&got, &r->d[i], sizeof(got));
    } else {
        assert_false(clock_deadline_next(c, &got));
    }
}

static void test_deadlines_against_reference(void **state)
{
    struct virtual_clock *c = clock_new(EPOCH);
    struct reference r = {.count = 0};
    struct random_stream random;

    (void)state;
    random_init(&random, 1, RANDOM_DATA);
    for (int step = 0; step < 20000; step++) {
        uint64_t owner = random_below(&random, 8), cookie = random_below(&random, 3);

        if (random_chance(&random, 0.5) && r.count < REFERENCE_MAX) {
            struct clock_deadline d = {clock_now(c) + random_below(&random, 50), owner, cookie};

            clock_deadline_add(c, d);
            r.d[r.count++] = d;
        } else if (random_chance(&random, 0.3)) {
            clock_deadline_remove(c, owner, cookie);
            for (size_t i = r.count; i-- > 0;) {
                if (r.d[i].owner == owner && r.d[i].cookie == cookie)
                    reference_drop(&r, i);
            }
        } else {
            clock_advance(c, random_below(&random, 8));
        }
        reference_pop_and_compare(c, &r);
    }
    clock_free(c);
}

static void test_timers(void **state)
{
    struct random_stream random;

    (void)state;
    random_init(&random, 2, RANDOM_DATA);
    for (int i = 0; i < 5000; i++) {
        struct clock_timer t = {1 + random_below(&random, 50), random_below(&random, 9)};
        uint64_t now = random_below(&random, 200), next = t.next_ns, expected = 0;

        while (next != 0 && next <= now) {
            expected++;
            next = t.interval_ns ? next + t.interval_ns : 0;
        }
        assert_true(clock_timer_expire(&t, now) == expected);
        assert_true(t.next_ns == next);
    }
}

static void test_timer_extremes(void **state)
{
    struct clock_timer off = {0, 5};
    struct clock_timer fast = {1, 1};
    struct clock_timer late = {UINT64_MAX - 10, 20};

    (void)state;
    assert_true(clock_timer_expire(&off, 100) == 0);
    assert_true(clock_timer_expire(&fast, 1ull << 60) == 1ull << 60);
    assert_true(fast.next_ns == (1ull << 60) + 1);
    assert_true(clock_timer_expire(&late, UINT64_MAX - 5) == 1);
    assert_true(late.next_ns == CLOCK_NEVER);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_clocks),
        cmocka_unit_test(test_absolute_times),
        cmocka_unit_test(test_deadlines_against_reference),
        cmocka_unit_test(test_timers),
        cmocka_unit_test(test_timer_extremes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
