/* Calls, frames and tasks that come to patch regions and leave them, and the patch itself. */
#include "recorder/record/patches.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "include/rrtest/recorder_page.h"
#include "recorder/base/log.h"
#include "recorder/base/types.h"
#include "recorder/patch/fault.h"
#include "recorder/patch/occupancy.h"
#include "recorder/patch/state.h"
#include "recorder/record/image_store.h"
#include "recorder/record/patch_sites.h"
#include "recorder/record/space.h"

/* ---- decisions ---------------------------------------------------------------------------------
 */

struct patch_decision {
    uint32_t task; /* the recorder's id */
    struct event_patch patch;
    uint64_t to; /* the task goes on there; 0: where it was */
    /* or, if there is a length, what comes to memory */
    uint64_t space; /* id */
    uint64_t address;
    uint64_t length;
    uint8_t code[PATCH_REGION_MAX];
};

static struct patch_decision *queue_one(struct session *s, const struct task *t)
{
    if (s->decision_count == s->decision_capacity) {
        s->decision_capacity = s->decision_capacity * 2 + 16;
        s->decisions = realloc(s->decisions, s->decision_capacity * sizeof(*s->decisions));
        if (!s->decisions)
            abort();
    }
    s->decisions[s->decision_count] = (struct patch_decision){.task = t->id};
    return &s->decisions[s->decision_count++];
}

static void queue(struct session *s, const struct task *t, const struct patch_site *site,
                  enum patch_word word, uint32_t by, uint64_t to)
{
    struct patch_decision *d = queue_one(s, t);

    s->result->statistics.patches[word]++;
    log_debug("task %u: patch of the call at %#lx: %s (by %u)", t->id,
              (unsigned long)site->instruction, patch_word_name(word), by);
    d->patch = (struct event_patch){word, by, site->instruction,
                                    site->start == site->end ? 0 : site->start,
                                    (uint32_t)(site->end - site->start)};
    d->to = to;
}

static void decide(struct session *s, const struct task *t, const struct patch_site *site,
                   enum patch_word word, uint32_t by)
{
    queue(s, t, site, word, by, 0);
}

static void move_registers(struct user_regs_struct *regs, uint64_t to)
{
    if (regs->rcx == regs->rip) /* `syscall` leaves its return address there */
        regs->rcx = to;
    regs->rip = to;
}

/* A task in a call goes on there behind it. */
static void move_task(struct task *t, uint64_t to)
{
    if (t->call.active) {
        move_registers(&t->call.before, to);
        t->regs.rip = t->call.before.rip;
        t->regs.rcx = t->call.before.rcx;
    } else {
        move_registers(&t->regs, to);
    }
    t->regs_dirty = true;
}

static void emit_one(struct session *s, struct task *t, const struct patch_decision *decision)
{
    bool needs_event = t->needs_event;

    if (decision->length) {
        if (tracee_write_forced(t->tid, decision->address, decision->code, decision->length) < 0)
            return;
        emit_begin(s, t, EVENT_MEMORY);
        emit_bytes(s, decision->address, decision->code, decision->length);
    } else {
        emit_begin(s, t, EVENT_PATCH)->patch = decision->patch;
    }
    if (decision->to && t->id == decision->task)
        move_task(t, decision->to);
    emit_end(s, t);
    t->needs_event = needs_event;
}

/* Events of no stop must not come between a task's buffered calls and its next stop: so decisions
 * wait for the end of an event. */
void patches_emit(struct session *s)
{
    size_t count = s->decision_count;
    struct task *t;

    if (count == 0)
        return;
    s->decision_count = 0; /* emit_end() calls here again */
    for (size_t i = 0; i < count; i++) {
        const struct patch_decision *d = &s->decisions[i];

        for (t = s->tasks; t && (t->id != d->task || t->left); t = t->next)
            ;
        /* of one that is gone, in another's name */
        for (t = t ? t : s->tasks; t && (t->left || (d->length && t->space->id != d->space));
             t = t->next)
            ;
        if (t)
            emit_one(s, t, &s->decisions[i]);
    }
}

void patches_done(struct session *s)
{
    free(s->decisions);
}

/* An input to the call's state machine. True: the region is to be written. */
static bool input(struct session *s, struct task *t, struct patch_site *site,
                  struct patch_event *event, enum patch_input what, uint32_t by)
{
    struct patch_step step = patch_step(event->state, what);

    event->state = step.next;
    site->state = step.next;
    if (step.decision != PATCH_NONE)
        decide(s, t, site, step.decision, by);
    return step.write;
}

static bool is_deferred(enum patch_word state)
{
    return state == PATCH_DEFERRED_ENTRY || state == PATCH_DEFERRED_OCCUPIED;
}

/* ---- who stands where --------------------------------------------------------------------------
 */

/* A growing list; only as long as one question. */
struct crowd {
    struct patch_occupant *occupant;
    size_t count, capacity;
};

static void add_occupant(struct crowd *c, struct patch_occupant o)
{
    if (c->count == c->capacity) {
        c->capacity = c->capacity * 2 + 32;
        c->occupant = realloc(c->occupant, c->capacity * sizeof(o));
        if (!c->occupant)
            abort();
    }
    c->occupant[c->count++] = o;
}

static bool is_there(const struct task *t, const struct space *space)
{
    return t->space == space && !t->left && t->state != TASK_DEAD && t->state != TASK_EXITING;
}

/* Everybody in the space; of `but`, whose call is at its entry, only the frames. */
static void gather(struct session *s, const struct space *space, const struct patch_site *site,
                   const struct task *but, struct crowd *ret)
{
    for (const struct task *t = s->tasks; t; t = t->next) {
        if (!is_there(t, space))
            continue;
        for (size_t i = 0; i < t->frame_count; i++)
            add_occupant(ret, (struct patch_occupant){
                                  .ip = t->frames[i].ip, .task = t->id, .in_call = true});
        if (t == but)
            continue;
        if (t->call.active)
            add_occupant(ret, (struct patch_occupant){
                                  .ip = t->call.before.rip, .task = t->id, .in_call = true});
        else
            add_occupant(ret, (struct patch_occupant){
                                  .ip = t->regs.rip,
                                  .task = t->id,
                                  .movable = patch_site_copies(space, site, t->regs.rip)});
    }
}

/* The task that stands in the region, or 0. */
static uint32_t occupant_of(struct session *s, const struct space *space,
                            const struct patch_site *site, const struct task *but)
{
    struct crowd crowd = {0};
    const struct patch_occupant *found;
    uint32_t task;
    unsigned blindness =
        (s->patch_faults & PATCH_FAULT_IGNORE_OCCUPANCY ? PATCH_BLIND_TO_ALL : 0) |
        (s->patch_faults & PATCH_FAULT_IGNORE_RESTART ? PATCH_BLIND_TO_RESTARTS : 0);

    gather(s, space, site, but, &crowd);
    found = patch_occupied(crowd.occupant, crowd.count, site->start, site->end, blindness);
    task = found ? found->task : 0;
    free(crowd.occupant);
    return task;
}

/* A stopped task of the space through which memory is changed. */
static struct task *agent_of(struct session *s, const struct space *space, struct task *wanted)
{
    struct task *found = NULL;

    for (struct task *t = s->tasks; t; t = t->next) {
        if (!is_there(t, space) || t->process->group_exiting || t->process->execing ||
            (t->state != TASK_READY && t->state != TASK_PARKED))
            continue;
        if (t == wanted)
            return t;
        found = found ? found : t;
    }
    return found;
}

/* ---- writing -----------------------------------------------------------------------------------
 */

static int map_page(struct session *s, struct task *t, uint64_t page)
{
    struct user_regs_struct saved = t->regs;
    int64_t result = -1;

    if (t->call.active)
        t->call.stop_lost = true;
    if (task_call(s, t, SYS_mmap,
                  (uint64_t[6]){page, TRACEE_PAGE_SIZE, PROT_READ | PROT_EXEC,
                                MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, (uint64_t)-1},
                  &result))
        return -ESRCH;
    t->regs = saved;
    t->regs_dirty = true;
    return (uint64_t)result == page ? 0 : -ENOMEM;
}

/* A place for the stub of a site that no image has planned. Nothing is written yet: events may come
 * before the patch's own, and memory must be as they say. */
static int place_stub(struct session *s, struct task *t, struct patch_site *site,
                      uint64_t *ret_page)
{
    int error;

    *ret_page = 0;
    if (site->planned || site->target)
        return 0;
    if (!patch_site_place(t->space, site, ret_page))
        return -ENOSPC;
    error = *ret_page ? map_page(s, t, *ret_page) : 0;
    if (error) {
        site->target = 0;
        t->space->patches.page_count -= *ret_page != 0;
    }
    return error;
}

/* What a patch needs before it is decided that it is made. */
struct preparation {
    uint64_t page; /* mapped for it, or 0 */
    bool made;     /* its stub is new */
};

static bool prepare(struct session *s, struct task *t, struct patch_site *site,
                    struct preparation *ret)
{
    if (s->current)
        emit_entry(s, s->current);
    ret->made = !site->planned && !site->target;
    return place_stub(s, t, site, &ret->page) == 0;
}

/* The patch, as one event. */
static void write_region(struct session *s, struct task *t, const struct patch_site *site,
                         const struct preparation *prepared)
{
    uint8_t code[PATCH_REGION_MAX];
    uint64_t page = prepared->page, length = site->end - site->start;

    image_region_bytes(site->start, length, site->target, code);
    if (prepared->made)
        tracee_write_forced(t->tid, site->target, site->stub.code, site->stub.size);
    if (tracee_write_forced(t->tid, site->start, code, length) < 0)
        return; /* it is gone */
    s->result->statistics.patches[PATCH_APPLIED]++;
    emit_begin(s, t, EVENT_PATCH)->patch =
        (struct event_patch){PATCH_APPLIED, 0, site->instruction, site->start, (uint32_t)length};
    if (page) {
        struct map_op op = {.kind = MAP_OP_MAP,
                            .address = page,
                            .length = TRACEE_PAGE_SIZE,
                            .prot = PROT_READ | PROT_EXEC,
                            .flags = MAP_PRIVATE};

        emit_map(s, t, &op);
        maps_annotate(&t->space->maps, page, page + TRACEE_PAGE_SIZE, 0,
                      image_store_name(s->images, SPACE_HIDDEN_NAME));
    }
    if (prepared->made)
        emit_bytes(s, site->target, site->stub.code, site->stub.size);
    emit_bytes(s, site->start, code, length);
    emit_end(s, t);
}

/* Stopped tasks outside of calls go on in the copy. */
static void move_tasks(struct session *s, struct space *space, const struct patch_site *site)
{
    for (struct task *t = s->tasks; t; t = t->next) {
        uint64_t copy;

        if (!is_there(t, space) || t->call.active ||
            !patch_inside(t->regs.rip, site->start, site->end))
            continue;
        copy = patch_site_copy(space, site, t->regs.rip);
        if (copy)
            queue(s, t, site, PATCH_MOVED, 0, copy);
    }
    patches_emit(s);
}

/* The code is no longer what was copied: who stands in the copy, in the call mostly, goes on in the
 * code itself. */
static void move_back(struct session *s, struct space *space, const struct patch_site *site)
{
    for (struct task *t = s->tasks; t; t = t->next) {
        struct image_where where;

        if (!is_there(t, space))
            continue;
        where = space_locate(space, t->call.active ? t->call.before.rip : t->regs.rip);
        if ((where.place == IMAGE_STUB_HEAD || where.place == IMAGE_STUB_BODY) && where.exact &&
            where.start == site->start)
            queue(s, t, site, PATCH_MOVED, 0, where.original);
    }
}

static bool is_unchanged(const struct task *t, const struct patch_site *site)
{
    const struct map_entry *m = maps_find(&t->space->maps, site->start);
    uint8_t code[PATCH_REGION_MAX];

    return m && m->end >= site->end && (m->prot & PROT_EXEC) && !(m->prot & PROT_WRITE) &&
           tracee_read_forced(t->tid, site->start, code, site->end - site->start) == 0 &&
           memcmp(code, site->code, site->end - site->start) == 0;
}

/* ---- calls begin -------------------------------------------------------------------------------
 */

static void leave(struct session *s, struct task *t, struct space *space, struct patch_event event);

/* At the entry, with the region its own: the call goes on in the copy. */
static void patch_at_entry(struct session *s, struct task *t, struct patch_site *site)
{
    struct preparation prepared;
    uint64_t copy;

    if (!prepare(s, t, site, &prepared)) {
        input(s, t, site, &t->patch, PATCH_INPUT_CHANGED, 0);
        return;
    }
    /* the decision's event is that with the bytes */
    t->patch.state = site->state = patch_step(t->patch.state, PATCH_INPUT_CLEAR).next;
    write_region(s, t, site, &prepared);
    copy = patch_site_copy(t->space, site, t->regs.rip);
    if (patch_inside(t->regs.rip, site->start, site->end) && copy)
        queue(s, t, site, PATCH_MOVED, 0, copy);
    move_tasks(s, t->space, site);
}

static void begin_at(struct session *s, struct task *t, struct patch_site *site)
{
    uint32_t by = occupant_of(s, t->space, site, t);
    struct patch_event *event = &t->patch;

    if (s->patch_faults & PATCH_FAULT_FLAG_PER_TASK)
        t->patch_flag = site->instruction;
    if (by)
        input(s, t, site, event, PATCH_INPUT_OCCUPIED, by);
    else if (site->start != site->instruction)
        input(s, t, site, event, PATCH_INPUT_BEGINS_BEFORE, t->id);
    else if (!is_unchanged(t, site))
        input(s, t, site, event, PATCH_INPUT_CHANGED, 0);
    else
        patch_at_entry(s, t, site);
}

static void remove_frame(struct task *t, size_t index)
{
    memmove(&t->frames[index], &t->frames[index + 1],
            (t->frame_count - index - 1) * sizeof(*t->frames));
    t->frame_count--;
}

static bool same_mapping(const struct task *t, uint64_t a, uint64_t b)
{
    const struct map_entry *m = maps_find(&t->space->maps, a);

    return m && b >= m->start && b < m->end;
}

/* Frames below the stack pointer were left by longjmp or its like; on another stack nobody can
 * tell, and they stay. */
static void drop_left_frames(struct session *s, struct task *t, uint64_t sp)
{
    for (size_t i = t->frame_count; i-- > 0;) {
        struct patch_frame f = t->frames[i];

        if (f.over || sp <= f.sp + 8 || !same_mapping(t, f.sp, sp))
            continue;
        remove_frame(t, i);
        leave(s, t, t->space, f.event);
    }
}

static bool in_area(uint64_t ip)
{
    return ip >= RECORDER_BLOB_ADDRESS && ip < RECORDER_BLOB_ADDRESS + RECORDER_BLOB_SIZE;
}

/* No call is to patch it. */
static bool is_idle(const struct patch_site *site)
{
    return site->state == PATCH_NONE || site->state == PATCH_ABANDONED;
}

/* Could a handler answer such a call? Else a patch gains nothing, and is made only where lazy
 * patching is hunted in. */
static bool is_worth_it(const struct session *s, uint64_t nr)
{
    static const bool answered[] = {
#define CALL(name, handler, needs) [SYS_##name] = true,
#include "recorder/blob/calls.def"
#undef CALL
    };

    return s->options->patching != RECORD_PATCHING_STATIC ||
           (nr < sizeof(answered) / sizeof(*answered) && answered[nr]);
}

/* The site of the call at t's entry stop; NULL: it is a stub's own, or has none now. */
static struct patch_site *site_of(struct session *s, struct task *t, uint64_t instruction)
{
    struct patch_site *site = patch_site_find(t->space, instruction);
    struct image_where where = space_locate(t->space, instruction);
    bool transient;

    if (where.place == IMAGE_STUB_HEAD || where.place == IMAGE_STUB_BODY)
        return NULL;
    if (site && (site->state == PATCH_APPLIED ||
                 (is_idle(site) && site->start != site->end && !is_unchanged(t, site)))) {
        /* the call is executed where a jump was written, or not by the code that was looked at:
         * other code came there */
        patches_forget(s, t, site->start, site->end);
        site = NULL;
    }
    if (site && site->state == PATCH_REFUSED)
        return NULL;
    if (site || !is_worth_it(s, t->call.nr))
        return site;
    site = patch_site_new(s, t, instruction, t->call.nr, &transient);
    if (site && site->start == site->end) {
        struct patch_event none = {PATCH_NONE, instruction};

        input(s, t, site, &none, PATCH_INPUT_NO_REGION, 0);
        return NULL;
    }
    return site;
}

bool patches_call_begins(struct session *s, struct task *t)
{
    struct patch_event before = t->patch;
    struct patch_site *site;
    uint64_t instruction = t->regs.rip - PATCH_SYSCALL_LENGTH;

    if (s->options->patching == RECORD_PATCHING_OFF || in_area(t->regs.rip))
        return true;
    t->patch = (struct patch_event){PATCH_NONE, instruction};
    if (t->call.nr != SYS_rt_sigreturn)
        drop_left_frames(s, t, t->regs.rsp);
    leave(s, t, t->space, before);
    site = site_of(s, t, instruction);
    if (site && is_idle(site))
        input(s, t, site, &t->patch, PATCH_INPUT_REGION, 0);
    else if (site)
        t->patch.state = PATCH_WANTED;
    if (site)
        begin_at(s, t, site);
    /* room for a stub may have cost the entry stop */
    return !t->call.stop_lost || call_reenter(s, t, &t->call) == 0;
}

/* ---- and end -----------------------------------------------------------------------------------
 */

/* Old mistakes on purpose: the region of `site` is written where the task happens to be. */
static void patch_wherever(struct session *s, struct task *t, const struct patch_site *site)
{
    struct patch_site wrong = *site;
    struct preparation prepared;
    uint64_t shift = t->regs.rip - PATCH_SYSCALL_LENGTH - site->instruction;

    wrong.start += shift;
    wrong.end += shift;
    wrong.instruction += shift;
    if (prepare(s, t, &wrong, &prepared))
        write_region(s, t, &wrong, &prepared);
}

/* The retry of a deferred call. `event` is that call's, or what a call that is over has left. */
static void retry(struct session *s, struct task *t, struct space *space, struct patch_site *site,
                  struct patch_event *event)
{
    struct task *agent = agent_of(s, space, t);
    struct preparation prepared;
    uint32_t by;

    if (s->patch_faults & PATCH_FAULT_FORGET_RETRY)
        return;
    if (!agent) {
        input(s, t, site, event, PATCH_INPUT_ENDED, 0);
        return;
    }
    if (s->patch_faults & PATCH_FAULT_NO_IP_CHECK) {
        patch_wherever(s, agent, site);
        event->state = site->state = PATCH_APPLIED;
        return;
    }
    if (!is_unchanged(agent, site)) {
        input(s, t, site, event, PATCH_INPUT_CHANGED, 0);
        return;
    }
    by = occupant_of(s, space, site, NULL);
    if (by) {
        input(s, t, site, event, PATCH_INPUT_OCCUPIED, by);
        return;
    }
    if (!prepare(s, agent, site, &prepared)) {
        input(s, t, site, event, PATCH_INPUT_CHANGED, 0);
        return;
    }
    if (!input(s, t, site, event, PATCH_INPUT_FREE, 0))
        return;
    patches_emit(s);
    write_region(s, agent, site, &prepared);
    move_tasks(s, space, site);
}

static void set_waiting(struct space *space, struct patch_site *site, bool waiting)
{
    space->patches.waiting += (size_t)waiting - (size_t)site->waiting;
    site->waiting = waiting;
}

/* Somebody leaves: what waits for it is tried again. */
static void retry_waiting(struct session *s, struct task *t, struct space *space)
{
    struct patch_sites *p = &space->patches;

    for (size_t i = 0; i < p->count && p->waiting > 0; i++) {
        struct patch_event event = {p->site[i].state, p->site[i].instruction};

        if (!p->site[i].waiting)
            continue;
        if (is_deferred(event.state))
            retry(s, t, space, &p->site[i], &event);
        set_waiting(space, &p->site[i], is_deferred(event.state));
    }
}

/* A call of t that was made in the space has ended, or a frame. */
static void leave(struct session *s, struct task *t, struct space *space, struct patch_event event)
{
    struct patch_site *site = NULL;

    if (is_deferred(event.state))
        site = patch_site_find(space, event.instruction);
    /* unless another call's end has done it since, or given it up */
    if (site && is_deferred(site->state)) {
        retry(s, t, space, site, &event);
        set_waiting(space, site, is_deferred(event.state));
    }
    retry_waiting(s, t, space);
}

/* RRTEST_FAULT=patch-flag-per-task: the call that ends is taken for the one that wanted it. */
static void leave_by_flag(struct session *s, struct task *t)
{
    struct patch_site *site = t->patch_flag ? patch_site_find(t->space, t->patch_flag) : NULL;

    t->patch_flag = 0;
    t->patch.state = PATCH_NONE;
    if (!site || !is_deferred(site->state))
        return;
    s->result->statistics.patches[PATCH_RETRIED]++;
    patch_wherever(s, t, site);
    site->state = PATCH_APPLIED;
    move_tasks(s, t->space, site);
}

static void leave_returned_frames(struct session *s, struct task *t, struct space *space)
{
    for (size_t i = t->frame_count; i-- > 0;) {
        struct patch_frame f = t->frames[i];

        if (!f.over)
            continue;
        remove_frame(t, i);
        leave(s, t, space, f.event);
    }
}

void patches_call_over(struct session *s, struct task *t)
{
    struct patch_event event = t->patch;

    if (s->options->patching == RECORD_PATCHING_OFF || t->left)
        return;
    t->patch = (struct patch_event){PATCH_NONE, 0};
    leave_returned_frames(s, t, t->space);
    if (s->patch_faults & PATCH_FAULT_FLAG_PER_TASK)
        leave_by_flag(s, t);
    else
        leave(s, t, t->space, event);
}

/* ---- frames ------------------------------------------------------------------------------------
 */

void patches_frame_pushed(struct session *s, struct task *t, uint64_t sp, uint64_t ip)
{
    if (s->options->patching == RECORD_PATCHING_OFF)
        return;
    drop_left_frames(s, t, sp + 16);
    if (t->frame_count == t->frame_capacity) {
        t->frame_capacity = t->frame_capacity * 2 + 4;
        t->frames = realloc(t->frames, t->frame_capacity * sizeof(*t->frames));
        if (!t->frames)
            abort();
    }
    t->frames[t->frame_count++] = (struct patch_frame){.sp = sp, .ip = ip, .event = t->patch};
    if (s->patch_faults & PATCH_FAULT_FLAG_PER_TASK) /* then only the task knows */
        t->frames[t->frame_count - 1].event.state = PATCH_NONE;
    t->patch = (struct patch_event){PATCH_NONE, 0};
}

void patches_frame_returns(struct task *t, uint64_t sp)
{
    for (size_t i = t->frame_count; i-- > 0;) {
        /* the handler's `ret` has popped its return address */
        if (t->frames[i].sp + 8 != sp)
            continue;
        t->frames[i].over = true;
        for (size_t k = i + 1; k < t->frame_count; k++)
            if (t->frames[k].sp < sp && same_mapping(t, sp, t->frames[k].sp))
                t->frames[k].over = true;
        return;
    }
}

/* ---- tasks and mappings ------------------------------------------------------------------------
 */

void patches_task_leaves(struct session *s, struct task *t, struct space *space)
{
    struct patch_event event = t->patch;

    if (s->options->patching == RECORD_PATCHING_OFF)
        return;
    t->patch = (struct patch_event){PATCH_NONE, 0};
    for (size_t i = 0; i < t->frame_count; i++)
        t->frames[i].over = true;
    leave_returned_frames(s, t, space);
    leave(s, t, space, event);
}

void patches_task_free(struct task *t)
{
    free(t->frames);
}

/* A part of a region that is still there becomes what it was. */
static void restore_rest(struct session *s, struct task *t, const struct patch_site *site,
                         uint64_t from, uint64_t to)
{
    struct patch_decision *d;

    if (from >= to)
        return;
    d = queue_one(s, t);
    d->space = t->space->id;
    d->address = from;
    d->length = to - from;
    memcpy(d->code, &site->code[from - site->start], to - from);
}

static bool overlaps(uint64_t a, uint64_t a_end, uint64_t b, uint64_t b_end)
{
    return a < b_end && b < a_end;
}

void patches_forget(struct session *s, struct task *t, uint64_t start, uint64_t end)
{
    struct patch_sites *p = &t->space->patches;

    for (size_t i = p->count; i-- > 0;) {
        struct patch_site *site = &p->site[i];

        if (!overlaps(site->instruction, site->instruction + PATCH_SYSCALL_LENGTH, start, end) &&
            !overlaps(site->start, site->end, start, end))
            continue;
        if (is_deferred(site->state))
            decide(s, t, site, PATCH_ABANDONED, 0);
        if (site->state == PATCH_APPLIED) {
            move_back(s, t->space, site);
            restore_rest(s, t, site, site->start, site->end < start ? site->end : start);
            restore_rest(s, t, site, site->start > end ? site->start : end, site->end);
        }
        set_waiting(t->space, site, false);
        p->regions -= site->start != site->end;
        p->site[i] = p->site[--p->count];
    }
}

void patches_restore(struct session *s, struct task *t, uint64_t start, uint64_t end,
                     uint64_t moved)
{
    struct patch_sites *p = &t->space->patches;

    for (size_t i = 0; i < p->count; i++) {
        const struct patch_site *site = &p->site[i];
        uint64_t from, length, now;

        if (site->state != PATCH_APPLIED || !overlaps(site->start, site->end, start, end))
            continue;
        /* a region may reach beyond the range, which alone has moved */
        from = site->start > start ? site->start : start;
        length = (site->end < end ? site->end : end) - from;
        now = moved + (from - start);
        if (tracee_write_forced(t->tid, now, &site->code[from - site->start], length) == 0)
            emit_copy(s, now, &site->code[from - site->start], length);
    }
    patches_forget(s, t, start, end);
}

void patches_copy_frames(struct task *to, const struct task *from)
{
    if (from->frame_count == 0)
        return;
    to->frames = calloc(from->frame_count, sizeof(*to->frames));
    if (!to->frames)
        abort();
    to->frame_count = to->frame_capacity = from->frame_count;
    for (size_t i = 0; i < from->frame_count; i++)
        to->frames[i] = (struct patch_frame){.sp = from->frames[i].sp, .ip = from->frames[i].ip};
}
