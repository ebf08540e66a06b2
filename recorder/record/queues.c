/* System V calls are tried by the kernel without waiting and parked until a call on some semaphore
 * or queue may have made room; a POSIX queue is a descriptor and can be polled. */
#include "recorder/record/queues.h"

#include <errno.h>
#include <poll.h>
#include <sys/ipc.h>
#include <sys/sem.h>
#include <sys/syscall.h>

#include "recorder/record/blocking.h"
#include "recorder/record/borrow.h"
#include "recorder/record/poll.h"
#include "recorder/record/timers.h"

#define OPERATIONS_MAX 500  /* SEMOPM */
#define COPY_MESSAGE 040000 /* MSG_COPY: needs IPC_NOWAIT */

enum { SCRATCH_DEADLINE = 1 };

static enum call_action park(struct session *s, struct task *t, struct call *c)
{
    return blocking_park_retried(s, t, c, BLOCKING_CHANGE_QUEUES, c->scratch[SCRATCH_DEADLINE]);
}

/* A set or queue that was removed under a waiter. */
static enum call_action answer_removed(struct call *c)
{
    return call_answer(c, c->retry && c->result == -EINVAL ? -EIDRM : c->result);
}

/* ---- semaphores ---------------------------------------------------------------------------- */

struct operations {
    struct sembuf list[OPERATIONS_MAX];
    size_t count;
};

static bool read_operations(struct task *t, const struct call *c, struct operations *ret)
{
    ret->count = (uint32_t)c->args[2];
    return ret->count <= OPERATIONS_MAX &&
           tracee_read(t->tid, c->args[1], ret->list, ret->count * sizeof(*ret->list)) == 0;
}

/* Some operation may not wait and another may: which of them is it that cannot be done? The values
 * are asked for in the task's name, at its exit stop. */
static bool stuck_one_waits(struct session *s, struct task *t, struct call *c,
                            const struct operations *o)
{
    c->stop_lost = true;
    for (size_t i = 0; i < o->count; i++) {
        int64_t value = 0;

        t->regs = c->before;
        if (task_call(s, t, SYS_semctl, (uint64_t[6]){c->args[0], o->list[i].sem_num, GETVAL},
                      &value) ||
            value < 0)
            return true;
        for (size_t k = 0; k < i; k++)
            if (o->list[k].sem_num == o->list[i].sem_num)
                value += o->list[k].sem_op;
        if (o->list[i].sem_op == 0 ? value != 0 : value + o->list[i].sem_op < 0)
            return !(o->list[i].sem_flg & IPC_NOWAIT);
    }
    return true;
}

static bool semop_waits(struct session *s, struct task *t, struct call *c)
{
    struct operations o;
    size_t may_not_wait = 0;

    if (!read_operations(t, c, &o))
        return false;
    for (size_t i = 0; i < o.count; i++)
        may_not_wait += (o.list[i].sem_flg & IPC_NOWAIT) != 0;
    if (may_not_wait == 0)
        return true;
    return may_not_wait < o.count && stuck_one_waits(s, t, c, &o);
}

static enum call_action semop_attempted(struct session *s, struct task *t, struct call *c)
{
    if (c->result != -EAGAIN)
        return answer_removed(c);
    if (c->scratch[SCRATCH_DEADLINE] <= clock_now(s->clock))
        return CALL_DONE;
    if (!semop_waits(s, t, c)) {
        t->regs = c->before;
        return CALL_DONE;
    }
    return park(s, t, c);
}

enum call_action model_semop(struct session *s, struct task *t, struct call *c)
{
    struct timespec limit;

    if (c->retry) {
        if (c->timed_out)
            return call_answer(c, -EAGAIN);
        c->run_args[3] = poll_zero_timeout(s);
        return CALL_RUN;
    }
    c->scratch[SCRATCH_DEADLINE] = UINT64_MAX;
    if (c->nr == SYS_semtimedop && c->args[3]) {
        if (tracee_read(t->tid, c->args[3], &limit, sizeof(limit)) < 0)
            return call_answer(c, -EFAULT);
        if (limit.tv_sec < 0 || limit.tv_nsec < 0 || limit.tv_nsec > 999999999)
            return call_answer(c, -EINVAL);
        c->scratch[SCRATCH_DEADLINE] = timers_after(s, &limit);
    }
    /* a timeout of zero does not sleep: schedule_hrtimeout_range() returns at once */
    c->run_nr = SYS_semtimedop;
    c->run_args[3] = poll_zero_timeout(s);
    c->attempted = semop_attempted;
    return CALL_RUN;
}

/* Does the parked call wait for this semaphore to grow (GETNCNT) or to be zero (GETZCNT)? */
static bool waits_for(struct task *t, uint64_t set, uint64_t number, bool zero)
{
    const struct call *c = &t->call;
    struct operations o;

    if (t->state != TASK_PARKED || (c->nr != SYS_semop && c->nr != SYS_semtimedop) ||
        c->args[0] != set || !read_operations(t, c, &o))
        return false;
    for (size_t i = 0; i < o.count; i++)
        if (o.list[i].sem_num == number && (zero ? o.list[i].sem_op == 0 : o.list[i].sem_op < 0))
            return true;
    return false;
}

/* The kernel does not know who waits. */
static void count_waiters(struct session *s, struct task *t, struct call *c)
{
    (void)t;
    if (c->result < 0)
        return;
    for (struct task *other = s->tasks; other; other = other->next)
        c->result += waits_for(other, c->args[0], c->args[1], (int)c->args[2] == GETZCNT);
}

enum call_action model_semctl(struct session *s, struct task *t, struct call *c)
{
    (void)s;
    (void)t;
    if ((int)c->args[2] == GETNCNT || (int)c->args[2] == GETZCNT)
        c->finish = count_waiters;
    return CALL_RUN;
}

/* ---- messages ------------------------------------------------------------------------------ */

static enum call_action msgsnd_attempted(struct session *s, struct task *t, struct call *c)
{
    return c->result == -EAGAIN ? park(s, t, c) : answer_removed(c);
}

enum call_action model_msgsnd(struct session *s, struct task *t, struct call *c)
{
    (void)s;
    (void)t;
    if (c->retry || (c->args[3] & IPC_NOWAIT))
        return CALL_RUN;
    c->scratch[SCRATCH_DEADLINE] = UINT64_MAX;
    c->run_args[3] |= IPC_NOWAIT;
    c->attempted = msgsnd_attempted;
    return CALL_RUN;
}

static enum call_action msgrcv_attempted(struct session *s, struct task *t, struct call *c)
{
    return c->result == -ENOMSG ? park(s, t, c) : answer_removed(c);
}

enum call_action model_msgrcv(struct session *s, struct task *t, struct call *c)
{
    (void)s;
    (void)t;
    if (c->retry || (c->args[4] & (IPC_NOWAIT | COPY_MESSAGE)))
        return CALL_RUN;
    c->scratch[SCRATCH_DEADLINE] = UINT64_MAX;
    c->run_args[4] |= IPC_NOWAIT;
    c->attempted = msgrcv_attempted;
    return CALL_RUN;
}

/* ---- POSIX message queues ------------------------------------------------------------------ */

enum call_action model_mq_notify(struct session *s, struct task *t, struct call *c)
{
    (void)t;
    (void)c;
    s->kernel_signals = true;
    return CALL_RUN;
}

static enum call_action mq_attempted(struct session *s, struct task *t, struct call *c)
{
    short events = c->nr == SYS_mq_timedsend ? POLLOUT : POLLIN;
    uint64_t deadline = UINT64_MAX;
    struct timespec limit;

    borrow_reblock(c);
    if (c->result != -EAGAIN)
        return CALL_DONE;
    if (c->args[4] && tracee_read(t->tid, c->args[4], &limit, sizeof(limit)) == 0)
        clock_to_virtual(s->clock, CLOCK_REALTIME, &limit, &deadline);
    if (deadline <= clock_now(s->clock))
        return call_answer(c, -ETIMEDOUT);
    return blocking_park_polled(t, c, events, deadline);
}

enum call_action model_mq_timed(struct session *s, struct task *t, struct call *c)
{
    short events = c->nr == SYS_mq_timedsend ? POLLOUT : POLLIN;

    if (c->retry) {
        bool ready = blocking_events(c, events) != 0;

        if (!ready && c->timed_out)
            return call_answer(c, -ETIMEDOUT);
        if (!ready)
            return blocking_park_polled(t, c, events, c->deadline);
    } else if (borrow_take(t, c, 0, 0) < 0 || borrow_is_nonblocking(c)) {
        return CALL_RUN;
    }
    borrow_unblock(c);
    c->attempted = mq_attempted;
    return borrow_run(s, t, c);
}

/* ---- made by name -------------------------------------------------------------------------- */

enum call_action model_ipc_get(struct session *s, struct task *t, struct call *c)
{
    (void)t;
    (void)c;
    s->spoiled = true;
    return CALL_RUN;
}
