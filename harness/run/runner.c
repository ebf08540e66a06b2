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
#include <time.h>
#include <unistd.h>

#include "harness/run/console.h"
#include "harness/run/history.h"
#include "harness/run/keep.h"
#include "harness/run/remedy.h"
#include "harness/run/results.h"
#include "harness/run/schedule.h"
#include "harness/run/signature.h"
#include "harness/run/store.h"
#include "harness/run/worker.h"
#include "recorder/base/file.h"
#include "recorder/syscalls/syscalls.h"
#include "reports/model.h"
#include "reports/text.h"

#define WORKERS_MAX 1024
#define STOP_GRACE_NS 1000000000ull /* a worker ends its run within this time when asked to */
/* A recorder that is this much over the run's own time limit is stuck. Rewriting images does not
 * count against the limit, hence the width. */
#define STUCK_NS 180000000000ull
#define TICK_MS 200

struct slot {
    struct worker worker;
    struct job job; /* serial 0: idle */
    uint64_t started_ns;
};

struct runner {
    const struct suite *suite;
    struct run_options options; /* with the seed of the session that is gone on with */
    struct store store;
    struct schedule schedule;
    struct console console;
    struct slot *slots;
    size_t slot_count;
    struct worker_control *controls; /* shared, one per slot */
    int signal_fd;
    int stop_signal;     /* 0: none so far */
    uint64_t kill_at_ns; /* 0: not stopping */
    bool out_of_time;    /* the time budget is spent */
    bool machine_refused;
    bool kill_now;      /* not even teardowns are waited for */
    bool store_is_full; /* said already */
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
    r->slot_count = r->options.jobs ? (size_t)r->options.jobs : cpu_count;
    if (r->slot_count > WORKERS_MAX)
        r->slot_count = WORKERS_MAX;
    r->slots = calloc(r->slot_count, sizeof(*r->slots));
    r->controls = mmap(NULL, r->slot_count * sizeof(*r->controls), PROT_READ | PROT_WRITE,
                       MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (!r->slots || r->controls == MAP_FAILED)
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

/* Count the report at hand; failures go into the journal first, so that no count is without them.
 */
static void absorb(struct runner *r)
{
    struct rr_error error;

    if (store_failure(&r->store, &r->schedule, &r->report, &error) && !r->store_is_full) {
        r->store_is_full = true;
        console_complain(&r->console, error.message);
    }
    schedule_absorb(&r->schedule, &r->report);
    if (r->report.kept && store_enforce_quota(&r->store, &r->schedule, &r->report, &error))
        console_complain(&r->console, error.message);
}

/* A report in place of the one that a dead worker did not send. */
static void absorb_loss(struct runner *r, struct slot *slot, enum outcome outcome,
                        const char *reason)
{
    struct report *report = &r->report;

    memset(report, 0, offsetof(struct report, text));
    report->job = slot->job;
    report->outcome = outcome;
    report->failure = outcome == OUTCOME_CANCELLED ? FAILURE_NONE : FAILURE_RECORDER;
    report->signature = signature_of_message(report->failure, reason);
    report_append(report, PART_REASON, reason, strlen(reason));
    slot->job.serial = 0;
    absorb(r);
}

/* Their failures begin so, whatever went wrong. */
static const char *hook_prefix(const struct job *job)
{
    if (job->kind == JOB_SETUP)
        return "setup: ";
    return job->kind == JOB_TEARDOWN ? "teardown: " : "";
}

static void lose_worker(struct runner *r, struct slot *slot)
{
    char reason[256];
    int status;

    worker_kill(&slot->worker, &status);
    schedule_worker_lost(&r->schedule, (size_t)(slot - r->slots));
    if (WIFSIGNALED(status))
        snprintf(reason, sizeof(reason), "%sthe recorder was killed by %s during %s",
                 hook_prefix(&slot->job), syscall_signal_name(WTERMSIG(status)),
                 *hook_prefix(&slot->job) ? "it" : "this run");
    else
        snprintf(reason, sizeof(reason), "%sthe recorder ended with status %d during %s",
                 hook_prefix(&slot->job), WEXITSTATUS(status),
                 *hook_prefix(&slot->job) ? "it" : "this run");
    if (slot->job.serial && slot->job.kind == JOB_RUN)
        keep_mend_run(&r->options, &r->suite->tests[slot->job.test], &slot->job);
    if (slot->job.serial)
        absorb_loss(r, slot, r->kill_at_ns ? OUTCOME_CANCELLED : OUTCOME_ERROR, reason);
}

static void refuse_machine(struct runner *r)
{
    char message[REPORT_REASON_MAX + 64];

    if (!r->machine_refused) {
        snprintf(message, sizeof(message), "this machine cannot record: %.*s",
                 (int)r->report.length[PART_REASON], report_part(&r->report, PART_REASON));
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
    console_note(&r->console, report_part(&r->report, PART_NOTES), r->report.length[PART_NOTES]);
    absorb(r);
}

/* The other workers' channels must not stay open in a new one, or none would notice its end. */
static int start_worker(struct runner *r, struct slot *slot)
{
    int fds[WORKERS_MAX + 2];
    size_t count = 0;

    for (size_t i = 0; i < r->slot_count; i++) {
        if (r->slots[i].worker.pid)
            fds[count++] = r->slots[i].worker.fd;
    }
    fds[count++] = r->signal_fd;
    if (r->store.journal)
        fds[count++] = journal_fd(r->store.journal);
    return worker_start(&slot->worker, r->suite, &r->options, fds, count);
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
        if (!schedule_next(&r->schedule, i, &job))
            continue;
        slot->job = job;
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

    if (r->options.time_budget_ns && !r->kill_at_ns &&
        now - r->console.started_ns >= r->options.time_budget_ns) {
        r->out_of_time = true;
        stop_all(r);
    }
    for (size_t i = 0; i < r->slot_count; i++) {
        struct slot *slot = &r->slots[i];
        uint64_t limit;

        if (!slot->job.serial)
            continue;
        limit = r->suite->tests[slot->job.test].timeout_ns;
        if (slot->job.kind == JOB_SETUP || slot->job.kind == JOB_TEARDOWN) {
            if (r->kill_now) /* they have a time limit of their own */
                lose_worker(r, slot);
        } else if (r->kill_at_ns && now >= r->kill_at_ns) {
            lose_worker(r, slot);
        } else if (limit && now - slot->started_ns > limit + STUCK_NS) {
            worker_kill(&slot->worker, NULL);
            schedule_worker_lost(&r->schedule, i);
            keep_mend_run(&r->options, &r->suite->tests[slot->job.test], &slot->job);
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
        r->kill_now = r->stop_signal != 0; /* asked twice */
        if (r->kill_now)
            r->kill_at_ns = console_now_ns();
        r->stop_signal = (int)info.ssi_signo;
        stop_all(r);
    }
}

static int wait_for_news(struct runner *r, struct pollfd *fds)
{
    uint64_t now = console_now_ns();
    uint64_t deadline = now + TICK_MS * 1000000ull;
    uint64_t budget_end = r->console.started_ns + r->options.time_budget_ns;
    nfds_t count = 1;
    struct timespec timeout;

    if (r->kill_at_ns && r->kill_at_ns < deadline)
        deadline = r->kill_at_ns;
    if (r->options.time_budget_ns && !r->kill_at_ns && budget_end < deadline)
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

static void update_console(struct runner *r)
{
    struct console_worker workers[WORKERS_MAX];

    for (size_t i = 0; i < r->slot_count; i++)
        workers[i] = (struct console_worker){
            .job = r->slots[i].job.serial ? &r->slots[i].job : NULL,
            .started_ns = r->slots[i].started_ns,
        };
    console_update(&r->console, &r->schedule, workers, r->slot_count);
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
            update_console(r);
        }
    }
    free(fds);
    return code;
}

static const char *why_unfinished(const struct runner *r)
{
    if (r->stop_signal)
        return "interrupted";
    if (r->machine_refused)
        return "cannot record";
    return r->out_of_time ? REPORT_TIME_BUDGET : NULL;
}

static int exit_status(const struct runner *r, const struct report_session *session)
{
    if (r->stop_signal)
        return 128 + r->stop_signal;
    if (r->machine_refused)
        return RUN_EXIT_MACHINE;
    return report_is_failure(session) ? RUN_EXIT_FAILED : RUN_EXIT_PASSED;
}

static void end_workers(struct runner *r)
{
    for (size_t i = 0; i < r->slot_count; i++) {
        if (r->slots[i].job.serial)
            worker_kill(&r->slots[i].worker, NULL);
        else
            worker_end(&r->slots[i].worker);
    }
}

/* Results are on disk before the journal goes. */
static void tell(struct runner *r, const char *unfinished, struct report_session *ret)
{
    struct results_context context = {
        .started_unix_ns = store_started_unix_ns(&r->store),
        .wall_ns = store_wall_ns(&r->store) + console_now_ns() - r->console.started_ns,
        .now_unix_s = (uint64_t)time(NULL),
        .unfinished = unfinished,
        .notes = r->console.notes,
        .note_count = r->console.note_count,
    };
    struct rr_error error;
    char *remedy = NULL;

    signal(SIGPIPE, SIG_IGN); /* what comes after the console must not go with its reader */
    results_session(&r->schedule, &context, ret);
    if (store_finish(&r->store, ret, context.wall_ns, &error))
        console_complain(&r->console, error.message);
    if (unfinished && r->store.journal && !r->machine_refused)
        remedy = remedy_session(&r->options, true);
    console_end(&r->console, ret, remedy);
    free(remedy);
}

int run_suite(const struct suite *suite, const struct run_options *options,
              struct report_session *ret)
{
    struct runner r = {.suite = suite, .options = *options, .signal_fd = -1};
    struct rr_error error;
    int status, code;

    memset(ret, 0, sizeof(*ret));
    if (store_open(&r.store, suite, &r.options, &error)) {
        char *text = text_clean(error.message, strlen(error.message));

        fprintf(stderr, "rrtest: %s\n", text);
        free(text);
        return RUN_EXIT_USAGE;
    }
    schedule_init(&r.schedule, suite, &r.options, r.store.progress);
    store_restore(&r.store, &r.schedule);
    history_rank(&r.schedule);
    console_begin(&r.console, &r.schedule);
    if (r.store.note)
        console_note(&r.console, r.store.note, strlen(r.store.note));
    code = prepare(&r);
    if (code == 0)
        code = loop(&r);
    end_workers(&r);
    if (code) {
        rr_error_set(&error, code, "cannot go on: %s", strerror(-code));
        console_complain(&r.console, error.message);
    }
    tell(&r, code ? "cannot go on" : why_unfinished(&r), ret);
    status = code ? RUN_EXIT_MACHINE : exit_status(&r, ret);
    console_done(&r.console);
    if (r.controls)
        munmap(r.controls, r.slot_count * sizeof(*r.controls));
    close_fd(&r.signal_fd);
    free(r.slots);
    schedule_done(&r.schedule);
    store_close(&r.store);
    return status;
}
