/* Virtual time in recording: sleeps, timers, clocks, and the calls about them. */
#ifndef RECORDER_RECORD_TIMERS_H
#define RECORDER_RECORD_TIMERS_H

#include <time.h>

#include "recorder/record/session.h"

/* Now plus a relative time, in virtual ns; saturates. */
uint64_t timers_after(struct session *s, const struct timespec *relative);
/* A timer's signal was taken from its queue: fill in the overrun count (timer_getoverrun(2)). */
void timers_signal_taken(struct process *p, siginfo_t *info);
/* Deliver every deadline that is due. */
void timers_fire(struct session *s);
/* Arm from an itimerspec; zero disarms. 0 or -EINVAL. */
int timers_set(struct session *s, struct clock_timer *timer, clockid_t clock, bool absolute,
               const struct itimerspec *value);
/* clock: real. */
void timers_sleep_until(struct session *s, uint64_t virtual_ns);

enum call_action model_clock_gettime(struct session *s, struct task *t, struct call *c);
enum call_action model_clock_getres(struct session *s, struct task *t, struct call *c);
enum call_action model_gettimeofday(struct session *s, struct task *t, struct call *c);
enum call_action model_time(struct session *s, struct task *t, struct call *c);
enum call_action model_times(struct session *s, struct task *t, struct call *c);
enum call_action model_getrusage(struct session *s, struct task *t, struct call *c);
enum call_action model_nanosleep(struct session *s, struct task *t, struct call *c);
enum call_action model_clock_nanosleep(struct session *s, struct task *t, struct call *c);
enum call_action model_alarm(struct session *s, struct task *t, struct call *c);
enum call_action model_setitimer(struct session *s, struct task *t, struct call *c);
enum call_action model_getitimer(struct session *s, struct task *t, struct call *c);
enum call_action model_timer_create(struct session *s, struct task *t, struct call *c);
enum call_action model_timer_settime(struct session *s, struct task *t, struct call *c);
enum call_action model_timer_gettime(struct session *s, struct task *t, struct call *c);
enum call_action model_timer_getoverrun(struct session *s, struct task *t, struct call *c);
enum call_action model_timer_delete(struct session *s, struct task *t, struct call *c);

/* Owners of deadlines: task ids are small numbers; others carry a tag. */
#define DEADLINE_PROCESS (1ull << 60)
#define DEADLINE_POSIX (1ull << 61)
#define DEADLINE_OBJECT (1ull << 62)

struct posix_timer {
    int id;
    clockid_t clock;
    int notify, signal;
    uint64_t value; /* sigev_value */
    pid_t target;   /* SIGEV_THREAD_ID */
    struct clock_timer timer;
    bool pending;     /* its signal is queued: further expiries are overruns */
    uint64_t missed;  /* while pending */
    uint64_t overrun; /* of the last delivery */
    uint64_t cookie;  /* of its deadline: unique in the process */
    struct posix_timer *next;
};

#endif
