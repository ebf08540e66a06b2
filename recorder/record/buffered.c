/* What handlers may do, and their records taken over. */
#include "recorder/record/buffered.h"

#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "include/rrtest/recorder_page.h"
#include "recorder/events/ring.h"
#include "recorder/record/buffered_state.h"
#include "recorder/record/fds.h"
#include "recorder/record/output.h"

#define CALLS_AT_ONCE \
    100000 /* of a task that nobody waits for: the clock and signals are looked at */

static volatile int64_t *word(struct session *s, unsigned offset)
{
    return tracee_page_word(&s->area, offset);
}

/* ---- what may be done ---------------------------------------------------------------------- */

static bool directory_is_plain(struct task *t)
{
    static const char *const special[] = {"/proc", "/dev", "/sys"};
    char path[64], target[PATH_MAX];
    ssize_t n;

    if (t->directory != DIRECTORY_UNKNOWN)
        return t->directory == DIRECTORY_PLAIN;
    snprintf(path, sizeof(path), "/proc/%d/cwd", t->tid);
    n = readlink(path, target, sizeof(target) - 1);
    t->directory = n > 0 && target[0] == '/' ? DIRECTORY_PLAIN : DIRECTORY_SPECIAL;
    for (size_t i = 0; n > 0 && i < sizeof(special) / sizeof(*special); i++) {
        size_t length = strlen(special[i]);

        target[n] = '\0';
        if (strncmp(target, special[i], length) == 0 && (!target[length] || target[length] == '/'))
            t->directory = DIRECTORY_SPECIAL;
    }
    return t->directory == DIRECTORY_PLAIN;
}

/* Nothing is known of what some parked task waits for. */
static const uint64_t streams = PAGE_SWITCH_STREAMS | PAGE_SWITCH_PIPES;

/* A parked task waits for what happens to our descriptor. */
static uint64_t waited_for(struct session *s, int fd)
{
    uint32_t *waited = (uint32_t *)(void *)(s->area.page + PAGE_WAITED);
    uint64_t count = (uint64_t)*word(s, PAGE_WAITED_COUNT);
    struct stat st;

    if (fstat(fd, &st) < 0 || (st.st_mode & S_IFMT) == 0) /* an epoll or its like watches others */
        return streams;
    if (!S_ISFIFO(st.st_mode))
        return PAGE_SWITCH_STREAMS;
    if (count == PAGE_WAITED_MAX)
        return streams;
    waited[count] = recorder_pipe_id(st.st_dev, st.st_ino);
    *word(s, PAGE_WAITED_COUNT) = (int64_t)count + 1;
    return PAGE_SWITCH_STREAMS;
}

/* The switches that a parked call turns off. */
static uint64_t parked_in(struct session *s, const struct call *c)
{
    uint64_t off = c->ready && !c->off_streams ? streams : 0;

    for (size_t i = 0; i < c->poll_count; i++)
        off |= waited_for(s, c->poll[i].fd);
    for (int i = 0; i < 2; i++)
        if (c->borrowed[i].events)
            off |= waited_for(s, c->borrowed[i].fd);
    return off;
}

/* A parked task may be waiting for what a buffered call would do: then that call is traced, so that
 * it is a decision. */
static uint64_t without_parked(struct session *s, const struct task *running)
{
    uint64_t switches = PAGE_SWITCH_CALLS | (s->sockets_low_water ? PAGE_SWITCH_PIPES : streams);

    *word(s, PAGE_WAITED_COUNT) = 0;
    for (const struct task *t = s->tasks; t; t = t->next) {
        if (t == running)
            continue;
        if (t->state == TASK_KERNEL)
            switches &= ~streams;
        if (t->state != TASK_PARKED)
            continue;
        if (t->call.wait_change)
            return 0;
        switches &= ~parked_in(s, &t->call);
    }
    return switches;
}

static uint64_t switches_for(struct session *s, struct task *t)
{
    uint64_t switches;

    if (s->options->patching == RECORD_PATCHING_OFF || t->filters || s->options->stepper)
        return 0;
    switches = without_parked(s, t);
    if (!switches)
        return 0;
    if (t->space->patches.regions == 0)
        switches |= PAGE_SWITCH_CODE;
    if (!s->shared_unknown)
        switches |= PAGE_SWITCH_FILE_WRITES;
    if (directory_is_plain(t))
        switches |= PAGE_SWITCH_PATHS;
    if ((signal_queue_set(t->queue) | signal_queue_set(t->process->queue)) == 0)
        switches |= PAGE_SWITCH_SIGNALS;
    if (s->others == 0)
        switches |= PAGE_SWITCH_ALONE;
    if (!s->options->real_clock && !(s->options->guards_off & RECORD_GUARD_TIME))
        switches |= PAGE_SWITCH_VIRTUAL;
    return switches;
}

/* Calls until a decision is due. Where others can run, the strategy has said it in advance. */
static int64_t calls_until_decision(struct session *s)
{
    struct clock_deadline next;
    uint64_t now = clock_now(s->clock), calls = CALLS_AT_ONCE, until;

    if (s->others > 0 && s->current->slice.calls - 1 < calls)
        calls = s->current->slice.calls - 1;
    if (clock_deadline_next(s->clock, &next)) {
        until = next.at_ns > now ? (next.at_ns - now) / CLOCK_NS_PER_CALL : 0;
        calls = until < calls ? until : calls;
    }
    if (s->deadline_virtual) {
        until = s->deadline_virtual > now ? (s->deadline_virtual - now) / CLOCK_NS_PER_CALL + 1 : 0;
        calls = until < calls ? until : calls;
    }
    return (int64_t)calls;
}

static void load_actions(struct session *s, const struct process *p)
{
    uint8_t *at = s->area.page + (RECORDER_ACTIONS - RECORDER_PAGE_ADDRESS);

    _Static_assert(sizeof(struct signal_action) == RECORDER_ACTION_SIZE, "the kernel's layout");
    for (int i = 1; i <= 64; i++)
        memcpy(at + (size_t)(i - 1) * RECORDER_ACTION_SIZE, signal_handlers_get(p->handlers, i),
               RECORDER_ACTION_SIZE);
}

static void load_files(struct session *s, struct files *files)
{
    uint8_t *table = s->area.page + (RECORDER_FDS - RECORDER_PAGE_ADDRESS);
    uint8_t *info = s->area.page + (RECORDER_FD_INFO - RECORDER_PAGE_ADDRESS);
    struct buffered *b = s->buffered;

    if (b->files == files)
        return;
    buffered_save_files(s);
    if (files->known) {
        memcpy(table, files->known, RECORDER_FDS_MAX);
        memcpy(info, files->known + RECORDER_FDS_MAX, BUFFERED_INFO_SIZE);
    } else {
        memset(table, 0, RECORDER_FDS_MAX);
        memset(info, 0, BUFFERED_INFO_SIZE);
    }
    b->files = files;
}

/* One with flags is the recorder's affair: as if the task were on it. */
static void load_altstack(struct session *s, const struct task *t)
{
    bool plain = t->altstack.flags == 0 || t->altstack.flags == SS_DISABLE;

    *word(s, PAGE_ALTSTACK) = plain ? (int64_t)t->altstack.address : 0;
    *word(s, PAGE_ALTSTACK + 8) = plain ? (int64_t)t->altstack.size : -1;
}

void buffered_load(struct session *s, struct task *t)
{
    uint64_t switches = switches_for(s, t);
    struct process *p = t->process;

    *word(s, PAGE_RUN_RECORD) = *word(s, PAGE_CLOCK_RUN) = 0;
    *word(s, PAGE_SWITCHES) = (int64_t)switches;
    s->buffered->calls_loaded = switches ? calls_until_decision(s) : 0;
    *word(s, PAGE_CALLS_LEFT) = s->buffered->calls_loaded;
    if (!switches)
        return;
    *word(s, PAGE_CLOCK) = (int64_t)clock_now(s->clock);
    *word(s, PAGE_CLOCK_TICKS) = t->ticks_loaded;
    *word(s, PAGE_CLOCK_CALLS) = s->buffered->calls_loaded;
    *word(s, PAGE_EPOCH) = (int64_t)clock_epoch(s->clock);
    *word(s, PAGE_PID) = p->pid;
    *word(s, PAGE_TID) = t->ns_tid;
    *word(s, PAGE_PARENT) = p->parent ? p->parent->pid : 1;
    *word(s, PAGE_SIGNAL_MASK) = (int64_t)t->mask;
    *word(s, PAGE_FUTEX_WAITERS) = (int64_t)futex_waiters_total(s->futexes);
    *word(s, PAGE_BREAK) = (int64_t)t->space->brk;
    *word(s, PAGE_ZONE_START) = (int64_t)t->space->zone_start;
    *word(s, PAGE_ZONE_NEXT) = (int64_t)t->space->zone_next;
    *word(s, PAGE_RANDOM_KEY) = (int64_t)s->data.key;
    *word(s, PAGE_RANDOM_COUNTER) = (int64_t)s->data.counter;
    load_altstack(s, t);
    load_files(s, t->files);
    if (switches & PAGE_SWITCH_SIGNALS)
        load_actions(s, p);
}

void buffered_suspend(struct session *s)
{
    *word(s, PAGE_RUN_RECORD) = *word(s, PAGE_CLOCK_RUN) = *word(s, PAGE_SWITCHES) = 0;
    *word(s, PAGE_CALLS_LEFT) = s->buffered->calls_loaded = 0;
}

/* ---- records ------------------------------------------------------------------------------- */

static void absorb_action(struct task *t, const struct ring_call *r, const struct call *c)
{
    struct signal_action wanted;
    struct ring_segment segment;
    uint32_t at = 0;

    if (!c->args[1] || !ring_next_segment(r, &at, &segment) || segment.length != sizeof(wanted))
        return;
    memcpy(&wanted, segment.data, sizeof(wanted));
    signal_handlers_set(t->process->handlers, (int)c->args[0], &wanted, NULL);
}

/* What went to the run's output; a piece of the ring holds that of one stream. */
static void absorb_output(struct session *s, const struct ring_call *r)
{
    struct buffered *b = s->buffered;
    int stream = r->flags & RING_FLAG_STDOUT ? 1 : 2;
    struct ring_segment segment;
    uint32_t at = 0;

    if (!(r->flags & (RING_FLAG_STDOUT | RING_FLAG_STDERR)) || !ring_next_segment(r, &at, &segment))
        return;
    if (b->piece[b->piece_count - 1].stream && b->piece[b->piece_count - 1].stream != stream)
        buffered_new_piece(b, b->absorbed);
    b->piece[b->piece_count - 1].stream = stream;
    bytes_append(&b->output, segment.data, output_keep(s, stream, segment.data, segment.length));
    b->piece[b->piece_count - 1].output_end = b->output.length;
}

static void absorb_pair(struct session *s, struct task *t, const struct ring_call *r)
{
    struct ring_segment segment;
    uint32_t at = 0;
    int pair[2];

    if (r->result < 0 || !ring_next_segment(r, &at, &segment) || segment.length != sizeof(pair))
        return;
    memcpy(pair, segment.data, sizeof(pair));
    fds_replaced(s, t->files, pair[0]);
    fds_replaced(s, t->files, pair[1]);
}

static void absorb_task(struct session *s, struct task *t, const struct call *c)
{
    if (c->result < 0)
        return;
    switch (c->nr) {
    case SYS_set_tid_address:
        t->clear_tid = c->args[0];
        break;
    case SYS_set_robust_list:
        t->robust_list = c->args[0];
        t->robust_length = c->args[1];
        break;
    case SYS_sigaltstack:
        t->altstack.address = (uint64_t)*word(s, PAGE_ALTSTACK);
        t->altstack.size = (uint64_t)*word(s, PAGE_ALTSTACK + 8);
        t->altstack.flags = t->altstack.size ? 0 : SS_DISABLE;
        break;
    case SYS_chdir:
        buffered_directory_changed(s);
        break;
    default:
        break;
    }
}

/* What the models have to know of a call. */
static void absorb_effects(struct session *s, struct task *t, const struct ring_call *r)
{
    struct call *c = &s->buffered->call; /* nothing else in it is ever set, and it is large */

    c->nr = r->number;
    c->result = r->result;
    memcpy(c->args, r->arguments, sizeof(c->args));
    switch (c->nr) {
    case SYS_open:
    case SYS_openat:
    case SYS_creat:
    case SYS_epoll_create1:
        if (c->result >= 0)
            fds_replaced(s, t->files, (int)c->result);
        break;
    case SYS_pipe:
    case SYS_pipe2:
    case SYS_socketpair:
        absorb_pair(s, t, r);
        break;
    case SYS_close:
        fds_replaced(s, t->files, (int)c->args[0]);
        break;
    case SYS_fcntl:
        if (c->args[1] != F_DUPFD && c->args[1] != F_DUPFD_CLOEXEC)
            break;
        __attribute__((fallthrough));
    case SYS_dup:
    case SYS_dup2:
    case SYS_dup3:
        if (c->result >= 0)
            fds_copied(s, t->files, (int)c->args[0], (int)c->result);
        break;
    case SYS_brk:
    case SYS_mmap:
    case SYS_munmap:
    case SYS_mprotect:
    case SYS_mremap:
        buffered_absorb_maps(s, t, r, c);
        break;
    case SYS_rt_sigaction:
        absorb_action(t, r, c);
        break;
    default:
        absorb_task(s, t, c);
        break;
    }
}

static void absorb_one(struct session *s, struct task *t, const struct ring_call *r)
{
    struct ring_segment segment;
    uint32_t at = 0;

    if (r->number != RING_NUMBER_RDTSC) {
        s->result->statistics.syscalls_total += ring_call_count(r);
        s->result->statistics.syscalls_buffered += ring_call_count(r);
    }
    absorb_output(s, r);
    absorb_effects(s, t, r);
    while (ring_next_segment(r, &at, &segment))
        if (segment.address)
            emit_remember(s, segment.address, segment.length);
}

void buffered_absorb(struct session *s, struct task *t)
{
    struct buffered *b = s->buffered;
    uint64_t used = (uint64_t)*word(s, PAGE_RING_USED);

    if (used == b->absorbed)
        return;
    if (b->absorbed == 0) {
        b->task = t;
        b->piece_count = 0;
        buffered_new_piece(b, 0);
    }
    while (b->absorbed < used) {
        const uint8_t *ring = s->area.page + (RECORDER_RING - RECORDER_PAGE_ADDRESS);
        uint64_t next = b->absorbed;
        struct ring_call r;

        /* it lies where a wild write of the program can reach it */
        if (used > RECORDER_RING_SIZE || !ring_next_call(ring, used, &next, &r)) {
            session_fail(s, RECORD_VERDICT_UNSUPPORTED,
                         "%s (pid %d) wrote over the recorder's memory at %#x", t->name,
                         t->process->pid, RECORDER_RING);
            *word(s, PAGE_RING_USED) = (int64_t)b->absorbed;
            return;
        }
        absorb_one(s, t, &r);
        b->absorbed = next;
        b->piece[b->piece_count - 1].end = next;
        b->piece[b->piece_count - 1].map_end = b->map_count;
    }
    t->mask = (signal_set)*word(s, PAGE_SIGNAL_MASK);
    s->data.counter = (uint64_t)*word(s, PAGE_RANDOM_COUNTER);
    *word(s, PAGE_MAPPED_COUNT) = 0;
}

uint64_t buffered_calls(struct session *s)
{
    int64_t left = *word(s, PAGE_CALLS_LEFT);
    uint64_t calls = (uint64_t)(s->buffered->calls_loaded - left);

    s->buffered->calls_loaded = left;
    return calls;
}
