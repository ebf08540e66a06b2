/* Locks are tried without waiting, by the kernel, and a call that does not get its lock is parked
 * until some call may have given one back. Which of several waiters gets it is the scheduler's
 * choice.
 *
 * A lock of flock(2) or F_OFD_SETLK belongs to the open file, which our duplicate is as well: those
 * are tried again from here. A POSIX lock belongs to the process, which has to try itself. */
#include "recorder/record/locks.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/syscall.h>

#include "include/rrtest/recorder_page.h"
#include "recorder/record/blocking.h"
#include "recorder/record/borrow.h"

#define QUERY 0xa40  /* in the recorder page: a struct flock for F_GETLK */
#define CHAIN_MAX 10 /* MAX_DEADLK_ITERATIONS, fs/locks.c */

enum { SCRATCH_OWNER }; /* whose lock a POSIX waiter waits for: the process's id */

static enum call_action park(struct session *s, struct task *t, struct call *c)
{
    return blocking_park_retried(s, t, c, BLOCKING_CHANGE_LOCKS, UINT64_MAX);
}

/* ---- locks of open files ------------------------------------------------------------------- */

static enum call_action flock_attempted(struct session *s, struct task *t, struct call *c)
{
    return c->result == -EWOULDBLOCK ? park(s, t, c) : CALL_DONE;
}

enum call_action model_flock(struct session *s, struct task *t, struct call *c)
{
    if (c->retry) {
        if (flock(c->borrowed[0].fd, (int)c->args[1] | LOCK_NB) == 0)
            return call_answer(c, 0);
        return errno == EWOULDBLOCK ? park(s, t, c) : call_answer(c, -errno);
    }
    if ((c->args[1] & (LOCK_NB | LOCK_UN)) || borrow_take(t, c, 0, 0) < 0)
        return CALL_RUN;
    c->run_args[1] |= LOCK_NB;
    c->attempted = flock_attempted;
    return CALL_RUN;
}

static enum call_action ofd_attempted(struct session *s, struct task *t, struct call *c)
{
    return c->result == -EAGAIN || c->result == -EACCES ? park(s, t, c) : CALL_DONE;
}

static enum call_action retry_ofd(struct session *s, struct task *t, struct call *c)
{
    struct flock lock;

    if (tracee_read(t->tid, c->args[2], &lock, sizeof(lock)) < 0)
        return call_answer(c, -EFAULT);
    if (fcntl(c->borrowed[0].fd, F_OFD_SETLK, &lock) == 0)
        return call_answer(c, 0);
    return errno == EAGAIN || errno == EACCES ? park(s, t, c) : call_answer(c, -errno);
}

/* ---- POSIX locks --------------------------------------------------------------------------- */

/* The process whose lock is in the way: F_GETLK says so, asked by the waiter itself. */
static struct process *find_owner(struct session *s, struct task *t, struct call *c)
{
    struct flock lock;
    int64_t result = 0;

    if (tracee_read(t->tid, c->args[2], &lock, sizeof(lock)) < 0)
        return NULL;
    *(struct flock *)(void *)(s->area.page + QUERY) = lock;
    t->regs = c->before;
    c->stop_lost = true;
    if (task_call(s, t, SYS_fcntl,
                  (uint64_t[6]){c->run_args[0], F_GETLK, RECORDER_PAGE_ADDRESS + QUERY},
                  &result) != 0 ||
        result < 0)
        return NULL;
    lock = *(struct flock *)(void *)(s->area.page + QUERY);
    return lock.l_type == F_UNLCK ? NULL : session_process_by_pid(s, lock.l_pid);
}

static bool waits_for_lock(const struct task *t)
{
    return t->state == TASK_PARKED && t->call.nr == SYS_fcntl && (int)t->call.args[1] == F_SETLKW;
}

/* fs/locks.c posix_locks_deadlock(): follow who waits for whom. */
static bool is_deadlock(struct session *s, const struct task *t, uint64_t owner)
{
    for (int i = 0; i < CHAIN_MAX; i++) {
        const struct task *next = s->tasks;

        if (owner == t->process->id)
            return true;
        while (next && !(next != t && next->process->id == owner && waits_for_lock(next)))
            next = next->next;
        if (!next)
            return false;
        owner = next->call.scratch[SCRATCH_OWNER];
    }
    return false;
}

static enum call_action posix_attempted(struct session *s, struct task *t, struct call *c)
{
    struct process *owner;

    if (c->result != -EAGAIN && c->result != -EACCES)
        return CALL_DONE;
    owner = find_owner(s, t, c);
    c->scratch[SCRATCH_OWNER] = owner ? owner->id : 0;
    if (owner && is_deadlock(s, t, owner->id))
        return call_answer(c, -EDEADLK);
    return park(s, t, c);
}

enum call_action model_fcntl(struct session *s, struct task *t, struct call *c)
{
    bool posix = (int)c->args[1] == F_SETLKW;

    switch ((int)c->args[1]) {
    case F_SETOWN:
    case F_SETOWN_EX:
    case F_SETSIG:
    case F_SETLEASE:
    case F_NOTIFY:
        s->kernel_signals = true;
        break;
    default:
        break;
    }

    if (!posix && (int)c->args[1] != F_OFD_SETLKW)
        return CALL_RUN;
    if (c->retry)
        return posix ? borrow_run(s, t, c) : retry_ofd(s, t, c);
    if (borrow_take(t, c, 0, 0) < 0)
        return CALL_RUN;
    c->run_args[1] = posix ? F_SETLK : F_OFD_SETLK;
    c->attempted = posix ? posix_attempted : ofd_attempted;
    return CALL_RUN;
}
