/* The futex model against a reference that keeps one record per task with the moment it queued, and
 * FUTEX_WAKE_OP against the kernel itself. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <errno.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "recorder/base/random.h"
#include "recorder/sched/futex.h"

#define TASKS 24
#define KEYS 4

struct reference_task {
    bool waits;
    struct futex_key key;
    uint32_t bitset;
    enum futex_wait_kind kind;
    uint64_t since;
};

struct reference {
    struct reference_task task[TASKS];
    uint64_t now;
};

/* The choice both sides make: depends on the number of candidates alone. */
static size_t pick(void *context, size_t count)
{
    const uint64_t *salt = context;

    return (size_t)(*salt % count);
}

static int take(struct reference *r, struct futex_key key, enum futex_wait_kind kind,
                uint32_t bitset, uint64_t salt)
{
    size_t candidates = 0, choice;

    for (size_t i = 0; i < TASKS; i++) {
        const struct reference_task *t = &r->task[i];

        candidates += t->waits && t->key.space == key.space && t->key.offset == key.offset &&
                      t->kind == kind && (t->bitset & bitset);
    }
    if (candidates == 0)
        return -1;
    choice = candidates > 1 ? (size_t)(salt % candidates) : 0;
    for (uint64_t since = 0; since <= r->now; since++) {
        for (size_t i = 0; i < TASKS; i++) {
            struct reference_task *t = &r->task[i];

            if (!t->waits || t->since != since || t->key.space != key.space ||
                t->key.offset != key.offset || t->kind != kind || !(t->bitset & bitset))
                continue;
            if (choice-- == 0) {
                t->waits = false;
                return (int)i;
            }
        }
    }
    return -1;
}

struct state {
    struct futex_model *model;
    struct reference reference;
    struct random_stream random;
    uint64_t salt;
};

static struct futex_key random_key(struct state *s)
{
    uint64_t n = random_below(&s->random, KEYS);

    return (struct futex_key){n < 3 ? 1 : 2 | FUTEX_KEY_SHARED, 4 * n};
}

static void expect_woken(struct state *s, struct futex_key key, enum futex_wait_kind kind,
                         uint32_t bitset, size_t limit, const uint32_t *woken, size_t count)
{
    size_t n = 0;
    int task;

    while (n < limit && (task = take(&s->reference, key, kind, bitset, s->salt)) >= 0) {
        assert_true(n < count);
        assert_int_equal(woken[n], task + 1);
        n++;
    }
    assert_int_equal(n, count);
}

static void expect_moved(struct state *s, struct futex_key from, struct futex_key to,
                         enum futex_wait_kind kind, enum futex_wait_kind new_kind, size_t limit,
                         size_t count)
{
    size_t n = 0;
    int task;

    while (n < limit && (task = take(&s->reference, from, kind, ~0u, s->salt)) >= 0) {
        s->reference.task[task].waits = true;
        s->reference.task[task].key = to;
        s->reference.task[task].kind = new_kind;
        s->reference.task[task].since = s->reference.now++;
        n++;
    }
    assert_int_equal(n, count);
}

static void step_wait(struct state *s)
{
    uint32_t task = (uint32_t)random_below(&s->random, TASKS);
    struct reference_task *t = &s->reference.task[task];

    if (t->waits)
        return;
    *t = (struct reference_task){
        .waits = true,
        .key = random_key(s),
        .bitset = (uint32_t)random_below(&s->random, 4) + 1,
        .kind = (enum futex_wait_kind)random_below(&s->random, 3),
        .since = s->reference.now++,
    };
    futex_wait(s->model, t->key, task + 1, t->bitset, t->kind);
}

static void step_wake(struct state *s)
{
    struct futex_key key = random_key(s);
    size_t limit = random_below(&s->random, 4);
    uint32_t bitset = (uint32_t)random_below(&s->random, 3) + 1;
    uint32_t woken[TASKS];
    size_t n = futex_wake(s->model, key, limit, bitset, woken, TASKS);

    expect_woken(s, key, FUTEX_WAIT_PLAIN, bitset, limit, woken, n);
    n = futex_wake_pi(s->model, key, woken);
    expect_woken(s, key, FUTEX_WAIT_PI, ~0u, 1, woken, n);
}

static void step_requeue(struct state *s)
{
    struct futex_key from = random_key(s), to = random_key(s);
    size_t wake = random_below(&s->random, 2), limit = random_below(&s->random, 5);
    uint32_t woken[TASKS];
    size_t moved, n;

    if (from.offset == to.offset)
        return;
    n = futex_requeue(s->model, from, to, wake, limit, woken, TASKS, &moved);
    expect_woken(s, from, FUTEX_WAIT_PLAIN, ~0u, wake, woken, n);
    expect_moved(s, from, to, FUTEX_WAIT_PLAIN, FUTEX_WAIT_PLAIN, limit, moved);
    n = futex_requeue_pi(s->model, from, to, wake, limit, woken, &moved);
    expect_woken(s, from, FUTEX_WAIT_REQUEUE_PI_KIND, ~0u, wake, woken, n);
    expect_moved(s, from, to, FUTEX_WAIT_REQUEUE_PI_KIND, FUTEX_WAIT_PI, limit, moved);
}

static void step_forget(struct state *s)
{
    uint64_t space = random_chance(&s->random, 0.5) ? 1 : 2 | FUTEX_KEY_SHARED;

    futex_forget_space(s->model, space);
    for (size_t i = 0; i < TASKS; i++) {
        if (s->reference.task[i].key.space == space)
            s->reference.task[i].waits = false;
    }
}

static void compare(const struct state *s)
{
    size_t total = 0;

    for (uint32_t i = 0; i < TASKS; i++) {
        const struct reference_task *t = &s->reference.task[i];
        struct futex_key key;
        enum futex_wait_kind kind;

        assert_int_equal(futex_waiting_on(s->model, i + 1, &key, &kind), t->waits);
        if (!t->waits)
            continue;
        total++;
        assert_true(key.space == t->key.space && key.offset == t->key.offset);
        assert_int_equal(kind, t->kind);
    }
    assert_int_equal(futex_waiters_total(s->model), total);
}

static void test_against_reference(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 20; seed++) {
        struct state s = {.model = NULL};

        random_init(&s.random, seed, RANDOM_DATA);
        s.model = futex_new(pick, &s.salt);
        for (int step = 0; step < 500; step++) {
            uint64_t what = random_below(&s.random, 20);
            uint32_t task = (uint32_t)random_below(&s.random, TASKS);

            s.salt = random_u64(&s.random) >> 8;
            if (what < 10) {
                step_wait(&s);
            } else if (what < 14) {
                step_wake(&s);
            } else if (what < 17) {
                step_requeue(&s);
            } else if (what < 19) {
                assert_int_equal(futex_cancel(s.model, task + 1), s.reference.task[task].waits);
                s.reference.task[task].waits = false;
            } else if (random_chance(&s.random, 0.2)) {
                step_forget(&s);
            }
            compare(&s);
        }
        futex_free(s.model);
    }
}

static void test_first_come_first_served_without_pick(void **state)
{
    struct futex_model *f = futex_new(NULL, NULL);
    struct futex_key key = {1, 8}, other = {1, 12};
    uint32_t woken[8];
    size_t moved;

    (void)state;
    for (uint32_t task = 1; task <= 6; task++)
        futex_wait(f, key, task, ~0u, FUTEX_WAIT_PLAIN);
    assert_int_equal(futex_wake(f, key, 2, ~0u, woken, 8), 2);
    assert_int_equal(woken[0], 1);
    assert_int_equal(woken[1], 2);
    assert_int_equal(futex_requeue(f, key, other, 1, 2, woken, 8, &moved), 1);
    assert_int_equal(woken[0], 3);
    assert_int_equal(moved, 2);
    assert_int_equal(futex_waiters(f, key), 1);
    assert_int_equal(futex_waiters(f, other), 2);
    assert_int_equal(futex_requeue(f, other, other, 0, 10, woken, 8, &moved), 0);
    assert_int_equal(moved, 2);
    assert_int_equal(futex_wake(f, other, 10, ~0u, woken, 1),
                     1); /* no more than there is room for */
    assert_int_equal(woken[0], 4);
    assert_false(futex_wake_pi(f, other, woken));
    assert_int_equal(futex_waiters_of_kind(f, other, FUTEX_WAIT_PLAIN), 1);
    futex_free(f);
}

/* The kernel performs FUTEX_WAKE_OP on a word of ours; whether the comparison held shows in whether
 * it counts a waiter, so only the new value is compared there; the comparison by its definition. */
static void test_wake_op_matches_kernel(void **state)
{
    static const uint32_t values[] = {0, 1, 5, 0x7fffffff, 0x80000000, 0xffffffff, 0xfffff800};
    static const uint32_t arguments[] = {0, 1, 3, 31, 0x7ff, 0x800, 0xfff};
    uint32_t word, other = 0, new_value;

    (void)state;
    for (uint32_t operation = 0; operation < 16; operation++) {
        if ((operation & 7) > FUTEX_OP_XOR)
            continue;
        for (size_t v = 0; v < 7; v++) {
            for (size_t a = 0; a < 7; a++) {
                uint32_t encoded = operation << 28 | arguments[a] << 12;

                if ((operation & 8) && arguments[a] > 31)
                    continue; /* the kernel complains into its log */
                word = values[v];
                assert_int_equal(
                    syscall(SYS_futex, &other, FUTEX_WAKE_OP_PRIVATE, 1, 1, &word, encoded), 0);
                assert_true(futex_wake_op(encoded, values[v], &new_value) >= 0);
                assert_int_equal(new_value, word);
            }
        }
    }
    assert_int_equal(futex_wake_op(5u << 28, 0, &new_value), -ENOSYS);
    assert_int_equal(futex_wake_op(6u << 24, 0, &new_value), -ENOSYS);
}

static void test_wake_op_comparisons(void **state)
{
    static const int32_t operands[] = {-2048, -1, 0, 1, 2047};
    uint32_t ignored;

    (void)state;
    for (size_t i = 0; i < 5; i++) {
        for (size_t j = 0; j < 5; j++) {
            int32_t a = operands[i], b = operands[j];
            const int expected[] = {a == b, a != b, a<b, a <= b, a> b, a >= b};

            for (uint32_t cmp = 0; cmp < 6; cmp++)
                assert_int_equal(
                    futex_wake_op(cmp << 24 | ((uint32_t)b & 0xfff), (uint32_t)a, &ignored),
                    expected[cmp]);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_against_reference),
        cmocka_unit_test(test_first_come_first_served_without_pick),
        cmocka_unit_test(test_wake_op_matches_kernel),
        cmocka_unit_test(test_wake_op_comparisons),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
