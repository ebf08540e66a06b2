/* The random strategy: draws one flavour per run, and owns the laws that all flavours draw from. */
#include "recorder/sched/strategy.h"

uint64_t law_log_uniform(struct random_stream *r, unsigned bits)
{
    uint64_t base = 1ull << random_below(r, bits + 1);

    return base + random_below(r, base);
}

/* -ln(u) for u = (x + 1/2) / 2^64, by bits of x: log2 of the mantissa is approximated by a parabola
 * (error below 0.01), so that no libm's rounding is part of a schedule. */
static double minus_log(uint64_t x)
{
    int zeros = __builtin_clzll(x | 1);
    double f = (double)(x << zeros >> 11) * 0x1.0p-52 - 1.0;

    return 0.6931471805599453 * ((double)zeros + 1.0 - f * (1.3465553 - 0.3465553 * f));
}

uint64_t law_geometric(struct random_stream *r, uint64_t mean)
{
    double value = minus_log(random_u64(r)) * (double)mean;

    return value > 1e18 ? (uint64_t)1e18 : (uint64_t)value;
}

#define WALK_MAX 64 /* instructions, on the way to an access */

void law_place(struct random_stream *r, enum event_class class, struct sched_slice *slice)
{
    uint64_t what = random_below(r, 16);

    slice->accesses = 0;
    slice->own = false;
    if (class != EVENT_CALL && what < 2) {
        slice->steps = 0;
    } else if (class == EVENT_ATOMIC && what < 7) {
        slice->steps = what < 4 ? 0 : 1; /* behind it is as good a place as before it */
    } else if (what < 11) {              /* between the accesses: a race's window lies there */
        slice->steps = WALK_MAX;
        slice->accesses = 1 + (uint32_t)random_below(r, 2ull << random_below(r, 3));
        slice->own = random_below(r, 4) != 0;
    } else {
        slice->steps = 1 + (uint32_t)random_below(r, 4ull << random_below(r, 4));
        slice->own = random_below(r, 2);
    }
}

void law_own_place(struct random_stream *r, struct sched_slice *slice)
{
    bool by_access = random_below(r, 4) != 0;

    slice->own = true;
    slice->accesses = by_access ? 1 + (uint32_t)random_below(r, 2ull << random_below(r, 3)) : 0;
    slice->steps = by_access ? WALK_MAX : (uint32_t)random_below(r, 16);
}

struct sched_task *law_candidate(struct sched *s, const struct decision *d,
                                 const struct sched_task *except)
{
    struct random_stream *r = stream(s, RANDOM_CHOICE);
    size_t at;

    if (d->count == 1)
        return d->candidates[0];
    at = random_below(r, d->count);
    if (d->candidates[at] == except) /* uniform over the others */
        at = (at + 1 + random_below(r, d->count - 1)) % d->count;
    return d->candidates[at];
}

static void begin(struct sched *s)
{
    static const struct {
        const struct strategy *flavour;
        uint64_t weight;
    } flavours[] = {{&strategy_chaos, 2}, {&strategy_walk, 6}, {&strategy_points, 8}};
    struct random_stream *r = stream(s, RANDOM_CHOICE);
    uint64_t draw = random_below(r, 16);
    size_t i = 0;

    while (draw >= flavours[i].weight)
        draw -= flavours[i++].weight;
    s->row = flavours[i].flavour;
    s->random_wake = random_below(r, 4) != 0;
    s->here_chance = random_below(r, 2) ? random_below(r, 9) : 0;
    s->row->begin(s);
}

const struct strategy strategy_random = {.name = "random", .begin = begin};
