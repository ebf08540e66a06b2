/* The scheduler's frame: tasks, fairness, what is left of a slice, counting, digest. Which task and
 * how far is the strategy's row alone. */
#include "recorder/sched/strategy.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define FAIR_CALLS 1000 /* calls in a row, without blocking, while others wait */

static const struct strategy *const rows[] = {
    [SCHED_ROUND_ROBIN] = &strategy_round_robin,
    [SCHED_RANDOM] = &strategy_random,
};
_Static_assert(sizeof(rows) / sizeof(rows[0]) == SCHED_STRATEGY_COUNT, "a row per strategy");

const char *sched_strategy_name(enum sched_strategy strategy)
{
    return rows[strategy]->name;
}

int sched_strategy_by_name(const char *name)
{
    for (int i = 0; i < SCHED_STRATEGY_COUNT; i++) {
        if (strcmp(rows[i]->name, name) == 0)
            return i;
    }
    return -1;
}

struct sched *sched_new(enum sched_strategy strategy, uint64_t seed,
                        const struct sched_length *length)
{
    struct sched *s = calloc(1, sizeof(*s));

    if (!s)
        abort();
    s->row = rows[strategy];
    if (length)
        s->length = *length;
    for (int i = 0; i < RANDOM_PURPOSE_COUNT; i++)
        random_init(&s->random[i], seed, (enum random_purpose)i);
    s->row->begin(s);
    return s;
}

void sched_free(struct sched *s)
{
    if (!s)
        return;
    free(s->tasks);
    free(s->candidates);
    free(s);
}

/* Live tasks are few and decisions mostly concern the last ones; ids ascend in order of creation.
 */
static struct sched_task *find(struct sched *s, uint32_t id)
{
    size_t low = 0, high = s->task_count;

    while (low < high) {
        size_t middle = (low + high) / 2;

        if (s->tasks[middle].id < id)
            low = middle + 1;
        else
            high = middle;
    }
    return low < s->task_count && s->tasks[low].id == id ? &s->tasks[low] : NULL;
}

void sched_task_new(struct sched *s, uint32_t task, uint32_t parent)
{
    struct sched_task *t;
    size_t at = s->task_count;

    assert(task != 0 && !find(s, task));
    if (s->task_count == s->task_capacity) {
        s->task_capacity = s->task_capacity ? 2 * s->task_capacity : 16;
        s->tasks = realloc(s->tasks, s->task_capacity * sizeof(*s->tasks));
        s->candidates = realloc(s->candidates, s->task_capacity * sizeof(struct sched_task *));
        if (!s->tasks || !s->candidates)
            abort();
    }
    while (at > 0 && s->tasks[at - 1].id > task)
        at--;
    memmove(&s->tasks[at + 1], &s->tasks[at], (s->task_count - at) * sizeof(*s->tasks));
    s->task_count++;
    t = &s->tasks[at];
    *t = (struct sched_task){
        .id = task, .parent = parent, .behind_call = true, .change_at = SCHED_UNLIMITED};
    t->waiting_since = s->order++;
    s->row->task_new(s, t);
}

void sched_task_exit(struct sched *s, uint32_t task)
{
    struct sched_task *t = find(s, task);

    if (!t)
        return;
    if (s->slice.task == task)
        s->slice.task = 0;
    s->task_count--;
    memmove(t, t + 1, (size_t)(&s->tasks[s->task_count] - t) * sizeof(*t));
}

static void mark_runnable(struct sched *s, const uint32_t *runnable, size_t count)
{
    uint64_t decision = ++s->decisions;

    for (size_t i = 0; i < count; i++) {
        struct sched_task *t = find(s, runnable[i]);

        assert(t);
        if (t->seen != decision - 1)
            t->waiting_since = s->order++; /* was not runnable at the last decision */
        t->seen = decision;
    }
}

static void digest(struct sched *s, uint64_t value)
{
    s->digest = (s->digest ^ value) * 0x9e3779b97f4a7c15ull;
    s->digest ^= s->digest >> 29;
}

static void penalise(struct sched_task *t)
{
    t->penalised = true;
    t->due = false;
    t->quiet_ticks = 0;
    t->turn_calls = 0;
}

/* Who makes calls is made to wait behind one. Others that want the lock under which it computes
 * find it free there if anywhere (a Python thread that polls lets go of the interpreter for the
 * call alone), and may never do so at an instruction that a counter chose. */
static void limit_reached(struct sched *s, struct sched_task *t)
{
    if (s->slice.calls && !t->due) {
        t->due = true;
        s->slice.task = 0;
        return;
    }
    t->turns++;
    penalise(t);
}

static void count_call(struct sched *s, struct sched_task *t, uint64_t calls)
{
    t->total[EVENT_CALL] += calls;
    t->turn_calls += calls;
    t->quiet_ticks = 0;
    t->turns = 0;
    t->behind_call = true;
    if (s->slice.task == t->id) {
        uint64_t *left = &s->slice.left.calls;

        s->slice.calls = true;
        if (*left != SCHED_UNLIMITED)
            *left -= calls < *left ? calls : *left;
    }
    if (s->choice) {
        t->counted[EVENT_CALL] += calls;
        s->counted[EVENT_CALL] += calls;
        s->learned.calls += calls;
    }
}

/* What the reason says about the current task. *ret_called as in struct decision. True: the
 * strategy's own limit was reached. */
static bool settle(struct sched *s, enum sched_reason reason, struct sched_task *current,
                   bool *ret_called)
{
    bool trapped = reason == SCHED_SLICE_END || reason == SCHED_MISSED, change = false;

    *ret_called = false;
    if (!current)
        return false;
    if (!trapped && reason != SCHED_EXITED && !s->calls_reported && !s->waited)
        count_call(s, current, 1);
    if (!trapped && s->slice.task == current->id) {
        *ret_called = s->slice.left.calls == 0;
        if (*ret_called || s->slice.left.here)
            s->slice.task = 0; /* in the latter case the walk met a system call */
    }
    switch (reason) {
    case SCHED_SLICE_END:
    case SCHED_MISSED:
        if (s->slice.task != current->id)
            break;
        /* A slice that the recorder cut short goes on. */
        change = s->slice.left.ticks == 0 || s->slice.left.atomics == 0 || s->slice.left.here;
        if (s->slice.fairness && s->slice.left.ticks == 0) {
            change = s->slice.left.atomics == 0;
            limit_reached(s, current);
        }
        if (s->slice.left.here)
            current->behind_call = false;
        if (change || current->penalised)
            s->slice.task = 0;
        break;
    case SCHED_YIELD:
        penalise(current);
        break;
    case SCHED_BLOCKED:
        current->penalised = current->held = current->due = false;
        current->turn_calls = 0;
        break;
    default:
        if (current->turn_calls >= FAIR_CALLS || current->due)
            penalise(current);
        break;
    }
    return change;
}

/* Who may be chosen. While a task spins, the others must get on whatever the strategy does with
 * them: a penalty ends only when all others that can run are penalised, too, and holding ends
 * before that. The task that has just been penalised comes last of all. */
static size_t collect(struct sched *s, const uint32_t *runnable, size_t count, uint32_t current)
{
    for (int round = 0;; round++) {
        size_t n = 0;

        for (size_t i = 0; i < count; i++) {
            struct sched_task *t = find(s, runnable[i]);

            if (round >= 1 && !t->penalised)
                t->held = false;
            if (round == 3 || (round == 2 && t->id != current))
                t->penalised = t->held = false;
            if (!t->penalised && !t->held)
                s->candidates[n++] = t;
        }
        if (n > 0)
            return n;
    }
}

static void switch_to(struct sched *s, struct sched_task *t)
{
    struct sched_task *old = find(s, s->running);

    if (s->running == t->id)
        return;
    if (old) {
        old->waiting_since = s->order++;
        old->turn_calls = 0;
        old->due = false;
        digest(s, old->total[EVENT_TICK]);
        digest(s, old->total[EVENT_ATOMIC]);
        digest(s, old->total[EVENT_CALL]);
    }
    digest(s, (uint64_t)s->running << 32 | t->id);
    if (s->slice.task != t->id)
        s->slice.task = 0;
    s->running = t->id;
}

uint32_t sched_choose(struct sched *s, enum sched_reason reason, const uint32_t *runnable,
                      size_t count, uint32_t current, uint64_t now_ns, uint64_t *ret_wait_ns)
{
    struct sched_task *now = find(s, current), *chosen;
    struct decision d = {.reason = reason, .now_ns = now_ns};

    assert(count > 0);
    s->learned.virtual_ns = now_ns;
    mark_runnable(s, runnable, count);
    d.trapped = reason == SCHED_SLICE_END || reason == SCHED_MISSED;
    d.change = settle(s, reason, now, &d.called);
    s->choice = count > 1;
    d.count = collect(s, runnable, count, current);
    d.candidates = s->candidates;
    d.current = now && now->seen == s->decisions && !now->penalised && !now->held ? now : NULL;
    *ret_wait_ns = 0;
    chosen = s->row->choose(s, &d, ret_wait_ns);
    s->waited = !chosen;
    if (!chosen) {
        digest(s, *ret_wait_ns);
        return 0;
    }
    switch_to(s, chosen);
    return chosen->id;
}

static uint64_t fair_ticks(const struct sched *s, const struct sched_task *t)
{
    uint64_t limit = s->row->fair_ticks;

    for (uint64_t i = 0; i < t->turns && limit < s->row->fair_ticks_max; i++)
        limit *= 2;
    return limit;
}

/* Walks into the program's own code are up to 300 single steps of 20 to 40 us each: a run gets so
 * many, and then few. Behind that any place will do. */
#define OWN_WALKS 64
#define OWN_WALKS_LATER 16 /* one of so many */

static void spare_walks(struct sched *s, struct sched_slice *slice)
{
    if (slice->own && ++s->own_walks > OWN_WALKS && s->own_walks % OWN_WALKS_LATER != 0)
        slice->own = false;
}

static void limit_calls(const struct sched *s, const struct sched_task *t,
                        struct sched_slice *slice)
{
    uint64_t fair = t->turn_calls < FAIR_CALLS ? FAIR_CALLS - t->turn_calls : 1;

    if (t->due)
        fair = 1;
    else if (!s->row->fair_calls)
        return;
    if (slice->calls > fair)
        slice->calls = fair;
}

struct sched_slice sched_slice(struct sched *s, uint32_t task, size_t others_runnable)
{
    struct sched_task *t = find(s, task);
    bool alone = others_runnable == 0;
    uint64_t fair;

    if (s->slice.task == task && s->slice.alone == alone)
        return s->slice.left;
    s->slice.task = task;
    s->slice.alone = alone;
    s->slice.fairness = s->slice.calls = false;
    s->slice.left = (struct sched_slice){
        .ticks = SLICE_TICKS_MAX, .atomics = UINT64_MAX, .calls = SCHED_UNLIMITED};
    if (alone || !t)
        return s->slice.left;
    s->row->slice(s, t, &s->slice.left);
    spare_walks(s, &s->slice.left);
    limit_calls(s, t, &s->slice.left);
    fair = fair_ticks(s, t);
    fair = fair > t->quiet_ticks ? fair - t->quiet_ticks : 1;
    if (s->slice.left.ticks >= fair) {
        s->slice.left.ticks = fair;
        s->slice.fairness = true;
        if (s->slice.left.atomics == UINT64_MAX)
            s->slice.left.steps = s->slice.left.accesses = s->slice.left.own =
                0; /* no place is meant */
    }
    digest(s, (uint64_t)s->slice.left.accesses << 32 | s->slice.left.steps);
    return s->slice.left;
}

void sched_ran(struct sched *s, uint32_t task, uint64_t ticks, uint64_t atomics, uint64_t calls)
{
    struct sched_task *t = find(s, task);

    if (!t)
        return;
    t->quiet_ticks += ticks;
    t->total[EVENT_TICK] += ticks;
    t->total[EVENT_ATOMIC] += atomics;
    if (ticks || atomics)
        t->behind_call = false;
    if (s->choice) {
        t->counted[EVENT_TICK] += ticks;
        t->counted[EVENT_ATOMIC] += atomics;
        s->counted[EVENT_TICK] += ticks;
        s->counted[EVENT_ATOMIC] += atomics;
        s->learned.ticks += ticks;
        s->learned.atomics += atomics;
    }
    if (calls) {
        s->calls_reported = true;
        count_call(s, t, calls);
    }
    if (s->slice.task == task) {
        struct sched_slice *left = &s->slice.left;

        left->ticks -= ticks < left->ticks ? ticks : left->ticks;
        if (left->atomics != UINT64_MAX)
            left->atomics -= atomics < left->atomics ? atomics : left->atomics;
    }
}

size_t sched_pick_waiter(struct sched *s, size_t count)
{
    if (!s->random_wake || count < 2)
        return 0;
    return random_below(stream(s, RANDOM_WAKE), count);
}

void sched_learned(const struct sched *s, struct sched_length *ret)
{
    *ret = s->learned;
}

uint64_t sched_digest(const struct sched *s)
{
    return s->digest;
}
