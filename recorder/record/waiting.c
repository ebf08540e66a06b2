/* Waiting for a task's stop within the run's wall time. */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>

#include "recorder/record/limits.h"
#include "recorder/record/session.h"

#define GRACE_NS 2000000000ull /* beyond the timeout, which the scheduling loop enforces */

static uint64_t now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static bool hopeless(const struct session *s)
{
    return s->wall_deadline && now_ns() > s->wall_deadline + s->rewriting_ns + GRACE_NS;
}

/* One call of the kernel may fill all memory there is (MAP_POPULATE). */
static bool over_memory(struct session *s)
{
    char *headline;

    if (s->ended || !limits_over_memory(s, now_ns(), &headline))
        return false;
    session_fail(s, RECORD_VERDICT_LIMIT, "%s", headline);
    free(headline);
    return true;
}

void session_watch(struct session *s)
{
    if (s->killed || !(over_memory(s) || hopeless(s)))
        return;
    s->killed = true; /* whatever we wait for comes now, as a death */
    session_fail(s, RECORD_VERDICT_TIMEOUT, "still running after %.3f s",
                 (double)s->options->timeout_ns / 1e9);
    for (struct task *t = s->tasks; t; t = t->next)
        kill(t->tid, SIGKILL);
}

int session_wait(struct session *s, pid_t tid, struct stop *ret)
{
    for (;;) {
        int got = wait_next(tid, true, ret);

        if (got != -EINTR)
            return got;
        session_watch(s);
    }
}
