/* Replay of hand-made traces: stops, counters, instructions and signals. What agrees replays, what
 * differs is found and named; every check has its negative control beside it. */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "include/rrtest/recorder_page.h"
#include "recorder/blob/blob.h"
#include "recorder/replay/tests/script.h"

/* ---- calls --------------------------------------------------------------------------------- */

static void test_calls_and_output(void **state)
{
    struct replay_options options = {.verify = true, .stderr_fd = -1};
    struct replay_result result;
    struct rr_error error;
    struct script s;
    char buffer[32] = "";
    int fds[2];

    (void)state;
    script_three_calls(&s);
    script_calls(&s, 1, SYS_getpid, program_third_call, 0);
    script_exit(&s, 1, 7 << 8);
    script_finish(&s, 7 << 8);
    assert_int_equal(pipe(fds), 0);
    options.stdout_fd = fds[1];
    assert_int_equal(script_replay(&s, &options, &result, &error), 0);
    assert_int_equal(result.verdict, REPLAY_SAME);
    assert_int_equal(result.status, 7 << 8);
    assert_int_equal(result.events, 6);
    assert_int_equal(read(fds[0], buffer, sizeof(buffer)), 7);
    assert_string_equal(buffer, "written");
    close(fds[0]);
    close(fds[1]);
    replay_result_done(&result);
    script_remove(&s);
}

static void test_other_call(void **state)
{
    struct script s;

    (void)state;
    script_three_calls(&s);
    script_calls(&s, 1, SYS_getppid, program_third_call, 0); /* it makes getpid */
    script_finish(&s, 0);
    script_check(&s, false, REPLAY_DIVERGED,
                 "event 4 (syscall, task 1): registers differ: "
                 "orig_rax: expected 0x6e, got 0x27");
    script_remove(&s);
}

static void test_other_place(void **state)
{
    struct script s;

    (void)state;
    script_three_calls(&s);
    script_calls(&s, 1, SYS_getpid, program_stored, 0);
    script_finish(&s, 0);
    script_check(&s, false, REPLAY_DIVERGED, "rip: expected");
    script_remove(&s);
}

static void test_other_register(void **state)
{
    struct script s;
    struct event e;

    (void)state;
    script_three_calls(&s);
    e = script_call(&s, 1, EVENT_SYSCALL, SYS_getpid, program_third_call);
    e.before.r12 = 5;
    script_append(&s, &e);
    script_finish(&s, 0);
    script_check(&s, true, REPLAY_DIVERGED, "r12: expected 0x5, got 0");
    script_check(&s, false, REPLAY_SAME, NULL);
    script_remove(&s);
}

static void test_signal_instead_of_call(void **state)
{
    struct script s;

    (void)state;
    script_three_calls(&s);
    script_calls(&s, 1, SYS_getpid, program_third_call, 0);
    script_calls(&s, 1, SYS_getpid, program_third_call, 0); /* ud2 */
    script_finish(&s, 0);
    script_check(&s, false, REPLAY_DIVERGED, "expected system call 39, got signal 4");
    script_remove(&s);
}

static void test_parked_call(void **state)
{
    struct script s;
    struct event e;

    (void)state;
    script_three_calls(&s);
    e = script_call(&s, 1, EVENT_ENTRY, SYS_getpid, program_third_call);
    e.after = e.before;
    script_append(&s, &e);
    e = script_event(&s, EVENT_SYSCALL, 1);
    e.entered = true;
    e.after.orig_rax = (unsigned long long)-1;
    e.after.rip = script_address(program_calls);
    e.after.rax = SYS_getuid;
    script_append(&s, &e);
    script_calls(&s, 1, SYS_getuid, program_first_call, 0);
    script_finish(&s, 0);
    script_check(&s, true, REPLAY_SAME, NULL);
    script_remove(&s);
}

/* Registers that would let the kernel make the call: replay leaves it out all the same. */
static void test_calls_are_never_made(void **state)
{
    struct script s;
    struct event e;

    (void)state;
    script_open(&s);
    script_exec(&s, 1, program_calls);
    script_calls(&s, 1, 0, program_first_call, SYS_exit);
    e = script_call(&s, 1, EVENT_SYSCALL, SYS_exit, program_second_call);
    e.after.orig_rax = SYS_exit;
    e.after.rdi = 1;
    e.after.rax = SYS_getpid;
    script_append(&s, &e);
    script_calls(&s, 1, SYS_getpid, program_third_call, 0);
    script_finish(&s, 0);
    script_check(&s, true, REPLAY_SAME, NULL);
    script_remove(&s);
}

/* ---- counters ------------------------------------------------------------------------------ */

static void ticking(struct script *s, uint64_t rounds)
{
    struct event e;

    script_open(s);
    script_exec(s, 1, program_calls);
    e = script_call(s, 1, EVENT_SYSCALL, 0, program_first_call);
    e.after.rip = script_address(program_ticks);
    e.after.rbx = rounds;
    script_append(s, &e);
}

/* Preempted behind the n-th tick and `steps` instructions further. */
static struct event preempted(const struct script *s, uint64_t n, uint32_t steps)
{
    struct event e = script_event(s, EVENT_PREEMPT, 1);

    e.ticks = n;
    e.atomics = n - 1;
    e.steps = steps;
    e.before.rip = script_address(program_ticked);
    e.before.r13 = n - 1;
    e.before.r14 = n - 1;
    e.before.rbx -= n - 1 - e.before.r14;
    e.after = e.before;
    return e;
}

static struct event ticked_call(const struct script *s, uint64_t rounds)
{
    struct event e = script_call(s, 1, EVENT_SYSCALL, SYS_getpid, program_ticks_call);

    e.ticks = e.atomics = rounds;
    e.before.r13 = e.before.r14 = rounds;
    e.before.rbx = 0;
    return e;
}

static void test_ticks(void **state)
{
    struct script s;
    struct event e;

    (void)state;
    ticking(&s, 100);
    e = preempted(&s, 60, 0);
    e.before.rbx = e.after.rbx = 41;
    script_append(&s, &e);
    e = ticked_call(&s, 100);
    script_append(&s, &e);
    script_finish(&s, 0);
    script_check(&s, true, REPLAY_SAME, NULL);
    script_remove(&s);
}

static void test_atomics_and_steps(void **state)
{
    struct script s;
    struct event e;

    (void)state;
    ticking(&s, 100);
    e = script_event(&s, EVENT_PREEMPT, 1);
    e.counter = 1;
    e.ticks = e.atomics = 30;
    e.steps = 2; /* inc, dec */
    e.before.rip = script_address(program_counted) + 6;
    e.before.r13 = e.before.r14 = 30;
    e.before.rbx = 70;
    e.after = e.before;
    script_append(&s, &e);
    e.counter = 2;
    e.steps = 1; /* jnz */
    e.before.rip = script_address(program_ticks);
    e.after = e.before;
    script_append(&s, &e);
    e = ticked_call(&s, 100);
    script_append(&s, &e);
    script_finish(&s, 0);
    script_check(&s, true, REPLAY_SAME, NULL);
    script_remove(&s);
}

/* On by arrivals at places and by single steps, over counted points. */
static void test_moves(void **state)
{
    const uint64_t moves[] = {script_address(program_ticked), 0, script_address(program_counted)};
    struct script s;
    struct event e;

    (void)state;
    ticking(&s, 100);
    e = script_event(&s, EVENT_PREEMPT, 1);
    e.counter = 1;
    e.ticks = e.atomics = 30;
    e.moves = moves;
    e.move_count = 3;
    e.before.rip = script_address(program_counted);
    e.before.r13 = 31;
    e.before.r14 = 30;
    e.before.rbx = 70;
    e.after = e.before;
    script_append(&s, &e);
    e = ticked_call(&s, 100);
    script_append(&s, &e);
    script_finish(&s, 0);
    script_check(&s, true, REPLAY_SAME, NULL);
    script_remove(&s);
}

static void test_move_to_nowhere(void **state)
{
    const uint64_t move = script_address(program_stored);
    struct script s;
    struct event e;

    (void)state;
    ticking(&s, 100);
    e = preempted(&s, 60, 0);
    e.moves = &move;
    e.move_count = 1;
    script_append(&s, &e);
    script_finish(&s, 0);
    script_check(&s, false, REPLAY_DIVERGED, "expected an arrival at");
    script_remove(&s);
}

static void test_wrong_step(void **state)
{
    struct script s;
    struct event e;

    (void)state;
    ticking(&s, 100);
    e = preempted(&s, 60, 1); /* the registers are those before the step */
    e.before.rbx = e.after.rbx = 41;
    script_append(&s, &e);
    script_finish(&s, 0);
    script_check(&s, false, REPLAY_DIVERGED, "(preempt, task 1): registers differ: rip");
    script_remove(&s);
}

static void test_missing_ticks(void **state)
{
    struct script s;
    struct event e;

    (void)state;
    ticking(&s, 10);
    e = ticked_call(&s, 10);
    e.ticks = 11;
    script_append(&s, &e);
    script_finish(&s, 0);
    script_check(&s, false, REPLAY_DIVERGED, "ticks: expected 11, got 10");
    script_remove(&s);
}

static void test_tick_never_comes(void **state)
{
    struct script s;
    struct event e;

    (void)state;
    ticking(&s, 10);
    e = preempted(&s, 20, 0);
    e.atomics = 19;
    script_append(&s, &e);
    script_finish(&s, 0);
    script_check(&s, false, REPLAY_DIVERGED, "expected a tick, got system call 39");
    script_remove(&s);
}

/* A task that never comes to its stop is caught at its next tick. */
static void test_runaway(void **state)
{
    struct script s;
    struct event e;

    (void)state;
    script_open(&s);
    script_exec(&s, 1, program_spins);
    e = script_call(&s, 1, EVENT_SYSCALL, SYS_getpid, program_first_call);
    e.ticks = 1000;
    script_append(&s, &e);
    script_finish(&s, 0);
    script_check(&s, false, REPLAY_DIVERGED, "(ticks: expected 1000, got 1001");
    script_remove(&s);
}

static bool enough(void *context)
{
    return ++*(int *)context > 3;
}

static void test_interrupted(void **state)
{
    int asked = 0;
    struct replay_options options = {
        .stdout_fd = -1, .stderr_fd = -1, .interrupted = enough, .interrupted_context = &asked};
    struct replay_result result;
    struct rr_error error;
    struct script s;

    (void)state;
    script_open(&s);
    script_exec(&s, 1, program_stuck);
    script_calls(&s, 1, SYS_getpid, program_first_call, 0);
    script_finish(&s, 0);
    assert_int_equal(script_replay(&s, &options, &result, &error), 0);
    assert_int_equal(result.verdict, REPLAY_INTERRUPTED);
    replay_result_done(&result);
    script_remove(&s);
}

static bool tell_and_go_on(void *context)
{
    return write(*(int *)context, "r", 1) != 1;
}

/* SIGKILL of the replayer leaves no tracee behind. */
static void test_killed_replayer(void **state)
{
    struct script s;
    char byte;
    int fds[2], dead = 0;
    pid_t pid;

    (void)state;
    script_open(&s);
    script_exec(&s, 1, program_stuck);
    script_calls(&s, 1, SYS_getpid, program_first_call, 0);
    script_finish(&s, 0);
    assert_int_equal(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
    assert_int_equal(pipe(fds), 0);
    pid = fork();
    if (pid == 0) {
        struct replay_options options = {.trace = s.directory,
                                         .stdout_fd = -1,
                                         .stderr_fd = -1,
                                         .interrupted = tell_and_go_on,
                                         .interrupted_context = &fds[1]};
        struct replay_result result;

        replay_run(&options, &result, NULL);
        _exit(1);
    }
    assert_int_equal(read(fds[0], &byte, 1), 1); /* it waits for the tracee that does not stop */
    kill(pid, SIGKILL);
    while (waitpid(-1, NULL, __WALL) > 0)
        dead++;
    assert_int_equal(dead, 3); /* the replayer, the empty process, the task */
    close(fds[0]);
    close(fds[1]);
    script_remove(&s);
}

/* ---- instructions -------------------------------------------------------------------------- */

static void test_instruction(void **state)
{
    struct script s;
    struct event e;

    (void)state;
    script_open(&s);
    script_exec(&s, 1, program_draws);
    e = script_event(&s, EVENT_INSTRUCTION, 1);
    e.before.rax = (uint64_t)-ENOSYS;
    e.before.orig_rax = BLOB_CALL_RANDOM;
    e.before.rip = e.before.rcx = blob_address(BLOB_ENTRY_RANDOM) + 31; /* behind its `syscall` */
    e.after.rip = script_address(program_draw) + 4;
    e.after.rax = 4711;
    script_append(&s, &e);
    e = script_call(&s, 1, EVENT_SYSCALL, SYS_getpid, program_drawn);
    e.before.rbx = 4711;
    script_append(&s, &e);
    script_finish(&s, 0);
    script_check(&s, false, REPLAY_SAME, NULL);
    script_remove(&s);
}

static void test_cpuid_table(void **state)
{
    static const uint32_t table[8] = {0x12345, 0, 1, 0, 77, 88, 99, 11};
    struct script s;
    struct event e;

    (void)state;
    script_open_on(&s, table, sizeof(table));
    script_exec(&s, 1, program_calls);
    e = script_call(&s, 1, EVENT_SYSCALL, 0, program_first_call);
    e.after.rip = script_address(program_asks);
    e.after.rax = 0x12345;
    script_append(&s, &e);
    e = script_call(&s, 1, EVENT_SYSCALL, SYS_getpid, program_answered);
    e.before.r12 = 77;
    e.before.rbx = 88;
    e.before.rdx = 11;
    script_append(&s, &e);
    script_finish(&s, 0);
    script_check(&s, true, REPLAY_SAME, NULL);
    script_remove(&s);
}

/* ---- signals ------------------------------------------------------------------------------- */

static void test_fault_and_handler(void **state)
{
    static const uint8_t frame[] = "a frame";
    struct event_write write = {STACK_HIGH - 512, sizeof(frame), frame};
    struct script s;
    struct event e;

    (void)state;
    script_open(&s);
    script_exec(&s, 1, program_stores); /* rsi is 0 */
    e = script_event(&s, EVENT_FAULT, 1);
    e.signal = SIGSEGV;
    script_append(&s, &e);
    e = script_event(&s, EVENT_SIGNAL, 1);
    e.signal = SIGSEGV;
    e.writes = &write;
    e.write_count = 1;
    e.after.rip = script_address(program_loads);
    e.after.rdx = STACK_HIGH - 512;
    script_append(&s, &e);
    e = script_call(&s, 1, EVENT_SYSCALL, SYS_getpid, program_stored);
    memcpy(&e.before.rbx, frame, 8);
    script_append(&s, &e);
    script_finish(&s, 0);
    script_check(&s, true, REPLAY_SAME, NULL);
    script_remove(&s);
}

static void test_other_signal(void **state)
{
    struct script s;
    struct event e;

    (void)state;
    script_open(&s);
    script_exec(&s, 1, program_stores);
    e = script_event(&s, EVENT_FAULT, 1);
    e.signal = SIGFPE;
    script_append(&s, &e);
    script_finish(&s, 0);
    script_check(&s, false, REPLAY_DIVERGED, "expected signal 8, got signal 11");
    script_remove(&s);
}

static void test_extended_registers(void **state)
{
    static uint8_t xstate[576]; /* x87 and SSE alone: less than the machine's */
    struct script s;
    struct event e;

    (void)state;
    memcpy(xstate, &(uint16_t){0x37f}, 2);
    memcpy(xstate + 24, &(uint32_t){0x1f80}, 4);
    memcpy(xstate + 160, &(uint64_t){0x1234567}, 8);
    xstate[512] = 3;
    script_open(&s);
    script_exec(&s, 1, program_calls);
    e = script_call(&s, 1, EVENT_SIGRETURN, 0, program_first_call);
    e.after.rip = script_address(program_vector);
    e.xstate = xstate;
    e.xstate_length = sizeof(xstate);
    script_append(&s, &e);
    e = script_call(&s, 1, EVENT_SYSCALL, SYS_getpid, program_vectored);
    e.before.rbx = 0x1234567;
    script_append(&s, &e);
    script_finish(&s, 0);
    script_check(&s, true, REPLAY_SAME, NULL);
    script_remove(&s);
}

/* A program starts with clear vector registers, whatever the replayer's are. */
static void test_fresh_vector_registers(void **state)
{
    struct script s;
    struct event e;

    (void)state;
    script_open(&s);
    script_exec(&s, 1, program_vector);
    e = script_call(&s, 1, EVENT_SYSCALL, SYS_getpid, program_vectored);
    script_append(&s, &e);
    script_finish(&s, 0);
    __asm__ volatile("movq %0, %%xmm0" : : "r"(99ull) : "xmm0");
    script_check(&s, true, REPLAY_SAME, NULL);
    script_remove(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_calls_and_output),
        cmocka_unit_test(test_other_call),
        cmocka_unit_test(test_other_place),
        cmocka_unit_test(test_other_register),
        cmocka_unit_test(test_signal_instead_of_call),
        cmocka_unit_test(test_parked_call),
        cmocka_unit_test(test_calls_are_never_made),
        cmocka_unit_test(test_ticks),
        cmocka_unit_test(test_atomics_and_steps),
        cmocka_unit_test(test_moves),
        cmocka_unit_test(test_move_to_nowhere),
        cmocka_unit_test(test_wrong_step),
        cmocka_unit_test(test_missing_ticks),
        cmocka_unit_test(test_tick_never_comes),
        cmocka_unit_test(test_runaway),
        cmocka_unit_test(test_interrupted),
        cmocka_unit_test(test_killed_replayer),
        cmocka_unit_test(test_instruction),
        cmocka_unit_test(test_cpuid_table),
        cmocka_unit_test(test_fault_and_handler),
        cmocka_unit_test(test_other_signal),
        cmocka_unit_test(test_extended_registers),
        cmocka_unit_test(test_fresh_vector_registers),
    };

    if (!script_can_run())
        return 77;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
