/* replay_run: from a trace to a verdict. One event after the other: run its task there, apply it.
 */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>

#include "include/rrtest/recorder_page.h"
#include "recorder/base/log.h"
#include "recorder/blob/blob.h"
#include "recorder/replay/session.h"
#include "recorder/stacks/stacks.h"
#include "recorder/tracee/processor.h"

#define INTERRUPT_EVERY 256 /* events between two looks at the options' callback */

/* ---- verdicts ------------------------------------------------------------------------------ */

int replay_check_interrupted(struct replay_session *r)
{
    if (!r->options->interrupted || !r->options->interrupted(r->options->interrupted_context))
        return 0;
    r->result->verdict = REPLAY_INTERRUPTED;
    return REPLAY_ENDED;
}

int replay_diverged(struct replay_session *r, const char *format, ...)
{
    const char *changed = replay_changed_file(r);
    char *what = NULL;
    va_list args;

    va_start(args, format);
    if (vasprintf(&what, format, args) < 0)
        what = NULL;
    va_end(args);
    free(r->result->message);
    if (asprintf(&r->result->message, "event %" PRIu64 " (%s, task %u): %s%s%s%s", r->number,
                 event_kind_name(r->event->kind), r->event->task, what ? what : "",
                 changed ? " (the file " : "", changed ? changed : "",
                 changed ? " had changed before its content could be kept)" : "") < 0)
        r->result->message = NULL;
    free(what);
    r->result->verdict = REPLAY_DIVERGED;
    return REPLAY_ENDED;
}

int replay_failed(struct replay_session *r, int code, const char *format, ...)
{
    char what[512];
    va_list args;

    va_start(args, format);
    vsnprintf(what, sizeof(what), format, args);
    va_end(args);
    return rr_error_set(r->error, code, "%s: event %" PRIu64 " (%s, task %u): %s",
                        r->options->trace, r->number, event_kind_name(r->event->kind),
                        r->event->task, what);
}

/* ---- events -------------------------------------------------------------------------------- */

/* What all kinds share: effects on memory, extended registers and output, then the registers. */
static int apply(struct replay_session *r, struct replay_task *t)
{
    int error = replay_apply_maps(r, t);

    if (!error)
        error = replay_apply_writes(r, t);
    if (!error)
        error = replay_apply_xstate(r, t);
    return error ? error : replay_apply_output(r);
}

static int apply_with_registers(struct replay_session *r, struct replay_task *t)
{
    int error = apply(r, t);

    if (!error) {
        replay_task_set_regs(t, &r->event->after);
        t->parked = false;
    }
    return error;
}

static int handle_exec(struct replay_session *r, struct replay_task *t)
{
    int error = replay_task_exec(r, t);

    if (error)
        return error;
    replay_task_set_regs(t, &r->event->after);
    return apply_with_registers(r, t);
}

/* The child is made before the parent's memory changes: it must not see what clone(2) writes there.
 */
static int handle_syscall(struct replay_session *r, struct replay_task *t)
{
    const struct event *e = r->event;
    int error = 0;

    if (e->child) {
        if (replay_task_find(r, e->child))
            return replay_failed(r, -EBADMSG, "task %u is there already", e->child);
        error = replay_task_clone(r, t, e->child, e->clone_flags);
    }
    return error ? error : apply_with_registers(r, t);
}

static int handle_entry(struct replay_session *r, struct replay_task *t)
{
    t->parked = true;
    return apply(r, t);
}

static int handle_exit(struct replay_session *r, struct replay_task *t)
{
    int error = apply(r, t);

    if (!error)
        replay_task_end(r, t);
    return error;
}

static int handle_checksum(struct replay_session *r, struct replay_task *t)
{
    return r->options->verify ? replay_compare_memory(r, t) : 0;
}

/* A decision about a patch. A task that is moved while it is in a system call goes on with that
 * call's event. */
static int handle_patch(struct replay_session *r, struct replay_task *t)
{
    replay_note_region(r);
    return r->event->patch.word != PATCH_MOVED || t->parked ? apply(r, t)
                                                            : apply_with_registers(r, t);
}

static int handle_end(struct replay_session *r, struct replay_task *t)
{
    (void)t;
    r->result->verdict = REPLAY_SAME;
    r->result->status = r->event->status;
    return REPLAY_ENDED;
}

static int (*const handlers[EVENT_KIND_COUNT])(struct replay_session *, struct replay_task *) = {
    [EVENT_START] = apply_with_registers,
    [EVENT_EXEC] = handle_exec,
    [EVENT_SYSCALL] = handle_syscall,
    [EVENT_ENTRY] = handle_entry,
    [EVENT_INSTRUCTION] = apply_with_registers,
    [EVENT_PREEMPT] = apply_with_registers,
    [EVENT_FAULT] = apply_with_registers,
    [EVENT_STRAY] = apply_with_registers,
    [EVENT_SIGNAL] = apply_with_registers,
    [EVENT_SIGRETURN] = apply_with_registers,
    [EVENT_EXIT] = handle_exit,
    [EVENT_CHECKSUM] = handle_checksum,
    [EVENT_END] = handle_end,
    [EVENT_MEMORY] = apply,
    [EVENT_BUFFERED] = replay_load_calls,
    [EVENT_PATCH] = handle_patch,
};

static int handle(struct replay_session *r)
{
    const struct event *e = r->event;
    struct replay_task *t = NULL;
    int error = 0;

    if (e->kind != EVENT_END) {
        t = replay_task_find(r, e->task);
        if (!t && r->number == 1)
            t = replay_task_new(r, e->task);
        if (!t)
            return replay_failed(r, -EBADMSG, "there is no such task");
        if (t->tid == 0 && e->kind == EVENT_ENTRY)
            return 0; /* the recorder's own execve of the program */
        if (t->tid == 0 && e->kind != EVENT_EXEC)
            return replay_failed(r, -EBADMSG, "the task has no program yet");
        if (e->kind != EVENT_EXEC)
            error = replay_run_to_event(r, t);
    }
    return error ? error : handlers[e->kind](r, t);
}

static int loop(struct replay_session *r)
{
    struct event event;
    int status = 0;

    while (status == 0) {
        status = trace_reader_next(r->trace, &event, r->error);
        if (status == -ENODATA || status == 0) {
            r->error->code = 0;
            r->result->verdict = REPLAY_CUT;
            return 0;
        }
        if (status < 0)
            return status;
        r->number = trace_reader_position(r->trace);
        r->result->events = r->number;
        r->event = &event;
        status = r->number % INTERRUPT_EVERY == 0 ? replay_check_interrupted(r) : 0;
        log_debug("event %" PRIu64 " %s task %u: ip %#llx -> %#llx, rax %#llx -> %#llx", r->number,
                  event_kind_name(event.kind), event.task, event.before.rip, event.after.rip,
                  event.before.rax, event.after.rax);
        if (status == 0)
            status = handle(r);
        if (status == 0 && r->number == r->stop_at) {
            status = replay_read_stacks(r);
            if (status == 0) {
                r->result->verdict = REPLAY_STOPPED;
                return 0;
            }
        }
    }
    return status < 0 ? status : 0;
}

/* ---- the session --------------------------------------------------------------------------- */

static int fill_page(struct replay_session *r)
{
    const struct trace_meta *meta = trace_reader_meta(r->trace);
    size_t room = RECORDER_CPUID_SIZE;

    if (meta->cpuid_length > room || meta->cpuid_length % RECORDER_CPUID_ENTRY_SIZE != 0)
        return rr_error_set(r->error, -EBADMSG, "%s: meta.json: a cpuid table of %" PRIu64 " bytes",
                            r->options->trace, meta->cpuid_length);
    if (meta->cpuid_length > 0)
        memcpy(r->area.page + (RECORDER_CPUID_TABLE - RECORDER_PAGE_ADDRESS), meta->cpuid_table,
               meta->cpuid_length);
    *tracee_page_word(&r->area, PAGE_CPUID_COUNT) =
        (int64_t)(meta->cpuid_length / RECORDER_CPUID_ENTRY_SIZE);
    *tracee_page_word(&r->area, PAGE_ENTRY_CALL) = (int64_t)blob_address(BLOB_ENTRY_REPLAYED_CALL);
    *tracee_page_word(&r->area, PAGE_ENTRY_RDTSC) =
        (int64_t)blob_address(BLOB_ENTRY_REPLAYED_RDTSC);
    return 0;
}

/* The event behind which the last tasks end, or which was asked for. */
static int find_stop(struct replay_session *r)
{
    struct trace_reader *reader;
    struct event event;
    int status;

    r->stop_at = r->options->stacks_at;
    if (!r->options->stacks || r->stop_at)
        return 0;
    status = trace_reader_open(r->options->trace, &reader, r->error);
    if (status)
        return status;
    while ((status = trace_reader_next(reader, &event, r->error)) > 0)
        if (event.kind != EVENT_EXIT && event.kind != EVENT_END)
            r->stop_at = trace_reader_position(reader);
    trace_reader_close(reader);
    if (status == -ENODATA) /* cut: all of it will do */
        status = r->error->code = 0;
    return status;
}

static int prepare(struct replay_session *r)
{
    int error = find_stop(r);

    if (!error)
        error = trace_reader_open(r->options->trace, &r->trace, r->error);

    if (!error && !r->options->any_processor)
        error = replay_check_cpu(trace_reader_meta(r->trace), r->error);
    if (!error)
        error = replay_files_open(r);
    if (error)
        return error;
    error = tracee_area_open(&r->area);
    if (error)
        return rr_error_set(r->error, error, "the recorder area cannot be made: %s",
                            strerror(-error));
    error = fill_page(r);
    if (!error)
        error = replay_start(r);
    if (error)
        return error;
    r->xstate = malloc(r->xstate_size);
    return r->xstate ? 0 : rr_error_set(r->error, -ENOMEM, "out of memory");
}

static void finish(struct replay_session *r)
{
    while (r->tasks)
        replay_task_end(r, r->tasks);
    replay_reap(r->empty);
    processor_unshare_cpuid_trap();
    replay_files_close(r);
    free(r->xstate);
    free(r->regions);
    tracee_area_close(&r->area);
    if (r->trace)
        trace_reader_close(r->trace);
}

static void on_alarm(int signal)
{
    (void)signal;
}

/* What a replay changes in its own process, and puts back. */
struct surroundings {
    struct sigaction alarm, pipe, child;
    struct itimerval timer;
};

/* A 10 ms timer takes us out of waitpid to ask whether somebody wants the end; a reader of the
 * output that goes away is no reason to die; children are waited for. */
static void settle(struct surroundings *old)
{
    struct sigaction action = {.sa_handler = on_alarm};
    struct itimerval timer = {{0, 10000}, {0, 10000}};

    sigaction(SIGALRM, &action, &old->alarm);
    action.sa_handler = SIG_IGN;
    sigaction(SIGPIPE, &action, &old->pipe);
    action.sa_handler = SIG_DFL;
    sigaction(SIGCHLD, &action, &old->child);
    setitimer(ITIMER_REAL, &timer, &old->timer);
}

static void restore(const struct surroundings *old)
{
    setitimer(ITIMER_REAL, &old->timer, NULL);
    sigaction(SIGCHLD, &old->child, NULL);
    sigaction(SIGPIPE, &old->pipe, NULL);
    sigaction(SIGALRM, &old->alarm, NULL);
}

int replay_run(const struct replay_options *options, struct replay_result *ret,
               struct rr_error *error)
{
    struct rr_error own;
    struct surroundings old;
    struct replay_session r = {
        .options = options,
        .result = ret,
        .error = error ? error : &own,
        .output_fd = {options->stdout_fd, options->stderr_fd},
    };
    int code;

    memset(ret, 0, sizeof(*ret));
    memset(r.error, 0, sizeof(*r.error));
    r.area.memfd = r.area.socket = r.area.socket_tracee = -1;
    settle(&old);
    code = prepare(&r);
    if (!code)
        code = loop(&r);
    finish(&r);
    restore(&old);
    if (code)
        replay_result_done(ret);
    return code;
}

void replay_result_done(struct replay_result *result)
{
    free(result->message);
    stacks_done(&result->stacks);
    memset(result, 0, sizeof(*result));
}
