/* The futex model: waiters by key, no memory access, no tracee. The recorder reads and writes the
 * futex words itself and asks here who waits and who is woken (futex(2), kernel/futex/). One object
 * per run. */
#ifndef RECORDER_SCHED_FUTEX_H
#define RECORDER_SCHED_FUTEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Private: (mm id, address). Shared: (object id | FUTEX_KEY_SHARED, offset). */
#define FUTEX_KEY_SHARED (1ull << 63)
struct futex_key {
    uint64_t space;
    uint64_t offset;
};

struct futex_model;
/* pick(context, count) -> index of the waiter to take, 0..count-1, in order of queueing: the
 * scheduling choice; asked only when count > 1. NULL: always the first. */
typedef size_t (*futex_pick)(void *context, size_t count);

struct futex_model *futex_new(futex_pick pick, void *context);
void futex_free(struct futex_model *f);

enum futex_wait_kind { FUTEX_WAIT_PLAIN, FUTEX_WAIT_PI, FUTEX_WAIT_REQUEUE_PI_KIND };
/* Queue a task. A task waits on one key at most. */
void futex_wait(struct futex_model *f, struct futex_key key, uint32_t task, uint32_t bitset,
                enum futex_wait_kind kind);
/* Remove it (signal, timeout, exit, kill). False: it was not waiting. */
bool futex_cancel(struct futex_model *f, uint32_t task);
/* The key it waits on now (requeue moves it). False: not waiting. */
bool futex_waiting_on(const struct futex_model *f, uint32_t task, struct futex_key *ret_key,
                      enum futex_wait_kind *ret_kind);
/* Take up to `count` plain waiters whose bitset matches; their ids to woken[0..max). Returns how
 * many. */
size_t futex_wake(struct futex_model *f, struct futex_key key, size_t count, uint32_t bitset,
                  uint32_t *woken, size_t max);
/* Wake up to `wake` and move up to `requeue` of the rest to `to`. Returns woken; *ret_moved. */
size_t futex_requeue(struct futex_model *f, struct futex_key from, struct futex_key to, size_t wake,
                     size_t requeue, uint32_t *woken, size_t max, size_t *ret_moved);
/* Take one FUTEX_WAIT_PI waiter: the next owner. False: there is none. */
bool futex_wake_pi(struct futex_model *f, struct futex_key key, uint32_t *ret_task);
/* FUTEX_CMP_REQUEUE_PI: of the FUTEX_WAIT_REQUEUE_PI_KIND waiters on `from`, take one if `wake`
 * (the lock on `to` is free: it becomes the owner) and move up to `requeue` others to `to`, where
 * they wait as FUTEX_WAIT_PI. Returns 0 or 1 woken. */
size_t futex_requeue_pi(struct futex_model *f, struct futex_key from, struct futex_key to,
                        bool wake, size_t requeue, uint32_t *ret_woken, size_t *ret_moved);
/* Number of waiters on a key: all; of one kind (a plain wake that meets others is -EINVAL in the
 * kernel); of the whole run. */
size_t futex_waiters(const struct futex_model *f, struct futex_key key);
size_t futex_waiters_of_kind(const struct futex_model *f, struct futex_key key,
                             enum futex_wait_kind kind);
size_t futex_waiters_total(const struct futex_model *f);
/* Decode FUTEX_WAKE_OP's val3: *ret_new = op(old), return whether the comparison holds on old;
 * -ENOSYS for a bad op (the kernel has then written *ret_new if only the comparison is bad). */
int futex_wake_op(uint32_t encoded, uint32_t old, uint32_t *ret_new);
/* All keys of an address space die with it (exec, exit): waiters there are cancelled. */
void futex_forget_space(struct futex_model *f, uint64_t space);

#endif
