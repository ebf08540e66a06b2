/* Dispositions, queues, alternate stacks and restart groups: the rules of signal(7) and of the
 * kernel's sources, as tables. Alternate stacks are compared with this kernel's own sigaltstack. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "recorder/signals/signals.h"

#define COUNT(array) (sizeof(array) / sizeof(*(array)))

static void test_actions(void **state)
{
    struct signal_action action = {.handler = 0x1000, .flags = ~0ull, .restorer = 7, .mask = ~0ull};
    struct signal_action old;
    struct signal_handlers *h = signal_handlers_new();
    struct signal_handlers *copy;

    (void)state;
    assert_int_equal(signal_handlers_set(h, 0, &action, NULL), -EINVAL);
    assert_int_equal(signal_handlers_set(h, 65, &action, NULL), -EINVAL);
    assert_int_equal(signal_handlers_set(h, SIGKILL, &action, NULL), -EINVAL);
    assert_int_equal(signal_handlers_set(h, SIGSTOP, &action, NULL), -EINVAL);
    assert_int_equal(signal_handlers_set(h, SIGKILL, NULL, &old), 0);
    assert_int_equal(old.handler, SIGNAL_HANDLER_DEFAULT);
    assert_int_equal(signal_handlers_set(h, 64, &action, &old), 0);
    assert_int_equal(old.handler, 0);
    assert_int_equal(signal_handlers_set(h, 64, NULL, &old), 0);
    assert_int_equal(old.handler, 0x1000);
    assert_true(old.mask == (~0ull & ~SIGNAL_UNBLOCKABLE));

    copy = signal_handlers_copy(h);
    action.handler = SIGNAL_HANDLER_IGNORE;
    signal_handlers_set(h, SIGUSR1, &action, NULL);
    assert_int_equal(signal_handlers_get(copy, SIGUSR1)->handler, 0);
    assert_int_equal(signal_handlers_get(copy, 64)->handler, 0x1000);
    signal_handlers_exec(h);
    assert_int_equal(signal_handlers_get(h, 64)->handler, 0);
    assert_int_equal(signal_handlers_get(h, SIGUSR1)->handler, SIGNAL_HANDLER_IGNORE);
    assert_int_equal(signal_handlers_get(h, SIGUSR1)->flags, 0);
    assert_int_equal(signal_handlers_get(h, SIGUSR1)->mask, 0);
    signal_handlers_unref(copy);
    signal_handlers_unref(signal_handlers_ref(h));
    signal_handlers_unref(h);
}

/* What the kernel keeps of an action's flags and mask is what the model keeps. */
static void test_action_flags_as_the_kernel_keeps_them(void **state)
{
    struct signal_action action = {.handler = 0x1000, .flags = ~0ull, .restorer = 7, .mask = ~0ull};
    struct signal_action kernel, model, saved;
    struct signal_handlers *h = signal_handlers_new();

    (void)state;
    assert_int_equal(syscall(SYS_rt_sigaction, 50, &action, &saved, 8), 0);
    assert_int_equal(syscall(SYS_rt_sigaction, 50, &saved, &kernel, 8), 0);
    signal_handlers_set(h, 50, &action, NULL);
    signal_handlers_set(h, 50, NULL, &model);
    assert_memory_equal(&kernel, &model, sizeof(model));
    signal_handlers_unref(h);
}

static void test_reset_and_force(void **state)
{
    struct signal_action action = {.handler = 0x1000, .flags = (unsigned)SA_RESETHAND, .mask = 2};
    struct signal_handlers *h = signal_handlers_new();
    struct signal_action taken;

    (void)state;
    signal_handlers_set(h, SIGUSR1, &action, NULL);
    taken = signal_handlers_enter(h, SIGUSR1);
    assert_int_equal(taken.handler, 0x1000);
    assert_int_equal(signal_handlers_get(h, SIGUSR1)->handler, SIGNAL_HANDLER_DEFAULT);
    assert_int_equal(signal_handlers_get(h, SIGUSR1)->mask, 2);
    assert_true(signal_mask_in_handler(4, &taken, SIGUSR1) == (4 | 2 | signal_bit(SIGUSR1)));
    taken.flags = SA_NODEFER;
    assert_true(signal_mask_in_handler(4, &taken, SIGUSR1) == (4 | 2));

    action.flags = 0;
    signal_handlers_set(h, SIGSEGV, &action, NULL);
    assert_false(signal_handlers_force(h, SIGSEGV, false));
    assert_int_equal(signal_handlers_get(h, SIGSEGV)->handler, 0x1000);
    assert_true(signal_handlers_force(h, SIGSEGV, true));
    assert_int_equal(signal_handlers_get(h, SIGSEGV)->handler, SIGNAL_HANDLER_DEFAULT);
    action.handler = SIGNAL_HANDLER_IGNORE;
    signal_handlers_set(h, SIGSEGV, &action, NULL);
    assert_false(signal_handlers_force(h, SIGSEGV, false));
    assert_int_equal(signal_handlers_get(h, SIGSEGV)->handler, SIGNAL_HANDLER_DEFAULT);
    signal_handlers_unref(h);
}

static void test_ignored(void **state)
{
    struct signal_action ignore = {.handler = SIGNAL_HANDLER_IGNORE};
    struct signal_action catch = {.handler = 0x1000};
    struct signal_handlers *h = signal_handlers_new();

    (void)state;
    assert_true(signal_is_ignored(h, SIGCHLD));
    assert_true(signal_is_ignored(h, SIGCONT));
    assert_true(signal_is_ignored(h, SIGWINCH));
    assert_false(signal_is_ignored(h, SIGUSR1));
    assert_false(signal_is_ignored(h, SIGTSTP));
    assert_false(signal_is_ignored(h, 34));
    signal_handlers_set(h, SIGUSR1, &ignore, NULL);
    signal_handlers_set(h, SIGCHLD, &catch, NULL);
    assert_true(signal_is_ignored(h, SIGUSR1));
    assert_false(signal_is_ignored(h, SIGCHLD));
    assert_int_equal(signal_default_action(SIGTERM), SIGNAL_TERMINATE);
    assert_int_equal(signal_default_action(SIGABRT), SIGNAL_CORE);
    assert_int_equal(signal_default_action(SIGTTIN), SIGNAL_STOP);
    assert_int_equal(signal_default_action(SIGCONT), SIGNAL_CONTINUE);
    assert_int_equal(signal_default_action(64), SIGNAL_TERMINATE);
    signal_handlers_unref(h);
}

static void add(struct signal_queue *q, int signal, int value)
{
    siginfo_t info = {0};

    info.si_signo = signal;
    info.si_value.sival_int = value;
    signal_queue_add(q, &info);
}

static void expect_take(struct signal_queue *q, signal_set wanted, int signal, int value)
{
    siginfo_t info;

    assert_true(signal_queue_take(q, wanted, &info));
    assert_int_equal(info.si_signo, signal);
    assert_int_equal(info.si_value.sival_int, value);
}

static void test_queue_order(void **state)
{
    struct signal_queue *q = signal_queue_new();
    siginfo_t info;

    (void)state;
    add(q, 40, 1);
    add(q, SIGTERM, 2);
    add(q, 40, 3);
    add(q, SIGTERM, 4); /* pending already: dropped */
    add(q, SIGHUP, 5);
    add(q, 39, 6);
    add(q, SIGSEGV, 7);
    assert_true(signal_queue_set(q) == (signal_bit(40) | signal_bit(SIGTERM) | signal_bit(SIGHUP) |
                                        signal_bit(39) | signal_bit(SIGSEGV)));
    assert_false(signal_queue_take(q, signal_bit(SIGUSR1), &info));
    expect_take(q, signal_bit(40), 40, 1);
    expect_take(q, ~0ull, SIGSEGV, 7);
    expect_take(q, ~0ull, SIGHUP, 5);
    expect_take(q, ~0ull, SIGTERM, 2);
    expect_take(q, ~0ull, 39, 6);
    expect_take(q, ~0ull, 40, 3);
    assert_false(signal_queue_take(q, ~0ull, &info));
    assert_true(signal_queue_set(q) == 0);
    add(q, SIGTERM, 8); /* may come again */
    expect_take(q, ~0ull, SIGTERM, 8);
    signal_queue_free(q);
}

static void test_queue_discard(void **state)
{
    struct signal_queue *q = signal_queue_new();

    (void)state;
    for (int i = 0; i < 100; i++)
        add(q, 34 + i % 3, i);
    signal_queue_discard(q, signal_bit(34) | signal_bit(35));
    assert_true(signal_queue_set(q) == signal_bit(36));
    for (int i = 2; i < 100; i += 3)
        expect_take(q, ~0ull, 36, i);
    assert_true(signal_queue_set(q) == 0);
    signal_queue_free(q);
}

/* Everything sigaltstack answers outside its own stack, model against kernel. */
static void test_altstack_matches_kernel(void **state)
{
    uint64_t area = (uint64_t)(uintptr_t)mmap(NULL, 65536, PROT_READ | PROT_WRITE,
                                              MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    const stack_t steps[] = {
        {.ss_sp = (void *)area, .ss_size = 65536, .ss_flags = 0},
        {.ss_sp = (void *)area, .ss_size = 2047, .ss_flags = 0},
        {.ss_sp = (void *)area, .ss_size = 2048, .ss_flags = SS_ONSTACK},
        {.ss_sp = (void *)area, .ss_size = 8192, .ss_flags = 4},
        {.ss_sp = (void *)area, .ss_size = 8192, .ss_flags = (int)(1u << 31)},
        {.ss_sp = (void *)area, .ss_size = 8192, .ss_flags = SS_DISABLE},
        {.ss_sp = NULL, .ss_size = 0, .ss_flags = SS_DISABLE},
        {.ss_sp = NULL, .ss_size = 0, .ss_flags = 0},
    };
    struct signal_altstack model = {.flags = SS_DISABLE};
    stack_t off = {.ss_flags = SS_DISABLE};

    (void)state;
    assert_int_equal(sigaltstack(&off, NULL), 0);
    for (size_t i = 0; i < COUNT(steps); i++) {
        struct signal_altstack new_stack = {.address = (uint64_t)(uintptr_t)steps[i].ss_sp,
                                            .size = steps[i].ss_size,
                                            .flags = (uint32_t)steps[i].ss_flags};
        struct signal_altstack old;
        stack_t kernel_old;
        int kernel = syscall(SYS_sigaltstack, &steps[i], NULL) < 0 ? -errno : 0;

        assert_int_equal(signal_altstack_set(&model, (uint64_t)(uintptr_t)&old, &new_stack, NULL),
                         kernel);
        assert_int_equal(syscall(SYS_sigaltstack, NULL, &kernel_old), 0);
        assert_int_equal(signal_altstack_set(&model, (uint64_t)(uintptr_t)&old, NULL, &old), 0);
        assert_int_equal(old.address, (uint64_t)(uintptr_t)kernel_old.ss_sp);
        assert_int_equal(old.size, kernel_old.ss_size);
        assert_int_equal(old.flags, (uint32_t)kernel_old.ss_flags);
    }
    sigaltstack(&off, NULL);
    munmap((void *)area, 65536);
}

static void test_altstack_in_use(void **state)
{
    struct signal_altstack stack = {.address = 0x10000, .size = 0x4000};
    struct signal_altstack other = {.address = 0x50000, .size = 0x4000};
    struct signal_altstack old;

    (void)state;
    assert_int_equal(signal_altstack_state(&stack, 0x10000), 0);
    assert_int_equal(signal_altstack_state(&stack, 0x10001), SS_ONSTACK);
    assert_int_equal(signal_altstack_state(&stack, 0x14000), SS_ONSTACK);
    assert_int_equal(signal_altstack_state(&stack, 0x14001), 0);
    assert_int_equal(signal_altstack_set(&stack, 0x12000, &other, NULL), -EPERM);
    assert_int_equal(signal_altstack_set(&stack, 0x12000, NULL, &old), 0);
    assert_int_equal(old.flags, SS_ONSTACK);
    stack.flags = 1u << 31;
    assert_int_equal(signal_altstack_set(&stack, 0x12000, NULL, &old), 0);
    assert_int_equal(old.flags, 1u << 31);
    assert_int_equal(signal_altstack_set(&stack, 0x12000, &other, NULL), 0);
    signal_altstack_clone(&stack, true, true);
    assert_int_equal(stack.size, 0x4000);
    signal_altstack_clone(&stack, true, false);
    assert_int_equal(stack.size, 0);
    assert_int_equal(stack.flags, SS_DISABLE);
}

static void test_frame_refusals(void **state)
{
    uint8_t xstate[832] = {0};
    struct user_regs_struct regs = {.rsp = 0x7f0000001000};
    struct signal_frame_request request = {
        .regs = &regs, .xstate = xstate, .xstate_length = sizeof(xstate)};
    struct signal_frame frame;

    (void)state;
    request.action = (struct signal_action){.handler = 0x1000, .flags = SA_SIGINFO};
    assert_int_equal(signal_frame_build(&request, &frame), -EFAULT); /* no SA_RESTORER */
    request.action.flags |= 0x04000000 | SA_ONSTACK;
    request.altstack = (struct signal_altstack){.address = 0x10000, .size = 2048};
    assert_int_equal(signal_frame_build(&request, &frame), 0);
    signal_frame_done(&frame);
    request.altstack.size = 1024; /* cannot be set so small; overflows */
    assert_int_equal(signal_frame_build(&request, &frame), -EFAULT);
    request.altstack.size = 2048;
    regs.rsp = 0x10000 + 1000; /* already on it, with little left */
    assert_int_equal(signal_frame_build(&request, &frame), -EFAULT);
    request.xstate_length = 512;
    assert_int_equal(signal_frame_build(&request, &frame), -EINVAL);
}

static void test_amx_tiles_are_left_out_until_used(void **state)
{
    static uint8_t xstate[11008];
    struct user_regs_struct regs = {.rsp = 0x7f0000010000};
    uint64_t all = 0x602e7, used = 3;
    struct signal_frame_request request = {
        .regs = &regs, .xstate = xstate, .xstate_length = sizeof(xstate)};
    struct signal_frame frame;

    (void)state;
    memcpy(xstate + 464, &all, sizeof(all));
    memcpy(xstate + 512, &used, sizeof(used));
    request.action = (struct signal_action){.handler = 0x1000, .flags = 0x04000000};
    used |= 1ull << 18;
    memcpy(xstate + 512, &used, sizeof(used));
    assert_int_equal(signal_frame_build(&request, &frame), 0);
    assert_int_equal(frame.piece[1].length, sizeof(xstate) + 4);
    assert_memory_equal(frame.piece[1].data + 464 + 8, &all, sizeof(all));
    signal_frame_done(&frame);
}

static void test_restart_groups(void **state)
{
    static const struct {
        uint64_t number;
        uint64_t args[6];
        int group;
    } rows[] = {
        {SYS_read, {0}, SIGNAL_RESTART_IF_SA_RESTART},
        {SYS_wait4, {0}, SIGNAL_RESTART_IF_SA_RESTART},
        {SYS_accept4, {0}, SIGNAL_RESTART_IF_SA_RESTART},
        {SYS_poll, {0}, SIGNAL_RESTART_ALWAYS_EINTR},
        {SYS_nanosleep, {0}, SIGNAL_RESTART_ALWAYS_EINTR},
        {SYS_epoll_wait, {0}, SIGNAL_RESTART_ALWAYS_EINTR},
        {SYS_semop, {0}, SIGNAL_RESTART_ALWAYS_EINTR},
        {SYS_rt_sigsuspend, {0}, SIGNAL_RESTART_ALWAYS_EINTR},
        {SYS_futex, {0, FUTEX_WAIT | FUTEX_PRIVATE_FLAG}, SIGNAL_RESTART_IF_SA_RESTART},
        {SYS_futex, {0, FUTEX_WAIT_BITSET, 0, 1}, SIGNAL_RESTART_ALWAYS_EINTR},
        {SYS_futex, {0, FUTEX_LOCK_PI, 0, 1}, SIGNAL_RESTART_ALWAYS},
        {SYS_futex, {0, FUTEX_WAKE}, -1},
        {SYS_fcntl, {0, F_SETLKW}, SIGNAL_RESTART_IF_SA_RESTART},
        {SYS_fcntl, {0, F_SETLK}, -1},
        {SYS_getpid, {0}, -1},
        {SYS_close, {0}, -1},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++)
        assert_int_equal(signal_restart_group(rows[i].number, rows[i].args), rows[i].group);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_actions),
        cmocka_unit_test(test_action_flags_as_the_kernel_keeps_them),
        cmocka_unit_test(test_reset_and_force),
        cmocka_unit_test(test_ignored),
        cmocka_unit_test(test_queue_order),
        cmocka_unit_test(test_queue_discard),
        cmocka_unit_test(test_altstack_matches_kernel),
        cmocka_unit_test(test_altstack_in_use),
        cmocka_unit_test(test_frame_refusals),
        cmocka_unit_test(test_amx_tiles_are_left_out_until_used),
        cmocka_unit_test(test_restart_groups),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
