/* Signals: where they hit, which handler took them, and who sent them as far as that can be told.
 */
#include <signal.h>
#include <string.h>

#include "recorder/syscalls/syscalls.h"
#include "reports/timeline/reader.h"

/* The siginfo of the frame that the event pushed: the kernel has its address in rsi for every
 * handler, and writes it for those with SA_SIGINFO (arch/x86/kernel/signal_64.c). */
static bool find_info(const struct event *e, siginfo_t *ret)
{
    for (size_t i = 0; i < e->write_count; i++) {
        const struct event_write *w = &e->writes[i];
        uint64_t at = e->after.rsi - w->address, left = w->length - at;

        if (e->after.rsi < w->address || at >= w->length)
            continue;
        memset(ret, 0, sizeof(*ret));
        memcpy(ret, w->data + at, left < sizeof(*ret) ? left : sizeof(*ret));
        return ret->si_signo == e->signal;
    }
    return false;
}

static const char *sender(const struct event *e)
{
    siginfo_t info;

    if (e->note && strcmp(e->note, "injected") == 0)
        return "injected by rrtest";
    if (!find_info(e, &info))
        return "not injected";
    switch (info.si_code) {
    case SI_USER:
        return "sent by kill";
    case SI_TKILL:
        return "sent by tgkill (raise, pthread_kill, abort)";
    case SI_QUEUE:
        return "sent by sigqueue";
    case SI_TIMER:
        return "sent by a timer";
    default:
        return info.si_code > 0 ? "raised by the kernel" : "not injected";
    }
}

void reader_signal(struct reader *r, const struct event *e, uint32_t task)
{
    struct timeline_item item = reader_item(r, e, task, TIMELINE_SIGNAL);
    struct task_state *state = &r->states[task];
    uint64_t number;

    reader_runs(r, task, false);
    if (e->note && strcmp(e->note, "injected") == 0)
        item.flags |= TIMELINE_INJECTED;
    item.place = reader_place(r, task, e->before.rip);
    item.target = reader_place(r, task, e->after.rip);
    item.text = items_text(r->items, "%s", syscall_signal_name(e->signal));
    item.detail = items_text(r->items, "%s", sender(e));
    number = items_add(r->items, &item);
    if (state->handler_count < HANDLERS_MAX)
        state->handlers[state->handler_count++] = number;
    reader_stopped(state, "another task was chosen as its handler of %s began",
                   syscall_signal_name(e->signal));
}

/* A handler that longjmp left keeps its place in the list: the next return is then taken for its
 * own, which a frame's address would tell; a span that is too short is the price. */
void reader_sigreturn(struct reader *r, const struct event *e, uint32_t task)
{
    struct task_state *state = &r->states[task];
    struct timeline_item *handler;

    (void)e;
    reader_runs(r, task, false);
    reader_stopped(state, "another task was chosen as a handler returned");
    if (!state->handler_count)
        return;
    handler = items_get(r->items, state->handlers[--state->handler_count]);
    if (handler) {
        handler->step_end = r->now.step;
        handler->clock_end = r->now.clock;
    }
}

void reader_fault(struct reader *r, const struct event *e, uint32_t task)
{
    struct timeline_item item = reader_item(r, e, task, TIMELINE_FAULT);

    reader_runs(r, task, false);
    item.place = reader_place(r, task, e->before.rip);
    item.text = items_text(r->items, "%s", syscall_signal_name(e->signal));
    item.detail = items_text(r->items, "raised by the instruction itself");
    items_add(r->items, &item);
    reader_stopped(&r->states[task], "its instruction raised %s", syscall_signal_name(e->signal));
}
