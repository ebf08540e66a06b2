/* What a run may use. Memory is looked at in two steps: an upper bound from statm, which is cheap;
 * and where that is over the limit, proportional sizes, in which shared pages count once. */
#include "recorder/record/limits.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/statfs.h>
#include <time.h>
#include <unistd.h>

#include "recorder/base/file.h"
#include "recorder/base/log.h"
#include "recorder/base/text.h"
#include "recorder/record/buffered.h"
#include "recorder/record/place.h"
#include "recorder/record/start.h"
#include "recorder/tracee/tracee.h"

#define LOOK_EVERY_NS 10000000ull
#define LOOK_SHARE 20 /* a look costs at most one part in so many of the time */
#define FILES_MAX 65536

static uint64_t clock_ns(clockid_t id)
{
    struct timespec t;

    clock_gettime(id, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* ---- descriptors --------------------------------------------------------------------------- */

void limits_begin(struct session *s)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &s->limits.files) < 0)
        return;
    s->limits.has_files = true;
    limit = s->limits.files;
    limit.rlim_cur = limit.rlim_max < FILES_MAX ? limit.rlim_max : FILES_MAX;
    if (limit.rlim_cur > s->limits.files.rlim_cur)
        setrlimit(RLIMIT_NOFILE, &limit);
}

void limits_end(struct session *s)
{
    if (s->limits.has_files)
        setrlimit(RLIMIT_NOFILE, &s->limits.files);
}

/* ---- text files of the kernel -------------------------------------------------------------- */

static size_t read_text(const char *path, char *text, size_t size)
{
    cleanup_fd int fd = open(path, O_RDONLY | O_CLOEXEC);
    size_t length = 0;
    ssize_t n = 0;

    while (fd >= 0 && length < size - 1 && (n = read(fd, text + length, size - 1 - length)) > 0)
        length += (size_t)n;
    text[length] = '\0';
    return length;
}

/* The number behind a name at a line's start; 0 if there is none. */
static uint64_t field(const char *text, const char *name)
{
    size_t length = strlen(name);

    for (const char *at = text; at && *at; at = strchr(at, '\n')) {
        at += *at == '\n';
        if (strncmp(at, name, length) == 0)
            return strtoull(at + length, NULL, 10);
    }
    return 0;
}

/* Processes that the kernel has killed for lack of memory since it was booted; UINT64_MAX: it does
 * not say. */
static uint64_t kernel_kills(void)
{
    char text[16384];

    read_text("/proc/vmstat", text, sizeof(text));
    return strstr(text, "\noom_kill ") ? field(text, "oom_kill ") : UINT64_MAX;
}

/* proc_pid_statm(5): size, resident; in pages. Resident pages of files count here, too. */
static uint64_t resident(pid_t tid)
{
    char path[64], text[256];
    unsigned long long size, pages;

    snprintf(path, sizeof(path), "/proc/%d/statm", tid);
    read_text(path, text, sizeof(text));
    return sscanf(text, "%llu %llu", &size, &pages) == 2 ? pages * TRACEE_PAGE_SIZE : 0;
}

/* proc_pid_smaps(5): anonymous memory, swapped or not, and memory of shared objects; each page
 * divided by the number of those who map it. */
static uint64_t proportional(pid_t tid, uint64_t *shared)
{
    char path[64], text[4096];

    snprintf(path, sizeof(path), "/proc/%d/smaps_rollup", tid);
    read_text(path, text, sizeof(text));
    *shared += field(text, "Pss_Shmem:") * 1024;
    return (field(text, "Pss_Anon:") + field(text, "SwapPss:")) * 1024;
}

/* ---- memory -------------------------------------------------------------------------------- */

/* What lies in the run's own memory file systems. */
static uint64_t temporary_files(const struct session *s)
{
    static const char *const mounts[] = {START_TMPDIR, "/dev/shm"};
    const bool own[] = {s->place && s->place->tmpdir, s->place && s->place->own_shm};
    uint64_t total = 0;

    for (size_t i = 0; i < sizeof(mounts) / sizeof(*mounts); i++) {
        char path[64];
        struct statfs st;

        if (!own[i])
            continue;
        snprintf(path, sizeof(path), "/proc/%d/root%s", s->place->reaper, mounts[i]);
        if (statfs(path, &st) == 0)
            total += (uint64_t)(st.f_blocks - st.f_bfree) * (uint64_t)st.f_bsize;
    }
    return total;
}

static uint64_t held_by_recorder(const struct session *s)
{
    uint64_t total = s->output[0].capacity + s->output[1].capacity + s->building.data.capacity;

    return total + (s->trace ? trace_writer_memory(s->trace) : 0);
}

/* The kernel shows none of a task that has ended, though its threads may go on. */
static bool has_memory(const struct task *t)
{
    return t->state != TASK_DEAD && t->state != TASK_EXITING;
}

/* Of spaces that did not run since, what the last look found. */
static uint64_t upper_bound(struct session *s)
{
    uint64_t total = 0;

    s->limits.looks++;
    for (struct task *t = s->tasks; t; t = t->next) {
        struct space *space = t->space;

        if (space->looked == s->limits.looks || !has_memory(t))
            continue;
        space->looked = s->limits.looks;
        if (space->ran)
            space->resident = resident(t->tid);
        space->ran = s->current && s->current->space == space; /* it still does */
        total += space->resident;
    }
    return total;
}

/* Whoever maps a file of the run's own file systems has it among its shared memory, too: the larger
 * of both is counted. */
static uint64_t exactly(struct session *s, uint64_t files)
{
    uint64_t total = 0, shared = 0;

    s->limits.looks++;
    for (struct task *t = s->tasks; t; t = t->next) {
        if (t->space->looked == s->limits.looks || !has_memory(t))
            continue;
        t->space->looked = s->limits.looks;
        total += proportional(t->tid, &shared);
    }
    return total + (shared > files ? shared : files);
}

static void format_size(uint64_t bytes, char *text, size_t size)
{
    static const char *const units[] = {"KiB", "MiB", "GiB", "TiB"};
    double value = (double)bytes / 1024;
    size_t unit = 0;

    while (value >= 1024 && unit + 1 < sizeof(units) / sizeof(*units)) {
        value /= 1024;
        unit++;
    }
    snprintf(text, size, "%.3g %s", value, units[unit]);
}

static char *headline(uint64_t used, uint64_t files, uint64_t own, uint64_t limit)
{
    char a[32], b[32], c[32], parts[96] = "";
    char *text;

    format_size(used, a, sizeof(a));
    format_size(limit, b, sizeof(b));
    if (files > used / 4) {
        format_size(files, c, sizeof(c));
        snprintf(parts, sizeof(parts), ", %s of it by files in TMPDIR and /dev/shm", c);
    } else if (own > used / 4) {
        format_size(own, c, sizeof(c));
        snprintf(parts, sizeof(parts), ", %s of it by the recorder for output and trace", c);
    }
    text = text_make("memory: %s used%s, the limit is %s (limits.memory)", a, parts, b);
    return text;
}

bool limits_over_memory(struct session *s, uint64_t now, char **ret_headline)
{
    uint64_t limit = s->options->memory_limit, files, own, used, start, pause;
    bool over;

    if (now < s->limits.next_look)
        return false;
    if (s->limits.looks == 0)
        s->limits.kernel_kills = kernel_kills();
    start = clock_ns(CLOCK_THREAD_CPUTIME_ID); /* the program may run meanwhile, on our CPU */
    if (!limit) {
        s->limits.looks = 1;
        s->limits.next_look = UINT64_MAX;
        return false;
    }
    files = temporary_files(s);
    own = held_by_recorder(s);
    used = upper_bound(s) + files + own;
    over = used > limit;
    if (over) {
        used = exactly(s, files) + own;
        over = used > limit;
    }
    pause = (clock_ns(CLOCK_THREAD_CPUTIME_ID) - start) * LOOK_SHARE;
    s->limits.next_look = now + (pause > LOOK_EVERY_NS ? pause : LOOK_EVERY_NS);
    if (over)
        *ret_headline = headline(used, files, own, limit);
    return over;
}

/* ---- tasks --------------------------------------------------------------------------------- */

static uint32_t count_processes(const struct session *s)
{
    uint32_t count = 0;

    for (const struct process *p = s->processes; p; p = p->next)
        count += !p->reaped;
    return count;
}

bool limits_allow_task(struct session *s, const struct task *t, uint64_t clone_flags)
{
    const struct record_options *o = s->options;
    uint32_t tasks =
        o->task_limit && o->task_limit < LIMITS_TASKS_MAX ? o->task_limit : LIMITS_TASKS_MAX;

    if (s->live >= tasks) {
        session_fail(s, RECORD_VERDICT_LIMIT,
                     "threads: %s (pid %d) wanted another beside the %u threads of all processes "
                     "that there are, the limit is %u",
                     t->name, t->process->pid, s->live, tasks);
        return false;
    }
    if (!(clone_flags & CLONE_THREAD) && o->process_limit &&
        count_processes(s) >= o->process_limit) {
        session_fail(s, RECORD_VERDICT_LIMIT,
                     "processes: %s (pid %d) wanted another beside the %u that there are, the "
                     "limit is %u (limits.processes)",
                     t->name, t->process->pid, count_processes(s), o->process_limit);
        return false;
    }
    return true;
}

/* ---- the kernel's own doings --------------------------------------------------------------- */

/* Not by the child before its exec, which shares the recorder's memory: the kernel gives all who
 * share memory one value (fs/proc/base.c, __set_oom_adj). */
void limits_started(struct session *s)
{
    char path[64];
    cleanup_fd int fd = -1;

    s->limits.next_look = clock_ns(CLOCK_MONOTONIC) + LOOK_EVERY_NS;
    if (!s->tasks)
        return;
    snprintf(path, sizeof(path), "/proc/%d/oom_score_adj", s->tasks->tid);
    fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd >= 0 && write(fd, "1000", 4) != 4)
        log_debug("%s: %s", path, strerror(errno));
}

void limits_killed_from_outside(struct session *s, const struct task *t)
{
    if (s->limits.looks == 0 || s->killed || s->limits.kernel_kills == UINT64_MAX ||
        kernel_kills() <= s->limits.kernel_kills)
        return;
    session_fail(s, RECORD_VERDICT_LIMIT,
                 "memory: %s (pid %d) was killed by the kernel for lack of memory", t->name,
                 t->process->pid);
}

static const struct {
    int resource;
    const char *name;
    rlim_t needed;
} needs[] = {{RLIMIT_NOFILE, "RLIMIT_NOFILE", 1024}, {RLIMIT_AS, "RLIMIT_AS", RLIM_INFINITY}};

void limits_lift(const struct task *t, struct limits_lifted *ret)
{
    memset(ret, 0, sizeof(*ret));
    for (size_t i = 0; i < sizeof(needs) / sizeof(*needs); i++) {
        struct rlimit *old = &ret->old[i], lifted;

        if (prlimit(t->tid, needs[i].resource, NULL, old) < 0 || old->rlim_cur >= needs[i].needed)
            continue;
        lifted.rlim_cur = needs[i].needed;
        lifted.rlim_max = old->rlim_max > needs[i].needed ? old->rlim_max : needs[i].needed;
        ret->changed[i] = prlimit(t->tid, needs[i].resource, &lifted, NULL) == 0;
        if (ret->changed[i])
            continue;
        lifted.rlim_cur = lifted.rlim_max = old->rlim_max;
        ret->changed[i] = prlimit(t->tid, needs[i].resource, &lifted, NULL) == 0;
    }
}

void limits_put_back(const struct task *t, const struct limits_lifted *lifted)
{
    for (size_t i = 0; i < sizeof(needs) / sizeof(*needs); i++)
        if (lifted->changed[i])
            prlimit(t->tid, needs[i].resource, &lifted->old[i], NULL);
}

void limits_describe(const struct task *t, char *text, size_t size)
{
    text[0] = '\0';
    for (size_t i = 0; i < sizeof(needs) / sizeof(*needs); i++) {
        struct rlimit limit;

        if (prlimit(t->tid, needs[i].resource, NULL, &limit) < 0 ||
            limit.rlim_cur >= needs[i].needed)
            continue;
        snprintf(text, size, "its %s of %llu leaves rrtest's own no room", needs[i].name,
                 (unsigned long long)limit.rlim_cur);
        return;
    }
}

/* core(5): a soft limit of 0 keeps files from being written, but not a handler behind a pipe from
 * being started; 1 does both (fs/coredump.c). */
void limits_no_core(const struct task *t)
{
    struct rlimit limit;

    if (prlimit(t->process->tgid, RLIMIT_CORE, NULL, &limit) < 0)
        return;
    limit.rlim_cur = limit.rlim_max > 0 ? 1 : 0;
    prlimit(t->process->tgid, RLIMIT_CORE, &limit, NULL);
}
