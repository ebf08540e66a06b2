/* The recorder's side of the futex model: words in tracee memory, timeouts, who becomes runnable.
 */
#include "recorder/record/futexes.h"

#include <errno.h>
#include <linux/futex.h>
#include <sys/mman.h>
#include <string.h>

#include "recorder/record/timers.h"

#define WOKEN_MAX 1024

static struct futex_key key_of(struct task *t, uint64_t address, bool private)
{
    const struct map_entry *e = private ? NULL : maps_find(&t->space->maps, address);

    if (e && (e->flags & MAP_SHARED) && e->object)
        return (struct futex_key){e->object | FUTEX_KEY_SHARED, e->offset + (address - e->start)};
    return (struct futex_key){t->space->id, address};
}

static struct task *task_by_id(struct session *s, uint32_t id)
{
    for (struct task *t = s->tasks; t; t = t->next)
        if (t->id == id)
            return t;
    return NULL;
}

static void wake_tasks(struct session *s, const uint32_t *woken, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct task *t = task_by_id(s, woken[i]);

        if (!t || t->state != TASK_PARKED)
            continue;
        t->call.woken = true;
        t->call.scratch[0] = 1; /* woken by a waker, not by time */
        s->reason = SCHED_WOKE;
        s->reschedule = true;
    }
}

static size_t wake(struct session *s, struct futex_key key, size_t count, uint32_t bitset)
{
    uint32_t woken[WOKEN_MAX];
    size_t n = futex_wake(s->futexes, key, count < WOKEN_MAX ? count : WOKEN_MAX, bitset, woken,
                          WOKEN_MAX);

    wake_tasks(s, woken, n);
    return n;
}

static int deadline_of(struct session *s, struct task *t, struct call *c, int op, uint64_t *ret)
{
    struct timespec timeout;
    clockid_t clock = c->args[1] & FUTEX_CLOCK_REALTIME ? CLOCK_REALTIME : CLOCK_MONOTONIC;

    *ret = UINT64_MAX;
    if (!c->args[3])
        return 0;
    if (tracee_read(t->tid, c->args[3], &timeout, sizeof(timeout)) < 0)
        return -EFAULT;
    if (timeout.tv_sec < 0 || timeout.tv_nsec < 0 || timeout.tv_nsec > 999999999)
        return -EINVAL;
    if (op == FUTEX_WAIT) {
        *ret = timers_after(s, &timeout);
        return 0;
    }
    if (op == FUTEX_LOCK_PI)
        clock = CLOCK_REALTIME;
    return clock_to_virtual(s->clock, clock, &timeout, ret);
}

static enum call_action do_wait(struct session *s, struct task *t, struct call *c, int op,
                                uint32_t bitset)
{
    struct futex_key key = key_of(t, c->args[0], c->args[1] & FUTEX_PRIVATE_FLAG);
    uint32_t word;
    int error;

    if (c->retry) {
        if (c->scratch[0])
            return call_answer(c, 0);
        if (c->timed_out) {
            futex_cancel(s->futexes, t->id);
            return call_answer(c, -ETIMEDOUT);
        }
        return call_park(t, c, "futex", c->deadline);
    }
    if (bitset == 0)
        return call_answer(c, -EINVAL);
    if (c->args[0] & 3)
        return call_answer(c, -EINVAL);
    if (tracee_read(t->tid, c->args[0], &word, 4) < 0)
        return call_answer(c, -EFAULT);
    error = deadline_of(s, t, c, op, &c->scratch[1]);
    if (error)
        return call_answer(c, error);
    if (word != (uint32_t)c->args[2])
        return call_answer(c, -EAGAIN);
    if (c->scratch[1] <= clock_now(s->clock))
        return call_answer(c, -ETIMEDOUT);
    c->scratch[0] = 0;
    /* relative FUTEX_WAIT with a timeout restarts with what is left, which SA_RESTART does not:
     * EINTR */
    if (op == FUTEX_WAIT_BITSET && c->args[3])
        c->no_restart = false;
    futex_wait(s->futexes, key, t->id, bitset, FUTEX_WAIT_PLAIN);
    return call_park(t, c, "futex", c->scratch[1]);
}

static enum call_action do_requeue(struct session *s, struct task *t, struct call *c, bool compare)
{
    struct futex_key from = key_of(t, c->args[0], c->args[1] & FUTEX_PRIVATE_FLAG);
    struct futex_key to = key_of(t, c->args[4], c->args[1] & FUTEX_PRIVATE_FLAG);
    uint32_t woken[WOKEN_MAX], word;
    size_t moved, n;

    if ((int)c->args[2] < 0 || (int)c->args[3] < 0)
        return call_answer(c, -EINVAL);
    if (compare) {
        if (tracee_read(t->tid, c->args[0], &word, 4) < 0)
            return call_answer(c, -EFAULT);
        if (word != (uint32_t)c->args[5])
            return call_answer(c, -EAGAIN);
    }
    n = futex_requeue(s->futexes, from, to, c->args[2], c->args[3], woken, WOKEN_MAX, &moved);
    wake_tasks(s, woken, n);
    return call_answer(c, (int64_t)(n + (compare ? moved : 0)));
}

static enum call_action do_wake_op(struct session *s, struct task *t, struct call *c)
{
    struct futex_key one = key_of(t, c->args[0], c->args[1] & FUTEX_PRIVATE_FLAG);
    struct futex_key two = key_of(t, c->args[4], c->args[1] & FUTEX_PRIVATE_FLAG);
    uint32_t old, word;
    int holds;
    size_t n;

    if (tracee_read(t->tid, c->args[4], &old, 4) < 0)
        return call_answer(c, -EFAULT);
    holds = futex_wake_op((uint32_t)c->args[5], old, &word);
    if (holds < 0)
        return call_answer(c, holds);
    if (emit_poke(s, t, c->args[4], &word, 4) < 0)
        return call_answer(c, -EFAULT);
    n = wake(s, one, c->args[2], FUTEX_BITSET_MATCH_ANY);
    if (holds)
        n += wake(s, two, c->args[3], FUTEX_BITSET_MATCH_ANY);
    return call_answer(c, (int64_t)n);
}

/* ---- PI ------------------------------------------------------------------------------------ */

static enum call_action take_pi(struct session *s, struct task *t, struct call *c, uint64_t address,
                                uint32_t word, struct futex_key key)
{
    uint32_t mine = (uint32_t)t->ns_tid | (word & FUTEX_OWNER_DIED);

    if (futex_waiters(s->futexes, key) > 0)
        mine |= FUTEX_WAITERS;
    if (emit_poke(s, t, address, &mine, 4) < 0)
        return call_answer(c, -EFAULT);
    return call_answer(c, 0);
}

static enum call_action do_lock_pi(struct session *s, struct task *t, struct call *c, int op,
                                   bool try_only)
{
    struct futex_key key = key_of(t, c->args[0], c->args[1] & FUTEX_PRIVATE_FLAG);
    uint32_t word, owner;
    int error;

    if (tracee_read(t->tid, c->args[0], &word, 4) < 0)
        return call_answer(c, -EFAULT);
    owner = word & FUTEX_TID_MASK;
    if (c->retry) {
        if (c->scratch[0])
            return call_answer(c, 0); /* the unlocker made us the owner */
        if (c->timed_out) {
            futex_cancel(s->futexes, t->id);
            return call_answer(c, -ETIMEDOUT);
        }
        return call_park(t, c, "futex", c->deadline);
    }
    if (owner == 0)
        return take_pi(s, t, c, c->args[0], word, key);
    if (owner == (uint32_t)t->ns_tid)
        return call_answer(c, -EDEADLK);
    if (try_only)
        return call_answer(c, -EAGAIN);
    if (!session_task_by_ns_tid(s, (pid_t)owner))
        return word & FUTEX_OWNER_DIED ? take_pi(s, t, c, c->args[0], word, key)
                                       : call_answer(c, -ESRCH);
    error = deadline_of(s, t, c, op == FUTEX_LOCK_PI ? FUTEX_LOCK_PI : FUTEX_WAIT_BITSET,
                        &c->scratch[1]);
    if (error)
        return call_answer(c, error);
    word |= FUTEX_WAITERS;
    if (tracee_write(t->tid, c->args[0], &word, 4) < 0)
        return call_answer(c, -EFAULT);
    c->scratch[0] = 0;
    futex_wait(s->futexes, key, t->id, FUTEX_BITSET_MATCH_ANY, FUTEX_WAIT_PI);
    /* the word changed at the entry: an effect of the ENTRY event */
    emit_begin(s, t, EVENT_ENTRY);
    s->building.event.before = c->before;
    emit_poke(s, t, c->args[0], &word, 4);
    emit_end(s, t);
    c->entered = true;
    return call_park(t, c, "futex", c->scratch[1]);
}

/* Hand a PI futex on: the word gets the new owner's tid. */
static int pass_pi(struct session *s, struct task *t, uint64_t address, struct futex_key key,
                   uint32_t bits)
{
    uint32_t woken[1], word = bits;
    struct task *next;

    if (!futex_wake_pi(s->futexes, key, woken))
        return emit_poke(s, t, address, &word, 4);
    next = task_by_id(s, woken[0]);
    word |= next ? (uint32_t)next->ns_tid : 0;
    if (futex_waiters(s->futexes, key) > 0)
        word |= FUTEX_WAITERS;
    wake_tasks(s, woken, 1);
    return emit_poke(s, t, address, &word, 4);
}

static enum call_action do_unlock_pi(struct session *s, struct task *t, struct call *c)
{
    struct futex_key key = key_of(t, c->args[0], c->args[1] & FUTEX_PRIVATE_FLAG);
    uint32_t word;

    if (tracee_read(t->tid, c->args[0], &word, 4) < 0)
        return call_answer(c, -EFAULT);
    if ((word & FUTEX_TID_MASK) != (uint32_t)t->ns_tid)
        return call_answer(c, -EPERM);
    return call_answer(c, pass_pi(s, t, c->args[0], key, 0) < 0 ? -EFAULT : 0);
}

/* futex(2): waits on uaddr, is requeued to the PI futex uaddr2, and returns as its owner. */
static enum call_action do_wait_requeue_pi(struct session *s, struct task *t, struct call *c)
{
    struct futex_key key = key_of(t, c->args[0], c->args[1] & FUTEX_PRIVATE_FLAG);
    uint32_t word;
    int error;

    if (c->retry) {
        if (c->scratch[0])
            return call_answer(c, 0);
        if (c->timed_out) {
            futex_cancel(s->futexes, t->id);
            return call_answer(c, -ETIMEDOUT);
        }
        return call_park(t, c, "futex", c->deadline);
    }
    if (c->args[0] == c->args[4])
        return call_answer(c, -EINVAL);
    if (tracee_read(t->tid, c->args[0], &word, 4) < 0)
        return call_answer(c, -EFAULT);
    if (word != (uint32_t)c->args[2])
        return call_answer(c, -EAGAIN);
    error = deadline_of(s, t, c, FUTEX_WAIT_REQUEUE_PI, &c->scratch[1]);
    if (error)
        return call_answer(c, error);
    c->scratch[0] = 0;
    futex_wait(s->futexes, key, t->id, FUTEX_BITSET_MATCH_ANY, FUTEX_WAIT_REQUEUE_PI_KIND);
    return call_park(t, c, "futex", c->scratch[1]);
}

static enum call_action do_cmp_requeue_pi(struct session *s, struct task *t, struct call *c)
{
    struct futex_key from = key_of(t, c->args[0], c->args[1] & FUTEX_PRIVATE_FLAG);
    struct futex_key to = key_of(t, c->args[4], c->args[1] & FUTEX_PRIVATE_FLAG);
    uint32_t word, lock, woken;
    size_t moved, n;

    if (c->args[2] != 1)
        return call_answer(c, -EINVAL);
    if (tracee_read(t->tid, c->args[0], &word, 4) < 0 ||
        tracee_read(t->tid, c->args[4], &lock, 4) < 0)
        return call_answer(c, -EFAULT);
    if (word != (uint32_t)c->args[5])
        return call_answer(c, -EAGAIN);
    n = futex_requeue_pi(s->futexes, from, to, (lock & FUTEX_TID_MASK) == 0, c->args[3], &woken,
                         &moved);
    if (n > 0) {
        struct task *owner = task_by_id(s, woken);

        lock = owner ? (uint32_t)owner->ns_tid : 0;
        wake_tasks(s, &woken, 1);
    }
    if (futex_waiters(s->futexes, to) > 0)
        lock |= FUTEX_WAITERS;
    if ((n > 0 || moved > 0) && emit_poke(s, t, c->args[4], &lock, 4) < 0)
        return call_answer(c, -EFAULT);
    return call_answer(c, (int64_t)(n + moved));
}

enum call_action model_futex(struct session *s, struct task *t, struct call *c)
{
    int op = (int)(c->args[1] & FUTEX_CMD_MASK);

    switch (op) {
    case FUTEX_WAIT:
        return do_wait(s, t, c, op, FUTEX_BITSET_MATCH_ANY);
    case FUTEX_WAIT_BITSET:
        return do_wait(s, t, c, op, (uint32_t)c->args[5]);
    case FUTEX_WAKE:
        return call_answer(c,
                           (int64_t)wake(s, key_of(t, c->args[0], c->args[1] & FUTEX_PRIVATE_FLAG),
                                         (uint32_t)c->args[2], FUTEX_BITSET_MATCH_ANY));
    case FUTEX_WAKE_BITSET:
        if (!c->args[5])
            return call_answer(c, -EINVAL);
        return call_answer(c,
                           (int64_t)wake(s, key_of(t, c->args[0], c->args[1] & FUTEX_PRIVATE_FLAG),
                                         (uint32_t)c->args[2], (uint32_t)c->args[5]));
    case FUTEX_REQUEUE:
        return do_requeue(s, t, c, false);
    case FUTEX_CMP_REQUEUE:
        return do_requeue(s, t, c, true);
    case FUTEX_WAKE_OP:
        return do_wake_op(s, t, c);
    case FUTEX_LOCK_PI:
    case FUTEX_LOCK_PI2:
        return do_lock_pi(s, t, c, op, false);
    case FUTEX_TRYLOCK_PI:
        return do_lock_pi(s, t, c, op, true);
    case FUTEX_UNLOCK_PI:
        return do_unlock_pi(s, t, c);
    case FUTEX_WAIT_REQUEUE_PI:
        return do_wait_requeue_pi(s, t, c);
    case FUTEX_CMP_REQUEUE_PI:
        return do_cmp_requeue_pi(s, t, c);
    default:
        return call_answer(c, -ENOSYS);
    }
}

/* ---- robust lists and exits (kernel/futex/core.c, exit_robust_list) ---------------------------
 */

enum call_action model_set_robust_list(struct session *s, struct task *t, struct call *c)
{
    (void)s;
    if (c->args[1] != 24)
        return call_answer(c, -EINVAL);
    t->robust_list = c->args[0];
    t->robust_length = c->args[1];
    return call_answer(c, 0);
}

enum call_action model_get_robust_list(struct session *s, struct task *t, struct call *c)
{
    struct task *other = c->args[0] ? session_task_by_ns_tid(s, (pid_t)c->args[0]) : t;
    uint64_t head, length;

    if (!other)
        return call_answer(c, -ESRCH);
    head = other->robust_list;
    length = 24;
    if (emit_poke(s, t, c->args[2], &length, 8) < 0 || emit_poke(s, t, c->args[1], &head, 8) < 0)
        return call_answer(c, -EFAULT);
    return call_answer(c, 0);
}

static void owner_died(struct session *s, struct task *t, uint64_t address, bool pi, bool pending)
{
    uint32_t word;
    struct futex_key key = key_of(t, address, false);

    if (tracee_read(t->tid, address, &word, 4) < 0)
        return;
    if ((word & FUTEX_TID_MASK) != (uint32_t)t->ns_tid) {
        if (pending && !pi && word == 0)
            wake(s, key, 1, FUTEX_BITSET_MATCH_ANY);
        return;
    }
    if (pi) {
        pass_pi(s, t, address, key, FUTEX_OWNER_DIED);
        return;
    }
    word = (word & FUTEX_WAITERS) | FUTEX_OWNER_DIED;
    emit_poke(s, t, address, &word, 4);
    if (word & FUTEX_WAITERS)
        wake(s, key, 1, FUTEX_BITSET_MATCH_ANY);
}

static void walk_robust_list(struct session *s, struct task *t)
{
    uint64_t head[3]; /* next, futex offset, list_op_pending */
    uint64_t entry;

    if (!t->robust_list || tracee_read(t->tid, t->robust_list, head, sizeof(head)) < 0)
        return;
    entry = head[0];
    for (int i = 0; i < 2048 && (entry & ~1ull) != t->robust_list; i++) {
        uint64_t next;

        if (tracee_read(t->tid, entry & ~1ull, &next, 8) < 0)
            break;
        if ((entry & ~1ull) != (head[2] & ~1ull))
            owner_died(s, t, (entry & ~1ull) + head[1], entry & 1, false);
        entry = next;
    }
    if (head[2])
        owner_died(s, t, (head[2] & ~1ull) + head[1], head[2] & 1, true);
}

void futexes_task_exits(struct session *s, struct task *t)
{
    futex_cancel(s->futexes, t->id);
    walk_robust_list(s, t);
    if (t->clear_tid && t->space->references > 1) {
        uint32_t zero = 0;

        if (emit_poke(s, t, t->clear_tid, &zero, 4) == 0)
            wake(s, key_of(t, t->clear_tid, false), 1, FUTEX_BITSET_MATCH_ANY);
    }
    if (t->space->references == 1)
        futex_forget_space(s->futexes, t->space->id);
}
