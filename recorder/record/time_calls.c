/* Clocks read and slept on, all virtual. */
#include <errno.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/times.h>

#include "recorder/record/timers.h"

#define NS 1000000000ull

/* Real time instead, for `clock: real` and for tests that switch the guard off. */
static int read_clock(struct session *s, struct task *t, clockid_t id, struct timespec *ret)
{
    uint64_t cpu =
        id == CLOCK_THREAD_CPUTIME_ID || (id < 0 && (id & 4)) ? t->cpu_ns : t->process->cpu_ns;

    if (s->options->real_clock || (s->options->guards_off & RECORD_GUARD_TIME))
        return clock_gettime(id, ret) < 0 ? -errno : 0;
    return clock_read(s->clock, id, cpu, ret);
}

enum call_action model_clock_gettime(struct session *s, struct task *t, struct call *c)
{
    struct timespec now;
    int error = read_clock(s, t, (clockid_t)c->args[0], &now);

    if (error)
        return call_answer(c, error);
    return call_answer(c, emit_poke(s, t, c->args[1], &now, sizeof(now)) < 0 ? -EFAULT : 0);
}

enum call_action model_clock_getres(struct session *s, struct task *t, struct call *c)
{
    struct timespec resolution;
    int error = clock_resolution((clockid_t)c->args[0], &resolution);

    if (error)
        return call_answer(c, error);
    if (c->args[1] && emit_poke(s, t, c->args[1], &resolution, sizeof(resolution)) < 0)
        return call_answer(c, -EFAULT);
    return call_answer(c, 0);
}

enum call_action model_gettimeofday(struct session *s, struct task *t, struct call *c)
{
    struct timespec now;
    struct timeval value;
    struct timezone zone = {0, 0};

    read_clock(s, t, CLOCK_REALTIME, &now);
    value = (struct timeval){now.tv_sec, now.tv_nsec / 1000};
    if ((c->args[0] && emit_poke(s, t, c->args[0], &value, sizeof(value)) < 0) ||
        (c->args[1] && emit_poke(s, t, c->args[1], &zone, sizeof(zone)) < 0))
        return call_answer(c, -EFAULT);
    return call_answer(c, 0);
}

enum call_action model_time(struct session *s, struct task *t, struct call *c)
{
    struct timespec now;
    int64_t seconds;

    read_clock(s, t, CLOCK_REALTIME, &now);
    seconds = now.tv_sec;
    if (c->args[0] && emit_poke(s, t, c->args[0], &seconds, 8) < 0)
        return call_answer(c, -EFAULT);
    return call_answer(c, seconds);
}

enum call_action model_times(struct session *s, struct task *t, struct call *c)
{
    struct tms value = {.tms_utime = (clock_t)(t->process->cpu_ns / 10000000),
                        .tms_cutime = (clock_t)(t->process->children_cpu_ns / 10000000)};

    if (c->args[0] && emit_poke(s, t, c->args[0], &value, sizeof(value)) < 0)
        return call_answer(c, -EFAULT);
    return call_answer(c, (int64_t)(clock_now(s->clock) / 10000000 + 1000000));
}

enum call_action model_getrusage(struct session *s, struct task *t, struct call *c)
{
    struct rusage value;
    uint64_t ns;

    switch ((int)c->args[0]) {
    case RUSAGE_SELF:
        ns = t->process->cpu_ns;
        break;
    case RUSAGE_CHILDREN:
        ns = t->process->children_cpu_ns;
        break;
    case RUSAGE_THREAD:
        ns = t->cpu_ns;
        break;
    default:
        return call_answer(c, -EINVAL);
    }
    memset(&value, 0, sizeof(value));
    value.ru_utime = (struct timeval){(time_t)(ns / NS), (suseconds_t)(ns % NS / 1000)};
    value.ru_maxrss = 4096;
    return call_answer(c, emit_poke(s, t, c->args[1], &value, sizeof(value)) < 0 ? -EFAULT : 0);
}

/* ---- sleeping ------------------------------------------------------------------------------ */

static void write_rest(struct session *s, struct task *t, struct call *c)
{
    uint64_t now = clock_now(s->clock), rest = c->scratch[1] > now ? c->scratch[1] - now : 0;
    struct timespec value = {(time_t)(rest / NS), (long)(rest % NS)};

    if (c->scratch[2])
        emit_poke(s, t, c->scratch[2], &value, sizeof(value));
}

static enum call_action sleep_until(struct session *s, struct task *t, struct call *c)
{
    if (c->timed_out || c->scratch[1] <= clock_now(s->clock)) {
        if (!c->retry) {
            s->reason = SCHED_YIELD;
            s->reschedule = true;
        }
        return call_answer(c, 0);
    }
    c->no_restart = true;
    c->interrupt = write_rest;
    return call_park(t, c, "sleep", c->scratch[1]);
}

enum call_action model_nanosleep(struct session *s, struct task *t, struct call *c)
{
    struct timespec wanted;

    if (!c->retry) {
        if (tracee_read(t->tid, c->args[0], &wanted, sizeof(wanted)) < 0)
            return call_answer(c, -EFAULT);
        if (wanted.tv_sec < 0 || wanted.tv_nsec < 0 || wanted.tv_nsec > 999999999)
            return call_answer(c, -EINVAL);
        c->scratch[1] = timers_after(s, &wanted);
        c->scratch[2] = c->args[1];
    }
    return sleep_until(s, t, c);
}

enum call_action model_clock_nanosleep(struct session *s, struct task *t, struct call *c)
{
    struct timespec wanted;
    bool absolute = c->args[1] & TIMER_ABSTIME;

    if (!c->retry) {
        struct timespec ignored;

        if (clock_read(s->clock, (clockid_t)c->args[0], 0, &ignored) < 0 ||
            c->args[0] == CLOCK_THREAD_CPUTIME_ID)
            return call_answer(c, -EINVAL);
        if (tracee_read(t->tid, c->args[2], &wanted, sizeof(wanted)) < 0)
            return call_answer(c, -EFAULT);
        if (wanted.tv_sec < 0 || wanted.tv_nsec < 0 || wanted.tv_nsec > 999999999)
            return call_answer(c, -EINVAL);
        if (absolute)
            clock_to_virtual(s->clock, (clockid_t)c->args[0], &wanted, &c->scratch[1]);
        else
            c->scratch[1] = timers_after(s, &wanted);
        c->scratch[2] = absolute ? 0 : c->args[3];
    }
    return sleep_until(s, t, c);
}
