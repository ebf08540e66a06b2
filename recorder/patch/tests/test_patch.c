/* The rule of occupancy and the state machine, case by case. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "recorder/patch/fault.h"
#include "recorder/patch/occupancy.h"
#include "recorder/patch/state.h"

/* mov $n, %eax; syscall: [100, 107), the call's instruction at 105. */
#define START 100
#define CALL 105
#define END 107

static bool holds(struct patch_occupant o, unsigned blindness)
{
    return patch_occupied(&o, 1, START, END, blindness) != NULL;
}

static void test_ip(void **state)
{
    (void)state;
    for (uint64_t ip = START - 3; ip < END + 3; ip++)
        assert_int_equal(holds((struct patch_occupant){.ip = ip}, 0), ip > START && ip < END);
}

/* A thread in the call stands behind it, at the region's end, and may be sent back into it. */
static void test_call(void **state)
{
    (void)state;
    assert_true(holds((struct patch_occupant){.ip = END, .in_call = true}, 0));
    assert_false(holds((struct patch_occupant){.ip = END}, 0));
    assert_true(holds((struct patch_occupant){.ip = END + 1, .in_call = true}, 0));
    assert_false(holds((struct patch_occupant){.ip = END + 2, .in_call = true}, 0));
    /* the region that begins with the call itself is not entered by its restart */
    assert_false(holds((struct patch_occupant){.ip = START + 2 - 2, .in_call = true}, 0));
    assert_false(
        patch_occupied(&(struct patch_occupant){.ip = END, .in_call = true}, 1, CALL, END, 0));
}

static void test_movable(void **state)
{
    (void)state;
    assert_false(holds((struct patch_occupant){.ip = CALL, .movable = true}, 0));
    /* in a call nobody is moved */
    assert_true(holds((struct patch_occupant){.ip = END, .in_call = true, .movable = true}, 0));
}

static void test_first(void **state)
{
    const struct patch_occupant crowd[] = {{.ip = 5, .task = 1},
                                           {.ip = START, .task = 2},
                                           {.ip = END, .task = 3},
                                           {.ip = CALL, .task = 4},
                                           {.ip = CALL, .task = 5}};

    (void)state;
    assert_int_equal(patch_occupied(crowd, 5, START, END, 0)->task, 4);
    assert_null(patch_occupied(crowd, 3, START, END, 0));
    assert_null(patch_occupied(NULL, 0, START, END, 0));
}

static void test_blindness(void **state)
{
    (void)state;
    assert_false(holds((struct patch_occupant){.ip = CALL}, PATCH_BLIND_TO_ALL));
    assert_true(holds((struct patch_occupant){.ip = CALL}, PATCH_BLIND_TO_RESTARTS));
    assert_false(
        holds((struct patch_occupant){.ip = END, .in_call = true}, PATCH_BLIND_TO_RESTARTS));
}

/* Run a word of inputs through the machine. */
static enum patch_word run(const enum patch_input *inputs, size_t count, unsigned *ret_writes)
{
    enum patch_word state = PATCH_NONE;

    *ret_writes = 0;
    for (size_t i = 0; i < count; i++) {
        struct patch_step step = patch_step(state, inputs[i]);

        *ret_writes += step.write;
        state = step.next;
    }
    return state;
}

#define RUN(...)                                 \
    run((const enum patch_input[]){__VA_ARGS__}, \
        sizeof((const enum patch_input[]){__VA_ARGS__}) / sizeof(enum patch_input), &writes)

static void test_states(void **state)
{
    unsigned writes;

    (void)state;
    assert_int_equal(RUN(PATCH_INPUT_REGION, PATCH_INPUT_CLEAR), PATCH_APPLIED);
    assert_int_equal(writes, 1);
    assert_int_equal(RUN(PATCH_INPUT_REGION, PATCH_INPUT_BEGINS_BEFORE), PATCH_DEFERRED_ENTRY);
    assert_int_equal(writes, 0);
    assert_int_equal(RUN(PATCH_INPUT_REGION, PATCH_INPUT_BEGINS_BEFORE, PATCH_INPUT_FREE),
                     PATCH_APPLIED);
    assert_int_equal(writes, 1);
    assert_int_equal(RUN(PATCH_INPUT_REGION, PATCH_INPUT_BEGINS_BEFORE, PATCH_INPUT_OCCUPIED,
                         PATCH_INPUT_OCCUPIED, PATCH_INPUT_FREE),
                     PATCH_APPLIED);
    assert_int_equal(writes, 1);
    assert_int_equal(
        RUN(PATCH_INPUT_REGION, PATCH_INPUT_BEGINS_BEFORE, PATCH_INPUT_CHANGED, PATCH_INPUT_FREE),
        PATCH_ABANDONED);
    assert_int_equal(writes, 0);
    assert_int_equal(RUN(PATCH_INPUT_NO_REGION, PATCH_INPUT_REGION, PATCH_INPUT_CLEAR),
                     PATCH_REFUSED);
    assert_int_equal(writes, 0);
}

/* Nothing is written twice, or while it is not known to be free; a refusal is for good. */
static void test_table(void **state)
{
    (void)state;
    for (int s = 0; s < PATCH_STATE_COUNT; s++) {
        for (int i = 0; i < PATCH_INPUT_COUNT; i++) {
            struct patch_step step = patch_step((enum patch_word)s, (enum patch_input)i);

            assert_true(step.next < PATCH_STATE_COUNT);
            assert_int_equal(step.write, step.next == PATCH_APPLIED && s != PATCH_APPLIED);
            if (step.write)
                assert_true(i == PATCH_INPUT_CLEAR || i == PATCH_INPUT_FREE);
            if (s == PATCH_REFUSED)
                assert_int_equal(step.next, PATCH_REFUSED);
        }
    }
}

/* state.txt is what the documentation shows. */
static void test_drawing(void **state)
{
    char *drawn = NULL, shown[8192] = "";
    size_t size;
    FILE *out = open_memstream(&drawn, &size), *file = fopen(PATCH_STATE_DRAWING, "r");

    (void)state;
    assert_non_null(out);
    assert_non_null(file);
    patch_draw(out);
    fclose(out);
    assert_true(fread(shown, 1, sizeof(shown) - 1, file) > 0);
    fclose(file);
    assert_string_equal(shown, drawn);
    free(drawn);
}

static void test_faults(void **state)
{
    (void)state;
    setenv("RRTEST_FAULT", "disk-full,patch-no-ip-check,patch-flag-per-task", 1);
    assert_int_equal(patch_faults_from_environment(),
                     PATCH_FAULT_NO_IP_CHECK | PATCH_FAULT_FLAG_PER_TASK);
    unsetenv("RRTEST_FAULT");
    assert_int_equal(patch_faults_from_environment(), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ip),        cmocka_unit_test(test_call),
        cmocka_unit_test(test_movable),   cmocka_unit_test(test_first),
        cmocka_unit_test(test_blindness), cmocka_unit_test(test_states),
        cmocka_unit_test(test_table),     cmocka_unit_test(test_drawing),
        cmocka_unit_test(test_faults),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
