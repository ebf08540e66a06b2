/* The simulated machine; see simulator.h. */
#include "recorder/sched/tests/simulator.h"

#include <assert.h>
#include <string.h>

#define NS_PER_POINT 4
#define NS_PER_CALL 400
#define WALK_LIMIT 300
#define STEPS_MAX 20000000ull

enum state { STATE_READY, STATE_BLOCKED, STATE_SLEEPING, STATE_EXITED };

struct machine_task {
    enum state state;
    const struct op *code;
    int ip;
    int nops;     /* of the OP_NOP under way */
    bool counted; /* the point at ip has been passed already */
    bool woken;   /* a wait at ip is over */
    int64_t r[SIMULATOR_REGISTERS];
    int waits_on; /* word; -1: not */
    int joins;    /* task; 0: not */
    uint64_t wakes_at;
    uint64_t ready_since; /* points passed in all when it last ran or became ready */
};

struct machine {
    const struct program *program;
    struct sched *sched;
    struct machine_task task[SIMULATOR_TASKS + 1]; /* by task id, from 1 */
    uint32_t count;
    int64_t m[SIMULATOR_WORDS];
    uint64_t now;
    struct sched_slice slice;
    bool trapped; /* a counter ran out in this slice */
    enum sched_reason reason;
    bool decide;
    struct simulation *result;
};

static void create(struct machine *machine, int program, uint32_t parent)
{
    struct machine_task *t;

    assert(machine->count < SIMULATOR_TASKS);
    t = &machine->task[++machine->count];
    *t = (struct machine_task){.code = machine->program->code[program], .waits_on = -1};
    t->ready_since = machine->result->points;
    sched_task_new(machine->sched, machine->count, parent);
}

static void call(struct machine *machine, enum sched_reason reason)
{
    machine->now += NS_PER_CALL;
    machine->reason = reason;
    machine->decide = true;
}

static void block(struct machine *machine, struct machine_task *t, enum state state)
{
    t->state = state;
    call(machine, SCHED_BLOCKED);
}

static void wake(struct machine *machine, struct machine_task *t)
{
    t->state = STATE_READY;
    t->woken = true;
    t->waits_on = -1;
    t->ready_since = machine->result->points;
}

/* Wake one waiter on a word, the scheduler's choice. */
static bool wake_one(struct machine *machine, int word)
{
    struct machine_task *waiters[SIMULATOR_TASKS];
    size_t n = 0;

    for (uint32_t i = 1; i <= machine->count; i++) {
        if (machine->task[i].state == STATE_BLOCKED && machine->task[i].waits_on == word)
            waiters[n++] = &machine->task[i];
    }
    if (n == 0)
        return false;
    wake(machine, waiters[sched_pick_waiter(machine->sched, n)]);
    return true;
}

static void task_exit(struct machine *machine, uint32_t id)
{
    machine->task[id].state = STATE_EXITED;
    for (uint32_t i = 1; i <= machine->count; i++) {
        if (machine->task[i].state == STATE_BLOCKED && machine->task[i].joins == (int)id) {
            machine->task[i].joins = 0;
            wake(machine, &machine->task[i]);
        }
    }
    sched_task_exit(machine->sched, id);
    call(machine, SCHED_EXITED);
}

/* A point: counts down its class; true: trapped, the point's own instruction is still to come. */
static bool point(struct machine *machine, struct machine_task *t, uint32_t id, bool atomic)
{
    uint64_t *left = atomic ? &machine->slice.atomics : &machine->slice.ticks;

    if (t->counted)
        return false;
    t->counted = true;
    machine->now += NS_PER_POINT;
    machine->result->points++;
    sched_ran(machine->sched, id, !atomic, atomic, 0);
    if (machine->trapped)
        return false; /* walking */
    if (*left != UINT64_MAX && (*left)-- == 0) {
        *left = UINT64_MAX;
        return true;
    }
    return false;
}

static bool is_tick(enum op_kind kind)
{
    return kind == OP_TICK || kind == OP_LOOP || kind == OP_SPIN;
}

static bool is_atomic(enum op_kind kind)
{
    return kind == OP_XADD || kind == OP_CAS || kind == OP_LOCK || kind == OP_UNLOCK;
}

static void execute_lock(struct machine *machine, struct machine_task *t, const struct op *op)
{
    if (machine->m[op->a] == 0) {
        machine->m[op->a] = 1;
        t->woken = false;
        t->ip++;
        return;
    }
    t->waits_on = op->a;
    block(machine, t, STATE_BLOCKED);
}

/* System calls and what else ends a straight run. */
static void execute_call(struct machine *machine, struct machine_task *t, uint32_t id,
                         const struct op *op)
{
    bool woken = t->woken;

    t->woken = false;
    switch (op->kind) {
    case OP_YIELD:
        t->ip++;
        call(machine, SCHED_YIELD);
        break;
    case OP_WAIT:
        if (woken) {
            t->ip++;
            break;
        }
        t->waits_on = op->a;
        block(machine, t, STATE_BLOCKED);
        break;
    case OP_WAKE:
        t->ip++;
        call(machine, wake_one(machine, op->a) ? SCHED_WOKE : SCHED_CALL);
        break;
    case OP_SLEEP:
        t->ip++;
        t->wakes_at = machine->now + 1000 * (uint64_t)op->a;
        block(machine, t, STATE_SLEEPING);
        break;
    case OP_CREATE:
        t->ip++;
        create(machine, op->a, id);
        t->r[op->b] = machine->count;
        call(machine, SCHED_NEW_TASK);
        break;
    case OP_JOIN:
        if (machine->task[t->r[op->a]].state == STATE_EXITED) {
            t->ip++;
            call(machine, SCHED_CALL);
            break;
        }
        t->joins = (int)t->r[op->a];
        block(machine, t, STATE_BLOCKED);
        break;
    case OP_PRINT:
        t->ip++;
        if (machine->result->output_length < SIMULATOR_OUTPUT)
            machine->result->output[machine->result->output_length++] = (char)op->a;
        call(machine, SCHED_CALL);
        break;
    default: /* OP_CALL */
        t->ip++;
        call(machine, SCHED_CALL);
        break;
    }
}

static void execute_plain(struct machine *machine, struct machine_task *t, const struct op *op)
{
    int64_t *m = machine->m, *r = t->r;

    t->ip++;
    switch (op->kind) {
    case OP_NOP:
        if (++t->nops < op->a)
            t->ip--;
        else
            t->nops = 0;
        break;
    case OP_SET:
        r[op->a] = op->b;
        break;
    case OP_ADD:
        r[op->a] += op->b;
        break;
    case OP_LOAD:
        r[op->a] = m[op->b];
        break;
    case OP_STORE:
        m[op->b] = r[op->a];
        break;
    case OP_LOADX:
        r[op->a] = m[op->b + r[op->a]];
        break;
    case OP_STOREX:
        m[op->b + r[op->c]] = r[op->a];
        break;
    case OP_JUMP:
        t->ip += op->a - 1;
        break;
    case OP_JZERO:
        t->ip += r[op->a] == 0 ? op->b - 1 : 0;
        break;
    case OP_LOOP:
        t->ip += --r[op->a] > 0 ? op->b - 1 : 0;
        break;
    case OP_SPIN:
        t->ip -= m[op->a] == 0;
        break;
    case OP_XADD:
        m[op->a] += op->b;
        break;
    case OP_CAS:
        if (m[op->a] == r[op->b]) {
            m[op->a] = r[op->c];
            r[op->b] = 1;
        } else {
            r[op->b] = 0;
        }
        break;
    case OP_NOTE:
        if (machine->result->output_length < SIMULATOR_OUTPUT)
            machine->result->output[machine->result->output_length++] = (char)op->a;
        break;
    case OP_FAIL:
        if (r[op->a] == op->b)
            machine->result->outcome = OUTCOME_BUG;
        break;
    default: /* OP_TICK: nothing but its point */
        break;
    }
}

/* One instruction of the task; false: it stopped at a point instead. */
static bool step(struct machine *machine, uint32_t id)
{
    struct machine_task *t = &machine->task[id];
    const struct op *op = &t->code[t->ip];

    if (is_tick(op->kind) || is_atomic(op->kind)) {
        if (point(machine, t, id, is_atomic(op->kind)))
            return false;
        t->counted = false;
    }
    switch (op->kind) {
    case OP_LOCK:
        execute_lock(machine, t, op);
        break;
    case OP_UNLOCK:
        machine->m[op->a] = 0;
        t->ip++;
        if (wake_one(machine, op->a))
            call(machine, SCHED_WOKE);
        break;
    case OP_CALL:
    case OP_YIELD:
    case OP_WAIT:
    case OP_WAKE:
    case OP_SLEEP:
    case OP_CREATE:
    case OP_JOIN:
    case OP_PRINT:
        execute_call(machine, t, id, op);
        break;
    case OP_EXIT:
        task_exit(machine, id);
        break;
    default:
        execute_plain(machine, t, op);
        break;
    }
    return true;
}

static void wake_sleepers(struct machine *machine)
{
    for (uint32_t i = 1; i <= machine->count; i++) {
        struct machine_task *t = &machine->task[i];

        if (t->state == STATE_SLEEPING && t->wakes_at <= machine->now)
            wake(machine, t);
    }
}

/* Nobody is ready: on to the next sleeper. False: all wait for ever. */
static bool jump(struct machine *machine, uint64_t limit)
{
    uint64_t next = limit;

    for (uint32_t i = 1; i <= machine->count; i++) {
        const struct machine_task *t = &machine->task[i];

        if (t->state == STATE_SLEEPING && t->wakes_at < next)
            next = t->wakes_at;
    }
    if (next == UINT64_MAX)
        return false;
    machine->now = next;
    return true;
}

/* 0: the run is over. */
static uint32_t decide(struct machine *machine, uint32_t current)
{
    uint32_t ready[SIMULATOR_TASKS];
    size_t n, live;

    for (;;) {
        uint64_t wait_ns;
        uint32_t chosen;

        wake_sleepers(machine);
        n = live = 0;
        for (uint32_t i = 1; i <= machine->count; i++) {
            live += machine->task[i].state != STATE_EXITED;
            if (machine->task[i].state == STATE_READY)
                ready[n++] = i;
        }
        if (live == 0)
            return 0;
        if (n == 0) {
            if (jump(machine, UINT64_MAX))
                continue;
            machine->result->outcome = OUTCOME_DEADLOCK;
            return 0;
        }
        chosen = sched_choose(machine->sched, machine->reason, ready, n, current, machine->now,
                              &wait_ns);
        if (chosen == 0) {
            assert(wait_ns > 0);
            machine->result->waits++;
            jump(machine, machine->now + wait_ns);
            continue;
        }
        machine->result->switches += chosen != current;
        machine->slice = sched_slice(machine->sched, chosen, n - 1);
        return chosen;
    }
}

static void note_waiting(struct machine *machine, uint32_t running)
{
    for (uint32_t i = 1; i <= machine->count; i++) {
        struct machine_task *t = &machine->task[i];
        uint64_t waited = machine->result->points - t->ready_since;

        if (t->state == STATE_READY && i != running && waited > machine->result->longest_wait)
            machine->result->longest_wait = waited;
    }
    machine->task[running].ready_since = machine->result->points;
}

/* Does the next instruction access memory that others may see? Of plain instructions each third. */
static bool accesses_memory(const struct machine_task *t)
{
    switch (t->code[t->ip].kind) {
    case OP_NOP:
        return t->nops % 3 == 1;
    case OP_LOAD:
    case OP_STORE:
    case OP_LOADX:
    case OP_STOREX:
    case OP_SPIN:
    case OP_XADD:
    case OP_CAS:
    case OP_LOCK:
    case OP_UNLOCK:
        return true;
    default:
        return false;
    }
}

static bool in_own_code(const struct machine_task *t)
{
    const struct op *op = &t->code[t->ip];

    if (op->kind == OP_NOP || op->kind == OP_TICK || op->kind == OP_XADD)
        return op->c != LIBRARY;
    return op->kind < OP_LOCK;
}

static bool at_call(const struct machine_task *t)
{
    return t->code[t->ip].kind >= OP_CALL;
}

/* Is the walk behind a trap over? As the recorder does it: at the place that the slice asks for, or
 * before a system call. */
static bool arrived(struct machine *machine, uint32_t id, uint32_t walked)
{
    struct sched_slice *place = &machine->slice;
    const struct machine_task *t = &machine->task[id];

    if (walked == WALK_LIMIT || at_call(t))
        return true;
    if (place->own && !in_own_code(t))
        return false;
    if (place->steps == 0)
        return true;
    place->steps--;
    return place->accesses && accesses_memory(t) && --place->accesses == 0;
}

/* Run the chosen task to its next decision. */
static uint64_t run(struct machine *machine, uint32_t id)
{
    uint64_t executed = 0;
    uint32_t walked = 0;

    machine->decide = false;
    machine->trapped = machine->slice.here;
    while (!machine->decide && machine->result->outcome == OUTCOME_PASS && executed < STEPS_MAX) {
        if (machine->trapped && arrived(machine, id, walked)) {
            machine->result->traps++;
            machine->reason = machine->slice.own && !in_own_code(&machine->task[id])
                                  ? SCHED_MISSED
                                  : SCHED_SLICE_END;
            machine->decide = true;
            break;
        }
        executed++;
        if (!step(machine, id))
            machine->trapped = true;
        else if (machine->trapped)
            walked++;
    }
    return executed;
}

void simulate(const struct program *program, enum sched_strategy strategy, uint64_t seed,
              const struct sched_length *length, struct simulation *ret)
{
    struct machine machine = {.program = program, .result = ret, .reason = SCHED_NEW_TASK};
    uint64_t executed = 0;
    uint32_t current = 0;

    memset(ret, 0, sizeof(*ret));
    machine.sched = sched_new(strategy, seed, length);
    create(&machine, 0, 0);
    while (ret->outcome == OUTCOME_PASS && (current = decide(&machine, current)) != 0) {
        executed += run(&machine, current);
        note_waiting(&machine, current);
        if (executed >= STEPS_MAX)
            ret->outcome = OUTCOME_ENDLESS;
    }
    if (ret->outcome == OUTCOME_DEADLOCK && program->deadlock_is_the_bug)
        ret->outcome = OUTCOME_BUG;
    ret->digest = sched_digest(machine.sched);
    sched_learned(machine.sched, &ret->learned);
    sched_free(machine.sched);
}
