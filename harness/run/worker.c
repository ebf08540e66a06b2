/* Worker processes: start, channel, the loop inside. */
#include "harness/run/worker.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "harness/run/judge.h"
#include "harness/run/keep.h"
#include "harness/run/limits.h"
#include "harness/run/prepare.h"
#include "harness/run/signature.h"
#include "harness/run/sink.h"
#include "recorder/base/file.h"
#include "recorder/stacks/stacks.h"

#define OUTPUT_LINES 12 /* of a failing run's output that are told */

struct worker_context {
    const struct suite *suite;
    const struct run_options *options;
    struct worker_control *control;
    uint64_t serial; /* of the current job */
    struct sink sinks[SUITE_STREAM_COUNT];
    struct limits limits;
    char *spill_directory;
    struct prepare prepare;
    struct hooks *hooks; /* what was set up for each test */
    struct report report;
};

size_t worker_cpus(int *cpus, size_t size)
{
    cpu_set_t set;
    size_t count = 0;

    if (sched_getaffinity(0, sizeof(set), &set) < 0) {
        cpus[0] = -1;
        return 1;
    }
    for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
        if (CPU_ISSET(cpu, &set) && count++ < size)
            cpus[count - 1] = cpu;
    }
    return count;
}

void worker_pin(int cpu)
{
    cpu_set_t set;

    if (cpu < 0)
        return;
    CPU_ZERO(&set);
    CPU_SET((size_t)cpu, &set);
    sched_setaffinity(0, sizeof(set), &set);
}

/* Asked by the recorder now and then. */
static bool is_cancelled(void *context)
{
    struct worker_context *c = context;

    for (int i = 0; i < SUITE_STREAM_COUNT; i++)
        sink_trim(&c->sinks[i]);
    return atomic_load_explicit(&c->control->stop, memory_order_relaxed) ||
           atomic_load_explicit(&c->control->cancel, memory_order_relaxed) == c->serial;
}

static void put_text(struct report *report, enum report_part part, const char *text)
{
    report_append(report, part, text, strlen(text));
}

/* The stream that people look at first: stderr, or stdout if that is empty; its end, if it was cut.
 */
struct last_words {
    const char *text;
    size_t length;
};

static struct last_words last_words(const struct record_result *result)
{
    int stream = result->output_length[SUITE_STDERR] > 0 ? SUITE_STDERR : SUITE_STDOUT;

    if (result->output_end_length[stream] > 0)
        return (struct last_words){result->output_end[stream], result->output_end_length[stream]};
    return (struct last_words){result->output[stream], result->output_length[stream]};
}

static void put_output(struct report *report, const struct record_result *result)
{
    struct last_words words = last_words(result);
    size_t from = words.length;
    size_t lines = 0;

    while (from > 0 && words.length - from < REPORT_OUTPUT_MAX) {
        if (words.text[from - 1] == '\n' && from < words.length && ++lines == OUTPUT_LINES)
            break;
        from--;
    }
    while (from > 0 && from < words.length && ((unsigned char)words.text[from] & 0xc0) == 0x80)
        from++; /* not half a character */
    if (words.length > from)
        report_append(report, PART_OUTPUT, words.text + from, words.length - from);
}

static void put_note(struct report *report, const char *note)
{
    if (report->length[PART_NOTES] + strlen(note) + 1 > REPORT_NOTES_MAX)
        return;
    put_text(report, PART_NOTES, note);
    put_text(report, PART_NOTES, "\n");
}

static void put_notes(struct worker_context *c, const struct suite_test *test,
                      const struct record_result *result)
{
    const char *own = prepare_note(&c->prepare, test);

    for (size_t i = 0; i < result->note_count; i++)
        put_note(&c->report, result->notes[i]);
    if (own)
        put_note(&c->report, own);
}

/* What does not fit is left out from the end: the cause stands first. */
static void put_stacks(struct report *report, const struct record_result *result)
{
    struct stack_list shown = result->stacks;
    struct bytes encoded;

    for (; shown.count > 0; shown.count--) {
        bytes_init(&encoded);
        stacks_encode(&shown, &encoded);
        if (encoded.length <= REPORT_STACKS_MAX)
            report_append(report, PART_STACKS, encoded.data, encoded.length);
        bytes_done(&encoded);
        if (report->length[PART_STACKS])
            return;
    }
}

static bool is_known(const struct job *job, uint64_t signature)
{
    for (uint32_t i = 0; i < job->known_count; i++) {
        if (job->known[i] == signature)
            return true;
    }
    return false;
}

static void keep(struct worker_context *c, const struct suite_test *test,
                 struct record_result *result)
{
    struct report *report = &c->report;
    struct rr_error error = {0};

    if (keep_trace(c->options, test, &report->job, result, &report->kept_bytes, &error) == 0) {
        report->kept = true;
        return;
    }
    if (report->outcome == OUTCOME_PASS) {
        report->outcome = OUTCOME_ERROR;
        report->failure = FAILURE_TRACE;
        report->signature = signature_of_message(FAILURE_TRACE, error.message);
    } else {
        put_text(report, PART_REASON, "; ");
    }
    put_text(report, PART_REASON, "could not keep the trace: ");
    put_text(report, PART_REASON, error.message);
}

/* What was to be done around a run, or around a test, went wrong. */
static void fail_preparation(struct report *report, int code, const struct rr_error *error)
{
    if (code == -ECANCELED) {
        report->outcome = OUTCOME_CANCELLED;
        return;
    }
    report->outcome = OUTCOME_ERROR;
    report->failure = FAILURE_SETUP;
    report->signature = signature_of_message(FAILURE_SETUP, error->message);
    put_text(report, PART_REASON, error->message);
}

static void sign(struct report *report, const struct record_result *result)
{
    struct last_words words = last_words(result);

    report->signature =
        signature_of(report->failure, &result->stacks, report_part(report, PART_REASON),
                     report->length[PART_REASON], words.text, words.length);
}

/* Judge, and keep the trace if that is wanted. `end_code`: of what was to be done after the run. */
static void finish_run(struct worker_context *c, const struct suite_test *test,
                       struct record_result *result, int end_code, const struct rr_error *end_error)
{
    struct report *report = &c->report;
    const struct job *job = &report->job;
    struct bytes reason;

    bytes_init(&reason);
    report->outcome = judge_run(test, result, &reason, &report->failure);
    if (reason.length)
        report_append(report, PART_REASON, reason.data, reason.length);
    bytes_done(&reason);
    if (report->outcome == OUTCOME_FAIL || report->outcome == OUTCOME_ERROR)
        sign(report, result);
    else if (report->outcome == OUTCOME_PASS && end_code)
        fail_preparation(report, end_code, end_error);
    if (report->outcome == OUTCOME_PASS) {
        if (job->keep_pass)
            keep(c, test, result);
    } else if (report->outcome != OUTCOME_CANCELLED) {
        if (job->keep_failure && !is_known(job, report->signature))
            keep(c, test, result);
        put_output(report, result);
    }
    put_notes(c, test, result);
    if (report->outcome == OUTCOME_FAIL || report->outcome == OUTCOME_ERROR)
        put_stacks(report, result);
}

static void fail_run(struct report *report, int code, const struct rr_error *error)
{
    report->outcome = code == -EPERM || code == -ENOSYS ? OUTCOME_MACHINE : OUTCOME_ERROR;
    report->failure = FAILURE_RECORDER;
    put_text(report, PART_REASON, error->message);
    report->signature = signature_of_message(FAILURE_RECORDER, error->message);
}

static char **make_arguments(const struct suite_test *test)
{
    size_t count = 0;
    char **arguments;

    while (test->command[count])
        count++;
    arguments = malloc((count + 1) * sizeof(*arguments));
    if (!arguments)
        abort();
    memcpy(arguments, test->command, (count + 1) * sizeof(*arguments));
    arguments[0] = test->program;
    return arguments;
}

/* What the suite says, or else a default; 0 in the recorder's words is none. */
static uint64_t limit_of(uint64_t own, uint64_t otherwise)
{
    if (own == SUITE_NO_LIMIT)
        return 0;
    return own ? own : otherwise;
}

/* Record the run that everything is prepared for. */
static int record_job(struct worker_context *c, const struct suite_test *test,
                      const struct job *job, struct record_result *ret, struct rr_error *error)
{
    char **arguments = make_arguments(test);
    struct record_options options = {
        .argv = arguments,
        .environment = c->prepare.run_environment,
        .directory = c->prepare.run_directory,
        .stdin_fd = c->prepare.run_stdin,
        .stdout_fd = c->sinks[SUITE_STDOUT].fd,
        .stderr_fd = c->sinks[SUITE_STDERR].fd,
        .seed = job->seed,
        .strategy = job->strategy,
        .patching = job->patching,
        .length = job->length,
        .injections = test->injections,
        .injection_count = test->injection_count,
        .real_clock = test->real_clock,
        .timeout_ns = test->timeout_ns,
        .virtual_timeout_ns = test->virtual_timeout_ns,
        .memory_limit = limit_of(test->memory_limit, c->limits.memory),
        .process_limit = (uint32_t)limit_of(test->process_limit, c->limits.processes),
        .output_limit = limit_of(test->output_limit, 0),
        .spill_directory = c->spill_directory,
        .expected_exits = job->kind == JOB_CALIBRATE ? NULL : test->expect.exits,
        .expected_signal = test->expect.signal,
        .no_trace = !job->keep_failure && !job->keep_pass,
        .interrupted = is_cancelled,
        .interrupted_context = c,
        .guards_off = record_guards_from_environment(),
    };
    int code;

    for (int i = 0; i < SUITE_STREAM_COUNT; i++)
        sink_reset(&c->sinks[i]);
    code = record_run(&options, ret, error);
    free(arguments);
    return code;
}

static void make_run(struct worker_context *c, const struct suite_test *test, const struct job *job)
{
    struct record_result result = {0};
    struct rr_error error = {0}, end_error = {0};
    int code, end_code;

    code = prepare_run_begin(&c->prepare, test, is_cancelled, c, &error);
    if (code) {
        fail_preparation(&c->report, code, &error);
        return;
    }
    code = record_job(c, test, job, &result, &error);
    end_code = prepare_run_end(&c->prepare, test, is_cancelled, c, &end_error);
    if (code) {
        fail_run(&c->report, code, &error);
        return;
    }
    c->report.statistics = result.statistics;
    c->report.learned = result.learned;
    if (job->kind != JOB_CALIBRATE)
        finish_run(c, test, &result, end_code, &end_error);
    else if (result.verdict == RECORD_VERDICT_INTERRUPTED)
        c->report.outcome = OUTCOME_CANCELLED;
    record_result_done(&result);
}

static void execute(struct worker_context *c, const struct job *job)
{
    const struct suite_test *test = &c->suite->tests[job->test];
    struct rr_error error = {0};
    int code = 0;

    memset(&c->report, 0, offsetof(struct report, text));
    c->report.job = *job;
    c->serial = job->serial;
    switch (job->kind) {
    case JOB_SETUP:
        code = prepare_test_begin(&c->hooks[job->test], test, is_cancelled, c, &error);
        break;
    case JOB_TEARDOWN: /* also when the session is stopped: what was set up must go */
        code = prepare_test_end(&c->hooks[job->test], test, NULL, NULL, &error);
        break;
    case JOB_CALIBRATE:
    case JOB_RUN:
        make_run(c, test, job);
        break;
    }
    if (code)
        fail_preparation(&c->report, code, &error);
}

static void serve(int fd, struct worker_context *c)
{
    struct job job;

    for (;;) {
        ssize_t n = recv(fd, &job, sizeof(job), 0);

        if (n < 0 && errno == EINTR)
            continue;
        if (n != sizeof(job))
            return;
        execute(c, &job);
        do {
            n = send(fd, &c->report, report_size(&c->report), MSG_NOSIGNAL);
        } while (n < 0 && errno == EINTR);
        if (n < 0)
            return;
    }
}

/* Terminal signals go to the parent alone: a process group of its own. */
static void settle(const struct worker *worker, pid_t parent)
{
    sigset_t none;

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(0);
    setpgid(0, 0);
    signal(SIGPIPE, SIG_DFL);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    worker_pin(worker->cpu);
}

/* All that a worker does; its exit status. */
static int work(int fd, const struct suite *suite, const struct run_options *options,
                struct worker_control *control, const struct limits *limits)
{
    struct worker_context context = {
        .suite = suite, .options = options, .control = control, .limits = *limits};

    context.hooks = calloc(suite->count, sizeof(*context.hooks));
    if (!context.hooks)
        return 1;
    for (int i = 0; i < SUITE_STREAM_COUNT; i++) {
        if (sink_open(&context.sinks[i]))
            return 1;
    }
    context.spill_directory = limits_spill_directory(options->out);
    prepare_init(&context.prepare, suite);
    serve(fd, &context);
    for (size_t i = 0; i < suite->count; i++)
        hooks_close(&context.hooks[i]);
    prepare_done(&context.prepare);
    return 0;
}

int worker_start(struct worker *worker, const struct suite *suite,
                 const struct run_options *options, const int *close_fds, size_t close_count)
{
    pid_t parent = getpid();
    int pair[2];
    pid_t pid;

    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
        return -errno;
    pid = fork();
    if (pid < 0) {
        int code = -errno;

        close_fd(&pair[0]);
        close_fd(&pair[1]);
        return code;
    }
    if (pid == 0) {
        struct limits limits;
        int cpus[1];

        limits_default(options->jobs ? options->jobs : worker_cpus(cpus, 1), &limits);
        if (options->memory_limit)
            limits.memory = options->memory_limit;
        settle(worker, parent);
        close_fd(&pair[0]);
        for (size_t i = 0; i < close_count; i++)
            close(close_fds[i]);
        _exit(work(pair[1], suite, options, worker->control, &limits));
    }
    close_fd(&pair[1]);
    worker->pid = pid;
    worker->fd = pair[0];
    return 0;
}

int worker_send(const struct worker *worker, const struct job *job)
{
    ssize_t n;

    do {
        n = send(worker->fd, job, sizeof(*job), MSG_NOSIGNAL);
    } while (n < 0 && errno == EINTR);
    return n < 0 ? -errno : 0;
}

int worker_receive(const struct worker *worker, struct report *ret)
{
    ssize_t n;

    do {
        n = recv(worker->fd, ret, sizeof(*ret), 0);
    } while (n < 0 && errno == EINTR);
    if (n == 0 || (n < 0 && errno == ECONNRESET))
        return 0;
    if (n < 0)
        return -errno;
    return report_is_whole(ret, (size_t)n) ? 1 : -EBADMSG;
}

static void reap(struct worker *worker, int *ret_status)
{
    int status = 0;

    while (waitpid(worker->pid, &status, 0) < 0 && errno == EINTR)
        ;
    if (ret_status)
        *ret_status = status;
    close_fd(&worker->fd);
    worker->pid = 0;
}

void worker_kill(struct worker *worker, int *ret_status)
{
    if (!worker->pid)
        return;
    kill(worker->pid, SIGKILL);
    reap(worker, ret_status);
}

void worker_end(struct worker *worker)
{
    if (!worker->pid)
        return;
    shutdown(worker->fd, SHUT_RDWR);
    reap(worker, NULL);
}
