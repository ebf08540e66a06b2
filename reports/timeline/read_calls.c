/* System calls: at once or waiting, traced or answered inside the program, and what the futex calls
 * among them say about who waits for whom. */
#include <errno.h>
#include <inttypes.h>
#include <linux/futex.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>

#include "include/rrtest/recorder_page.h"
#include "recorder/base/text.h"
#include "recorder/events/ring.h"
#include "recorder/syscalls/syscalls.h"
#include "reports/timeline/reader.h"

#define CALL_TEXT_MAX 400
#define RESULT_TEXT_MAX 64
#define QUOTED_MAX 2000
#define ERRNO_MAX 4095

/* One call, wherever it stands in the trace. */
struct call {
    uint64_t number;
    uint64_t arguments[6];
    int64_t result;
    uint64_t times;
};

static struct call call_of(const struct event *e)
{
    const struct user_regs_struct *b = &e->before;

    return (struct call){.number = b->orig_rax,
                         .arguments = {b->rdi, b->rsi, b->rdx, b->r10, b->r8, b->r9},
                         .result = (int64_t)e->after.rax,
                         .times = 1};
}

static const char *call_name(uint64_t number)
{
    const struct syscall_row *row = syscall_row_by_number(number);

    return row ? row->name : "an unknown call";
}

static bool is_error(int64_t result)
{
    return result < 0 && result >= -ERRNO_MAX;
}

static uint32_t call_text(struct reader *r, const struct call *c, bool finished)
{
    char text[CALL_TEXT_MAX], result[RESULT_TEXT_MAX];

    syscall_format(c->number, c->arguments, NULL, text, sizeof(text));
    if (!finished)
        return items_text(r->items, "%s", text);
    syscall_format_result(c->number, c->result, result, sizeof(result));
    if (c->times > 1)
        return items_text(r->items, "%s = %s (%" PRIu64 " times)", text, result, c->times);
    return items_text(r->items, "%s = %s", text, result);
}

char *reader_quoted(const uint8_t *data, uint64_t length)
{
    uint64_t shown = length < QUOTED_MAX ? length : QUOTED_MAX;
    char *text = malloc(shown * 4 + 32), *at = text;

    if (!text)
        abort();
    *at++ = '"';
    for (uint64_t i = 0; i < shown; i++) {
        uint8_t c = data[i];

        if (c == '\n')
            at += sprintf(at, "\\n");
        else if (c < 0x20 || c == 0x7f)
            at += sprintf(at, "\\x%02x", c);
        else if (c == '"' || c == '\\')
            at += sprintf(at, "\\%c", c);
        else
            *at++ = (char)c;
    }
    *at++ = '"';
    strcpy(at, shown < length ? "..." : "");
    return text;
}

/* ---- futexes ---- */

static bool is_futex_wait(const struct call *c, uint64_t *ret_address, bool *ret_private)
{
    if (c->number != SYS_futex)
        return false;
    *ret_private = c->arguments[1] & FUTEX_PRIVATE_FLAG;
    *ret_address = c->arguments[0];
    switch (c->arguments[1] & FUTEX_CMD_MASK) {
    case FUTEX_WAIT_REQUEUE_PI:
        *ret_address = c->arguments[4];
        return true;
    case FUTEX_WAIT:
    case FUTEX_WAIT_BITSET:
    case FUTEX_LOCK_PI:
    case FUTEX_LOCK_PI2:
        return true;
    default:
        return false;
    }
}

static bool is_futex_wake(const struct call *c)
{
    if (c->number != SYS_futex)
        return false;
    switch (c->arguments[1] & FUTEX_CMD_MASK) {
    case FUTEX_WAKE:
    case FUTEX_WAKE_BITSET:
    case FUTEX_WAKE_OP:
    case FUTEX_REQUEUE:
    case FUTEX_CMP_REQUEUE:
    case FUTEX_CMP_REQUEUE_PI:
    case FUTEX_UNLOCK_PI:
        return true;
    default:
        return false;
    }
}

static void note_wake(struct reader *r, uint32_t task, const struct call *c, uint64_t item)
{
    int command = (int)(c->arguments[1] & FUTEX_CMD_MASK);
    const void *space =
        c->arguments[1] & FUTEX_PRIVATE_FLAG ? (const void *)r->states[task].space : NULL;
    bool requeues =
        command == FUTEX_REQUEUE || command == FUTEX_CMP_REQUEUE || command == FUTEX_CMP_REQUEUE_PI;

    if (is_error(c->result) || (c->result == 0 && command != FUTEX_UNLOCK_PI))
        return;
    causes_wake(r->causes, space, c->arguments[0], item, requeues ? c->arguments[4] : 0);
    if (command == FUTEX_WAKE_OP)
        causes_wake(r->causes, space, c->arguments[4], item, 0);
}

/* ---- what a call tells about tasks ---- */

static void learn(struct reader *r, const struct call *c, uint32_t task)
{
    struct timeline_task *t = &r->timeline->tasks[task];

    if (is_error(c->result))
        return;
    switch (c->number) {
    case SYS_gettid:
    case SYS_set_tid_address:
        t->tid = (int32_t)c->result;
        if (t->process == task)
            t->pid = t->tid;
        break;
    case SYS_getpid:
        t->pid = (int32_t)c->result;
        break;
    default:
        break;
    }
}

static void make_child(struct reader *r, const struct event *e, uint32_t parent, uint64_t item)
{
    uint32_t child = reader_task(r, e->child);
    struct timeline_task *t = &r->timeline->tasks[child];
    const struct timeline_task *p = &r->timeline->tasks[parent];
    struct task_state *state = &r->states[child];
    char *role;

    role = text_make("%s.%u", p->role, ++r->states[parent].children);
    free(t->role);
    t->role = role;
    free(t->name);
    t->name = p->name ? strdup(p->name) : NULL;
    t->parent = parent;
    t->tid = (int32_t)e->after.rax;
    t->process = e->clone_flags & CLONE_THREAD ? p->process : child;
    t->pid = r->timeline->tasks[t->process].pid;
    if (t->process == child)
        t->pid = t->tid;
    t->step = r->now.step;
    t->clock = r->now.clock;
    state->begin = item;
    mapped_drop(state->space);
    state->space = NULL;
    if (r->states[parent].space)
        state->space = e->clone_flags & CLONE_VM ? mapped_share(r->states[parent].space)
                                                 : mapped_copy(r->states[parent].space);
}

/* ---- events ---- */

void reader_entry(struct reader *r, const struct event *e, uint32_t task)
{
    struct call c = call_of(e);
    struct task_state *state = &r->states[task];
    struct timeline_item item;
    bool is_lock;

    reader_runs(r, task, false);
    state->wait_address = 0;
    is_lock = is_futex_wait(&c, &state->wait_address, &state->wait_is_private);
    item = reader_item(r, e, task, is_lock ? TIMELINE_LOCK : TIMELINE_WAIT);
    item.place = reader_place(r, task, e->before.rip - 1);
    item.text = call_text(r, &c, false);
    item.flags = TIMELINE_OPEN;
    state->wait = items_add(r->items, &item);
    state->wait_call = c.number;
    reader_stopped(state, "waits in %s", call_name(c.number));
}

void reader_end_wait(struct reader *r, uint32_t task, uint32_t detail, uint64_t cause)
{
    struct timeline_item *wait = items_get(r->items, r->states[task].wait);

    if (r->states[task].wait && wait) {
        wait->step_end = r->now.step;
        wait->clock_end = r->now.clock;
        wait->flags &= (uint8_t)~TIMELINE_OPEN;
        wait->detail = detail;
        wait->cause = (uint32_t)cause;
    }
    r->states[task].wait = 0;
}

static uint64_t end_of_child(const struct reader *r, int64_t tid)
{
    for (size_t i = r->timeline->task_count; i-- > 0;) {
        if (r->timeline->tasks[i].tid == tid && r->timeline->tasks[i].ended)
            return r->states[i].begin; /* of an ended task: the item of its end */
    }
    return 0;
}

/* Why did the wait end? */
static uint32_t end_of_wait(struct reader *r, const struct call *c, uint32_t task,
                            uint64_t *ret_cause)
{
    const struct task_state *state = &r->states[task];

    *ret_cause = 0;
    if (c->result == -EINTR || c->result <= -512)
        return items_text(r->items, "interrupted by a signal");
    if (c->result == -ETIMEDOUT)
        return items_text(r->items, "its time was up");
    if (c->number == SYS_futex && c->result == 0) {
        *ret_cause = causes_of_wait(r->causes, state->wait_is_private ? state->space : NULL,
                                    state->wait_address, state->wait);
        return items_text(r->items, "%s",
                          *ret_cause ? "woken" : "woken; by whom the trace does not tell");
    }
    if ((c->number == SYS_wait4 || c->number == SYS_waitid) && c->result > 0)
        *ret_cause = end_of_child(r, c->result);
    return 0;
}

/* A call that was parked is over. If no other task executed meanwhile and no time passed, it counts
 * as one that ended at once. */
static void finish_wait(struct reader *r, const struct event *e, const struct call *c,
                        uint32_t task)
{
    struct timeline_item *wait = items_get(r->items, r->states[task].wait);
    bool at_once = r->running == task && wait && wait->clock == r->now.clock;
    uint64_t cause = 0;
    uint32_t detail = at_once ? 0 : end_of_wait(r, c, task, &cause);

    if (!at_once && r->running == task) /* time passed, but nobody else executed: it slept alone */
        r->running = NO_TASK;
    if (wait) {
        wait->text = call_text(r, c, true);
        wait->flags |= is_error(c->result) ? TIMELINE_FAILED : 0;
        if (at_once)
            wait->kind = e->child ? TIMELINE_CLONE : TIMELINE_CALL;
        if (at_once && is_futex_wake(c))
            wait->kind = TIMELINE_WAKE;
    }
    reader_end_wait(r, task, detail, cause);
    reader_runs(r, task, !at_once);
}

static void put_output(struct reader *r, struct timeline_item *item, int stream,
                       const uint8_t *data, uint64_t length)
{
    char *text = reader_quoted(data, length);

    item->kind = TIMELINE_OUTPUT;
    item->flags |= stream == 2 ? TIMELINE_STDERR : 0;
    item->detail = items_text(r->items, "%s", text);
    free(text);
}

static void exec(struct reader *r, const struct event *e, uint32_t task, struct timeline_item *item)
{
    struct task_state *state = &r->states[task];
    struct timeline_task *t = &r->timeline->tasks[task];
    const struct trace_file *file;
    uint32_t program;
    const char *base;

    mapped_drop(state->space);
    state->space = mapped_new();
    for (size_t i = 0; i < e->map_count; i++)
        mapped_apply(r->spaces, state->space, &e->maps[i]);
    program = mapped_program(r->spaces, state->space);
    file = program ? trace_reader_file(r->trace, program, NULL) : NULL;
    item->kind = TIMELINE_EXEC;
    item->text = items_text(r->items, "exec %s", file ? file->name : "of a file that is not kept");
    item->place = 0;
    if (!file)
        return;
    base = strrchr(file->name, '/');
    free(t->name);
    t->name = strndup(base ? base + 1 : file->name, 15); /* TASK_COMM_LEN - 1 */
}

static uint64_t put_call(struct reader *r, const struct event *e, const struct call *c,
                         uint32_t task)
{
    struct timeline_item item = reader_item(r, e, task, TIMELINE_CALL);

    item.place = reader_place(r, task, e->before.rip - 1);
    if (e->kind == EVENT_EXEC) {
        exec(r, e, task, &item);
        return items_add(r->items, &item);
    }
    if (e->child)
        item.kind = TIMELINE_CLONE;
    else if (is_futex_wake(c))
        item.kind = TIMELINE_WAKE;
    item.text = call_text(r, c, true);
    item.flags = is_error(c->result) ? TIMELINE_FAILED : 0;
    if (e->output.stream)
        put_output(r, &item, e->output.stream, e->output.data, e->output.length);
    return items_add(r->items, &item);
}

void reader_call(struct reader *r, const struct event *e, uint32_t task)
{
    struct call c = call_of(e);
    uint64_t number = r->states[task].wait;

    if (number && e->kind == EVENT_SYSCALL) {
        finish_wait(r, e, &c, task);
        if (e->output.stream)
            put_call(r, e, &c, task);
    } else {
        reader_end_wait(r, task, 0, 0);
        reader_runs(r, task, false);
        number = put_call(r, e, &c, task);
    }
    if (is_futex_wake(&c))
        note_wake(r, task, &c, number);
    if (e->child)
        make_child(r, e, task, number);
    learn(r, &c, task);
    if (e->kind == EVENT_EXEC)
        reader_stopped(&r->states[task], "another task was chosen after its exec");
    else
        reader_stopped(&r->states[task], "another task was chosen after its %s",
                       call_name(c.number));
}

static void buffered_call(struct reader *r, const struct event *e, uint32_t task,
                          const struct ring_call *ring)
{
    struct call c = {
        .number = ring->number, .result = ring->result, .times = ring_call_count(ring)};
    struct timeline_item item = reader_item(r, e, task, TIMELINE_CALL);
    struct ring_segment segment;
    uint32_t at = 0;

    memcpy(c.arguments, ring->arguments, sizeof(c.arguments));
    item.flags = TIMELINE_BUFFERED;
    if (ring->number == RING_NUMBER_RDTSC) {
        item.kind = TIMELINE_INSTRUCTION;
        item.place = reader_place(r, task, c.arguments[0]);
        item.text = items_text(r->items, "rdtsc = %" PRIu64, (uint64_t)c.result);
        items_add(r->items, &item);
        return;
    }
    if (is_futex_wake(&c))
        item.kind = TIMELINE_WAKE;
    item.text = call_text(r, &c, true);
    if (is_error(c.result))
        item.flags |= TIMELINE_FAILED;
    if (ring->flags & (RING_FLAG_STDOUT | RING_FLAG_STDERR) &&
        ring_next_segment(ring, &at, &segment))
        put_output(r, &item, ring->flags & RING_FLAG_STDERR ? 2 : 1, segment.data, segment.length);
    if (is_futex_wake(&c))
        note_wake(r, task, &c, items_add(r->items, &item));
    else
        items_add(r->items, &item);
    learn(r, &c, task);
}

/* The calls lie between the event before and this one, whose clock is that of the stop that ends
 * the way: they are spread evenly. */
void reader_buffered(struct reader *r, const struct event *e, uint32_t task)
{
    uint64_t start = r->since.clock, span = r->now.clock - start;
    struct ring_call call;
    uint64_t at = 0, count = 1, i = 0;

    if (e->write_count != 1)
        return;
    while (ring_next_call(e->writes[0].data, e->writes[0].length, &at, &call))
        count++;
    r->now = r->since;
    for (at = 0; ring_next_call(e->writes[0].data, e->writes[0].length, &at, &call);) {
        r->now = (struct moment){r->since.step + 1, start + span / count * ++i};
        reader_runs(r, task, false);
        buffered_call(r, e, task, &call);
        r->since = r->now;
    }
    reader_stopped(&r->states[task], "another task was chosen after a call");
}
