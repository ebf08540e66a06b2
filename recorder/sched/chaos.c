/* Chaos: rr's scheduler (strategies.md 2.2), with its times scaled to the test's length. Three
 * strict classes of priority, random slices, intervals in which only the high class runs. */
#include "recorder/sched/clock.h"
#include "recorder/sched/strategy.h"

#define MS 1000000ull
#define UNKNOWN_SPAN_BITS 12 /* 100 us .. 0.8 s */
#define UNKNOWN_SPAN_UNIT 100000ull

static enum chaos_priority draw_priority(struct sched *s, const struct sched_task *t)
{
    struct random_stream *r = stream(s, RANDOM_CHOICE);

    if (random_below(r, 10) < (t->parent == 0 ? 7 : 9))
        return CHAOS_HIGH;
    return random_below(r, 5) == 0 ? CHAOS_MEDIUM : CHAOS_LOW;
}

static uint64_t draw_interval(struct sched *s)
{
    struct random_stream *r = stream(s, RANDOM_CHOICE);
    uint64_t power = random_below(r, 12);
    uint64_t scaled = s->u.chaos.span_ns >> power;

    if (s->u.chaos.absolute)
        return MS << power;
    return scaled ? scaled : 1;
}

static void begin(struct sched *s)
{
    struct random_stream *r = stream(s, RANDOM_CHOICE);
    struct chaos_state *c = &s->u.chaos;

    c->ticks = s->length.ticks ? s->length.ticks : 4 * law_log_uniform(r, 12);
    c->atomics = s->length.atomics ? s->length.atomics : 2 * law_log_uniform(r, 8);
    c->span_ns = s->length.virtual_ns ? s->length.virtual_ns
                                      : UNKNOWN_SPAN_UNIT * law_log_uniform(r, UNKNOWN_SPAN_BITS);
    c->absolute = random_below(r, 4) == 0;
    c->redraw_at = random_below(r, 2 * c->span_ns + 1);
    c->interval_ns = draw_interval(s);
    c->interval_start = random_below(r, 4) == 0 ? 0 : random_below(r, 4 * c->interval_ns + 1);
    c->interval_redraw_at = c->absolute ? 10240 * MS : 5 * c->span_ns;
}

static void task_new(struct sched *s, struct sched_task *t)
{
    t->priority = draw_priority(s, t);
}

/* The end of the high-only interval that is on at `now`; 0: none is on. */
static uint64_t interval_end(struct sched *s, uint64_t now)
{
    struct chaos_state *c = &s->u.chaos;
    uint64_t phase;

    if (now >= c->interval_redraw_at) {
        c->interval_redraw_at = now + (c->absolute ? 10240 * MS : 5 * c->span_ns);
        c->interval_ns = draw_interval(s);
        c->interval_start = now;
    }
    if (now < c->interval_start)
        return 0;
    phase = (now - c->interval_start) % (5 * c->interval_ns);
    return phase < c->interval_ns ? now - phase + c->interval_ns : 0;
}

static void redraw(struct sched *s, uint64_t now)
{
    struct chaos_state *c = &s->u.chaos;

    if (now < c->redraw_at)
        return;
    for (size_t i = 0; i < s->task_count; i++)
        s->tasks[i].priority = draw_priority(s, &s->tasks[i]);
    c->redraw_at = now + 1 + random_below(stream(s, RANDOM_CHOICE), 2 * c->span_ns + 1);
}

static struct sched_task *choose(struct sched *s, const struct decision *d, uint64_t *ret_wait_ns)
{
    struct sched_task *current = d->current, *running;
    enum chaos_priority best = CHAOS_LOW;
    struct decision within = *d;
    uint64_t end;

    redraw(s, d->now_ns);
    for (size_t i = 0; i < s->task_count; i++) { /* MEDIUM ends when it first stops running */
        running = &s->tasks[i];
        if (running->id == s->running && running != current && running->priority == CHAOS_MEDIUM)
            running->priority = CHAOS_LOW;
    }
    for (size_t i = 0; i < d->count; i++) {
        if (d->candidates[i]->priority < best)
            best = d->candidates[i]->priority;
    }
    end = interval_end(s, d->now_ns);
    if (best == CHAOS_LOW && end > d->now_ns) {
        *ret_wait_ns = end - d->now_ns;
        return NULL;
    }
    if (current && current->priority == best && !d->change && d->reason != SCHED_NEW_TASK)
        return current;
    within.count = 0;
    for (size_t i = 0; i < d->count; i++) {
        if (d->candidates[i]->priority == best)
            within.candidates[within.count++] = d->candidates[i];
    }
    return law_candidate(s, &within, NULL);
}

static uint64_t draw_slice(struct random_stream *r, uint64_t length)
{
    uint64_t share = random_below(r, 10);
    uint64_t bound = share == 0 ? length / 1000 : share == 1 ? length / 50 : length;

    return random_below(r, bound + 1);
}

/* When priorities or intervals change next, as far as it is known now. */
static uint64_t next_change(const struct chaos_state *c, uint64_t now)
{
    uint64_t at = c->interval_start, phase;

    if (now >= c->interval_start) {
        phase = (now - c->interval_start) % (5 * c->interval_ns);
        at = now - phase + (phase < c->interval_ns ? c->interval_ns : 5 * c->interval_ns);
    }
    at = at < c->interval_redraw_at ? at : c->interval_redraw_at;
    return at < c->redraw_at ? at : c->redraw_at;
}

static void slice(struct sched *s, struct sched_task *t, struct sched_slice *ret)
{
    struct random_stream *r = stream(s, RANDOM_PLACE);
    uint64_t now = s->learned.virtual_ns, change = next_change(&s->u.chaos, now);

    (void)t;
    ret->calls = 1 + (change > now ? (change - now) / CLOCK_NS_PER_CALL : 0);
    if (random_below(r, 3) == 0) {
        ret->atomics = draw_slice(r, s->u.chaos.atomics);
        law_place(r, EVENT_ATOMIC, ret);
    } else {
        ret->ticks = draw_slice(r, s->u.chaos.ticks);
        law_place(r, EVENT_TICK, ret);
    }
}

const struct strategy strategy_chaos = {
    .name = "chaos",
    .begin = begin,
    .task_new = task_new,
    .choose = choose,
    .slice = slice,
    .fair_ticks = 10000,
    .fair_ticks_max = 100000,
    .fair_calls = true,
};
