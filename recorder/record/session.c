/* Objects of a run: creation, lookup, release. No policy. */
#include "recorder/record/session.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "include/rrtest/recorder_page.h"
#include "recorder/base/file.h"
#include "recorder/base/text.h"
#include "recorder/record/buffered.h"
#include "recorder/record/fds.h"
#include "recorder/record/file_facts.h"
#include "recorder/record/filter.h"
#include "recorder/record/patches.h"
#include "recorder/record/process.h"
#include "recorder/record/shared.h"
#include "recorder/record/walk.h"

static void *allocate(size_t size)
{
    void *p = calloc(1, size);

    if (!p)
        abort();
    return p;
}

struct space *space_new(struct session *s)
{
    struct space *space = allocate(sizeof(*space));

    space->references = 1;
    space->id = ++s->next_space;
    maps_init(&space->maps);
    return space;
}

static struct space *space_fork(struct session *s, const struct space *from)
{
    struct space *space = space_new(s);
    uint64_t id = space->id;

    *space = *from;
    space->references = 1;
    space->id = id;
    maps_init(&space->maps);
    maps_copy(&space->maps, &from->maps);
    patches_copy(space, from);
    space->images = NULL;
    if (from->image_count > 0) {
        space->images = allocate(from->image_count * sizeof(*space->images));
        memcpy(space->images, from->images, from->image_count * sizeof(*space->images));
    }
    return space;
}

void space_unref(struct space *space)
{
    if (!space || --space->references > 0)
        return;
    maps_done(&space->maps);
    free(space->images);
    patches_free(space);
    free(space);
}

static struct process *process_new(struct session *s, struct process *parent)
{
    struct process *p = allocate(sizeof(*p));
    struct process **last = &s->processes;

    p->id = ++s->next_process;
    p->parent = parent;
    p->queue = signal_queue_new();
    p->exit_signal = SIGCHLD;
    if (parent) {
        p->group = parent->group;
        p->leader_session = parent->leader_session;
        p->no_new_privs = parent->no_new_privs;
        p->exe = parent->exe ? strdup(parent->exe) : NULL;
    }
    while (*last)
        last = &(*last)->next;
    *last = p;
    return p;
}

static void process_free(struct process *p)
{
    signal_handlers_unref(p->handlers);
    signal_queue_free(p->queue);
    process_timers_free(p);
    free(p->exe);
    free(p);
}

#define SWEEP_EVERY 64 /* processes made */

static void forget_sweepable(struct session *s)
{
    for (struct process *p = s->processes; p; p = p->next)
        if (p->parent && p->parent->sweepable)
            p->parent = NULL;
    for (struct fd_object *o = s->objects; o; o = o->next)
        if (o->owner && o->owner->sweepable)
            o->owner = NULL;
}

void session_sweep(struct session *s)
{
    struct process **at = &s->processes;
    bool any = false;

    if (s->next_process - s->swept_process < SWEEP_EVERY)
        return;
    s->swept_process = s->next_process;
    for (struct process *p = s->processes; p; p = p->next) {
        p->sweepable = p->reaped && p->zombie && p->live_tasks == 0 && p != s->first;
        any |= p->sweepable;
    }
    if (!any)
        return;
    forget_sweepable(s);
    while (*at) {
        struct process *p = *at;

        if (!p->sweepable) {
            at = &p->next;
            continue;
        }
        *at = p->next;
        s->swept_count++;
        s->swept_cpu_ns += p->cpu_ns;
        process_free(p);
    }
}

/* Names a task by how it came about, whatever the order in which tasks are made. */
static char *role_of_child(struct task *parent)
{
    return parent ? text_make("%s.%u", parent->role, ++parent->children) : text_copy("0");
}

struct task *session_task_new(struct session *s, struct task *parent, pid_t tid,
                              uint64_t clone_flags)
{
    struct task *t = allocate(sizeof(*t));
    struct task **last = &s->tasks;

    t->id = ++s->next_task;
    t->tid = tid;
    t->role = role_of_child(parent);
    t->pidfd = -1;
    t->call.borrowed[0].fd = t->call.borrowed[1].fd = -1;
    t->queue = signal_queue_new();
    t->altstack.flags = SS_DISABLE;
    if (!parent) {
        t->process = process_new(s, NULL);
        t->process->handlers = signal_handlers_new();
        t->space = space_new(s);
        t->files = files_new();
    } else {
        t->mask = parent->mask;
        t->directory = parent->directory;
        t->filters = filter_ref(parent->filters);
        memcpy(t->name, parent->name, sizeof(t->name));
        t->tsc_mode = parent->tsc_mode;
        t->cpuid_traps = parent->cpuid_traps;
        t->process = clone_flags & CLONE_THREAD ? parent->process : process_new(s, parent->process);
        if (clone_flags & CLONE_VM) {
            t->space = parent->space;
            t->space->references++;
        } else {
            t->space = space_fork(s, parent->space);
            patches_copy_frames(t, parent);
        }
        if (!(clone_flags & CLONE_VM) || (clone_flags & CLONE_VFORK))
            t->altstack = parent->altstack;
        if (clone_flags & CLONE_FILES) {
            t->files = parent->files;
            t->files->references++;
        } else {
            buffered_save_files(s);
            t->files = files_copy(parent->files);
        }
        if (!(clone_flags & CLONE_THREAD))
            t->process->handlers = clone_flags & CLONE_SIGHAND
                                       ? signal_handlers_ref(parent->process->handlers)
                                       : signal_handlers_copy(parent->process->handlers);
    }
    if (!(clone_flags & CLONE_THREAD))
        t->process->tgid = tid;
    t->process->live_tasks++;
    while (*last)
        last = &(*last)->next;
    *last = t;
    s->live++;
    s->result->statistics.tasks++;
    if (!(clone_flags & CLONE_THREAD))
        s->result->statistics.processes++;
    sched_task_new(s->sched, t->id, parent ? parent->id : 0);
    return t;
}

void session_task_gone(struct session *s, struct task *t)
{
    struct task **at = &s->tasks;

    while (*at && *at != t)
        at = &(*at)->next;
    if (*at)
        *at = t->next;
    s->live--;
    if (s->current == t)
        s->current = NULL;
    sched_task_exit(s->sched, t->id);
    call_drop(s, t);
    bytes_done(&t->call.buffer);
    free(t->call.poll);
    signal_queue_free(t->queue);
    filter_unref(t->filters);
    patches_task_free(t);
    free(t->role);
    walk_task_free(t);
    space_unref(t->space);
    files_unref(s, t->files);
    close_fd(&t->pidfd);
    free(t);
}

struct task *session_task_by_tid(struct session *s, pid_t tid)
{
    for (struct task *t = s->tasks; t; t = t->next)
        if (t->tid == tid)
            return t;
    return NULL;
}

struct task *session_task_by_ns_tid(struct session *s, pid_t tid)
{
    for (struct task *t = s->tasks; t; t = t->next)
        if (t->ns_tid == tid)
            return t;
    return NULL;
}

struct process *session_process_by_pid(struct session *s, pid_t pid)
{
    for (struct process *p = s->processes; p; p = p->next)
        if (p->pid == pid && !p->reaped)
            return p;
    return NULL;
}

struct files *files_new(void)
{
    struct files *files = allocate(sizeof(*files));

    files->references = 1;
    return files;
}

struct files *files_copy(const struct files *from)
{
    struct files *files = files_new();

    if (from->known) {
        files->known = allocate(BUFFERED_KNOWN_SIZE);
        memcpy(files->known, from->known, BUFFERED_KNOWN_SIZE);
    }
    files->generation = from->generation;
    files->count = from->count;
    if (from->count > 0) {
        files->entry = allocate(from->count * sizeof(*files->entry));
        memcpy(files->entry, from->entry, from->count * sizeof(*files->entry));
        for (size_t i = 0; i < files->count; i++)
            if (files->entry[i].object)
                files->entry[i].object->references++;
    }
    return files;
}

void files_unref(struct session *s, struct files *files)
{
    if (!files || --files->references > 0)
        return;
    for (size_t i = 0; i < files->count; i++)
        fds_object_unref(s, files->entry[i].object);
    buffered_files_gone(s, files);
    free(files->known);
    free(files->entry);
    free(files);
}

void session_done(struct session *s)
{
    while (s->tasks)
        session_task_gone(s, s->tasks);
    while (s->processes) {
        struct process *p = s->processes;

        s->processes = p->next;
        process_free(p);
    }
    for (size_t i = 0; i < s->trace_file_count; i++)
        free(s->trace_files[i].key);
    free(s->trace_files);
    buffered_done(s);
    patches_done(s);
    file_facts_free(s->file_facts);
    free(s->poll_set);
    free(s->building.writes);
    free(s->building.maps);
    free(s->building.file_writes);
    bytes_done(&s->building.data);
    sched_free(s->sched);
    shared_files_free(s);
    futex_free(s->futexes);
    clock_free(s->clock);
    tracee_area_close(&s->area);
}

void session_fail(struct session *s, enum record_verdict verdict, const char *format, ...)
{
    va_list args;

    if (s->ended)
        return;
    s->ended = true;
    s->result->verdict = verdict;
    va_start(args, format);
    free(s->result->message);
    if (vasprintf(&s->result->message, format, args) < 0)
        s->result->message = NULL;
    va_end(args);
}
