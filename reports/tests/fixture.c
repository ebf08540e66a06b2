/* The models are built as the runner builds them: texts go through text_clean(). */
#include "reports/tests/fixture.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "reports/rate.h"
#include "reports/text.h"

/* Whatever ends a string, an element, a comment, a block, a command or a directive somewhere. */
#define NASTY                                                                                 \
    "<b>&amp; \"double\" 'single' ]]> --> </script> ${HOME} `id` %0A::error::no %25 \\ \\n\n" \
    "  ---\n...\n# TODO # SKIP\nok 1 - not me\nnot ok 2\nBail out! | a | b |\n```\n~~~~\n"    \
    "\t\xc3\xa4\xe2\x82\xac\xf0\x9f\x90\x9b \x1b[31mred\x1b[0m \x01\x7f\xff\xed\xa0\x80"      \
    "\xef\xbf\xbf\xc2\x85 end\r\n"

static char *clean(const char *text)
{
    return text_clean(text, strlen(text));
}

static void *grow(void *array, size_t count, size_t size)
{
    char *grown = realloc(array, (count + 1) * size);

    if (!grown)
        abort();
    memset(grown + count * size, 0, size);
    return grown;
}

struct report_test *fixture_add_test(struct report_session *session, const char *name,
                                     enum report_verdict verdict)
{
    struct report_test *test;

    session->tests = grow(session->tests, session->count, sizeof(*session->tests));
    test = &session->tests[session->count];
    test->name = clean(name);
    test->command = clean("./queue_test --threads 4");
    test->suite = clean("tests/suite.yaml");
    test->line = 4 + 3 * (uint32_t)session->count;
    test->position = (uint32_t)session->count++;
    test->verdict = verdict;
    test->keep_going = true;
    test->planned = 200;
    test->runs = verdict == REPORT_SKIPPED ? 0 : 200;
    test->schedules = test->runs ? 187 : 0;
    test->outputs = test->runs ? 2 : 0;
    test->wall_ns = test->runs * 1234567;
    rate_of_test(test);
    return test;
}

struct report_failure *fixture_add_failure(struct report_test *test, const char *signature,
                                           const char *kind, const char *title)
{
    struct report_failure *failure;
    struct bytes text;

    test->failures = grow(test->failures, test->failure_count, sizeof(*test->failures));
    failure = &test->failures[test->failure_count++];
    failure->signature = clean(signature);
    failure->kind = clean(kind);
    failure->title = clean(title);
    bytes_init(&text);
    text_format(&text, "%s\nexpected exit 0", failure->title);
    failure->reason = text_take(&text);
    failure->output = clean("");
    failure->count = 1;
    failure->first_run = test->failure_count * 2;
    failure->first_seed = 15755013860617669476ull + test->failure_count;
    failure->strategy = clean("random");
    failure->patching = clean("static");
    text_format(&text, "rrtest run tests/suite.yaml --filter '%s' --run-seed %llu", test->name,
                (unsigned long long)failure->first_seed);
    failure->rerun = text_take(&text);
    test->failed++;
    rate_of_test(test);
    return failure;
}

static void keep_trace(struct report_failure *failure, const char *trace, uint64_t bytes)
{
    struct bytes text;

    bytes_init(&text);
    failure->trace = clean(trace);
    failure->trace_seed = failure->first_seed;
    failure->trace_bytes = bytes;
    text_format(&text, "rrtest replay '%s'", trace);
    failure->replay = text_take(&text);
}

static struct task_stack *add_task(struct report_failure *failure, const char *role,
                                   const char *state, bool is_cause)
{
    struct stack_list *stacks = &failure->stacks;
    struct task_stack *task;

    stacks->tasks = grow(stacks->tasks, stacks->count, sizeof(*stacks->tasks));
    task = &stacks->tasks[stacks->count++];
    task->pid = 2;
    task->tid = 1 + (int32_t)stacks->count;
    task->role = clean(role);
    task->state = clean(state);
    task->is_cause = is_cause;
    return task;
}

static struct stack_frame *add_frame(struct task_stack *task, const char *function,
                                     const char *file, uint32_t line)
{
    struct stack_frame *frame;

    task->frames = grow(task->frames, task->frame_count, sizeof(*task->frames));
    frame = &task->frames[task->frame_count++];
    frame->address = 0xffffffff81000000ull + 16 * task->frame_count;
    frame->function = function ? clean(function) : NULL;
    frame->offset = function ? 0x12 : 0;
    frame->file = file ? clean(file) : NULL;
    frame->line = line;
    frame->column = file ? 7 : 0;
    frame->module = clean(file ? "/build/queue_test" : "/lib/x86_64-linux-gnu/libc.so.6");
    frame->module_offset = 0x1100 + 16 * task->frame_count;
    return frame;
}

static void add_stacks(struct report_failure *failure)
{
    struct task_stack *task = add_task(failure, "0.1", "killed by SIGSEGV", true);

    task->name = clean("worker <1>");
    add_frame(task, "raise", NULL, 0);
    add_frame(task, "queue::push<int, &x>(int)", "src/queue c,d:e.cc", 41)->is_inlined = true;
    add_frame(task, "main", "/usr/src/app/main.c", 7);
    free(add_frame(task, NULL, NULL, 0)->module);
    task->frames[task->frame_count - 1].module = NULL;
    task->is_cut = true;
    for (int i = 0; i < 11; i++) {
        task = add_task(failure, "0.2", "waits in futex(0x7ffff7fa1000) \"q\"", false);
        for (int n = 0; n < 15; n++)
            add_frame(task, "wait_for", "src/wait.c", 10);
    }
}

static void set_strings(char ***ret, const char *first, const char *second)
{
    char **strings = calloc(3, sizeof(*strings));

    if (!strings)
        abort();
    strings[0] = clean(first);
    strings[1] = clean(second);
    *ret = strings;
}

static void begin(struct report_session *session)
{
    *session = (struct report_session){
        .version = clean("0.1.0"),
        .suite = clean("tests/suite.yaml"),
        .seed = UINT64_MAX,
        .started_unix_ns = 1767225599123456789ull,
        .wall_ns = 12345678901ull,
        .machine = clean("AMD EPYC, Linux 6.18"),
        .shard = {1, 1},
        .reproduce = clean("rrtest run tests/suite.yaml --seed 18446744073709551615"),
    };
}

static const struct {
    const char *kind;
    bool is_error;
} kinds[] = {
    {"exit", false},     {"signal", false},     {"output", false},
    {"deadlock", false}, {"timeout", false},    {"virtual-timeout", false},
    {"limit", false},    {"unsupported", true}, {"recorder", true},
    {"setup", true},     {"trace", true},
};

static void make_rich(struct report_session *session)
{
    struct report_test *test;
    struct report_failure *failure;

    set_strings(&session->notes, "no network namespace: " NASTY, "another note");
    session->unfinished = clean("time budget");
    fixture_add_test(session, "passes", REPORT_PASSED);
    test = fixture_add_test(session, "fails: # one [a=b,c] \xf0\x9f\x90\x9b <&>", REPORT_FAILED);
    set_strings(&test->labels, "slow", "needs:net");
    for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
        char signature[17] = "00000000000000a0";

        signature[15] = "0123456789abcdef"[i];
        failure = fixture_add_failure(test, signature, kinds[i].kind, "killed, 100 %: \"x\" <y>");
        failure->is_error = kinds[i].is_error;
        if (i == 1) {
            free(failure->output);
            failure->output = clean(NASTY);
            free(failure->reason);
            failure->reason = clean(NASTY);
            failure->count = 31;
            test->failed += 30;
            add_stacks(failure);
            keep_trace(failure, "rrtest-out/a b/1", 4711);
        }
    }
    test->counts_are_estimates = true;
    rate_of_test(test);
    test = fixture_add_test(session, "cannot be recorded", REPORT_ERROR);
    fixture_add_failure(test, "00000000000000e0", "unsupported", "ioctl 0x1234 is not modelled")
        ->is_error = true;
    test = fixture_add_test(session, "known \\ bad #1", REPORT_QUARANTINED);
    test->note = clean("issue 12, until 2027-01-01 " NASTY);
    fixture_add_failure(test, "00000000000000f0", "deadlock", "all tasks wait for ever");
    test = fixture_add_test(session, "skipped", REPORT_SKIPPED);
    test->note = clean("needs a GPU");
    test = fixture_add_test(session, "stopped", REPORT_UNFINISHED);
    test->runs = 12;
    rate_of_test(test);
    test = fixture_add_test(session, "never ran", REPORT_UNFINISHED);
    test->runs = test->schedules = test->outputs = 0;
    rate_of_test(test);
}

static void make_many(struct report_session *session)
{
    for (int i = 0; i < 300; i++) {
        struct bytes text;
        char *name;

        bytes_init(&text);
        text_format(&text, "test-%03d", i);
        name = text_take(&text);
        if (i % 7)
            fixture_add_test(session, name, REPORT_PASSED);
        else
            fixture_add_failure(fixture_add_test(session, name, REPORT_FAILED), "0123456789abcdef",
                                "exit", "exit 1, expected exit 0");
        free(name);
    }
}

/* Two shards: a test each, and one whose runs are split; its failures are found by both. */
static void make_shard(struct report_session *session, uint32_t index)
{
    struct report_test *test;
    struct report_failure *failure;

    session->shard = (struct report_shard){index, 2};
    if (index == 1)
        fixture_add_test(session, "only in 1", REPORT_PASSED);
    test = fixture_add_test(session, "split", REPORT_FAILED);
    test->position = 1;
    test->line = 7;
    test->planned = test->runs = 100;
    failure = fixture_add_failure(test, "00000000000000a0", "exit", "exit 1, expected exit 0");
    failure->first_run = index == 1 ? 7 : 4;
    keep_trace(failure, index == 1 ? "one/split/7" : "two/split/4", index == 1 ? 500 : 900);
    if (index == 2) {
        failure = fixture_add_failure(test, "00000000000000a1", "signal", "killed by SIGSEGV");
        failure->first_run = 2;
        fixture_add_test(session, "only in 2", REPORT_PASSED)->position = 2;
    }
}

int fixture_make(const char *name, struct report_session *ret)
{
    begin(ret);
    if (strcmp(name, "rich") == 0)
        make_rich(ret);
    else if (strcmp(name, "many") == 0)
        make_many(ret);
    else if (strcmp(name, "passing") == 0) {
        fixture_add_test(ret, "one", REPORT_PASSED);
        fixture_add_test(ret, "two", REPORT_PASSED);
    } else if (strcmp(name, "shard1") == 0)
        make_shard(ret, 1);
    else if (strcmp(name, "shard2") == 0)
        make_shard(ret, 2);
    else if (strcmp(name, "empty") != 0)
        return -ENOENT;
    return 0;
}
