/* Replay of hand-made traces: memory, address spaces and tasks, and traces that end early, lie, or
 * ask too much. */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "recorder/base/bytes.h"
#include "recorder/replay/tests/script.h"

/* ---- memory -------------------------------------------------------------------------------- */

/* Stores `value` at `to` and loads from `from`, expecting `expected`. */
static void store_and_load(struct script *s, uint32_t task, uint64_t to, uint64_t value,
                           uint64_t from, uint64_t expected)
{
    struct event e = script_event(s, EVENT_SIGNAL, task);

    e.after.rip = script_address(program_stores);
    e.after.rsi = to;
    e.after.rdi = value;
    e.after.rdx = from;
    script_append(s, &e);
    e = script_call(s, task, EVENT_SYSCALL, SYS_getpid, program_stored);
    e.before.rbx = e.after.rbx = expected;
    script_append(s, &e);
}

static void append_checksum(struct script *s, const struct map_op *maps, size_t count,
                            uint64_t checksum)
{
    struct event e = script_event(s, EVENT_CHECKSUM, 1);

    e.checksum = checksum;
    e.maps = (struct map_op *)(uintptr_t)maps;
    e.map_count = count;
    script_append(s, &e);
}

/* The sum of one page that holds `value` at its start (memsum.c). */
static uint64_t page_sum(uint64_t address, uint64_t value, uint64_t sum)
{
    uint8_t page[4096] = {0};

    memcpy(page, &value, sizeof(value));
    return bytes_hash(page, sizeof(page), bytes_hash(&address, sizeof(address), sum));
}

static void test_checksum(void **state)
{
    struct map_op range = {.kind = MAP_OP_RANGE, .address = DATA_ADDRESS + 16, .length = 8};
    struct script s;

    (void)state;
    script_open(&s);
    script_exec(&s, 1, program_stores);
    append_checksum(&s, NULL, 0, 1);
    store_and_load(&s, 1, DATA_ADDRESS, 42, DATA_ADDRESS, 42);
    append_checksum(&s, NULL, 0, page_sum(DATA_ADDRESS, 42, 1));
    append_checksum(&s, &range, 1, page_sum(DATA_ADDRESS, 42, 1));
    script_finish(&s, 0);
    script_check(&s, true, REPLAY_SAME, NULL);
    script_remove(&s);
}

static void test_wrong_checksum(void **state)
{
    struct script s;

    (void)state;
    script_open(&s);
    script_exec(&s, 1, program_stores);
    store_and_load(&s, 1, DATA_ADDRESS, 42, DATA_ADDRESS, 42);
    append_checksum(&s, NULL, 0, page_sum(DATA_ADDRESS, 43, 1));
    script_finish(&s, 0);
    script_check(&s, true, REPLAY_DIVERGED, "event 4 (checksum, task 1): memory differs");
    script_check(&s, false, REPLAY_SAME, NULL);
    script_remove(&s);
}

static struct event map_event(const struct script *s, struct map_op *op)
{
    struct event e = script_event(s, EVENT_SIGNAL, 1);

    e.maps = op;
    e.map_count = 1;
    return e;
}

static void test_read_only_memory_is_written(void **state)
{
    static const uint64_t value = 0xabcdef;
    struct map_op op = {
        .kind = MAP_OP_PROTECT, .address = DATA_ADDRESS, .length = 4096, .prot = PROT_READ};
    struct event_write write = {DATA_ADDRESS, 8, (const uint8_t *)&value};
    struct script s;
    struct event e;

    (void)state;
    script_open(&s);
    script_exec(&s, 1, program_stores);
    e = map_event(&s, &op);
    e.writes = &write;
    e.write_count = 1;
    script_append(&s, &e);
    store_and_load(&s, 1, DATA_ADDRESS + 4096, 1, DATA_ADDRESS, value);
    script_finish(&s, 0);
    script_check(&s, true, REPLAY_SAME, NULL);
    script_remove(&s);
}

static void test_unmapped_memory_is_written(void **state)
{
    static const uint64_t value = 1;
    struct event_write write = {0x900000, 8, (const uint8_t *)&value};
    struct script s;
    struct event e;

    (void)state;
    script_open(&s);
    script_exec(&s, 1, program_stores);
    e = script_event(&s, EVENT_SIGNAL, 1);
    e.writes = &write;
    e.write_count = 1;
    script_append(&s, &e);
    script_finish(&s, 0);
    script_check(&s, false, REPLAY_DIVERGED, "memory at 0x900000 (8 bytes) cannot be written");
    script_remove(&s);
}

static void test_unmap_and_remap(void **state)
{
    struct map_op move = {.kind = MAP_OP_REMAP,
                          .address = DATA_ADDRESS,
                          .length = 4096,
                          .new_address = 0x800000,
                          .new_length = 8192};
    struct map_op gone = {.kind = MAP_OP_UNMAP, .address = 0x800000, .length = 4096};
    struct script s;
    struct event e;

    (void)state;
    script_open(&s);
    script_exec(&s, 1, program_stores);
    store_and_load(&s, 1, DATA_ADDRESS, 42, DATA_ADDRESS, 42);
    e = map_event(&s, &move);
    script_append(&s, &e);
    store_and_load(&s, 1, 0x801000, 43, 0x800000, 42);
    e = map_event(&s, &gone);
    e.after.rip = script_address(program_loads);
    e.after.rdx = 0x800000;
    script_append(&s, &e);
    e = script_event(&s, EVENT_FAULT, 1);
    e.signal = SIGSEGV;
    script_append(&s, &e);
    script_finish(&s, 0);
    script_check(&s, true, REPLAY_SAME, NULL);
    script_remove(&s);
}

static void test_shared_file(void **state)
{
    static uint8_t content[8192];
    static const uint64_t value = 77;
    struct event_file_write change = {2, 4096, 8, (const uint8_t *)&value};
    struct script s;
    struct event e;

    (void)state;
    memcpy(content, &(uint64_t){5}, 8);
    script_open(&s);
    assert_int_equal(script_file(&s, TRACE_FILE_SHARED, "shared", content, sizeof(content)), 2);
    script_exec(&s, 1, program_stores);
    for (uint64_t address = 0xa00000; address < 0xc00000; address += 0x100000) {
        struct map_op op = {.kind = MAP_OP_MAP,
                            .address = address,
                            .length = 8192,
                            .file = 2,
                            .prot = address == 0xa00000 ? PROT_READ : PROT_READ | PROT_WRITE,
                            .flags = MAP_SHARED};
        struct event_write through_reader = {0xa00010, 8, (const uint8_t *)&value};

        e = map_event(&s, &op);
        if (address == 0xb00000) { /* what the kernel wrote is seen through the read-only mapping */
            e.writes = &through_reader;
            e.write_count = 1;
        }
        script_append(&s, &e);
    }
    store_and_load(&s, 1, 0xb00008, 6, 0xa00000, 5);
    store_and_load(&s, 1, DATA_ADDRESS, 0, 0xa00008, 6);
    store_and_load(&s, 1, DATA_ADDRESS, 0, 0xb00010, 77);
    e = script_event(&s, EVENT_SIGNAL, 1);
    e.file_writes = &change;
    e.file_write_count = 1;
    script_append(&s, &e);
    store_and_load(&s, 1, DATA_ADDRESS, 0, 0xb01000, 77);
    script_finish(&s, 0);
    script_check(&s, true, REPLAY_SAME, NULL);
    script_remove(&s);
}

/* Down to the limit that the recording had, and one page too far. */
static void test_stack_grows(void **state)
{
    const uint64_t pages = STACK_LIMIT / 4096 - 1;
    struct script s;
    struct event e;

    (void)state;
    for (int beyond = 0; beyond < 2; beyond++) {
        script_open(&s);
        script_exec(&s, 1, program_calls);
        e = script_call(&s, 1, EVENT_SYSCALL, 0, program_first_call);
        e.after.rip = script_address(program_recurses);
        e.after.rbx = pages + (uint64_t)beyond;
        script_append(&s, &e);
        if (beyond) {
            e = script_event(&s, EVENT_FAULT, 1);
            e.signal = SIGSEGV;
            e.before.rip = script_address(program_touches);
        } else {
            e = script_call(&s, 1, EVENT_SYSCALL, SYS_getpid, program_recursed);
        }
        e.before.rbx = (uint64_t)beyond;
        e.before.rsp -= (pages + (uint64_t)beyond) * 4096;
        script_append(&s, &e);
        script_finish(&s, 0);
        script_check(&s, true, REPLAY_SAME, NULL);
        script_remove(&s);
    }
}

/* A program may raise its limit: what the recording does not take as a fault is none. */
static void test_stack_grows_beyond_the_limit(void **state)
{
    struct script s;
    struct event e;

    (void)state;
    script_open(&s);
    script_exec(&s, 1, program_calls);
    e = script_call(&s, 1, EVENT_SYSCALL, 0, program_first_call);
    e.after.rip = script_address(program_recurses);
    e.after.rbx = 4 * STACK_LIMIT / 4096;
    script_append(&s, &e);
    e = script_call(&s, 1, EVENT_SYSCALL, SYS_getpid, program_recursed);
    e.before.rbx = 0;
    e.before.rsp -= 4 * STACK_LIMIT;
    script_append(&s, &e);
    script_finish(&s, 0);
    script_check(&s, true, REPLAY_SAME, NULL);
    script_remove(&s);
}

/* ---- tasks --------------------------------------------------------------------------------- */

/* Task 2 is made by task 1's first call. */
static void family(struct script *s, uint64_t clone_flags)
{
    struct event e;

    script_open(s);
    script_exec(s, 1, program_calls);
    e = script_call(s, 1, EVENT_SYSCALL, SYS_read, program_first_call);
    e.child = 2;
    e.clone_flags = clone_flags;
    e.after.rax = 1234;
    script_append(s, &e);
    s->regs[2] = e.after;
    s->regs[2].rax = 0;
    e = script_event(s, EVENT_START, 2);
    script_append(s, &e);
}

static void test_thread_shares_memory(void **state)
{
    struct script s;

    (void)state;
    family(&s, 0x50f00); /* CLONE_VM|FS|FILES|SIGHAND|THREAD|SYSVSEM */
    store_and_load(&s, 2, DATA_ADDRESS, 42, DATA_ADDRESS, 42);
    store_and_load(&s, 1, DATA_ADDRESS + 8, 43, DATA_ADDRESS, 42);
    store_and_load(&s, 2, DATA_ADDRESS, 44, DATA_ADDRESS + 8, 43);
    script_exit(&s, 1, 0);
    store_and_load(&s, 2, DATA_ADDRESS, 45, DATA_ADDRESS, 45);
    script_exit(&s, 2, 0);
    script_finish(&s, 0);
    script_check(&s, true, REPLAY_SAME, NULL);
    script_remove(&s);
}

static void test_fork_copies_memory(void **state)
{
    struct script s;

    (void)state;
    family(&s, SIGCHLD);
    store_and_load(&s, 2, DATA_ADDRESS, 42, DATA_ADDRESS, 42);
    store_and_load(&s, 1, DATA_ADDRESS + 8, 43, DATA_ADDRESS, 0);
    store_and_load(&s, 2, DATA_ADDRESS, 44, DATA_ADDRESS + 8, 0);
    script_finish(&s, 0); /* both are still there */
    script_check(&s, true, REPLAY_SAME, NULL);
    script_remove(&s);
}

/* exec of a vfork child leaves the parent's memory alone. */
static void test_exec_in_shared_space(void **state)
{
    struct script s;
    struct event e;

    (void)state;
    family(&s, 0x4111); /* CLONE_VM|CLONE_VFORK|SIGCHLD */
    store_and_load(&s, 2, DATA_ADDRESS, 42, DATA_ADDRESS, 42);
    script_exec(&s, 2, program_calls);
    store_and_load(&s, 2, DATA_ADDRESS + 8, 1, DATA_ADDRESS, 0);
    store_and_load(&s, 1, DATA_ADDRESS + 16, 2, DATA_ADDRESS, 42);
    e = script_event(&s, EVENT_CHECKSUM, 2);
    e.checksum = 0;
    script_append(&s, &e);
    script_finish(&s, 0);
    script_check(&s, true, REPLAY_DIVERGED, "task 2): memory differs");
    script_check(&s, false, REPLAY_SAME, NULL);
    script_remove(&s);
}

static void test_shared_anonymous_memory(void **state)
{
    struct map_op op = {.kind = MAP_OP_MAP,
                        .address = 0xa00000,
                        .length = 4096,
                        .prot = PROT_READ | PROT_WRITE,
                        .flags = MAP_SHARED};
    struct script s;
    struct event e;

    (void)state;
    script_open(&s);
    script_exec(&s, 1, program_calls);
    e = map_event(&s, &op);
    script_append(&s, &e);
    e = script_call(&s, 1, EVENT_SYSCALL, 0, program_first_call);
    e.child = 2;
    e.clone_flags = SIGCHLD;
    script_append(&s, &e);
    s.regs[2] = e.after;
    e = script_event(&s, EVENT_START, 2);
    script_append(&s, &e);
    store_and_load(&s, 2, 0xa00000, 42, 0xa00000, 42);
    store_and_load(&s, 1, DATA_ADDRESS, 0, 0xa00000, 42);
    script_finish(&s, 0);
    script_check(&s, true, REPLAY_SAME, NULL);
    script_remove(&s);
}

/* ---- traces that end early, lie, or ask too much ------------------------------------------- */

static void test_cut(void **state)
{
    struct rr_error error = {0};
    struct script s;

    (void)state;
    script_three_calls(&s);
    assert_int_equal(trace_writer_flush(s.writer, &error), 0);
    trace_writer_close(s.writer);
    s.writer = NULL;
    script_check(&s, true, REPLAY_CUT, NULL);
    script_remove(&s);
}

static void expect_error(struct script *s, int code, const char *text)
{
    struct replay_options options = {.stdout_fd = -1, .stderr_fd = -1};
    struct replay_result result;
    struct rr_error error;

    assert_int_equal(script_replay(s, &options, &result, &error), code);
    if (!strstr(error.message, text))
        fail_msg("%s", error.message);
}

static void test_unknown_task(void **state)
{
    struct script s;

    (void)state;
    script_three_calls(&s);
    script_calls(&s, 3, SYS_getpid, program_third_call, 0);
    script_finish(&s, 0);
    expect_error(&s, -EBADMSG, "event 4 (syscall, task 3): there is no such task");
    script_remove(&s);
}

static void test_impossible_maps(void **state)
{
    static const struct {
        struct map_op op;
        int code;
        const char *text;
    } cases[] = {
        {{.kind = MAP_OP_MAP,
          .address = 0xa00001,
          .length = 4096,
          .prot = PROT_READ,
          .flags = MAP_PRIVATE},
         -EINVAL,
         "map of 0xa00001, 0x1000 bytes"},
        {{.kind = MAP_OP_PROTECT, .address = 0xa00000, .length = 4096, .prot = PROT_READ},
         -ENOMEM,
         "protect of 0xa00000"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct map_op op = cases[i].op;
        struct script s;
        struct event e;

        script_three_calls(&s);
        e = map_event(&s, &op);
        script_append(&s, &e);
        script_finish(&s, 0);
        expect_error(&s, cases[i].code, cases[i].text);
        script_remove(&s);
    }
}

static void test_parked_task_must_not_run(void **state)
{
    struct script s;
    struct event e;

    (void)state;
    script_three_calls(&s);
    e = script_call(&s, 1, EVENT_ENTRY, SYS_getpid, program_third_call);
    script_append(&s, &e);
    e = script_event(&s, EVENT_FAULT, 1);
    e.signal = SIGILL;
    script_append(&s, &e);
    script_finish(&s, 0);
    expect_error(&s, -EBADMSG, "task 1 has to run, but is in a system call");
    script_remove(&s);
}

/* What a replay needs and does not get is named. */
static void test_too_few_files(void **state)
{
    const struct rlimit few = {64, 64};
    struct script s;
    int status;

    (void)state;
    script_three_calls(&s);
    script_finish(&s, 0);
    if (fork() == 0) {
        struct replay_options options = {.trace = s.directory, .stdout_fd = -1, .stderr_fd = -1};
        struct replay_result result;
        struct rr_error error = {0};

        setrlimit(RLIMIT_NOFILE, &few);
        replay_run(&options, &result, &error);
        _exit(strstr(error.message, "1000 open files") ? 0 : 1);
    }
    assert_true(wait(&status) > 0);
    assert_int_equal(status, 0);
    script_remove(&s);
}

/* A leaf 7 with everything: no processor has it. */
static void test_missing_processor_features(void **state)
{
    static const uint32_t table[8] = {7, 0, 0, 0, 0, ~0u, ~0u, ~0u};
    struct script s;

    (void)state;
    script_open_on(&s, table, sizeof(table));
    script_finish(&s, 0);
    expect_error(&s, -EOPNOTSUPP, "avx512vp2intersect");
    script_remove(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_checksum),
        cmocka_unit_test(test_wrong_checksum),
        cmocka_unit_test(test_read_only_memory_is_written),
        cmocka_unit_test(test_unmapped_memory_is_written),
        cmocka_unit_test(test_unmap_and_remap),
        cmocka_unit_test(test_shared_file),
        cmocka_unit_test(test_stack_grows),
        cmocka_unit_test(test_stack_grows_beyond_the_limit),
        cmocka_unit_test(test_thread_shares_memory),
        cmocka_unit_test(test_fork_copies_memory),
        cmocka_unit_test(test_exec_in_shared_space),
        cmocka_unit_test(test_shared_anonymous_memory),
        cmocka_unit_test(test_cut),
        cmocka_unit_test(test_unknown_task),
        cmocka_unit_test(test_impossible_maps),
        cmocka_unit_test(test_parked_task_must_not_run),
        cmocka_unit_test(test_too_few_files),
        cmocka_unit_test(test_missing_processor_features),
    };

    if (!script_can_run())
        return 77;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
