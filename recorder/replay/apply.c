/* The effects of an event on memory, extended registers and output. */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "recorder/base/types.h"
#include "recorder/replay/session.h"

#define STACK_SPAN (1ull << 30) /* how far below a stack's top a fault may still mean the stack */
#define STACK_CHUNK (256ull << 10) /* limits are multiples of it, so growing never passes one */

/* ---- maps ---------------------------------------------------------------------------------- */

/* mmap of the tracee at a fixed address. */
static int map(struct replay_session *r, struct replay_task *t, uint64_t address, uint64_t length,
               uint32_t prot, uint32_t flags, int fd, uint64_t offset)
{
    int64_t result;
    int error = replay_task_call(
        r, t, SYS_mmap,
        (uint64_t[6]){address, length, prot, flags | MAP_FIXED, (uint64_t)(int64_t)fd, offset},
        &result);

    if (error)
        return error;
    if ((uint64_t)result == address)
        return 0;
    return result < 0 && result > -4096 ? (int)result : -EADDRNOTAVAIL;
}

static int map_anonymous(struct replay_session *r, struct replay_task *t, uint64_t address,
                         uint64_t length, uint32_t prot, uint32_t flags)
{
    return map(r, t, address, length, prot, flags | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
}

static int map_file(struct replay_session *r, struct replay_task *t, const struct map_op *op)
{
    bool shared = op->flags & MAP_SHARED;
    int fd;
    int error = replay_file_fd(r, t, op->file, shared, false, &fd);

    if (!error)
        error =
            map(r, t, op->address, op->length, op->prot, op->flags | MAP_NORESERVE, fd, op->offset);
    /* the trace lies where nothing may be executed, or on a file system that cannot map */
    if (error == -EPERM || error == -EACCES || error == -ENODEV) {
        error = replay_file_fd(r, t, op->file, shared, true, &fd);
        if (!error)
            error = map(r, t, op->address, op->length, op->prot, op->flags | MAP_NORESERVE, fd,
                        op->offset);
    }
    return error;
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
static int map_stack(struct replay_session *r, struct replay_task *t, const struct map_op *op)
{
    struct replay_space *space = t->space;
    uint64_t high = op->address + page_up(op->length), room = stack_room(op);
    uint64_t low = op->address;

    if (room > high - low && room < high)
        low = high - room;
    space->stack_low = low;
    space->stack_high = high;
    space->stack_prot = op->prot;
    return map_anonymous(r, t, low, high - low, op->prot, MAP_PRIVATE);
}

static int apply_map(struct replay_session *r, struct replay_task *t, const struct map_op *op)
{
    uint32_t type = op->flags & (MAP_SHARED | MAP_PRIVATE);

    if (op->file)
        return map_file(r, t, op);
    if ((op->flags & MAP_GROWSDOWN) && r->event->kind == EVENT_EXEC)
        return map_stack(r, t, op);
    return map_anonymous(r, t, op->address, op->length, op->prot,
                         type | (op->flags & MAP_GROWSDOWN));
}

static int remap(struct replay_session *r, struct replay_task *t, const struct map_op *op)
{
    bool moves = op->new_address != op->address;
    int64_t result;
    int error =
        replay_task_call(r, t, SYS_mremap,
                         (uint64_t[6]){op->address, op->length, op->new_length,
                                       moves ? MREMAP_MAYMOVE | MREMAP_FIXED : 0, op->new_address},
                         &result);

    if (error)
        return error;
    return (uint64_t)result == op->new_address ? 0 : (int)result;
}

static int unmap(struct replay_session *r, struct replay_task *t, const struct map_op *op)
{
    int64_t result;
    int error = replay_task_call(r, t, SYS_munmap, (uint64_t[6]){op->address, op->length}, &result);

    return error ? error : (int)result;
}

/* The stack's room below takes part when its lowest recorded page changes (PROT_GROWSDOWN). */
static int protect(struct replay_session *r, struct replay_task *t, const struct map_op *op)
{
    struct replay_space *space = t->space;
    const struct map_entry *first = maps_find(&space->maps, op->address);
    uint64_t start = op->address, end = op->address + page_up(op->length);
    int64_t result;
    int error;

    if (first && (first->flags & MAP_GROWSDOWN) && first->start == start &&
        start > space->stack_low && start < space->stack_high) {
        start = space->stack_low;
        space->stack_prot = op->prot;
    }
    error =
        replay_task_call(r, t, SYS_mprotect, (uint64_t[6]){start, end - start, op->prot}, &result);
    return error ? error : (int)result;
}

static int advise(struct replay_session *r, struct replay_task *t, const struct map_op *op)
{
    int64_t result;
    int error = replay_task_call(r, t, SYS_madvise,
                                 (uint64_t[6]){op->address, op->length, op->prot}, &result);

    return error ? error : (int)result;
}

static int apply_op(struct replay_session *r, struct replay_task *t, const struct map_op *op)
{
    switch (op->kind) {
    case MAP_OP_MAP:
        return apply_map(r, t, op);
    case MAP_OP_UNMAP:
        return unmap(r, t, op);
    case MAP_OP_PROTECT:
        return protect(r, t, op);
    case MAP_OP_REMAP:
        return remap(r, t, op);
    case MAP_OP_ADVISE:
        return advise(r, t, op);
    case MAP_OP_RESET: /* done: an exec starts in a space of its own */
    case MAP_OP_RANGE:
    case MAP_OP_KIND_COUNT:
        break;
    }
    return 0;
}

int replay_apply_maps(struct replay_session *r, struct replay_task *t)
{
    static const char *const names[MAP_OP_KIND_COUNT] = {"reset", "map",   "unmap", "protect",
                                                         "remap", "range", "advise"};
    const struct event *e = r->event;

    for (size_t i = 0; i < e->map_count; i++) {
        const struct map_op *op = &e->maps[i];
        int error = apply_op(r, t, op);

        if (error == REPLAY_ENDED || (error < 0 && r->error->code))
            return error;
        if (error)
            return replay_failed(r, error, "%s of %#lx, %#lx bytes: %s", names[op->kind],
                                 (unsigned long)op->address, (unsigned long)op->length,
                                 strerror(-error));
        maps_apply(&t->space->maps, op);
    }
    return 0;
}

/* ---- the stack ----------------------------------------------------------------------------- */

int replay_grow_stack(struct replay_session *r, struct replay_task *t, uint64_t address, bool exact)
{
    struct replay_space *space = t->space;
    uint64_t low = exact ? page_down(address) : address & ~(STACK_CHUNK - 1);
    const struct map_entry *next;
    int error;

    if (!space || address >= space->stack_low || address < space->stack_high - STACK_SPAN)
        return -EFAULT;
    next = maps_above(&space->maps, low);
    if (next && next->start < space->stack_low)
        return -EFAULT;
    error = map_anonymous(r, t, low, space->stack_low - low, space->stack_prot, MAP_PRIVATE);
    if (error)
        return error < 0 ? -EFAULT : error;
    space->stack_low = low;
    return 0;
}

/* ---- writes -------------------------------------------------------------------------------- */

/* A page of a shared file mapping that this task may only read: through the object behind it. */
static int write_behind(struct replay_session *r, struct replay_task *t, uint64_t address,
                        const uint8_t *data, uint64_t length)
{
    while (length > 0) {
        const struct map_entry *m = maps_find(&t->space->maps, address);
        struct event_file_write w;
        int error;

        if (!m || !m->file || !(m->flags & MAP_SHARED))
            return -EFAULT;
        w = (struct event_file_write){m->file, m->offset + (address - m->start), m->end - address,
                                      data};
        if (w.length > length)
            w.length = length;
        error = replay_file_write(r, &w);
        if (error)
            return error;
        address += w.length;
        data += w.length;
        length -= w.length;
    }
    return 0;
}

static int write_one(struct replay_session *r, struct replay_task *t, const struct event_write *w)
{
    int error = tracee_write(t->tid, w->address, w->data, w->length);

    if (error != -EFAULT && error != -EPERM)
        return error;
    error = replay_grow_stack(r, t, w->address, false);
    if (error == 0)
        return tracee_write(t->tid, w->address, w->data, w->length);
    if (error == REPLAY_ENDED)
        return error;
    error = tracee_write_forced(t->tid, w->address, w->data, w->length);
    if (error == -EFAULT)
        error = write_behind(r, t, w->address, w->data, w->length);
    return error;
}

int replay_apply_writes(struct replay_session *r, struct replay_task *t)
{
    const struct event *e = r->event;

    for (size_t i = 0; i < e->write_count; i++) {
        const struct event_write *w = &e->writes[i];
        int error = write_one(r, t, w);

        if (error == REPLAY_ENDED || (error < 0 && r->error->code))
            return error;
        if (error == -ESRCH)
            return replay_diverged(r, "its process is gone");
        if (error)
            return replay_diverged(r, "its memory at %#lx (%lu bytes) cannot be written: %s",
                                   (unsigned long)w->address, (unsigned long)w->length,
                                   strerror(-error));
    }
    for (size_t i = 0; i < e->file_write_count; i++) {
        int error = replay_file_write(r, &e->file_writes[i]);

        if (error)
            return error;
    }
    return 0;
}

/* ---- extended registers -------------------------------------------------------------------- */

/* The kernel takes whole states only; one recorded on a machine with fewer components is filled up
 * with zeros, which its header says are not there. */
int replay_apply_xstate(struct replay_session *r, struct replay_task *t)
{
    const struct event *e = r->event;
    int error;

    if (!e->xstate || e->xstate_length == 0)
        return 0;
    if (e->xstate_length > r->xstate_size)
        return replay_failed(r, -EOPNOTSUPP,
                             "the recorded extended state has %u bytes, this machine's %zu: "
                             "replay on a processor like the recording's",
                             e->xstate_length, r->xstate_size);
    memcpy(r->xstate, e->xstate, e->xstate_length);
    memset(r->xstate + e->xstate_length, 0, r->xstate_size - e->xstate_length);
    error = tracee_set_xstate(t->tid, r->xstate, r->xstate_size);
    if (error == -ESRCH)
        return replay_diverged(r, "its process is gone");
    if (error)
        return replay_failed(r, error, "the extended state cannot be set: %s", strerror(-error));
    return 0;
}

/* ---- output -------------------------------------------------------------------------------- */

int replay_apply_output(struct replay_session *r)
{
    const struct event_output *o = &r->event->output;
    uint64_t done = 0;
    int *fd;

    if (o->stream < 1 || o->stream > 2)
        return 0;
    fd = &r->output_fd[o->stream - 1];
    while (*fd >= 0 && done < o->length) {
        ssize_t n = write(*fd, o->data + done, o->length - done);

        if (n > 0) {
            done += (uint64_t)n;
        } else if (n < 0 && errno == EAGAIN) {
            struct pollfd p = {.fd = *fd, .events = POLLOUT};

            poll(&p, 1, 10);
        } else if (n == 0 || errno != EINTR) {
            *fd = -1; /* nobody reads any more; the replay itself does not depend on it */
            break;
        }
        if (n < 0 && replay_check_interrupted(r))
            return REPLAY_ENDED;
    }
    return 0;
}
