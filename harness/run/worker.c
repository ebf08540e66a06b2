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
#include "harness/run/sink.h"
#include "recorder/base/file.h"

struct worker_context {
    const struct suite *suite;
    const struct run_options *options;
    struct worker_control *control;
    uint64_t serial; /* of the current job */
    struct sink sinks[SUITE_STREAM_COUNT];
    struct limits limits;
    char *spill_directory;
    struct prepare prepare;
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

static void put_reason(struct report *report, const void *text, size_t length)
{
    size_t room = REPORT_REASON_MAX - report->reason_length;

    if (length > room)
        length = room;
    if (length == 0)
        return;
    memcpy(report->text + report->reason_length, text, length);
    report->reason_length += (uint32_t)length;
}

/* The last lines of stderr, or of stdout if that is empty: behind the reason. */
static void put_tail(struct report *report, const struct record_result *result)
{
    int stream = result->output_length[SUITE_STDERR] > 0 ? SUITE_STDERR : SUITE_STDOUT;
    bool cut = result->output_end_length[stream] > 0;
    const char *text = cut ? result->output_end[stream] : result->output[stream];
    size_t length = cut ? result->output_end_length[stream] : result->output_length[stream];
    size_t lines = 0;
    size_t from = length;

    while (from > 0 && length - from < REPORT_TAIL_MAX - 1) {
        if (text[from - 1] == '\n' && from < length && ++lines == 6)
            break;
        from--;
    }
    report->tail_length = (uint32_t)(length - from);
    if (report->tail_length > 0)
        memcpy(report->text + report->reason_length, text + from, report->tail_length);
}

/* One line each, behind the tail. */
static void put_note(struct report *report, const char *note)
{
    char *at = report->text + report->reason_length + report->tail_length;
    size_t length = strlen(note);

    if (report->notes_length + length + 1 > REPORT_NOTES_MAX)
        return;
    memcpy(at + report->notes_length, note, length);
    at[report->notes_length + length] = '\n';
    report->notes_length += (uint32_t)length + 1;
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

/* What was to be done around the run went wrong. */
static void fail_preparation(struct report *report, int code, const struct rr_error *error)
{
    report->outcome = code == -ECANCELED ? OUTCOME_CANCELLED : OUTCOME_ERROR;
    report->setup_failed = code != -ECANCELED;
    put_reason(report, error->message, strlen(error->message));
}

/* Judge, and keep the trace if that is wanted. `end_code`: of what was to be done after the run. */
static void finish_run(struct worker_context *c, const struct suite_test *test,
                       struct record_result *result, int end_code, const struct rr_error *end_error)
{
    struct report *report = &c->report;
    struct rr_error error = {0};
    struct bytes reason;
    bool wanted;

    bytes_init(&reason);
    report->outcome = judge_run(test, result, &reason);
    put_reason(report, reason.data, reason.length);
    bytes_done(&reason);
    if (end_code && report->outcome == OUTCOME_PASS)
        fail_preparation(report, end_code, end_error);
    wanted = report->outcome == OUTCOME_PASS
                 ? report->job.keep_pass
                 : report->outcome != OUTCOME_CANCELLED && report->job.keep_failure;
    if (wanted) {
        report->kept = keep_trace(c->options, test, &report->job, result, &error) == 0;
        report->keep_failed = !report->kept;
    }
    if (report->keep_failed) {
        static const char text[] = "could not keep the trace: ";

        if (report->outcome == OUTCOME_PASS)
            report->outcome = OUTCOME_ERROR;
        else
            put_reason(report, "; ", 2);
        put_reason(report, text, sizeof(text) - 1);
        put_reason(report, error.message, strlen(error.message));
    }
    if (report->outcome != OUTCOME_PASS)
        put_tail(report, result);
    put_notes(c, test, result);
}

static void fail_run(struct report *report, int code, const struct rr_error *error)
{
    report->outcome = code == -EPERM || code == -ENOSYS ? OUTCOME_MACHINE : OUTCOME_ERROR;
    put_reason(report, error->message, strlen(error->message));
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

static void execute(struct worker_context *c, const struct job *job)
{
    const struct suite_test *test = &c->suite->tests[job->test];
    struct record_result result = {0};
    struct rr_error error = {0}, end_error = {0};
    int code, end_code;

    memset(&c->report, 0, offsetof(struct report, text));
    c->report.job = *job;
    c->serial = job->serial;
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
    record_result_done(&result);
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
            n = send(fd, &c->report,
                     offsetof(struct report, text) + c->report.reason_length +
                         c->report.tail_length + c->report.notes_length,
                     MSG_NOSIGNAL);
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
        struct worker_context context = {
            .suite = suite, .options = options, .control = worker->control};

        int cpus[1];

        settle(worker, parent);
        close_fd(&pair[0]);
        for (size_t i = 0; i < close_count; i++)
            close(close_fds[i]);
        limits_default(options->jobs ? options->jobs : worker_cpus(cpus, 1), &context.limits);
        context.spill_directory = limits_spill_directory(options->out);
        for (int i = 0; i < SUITE_STREAM_COUNT; i++) {
            if (sink_open(&context.sinks[i]))
                _exit(1);
        }
        prepare_init(&context.prepare, suite);
        serve(pair[1], &context);
        prepare_done(&context.prepare);
        _exit(0);
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
    if ((size_t)n < offsetof(struct report, text) ||
        (size_t)n != offsetof(struct report, text) + ret->reason_length + ret->tail_length +
                         ret->notes_length)
        return -EBADMSG;
    return 1;
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
