/* All texts live in an arena that the sample owns. */
#include "reports/html/tests/sample.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TESTS_MAX 64
#define ALLOCATIONS_MAX 4096

struct sample {
    struct report_session session;
    struct report_test tests[TESTS_MAX];
    struct report_failure failures[TESTS_MAX];
    size_t failure_count;
    void *allocations[ALLOCATIONS_MAX];
    size_t allocation_count;
};

static void *owned(struct sample *s, void *memory)
{
    if (!memory || s->allocation_count == ALLOCATIONS_MAX)
        abort();
    return s->allocations[s->allocation_count++] = memory;
}

static char *text(struct sample *s, const char *format, ...) __attribute__((format(printf, 2, 3)));
static char *text(struct sample *s, const char *format, ...)
{
    va_list args;
    char *made;

    va_start(args, format);
    if (vasprintf(&made, format, args) < 0)
        abort();
    va_end(args);
    return owned(s, made);
}

static struct report_test *add_test(struct sample *s, const char *name, enum report_verdict verdict,
                                    uint64_t planned, uint64_t runs)
{
    struct report_test *t = &s->tests[s->session.count++];

    if (s->session.count > TESTS_MAX)
        abort();
    *t = (struct report_test){.name = text(s, "%s", name),
                              .command = text(s, "./%s --threads 4", name),
                              .suite = text(s, "tests/suite.yaml"),
                              .line = (uint32_t)(10 * s->session.count),
                              .verdict = verdict,
                              .planned = planned,
                              .runs = runs,
                              .schedules = runs,
                              .outputs = runs ? 1 : 0,
                              .wall_ns = runs * 12345678,
                              .rate_high = runs ? 3.0 / (double)(runs + 3) : 1};
    return t;
}

static struct report_failure *add_failure(struct sample *s, struct report_test *t, const char *kind,
                                          const char *title)
{
    struct report_failure *f = &s->failures[s->failure_count++];

    *f = (struct report_failure){.signature =
                                     text(s, "%016zx", s->failure_count * 0x9e3779b97f4a7c1),
                                 .kind = text(s, "%s", kind),
                                 .title = text(s, "%s", title),
                                 .reason = text(s, "%s", title),
                                 .output = text(s, "%s", ""),
                                 .count = 1,
                                 .first_run = t->runs,
                                 .first_seed = 15755013860617669476u,
                                 .strategy = text(s, "random"),
                                 .patching = text(s, "static"),
                                 .rerun = text(s,
                                               "rrtest run tests/suite.yaml --filter '%s' "
                                               "--run-seed 15755013860617669476",
                                               t->name)};
    t->failures = f;
    t->failure_count = 1;
    t->failed = 1;
    t->failure_rate = t->runs ? 1.0 / (double)t->runs : 0;
    t->rate_low = t->failure_rate / 40;
    t->rate_high = t->runs > 1 ? t->failure_rate * 3 < 0.99 ? t->failure_rate * 3 : 0.99 : 1;
    return f;
}

static struct task_stack *add_stack(struct sample *s, struct report_failure *f, int32_t tid,
                                    const char *role, const char *state)
{
    struct task_stack *k;

    if (!f->stacks.tasks)
        f->stacks.tasks = owned(s, calloc(8, sizeof(*f->stacks.tasks)));
    k = &f->stacks.tasks[f->stacks.count++];
    *k = (struct task_stack){.pid = 2,
                             .tid = tid,
                             .role = text(s, "%s", role),
                             .name = text(s, "queue_test"),
                             .state = text(s, "%s", state),
                             .is_cause = f->stacks.count == 1,
                             .frames = owned(s, calloc(16, sizeof(struct stack_frame)))};
    return k;
}

static void add_frame(struct sample *s, struct task_stack *k, const char *function,
                      const char *file, uint32_t line, bool is_inlined)
{
    struct stack_frame *f = &k->frames[k->frame_count++];

    *f = (struct stack_frame){.address = 0x5555555551e1 + 0x40 * k->frame_count,
                              .function = function ? text(s, "%s", function) : NULL,
                              .offset = 0x18,
                              .file = file ? text(s, "%s", file) : NULL,
                              .line = line,
                              .column = line ? 9 : 0,
                              .module = text(s, "/srv/build/queue_test"),
                              .module_offset = 0x11e1 + 0x40 * k->frame_count,
                              .is_inlined = is_inlined};
}

static void add_crash(struct sample *s)
{
    struct report_test *t = add_test(s, "queue-close", REPORT_FAILED, 500, 28);
    struct report_failure *f =
        add_failure(s, t, "signal", "killed by SIGSEGV in queue<job>::push (queue.hpp:41)");
    struct task_stack *k = add_stack(s, f, 3, "0.1", "killed by SIGSEGV at address 0x18");

    t->labels = owned(s, calloc(3, sizeof(char *)));
    t->labels[0] = text(s, "queue");
    t->labels[1] = text(s, "nightly");
    f->count = 3;
    t->failed = 3;
    f->output = text(s, "closing\n</script><!-- <script>alert(1)</script> & \"quotes\" \xc3\xa9\n");
    f->reason = text(s, "%s\nexpected exit 0\nthe run was ended by signal 11", f->title);
    add_frame(s, k, "std::atomic<node*>::load", "/usr/include/c++/12/atomic", 577, true);
    add_frame(s, k, "queue<job>::push(job&&)", "/srv/src/queue.hpp", 41, false);
    add_frame(s, k, "worker(void*)", "/srv/src/queue_test.cpp", 88, false);
    add_frame(s, k, NULL, NULL, 0, false);
    k = add_stack(s, f, 2, "0", "waits in futex(0x7fffefec9990, FUTEX_WAIT, 3)");
    add_frame(s, k, "__pthread_clockjoin_ex", "./nptl/pthread_join_common.c", 102, false);
    add_frame(s, k, "main", "/srv/src/queue_test.cpp", 120, false);
    k->is_cut = true;
}

struct sample *sample_new(void)
{
    struct sample *s = calloc(1, sizeof(*s));
    struct report_test *t;

    if (!s)
        abort();
    s->session = (struct report_session){.version = text(s, "0.1.0"),
                                         .suite = text(s, "tests/suite.yaml"),
                                         .seed = 18446744073709551615u,
                                         .started_unix_ns = 1700000000000000000u,
                                         .wall_ns = 5012345678u,
                                         .machine = text(s, "a processor, Linux 6.18"),
                                         .shard = {1, 1},
                                         .reproduce = text(s, "rrtest run tests/suite.yaml --seed "
                                                              "18446744073709551615"),
                                         .tests = s->tests};
    s->session.notes = owned(s, calloc(2, sizeof(char *)));
    s->session.notes[0] = text(s, "no network namespace: tests see the machine's own network");
    s->session.unfinished = text(s, "time budget");
    add_crash(s);
    add_test(s, "parser-basics", REPORT_PASSED, 200, 200);
    t = add_test(s, "rename-race", REPORT_QUARANTINED, 200, 14);
    t->note = text(s, "known since March, until 2027-01-01");
    add_failure(s, t, "output", "stdout lacks \"renamed\"");
    t = add_test(s, "needs-root", REPORT_SKIPPED, 200, 0);
    t->note = text(s, "needs a loop device");
    t = add_test(s, "slow-start", REPORT_UNFINISHED, 200, 31);
    t->note = text(s, "time budget");
    t = add_test(s, "old-binary", REPORT_ERROR, 200, 0);
    add_failure(s, t, "unsupported", "a 32-bit program cannot be recorded")->is_error = true;
    return s;
}

void sample_add_trace(struct sample *s, const char *name, const char *trace)
{
    struct report_test *t = add_test(s, name, REPORT_FAILED, 500, 3);
    struct report_failure *f = add_failure(s, t, "exit", "exit 1, expected exit 0");

    f->trace = text(s, "%s", trace);
    f->trace_seed = f->first_seed;
    f->trace_bytes = 6396928;
    f->replay = text(s, "rrtest replay %s", trace);
}

const struct report_session *sample_session(struct sample *s)
{
    return &s->session;
}

void sample_free(struct sample *s)
{
    for (size_t i = 0; i < s->allocation_count; i++)
        free(s->allocations[i]);
    free(s);
}
