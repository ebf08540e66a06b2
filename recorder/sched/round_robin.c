/* Round robin: default D of strategies.md section 0. The current task runs until it blocks or
 * exits, then the one that has waited longest. No randomness. */
#include "recorder/sched/strategy.h"

static void begin(struct sched *s)
{
    (void)s;
}

static void task_new(struct sched *s, struct sched_task *t)
{
    (void)s;
    (void)t;
}

static struct sched_task *choose(struct sched *s, const struct decision *d, uint64_t *ret_wait_ns)
{
    struct sched_task *longest = d->candidates[0];

    (void)s;
    (void)ret_wait_ns;
    if (d->current)
        return d->current;
    for (size_t i = 1; i < d->count; i++) {
        if (d->candidates[i]->waiting_since < longest->waiting_since)
            longest = d->candidates[i];
    }
    return longest;
}

static void slice(struct sched *s, struct sched_task *t, struct sched_slice *ret)
{
    (void)s;
    (void)t;
    (void)ret;
}

const struct strategy strategy_round_robin = {
    .name = "round-robin",
    .begin = begin,
    .task_new = task_new,
    .choose = choose,
    .slice = slice,
    .fair_ticks = 50000,
    .fair_ticks_max = 400000,
};
