/* Waiting for a task's stop within the run's wall time. */
#include <errno.h>
#include <signal.h>
#include <time.h>

#include "recorder/record/session.h"

#define GRACE_NS 2000000000ull /* beyond the timeout, which the scheduling loop enforces */

static bool hopeless(const struct session *s)
{
    struct timespec t;

    if (!s->wall_deadline)
        return false;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec >
           s->wall_deadline + s->rewriting_ns + GRACE_NS;
}

int session_wait(struct session *s, pid_t tid, struct stop *ret)
{
    for (;;) {
        int got = wait_next(tid, true, ret);

        if (got != -EINTR)
            return got;
        if (s->killed || !hopeless(s))
            continue;
        s->killed = true; /* whatever we wait for comes now, as a death */
        session_fail(s, RECORD_VERDICT_TIMEOUT, "still running after %.3f s",
                     (double)s->options->timeout_ns / 1e9);
        for (struct task *t = s->tasks; t; t = t->next)
            kill(t->tid, SIGKILL);
    }
}
