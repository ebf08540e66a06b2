/* Tasks and their tracees: birth, running, death. The only place that resumes a tracee into the
 * program's code. */
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>

#include "include/rrtest/recorder_page.h"
#include "recorder/base/text.h"
#include "recorder/replay/session.h"
#include "recorder/tracee/processor.h"

static void *allocate(size_t size)
{
    void *p = calloc(1, size);

    if (!p)
        abort();
    return p;
}

/* ---- spaces -------------------------------------------------------------------------------- */

static struct replay_space *space_new(void)
{
    struct replay_space *space = allocate(sizeof(*space));

    space->references = 1;
    maps_init(&space->maps);
    return space;
}

static struct replay_space *space_fork(const struct replay_space *from)
{
    struct replay_space *space = allocate(sizeof(*space));

    *space = *from;
    space->references = 1;
    maps_init(&space->maps);
    maps_copy(&space->maps, &from->maps);
    return space;
}

static void space_unref(struct replay_space *space)
{
    if (!space || --space->references > 0)
        return;
    maps_done(&space->maps);
    free(space);
}

/* ---- birth and death ----------------------------------------------------------------------- */

/* The list is in order of use: the task that has an event mostly has the next one. */
struct replay_task *replay_task_find(struct replay_session *r, uint32_t id)
{
    for (struct replay_task **at = &r->tasks; *at; at = &(*at)->next) {
        struct replay_task *t = *at;

        if (t->id != id)
            continue;
        *at = t->next;
        t->next = r->tasks;
        r->tasks = t;
        return t;
    }
    return NULL;
}

struct replay_task *replay_task_new(struct replay_session *r, uint32_t id)
{
    struct replay_task *t = allocate(sizeof(*t));

    t->id = id;
    t->next = r->tasks;
    r->tasks = t;
    return t;
}

int replay_task_clone(struct replay_session *r, struct replay_task *parent, uint32_t id,
                      uint64_t clone_flags)
{
    /* CLONE_PARENT: all are our own children, so that nobody else has to reap them */
    uint64_t flags = (clone_flags & CLONE_VM) | CLONE_FILES | CLONE_FS | CLONE_PARENT;
    struct replay_task *t;
    pid_t tid;
    int error = replay_task_regs(r, parent);

    if (error)
        return error;
    parent->dirty = true;
    parent->barred = false;
    error = tracee_clone(&r->area, parent->tid, &parent->regs, flags, &tid);
    if (error)
        return replay_failed(r, error, "the new task %u cannot be made: %s", id, strerror(-error));
    t = replay_task_new(r, id);
    t->tid = tid;
    t->role = text_make("%s.%u", parent->role ? parent->role : "0", ++parent->children);
    t->ns_tid = (int32_t)r->event->after.rax;
    t->pid = clone_flags & CLONE_THREAD ? parent->pid : t->ns_tid;
    t->armed = parent->armed;
    if (clone_flags & CLONE_VM) {
        t->space = parent->space;
        t->space->references++;
    } else {
        t->space = space_fork(parent->space);
    }
    r->result->stops += 3;
    return 0;
}

int replay_task_exec(struct replay_session *r, struct replay_task *t)
{
    pid_t tid;
    int error = tracee_clone(&r->area, r->empty, &r->empty_regs,
                             CLONE_FILES | CLONE_FS | CLONE_PARENT, &tid);

    if (error)
        return replay_failed(r, error, "a new address space cannot be made: %s", strerror(-error));
    replay_reap(t->tid);
    space_unref(t->space);
    t->tid = tid;
    t->space = space_new();
    t->parked = t->barred = t->armed = false;
    r->result->stops += 3;
    return 0;
}

void replay_task_end(struct replay_session *r, struct replay_task *t)
{
    struct replay_task **at = &r->tasks;

    while (*at && *at != t)
        at = &(*at)->next;
    if (*at)
        *at = t->next;
    replay_reap(t->tid);
    space_unref(t->space);
    r->result->ticks += t->ticks;
    free(t->role);
    free(t);
}

/* ---- registers and calls ------------------------------------------------------------------- */

int replay_task_regs(struct replay_session *r, struct replay_task *t)
{
    int error = t->known ? 0 : tracee_get_regs(t->tid, &t->regs);

    if (error)
        return replay_diverged(r, "its process is gone (%s)", strerror(-error));
    t->known = true;
    return 0;
}

/* Whatever the recording's registers say: a tracee that leaves a system call's entry leaves the
 * call out (orig_rax -1). The kernel never executes a call of the program. */
void replay_task_set_regs(struct replay_task *t, const struct user_regs_struct *regs)
{
    struct user_regs_struct skipping = *regs;

    skipping.orig_rax = (unsigned long long)-1;
    if (t->known && !t->barred && memcmp(&t->regs, &skipping, sizeof(skipping)) == 0)
        return;
    t->regs = skipping;
    t->known = t->dirty = true;
    t->barred = false;
}

int replay_task_call(struct replay_session *r, struct replay_task *t, uint64_t nr,
                     const uint64_t args[6], int64_t *ret)
{
    int error = replay_task_regs(r, t);

    if (error)
        return error;
    t->dirty = true;
    r->result->stops++;
    error = tracee_call(&r->area, t->tid, &t->regs, nr, args, ret);
    if (error)
        return replay_diverged(r, "its process is gone or strayed in a call of the replayer (%s)",
                               strerror(-error));
    return 0;
}

/* ---- running ------------------------------------------------------------------------------- */

static void account(struct replay_session *r, struct replay_task *t)
{
    int64_t ticks = *tracee_page_word(&r->area, PAGE_TICKS);
    int64_t atomics = *tracee_page_word(&r->area, PAGE_ATOMICS);

    t->ticks += (uint64_t)(t->ticks_loaded - ticks);
    t->atomics += (uint64_t)(t->atomics_loaded - atomics);
    t->ticks_loaded = ticks;
    t->atomics_loaded = atomics;
}

/* Sent by somebody (kill(2) from outside, the kernel on our behalf), not raised by an instruction.
 */
static bool is_foreign(pid_t tid, const struct stop *stop)
{
    siginfo_t info;

    if (stop->kind == STOP_INITIAL)
        return true;
    if (stop->kind != STOP_SIGNAL)
        return false;
    switch (stop->signal) {
    case SIGSEGV:
    case SIGBUS:
    case SIGILL:
    case SIGFPE:
    case SIGTRAP:
        return ptrace(PTRACE_GETSIGINFO, tid, 0, &info) == 0 && info.si_code <= 0;
    default:
        return true;
    }
}

static int await(struct replay_session *r, struct replay_task *t, struct stop *stop)
{
    for (;;) {
        int got = wait_next(t->tid, true, stop);
        int ended;

        if (got == 1 && stop->kind == STOP_DEAD) {
            t->tid = 0;
            return replay_diverged(r, "its process died (status %#x); was it killed from outside?",
                                   (unsigned)stop->status);
        }
        if (got == 1)
            return 0;
        if (got != -EINTR)
            return replay_diverged(r, "its process is gone (%s)", strerror(-got));
        ended = replay_check_interrupted(r);
        if (ended)
            return ended;
    }
}

int replay_task_resume(struct replay_session *r, struct replay_task *t, int request, int64_t ticks,
                       int64_t atomics, struct stop *stop)
{
    int error = 0;

    if (t->barred)
        return replay_failed(r, -EBADMSG, "task %u has to run, but is in a system call", t->id);
    t->ticks_loaded = ticks;
    t->atomics_loaded = atomics;
    /* a run of calls that goes on counts from its first one (RING_FLAG_RUN) */
    *tracee_page_word(&r->area, PAGE_RUN_TICKS) += ticks - *tracee_page_word(&r->area, PAGE_TICKS);
    *tracee_page_word(&r->area, PAGE_TICKS) = ticks;
    *tracee_page_word(&r->area, PAGE_ATOMICS) = atomics;
    if (t->armed && processor_traps_cpuid())
        processor_share_cpuid_trap();
    if (t->dirty)
        error = tracee_set_regs(t->tid, &t->regs);
    t->dirty = t->known = false;
    do {
        if (error || ptrace(request, t->tid, 0, 0) < 0)
            return replay_diverged(r, "its process is gone (%s)", strerror(error ? -error : errno));
        r->result->stops++;
        error = await(r, t, stop);
        if (error)
            return error;
    } while (is_foreign(t->tid, stop));
    t->barred = stop->kind == STOP_SECCOMP;
    account(r, t);
    return 0;
}
