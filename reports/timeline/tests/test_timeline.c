/* Timelines of traces that are written here, event by event. What real programs give is seen by
 * ci/e2e/19-timeline.sh. */
#include <errno.h>
#include <linux/futex.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cmocka.h>

#include "recorder/base/bytes.h"
#include "recorder/trace/json.h"
#include "recorder/trace/trace.h"
#include "reports/timeline/chrome.h"
#include "reports/timeline/timeline.h"

#define LOCK 0x555555558030u
#define TID_WORD 0x7ffff0000990u

struct fixture {
    char directory[64];
    char trace[80];
    struct trace_writer *writer;
    uint64_t clock;
};

static char *command[] = {(char *)"prog", (char *)"-x", NULL};
static struct trace_meta meta = {.command = command,
                                 .strategy = (char *)"random",
                                 .verdict = (char *)"deadlock",
                                 .statistics = (char *)"{}",
                                 .schedule_digest = (char *)"00"};

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));

    strcpy(f->directory, "/tmp/rrtest-timeline-XXXXXX");
    assert_non_null(mkdtemp(f->directory));
    sprintf(f->trace, "%s/trace", f->directory);
    assert_int_equal(trace_writer_open(f->trace, &meta, &f->writer, NULL), 0);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    char line[128];

    sprintf(line, "rm -rf %s", f->directory);
    assert_int_equal(system(line), 0);
    free(f);
    return 0;
}

static void put(struct fixture *f, struct event e)
{
    f->clock += 100;
    e.clock = f->clock;
    assert_int_equal(trace_writer_event(f->writer, &e, NULL), 0);
}

static struct event call(enum event_kind kind, uint32_t task, uint64_t number, uint64_t first,
                         uint64_t second, int64_t result)
{
    struct event e = {.kind = kind, .task = task};

    e.before.orig_rax = number;
    e.before.rdi = first;
    e.before.rsi = second;
    e.before.rip = 0x1000;
    e.after = e.before;
    e.after.rax = (unsigned long long)result;
    e.entered = false;
    return e;
}

static struct event clone_of(uint32_t task, uint32_t child, int64_t tid)
{
    struct event e = call(EVENT_SYSCALL, task, SYS_clone, 0, 0, tid);

    e.child = child;
    e.clone_flags = CLONE_VM | CLONE_THREAD;
    return e;
}

static void finish(struct fixture *f, size_t limit, struct timeline *ret)
{
    struct rr_error error = {0};

    put(f, (struct event){.kind = EVENT_END, .task = 1});
    assert_int_equal(trace_writer_finish(f->writer, &meta, &error), 0);
    trace_writer_close(f->writer);
    assert_int_equal(timeline_read(f->trace, limit, ret, &error), 0);
}

/* The n-th item (from 0) of a kind in a task. */
static const struct timeline_item *item(const struct timeline *t, enum timeline_kind kind,
                                        uint32_t task, size_t n)
{
    for (size_t i = 0; i < t->item_count; i++) {
        if (t->items[i].kind == kind && t->items[i].task == task && n-- == 0)
            return &t->items[i];
    }
    fail_msg("no such %s of task %u", timeline_kind_name(kind), task);
    return NULL;
}

static const char *text(const struct timeline *t, uint32_t index)
{
    assert_true(index < t->string_count);
    return t->strings[index];
}

/* Two threads: the first waits for a lock, the second wakes it and ends, which wakes the join. */
static void put_hand_over(struct fixture *f)
{
    uint8_t zero[4] = {0};
    struct event_write word = {TID_WORD, sizeof(zero), zero};
    struct event ended = {.kind = EVENT_EXIT, .task = 2, .writes = &word, .write_count = 1};
    struct event e;

    put(f, call(EVENT_SYSCALL, 1, SYS_set_tid_address, 0, 0, 7));
    put(f, clone_of(1, 2, 8));
    put(f, (struct event){.kind = EVENT_START, .task = 2});
    put(f, call(EVENT_ENTRY, 1, SYS_futex, LOCK, FUTEX_WAIT_PRIVATE, 0));
    put(f, call(EVENT_SYSCALL, 2, SYS_futex, LOCK, FUTEX_WAKE_PRIVATE, 1));
    put(f, (struct event){.kind = EVENT_PREEMPT, .task = 2, .counter = 1, .steps = 3});
    e = call(EVENT_SYSCALL, 1, SYS_futex, LOCK, FUTEX_WAIT_PRIVATE, 0);
    e.entered = true;
    put(f, e);
    put(f, call(EVENT_ENTRY, 1, SYS_futex, TID_WORD, FUTEX_WAIT, 0));
    put(f, ended);
    e = call(EVENT_SYSCALL, 1, SYS_futex, TID_WORD, FUTEX_WAIT, 0);
    e.entered = true;
    put(f, e);
}

static void tasks_waits_and_wakes(void **state)
{
    struct fixture *f = *state;
    const struct timeline_item *wait, *run;
    struct timeline t;

    put_hand_over(f);
    finish(f, 0, &t);
    assert_int_equal(t.task_count, 2);
    assert_string_equal(t.command, "prog -x");
    assert_string_equal(t.verdict, "deadlock");
    assert_int_equal(t.tasks[0].tid, 7);
    assert_int_equal(t.tasks[1].tid, 8);
    assert_int_equal(t.tasks[1].pid, 7);
    assert_string_equal(t.tasks[1].role, "0.1");
    assert_true(t.tasks[1].ended);
    assert_false(t.tasks[0].ended);
    /* the lock: from its entry to its end, woken by the other's call */
    wait = item(&t, TIMELINE_LOCK, 0, 0);
    assert_int_equal(wait->step, 4);
    assert_int_equal(wait->step_end, 7);
    assert_int_equal(wait->clock_end - wait->clock, 300);
    assert_int_equal(wait->flags, 0);
    assert_ptr_equal(&t.items[wait->cause - 1], item(&t, TIMELINE_WAKE, 1, 0));
    assert_string_equal(text(&t, wait->detail), "woken");
    /* the join: by the end of the thread, whose word is cleared */
    wait = item(&t, TIMELINE_LOCK, 0, 1);
    assert_ptr_equal(&t.items[wait->cause - 1], item(&t, TIMELINE_EXIT, 1, 0));
    /* turns: the first executes up to its wait, the second from there up to its preemption */
    run = item(&t, TIMELINE_RUN, 0, 0);
    assert_int_equal(run->step_end, 4);
    assert_string_equal(text(&t, run->detail), "waits in futex");
    run = item(&t, TIMELINE_RUN, 1, 0);
    assert_int_equal(run->step, 4);
    assert_int_equal(run->step_end, 6);
    assert_string_equal(text(&t, run->detail), "preempted at an atomic instruction or lock entry");
    assert_ptr_equal(&t.items[run->cause - 1], item(&t, TIMELINE_CLONE, 0, 0));
    assert_non_null(strstr(text(&t, item(&t, TIMELINE_PREEMPT, 1, 0)->text), "+ 3 instructions"));
    timeline_done(&t);
}

static void who_waits_at_the_end_waits_for_ever(void **state)
{
    struct fixture *f = *state;
    const struct timeline_item *wait;
    struct timeline t;

    put(f, call(EVENT_SYSCALL, 1, SYS_getpid, 0, 0, 7));
    put(f, call(EVENT_ENTRY, 1, SYS_futex, LOCK, FUTEX_WAIT_PRIVATE, 0));
    finish(f, 0, &t);
    wait = item(&t, TIMELINE_LOCK, 0, 0);
    assert_int_equal(wait->flags, TIMELINE_OPEN);
    assert_int_equal(wait->step_end, t.steps);
    assert_int_equal(wait->cause, 0);
    timeline_done(&t);
}

/* A parked call that ends before anything else happens did not wait. A time-out has no cause. */
static void calls_that_wait_and_that_do_not(void **state)
{
    struct fixture *f = *state;
    struct timeline t;
    struct event e;

    put(f, call(EVENT_ENTRY, 1, SYS_write, 1, 0, 0));
    e = call(EVENT_SYSCALL, 1, SYS_write, 1, 0, -EBADF);
    e.entered = true;
    f->clock -= 100;
    put(f, e);
    put(f, call(EVENT_ENTRY, 1, SYS_futex, LOCK, FUTEX_WAIT_PRIVATE, 0));
    e = call(EVENT_SYSCALL, 1, SYS_futex, LOCK, FUTEX_WAIT_PRIVATE, -ETIMEDOUT);
    e.entered = true;
    put(f, e);
    finish(f, 0, &t);
    assert_int_equal(item(&t, TIMELINE_CALL, 0, 0)->flags, TIMELINE_FAILED);
    assert_non_null(strstr(text(&t, item(&t, TIMELINE_CALL, 0, 0)->text), "= -EBADF"));
    assert_string_equal(text(&t, item(&t, TIMELINE_LOCK, 0, 0)->detail), "its time was up");
    timeline_done(&t);
}

static void signals(void **state)
{
    struct fixture *f = *state;
    const struct timeline_item *first, *second;
    siginfo_t info = {.si_signo = SIGUSR2, .si_code = SI_TKILL};
    struct event_write frame = {0x7000, sizeof(info), (const uint8_t *)&info};
    struct event e = {.kind = EVENT_SIGNAL, .task = 1, .signal = SIGUSR1, .note = "injected"};
    struct timeline t;

    put(f, e);
    e = (struct event){
        .kind = EVENT_SIGNAL, .task = 1, .signal = SIGUSR2, .writes = &frame, .write_count = 1};
    e.after.rsi = 0x7000;
    e.after.rip = 0x4000;
    put(f, e);
    put(f, (struct event){.kind = EVENT_SIGRETURN, .task = 1});
    put(f, (struct event){.kind = EVENT_SIGRETURN, .task = 1});
    put(f, (struct event){.kind = EVENT_FAULT, .task = 1, .signal = SIGSEGV});
    finish(f, 0, &t);
    first = item(&t, TIMELINE_SIGNAL, 0, 0);
    second = item(&t, TIMELINE_SIGNAL, 0, 1);
    assert_int_equal(first->flags, TIMELINE_INJECTED);
    assert_int_equal(second->flags, 0);
    assert_non_null(strstr(text(&t, second->detail), "tgkill"));
    assert_int_equal(t.places[second->target].address, 0x4000);
    assert_int_equal(second->step_end, 3); /* handlers end in each other */
    assert_int_equal(first->step_end, 4);
    assert_string_equal(text(&t, item(&t, TIMELINE_FAULT, 0, 0)->text), "SIGSEGV");
    timeline_done(&t);
}

static void output(void **state)
{
    struct fixture *f = *state;
    const struct timeline_item *written;
    struct event e = call(EVENT_SYSCALL, 1, SYS_write, 2, 0, 5);
    struct timeline t;

    e.output.stream = 2;
    e.output.data = (const uint8_t *)"a\"\n\x01\xff";
    e.output.length = 5;
    put(f, e);
    finish(f, 0, &t);
    written = item(&t, TIMELINE_OUTPUT, 0, 0);
    assert_int_equal(written->flags, TIMELINE_STDERR);
    assert_string_equal(text(&t, written->detail), "\"a\\\"\\n\\x01\xff\"");
    timeline_done(&t);
}

/* A long run: its end is told one by one, all before is counted, and nothing is lost. */
static void long_runs_are_merged(void **state)
{
    enum { ROUNDS = 3000, LIMIT = 500 };
    struct fixture *f = *state;
    uint64_t counted = 0, shown = 0, step = 0;
    struct timeline t;

    put(f, clone_of(1, 2, 8));
    for (uint64_t i = 0; i < ROUNDS; i++)
        put(f, call(EVENT_SYSCALL, i % 2 ? 1 : 2, SYS_close, i, 0, 0));
    finish(f, LIMIT, &t);
    assert_true(t.merged > 0);
    assert_true(t.item_count < 3 * LIMIT);
    for (size_t i = 0; i < t.item_count; i++) {
        const struct timeline_item *one = &t.items[i];
        const char *calls = strstr(text(&t, one->detail), " call");

        assert_true(one->step >= step);
        step = one->step;
        shown += one->kind == TIMELINE_CALL;
        if (one->kind != TIMELINE_DENSE)
            continue;
        assert_true(one->step_end <= t.merged_step);
        while (calls && calls > text(&t, one->detail) && calls[-1] >= '0' && calls[-1] <= '9')
            calls--;
        counted += calls ? strtoull(calls, NULL, 10) : 0;
    }
    assert_int_equal(counted + shown, ROUNDS);
    assert_true(shown >= LIMIT / 4);
    assert_string_equal(text(&t, item(&t, TIMELINE_END, 0, 0)->text), "the run ended: deadlock");
    assert_true(t.string_count < 2 * LIMIT);
    timeline_done(&t);
}

static void traces_that_end_early(void **state)
{
    struct fixture *f = *state;
    struct rr_error error = {0};
    struct timeline t;

    put(f, call(EVENT_SYSCALL, 1, SYS_close, 1, 0, 0));
    assert_int_equal(trace_writer_flush(f->writer, NULL), 0);
    trace_writer_close(f->writer);
    assert_int_equal(timeline_read(f->trace, 0, &t, &error), 0);
    assert_non_null(t.damage);
    assert_null(t.verdict);
    assert_int_equal(t.item_count, 2); /* executes, calls */
    timeline_done(&t);
    assert_true(timeline_read("/nonexistent/trace", 0, &t, &error) < 0);
    assert_non_null(strstr(error.message, "/nonexistent/trace"));
}

static uint64_t pick(uint64_t *seed, uint64_t limit)
{
    *seed = bytes_hash(seed, sizeof(*seed), 0);
    return *seed % limit;
}

/* Valid traces of runs that make no sense: calls that end without a beginning, tasks that end
 * twice, maps of files that are not there. Whatever comes, the timeline is in order. */
static void events_without_sense(void **state)
{
    static const uint64_t numbers[] = {SYS_futex, SYS_clone, SYS_exit,
                                       SYS_wait4, 99999,     SYS_getpid};
    struct fixture *f = *state;
    uint64_t seed = 42, step = 0;
    struct timeline t;

    for (int i = 0; i < 5000; i++) {
        struct map_op map = {.kind = (enum map_op_kind)pick(&seed, MAP_OP_KIND_COUNT),
                             .address = pick(&seed, 64) << 12,
                             .length = pick(&seed, 16) << 12,
                             .new_address = pick(&seed, 64) << 12,
                             .new_length = pick(&seed, 16) << 12};
        uint8_t noise[96];
        struct event_write write = {pick(&seed, 2) ? LOCK : 0, pick(&seed, sizeof(noise)), noise};
        struct event e = call((enum event_kind)pick(&seed, EVENT_END), 1 + (uint32_t)pick(&seed, 5),
                              numbers[pick(&seed, 6)], pick(&seed, 3) ? LOCK : 0, pick(&seed, 14),
                              (int64_t)pick(&seed, 5) - 2);

        for (size_t k = 0; k < sizeof(noise); k++)
            noise[k] = (uint8_t)pick(&seed, 256);
        e.child = e.kind == EVENT_SYSCALL && pick(&seed, 4) == 0 ? 1 + (uint32_t)pick(&seed, 9) : 0;
        e.clone_flags = pick(&seed, 2) ? CLONE_VM | CLONE_THREAD : 0;
        e.after.rsi = LOCK + pick(&seed, 100);
        e.signal = (int32_t)pick(&seed, 70);
        e.status = (int32_t)pick(&seed, 70000);
        e.writes = &write;
        e.write_count = 1;
        e.maps = &map;
        e.map_count = pick(&seed, 2);
        put(f, e);
    }
    finish(f, 300, &t);
    for (size_t i = 0; i < t.item_count; i++) {
        const struct timeline_item *one = &t.items[i];

        assert_true(one->step >= step);
        step = one->step;
        assert_true(one->step_end >= one->step && one->step_end <= t.steps);
        assert_true(one->clock_end >= one->clock && one->clock_end <= t.clock_end);
        assert_true(one->kind < TIMELINE_KIND_COUNT && one->task < t.task_count);
        assert_true(one->text < t.string_count && one->detail < t.string_count);
        assert_true(one->place < t.place_count && one->target < t.place_count);
        assert_true(one->cause <= t.item_count);
    }
    timeline_done(&t);
}

static void trace_events(void **state)
{
    struct fixture *f = *state;
    char *text_of = NULL;
    size_t length = 0, offset;
    const struct json *events;
    struct json document;
    struct timeline t;
    FILE *out;

    put_hand_over(f);
    finish(f, 0, &t);
    out = open_memstream(&text_of, &length);
    assert_int_equal(chrome_write(&t, CHROME_AXIS_TIME, out), 0);
    fclose(out);
    assert_int_equal(json_parse(text_of, length, &document, &offset), 0);
    events = json_get(&document, "traceEvents");
    /* 2 x thread_name and sort_index, process_name, the items, 3 flows of 2 ends */
    assert_int_equal(events->count, 5 + t.item_count + 6);
    json_done(&document);
    free(text_of);
    out = fopen("/dev/full", "we");
    assert_int_equal(chrome_write(&t, CHROME_AXIS_STEP, out), -EIO);
    fclose(out);
    timeline_done(&t);
}

#define test(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        test(tasks_waits_and_wakes),
        test(who_waits_at_the_end_waits_for_ever),
        test(calls_that_wait_and_that_do_not),
        test(signals),
        test(output),
        test(long_runs_are_merged),
        test(traces_that_end_early),
        test(events_without_sense),
        test(trace_events),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
