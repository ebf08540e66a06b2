/* Drawing and sending injected signals. */
#include "recorder/record/inject.h"

#include <string.h>
#include <unistd.h>

#include "recorder/record/signal.h"

/* Legal: a handler is installed, the target has it unblocked, and it is not pending already. */
static bool legal(struct task *t, int signal)
{
    const struct signal_action *a = signal_handlers_get(t->process->handlers, signal);

    return a->handler > 1 && !(t->mask & signal_bit(signal)) &&
           !((signal_queue_set(t->queue) | signal_queue_set(t->process->queue)) &
             signal_bit(signal));
}

static bool try_one(struct session *s, struct task *t, size_t index, double fallback)
{
    const struct record_injection *i = &s->options->injections[index];
    double probability = i->probability > 0 ? i->probability : fallback;
    siginfo_t info;

    if (index >= 16 || (i->limit && s->injected[index] >= i->limit) || !legal(t, i->signal))
        return false;
    if (!random_chance(&s->inject, probability))
        return false;
    s->injected[index]++;
    memset(&info, 0, sizeof(info));
    info.si_signo = i->signal;
    info.si_code = SI_USER;
    info.si_pid = t->process->pid;
    info.si_uid = t->process->uid;
    t->injected_signals |= signal_bit(i->signal);
    signal_send(s, t->process, t, &info);
    return true;
}

static bool try_all(struct session *s, struct task *t, int nr, double fallback)
{
    bool any = false;

    for (size_t i = 0; i < s->options->injection_count; i++)
        if (s->options->injections[i].at_call == nr)
            any |= try_one(s, t, i, fallback);
    return any;
}

/* A call that an injected signal interrupted is restarted, by the kernel's rules or by the program:
 * it gets its chance before the next one, or a parent that waits for its child and always has
 * something to handle would never let it run. The handler's own calls are made further down. */
static void spare_restarted(struct task *t)
{
    struct call *c = &t->call;

    if (!t->injected.valid || t->injected.nr != c->nr || t->injected.ip != c->before.rip ||
        t->injected.sp != c->before.rsp)
        return;
    t->injected.valid = false;
    c->spared = true;
}

static bool try_call(struct session *s, struct task *t)
{
    const struct call *c = &t->call;

    if (c->spared || !try_all(s, t, (int)c->nr, 0.2))
        return false;
    t->injected.valid = true;
    t->injected.nr = c->nr;
    t->injected.ip = c->before.rip;
    t->injected.sp = c->before.rsp;
    return true;
}

void inject_at_tick(struct session *s, struct task *t)
{
    if (s->options->injection_count)
        try_all(s, t, -1, 0.05);
}

bool inject_at_entry(struct session *s, struct task *t)
{
    if (!s->options->injection_count)
        return false;
    /* a signal just before the call: the handler runs, then the call is made (it is re-entered) */
    spare_restarted(t);
    if (!random_chance(&s->inject, 0.5) || !try_call(s, t))
        return false;
    call_interrupt(s, t, false, true);
    return true;
}

void inject_at_park(struct session *s, struct task *t)
{
    if (s->options->injection_count)
        try_call(s, t);
}
