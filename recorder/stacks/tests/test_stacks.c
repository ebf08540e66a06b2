/* Stacks as data: round trip, damage, text, and what makes two failures the same. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "recorder/base/random.h"
#include "recorder/stacks/stacks.h"

/* One frame: module, function, file may be NULL. */
static void add(struct task_stack *task, const char *module, const char *function, const char *file,
                uint32_t line)
{
    struct stack_frame *frame = stacks_add_frame(task);

    frame->address = 0x7ffff7000000u + task->frame_count * 0x123u;
    frame->module_offset = task->frame_count * 0x123u;
    frame->offset = 0x12;
    frame->line = line;
    frame->column = file ? 7 : 0;
    frame->module = module ? strdup(module) : NULL;
    frame->function = function ? strdup(function) : NULL;
    frame->file = file ? strdup(file) : NULL;
}

static struct task_stack *add_task(struct stack_list *list, const char *role, const char *state)
{
    struct task_stack *task = stacks_add_task(list);

    task->pid = 2;
    task->tid = 1 + (int32_t)list->count;
    task->role = strdup(role);
    task->name = strdup("stuck");
    task->state = strdup(state);
    return task;
}

#define PROGRAM "/home/a/build/queue"
#define LIBC "/usr/lib/x86_64-linux-gnu/libc.so.6"

static void add_abort(struct task_stack *task)
{
    add(task, LIBC, "__pthread_kill_implementation", NULL, 0);
    add(task, LIBC, "raise", NULL, 0);
    add(task, LIBC, "abort", NULL, 0);
    add(task, LIBC, "__assert_fail", NULL, 0);
}

static void crash(struct stack_list *list)
{
    struct task_stack *task = add_task(list, "0.1", "killed by SIGABRT");

    task->is_cause = true;
    add_abort(task);
    add(task, PROGRAM, "push", "/home/a/src/queue.c", 41);
    task->frames[4].is_inlined = true;
    add(task, PROGRAM, "fill", "/home/a/src/queue.c", 60);
    add(task, LIBC, "qsort", NULL, 0);
    add(task, PROGRAM, "work", "/home/a/src/queue.c", 80);
    add(task, PROGRAM, "thread", "/home/a/src/queue.c", 90);
    add(task, LIBC, "start_thread", NULL, 0);
    task = add_task(list, "0", "waits in futex(0x1)");
    free(task->name);
    task->name = NULL;
    task->is_cut = true;
    add(task, NULL, NULL, NULL, 0);
    add(task, PROGRAM, NULL, NULL, 0);
}

static char *text_of(struct bytes *b)
{
    bytes_append(b, "", 1);
    return (char *)b->data;
}

static void expect_rendered(const struct stack_list *list, const char *expected)
{
    struct bytes text = {0};

    stacks_render(list, "  ", &text);
    assert_string_equal(text_of(&text), expected);
    bytes_done(&text);
}

static void expect_signature(const struct stack_list *list, const char *kind, const char *expected)
{
    struct bytes text = {0};

    stacks_signature(list, kind, &text);
    assert_string_equal(text_of(&text), expected);
    bytes_done(&text);
}

static void test_render(void **state)
{
    struct stack_list list = {0};

    (void)state;
    expect_rendered(&list, "");
    crash(&list);
    list.left_out = 3;
    free(list.tasks[0].name);
    list.tasks[0].name = strdup("a\033[1m\n");
    expect_rendered(&list, "  task 0.1 (pid 2 tid 2, a?[1m?): killed by SIGABRT\n"
                           "    #0 0x7ffff7000123 __pthread_kill_implementation+0x12 [libc.so.6]\n"
                           "    #1 0x7ffff7000246 raise+0x12 [libc.so.6]\n"
                           "    #2 0x7ffff7000369 abort+0x12 [libc.so.6]\n"
                           "    #3 0x7ffff700048c __assert_fail+0x12 [libc.so.6]\n"
                           "    #4 0x7ffff70005af push, inlined (queue.c:41) [queue]\n"
                           "    #5 0x7ffff70006d2 fill+0x12 (queue.c:60) [queue]\n"
                           "    #6 0x7ffff70007f5 qsort+0x12 [libc.so.6]\n"
                           "    #7 0x7ffff7000918 work+0x12 (queue.c:80) [queue]\n"
                           "    #8 0x7ffff7000a3b thread+0x12 (queue.c:90) [queue]\n"
                           "    #9 0x7ffff7000b5e start_thread+0x12 [libc.so.6]\n"
                           "  task 0 (pid 2 tid 3): waits in futex(0x1)\n"
                           "    #0 0x7ffff7000123\n"
                           "    #1 0x7ffff7000246 [queue+0x246]\n"
                           "    ...\n"
                           "  and 3 more\n");
    stacks_done(&list);
}

/* ---- encoding -------------------------------------------------------------------------------- */

static void encode(const struct stack_list *list, struct bytes *ret)
{
    bytes_clear(ret);
    stacks_encode(list, ret);
}

static void test_round_trip(void **state)
{
    struct stack_list list = {0}, copy = {0}, decoded = {0};
    struct bytes first = {0}, second = {0}, rendered = {0};

    (void)state;
    encode(&list, &first);
    assert_int_equal(stacks_decode(first.data, first.length, &decoded), 0);
    assert_int_equal(decoded.count, 0);
    crash(&list);
    list.left_out = 12;
    list.tasks[0].pid = -1;
    list.tasks[0].frames[2].address = UINT64_MAX;
    list.tasks[0].frames[2].line = UINT32_MAX;
    encode(&list, &first);
    stacks_copy(&copy, &list);
    stacks_render(&list, "", &rendered);
    stacks_done(&list);
    assert_int_equal(stacks_decode(first.data, first.length, &decoded), 0);
    encode(&decoded, &second);
    assert_int_equal(first.length, second.length);
    assert_memory_equal(first.data, second.data, first.length);
    encode(&copy, &second);
    assert_int_equal(first.length, second.length);
    assert_memory_equal(first.data, second.data, first.length);
    expect_rendered(
        &copy, (bytes_clear(&second), stacks_render(&decoded, "  ", &second), text_of(&second)));
    assert_int_equal(decoded.tasks[0].pid, -1);
    assert_true(decoded.tasks[0].is_cause);
    assert_true(decoded.tasks[1].is_cut);
    assert_null(decoded.tasks[1].name);
    assert_true(decoded.tasks[0].frames[4].is_inlined);
    assert_int_equal(decoded.tasks[0].frames[4].column, 7);
    assert_int_equal(decoded.left_out, 12);
    stacks_done(&decoded);
    stacks_done(&copy);
    bytes_done(&first);
    bytes_done(&second);
    bytes_done(&rendered);
}

/* Many stacks of the same code take few bytes: they travel in messages. */
static void test_texts_are_shared(void **state)
{
    struct stack_list list = {0};
    struct bytes one = {0}, many = {0};

    (void)state;
    crash(&list);
    encode(&list, &one);
    for (int i = 0; i < 63; i++)
        crash(&list);
    encode(&list, &many);
    assert_true(many.length < 64 * 300);
    assert_true(one.length > 300);
    stacks_done(&list);
    bytes_done(&one);
    bytes_done(&many);
}

static void test_damage(void **state)
{
    struct stack_list list = {0}, decoded;
    struct bytes good = {0};
    struct random_stream random;
    unsigned refused = 0;
    uint8_t *bad;

    (void)state;
    crash(&list);
    encode(&list, &good);
    stacks_done(&list);
    bad = malloc(good.length + 1);
    assert_non_null(bad);
    for (size_t cut = 0; cut < good.length; cut++) {
        memcpy(bad, good.data, cut); /* malloced to the byte below: overruns show */
        uint8_t *exact = malloc(cut ? cut : 1);

        assert_non_null(exact);
        memcpy(exact, good.data, cut);
        assert_int_equal(stacks_decode(exact, cut, &decoded), -EBADMSG);
        free(exact);
    }
    memcpy(bad, good.data, good.length);
    bad[good.length] = 0;
    assert_int_equal(stacks_decode(bad, good.length + 1, &decoded), -EBADMSG);
    bad[0] = 2; /* another version */
    assert_int_equal(stacks_decode(bad, good.length, &decoded), -EBADMSG);
    random_init(&random, 7, RANDOM_DATA);
    for (int round = 0; round < 20000; round++) {
        memcpy(bad, good.data, good.length);
        for (int i = 0; i <= round % 4; i++)
            bad[random_u64(&random) % good.length] = (uint8_t)random_u64(&random);
        if (stacks_decode(bad, good.length, &decoded) == 0)
            stacks_done(&decoded);
        else
            refused++;
    }
    assert_true(refused > 1000);
    free(bad);
    bytes_done(&good);
}

/* ---- signatures ------------------------------------------------------------------------------ */

static void test_signature_of_a_crash(void **state)
{
    struct stack_list list = {0};

    (void)state;
    expect_signature(&list, "exit", "exit\n");
    crash(&list);
    expect_signature(&list, "signal",
                     "signal\npush queue.c:41\nfill queue.c:60\nwork queue.c:80\n");
    /* addresses, ids, folders and other tasks do not count */
    for (size_t i = 0; i < list.tasks[0].frame_count; i++) {
        struct stack_frame *f = &list.tasks[0].frames[i];

        f->address += 0x10000;
        if (f->file) {
            free(f->file);
            f->file = strdup("/ci/workspace/queue.c");
        }
    }
    list.tasks[0].tid = 77;
    stacks_task_done(&list.tasks[1]);
    list.count = 1;
    expect_signature(&list, "signal",
                     "signal\npush queue.c:41\nfill queue.c:60\nwork queue.c:80\n");
    list.tasks[0].frames[5].line = 61;
    expect_signature(&list, "signal",
                     "signal\npush queue.c:41\nfill queue.c:61\nwork queue.c:80\n");
    stacks_done(&list);
}

static void test_signature_without_debug_data(void **state)
{
    struct stack_list list = {0};
    struct task_stack *task = add_task(&list, "0", "killed by SIGSEGV");

    (void)state;
    task->is_cause = true;
    add(task, "/lib/x86_64-linux-gnu/libfoo.so.2", "foo", "foo.c", 3);
    add(task, "/home/a/plugin.so", NULL, NULL, 0);
    add(task, "/usr/lib/tool/tool", "named", NULL, 0);
    add(task, "/opt/gcc/lib/libstdc++.so.6.0.30", "f", NULL, 0);
    add(task, NULL, NULL, NULL, 0);
    expect_signature(&list, "signal", "signal\nplugin.so+0x246\ntool+0x369\n");
    stacks_done(&list);
}

/* A static program: what libc does is told by its functions' names. */
static void test_signature_of_a_static_program(void **state)
{
    struct stack_list list = {0};
    struct task_stack *task = add_task(&list, "0", "exits with 1");

    (void)state;
    task->is_cause = true;
    add(task, PROGRAM, "_exit", NULL, 0);
    add(task, PROGRAM, "__run_exit_handlers", NULL, 0);
    add(task, PROGRAM, "exit", NULL, 0);
    add(task, PROGRAM, "__asan::Die()", NULL, 0);
    add(task, PROGRAM, "main", "main.c", 9);
    add(task, PROGRAM, "__libc_start_call_main", NULL, 0);
    add(task, PROGRAM, "_start", NULL, 0);
    expect_signature(&list, "exit", "exit\nmain main.c:9\n");
    stacks_done(&list);
}

static void test_signature_of_libraries_alone(void **state)
{
    struct stack_list list = {0};
    struct task_stack *task = add_task(&list, "0", "killed by SIGABRT");

    (void)state;
    task->is_cause = true;
    add_abort(task);
    add(task, "/usr/lib/libfoo.so", "foo", "foo.c", 3);
    add(task, LIBC, "start_thread", NULL, 0);
    expect_signature(&list, "signal", "signal\nfoo foo.c:3\n");
    stacks_done(&list);
}

static void add_waiter(struct stack_list *list, const char *role, const char *start, uint32_t line)
{
    struct task_stack *task = add_task(list, role, "waits in futex(0x7ff0)");

    add(task, LIBC, "pthread_mutex_lock", NULL, 0);
    add(task, PROGRAM, "take", "locks.c", line);
    add(task, PROGRAM, start, "locks.c", 50);
    add(task, LIBC, "start_thread", NULL, 0);
    add(task, LIBC, "__clone3", NULL, 0);
}

static void test_signature_of_a_deadlock(void **state)
{
    static const char expected[] = "deadlock\n"
                                   "backwards waits at take locks.c:20\n"
                                   "forwards waits at take locks.c:10\n"
                                   "main waits at main locks.c:70\n";
    struct stack_list list = {0};
    struct task_stack *task = add_task(&list, "0", "waits in futex(0x1)");

    (void)state;
    add(task, LIBC, "pthread_join", NULL, 0);
    add(task, PROGRAM, "main", "locks.c", 70);
    add(task, LIBC, "__libc_start_call_main", NULL, 0);
    add(task, PROGRAM, "_start", NULL, 0);
    add_waiter(&list, "0.1", "forwards", 10);
    add_waiter(&list, "0.2", "backwards", 20);
    expect_signature(&list, "deadlock", expected);
    stacks_done(&list);
    /* the other order, and two of a kind */
    add_waiter(&list, "0.1", "backwards", 20);
    add_waiter(&list, "0.2", "forwards", 10);
    add_waiter(&list, "0.3", "forwards", 10);
    task = add_task(&list, "0", "sleeps in the kernel in futex(0x1)");
    add(task, LIBC, "pthread_join", NULL, 0);
    add(task, PROGRAM, "main", "locks.c", 70);
    expect_signature(&list, "deadlock", expected);
    /* in a time-out, where a running task is by then does not count */
    free(list.tasks[0].state);
    list.tasks[0].state = strdup("runs");
    expect_signature(&list, "timeout",
                     "timeout\nbackwards runs\nforwards waits at take locks.c:10\n"
                     "main waits at main locks.c:70\n");
    stacks_done(&list);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_render),
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_texts_are_shared),
        cmocka_unit_test(test_damage),
        cmocka_unit_test(test_signature_of_a_crash),
        cmocka_unit_test(test_signature_without_debug_data),
        cmocka_unit_test(test_signature_of_a_static_program),
        cmocka_unit_test(test_signature_of_libraries_alone),
        cmocka_unit_test(test_signature_of_a_deadlock),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
