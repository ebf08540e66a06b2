/* Virtual timerfds. */
#include "recorder/record/timerfd.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/timerfd.h>

#include "recorder/record/blocking.h"
#include "recorder/record/fds.h"
#include "recorder/record/timers.h"

#define NS 1000000000ull

/* One that can be read already has no deadline: what expires from then on is counted when it is
 * asked for. A thousand timers of a microsecond each would leave time for nothing else. */
static void arm(struct session *s, struct fd_object *o)
{
    clock_deadline_remove(s->clock, DEADLINE_OBJECT | o->id, 0);
    if (o->timer.next_ns && o->expirations == 0)
        clock_deadline_add(s->clock,
                           (struct clock_deadline){o->timer.next_ns, DEADLINE_OBJECT | o->id, 0});
}

/* 1 ns from now the kernel's own timer expires; it is readable after its interrupt ran, which is
 * awaited. */
static void make_readable(struct fd_object *o)
{
    struct itimerspec soon = {.it_value = {0, 1}};

    if (o->shadow < 0 || timerfd_settime(o->shadow, 0, &soon, NULL) < 0)
        return;
    while (!blocking_is_ready(o->shadow, POLLIN))
        ;
}

void timerfd_fire(struct session *s, uint64_t id)
{
    for (struct fd_object *o = s->objects; o; o = o->next) {
        uint64_t count;

        if (o->id != id)
            continue;
        count = clock_timer_expire(&o->timer, clock_now(s->clock));
        if (count > 0 && o->expirations == 0) /* else it is readable already */
            make_readable(o);
        o->expirations += count;
        arm(s, o);
        s->state_changed = true;
    }
}

static void count_expirations(struct session *s, struct fd_object *o)
{
    if (o->expirations > 0)
        o->expirations += clock_timer_expire(&o->timer, clock_now(s->clock));
}

static void created(struct session *s, struct task *t, struct call *c)
{
    struct fd_object *o;

    if (c->result < 0)
        return;
    fds_forget(s, t->files, (int)c->result);
    o = fds_object_new(s, t, (int)c->result, FD_TIMERFD);
    if (o)
        o->clock = (clockid_t)c->args[0];
}

enum call_action model_timerfd_create(struct session *s, struct task *t, struct call *c)
{
    (void)t;
    if (!s->options->real_clock)
        c->finish = created;
    return CALL_RUN;
}

static struct itimerspec value_of(struct session *s, struct fd_object *o)
{
    uint64_t now = clock_now(s->clock), rest;

    count_expirations(s, o);
    rest = o->timer.next_ns > now ? o->timer.next_ns - now : 0;

    return (struct itimerspec){
        {(time_t)(o->timer.interval_ns / NS), (long)(o->timer.interval_ns % NS)},
        {(time_t)(rest / NS), (long)(rest % NS)}};
}

enum call_action model_timerfd_settime(struct session *s, struct task *t, struct call *c)
{
    struct fd_object *o = fds_object(t->files, (int)c->args[0]);
    struct itimerspec value, old, off = {0};
    int error;

    if (!o || fds_kind(s, t, (int)c->args[0]) != FD_TIMERFD)
        return CALL_RUN; /* not one of ours: the kernel says what is wrong */
    if (tracee_read(t->tid, c->args[2], &value, sizeof(value)) < 0)
        return call_answer(c, -EFAULT);
    old = value_of(s, o);
    error = timers_set(s, &o->timer, o->clock, c->args[1] & TFD_TIMER_ABSTIME, &value);
    if (error)
        return call_answer(c, error);
    o->expirations = 0;
    timerfd_settime(o->shadow, 0, &off, NULL);
    arm(s, o);
    if (c->args[3] && emit_poke(s, t, c->args[3], &old, sizeof(old)) < 0)
        return call_answer(c, -EFAULT);
    return call_answer(c, 0);
}

enum call_action model_timerfd_gettime(struct session *s, struct task *t, struct call *c)
{
    struct fd_object *o = fds_object(t->files, (int)c->args[0]);
    struct itimerspec value;

    if (!o || fds_kind(s, t, (int)c->args[0]) != FD_TIMERFD)
        return CALL_RUN;
    value = value_of(s, o);
    return call_answer(c, emit_poke(s, t, c->args[1], &value, sizeof(value)) < 0 ? -EFAULT : 0);
}

void timerfd_read_finished(struct session *s, struct task *t, struct call *c)
{
    struct fd_object *o = fds_object(t->files, (int)c->args[0]);

    if (!o || c->result != 8)
        return;
    count_expirations(s, o);
    tracee_write(t->tid, c->args[1], &o->expirations, 8);
    o->expirations = 0;
    arm(s, o);
}
