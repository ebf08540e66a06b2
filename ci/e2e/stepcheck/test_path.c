/* Paths with and without cycles, as sequences of instructions. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "ci/e2e/stepcheck/path.h"

#define STACK 0x7fff0000u

struct walk {
    struct path *path;
    struct path_step next;
    enum path_judgement worst;
    bool repeated;
    uint32_t most;
};

static int set_up(void **state)
{
    static struct walk w;

    w = (struct walk){.path = path_new(), .next = {.sp = STACK}};
    *state = &w;
    return 0;
}

static int tear_down(void **state)
{
    struct walk *w = *state;

    path_free(w->path);
    return 0;
}

static void look(struct walk *w, uint64_t ip, enum path_kind kind)
{
    enum path_judgement judgement;

    w->next.ip = ip;
    w->next.kind = kind;
    judgement = path_look(w->path, &w->next);
    w->next.resumed = false;
    w->worst = judgement > w->worst ? judgement : w->worst;
    w->repeated |= path_repeats(w->path);
    w->most = path_hits(w->path) > w->most ? path_hits(w->path) : w->most;
}

static void plain(struct walk *w, uint64_t ip)
{
    look(w, ip, PATH_OTHER);
}

static void call(struct walk *w, uint64_t ip)
{
    look(w, ip, PATH_CALL);
    w->next.sp -= 8;
}

static void ret(struct walk *w, uint64_t ip)
{
    look(w, ip, PATH_RETURN);
    w->next.sp += 8;
}

static void leaf(struct walk *w)
{
    plain(w, 0x9000);
    plain(w, 0x9003);
    ret(w, 0x9007);
}

static void expect(struct walk *w, enum path_judgement worst, bool repeated)
{
    assert_int_equal(w->worst, worst);
    assert_int_equal(w->repeated, repeated);
}

static void test_loop(void **state)
{
    struct walk *w = *state;

    for (int i = 0; i < 65; i++) {
        plain(w, 0x1000);
        plain(w, 0x1004);
    }
    expect(w, PATH_CYCLE, true);
    assert_int_equal(w->most, 65);
    uint64_t cycle[8];
    assert_int_equal(path_cycle(w->path, cycle, 8), 2);
    assert_int_equal(cycle[0], 0x1004);
    assert_int_equal(cycle[1], 0x1000);
}

static void test_loop_within_limit(void **state)
{
    struct walk *w = *state;

    for (int i = 0; i < 64; i++)
        plain(w, 0x1000);
    expect(w, PATH_GOOD, true);
}

static void test_loop_that_ticks(void **state)
{
    struct walk *w = *state;

    for (int i = 0; i < 1000; i++) {
        plain(w, 0x1000);
        w->next.ticks++;
        plain(w, 0x1004);
    }
    expect(w, PATH_GOOD, false);
    assert_int_equal(w->most, 1);
}

static void test_leaf_of_straight_line(void **state)
{
    struct walk *w = *state;

    for (unsigned i = 0; i < 200; i++) {
        call(w, 0x1000 + 5 * i);
        leaf(w);
    }
    expect(w, PATH_OFTEN, false);
    assert_int_equal(w->most, 200);
}

/* f calls the leaf from two sites; straight lines of calls of f. */
static void test_tree_of_calls(void **state)
{
    struct walk *w = *state;

    for (unsigned i = 0; i < 100; i++) {
        call(w, 0x1000 + 5 * i);
        call(w, 0x8000);
        leaf(w);
        call(w, 0x8005);
        leaf(w);
        ret(w, 0x800a);
    }
    expect(w, PATH_OFTEN, false);
}

static void test_loop_around_call(void **state)
{
    struct walk *w = *state;

    for (int i = 0; i < 70; i++) {
        call(w, 0x1000);
        leaf(w);
        plain(w, 0x1005);
    }
    expect(w, PATH_CYCLE, true);
}

/* The loop is left before the leaf is called often: no cycle between the leaf's hits. */
static void test_cycle_before_the_hits(void **state)
{
    struct walk *w = *state;

    for (int i = 0; i < 3; i++)
        plain(w, 0x100);
    for (unsigned i = 0; i < 100; i++) {
        call(w, 0x1000 + 5 * i);
        leaf(w);
    }
    expect(w, PATH_OFTEN, true);
}

static void test_cycle_between_the_hits(void **state)
{
    struct walk *w = *state;

    for (unsigned i = 0; i < 100; i++) {
        call(w, 0x1000 + 5 * i);
        leaf(w);
        if (i == 10) {
            plain(w, 0x100);
            plain(w, 0x100);
        }
    }
    expect(w, PATH_CYCLE, true);
}

static void test_recursion(void **state)
{
    struct walk *w = *state;

    for (int i = 0; i < 65; i++) {
        plain(w, 0x1000);
        w->next.sp -= 16;
        call(w, 0x1004);
    }
    expect(w, PATH_CYCLE, true);
}

static void test_recursion_that_ticks(void **state)
{
    struct walk *w = *state;

    for (int i = 0; i < 100; i++) {
        w->next.ticks++;
        plain(w, 0x1000);
        call(w, 0x1004);
    }
    for (int i = 0; i < 100; i++) { /* the returns of one recursion all come to one instruction */
        w->next.ticks++;
        ret(w, 0x1009);
    }
    expect(w, PATH_GOOD, false);
}

/* Returns out of a recursion: the same instruction with ever fewer calls open. It ends by itself.
 */
static void test_returns_of_recursion(void **state)
{
    struct walk *w = *state;

    for (int i = 0; i < 100; i++) {
        w->next.ticks++;
        plain(w, 0x1000);
        call(w, 0x1004);
    }
    for (int i = 0; i < 100; i++)
        ret(w, 0x1009);
    expect(w, PATH_OFTEN, false);
}

static void test_returns_to_unseen_callers(void **state)
{
    struct walk *w = *state;

    for (int i = 0; i < 100; i++)
        ret(w, 0x1009);
    expect(w, PATH_OFTEN, false);
}

static void test_loop_of_unseen_caller(void **state)
{
    struct walk *w = *state;

    ret(w, 0x1009);
    for (int i = 0; i < 70; i++) {
        call(w, 0x1000);
        leaf(w);
    }
    expect(w, PATH_CYCLE, true);
}

static void test_loop_by_longjmp(void **state)
{
    struct walk *w = *state;

    for (int i = 0; i < 70; i++) {
        uint64_t sp = w->next.sp;

        plain(w, 0x1000);
        call(w, 0x1004);
        call(w, 0x2000);
        plain(w, 0x3000);
        w->next.sp = sp;
        look(w, 0x3004, PATH_INDIRECT_JUMP);
    }
    expect(w, PATH_CYCLE, true);
}

static void deliver(struct walk *w, uint64_t frame)
{
    w->next.sp = frame;
    w->next.resumed = true;
    plain(w, 0x5000);
    ret(w, 0x5001);
    look(w, 0x6000, PATH_SIGNAL_RETURN);
    w->next.resumed = true;
}

/* Signals are no cycle, on the same stack or another one. */
static void test_signals(void **state)
{
    struct walk *w = *state;

    call(w, 0x100);
    for (unsigned i = 0; i < 100; i++) {
        uint64_t sp = w->next.sp;

        plain(w, 0x1000 + i);
        deliver(w, i % 2 ? sp - 512 : STACK + 0x10000);
        w->next.sp = sp;
    }
    expect(w, PATH_OFTEN, false);
    ret(w, 0x2000);
    plain(w, 0x105);
    assert_false(path_repeats(w->path));
}

static void test_loop_in_handler(void **state)
{
    struct walk *w = *state;

    plain(w, 0x1000);
    w->next.sp -= 512;
    w->next.resumed = true;
    for (int i = 0; i < 65; i++)
        plain(w, 0x5000);
    expect(w, PATH_CYCLE, true);
}

static void test_reset(void **state)
{
    struct walk *w = *state;

    for (int i = 0; i < 100; i++) {
        plain(w, 0x1000);
        path_reset(w->path);
    }
    expect(w, PATH_GOOD, false);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        T(test_loop),
        T(test_loop_within_limit),
        T(test_loop_that_ticks),
        T(test_leaf_of_straight_line),
        T(test_tree_of_calls),
        T(test_loop_around_call),
        T(test_cycle_before_the_hits),
        T(test_cycle_between_the_hits),
        T(test_recursion),
        T(test_recursion_that_ticks),
        T(test_returns_of_recursion),
        T(test_returns_to_unseen_callers),
        T(test_loop_of_unseen_caller),
        T(test_loop_by_longjmp),
        T(test_signals),
        T(test_loop_in_handler),
        T(test_reset),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
