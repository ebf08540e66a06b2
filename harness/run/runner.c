/* The parent's loop: one poll over the workers' channels and a signalfd. */
#include "harness/run/runner.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "harness/run/console.h"
#include "harness/run/prepare.h"
#include "harness/run/schedule.h"
#include "harness/run/worker.h"
#include "recorder/base/file.h"
#include "recorder/syscalls/syscalls.h"

#define WORKERS_MAX 1024
#define STOP_GRACE_NS 1000000000ull /* a worker ends its run within this time when asked to */
/* A recorder that is this much over the run's own time limit is stuck. Rewriting images does not
 * count against the limit, hence the width. */
#define STUCK_NS 180000000000ull
#define TICK_MS 200
#define SUITE_NAME_BYTES 256

struct slot {
    struct worker worker;
    struct job job; /* serial 0: idle */
    uint64_t started_ns;
};

/* `setup` and `teardown` of one test. */
struct test_hooks {
    struct hooks hooks;
    bool begun, ended;
    char *failure; /* owned; why its runs cannot be made */
};

struct runner {
    const struct suite *suite;
    const struct run_options *options;
    struct schedule schedule;
    struct console console;
    struct test_hooks *hooks; /* one per test */
    struct slot *slots;
    size_t slot_count;
    struct worker_control *controls; /* shared, one per slot */
    int signal_fd;
    int stop_signal;     /* 0: none so far */
    uint64_t kill_at_ns; /* 0: not stopping */
    bool out_of_time;    /* the time budget is spent */
    bool machine_refused;
    bool teardown_failed;
    struct report report;
};

/* The signals that end a session, but for those that whoever started us had ignored (nohup). */
static void stop_signals(sigset_t *ret)
{
    static const int signals[] = {SIGINT, SIGTERM, SIGHUP};

    sigemptyset(ret);
    for (size_t i = 0; i < sizeof(signals) / sizeof(*signals); i++) {
        struct sigaction action;

        if (sigaction(signals[i], NULL, &action) == 0 && action.sa_handler != SIG_IGN)
            sigaddset(ret, signals[i]);
    }
}

static int prepare(struct runner *r)
{
    int cpus[WORKERS_MAX];
    size_t cpu_count = worker_cpus(cpus, WORKERS_MAX);
    sigset_t signals;

    if (cpu_count > WORKERS_MAX)
        cpu_count = WORKERS_MAX;
    r->slot_count = r->options->jobs ? (size_t)r->options->jobs : cpu_count;
    if (r->slot_count > WORKERS_MAX)
        r->slot_count = WORKERS_MAX;
    r->slots = calloc(r->slot_count, sizeof(*r->slots));
    r->hooks = calloc(r->suite->count, sizeof(*r->hooks));
    r->controls = mmap(NULL, r->slot_count * sizeof(*r->controls), PROT_READ | PROT_WRITE,
                       MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (!r->slots || !r->hooks || r->controls == MAP_FAILED)
        abort();
    for (size_t i = 0; i < r->slot_count; i++) {
        r->slots[i].worker =
            (struct worker){.fd = -1, .cpu = cpus[i % cpu_count], .control = &r->controls[i]};
    }
    stop_signals(&signals);
    sigprocmask(SIG_BLOCK, &signals, NULL);
    r->signal_fd = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
    return r->signal_fd < 0 ? -errno : 0;
}

static void stop_all(struct runner *r)
{
    r->schedule.draining = true;
    for (size_t i = 0; i < r->slot_count; i++)
        atomic_store(&r->controls[i].stop, true);
    if (!r->kill_at_ns)
        r->kill_at_ns = console_now_ns() + STOP_GRACE_NS;
}

/* A report in place of the one that no worker sent. */
static void absorb_loss(struct runner *r, struct slot *slot, enum outcome outcome,
                        const char *reason)
{
    struct report *report = &r->report;

    memset(report, 0, offsetof(struct report, text));
    report->job = slot->job;
    report->outcome = outcome;
    report->setup_failed = outcome == OUTCOME_ERROR && r->hooks[slot->job.test].failure;
    report->reason_length = (uint32_t)snprintf(report->text, REPORT_REASON_MAX, "%s", reason);
    if (report->reason_length >= REPORT_REASON_MAX)
        report->reason_length = REPORT_REASON_MAX - 1;
    slot->job.serial = 0;
    schedule_absorb(&r->schedule, report);
}

static void lose_worker(struct runner *r, struct slot *slot)
{
    char reason[256];
    int status;

    worker_kill(&slot->worker, &status);
    if (WIFSIGNALED(status))
        snprintf(reason, sizeof(reason), "the recorder was killed by %s during this run",
                 syscall_signal_name(WTERMSIG(status)));
    else
        snprintf(reason, sizeof(reason), "the recorder ended with status %d during this run",
                 WEXITSTATUS(status));
    if (slot->job.serial)
        absorb_loss(r, slot, r->kill_at_ns ? OUTCOME_CANCELLED : OUTCOME_ERROR, reason);
}

static void refuse_machine(struct runner *r)
{
    char message[REPORT_REASON_MAX + 64];

    if (!r->machine_refused) {
        snprintf(message, sizeof(message), "this machine cannot record: %.*s",
                 (int)r->report.reason_length, r->report.text);
        console_complain(&r->console, message);
    }
    r->machine_refused = true;
    stop_all(r);
}

static void receive(struct runner *r, struct slot *slot)
{
    int n = worker_receive(&slot->worker, &r->report);

    if (n != 1) {
        lose_worker(r, slot);
        return;
    }
    slot->job.serial = 0;
    if (r->report.outcome == OUTCOME_MACHINE)
        refuse_machine(r);
    console_note(&r->console, r->report.text + r->report.reason_length + r->report.tail_length,
                 r->report.notes_length);
    schedule_absorb(&r->schedule, &r->report);
}

/* The other workers' channels must not stay open in a new one, or none would notice its end. */
static int start_worker(struct runner *r, struct slot *slot)
{
    int fds[WORKERS_MAX + 1];
    size_t count = 0;

    for (size_t i = 0; i < r->slot_count; i++) {
        if (r->slots[i].worker.pid)
            fds[count++] = r->slots[i].worker.fd;
    }
    fds[count++] = r->signal_fd;
    return worker_start(&slot->worker, r->suite, r->options, fds, count);
}

/* Asked while a hook keeps us from the loop, which reads the signal. */
static bool is_signalled(void *context)
{
    struct runner *r = context;
    struct pollfd news = {.fd = r->signal_fd, .events = POLLIN};

    return poll(&news, 1, 0) > 0;
}

static bool is_over(void *context)
{
    struct runner *r = context;

    return is_signalled(r) ||
           (r->options->time_budget_ns &&
            console_now_ns() - r->console.started_ns >= r->options->time_budget_ns);
}

/* Before a job of a test goes out. False: it is answered already. */
static bool begin_test(struct runner *r, struct slot *slot)
{
    struct test_hooks *hooks = &r->hooks[slot->job.test];
    struct rr_error error;
    int code = 0;

    if (hooks->begun)
        return true;
    if (!hooks->failure)
        code =
            prepare_test_begin(&hooks->hooks, &r->suite->tests[slot->job.test], is_over, r, &error);
    if (code == -ECANCELED) {
        absorb_loss(r, slot, OUTCOME_CANCELLED, "");
        r->schedule.draining = true;
        return false;
    }
    if (code)
        hooks->failure = strdup(error.message);
    hooks->begun = !hooks->failure;
    if (hooks->failure)
        absorb_loss(r, slot, OUTCOME_ERROR, hooks->failure);
    return hooks->begun;
}

/* After the last run of a test, or of all: `every`. */
static void end_tests(struct runner *r, bool every)
{
    for (size_t i = 0; i < r->schedule.count; i++) {
        struct test_hooks *hooks = &r->hooks[i];
        const struct suite_test *test = &r->suite->tests[i];
        char message[RR_ERROR_MESSAGE_MAX + SUITE_NAME_BYTES];
        struct rr_error error;
        int code;

        if (!hooks->begun || hooks->ended ||
            (!every && (r->options->until_failure ||
                        !schedule_test_complete(&r->schedule, &r->schedule.tests[i]))))
            continue;
        hooks->ended = true;
        code = prepare_test_end(&hooks->hooks, test, is_signalled, r, &error);
        if (code == 0 || code == -ECANCELED)
            continue;
        snprintf(message, sizeof(message), "%s: %s", test->name, error.message);
        console_complain(&r->console, message);
        r->teardown_failed = true;
    }
}

/* Give every idle worker a job. 0, or negative errno when no worker can be started. */
static int hand_out(struct runner *r)
{
    for (size_t i = 0; i < r->slot_count; i++) {
        struct slot *slot = &r->slots[i];
        struct job job;
        int code;

        if (slot->job.serial)
            continue;
        if (!schedule_next(&r->schedule, &job))
            return 0;
        slot->job = job;
        if (!begin_test(r, slot)) {
            i--; /* the next job for this slot */
            continue;
        }
        slot->started_ns = console_now_ns();
        code = slot->worker.pid ? 0 : start_worker(r, slot);
        if (code) {
            absorb_loss(r, slot, OUTCOME_ERROR, "cannot start a worker process");
            return code;
        }
        if (worker_send(&slot->worker, &job))
            lose_worker(r, slot);
    }
    return 0;
}

static void watch(struct runner *r)
{
    uint64_t now = console_now_ns();

    if (r->options->time_budget_ns && !r->kill_at_ns &&
        now - r->console.started_ns >= r->options->time_budget_ns) {
        r->out_of_time = true;
        stop_all(r);
    }
    for (size_t i = 0; i < r->slot_count; i++) {
        struct slot *slot = &r->slots[i];
        uint64_t limit;

        if (!slot->job.serial)
            continue;
        limit = r->suite->tests[slot->job.test].timeout_ns;
        if (r->kill_at_ns && now >= r->kill_at_ns) {
            lose_worker(r, slot);
        } else if (limit && now - slot->started_ns > limit + STUCK_NS) {
            worker_kill(&slot->worker, NULL);
            absorb_loss(r, slot, OUTCOME_ERROR,
                        "the recorder was stuck in this run; it was killed");
        } else if (schedule_is_superfluous(&r->schedule, &slot->job)) {
            atomic_store(&slot->worker.control->cancel, slot->job.serial);
        }
    }
}

static void read_signals(struct runner *r)
{
    struct signalfd_siginfo info;

    while (read(r->signal_fd, &info, sizeof(info)) == sizeof(info)) {
        if (r->stop_signal)
            r->kill_at_ns = console_now_ns(); /* asked twice: at once */
        r->stop_signal = (int)info.ssi_signo;
        stop_all(r);
    }
}

static int wait_for_news(struct runner *r, struct pollfd *fds)
{
    uint64_t now = console_now_ns();
    uint64_t deadline = now + TICK_MS * 1000000ull;
    uint64_t budget_end = r->console.started_ns + r->options->time_budget_ns;
    nfds_t count = 1;
    struct timespec timeout;

    if (r->kill_at_ns && r->kill_at_ns < deadline)
        deadline = r->kill_at_ns;
    if (r->options->time_budget_ns && !r->kill_at_ns && budget_end < deadline)
        deadline = budget_end;
    deadline = deadline > now ? deadline - now : 0;
    timeout = (struct timespec){.tv_sec = (time_t)(deadline / 1000000000ull),
                                .tv_nsec = (long)(deadline % 1000000000ull)};
    fds[0] = (struct pollfd){.fd = r->signal_fd, .events = POLLIN};
    for (size_t i = 0; i < r->slot_count; i++) {
        if (r->slots[i].worker.pid)
            fds[count++] = (struct pollfd){.fd = r->slots[i].worker.fd, .events = POLLIN};
    }
    return ppoll(fds, count, &timeout, NULL) < 0 && errno != EINTR ? -errno : 0;
}

static void serve(struct runner *r, const struct pollfd *fds)
{
    size_t at = 1;

    if (fds[0].revents)
        read_signals(r);
    for (size_t i = 0; i < r->slot_count; i++) {
        struct slot *slot = &r->slots[i];

        if (slot->worker.pid && fds[at++].revents)
            receive(r, slot);
    }
}

static bool any_busy(const struct runner *r)
{
    for (size_t i = 0; i < r->slot_count; i++) {
        if (r->slots[i].job.serial)
            return true;
    }
    return false;
}

static int loop(struct runner *r)
{
    struct pollfd *fds = calloc(r->slot_count + 1, sizeof(*fds));
    int code = 0;

    if (!fds)
        abort();
    while (code == 0) {
        code = hand_out(r);
        if (code || !any_busy(r))
            break;
        code = wait_for_news(r, fds);
        if (code == 0) {
            serve(r, fds);
            watch(r);
            end_tests(r, false);
            console_update(&r->console, &r->schedule);
        }
    }
    free(fds);
    return code;
}

static int exit_status(const struct runner *r)
{
    if (r->stop_signal)
        return 128 + r->stop_signal;
    if (r->machine_refused)
        return RUN_EXIT_MACHINE;
    for (size_t i = 0; i < r->schedule.count; i++) {
        if (r->schedule.tests[i].failed)
            return RUN_EXIT_FAILED;
    }
    return r->teardown_failed ? RUN_EXIT_FAILED : RUN_EXIT_PASSED;
}

static const char *why_unfinished(const struct runner *r)
{
    if (r->stop_signal)
        return "interrupted";
    if (r->machine_refused)
        return "cannot record";
    return r->out_of_time ? "time budget" : NULL;
}

int run_suite(const struct suite *suite, const struct run_options *options)
{
    struct runner r = {.suite = suite, .options = options, .signal_fd = -1};
    char message[128];
    int status;
    int code;

    schedule_init(&r.schedule, suite, options);
    console_begin(&r.console, &r.schedule);
    code = prepare(&r);
    if (code == 0)
        code = loop(&r);
    if (code == 0 && r.schedule.draining) { /* what ended a setup has not been looked at */
        read_signals(&r);
        watch(&r);
    }
    for (size_t i = 0; i < r.slot_count; i++) {
        if (r.slots[i].job.serial)
            worker_kill(&r.slots[i].worker, NULL);
        else
            worker_end(&r.slots[i].worker);
    }
    end_tests(&r, true);
    if (code) {
        snprintf(message, sizeof(message), "cannot go on: %s", strerror(-code));
        console_complain(&r.console, message);
    }
    console_end(&r.console, &r.schedule, why_unfinished(&r));
    console_done(&r.console);
    status = code ? RUN_EXIT_MACHINE : exit_status(&r);
    munmap(r.controls, r.slot_count * sizeof(*r.controls));
    close_fd(&r.signal_fd);
    for (size_t i = 0; i < suite->count; i++)
        free(r.hooks[i].failure);
    free(r.hooks);
    free(r.slots);
    schedule_done(&r.schedule);
    return status;
}
