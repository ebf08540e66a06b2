/* Points: few preemptions under strict random priorities, after PCT (strategies.md 2.3). A change
 * point lies at a place of one task's own life (near its start more often than far from it, so that
 * no length need be known) or, when the length is known, uniformly over the run. The task that
 * reaches one falls below all others. */
#include "recorder/sched/strategy.h"

#define CALL_REACH 6 /* log2 of how far local points lie, at most */
#define ATOMIC_REACH 9
#define OWN_TRIES 24 /* each costs a stop and up to some hundred single steps */

static enum event_class draw_class(struct random_stream *r)
{
    uint64_t draw = random_below(r, 16);

    return draw < 8 ? EVENT_TICK : draw < 13 ? EVENT_ATOMIC : EVENT_CALL;
}

/* Value of the counter that a local point refers to. */
static uint64_t position(const struct sched_task *t, unsigned class)
{
    if (class == EVENT_OWN)
        return 0;
    if (class != EVENT_ANY)
        return t->counted[class];
    return t->counted[EVENT_TICK] + t->counted[EVENT_ATOMIC] + t->counted[EVENT_CALL];
}

static void draw_point(struct sched *s, struct sched_task *t, bool first)
{
    struct random_stream *r = stream(s, RANDOM_PLACE);
    const struct points_state *p = &s->u.points;
    unsigned class = draw_class(r), reach = p->reach;
    uint64_t distance, kind = random_below(r, 8);

    if (kind < p->own)
        class = EVENT_OWN;
    else if (kind < p->own + p->any)
        class = EVENT_ANY;
    if (class == EVENT_CALL && reach > CALL_REACH)
        reach = CALL_REACH;
    if (class == EVENT_ATOMIC && reach > ATOMIC_REACH)
        reach = ATOMIC_REACH;
    if (class == EVENT_OWN)
        distance = random_below(r, 1ull << random_below(r, 4));
    else if (class == EVENT_ANY)
        distance = random_below(r, p->any_reach);
    else if (first && random_below(r, 3) == 0)
        distance = 0;
    else if (first && random_below(r, 2) == 0)
        distance = random_below(r, 4);
    else
        distance = law_log_uniform(r, reach) - 1;
    t->change_class = class;
    t->change_at = position(t, class) + distance;
    t->change_here = false;
    t->tries = 0;
}

static void draw_global_points(struct sched *s, struct random_stream *r)
{
    struct points_state *p = &s->u.points;
    const uint64_t length[EVENT_CLASS_COUNT] = {s->length.ticks, s->length.atomics,
                                                s->length.calls};

    p->global_count = 1 + random_below(r, 3);
    for (size_t i = 0; i < p->global_count; i++) {
        enum event_class class = draw_class(r);

        if (length[class] == 0)
            class = EVENT_TICK;
        p->global_class[i] = class;
        p->global[i] = length[class] ? random_below(r, length[class]) : SCHED_UNLIMITED;
    }
}

static void begin(struct sched *s)
{
    struct random_stream *r = stream(s, RANDOM_CHOICE);
    struct points_state *p = &s->u.points;
    bool known = s->length.ticks || s->length.atomics || s->length.calls;

    if (known && random_below(r, 2) == 0) {
        draw_global_points(s, r);
        return;
    }
    p->own = random_below(r, 2) ? random_below(r, 9) : 0;
    p->any = random_below(r, 9 - p->own);
    p->any_reach = 2ull << random_below(r, 4);
    p->chance = 3 + random_below(r, 5);
    p->again = 3 + random_below(r, 5);
    p->reach = 2 + (unsigned)random_below(r, random_below(r, 4) == 0 ? 16 : 7);
}

static void task_new(struct sched *s, struct sched_task *t)
{
    struct random_stream *r = stream(s, RANDOM_CHOICE);

    t->rank = 1 + (int64_t)(random_u64(r) >> 2);
    if (s->u.points.global_count == 0 && random_below(r, 8) < s->u.points.chance)
        draw_point(s, t, true);
}

static void demote(struct sched *s, struct sched_task *t)
{
    t->rank = --s->u.points.lowest;
    t->change_at = SCHED_UNLIMITED;
    if (s->u.points.global_count == 0 &&
        random_below(stream(s, RANDOM_CHOICE), 8) < s->u.points.again)
        draw_point(s, t, false);
}

/* Take a global point that the run has reached. */
static bool global_reached(struct sched *s, enum event_class class)
{
    struct points_state *p = &s->u.points;

    for (size_t i = 0; i < p->global_count; i++) {
        if (p->global_class[i] != class || p->global[i] == SCHED_UNLIMITED ||
            s->counted[class] < p->global[i])
            continue;
        p->global[i] = SCHED_UNLIMITED;
        return true;
    }
    return false;
}

/* The task stands behind a slice's end, or behind a call, and seeks its own code. */
static bool own_reached(struct sched_task *t, const struct decision *d)
{
    t->change_here = false;
    if (d->reason == SCHED_SLICE_END)
        return t->change_at-- == 0;
    t->change_here = !d->trapped;
    if (++t->tries == OWN_TRIES)
        t->change_at = SCHED_UNLIMITED;
    return false;
}

static bool any_reached(struct sched *s, struct sched_task *t)
{
    if (position(t, EVENT_ANY) <= t->change_at)
        return false;
    if (t->change_here || random_below(stream(s, RANDOM_PLACE), 2) == 0)
        return true;
    t->change_here = true;
    return false;
}

/* Has the current task come to a change point? May end its slice, to walk on from here. */
static bool reached(struct sched *s, const struct decision *d)
{
    struct sched_task *t = d->current;
    bool local = t->change_at != SCHED_UNLIMITED, found = false;

    if (d->trapped && !d->change)
        return false;
    if (!d->trapped)
        s->slice.task = 0;
    if (local && t->change_class == EVENT_OWN)
        found = own_reached(t, d);
    else if (local && d->trapped)
        found =
            t->change_class != EVENT_ANY || t->change_here || position(t, EVENT_ANY) > t->change_at;
    else if (local && t->change_class == EVENT_ANY)
        found = any_reached(s, t);
    else if (local && t->change_class == EVENT_CALL)
        found = t->counted[EVENT_CALL] >= t->change_at;
    if (!d->trapped)
        return global_reached(s, EVENT_CALL) || found;
    return global_reached(s, EVENT_TICK) || global_reached(s, EVENT_ATOMIC) || found;
}

static struct sched_task *choose(struct sched *s, const struct decision *d, uint64_t *ret_wait_ns)
{
    struct sched_task *best;

    (void)ret_wait_ns;
    if (d->current && reached(s, d))
        demote(s, d->current);
    best = d->candidates[0];
    for (size_t i = 1; i < d->count; i++) {
        if (d->candidates[i]->rank > best->rank)
            best = d->candidates[i];
    }
    return best;
}

static void limit(struct sched_slice *slice, enum event_class class, uint64_t left)
{
    if (class == EVENT_TICK && left < slice->ticks)
        slice->ticks = left;
    else if (class == EVENT_ATOMIC && left < slice->atomics)
        slice->atomics = left;
    else if (class == EVENT_CALL && left < slice->calls)
        slice->calls = left ? left : 1;
}

static void slice(struct sched *s, struct sched_task *t, struct sched_slice *ret)
{
    struct random_stream *r = stream(s, RANDOM_PLACE);
    const struct points_state *p = &s->u.points;
    uint64_t done = position(t, t->change_class);
    uint64_t left = t->change_at > done ? t->change_at - done : 0;
    bool local = t->change_at != SCHED_UNLIMITED;

    for (size_t i = 0; i < p->global_count; i++) {
        uint64_t at = p->global[i], passed = s->counted[p->global_class[i]];

        if (at != SCHED_UNLIMITED)
            limit(ret, p->global_class[i], at > passed ? at - passed : 0);
    }
    if (local && (t->change_class == EVENT_ANY || t->change_class == EVENT_OWN)) {
        ret->ticks = ret->atomics = 0;
        ret->calls = 1;
        ret->here = t->change_here;
        if (left == 0 || t->change_class == EVENT_OWN)
            law_place(r, t->change_here ? EVENT_CALL : EVENT_TICK, ret);
        if (t->change_class == EVENT_OWN)
            law_own_place(r, ret);
        return;
    }
    if (local)
        limit(ret, (enum event_class)t->change_class, left);
    law_place(r, ret->atomics == UINT64_MAX ? EVENT_TICK : EVENT_ATOMIC, ret);
}

const struct strategy strategy_points = {
    .name = "points",
    .begin = begin,
    .task_new = task_new,
    .choose = choose,
    .slice = slice,
    .fair_ticks = 10000,
    .fair_ticks_max = 100000,
    .fair_calls = true,
};
