/* What is shown of files: numbers from the first one seen, times of the run, a table that is full
 * or damaged. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "recorder/blob/facts.h"

#define START 1000000000000ll /* real time at which the run began */
#define EPOCH 500000000000ll  /* virtual */
#define REAL (START + 5 * FACTS_NS)

static int set_up(void **state)
{
    struct facts *f = calloc(1, sizeof(*f));

    if (!f)
        return -1;
    f->start = START;
    f->next_inode = 100;
    f->next_mount = 20;
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    free(*state);
    return 0;
}

static void numbers_are_kept(void **state)
{
    struct facts *f = *state;
    uint32_t a = facts_number(f, 1, 7), b = facts_number(f, 1, 8), c = facts_number(f, 2, 7);

    assert_true(a && b && c && a != b && b != c && a != c);
    assert_int_equal(facts_number(f, 1, 7), a);
    assert_int_equal(facts_show_inode(f, &f->fact[b]), 100);
    assert_int_equal(facts_show_inode(f, &f->fact[a]), 101);
    assert_int_equal(facts_show_inode(f, &f->fact[b]), 100);
    assert_int_equal(facts_show_mount(f, &f->fact[c]), 20);
}

static void full_table_says_so(void **state)
{
    struct facts *f = *state;
    uint64_t made = 0;

    while (facts_number(f, 3, made + 1) != 0)
        made++;
    assert_int_equal(made, FACTS_MAX - 1);
    assert_int_equal(facts_number(f, 4, 1), 0);
    assert_int_not_equal(facts_number(f, 3, made), 0);
}

/* A program may write over it: nothing outside is reached, and there is an end. */
static void damaged_table_ends(void **state)
{
    struct facts *f = *state;

    memset(f->slot, 0xff, sizeof(f->slot));
    assert_int_equal(facts_number(f, 1, 1), 0);
    memset(f->slot, 0, sizeof(f->slot));
    f->count = UINT64_MAX;
    assert_int_equal(facts_number(f, 1, 1), 0);
}

static void old_files_show_their_times(void **state)
{
    struct facts *f = *state;
    struct shown_file file = {.modified = START - 5, .changed = START - 3, .accessed = START - 1};

    assert_false(facts_is_of_this_run(f, &file, REAL));
    facts_show_times(f, &file, NULL, false, EPOCH + 9, EPOCH, REAL);
    assert_int_equal(file.modified, START - 5);
    assert_int_equal(file.changed, START - 3);
    assert_int_equal(file.accessed, START - 5); /* earlier runs may have read it */
}

static void times_of_the_run_are_virtual(void **state)
{
    struct facts *f = *state;
    struct fact *fact = &f->fact[facts_number(f, 1, 7)];
    struct shown_file file = {.modified = START + 1, .changed = START + 2, .accessed = START + 1};
    struct shown_file again = file;

    assert_true(facts_is_of_this_run(f, &file, REAL));
    facts_opened(f, fact, true, EPOCH + 10);
    facts_show_times(f, &file, fact, false, EPOCH + 50, EPOCH, REAL);
    assert_int_equal(file.modified, EPOCH + 10);
    assert_int_equal(file.changed, EPOCH + 10);
    facts_show_times(f, &again, fact, false, EPOCH + 90, EPOCH, REAL);
    assert_int_equal(again.modified, EPOCH + 10); /* nothing happened since */
    fact->written = EPOCH + 70;
    again.modified = START + 3;
    facts_show_times(f, &again, fact, false, EPOCH + 95, EPOCH, REAL);
    assert_int_equal(again.modified, EPOCH + 70);
}

static void future_times_were_set(void **state)
{
    struct facts *f = *state;
    struct shown_file file = {.modified = REAL + 2 * FACTS_AHEAD_NS, .changed = START - 1};

    assert_false(facts_is_of_this_run(f, &file, REAL));
}

static void output_looks_the_same(void **state)
{
    struct facts *f = *state;
    struct fact *fact = &f->fact[facts_number(f, 1, 7)];
    struct shown_file file = {.device = 1, .inode = 7, .modified = START - 9};

    f->stdio[1].device = 1;
    f->stdio[1].inode = 7;
    assert_int_equal(facts_stdio(f, 1, 7), 1);
    assert_int_equal(facts_stdio(f, 1, 8), -1);
    assert_int_equal(facts_stdio(f, 0, 0), -1);
    facts_show_stdio(&file, fact, 1, false, true, EPOCH);
    assert_int_equal(file.inode, FACTS_FIRST_STDIO + 1);
    assert_int_equal(file.modified, EPOCH);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(numbers_are_kept, set_up, tear_down),
        cmocka_unit_test_setup_teardown(full_table_says_so, set_up, tear_down),
        cmocka_unit_test_setup_teardown(damaged_table_ends, set_up, tear_down),
        cmocka_unit_test_setup_teardown(old_files_show_their_times, set_up, tear_down),
        cmocka_unit_test_setup_teardown(times_of_the_run_are_virtual, set_up, tear_down),
        cmocka_unit_test_setup_teardown(future_times_were_set, set_up, tear_down),
        cmocka_unit_test_setup_teardown(output_looks_the_same, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
