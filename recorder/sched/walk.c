/* Walk: uniformly random preemption. Each run draws how often it switches, per class of event, from
 * "at nearly every one" to "hardly ever"; after many preemptions the gaps grow, so that long
 * programs stay affordable. */
#include "recorder/sched/strategy.h"

#define CHANGES_PER_DOUBLING 24

/* `off` of 8: never at this class. */
static uint64_t draw_mean(struct random_stream *r, unsigned bits, uint64_t off)
{
    return random_below(r, 8) < off ? 0 : law_log_uniform(r, bits);
}

static unsigned bits_of(uint64_t length, unsigned unknown)
{
    return length ? 63 - (unsigned)__builtin_clzll(length) : unknown;
}

static void begin(struct sched *s)
{
    struct random_stream *r = stream(s, RANDOM_CHOICE);
    struct walk_state *w = &s->u.walk;
    bool wide = random_below(r, 4) == 0;

    w->mean[EVENT_TICK] = draw_mean(r, bits_of(s->length.ticks, wide ? 14 : 5), 1);
    w->mean[EVENT_ATOMIC] = draw_mean(r, bits_of(s->length.atomics, wide ? 8 : 3), 2);
    w->mean[EVENT_CALL] = draw_mean(r, bits_of(s->length.calls, wide ? 6 : 3), 4);
    w->hold = 2 * random_below(r, 4);
    w->child_first = random_below(r, 4);
    w->steady = random_below(r, 2) ? 2 * random_below(r, 3) : 0;
    if (random_below(r, 4) == 0)
        w->quiet_ticks =
            s->length.ticks ? random_below(r, s->length.ticks) : law_log_uniform(r, 17);
}

static void task_new(struct sched *s, struct sched_task *t)
{
    t->steady = random_below(stream(s, RANDOM_CHOICE), 8) < s->u.walk.steady;
}

static uint64_t mean_of(const struct sched *s, enum event_class class)
{
    uint64_t doublings = s->u.walk.changes / CHANGES_PER_DOUBLING;

    return s->u.walk.mean[class] << (doublings < 30 ? doublings : 30);
}

static bool quiet(const struct sched *s)
{
    return s->counted[EVENT_TICK] < s->u.walk.quiet_ticks;
}

static struct sched_task *newest(const struct decision *d)
{
    struct sched_task *t = d->candidates[0];

    for (size_t i = 1; i < d->count; i++) {
        if (d->candidates[i]->id > t->id)
            t = d->candidates[i];
    }
    return t;
}

static struct sched_task *choose(struct sched *s, const struct decision *d, uint64_t *ret_wait_ns)
{
    struct random_stream *r = stream(s, RANDOM_CHOICE);
    struct sched_task *current = d->current;
    bool change = d->change;

    (void)ret_wait_ns;
    if (!current)
        return law_candidate(s, d, NULL);
    if (d->reason == SCHED_NEW_TASK)
        return random_below(r, 4) < s->u.walk.child_first ? newest(d) : current;
    if (d->called && d->count > 1 && s->u.walk.mean[EVENT_CALL])
        change = true;
    if (!change)
        return current;
    s->u.walk.changes++;
    if (random_below(r, 4) < s->u.walk.hold)
        current->held = true;
    return law_candidate(s, d, current);
}

static void slice(struct sched *s, struct sched_task *t, struct sched_slice *ret)
{
    struct random_stream *r = stream(s, RANDOM_PLACE);
    uint64_t ticks = mean_of(s, EVENT_TICK), atomics = mean_of(s, EVENT_ATOMIC);
    uint64_t calls = mean_of(s, EVENT_CALL);

    if (quiet(s)) {
        ret->ticks = s->u.walk.quiet_ticks - s->counted[EVENT_TICK];
        return;
    }
    if (t->steady)
        return;
    if (t->behind_call && random_below(r, 16) < s->here_chance) {
        ret->here = true;
        law_place(r, EVENT_CALL, ret);
    } else {
        law_place(r, ticks ? EVENT_TICK : EVENT_ATOMIC, ret);
    }
    if (ticks)
        ret->ticks = law_geometric(r, ticks);
    if (atomics)
        ret->atomics = law_geometric(r, atomics);
    if (calls)
        ret->calls = 1 + law_geometric(r, calls);
}

const struct strategy strategy_walk = {
    .name = "walk",
    .begin = begin,
    .task_new = task_new,
    .choose = choose,
    .slice = slice,
    .fair_ticks = 10000,
    .fair_ticks_max = 100000,
    .fair_calls = true,
};
