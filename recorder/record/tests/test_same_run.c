/* Same seed, same run, to the last byte: every event of one recording, with registers and all data
 * that the kernel gave, is the same in the next, made on another processor. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "recorder/record/tests/recorded.h"
#include "recorder/trace/trace.h"

#define RUNS 3

static char directory[] = "/tmp/test-same-run-XXXXXX";

static void record(struct recorded *what, int run, char trace[128])
{
    struct record_result result;

    snprintf(trace, 128, "%s/%d", directory, run);
    what->trace = trace;
    what->cpu = run % recorded_cpu_count();
    recorded_run(what, &result);
    if (result.verdict != RECORD_VERDICT_EXITED || result.status != 0)
        fail_msg("%s, status %x, %s", record_verdict_name(result.verdict), result.status,
                 result.message ? result.message : "");
    record_result_done(&result);
}

static bool same_writes(const struct event *a, const struct event *b)
{
    if (a->write_count != b->write_count)
        return false;
    for (size_t i = 0; i < a->write_count; i++)
        if (a->writes[i].address != b->writes[i].address ||
            a->writes[i].length != b->writes[i].length ||
            memcmp(a->writes[i].data, b->writes[i].data, a->writes[i].length) != 0)
            return false;
    return true;
}

static bool same_event(const struct event *a, const struct event *b)
{
    return a->kind == b->kind && a->task == b->task && a->ticks == b->ticks &&
           a->atomics == b->atomics && a->clock == b->clock && a->checksum == b->checksum &&
           a->signal == b->signal && a->status == b->status && a->child == b->child &&
           memcmp(&a->before, &b->before, sizeof(a->before)) == 0 &&
           memcmp(&a->after, &b->after, sizeof(a->after)) == 0 && same_writes(a, b);
}

static void print_writes(const struct event *e)
{
    for (size_t i = 0; i < e->write_count; i++) {
        for (uint64_t at = 0; at < e->writes[i].length && at < 400; at++)
            fprintf(stderr, "%02x", e->writes[i].data[at]);
        fputs("\n", stderr);
    }
}

static void compare(const char *first, const char *second)
{
    struct rr_error error = {0};
    struct trace_reader *a, *b;
    struct event x, y;
    int more;

    assert_int_equal(trace_reader_open(first, &a, &error), 0);
    assert_int_equal(trace_reader_open(second, &b, &error), 0);
    do {
        more = trace_reader_next(a, &x, &error);
        assert_int_equal(trace_reader_next(b, &y, &error), more);
        assert_true(more >= 0);
        if (more && !same_event(&x, &y)) {
            print_writes(&x);
            print_writes(&y);
            fail_msg("event %lu differs: %s, call %llu of task %u",
                     (unsigned long)trace_reader_position(a), event_kind_name(x.kind),
                     x.before.orig_rax, x.task);
        }
    } while (more);
    trace_reader_close(a);
    trace_reader_close(b);
}

static void is_the_same(struct recorded what)
{
    char first[128], again[128], command[160];

    what.seed = 4;
    what.strategy = SCHED_RANDOM;
    record(&what, 0, first);
    for (int run = 1; run < RUNS; run++) {
        record(&what, run, again);
        compare(first, again);
    }
    snprintf(command, sizeof(command), "rm -rf %s/*", directory);
    assert_int_equal(system(command), 0);
}

static void test_unseen(void **state)
{
    (void)state;
    is_the_same((struct recorded){.program = "recorder/record/tests/programs/unseen"});
}

static void test_files(void **state)
{
    (void)state;
    is_the_same((struct recorded){.program = "e2e/files"});
}

static void test_racy(void **state)
{
    (void)state;
    is_the_same((struct recorded){.program = "e2e/racy"});
}

/* What shells and small tools look at. */
static void test_shell(void **state)
{
    static const char script[] =
        "cd $TMPDIR; for i in 1 2 3; do echo $RANDOM $$ > f$i; done; mkdir d; sleep 2; touch d/x; "
        "ls -laiR --full-time . /proc/self/fd; stat . d /tmp /proc /proc/self; cat f* | sort | tee "
        "all; "
        "cat /proc/self/status /proc/self/stat /proc/self/smaps /proc/self/mountinfo /proc/uptime "
        "/proc/meminfo /proc/stat /proc/loadavg /proc/interrupts /proc/vmstat "
        "/proc/sys/kernel/random/uuid; head -c 20 /dev/urandom | od -x; date; df .; "
        "ls -l /proc/1/ /proc/self/task";
    char *const argv[] = {"/bin/bash", "-c", (char *)(uintptr_t)script, NULL};

    (void)state;
    is_the_same((struct recorded){.argv = argv});
}

/* The comparison must be able to fail. */
static void test_other_seed(void **state)
{
    struct recorded what = {.program = "recorder/record/tests/programs/unseen", .seed = 1};
    struct trace_reader *a, *b;
    struct rr_error error = {0};
    char first[128], second[128];
    bool differs = false;
    struct event x, y;

    (void)state;
    record(&what, 0, first);
    what.seed = 2;
    record(&what, 1, second);
    assert_int_equal(trace_reader_open(first, &a, &error), 0);
    assert_int_equal(trace_reader_open(second, &b, &error), 0);
    while (!differs && trace_reader_next(a, &x, &error) == 1 &&
           trace_reader_next(b, &y, &error) == 1)
        differs = !same_event(&x, &y);
    assert_true(differs);
    trace_reader_close(a);
    trace_reader_close(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_unseen),     cmocka_unit_test(test_files),
        cmocka_unit_test(test_racy),       cmocka_unit_test(test_shell),
        cmocka_unit_test(test_other_seed),
    };
    char command[64];
    int failed;

    if (!mkdtemp(directory))
        return 99;
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    snprintf(command, sizeof(command), "rm -rf %s", directory);
    return system(command) == 0 ? failed : 99;
}
