/* Which way a walk goes, and going there. A path is followed in the code as far as it is known
 * beforehand; then the task runs to that place, by an int3 there. The way through a library to the
 * program's own code is not followed: int3 stand where calls of it return to, or, if there are
 * none, the own code is made not executable. */
#include "recorder/record/walk.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>

#include "include/rrtest/recorder_page.h"
#include "recorder/images/image.h"
#include "recorder/record/buffered.h"
#include "recorder/record/path.h"
#include "recorder/record/signal.h"
#include "recorder/record/space.h"
#include "recorder/record/traps.h"

#define COUNTER_IDLE (1ll << 62)
#define MOVE_TICKS 200 /* of one move, at most: TRACE-FORMAT.md, preempt */
#define MOVES_MAX 500
#define STACK_MAX 1024 /* bytes looked at for return addresses */

/* ---- moves --------------------------------------------------------------------------------- */

static void add_move(struct task *t, uint64_t address)
{
    struct walk_moves *m = &t->moves;

    if (address == 0 && m->count == 0) {
        m->steps++;
        return;
    }
    if (m->count == m->capacity) {
        m->capacity = 2 * m->capacity + 8;
        m->at = realloc(m->at, m->capacity * sizeof(*m->at));
        if (!m->at)
            abort();
    }
    m->at[m->count++] = address;
}

void walk_begin(struct task *t, int counter)
{
    t->trapped_counter = (uint8_t)counter;
    t->trap_ticks = t->ticks;
    t->trap_atomics = t->atomics;
    t->moves.steps = 0;
    t->moves.count = 0;
}

void walk_position(const struct task *t, struct event *e)
{
    e->ticks = t->trap_ticks;
    e->atomics = t->trap_atomics;
    e->counter = t->trapped_counter;
    e->steps = t->moves.steps;
    e->moves = t->moves.at;
    e->move_count = t->moves.count;
}

void walk_task_free(struct task *t)
{
    free(t->moves.at);
}

static void load_idle_counters(struct session *s, struct task *t, int64_t ticks)
{
    *tracee_page_word(&s->area, PAGE_TICKS) = t->ticks_loaded = ticks;
    *tracee_page_word(&s->area, PAGE_ATOMICS) = t->atomics_loaded = COUNTER_IDLE;
}

/* ---- single steps -------------------------------------------------------------------------- */

static bool is_kernels_own(const struct stop *stop)
{
    return stop->kind == STOP_SIGNAL && (stop->signal == SIGCHLD || stop->signal == SIGPIPE);
}

static int step_once(struct session *s, struct task *t, struct stop *stop)
{
    int got;

    do {
        if (task_flush(t) < 0 || ptrace(PTRACE_SINGLESTEP, t->tid, 0, 0) < 0)
            return -ESRCH;
        t->at_seccomp = false;
        s->result->statistics.stops++;
        got = session_wait(s, t->tid, stop);
        if (got < 0)
            return got;
    } while (is_kernels_own(stop));
    if (tracee_get_regs(t->tid, &t->regs) < 0)
        return -ESRCH;
    return stop->kind == STOP_SIGNAL && stop->signal == SIGTRAP ? 0 : 1;
}

/* One single step of a walk. False: another stop came, and was handled. The kernel's own SIGCHLD
 * and SIGPIPE (modelled elsewhere) come instead of the instruction, as does the end of a system
 * call: it is stepped again. */
static bool single_step(struct session *s, struct task *t)
{
    struct stop stop;
    int got;

    load_idle_counters(s, t, COUNTER_IDLE);
    got = step_once(s, t, &stop);
    if (got == 0 && tracee_step_was_empty(t->tid))
        got = step_once(s, t, &stop);
    session_account(s, t);
    if (got == 0)
        add_move(t, 0);
    else if (got > 0)
        session_handle_stop(s, t, &stop); /* t may be gone */
    return got == 0;
}

bool walk_step_out(struct session *s, struct task *t)
{
    bool exact;

    traps_original_ip(t, &exact);
    if (exact)
        return true;
    if (!t->needs_event) {
        t->needs_event = true;
        walk_begin(t, 2);
    }
    for (int i = 0; i < 2000 && !exact; i++) { /* the blob's table of cpuid leaves is long */
        if (!single_step(s, t))
            return false;
        traps_original_ip(t, &exact);
    }
    return true;
}

/* ---- running to a place -------------------------------------------------------------------- */

enum leg {
    LEG_ARRIVED,
    LEG_MISSED, /* at a tick: too many on the way */
    LEG_OVER,   /* another stop came, and was handled; t may be gone */
};

/* Words of code, aligned, and the same with an int3 in each. */
struct int3s {
    uint64_t start[PATH_FAN_MAX];
    uint64_t before[PATH_FAN_MAX];
    uint64_t after[PATH_FAN_MAX];
    size_t count;
};

static bool plant(const struct task *t, const uint64_t *at, size_t count, struct int3s *ret)
{
    size_t n = 0;

    for (size_t i = 0; i < count; i++) {
        const struct map_entry *m = maps_find(&t->space->maps, at[i]);

        ret->start[i] = at[i] & ~7ull;
        if (!m || m->flags & MAP_SHARED)
            return false;
    }
    if (tracee_read_words(t->tid, ret->start, count, ret->before) < 0)
        return false;
    for (size_t i = 0; i < count; i++) {
        unsigned shift = (unsigned)(at[i] & 7) * 8;

        ret->after[i] = ret->before[i];
        for (size_t j = 0; j < i; j++)
            if (ret->start[j] == ret->start[i])
                ret->after[i] = ret->after[j];
        ret->after[i] = (ret->after[i] & ~(0xffull << shift)) | 0xccull << shift;
    }
    while (n < count && ptrace(PTRACE_POKETEXT, t->tid, ret->start[n], ret->after[n]) == 0)
        n++;
    ret->count = n;
    return n == count;
}

static void remove_int3s(const struct task *t, const struct int3s *p)
{
    for (size_t i = 0; i < p->count; i++)
        ptrace(PTRACE_POKETEXT, t->tid, p->start[i], p->before[i]);
}

/* To the next stop that means something. */
static int resume(struct session *s, struct task *t, struct stop *stop)
{
    int got;

    load_idle_counters(s, t, MOVE_TICKS);
    do {
        if (task_flush(t) < 0 || ptrace(PTRACE_CONT, t->tid, 0, 0) < 0)
            return -ESRCH;
        t->at_seccomp = false;
        s->result->statistics.stops++;
        got = session_wait(s, t->tid, stop);
        if (got < 0)
            return got;
    } while (is_kernels_own(stop));
    session_account(s, t);
    if (stop->kind != STOP_DEAD && tracee_get_regs(t->tid, &t->regs) < 0)
        return -ESRCH;
    return 0;
}

/* A stop that ended a leg before its time. Where it came the task can't be sent away from, unless
 * the stop has an event of its own. */
static enum leg other_stop(struct session *s, struct task *t, const struct stop *stop)
{
    if (stop->kind == STOP_SECCOMP && t->regs.rip >= RECORDER_BLOB_ADDRESS &&
        t->regs.rip < RECORDER_BLOB_ADDRESS + RECORDER_BLOB_SIZE &&
        t->regs.orig_rax == BLOB_CALL_TICK) {
        t->at_seccomp = true;
        traps_leave_counter(s, t);
        walk_begin(t, 0);
        return LEG_MISSED;
    }
    if (stop->kind == STOP_SIGNAL || stop->kind == STOP_INITIAL)
        s->reschedule = false;
    session_handle_stop(s, t, stop);
    return LEG_OVER;
}

/* To whichever of some places comes first. */
static enum leg go(struct session *s, struct task *t, const uint64_t *to, size_t count)
{
    struct int3s int3s = {.count = 0};
    struct stop stop;
    bool planted = plant(t, to, count, &int3s);
    int error = planted ? resume(s, t, &stop) : 0;

    remove_int3s(t, &int3s);
    if (!planted)
        return single_step(s, t) ? LEG_MISSED : LEG_OVER;
    if (error)
        return LEG_OVER;
    for (size_t i = 0; i < count && stop.kind == STOP_SIGNAL && stop.signal == SIGTRAP; i++) {
        if (t->regs.rip != to[i] + 1)
            continue;
        t->regs.rip = to[i];
        t->regs.orig_rax = (unsigned long long)-1;
        t->regs_dirty = true;
        add_move(t, to[i]);
        return LEG_ARRIVED;
    }
    return other_stop(s, t, &stop);
}

/* ---- to the program's own code ------------------------------------------------------------- */

/* The mappings of own code may be executed, or not for now. */
static bool set_executable(struct session *s, struct task *t, bool on)
{
    const struct maps *m = &t->space->maps;
    struct tracee_batch batch;
    bool good;

    tracee_batch_init(&batch);
    for (size_t i = 0; i < m->count; i++) {
        const struct map_entry *e = &m->entry[i];
        uint64_t prot = on ? e->prot : e->prot & ~(uint32_t)PROT_EXEC;

        if (!(e->prot & PROT_EXEC) || !path_is_own(t, e->start))
            continue;
        if (tracee_batch_room(&batch) == 0)
            return false;
        tracee_batch_add(&batch, SYS_mprotect, (uint64_t[6]){e->start, e->end - e->start, prot});
    }
    if (batch.count == 0)
        return false;
    s->result->statistics.stops++;
    t->regs.orig_rax = (unsigned long long)-1;
    t->regs_dirty = true;
    t->at_seccomp = false;
    good = tracee_batch_run(&s->area, t->tid, &t->regs, &batch) == 0;
    for (size_t i = 0; i < batch.count; i++)
        good &= batch.call[i].result == 0;
    return good;
}

/* A signal's stop, whose siginfo a remote call would destroy: what an instruction raised it raises
 * again. */
static void keep_signal(struct session *s, struct task *t, const siginfo_t *info)
{
    bool raised = info->si_code > 0 && (info->si_signo == SIGSEGV || info->si_signo == SIGBUS ||
                                        info->si_signo == SIGILL || info->si_signo == SIGFPE ||
                                        info->si_signo == SIGTRAP);

    if (!raised)
        signal_from_outside(s, t, info);
    else if (info->si_signo == SIGTRAP)
        t->regs.rip--; /* int3 leaves ip behind itself */
}

static enum leg enter_own(struct session *s, struct task *t)
{
    siginfo_t info = {0};
    struct stop stop;
    bool arrived;

    if (!set_executable(s, t, false)) {
        set_executable(s, t, true);
        return LEG_MISSED;
    }
    if (resume(s, t, &stop) < 0)
        return LEG_OVER;
    if (stop.kind == STOP_DEAD || stop.kind == STOP_EXIT)
        return other_stop(s, t, &stop);
    if (stop.kind == STOP_SIGNAL && ptrace(PTRACE_GETSIGINFO, t->tid, 0, &info) < 0)
        return LEG_OVER;
    arrived = info.si_signo == SIGSEGV && info.si_code == SEGV_ACCERR &&
              (uint64_t)(uintptr_t)info.si_addr == t->regs.rip && path_is_own(t, t->regs.rip);
    if (stop.kind == STOP_SIGNAL && !arrived)
        keep_signal(s, t, &info);
    if (stop.kind == STOP_SECCOMP) {
        struct user_regs_struct entry = t->regs;

        set_executable(s, t, true);
        t->regs = entry;
        t->entry_lost = true;
        return other_stop(s, t, &stop);
    }
    set_executable(s, t, true);
    if (arrived) {
        add_move(t, t->regs.rip);
        return LEG_ARRIVED;
    }
    t->nowhere = true;
    s->reschedule = false;
    return LEG_OVER;
}

/* Does it look like a place behind a call (call rel32, call *x)? */
static bool is_behind_call(const struct task *t, uint64_t address)
{
    uint8_t code[7];

    if (tracee_read(t->tid, address - sizeof(code), code, sizeof(code)) < 0)
        return false;
    for (size_t at = 0; at + 2 <= sizeof(code); at++) {
        size_t length = image_instruction_length(code + at, sizeof(code) - at);
        bool call = code[at] == 0xe8 || (code[at] == 0xff && (code[at + 1] >> 3 & 7) == 2) ||
                    (code[at] == 0x41 && code[at + 1] == 0xff);

        if (call && length == sizeof(code) - at)
            return true;
    }
    return false;
}

/* Where calls made by own code return to, from the top of the stack on. Some may be left over from
 * calls that are long past. */
static size_t find_returns(const struct task *t, uint64_t ret[PATH_FAN_MAX])
{
    uint64_t stack[STACK_MAX / 8];
    size_t words = tracee_read_some(t->tid, t->regs.rsp, stack, sizeof(stack)) / 8, count = 0;

    for (size_t i = 0; i < words && count < PATH_FAN_MAX; i++) {
        const struct map_entry *m;
        bool known = false;

        if (!path_is_own(t, stack[i]))
            continue;
        m = maps_find(&t->space->maps, stack[i]);
        for (size_t j = 0; j < count; j++)
            known |= ret[j] == stack[i];
        if (!known && m && m->prot & PROT_EXEC && is_behind_call(t, stack[i]))
            ret[count++] = stack[i];
    }
    return count;
}

/* ---- walking ------------------------------------------------------------------------------- */

/* To one of the ends of these ways, which becomes p. False: an int3 at one would trap at once. */
static bool go_fan(struct session *s, struct task *t, struct path_fan *f, struct path *p,
                   enum path_way *way, enum leg *ret)
{
    uint64_t to[PATH_FAN_MAX];

    path_spread(f);
    for (size_t i = 0; i < f->count; i++) {
        to[i] = f->path[i].at;
        if (to[i] == t->regs.rip)
            return false;
    }
    *ret = go(s, t, to, f->count);
    for (size_t i = 0; i < f->count && *ret == LEG_ARRIVED; i++) {
        if (to[i] != t->regs.rip)
            continue;
        *p = f->path[i];
        *way = f->way[i];
        break;
    }
    return true;
}

static enum leg go_on(struct session *s, struct task *t, struct path *p, enum path_way *way)
{
    struct path_fan f = {.count = 1};
    enum leg leg;

    f.path[0] = *p;
    f.way[0] = *way;
    return go_fan(s, t, &f, p, way, &leg) ? leg : go(s, t, &p->at, 1);
}

/* To the program's own code, and on from where it is returned to. */
static enum leg seek_own(struct session *s, struct task *t, struct path *p, enum path_way *way)
{
    struct path_fan f = {.count = 0};
    uint64_t returns[PATH_FAN_MAX];
    enum leg leg;

    f.count = find_returns(t, returns);
    for (size_t i = 0; i < f.count; i++) {
        f.path[i] = *p;
        f.path[i].at = returns[i];
        f.path[i].here = f.path[i].counted = false;
        f.way[i] = path_follow(&f.path[i]);
    }
    return f.count > 0 && go_fan(s, t, &f, p, way, &leg) ? leg : enter_own(s, t);
}

/* One move. False: the walk is over. */
static bool move(struct session *s, struct task *t, struct path *p)
{
    enum path_way way = path_follow(p);
    enum leg leg = LEG_ARRIVED;

    if (way == PATH_END && p->here)
        return false;
    if (way == PATH_SEEK)
        leg = seek_own(s, t, p, &way);
    else if (way == PATH_STEP || p->at == t->regs.rip)
        leg = single_step(s, t) ? LEG_ARRIVED : LEG_OVER;
    else
        leg = go_on(s, t, p, &way);
    if (leg == LEG_OVER)
        p->t = NULL;
    if (leg != LEG_ARRIVED)
        return false;
    p->counted =
        p->counted && p->at == t->regs.rip && (way == PATH_REGISTERS || way == PATH_BRANCH);
    p->at = t->regs.rip;
    p->here = true;
    return way != PATH_END;
}

void walk(struct session *s, struct task *t)
{
    struct path p = {.t = t, .place = t->slice, .at = t->regs.rip, .here = true};

    p.left = t->slice.steps + 64;
    buffered_suspend(s);
    for (int i = 0; i < MOVES_MAX && move(s, t, &p); i++)
        ;
    if (!p.t || !walk_step_out(s, t))
        return;
    if (p.place.own && !path_is_own(t, t->regs.rip))
        s->reason = SCHED_MISSED;
}
