/* From the events of a trace to the items of a timeline: whose turn it was, and the events that are
 * neither calls nor signals. */
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "recorder/base/bytes.h"
#include "recorder/base/text.h"
#include "recorder/syscalls/syscalls.h"
#include "reports/timeline/reader.h"
#include "reports/timeline/symbols.h"

static const char *const kind_names[TIMELINE_KIND_COUNT] = {
    [TIMELINE_RUN] = "run",       [TIMELINE_WAIT] = "wait",
    [TIMELINE_LOCK] = "lock",     [TIMELINE_CALL] = "call",
    [TIMELINE_WAKE] = "wake",     [TIMELINE_PREEMPT] = "preempt",
    [TIMELINE_SIGNAL] = "signal", [TIMELINE_FAULT] = "fault",
    [TIMELINE_CLONE] = "clone",   [TIMELINE_EXEC] = "exec",
    [TIMELINE_EXIT] = "exit",     [TIMELINE_OUTPUT] = "output",
    [TIMELINE_PATCH] = "patch",   [TIMELINE_INSTRUCTION] = "instruction",
    [TIMELINE_STRAY] = "stray",   [TIMELINE_END] = "end",
    [TIMELINE_DENSE] = "merged",
};

const char *timeline_kind_name(enum timeline_kind kind)
{
    return (unsigned)kind < TIMELINE_KIND_COUNT ? kind_names[kind] : "unknown";
}

/* ---- tasks ---- */

uint32_t reader_task(struct reader *r, uint32_t id)
{
    struct timeline *t = r->timeline;
    struct timeline_task *task;

    if (id && id <= t->task_count && t->tasks[id - 1].id == id) /* the recorder counts them */
        return id - 1;
    for (size_t i = 0; i < t->task_count; i++) {
        if (t->tasks[i].id == id)
            return (uint32_t)i;
    }
    if (t->task_count == r->capacity) {
        r->capacity = r->capacity * 2 + 16;
        t->tasks = realloc(t->tasks, r->capacity * sizeof(*t->tasks));
        r->states = realloc(r->states, r->capacity * sizeof(*r->states));
        if (!t->tasks || !r->states)
            abort();
    }
    task = &t->tasks[t->task_count];
    *task = (struct timeline_task){.id = id,
                                   .process = (uint32_t)t->task_count,
                                   .role = text_copy(t->task_count ? "?" : "0"),
                                   .step = r->since.step,
                                   .clock = r->since.clock};
    /* a child gets its parent's (make_child), the first task one that its exec fills */
    r->states[t->task_count] = (struct task_state){.space = t->task_count ? NULL : mapped_new()};
    return (uint32_t)t->task_count++;
}

struct timeline_item reader_item(const struct reader *r, const struct event *e, uint32_t task,
                                 enum timeline_kind kind)
{
    return (struct timeline_item){.kind = (uint8_t)kind,
                                  .task = task,
                                  .step = r->now.step,
                                  .step_end = r->now.step,
                                  .clock = r->now.clock,
                                  .clock_end = r->now.clock,
                                  .event = trace_reader_position(r->trace),
                                  .ticks = e->ticks};
}

uint32_t reader_place(struct reader *r, uint32_t task, uint64_t address)
{
    struct mapped_position position = {0, address};

    if (r->states[task].space)
        position = mapped_find(r->spaces, r->states[task].space, address);
    return r->states[task].last_place = items_place(r->items, position);
}

void reader_stopped(struct task_state *state, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(state->stopped, sizeof(state->stopped), format, args);
    va_end(args);
}

static void end_run(struct reader *r)
{
    struct task_state *state;
    struct timeline_item *run;

    if (r->running == NO_TASK)
        return;
    state = &r->states[r->running];
    run = items_get(r->items, state->run);
    if (state->run && run) {
        run->detail = items_text(r->items, "%s", state->stopped);
        run->place = state->last_place;
    }
    state->run = 0;
    r->running = NO_TASK;
}

void reader_runs(struct reader *r, uint32_t task, bool continued)
{
    struct task_state *state = &r->states[task];
    struct moment from = continued ? r->now : r->since;
    struct timeline_item *run;

    if (r->running != task)
        end_run(r);
    if (!state->run) {
        struct timeline_item item = {.kind = TIMELINE_RUN,
                                     .task = task,
                                     .step = from.step,
                                     .clock = from.clock,
                                     .event = trace_reader_position(r->trace),
                                     .cause = (uint32_t)state->begin};

        state->run = items_add(r->items, &item);
        state->begin = 0;
        r->running = task;
    }
    run = items_get(r->items, state->run);
    if (run) {
        run->step_end = r->now.step;
        run->clock_end = r->now.clock;
    }
}

/* ---- events ---- */

static void preempted(struct reader *r, const struct event *e, uint32_t task)
{
    static const char *const points[] = {"at a tick", "at an atomic instruction or lock entry",
                                         "where it was"};
    const char *point = points[e->counter < 2 ? e->counter : 2];
    struct timeline_item item = reader_item(r, e, task, TIMELINE_PREEMPT);

    reader_runs(r, task, false);
    item.place = reader_place(r, task, e->before.rip);
    if (e->steps)
        item.text = items_text(r->items, "preempted %s + %" PRIu32 " instruction%s", point,
                               e->steps, e->steps == 1 ? "" : "s");
    else if (e->move_count)
        item.text = items_text(r->items, "preempted %s, and some way on", point);
    else
        item.text = items_text(r->items, "preempted %s", point);
    items_add(r->items, &item);
    reader_stopped(&r->states[task], "preempted %s", point);
}

static uint32_t status_text(struct reader *r, int32_t status)
{
    if (WIFEXITED(status))
        return items_text(r->items, "exit %d", WEXITSTATUS(status));
    if (WIFSIGNALED(status))
        return items_text(r->items, "killed by %s", syscall_signal_name(WTERMSIG(status)));
    return items_text(r->items, "status 0x%x", (unsigned)status);
}

/* The kernel clears the word of CLONE_CHILD_CLEARTID and wakes whoever joins: of what the event
 * wrote, words of four bytes. */
static void exited(struct reader *r, const struct event *e, uint32_t task)
{
    struct timeline_item item = reader_item(r, e, task, TIMELINE_EXIT);
    struct timeline_task *t = &r->timeline->tasks[task];
    struct task_state *state = &r->states[task];
    uint64_t number;

    if (state->wait && (state->wait_call == SYS_exit || state->wait_call == SYS_exit_group)) {
        struct timeline_item *call = items_get(r->items, state->wait);

        state->wait = 0;
        if (call) {
            call->kind = TIMELINE_CALL;
            call->flags = 0;
        }
    }
    if (state->wait)
        reader_end_wait(r, task, items_text(r->items, "the task was ended"), 0);
    else
        reader_runs(r, task, false);
    state->last_place = 0;
    item.text = status_text(r, e->status);
    item.flags = WIFSIGNALED(e->status) ? TIMELINE_FAILED : 0;
    number = items_add(r->items, &item);
    for (size_t i = 0; i < e->write_count; i++) {
        if (e->writes[i].length != sizeof(uint32_t))
            continue;
        causes_wake(r->causes, NULL, e->writes[i].address, number, 0);
        causes_wake(r->causes, state->space, e->writes[i].address, number, 0);
    }
    reader_stopped(state, "ended");
    if (r->running == task)
        end_run(r);
    state->begin = number;
    t->ended = true;
    t->status = e->status;
    t->step_end = r->now.step;
    t->clock_end = r->now.clock;
}

static void patched(struct reader *r, const struct event *e, uint32_t task)
{
    struct timeline_item item = reader_item(r, e, task, TIMELINE_PATCH);

    item.place = reader_place(r, task, e->patch.instruction);
    item.text = items_text(r->items, "patch %s", patch_word_name((enum patch_word)e->patch.word));
    if (e->patch.by)
        item.detail = items_text(r->items, "task %" PRIu32 " stands in the way", e->patch.by);
    items_add(r->items, &item);
}

static void simple(struct reader *r, const struct event *e, uint32_t task, enum timeline_kind kind,
                   const char *text)
{
    struct timeline_item item = reader_item(r, e, task, kind);

    reader_runs(r, task, false);
    item.place = reader_place(r, task, e->before.rip);
    item.text = items_text(r->items, "%s", text);
    items_add(r->items, &item);
    reader_stopped(&r->states[task], "another task was chosen after: %s", text);
}

static void ended(struct reader *r, const struct event *e, uint32_t task)
{
    struct timeline_item item = reader_item(r, e, task, TIMELINE_END);
    const char *verdict = trace_reader_meta(r->trace)->verdict;

    item.text = items_text(r->items, "the run ended: %s", verdict ? verdict : "no verdict");
    items_add(r->items, &item);
    if (r->running != NO_TASK && r->states[r->running].wait == 0)
        reader_stopped(&r->states[r->running], "the run ended");
}

static void take(struct reader *r, const struct event *e)
{
    uint32_t task;

    r->now =
        (struct moment){r->since.step + 1, e->clock > r->since.clock ? e->clock : r->since.clock};
    task = reader_task(r, e->task);
    switch (e->kind) {
    case EVENT_START:
        break;
    case EVENT_EXEC:
    case EVENT_SYSCALL:
        reader_call(r, e, task);
        break;
    case EVENT_ENTRY:
        reader_entry(r, e, task);
        break;
    case EVENT_BUFFERED:
        reader_buffered(r, e, task);
        break;
    case EVENT_INSTRUCTION:
        simple(r, e, task, TIMELINE_INSTRUCTION, "an instruction that the recorder answers");
        break;
    case EVENT_STRAY:
        simple(r, e, task, TIMELINE_STRAY,
               e->status == 1 ? "a tick counted by a trap" : "entered a rewritten window");
        break;
    case EVENT_PREEMPT:
        preempted(r, e, task);
        break;
    case EVENT_FAULT:
        reader_fault(r, e, task);
        break;
    case EVENT_SIGNAL:
        reader_signal(r, e, task);
        break;
    case EVENT_SIGRETURN:
        reader_sigreturn(r, e, task);
        break;
    case EVENT_EXIT:
        exited(r, e, task);
        break;
    case EVENT_END:
        ended(r, e, task);
        break;
    case EVENT_PATCH:
        patched(r, e, task);
        break;
    default: /* checksums and writes of others are no steps of the run */
        return;
    }
    if (e->kind != EVENT_EXEC && r->states[task].space) {
        for (size_t i = 0; i < e->map_count; i++)
            mapped_apply(r->spaces, r->states[task].space, &e->maps[i]);
    }
    r->since = r->now;
}

/* ---- the whole ---- */

/* What is left open at the end stays so: whoever waits then waited for ever, as far as it went. */
static void finish(struct reader *r)
{
    struct timeline *t = r->timeline;

    end_run(r);
    for (size_t i = 0; i < t->task_count; i++) {
        struct timeline_item *wait = items_get(r->items, r->states[i].wait);

        if (r->states[i].wait && wait) {
            wait->step_end = r->since.step;
            wait->clock_end = r->since.clock;
            wait->detail = items_text(r->items, "still waits at the end of the run");
        }
        if (!t->tasks[i].ended) {
            t->tasks[i].step_end = r->since.step;
            t->tasks[i].clock_end = r->since.clock;
        }
    }
    t->steps = r->since.step;
    t->clock_end = r->since.clock;
    t->events = trace_reader_position(r->trace);
    items_finish(r->items);
}

static void name_places(struct reader *r)
{
    struct timeline *t = r->timeline;
    bool *used = calloc(t->place_count, sizeof(*used));
    struct symbols *symbols = timeline_symbols_new(r->trace);

    if (!used)
        abort();
    for (size_t i = 0; i < t->item_count; i++)
        used[t->items[i].place] = used[t->items[i].target] = true;
    for (size_t i = 1; i < t->place_count; i++) {
        struct mapped_position position = items_position(r->items, i);

        if (used[i])
            timeline_symbols_find(symbols, position.file, position.address, &t->places[i]);
    }
    timeline_symbols_free(symbols);
    free(used);
}

static void take_meta(struct timeline *t, const struct trace_reader *trace)
{
    const struct trace_meta *meta = trace_reader_meta(trace);
    struct bytes command = {0};

    for (char **word = meta->command; word && *word; word++) {
        if (command.length)
            bytes_append(&command, " ", 1);
        bytes_append(&command, *word, strlen(*word));
    }
    bytes_append(&command, "", 1);
    t->command = text_copy((const char *)command.data);
    bytes_done(&command);
    if (trace_reader_complete(trace) && meta->verdict)
        t->verdict = text_copy(meta->verdict);
    t->strategy = meta->strategy ? text_copy(meta->strategy) : NULL;
    t->seed = meta->seed;
}

int timeline_read(const char *trace, size_t limit, struct timeline *ret, struct rr_error *error)
{
    struct timeline t = {0};
    struct reader r = {.timeline = &t, .running = NO_TASK};
    struct rr_error damage = {0};
    struct event event;
    int result = trace_reader_open(trace, &r.trace, error);

    if (result)
        return result;
    take_meta(&t, r.trace);
    r.items = items_new(&t, limit);
    r.spaces = spaces_new(r.trace);
    r.causes = causes_new();
    while ((result = trace_reader_next(r.trace, &event, &damage)) > 0)
        take(&r, &event);
    if (result < 0)
        t.damage = text_copy(damage.message);
    finish(&r);
    name_places(&r);
    for (size_t i = 0; i < t.task_count; i++)
        mapped_drop(r.states[i].space);
    free(r.states);
    causes_free(r.causes);
    spaces_free(r.spaces);
    items_free(r.items);
    trace_reader_close(r.trace);
    *ret = t;
    return 0;
}

void timeline_done(struct timeline *t)
{
    for (size_t i = 0; i < t->task_count; i++) {
        free(t->tasks[i].role);
        free(t->tasks[i].name);
    }
    for (size_t i = 0; i < t->string_count; i++)
        free(t->strings[i]);
    for (size_t i = 0; i < t->place_count; i++)
        timeline_symbols_place_done(&t->places[i]);
    free(t->tasks);
    free(t->items);
    free(t->strings);
    free(t->places);
    free(t->command);
    free(t->verdict);
    free(t->strategy);
    free(t->damage);
    memset(t, 0, sizeof(*t));
}
