/* Which recorded processors this one can stand in for: the table of this machine, bent. */
#include <cpuid.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "include/rrtest/recorder_page.h"
#include "recorder/replay/session.h"

#define STATE_LEAF 0xdu
#define AVX_STATE 2u

struct entry {
    uint32_t leaf, subleaf, flags, pad;
    uint32_t a, b, c, d;
};
_Static_assert(sizeof(struct entry) == RECORDER_CPUID_ENTRY_SIZE, "recorder_page.h");

struct table {
    struct entry entries[64];
    size_t count;
};

static struct entry *add(struct table *t, uint32_t leaf, uint32_t subleaf, bool any)
{
    struct entry *e = &t->entries[t->count++];

    *e = (struct entry){.leaf = leaf, .subleaf = subleaf, .flags = any};
    if (!__get_cpuid_count(leaf, subleaf, &e->a, &e->b, &e->c, &e->d))
        e->a = e->b = e->c = e->d = 0;
    return e;
}

static struct entry *find(struct table *t, uint32_t leaf, uint32_t subleaf)
{
    for (size_t i = 0; i < t->count; i++) {
        if (t->entries[i].leaf == leaf && t->entries[i].subleaf == subleaf)
            return &t->entries[i];
    }
    fail_msg("no leaf %#x", leaf);
    return NULL;
}

static struct table this_machine(void)
{
    static const uint32_t leaves[] = {1, 0x80000001, 0x80000008};
    struct table t = {.count = 0};

    for (size_t i = 0; i < sizeof(leaves) / sizeof(leaves[0]); i++)
        add(&t, leaves[i], 0, true);
    for (uint32_t i = 0; i < 3; i++)
        add(&t, 7, i, false);
    for (uint32_t i = 0; i < 20; i++)
        add(&t, STATE_LEAF, i, false);
    return t;
}

static int check(struct table *t, struct rr_error *error)
{
    const struct trace_meta meta = {.cpuid_table = (uint8_t *)t->entries,
                                    .cpuid_length = t->count * sizeof(struct entry)};

    return replay_check_cpu(&meta, error);
}

static void test_same(void **state)
{
    struct table t = this_machine();
    struct rr_error error;

    (void)state;
    assert_int_equal(check(&t, &error), 0);
}

/* A trace without a table (its cpuid guard was off) says nothing against this machine. */
static void test_less(void **state)
{
    struct table t = this_machine();
    struct rr_error error;

    (void)state;
    for (size_t i = 0; i < t.count; i++)
        t.entries[i].a = t.entries[i].b = t.entries[i].c = t.entries[i].d = 0;
    assert_int_equal(check(&t, &error), 0);
    t.count = 0;
    assert_int_equal(check(&t, &error), 0);
}

/* No processor has both AMD's and Intel's dead ends. */
static void test_more(void **state)
{
    struct table t = this_machine();
    struct rr_error error;
    uint32_t avx512 = 1u << 16, now = 1u << 31;

    (void)state;
    find(&t, 7, 0)->b |= avx512;
    find(&t, 0x80000001, 0)->d |= now;
    assert_int_equal(check(&t, &error), -EOPNOTSUPP);
    assert_non_null(strstr(error.message, "3dnow, which this processor does not have"));
    assert_non_null(strstr(error.message, "--force"));
}

static void test_all(void **state)
{
    struct table t = this_machine();
    struct rr_error error;

    (void)state;
    for (size_t i = 0; i < t.count; i++)
        t.entries[i].a = t.entries[i].b = t.entries[i].c = t.entries[i].d = ~0u;
    assert_int_equal(check(&t, &error), -EOPNOTSUPP);
    assert_non_null(strstr(error.message, "tbm, "));
    assert_non_null(strstr(error.message, "--force")); /* a long list does not push it out */
}

static void test_layout(void **state)
{
    struct table t = this_machine();
    struct rr_error error;

    (void)state;
    if (!(find(&t, STATE_LEAF, 0)->a & 1u << AVX_STATE))
        skip();
    find(&t, STATE_LEAF, AVX_STATE)->b += 64;
    assert_int_equal(check(&t, &error), -EOPNOTSUPP);
    assert_non_null(strstr(error.message, "(xsave component 2)"));
    find(&t, STATE_LEAF, 0)->a &= ~(1u << AVX_STATE); /* what was not there was not saved */
    assert_int_equal(check(&t, &error), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_same), cmocka_unit_test(test_less),   cmocka_unit_test(test_more),
        cmocka_unit_test(test_all),  cmocka_unit_test(test_layout),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
