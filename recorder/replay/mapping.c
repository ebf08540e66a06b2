/* The effects of an event on what is mapped where: remote calls that repeat them, one stop for all
 * the maps of an exec. */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include "recorder/base/types.h"
#include "recorder/replay/session.h"

#define STACK_SPAN (1ull << 30) /* how far below a stack's top a fault may still mean the stack */
#define STACK_CHUNK (256ull << 10) /* limits are multiples of it, so growing never passes one */

/* A map operation as a system call. */
struct map_call {
    uint64_t nr; /* NO_CALL: nothing to be done */
    uint64_t args[6];
    uint64_t expected; /* result */
};
#define NO_CALL UINT64_MAX

/* ---- operations as calls ------------------------------------------------------------------- */

static struct map_call call_mmap(uint64_t address, uint64_t length, uint32_t prot, uint32_t flags,
                                 int fd, uint64_t offset)
{
    return (struct map_call){
        SYS_mmap,
        {address, length, prot, flags | MAP_FIXED | MAP_NORESERVE, (uint64_t)(int64_t)fd, offset},
        address};
}

static struct map_call call_mmap_anonymous(uint64_t address, uint64_t length, uint32_t prot,
                                           uint32_t flags)
{
    return call_mmap(address, length, prot, flags | MAP_ANONYMOUS, -1, 0);
}

/* How far the stack may grow: as the recording says, else by our own limit, which is mostly that of
 * the recording. Limits that a program raises itself are met by growing at faults. */
static uint64_t stack_room(const struct map_op *op)
{
    struct rlimit limit = {.rlim_cur = RLIM_INFINITY};

    if (op->new_length == 0)
        getrlimit(RLIMIT_STACK, &limit);
    else
        limit.rlim_cur = op->new_length;
    return page_down(limit.rlim_cur < STACK_SPAN ? limit.rlim_cur : STACK_SPAN);
}

/* A program's first stack. The kernel would let it grow; process_vm_writev does not, so the room is
 * there from the start. */
static struct map_call map_stack(struct replay_space *space, const struct map_op *op)
{
    uint64_t high = op->address + page_up(op->length), room = stack_room(op);
    uint64_t low = op->address;

    if (room > high - low && room < high)
        low = high - room;
    space->stack_low = low;
    space->stack_high = high;
    space->stack_prot = op->prot;
    return call_mmap_anonymous(low, high - low, op->prot, MAP_PRIVATE);
}

static int prepare_map(struct replay_session *r, struct replay_task *t, const struct map_op *op,
                       bool copy, struct map_call *ret)
{
    uint32_t flags = op->flags & (MAP_SHARED | MAP_PRIVATE | MAP_GROWSDOWN);
    int fd, error = 0;

    if (op->file) {
        error = replay_file_fd(r, t, op->file, flags & MAP_SHARED, copy, &fd);
        if (!error)
            *ret = call_mmap(op->address, op->length, op->prot, flags, fd, op->offset);
    } else if ((flags & MAP_GROWSDOWN) && r->event->kind == EVENT_EXEC) {
        *ret = map_stack(t->space, op);
    } else {
        *ret = call_mmap_anonymous(op->address, op->length, op->prot, flags);
    }
    return error;
}

static struct map_call call_mremap(const struct map_op *op)
{
    uint64_t flags = op->new_address != op->address ? MREMAP_MAYMOVE | MREMAP_FIXED : 0;

    return (struct map_call){SYS_mremap,
                             {op->address, op->length, op->new_length, flags, op->new_address},
                             op->new_address};
}

/* The stack's room below takes part when its lowest recorded page changes (PROT_GROWSDOWN). */
static struct map_call call_mprotect(struct replay_space *space, const struct map_op *op)
{
    const struct map_entry *first = maps_find(&space->maps, op->address);
    uint64_t start = op->address, end = op->address + page_up(op->length);

    if (first && (first->flags & MAP_GROWSDOWN) && first->start == start &&
        start > space->stack_low && start < space->stack_high) {
        start = space->stack_low;
        space->stack_prot = op->prot;
    }
    return (struct map_call){SYS_mprotect, {start, end - start, op->prot}, 0};
}

/* copy: map a copy of the file's content instead of the file in the trace. */
static int prepare(struct replay_session *r, struct replay_task *t, const struct map_op *op,
                   bool copy, struct map_call *ret)
{
    *ret = (struct map_call){.nr = NO_CALL};
    switch (op->kind) {
    case MAP_OP_MAP:
        return prepare_map(r, t, op, copy, ret);
    case MAP_OP_UNMAP:
        *ret = (struct map_call){SYS_munmap, {op->address, op->length}, 0};
        break;
    case MAP_OP_PROTECT:
        *ret = call_mprotect(t->space, op);
        break;
    case MAP_OP_REMAP:
        *ret = call_mremap(op);
        break;
    case MAP_OP_ADVISE:
        *ret = (struct map_call){SYS_madvise, {op->address, op->length, op->prot}, 0};
        break;
    case MAP_OP_RESET: /* done: an exec starts in a space of its own */
    case MAP_OP_RANGE:
    case MAP_OP_KIND_COUNT:
        break;
    }
    return 0;
}

/* ---- running them -------------------------------------------------------------------------- */

static int op_failed(struct replay_session *r, const struct map_op *op, uint64_t result)
{
    static const char *const names[MAP_OP_KIND_COUNT] = {"reset", "map",   "unmap", "protect",
                                                         "remap", "range", "advise"};
    int error = (int64_t)result < 0 && (int64_t)result > -4096 ? (int)result : -EADDRNOTAVAIL;

    return replay_failed(r, error, "%s of %#lx, %#lx bytes: %s", names[op->kind],
                         (unsigned long)op->address, (unsigned long)op->length, strerror(-error));
}

/* The trace lies where nothing may be executed, or on a file system that cannot map. */
static bool wants_copy(const struct map_op *op, uint64_t result)
{
    return op->kind == MAP_OP_MAP && op->file != 0 &&
           (result == (uint64_t)-EPERM || result == (uint64_t)-EACCES ||
            result == (uint64_t)-ENODEV);
}

static int apply_one(struct replay_session *r, struct replay_task *t, const struct map_op *op)
{
    struct map_call call;
    int64_t result;
    int error = prepare(r, t, op, false, &call);

    for (int tries = 0; !error && call.nr != NO_CALL; tries++) {
        error = replay_task_call(r, t, call.nr, call.args, &result);
        if (error || (uint64_t)result == call.expected)
            break;
        if (tries > 0 || !wants_copy(op, (uint64_t)result))
            return op_failed(r, op, (uint64_t)result);
        error = prepare(r, t, op, true, &call);
    }
    if (!error)
        maps_apply(&t->space->maps, op);
    return error;
}

static int run_batch(struct replay_session *r, struct replay_task *t, struct tracee_batch *batch,
                     const struct map_op *const *ops, const uint64_t *expected, size_t *ret_done)
{
    int error;

    *ret_done = 0;
    if (batch->count == 0)
        return 0;
    error = replay_task_regs(r, t);
    if (error)
        return error;
    t->dirty = true;
    r->result->stops++;
    error = tracee_batch_run(&r->area, t->tid, &t->regs, batch);
    if (error)
        return replay_diverged(r, "its process is gone or strayed in a call of the replayer (%s)",
                               strerror(-error));
    while (*ret_done < batch->count &&
           (uint64_t)batch->call[*ret_done].result == expected[*ret_done]) {
        maps_apply(&t->space->maps, ops[*ret_done]);
        ++*ret_done;
    }
    return 0;
}

/* The maps of an exec do not depend on each other's results: as many as fit go into one stop. What
 * fails, and what follows it, is done again one by one. */
static int apply_exec(struct replay_session *r, struct replay_task *t)
{
    const struct event *e = r->event;
    struct tracee_batch batch;
    const struct map_op *ops[sizeof(batch.call) / sizeof(*batch.call)];
    uint64_t expected[sizeof(batch.call) / sizeof(*batch.call)];
    size_t next = 0, done;

    while (next < e->map_count) {
        int error = 0;

        tracee_batch_init(&batch);
        for (; next < e->map_count && tracee_batch_room(&batch) > 0 && !error; next++) {
            struct map_call call;

            error = prepare(r, t, &e->maps[next], false, &call);
            if (error || call.nr == NO_CALL)
                continue;
            ops[batch.count] = &e->maps[next];
            expected[batch.count] = call.expected;
            tracee_batch_add(&batch, call.nr, call.args);
        }
        if (!error)
            error = run_batch(r, t, &batch, ops, expected, &done);
        for (; !error && done < batch.count; done++)
            error = apply_one(r, t, ops[done]);
        if (error)
            return error;
    }
    return 0;
}

int replay_apply_maps(struct replay_session *r, struct replay_task *t)
{
    const struct event *e = r->event;

    if (e->kind == EVENT_EXEC)
        return apply_exec(r, t);
    for (size_t i = 0; i < e->map_count; i++) {
        int error = apply_one(r, t, &e->maps[i]);

        if (error)
            return error;
    }
    return 0;
}

/* ---- the stack ----------------------------------------------------------------------------- */

int replay_grow_stack(struct replay_session *r, struct replay_task *t, uint64_t address, bool exact)
{
    struct replay_space *space = t->space;
    uint64_t low = exact ? page_down(address) : address & ~(STACK_CHUNK - 1);
    const struct map_entry *next;
    struct map_call call;
    int64_t result;
    int error;

    if (!space || address >= space->stack_low || address < space->stack_high - STACK_SPAN)
        return -EFAULT;
    next = maps_above(&space->maps, low);
    if (next && next->start < space->stack_low)
        return -EFAULT;
    call = call_mmap_anonymous(low, space->stack_low - low, space->stack_prot, MAP_PRIVATE);
    error = replay_task_call(r, t, call.nr, call.args, &result);
    if (error)
        return error;
    if ((uint64_t)result != low)
        return -EFAULT;
    space->stack_low = low;
    return 0;
}
