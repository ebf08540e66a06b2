/* record_run: one run from options to result. */
#include "recorder/record/record.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "recorder/base/file.h"
#include "recorder/base/log.h"
#include "recorder/base/names.h"
#include "recorder/patch/fault.h"
#include "recorder/record/buffered.h"
#include "recorder/record/cpuid.h"
#include "recorder/record/file_facts.h"
#include "recorder/record/image_store.h"
#include "recorder/record/limits.h"
#include "recorder/record/output.h"
#include "recorder/record/session.h"
#include "recorder/record/space.h"
#include "recorder/record/stack.h"
#include "recorder/record/start.h"
#include "recorder/stacks/stacks.h"
#include "recorder/tracee/processor.h"

#define TRACE_MEMORY_MAX (512ull << 20)
#define DEFAULT_EPOCH_NS 1700000000000000000ull /* a constant: part of what "same" means */

static uint64_t clock_ns(clockid_t id)
{
    struct timespec t;

    clock_gettime(id, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static size_t pick_waiter(void *context, size_t count)
{
    struct session *s = context;

    return sched_pick_waiter(s->sched, count);
}

static void on_alarm(int signal)
{
    (void)signal;
}

/* The 10 ms timer that takes the recorder out of waitpid to look at deadlines (design.md section
 * 5). */
static void start_timer(struct sigaction *old_action, struct itimerval *old_timer)
{
    struct sigaction action = {.sa_handler = on_alarm};
    struct itimerval timer = {{0, 10000}, {0, 10000}};

    sigaction(SIGALRM, &action, old_action);
    setitimer(ITIMER_REAL, &timer, old_timer);
}

static void stop_timer(const struct sigaction *old_action, const struct itimerval *old_timer)
{
    setitimer(ITIMER_REAL, old_timer, NULL);
    sigaction(SIGALRM, old_action, NULL);
}

static void identify_stdio(struct session *s)
{
    int fds[2] = {s->options->stdout_fd, s->options->stderr_fd};

    for (int i = 0; i < 2; i++) {
        struct stat st;

        if (fds[i] >= 0 && fstat(fds[i], &st) == 0)
            s->stdio[i] = (struct stdio_identity){st.st_dev, st.st_ino, true};
    }
}

static const char *const fixed_environment[] = {"TMPDIR=" START_TMPDIR, NULL};

static char **make_environment(char *const *from, bool tmpdir)
{
    size_t n = 0, kept = 0;
    char **copy;

    while (from && from[n])
        n++;
    copy = calloc(n + 3, sizeof(char *));
    if (!copy)
        abort();
    for (size_t i = 0; i < n; i++)
        if (!tmpdir || strncmp(from[i], "TMPDIR=", 7) != 0)
            copy[kept++] = from[i];
    if (tmpdir)
        copy[kept] = (char *)(uintptr_t)fixed_environment[0];
    return copy;
}

static char **copy_strings(char *const *from)
{
    size_t n = 0;
    char **copy;

    while (from && from[n])
        n++;
    copy = calloc(n + 1, sizeof(char *));
    if (!copy)
        abort();
    for (size_t i = 0; i < n; i++)
        copy[i] = strdup(from[i]);
    return copy;
}

static char *verdict_text(const struct record_result *r)
{
    char text[64];

    if (r->verdict != RECORD_VERDICT_EXITED)
        snprintf(text, sizeof(text), "%s", record_verdict_name(r->verdict));
    else if (WIFSIGNALED(r->status))
        snprintf(text, sizeof(text), "signal %d", WTERMSIG(r->status));
    else
        snprintf(text, sizeof(text), "exit %d", WEXITSTATUS(r->status));
    return strdup(text);
}

static char *statistics_text(const struct record_statistics *v)
{
    char *text = NULL, patches[PATCH_COUNTS_TEXT];

    patch_counts_text(v->patches, patches);

    if (asprintf(&text,
                 "{\"stops\": %lu, \"ticks\": %lu, \"atomics\": %lu, \"preemptions\": %lu, "
                 "\"switches\": %lu, \"stray_entries\": %lu, \"trap_ticks\": %lu, \"signals\": "
                 "%lu, \"tasks\": %lu, "
                 "\"processes\": %lu, \"syscalls\": {\"total\": %lu, \"buffered\": %lu, "
                 "\"rescued\": %lu}, \"patches\": %s, "
                 "\"times\": {\"virtual_ns\": %lu, \"wall_ns\": %lu, \"rewriting_ns\": %lu}}",
                 v->stops, v->ticks, v->atomics, v->preemptions, v->switches, v->stray_entries,
                 v->trap_ticks, v->signals, v->tasks, v->processes, v->syscalls_total,
                 v->syscalls_buffered, v->syscalls_rescued, patches, v->virtual_ns, v->wall_ns,
                 v->rewriting_ns) < 0)
        return NULL;
    return text;
}

static void fill_meta(struct session *s, struct trace_meta *meta)
{
    char text[64];

    trace_meta_done(meta);
    memset(meta, 0, sizeof(*meta));
    meta->command = copy_strings(s->options->argv);
    meta->environment = copy_strings(s->environment);
    meta->directory = s->options->directory ? strdup(s->options->directory) : getcwd(NULL, 0);
    meta->seed = s->options->seed;
    meta->strategy = strdup(sched_strategy_name(s->options->strategy));
    meta->patching = strdup(record_patching_name(s->options->patching));
    meta->verdict = verdict_text(s->result);
    meta->exit_status = s->result->status;
    snprintf(text, sizeof(text), "%016lx", s->result->statistics.schedule_digest);
    meta->schedule_digest = strdup(text);
    meta->statistics = statistics_text(&s->result->statistics);
    meta->machine = strdup("x86_64");
    stacks_copy(&meta->stacks, &s->result->stacks);
    cpuid_table_describe(&s->area, meta);
}

static uint64_t trace_memory(const struct record_options *o)
{
    uint64_t share = o->memory_limit ? o->memory_limit / 4 : TRACE_MEMORY_MAX;

    if (o->trace_memory)
        return o->trace_memory;
    return share < TRACE_MEMORY_MAX ? share : TRACE_MEMORY_MAX;
}

/* `trace_meta` as it is before anything has happened: a cut trace has only this. */
static int open_trace(struct session *s)
{
    struct trace_meta meta = {0};
    int error;

    if (s->options->no_trace)
        return 0;
    fill_meta(s, &meta);
    free(meta.verdict);
    meta.verdict = strdup("cut");
    error = trace_writer_open(s->options->trace_directory, &meta, &s->trace, s->error);
    trace_meta_done(&meta);
    if (!error && !s->options->trace_directory)
        trace_writer_bound(s->trace, trace_memory(s->options), s->options->spill_directory);
    return error;
}

static void collect_result(struct session *s)
{
    struct record_result *r = s->result;

    r->statistics.virtual_ns = clock_now(s->clock);
    r->statistics.wall_ns = clock_ns(CLOCK_MONOTONIC) - s->wall_start;
    r->statistics.rewriting_ns = s->rewriting_ns;
    r->statistics.schedule_digest = sched_digest(s->sched);
    sched_learned(s->sched, &r->learned);
    output_collect(s);
}

static int finish_trace(struct session *s)
{
    struct event end = {
        .kind = EVENT_END, .task = 1, .status = s->result->status, .clock = clock_now(s->clock)};

    if (!s->trace)
        return 0;
    trace_writer_event(s->trace, &end, NULL);
    s->result->statistics.events++;
    fill_meta(s, &s->result->meta);
    if (!s->options->trace_directory) {
        s->result->trace = s->trace;
        return 0;
    }
    int error = trace_writer_finish(s->trace, &s->result->meta, s->error);

    trace_writer_close(s->trace);
    return error;
}

/* A worker's runs share one area, one after the other: its pages are made once. A forked worker
 * makes its own. */
static struct kept_area {
    struct tracee_area area;
    pid_t owner; /* 0: nothing is kept */
} kept_area;

static int take_area(struct tracee_area *ret)
{
    pid_t owner = kept_area.owner;

    kept_area.owner = 0;
    if (owner != getpid()) {
        if (owner)
            tracee_area_close(&kept_area.area);
        return tracee_area_open(ret);
    }
    *ret = kept_area.area;
    return tracee_area_renew(ret);
}

/* Behind a run of which nothing is left. */
static void keep_area(struct tracee_area *area)
{
    if (kept_area.owner)
        tracee_area_close(area);
    else
        kept_area = (struct kept_area){*area, getpid()};
    area->memfd = area->socket = area->socket_tracee = -1;
    area->page = NULL;
}

static int prepare(struct session *s, const struct record_options *o)
{
    int error = take_area(&s->area);

    if (error)
        return rr_error_set(s->error, error, "the recorder area cannot be made: %s",
                            strerror(-error));
    s->wall_start = clock_ns(CLOCK_MONOTONIC);
    s->epoch_real = clock_ns(CLOCK_REALTIME);
    s->epoch_files = clock_ns(CLOCK_REALTIME_COARSE);
    s->file_facts = file_facts_new(&s->area);
    s->wall_deadline = o->timeout_ns ? s->wall_start + o->timeout_ns : 0;
    s->deadline_virtual = o->virtual_timeout_ns;
    s->images = image_store_get(o->image_cache);
    s->patch_faults = patch_faults_from_environment();
    s->sched = sched_new(o->strategy, o->seed, &o->length);
    s->futexes = futex_new(pick_waiter, s);
    s->clock = clock_new(
        o->real_clock ? s->epoch_real : (o->clock_epoch_ns ? o->clock_epoch_ns : DEFAULT_EPOCH_NS));
    random_init(&s->data, o->seed, RANDOM_DATA);
    random_init(&s->inject, o->seed, RANDOM_INJECT);
    s->external_input = o->stdin_fd >= 0;
    identify_stdio(s);
    cpuid_table_fill(&s->area, o->guards_off);
    s->environment = make_environment(o->environment, !(o->guards_off & RECORD_GUARD_TMPDIR));
    return open_trace(s);
}

/* Where the tasks stood when we ended the run; they are stopped, and still there. */
static void read_stacks(struct session *s)
{
    switch (s->result->verdict) {
    case RECORD_VERDICT_UNSUPPORTED:
    case RECORD_VERDICT_DEADLOCK:
    case RECORD_VERDICT_TIMEOUT:
    case RECORD_VERDICT_VIRTUAL_TIMEOUT:
    case RECORD_VERDICT_LIMIT:
        if (!s->killed)
            stack_read_all(s, s->result->verdict == RECORD_VERDICT_UNSUPPORTED ? s->current : NULL,
                           NULL);
        return;
    default:
        return;
    }
}

/* The first execve: its failure is the caller's error, not a run. */
static int first_exec(struct session *s)
{
    struct task *t = s->tasks;

    s->current = t;
    call_entry(s, t);
    if (s->exec_error)
        return rr_error_set(s->error, s->exec_error, "%s cannot be executed: %s",
                            s->options->argv[0], strerror(-s->exec_error));
    if (s->live == 0)
        return rr_error_set(s->error, -ENOEXEC, "%s died in execve", s->options->argv[0]);
    return 0;
}

int record_run(const struct record_options *options, struct record_result *ret,
               struct rr_error *error)
{
    struct sigaction old_action;
    struct itimerval old_timer;
    struct session s;
    struct rr_error own = {0};
    int code;

    memset(&s, 0, sizeof(s));
    memset(ret, 0, sizeof(*ret));
    s.options = options;
    s.result = ret;
    s.error = error ? error : &own;
    s.area.memfd = s.area.socket = s.area.socket_tracee = -1;
    limits_begin(&s);
    code = prepare(&s, options);
    start_timer(&old_action, &old_timer);
    if (!code)
        code = start_program(&s);
    if (!code)
        buffered_start(&s);
    if (!code)
        code = first_exec(&s);
    if (!code)
        limits_started(&s);
    if (!code)
        session_loop(&s);
    if (!code)
        read_stacks(&s);
    start_cleanup(&s);
    limits_end(&s);
    processor_unshare_cpuid_trap();
    stop_timer(&old_action, &old_timer);
    if (!code) {
        collect_result(&s);
        code = finish_trace(&s);
    } else if (s.trace) {
        trace_writer_close(s.trace);
    }
    free(s.environment);
    if (s.sched) {
        if (!code)
            keep_area(&s.area);
        session_done(&s);
    } else {
        tracee_area_close(&s.area);
    }
    return code;
}

void record_result_done(struct record_result *result)
{
    free(result->message);
    for (size_t i = 0; i < result->note_count; i++)
        free(result->notes[i]);
    free(result->notes);
    for (int i = 0; i < 2; i++) {
        free(result->output[i]);
        free(result->output_end[i]);
    }
    if (result->trace)
        trace_writer_close(result->trace);
    trace_meta_done(&result->meta);
    stacks_done(&result->stacks);
    memset(result, 0, sizeof(*result));
}

const char *record_verdict_name(enum record_verdict verdict)
{
    static const char *const names[RECORD_VERDICT_COUNT] = {
        [RECORD_VERDICT_EXITED] = "exited",
        [RECORD_VERDICT_DEADLOCK] = "deadlock",
        [RECORD_VERDICT_TIMEOUT] = "timeout",
        [RECORD_VERDICT_VIRTUAL_TIMEOUT] = "virtual timeout",
        [RECORD_VERDICT_UNSUPPORTED] = "unsupported",
        [RECORD_VERDICT_INTERRUPTED] = "interrupted",
        [RECORD_VERDICT_LIMIT] = "limit",
    };

    return verdict < RECORD_VERDICT_COUNT ? names[verdict] : "?";
}

uint32_t record_guards_from_environment(void)
{
    static const char *const names[] = {
        "rdtsc", "random", "cpuid",           "vdso",   "rseq",    "io_uring", "at_random", "aslr",
        "time",  "pids",   "directory_order", "tmpdir", "network", "getrandom"};

    return names_in_environment("RRTEST_GUARD_OFF", names, sizeof(names) / sizeof(*names));
}
