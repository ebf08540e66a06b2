/* Deadlines coming due, and the timers that set them. */
#include "recorder/record/timers.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>

#include "recorder/record/process.h"
#include "recorder/record/signal.h"
#include "recorder/record/timerfd.h"

#define NS 1000000000ull

uint64_t timers_after(struct session *s, const struct timespec *relative)
{
    uint64_t now = clock_now(s->clock);

    if (relative->tv_sec < 0)
        return now;
    if ((uint64_t)relative->tv_sec >= (UINT64_MAX / 2 - now) / NS)
        return UINT64_MAX / 2;
    return now + (uint64_t)relative->tv_sec * NS + (uint64_t)relative->tv_nsec;
}

static bool is_out_of_time(const struct session *s)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return s->wall_deadline &&
           (uint64_t)t.tv_sec * NS + (uint64_t)t.tv_nsec > s->wall_deadline + s->rewriting_ns;
}

void timers_sleep_until(struct session *s, uint64_t virtual_ns)
{
    uint64_t wait = virtual_ns - clock_now(s->clock);
    struct timespec t = {(time_t)(wait / NS), (long)(wait % NS)};

    if (virtual_ns > clock_now(s->clock))
        while (nanosleep(&t, &t) < 0 && errno == EINTR && !s->ended)
            if (is_out_of_time(s) || (s->options->interrupted &&
                                      s->options->interrupted(s->options->interrupted_context)))
                return;
}

static struct process *process_by_id(struct session *s, uint64_t id)
{
    for (struct process *p = s->processes; p; p = p->next)
        if (p->id == id)
            return p;
    return NULL;
}

static struct clock_timer *itimer_of(struct process *p, uint64_t which)
{
    return which == ITIMER_REAL ? &p->real_timer : &p->cpu_timer[which - 1];
}

static void arm_itimer(struct session *s, struct process *p, uint64_t which)
{
    struct clock_timer *timer = itimer_of(p, which);

    clock_deadline_remove(s->clock, DEADLINE_PROCESS | p->id, which);
    if (timer->next_ns)
        clock_deadline_add(
            s->clock, (struct clock_deadline){timer->next_ns, DEADLINE_PROCESS | p->id, which});
}

static void fire_itimer(struct session *s, struct process *p, uint64_t which)
{
    static const int signals[] = {SIGALRM, SIGVTALRM, SIGPROF};
    siginfo_t info;

    if (clock_timer_expire(itimer_of(p, which), clock_now(s->clock)) > 0) {
        memset(&info, 0, sizeof(info));
        info.si_signo = signals[which];
        info.si_code = SI_KERNEL;
        signal_send(s, p, NULL, &info);
    }
    arm_itimer(s, p, which);
}

static void arm_posix(struct session *s, struct process *p, struct posix_timer *timer)
{
    clock_deadline_remove(s->clock, DEADLINE_POSIX | p->id, timer->cookie);
    if (timer->timer.next_ns)
        clock_deadline_add(
            s->clock,
            (struct clock_deadline){timer->timer.next_ns, DEADLINE_POSIX | p->id, timer->cookie});
}

static void fire_posix(struct session *s, struct process *p, uint64_t cookie)
{
    struct posix_timer *timer = p->timers;
    siginfo_t info;
    uint64_t count;

    while (timer && timer->cookie != cookie)
        timer = timer->next;
    if (!timer)
        return;
    count = clock_timer_expire(&timer->timer, clock_now(s->clock));
    arm_posix(s, p, timer);
    if (count == 0)
        return;
    if (timer->notify == SIGEV_NONE)
        return;
    if (timer->pending) {
        timer->missed += count;
        return;
    }
    timer->pending = true;
    timer->missed = count - 1;
    memset(&info, 0, sizeof(info));
    info.si_signo = timer->signal;
    info.si_code = SI_TIMER;
    info.si_timerid = timer->id;
    info.si_value.sival_ptr = (void *)(uintptr_t)timer->value;
    signal_send(s, p,
                timer->notify == SIGEV_THREAD_ID ? session_task_by_ns_tid(s, timer->target) : NULL,
                &info);
}

void timers_signal_taken(struct process *p, siginfo_t *info)
{
    if (info->si_code != SI_TIMER)
        return;
    for (struct posix_timer *timer = p->timers; timer; timer = timer->next) {
        if (timer->id != info->si_timerid)
            continue;
        timer->overrun = timer->missed;
        info->si_overrun = (int)timer->missed;
        timer->pending = false;
        timer->missed = 0;
    }
}

void timers_fire(struct session *s)
{
    struct clock_deadline due;

    while (clock_deadline_pop_due(s->clock, &due)) {
        uint64_t owner = due.owner & ~(DEADLINE_PROCESS | DEADLINE_POSIX | DEADLINE_OBJECT);

        if (due.owner & DEADLINE_OBJECT) {
            timerfd_fire(s, owner);
        } else if (due.owner & (DEADLINE_PROCESS | DEADLINE_POSIX)) {
            struct process *p = process_by_id(s, owner);

            if (p && !p->zombie && (due.owner & DEADLINE_PROCESS))
                fire_itimer(s, p, due.cookie);
            else if (p && !p->zombie)
                fire_posix(s, p, due.cookie);
        } else {
            for (struct task *t = s->tasks; t; t = t->next) {
                if (t->id != owner || t->state != TASK_PARKED)
                    continue;
                t->call.has_deadline_entry = false;
                t->call.timed_out = t->call.woken = true;
            }
        }
    }
}

void process_timers_free(struct process *p)
{
    while (p->timers) {
        struct posix_timer *timer = p->timers;

        p->timers = timer->next;
        free(timer);
    }
}

/* ---- itimers ------------------------------------------------------------------------------- */

static uint64_t ns_of_timeval(const struct timeval *v)
{
    return (uint64_t)v->tv_sec * NS + (uint64_t)v->tv_usec * 1000;
}

static struct timeval timeval_of(uint64_t ns)
{
    return (struct timeval){(time_t)(ns / NS), (suseconds_t)(ns % NS / 1000)};
}

static uint64_t left(struct session *s, const struct clock_timer *timer)
{
    uint64_t now = clock_now(s->clock);

    return timer->next_ns > now ? timer->next_ns - now : (timer->next_ns ? 1000 : 0);
}

static struct itimerval itimer_value(struct session *s, const struct clock_timer *timer)
{
    uint64_t rest = left(s, timer);

    return (struct itimerval){timeval_of(timer->interval_ns),
                              timeval_of(rest && rest < 1000 ? 1000 : rest)};
}

enum call_action model_alarm(struct session *s, struct task *t, struct call *c)
{
    struct clock_timer *timer = &t->process->real_timer;
    uint64_t rest = left(s, timer);

    timer->interval_ns = 0;
    timer->next_ns = (uint32_t)c->args[0] ? clock_now(s->clock) + (uint32_t)c->args[0] * NS : 0;
    arm_itimer(s, t->process, ITIMER_REAL);
    return call_answer(c, (int64_t)((rest + NS - 1) / NS));
}

enum call_action model_setitimer(struct session *s, struct task *t, struct call *c)
{
    struct itimerval value = {0}, old;
    struct clock_timer *timer;

    if (c->args[0] > 2)
        return call_answer(c, -EINVAL);
    if (c->args[1] && tracee_read(t->tid, c->args[1], &value, sizeof(value)) < 0)
        return call_answer(c, -EFAULT);
    if (value.it_value.tv_usec < 0 || value.it_value.tv_usec > 999999 ||
        value.it_value.tv_sec < 0 || value.it_interval.tv_usec < 0 ||
        value.it_interval.tv_usec > 999999)
        return call_answer(c, -EINVAL);
    timer = itimer_of(t->process, c->args[0]);
    old = itimer_value(s, timer);
    timer->interval_ns = ns_of_timeval(&value.it_interval);
    timer->next_ns = ns_of_timeval(&value.it_value);
    if (timer->next_ns)
        timer->next_ns += clock_now(s->clock);
    else
        timer->interval_ns = 0;
    arm_itimer(s, t->process, c->args[0]);
    if (c->args[2] && emit_poke(s, t, c->args[2], &old, sizeof(old)) < 0)
        return call_answer(c, -EFAULT);
    return call_answer(c, 0);
}

enum call_action model_getitimer(struct session *s, struct task *t, struct call *c)
{
    struct itimerval value;

    if (c->args[0] > 2)
        return call_answer(c, -EINVAL);
    value = itimer_value(s, itimer_of(t->process, c->args[0]));
    return call_answer(c, emit_poke(s, t, c->args[1], &value, sizeof(value)) < 0 ? -EFAULT : 0);
}

/* ---- POSIX timers -------------------------------------------------------------------------- */

static struct posix_timer *find_timer(struct process *p, int id)
{
    struct posix_timer *timer = p->timers;

    while (timer && timer->id != id)
        timer = timer->next;
    return timer;
}

enum call_action model_timer_create(struct session *s, struct task *t, struct call *c)
{
    struct {
        uint64_t value;
        int32_t signal, notify, tid, pad[11];
    } event = {.signal = SIGALRM, .notify = SIGEV_SIGNAL};
    struct posix_timer *timer;
    struct timespec ignored;
    int id = t->process->next_timer;

    if (clock_read(s->clock, (clockid_t)c->args[0], t->cpu_ns, &ignored) < 0)
        return call_answer(c, -EINVAL);
    event.value = (uint64_t)id;
    if (c->args[1] && tracee_read(t->tid, c->args[1], &event, sizeof(event)) < 0)
        return call_answer(c, -EFAULT);
    if (event.notify != SIGEV_NONE && (event.signal <= 0 || event.signal >= SIGNAL_LIMIT))
        return call_answer(c, -EINVAL);
    if (emit_poke(s, t, c->args[2], &id, 4) < 0)
        return call_answer(c, -EFAULT);
    timer = calloc(1, sizeof(*timer));
    if (!timer)
        abort();
    timer->id = id;
    timer->cookie = (uint64_t)id;
    timer->clock = (clockid_t)c->args[0];
    timer->notify = event.notify;
    timer->signal = event.signal;
    timer->target = event.tid;
    timer->value = event.value;
    timer->next = t->process->timers;
    t->process->timers = timer;
    t->process->next_timer++;
    return call_answer(c, 0);
}

static struct itimerspec timer_value(struct session *s, const struct clock_timer *timer)
{
    uint64_t rest = left(s, timer);

    return (struct itimerspec){{(time_t)(timer->interval_ns / NS), (long)(timer->interval_ns % NS)},
                               {(time_t)(rest / NS), (long)(rest % NS)}};
}

int timers_set(struct session *s, struct clock_timer *timer, clockid_t clock, bool absolute,
               const struct itimerspec *value)
{
    const struct timespec *v = &value->it_value;

    if (v->tv_nsec < 0 || v->tv_nsec > 999999999 || v->tv_sec < 0 ||
        value->it_interval.tv_nsec < 0 || value->it_interval.tv_nsec > 999999999 ||
        value->it_interval.tv_sec < 0)
        return -EINVAL;
    timer->interval_ns =
        (uint64_t)value->it_interval.tv_sec * NS + (uint64_t)value->it_interval.tv_nsec;
    timer->next_ns = 0;
    if (v->tv_sec == 0 && v->tv_nsec == 0)
        return 0;
    if (absolute)
        clock_to_virtual(s->clock, clock, v, &timer->next_ns);
    else
        timer->next_ns = timers_after(s, v);
    if (timer->next_ns == 0)
        timer->next_ns = 1;
    return 0;
}

enum call_action model_timer_settime(struct session *s, struct task *t, struct call *c)
{
    struct posix_timer *timer = find_timer(t->process, (int)c->args[0]);
    struct itimerspec value, old;
    int error;

    if (!timer)
        return call_answer(c, -EINVAL);
    if (tracee_read(t->tid, c->args[2], &value, sizeof(value)) < 0)
        return call_answer(c, -EFAULT);
    old = timer_value(s, &timer->timer);
    error = timers_set(s, &timer->timer, timer->clock, c->args[1] & TIMER_ABSTIME, &value);
    if (error)
        return call_answer(c, error);
    timer->overrun = timer->missed = 0;
    timer->pending = false;
    arm_posix(s, t->process, timer);
    if (c->args[3] && emit_poke(s, t, c->args[3], &old, sizeof(old)) < 0)
        return call_answer(c, -EFAULT);
    return call_answer(c, 0);
}

enum call_action model_timer_gettime(struct session *s, struct task *t, struct call *c)
{
    struct posix_timer *timer = find_timer(t->process, (int)c->args[0]);
    struct itimerspec value;

    if (!timer)
        return call_answer(c, -EINVAL);
    value = timer_value(s, &timer->timer);
    return call_answer(c, emit_poke(s, t, c->args[1], &value, sizeof(value)) < 0 ? -EFAULT : 0);
}

enum call_action model_timer_getoverrun(struct session *s, struct task *t, struct call *c)
{
    struct posix_timer *timer = find_timer(t->process, (int)c->args[0]);

    (void)s;
    return call_answer(c, timer ? (int64_t)timer->overrun : -EINVAL);
}

enum call_action model_timer_delete(struct session *s, struct task *t, struct call *c)
{
    struct posix_timer **at = &t->process->timers, *timer;

    while (*at && (*at)->id != (int)c->args[0])
        at = &(*at)->next;
    timer = *at;
    if (!timer)
        return call_answer(c, -EINVAL);
    *at = timer->next;
    clock_deadline_remove(s->clock, DEADLINE_POSIX | t->process->id, timer->cookie);
    free(timer);
    return call_answer(c, 0);
}
