/* Waiting for the outside world. */
#include "recorder/record/outside.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

#include "recorder/base/file.h"
#include "recorder/record/blocking.h"
#include "recorder/record/fds.h"
#include "recorder/record/kernel_signals.h"
#include "recorder/record/place.h"
#include "recorder/record/signal.h"

#define STEP_MS 10                     /* between looks at the run's own timeouts */
#define IN_FLIGHT_LIMIT 1000000000ull  /* bytes that do not arrive in that time never will */
#define KERNEL_GRACE 2000000000ull     /* the same for calls asleep in the kernel */
#define DELAYED_ACK 40000000ull        /* TCP_DELACK_MIN, include/net/tcp.h */
#define DELAYED_ACK_LIMIT 100000000ull /* by which its timer has run */
#define SOFTIRQ_DELAY 2000000ull       /* packets that a kernel thread delivers, not their sender */

static uint64_t wall_now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* ---- network tables ------------------------------------------------------------------------ */

static bool row_in_flight(const char *row)
{
    unsigned state, timer;
    unsigned long sent, received;

    /*   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 ... */
    if (sscanf(row, " %*d: %*[0-9A-Fa-f]:%*x %*[0-9A-Fa-f]:%*x %x %lx:%lx %x:", &state, &sent,
               &received, &timer) != 4)
        return false;
    if (state == 2 || state == 3) /* TCP_SYN_SENT, TCP_SYN_RECV */
        return true;
    return sent > 0 && timer != 4;
}

bool outside_in_flight(const char *table)
{
    const char *row = strchr(table, '\n'); /* the first line has the titles */

    for (; row && row[1]; row = strchr(row + 1, '\n'))
        if (row_in_flight(row + 1))
            return true;
    return false;
}

static bool network_in_flight(const struct task *t)
{
    static const char *const tables[] = {"tcp", "tcp6", "udp", "udp6"};

    for (size_t i = 0; i < sizeof(tables) / sizeof(*tables); i++) {
        struct bytes text;
        char path[64];
        bool found;

        bytes_init(&text);
        snprintf(path, sizeof(path), "/proc/%d/net/%s", t->tid, tables[i]);
        found = file_read_path(path, &text) == 0;
        bytes_append(&text, "", 1);
        found = found && outside_in_flight((const char *)text.data);
        bytes_done(&text);
        if (found)
            return true;
    }
    return false;
}

/* ---- who is at the other end --------------------------------------------------------------- */

enum source {
    SOURCE_INSIDE,
    SOURCE_NETWORK, /* the run's own loopback */
    SOURCE_OUTSIDE,
};

static bool same_file(int ours, const struct stat *st)
{
    struct stat own;

    return ours >= 0 && fstat(ours, &own) == 0 &&
           ((own.st_dev == st->st_dev && own.st_ino == st->st_ino) ||
            (S_ISCHR(own.st_mode) && S_ISCHR(st->st_mode) && own.st_rdev == st->st_rdev));
}

static bool is_stdio(struct session *s, const struct stat *st)
{
    return same_file(s->options->stdin_fd, st) || same_file(s->options->stdout_fd, st) ||
           same_file(s->options->stderr_fd, st);
}

bool outside_made(const struct session *s, const struct stat *st)
{
    uint64_t changed = (uint64_t)st->st_ctim.tv_sec * 1000000000u + (uint64_t)st->st_ctim.tv_nsec;

    return changed < s->epoch_files;
}

static enum source source_of_fifo(struct session *s, int fd, const struct stat *st)
{
    struct statfs fs;

    if (fstatfs(fd, &fs) == 0 && fs.f_type == PIPEFS_MAGIC)
        return SOURCE_INSIDE;
    return outside_made(s, st) ? SOURCE_OUTSIDE : SOURCE_INSIDE;
}

static bool is_own_process(struct session *s, pid_t pid)
{
    for (struct process *p = s->processes; p; p = p->next)
        if (p->tgid == pid)
            return true;
    return false;
}

static enum source source_of_socket(struct session *s, int fd)
{
    struct ucred peer = {0};
    socklen_t length = sizeof(int);
    int domain = AF_UNSPEC;

    getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &length);
    if (domain != AF_UNIX)
        return s->place && s->place->network ? SOURCE_NETWORK : SOURCE_OUTSIDE;
    length = sizeof(peer);
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &length) < 0 || peer.pid == 0)
        return SOURCE_INSIDE;
    return is_own_process(s, peer.pid) ? SOURCE_INSIDE : SOURCE_OUTSIDE;
}

static enum source source_of_device(struct session *s, const struct stat *st)
{
    struct stat own;

    if (major(st->st_rdev) == 5 &&
        minor(st->st_rdev) == 0) /* /dev/tty: the one we were started from */
        return s->options->stdin_fd >= 0 && fstat(s->options->stdin_fd, &own) == 0 &&
                       S_ISCHR(own.st_mode)
                   ? SOURCE_OUTSIDE
                   : SOURCE_INSIDE;
    /* terminals of the run's own making: masters (5:2) and slaves */
    if (major(st->st_rdev) == 5 || (major(st->st_rdev) >= 136 && major(st->st_rdev) <= 143))
        return SOURCE_INSIDE;
    return SOURCE_OUTSIDE;
}

static enum source source_of(struct session *s, struct task *t, int fd, int depth);

/* What an epoll set watches, by its fdinfo: "tfd:        7 events:       19 data: ..." */
static enum source source_of_epoll(struct session *s, struct task *t, int fd, int depth)
{
    enum source found = SOURCE_INSIDE;
    struct bytes text;
    char path[64];

    bytes_init(&text);
    snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
    if (file_read_path(path, &text) < 0)
        bytes_clear(&text);
    bytes_append(&text, "", 1);
    for (char *at = strstr((char *)text.data, "tfd:"); at && depth < 5;
         at = strstr(at + 4, "tfd:")) {
        int member = fds_take(t, atoi(at + 4));
        enum source source = member >= 0 ? source_of(s, t, member, depth + 1) : SOURCE_INSIDE;

        if (source > found)
            found = source;
        close_fd(&member);
    }
    bytes_done(&text);
    return found;
}

static enum source source_of(struct session *s, struct task *t, int fd, int depth)
{
    char path[64], link[64];
    struct stat st;
    ssize_t n;

    if (fstat(fd, &st) < 0)
        return SOURCE_INSIDE;
    if (is_stdio(s, &st))
        return SOURCE_OUTSIDE;
    switch (st.st_mode & S_IFMT) {
    case S_IFIFO:
        return source_of_fifo(s, fd, &st);
    case S_IFSOCK:
        return source_of_socket(s, fd);
    case S_IFCHR:
        return source_of_device(s, &st);
    default:
        break;
    }
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    n = readlink(path, link, sizeof(link) - 1);
    link[n > 0 ? n : 0] = '\0';
    return strcmp(link, "anon_inode:[eventpoll]") == 0 ? source_of_epoll(s, t, fd, depth)
                                                       : SOURCE_INSIDE;
}

/* ---- waiting ------------------------------------------------------------------------------- */

/* Does a process outside of the run hold a lock on this file? By the lines of /proc/locks:
 * "1: FLOCK  ADVISORY  WRITE 123 08:01:131090 0 EOF", waiters with "->" behind the number. */
static bool outsider_locks(struct session *s, int fd)
{
    struct bytes text;
    struct stat st;
    bool found = false;

    if (fstat(fd, &st) < 0)
        return false;
    bytes_init(&text);
    if (file_read_path("/proc/locks", &text) < 0)
        bytes_clear(&text);
    bytes_append(&text, "", 1);
    for (const char *row = (const char *)text.data; row && *row; row = strchr(row, '\n')) {
        unsigned major_number, minor_number;
        unsigned long inode;
        int pid;

        row += *row == '\n';
        if (sscanf(row, "%*d: %*s %*s %*s %d %x:%x:%lu", &pid, &major_number, &minor_number,
                   &inode) == 4)
            found |= inode == st.st_ino && major_number == major(st.st_dev) &&
                     minor_number == minor(st.st_dev) && pid != getpid() && !is_own_process(s, pid);
    }
    bytes_done(&text);
    return found;
}

struct hopes {
    struct pollfd *set; /* what outsiders can make ready */
    size_t count, capacity;
    bool outside, network, kernel;
    const struct task *task; /* any of the run, for its network */
};

static void add_hope(struct session *s, struct task *t, int fd, short events, struct hopes *ret)
{
    enum source source = source_of(s, t, fd, 0);

    ret->outside |= source == SOURCE_OUTSIDE;
    ret->network |= source == SOURCE_NETWORK;
    ret->task = t;
    if (source == SOURCE_INSIDE)
        return;
    if (ret->count == ret->capacity) {
        ret->capacity = ret->capacity * 2 + 16;
        ret->set = realloc(ret->set, ret->capacity * sizeof(*ret->set));
        if (!ret->set)
            abort();
    }
    ret->set[ret->count++] = (struct pollfd){.fd = fd, .events = events};
}

static void gather(struct session *s, struct hopes *ret)
{
    memset(ret, 0, sizeof(*ret));
    for (struct task *t = s->tasks; t; t = t->next) {
        struct call *c = &t->call;

        ret->kernel |= t->state == TASK_KERNEL;
        if (t->state != TASK_PARKED || t->process->stopped)
            continue;
        for (size_t i = 0; i < c->poll_count; i++)
            add_hope(s, t, c->poll[i].fd, c->poll[i].events, ret);
        for (int i = 0; i < 2; i++)
            if (c->borrowed[i].events)
                add_hope(s, t, c->borrowed[i].fd, c->borrowed[i].events, ret);
        ret->outside |= c->wait_change == BLOCKING_CHANGE_FIFOS && c->wait_outside;
        ret->outside |=
            c->wait_change == BLOCKING_CHANGE_LOCKS && outsider_locks(s, c->borrowed[0].fd);
    }
}

/* What outsiders do to locks and FIFOs nobody reports. */
static void try_again(struct session *s, const struct hopes *h)
{
    if (!h->outside)
        return;
    s->changes[BLOCKING_CHANGE_LOCKS]++;
    s->changes[BLOCKING_CHANGE_FIFOS]++;
}

/* Real time passes until one of them is ready, at most this long. */
static bool let_time_pass(const struct hopes *h, uint64_t ns)
{
    struct timespec t = {(time_t)(ns / 1000000000u), (long)(ns % 1000000000u)};

    if (ns > STEP_MS * 1000000ull)
        t = (struct timespec){0, STEP_MS * 1000000l};
    return ppoll(h->set, h->count, &t, NULL) > 0;
}

bool outside_wait(struct session *s)
{
    struct hopes h;
    uint64_t now = wall_now(), waited;
    bool go_on;

    kernel_signals_collect(s);
    for (struct task *t = s->tasks; t; t = t->next)
        if (t->state == TASK_PARKED && signal_interrupts(s, t))
            return true;
    gather(s, &h);
    if (s->outside_since == 0)
        s->outside_since = now;
    waited = now - s->outside_since;
    go_on = h.outside || (h.kernel && waited < KERNEL_GRACE) ||
            (h.network && waited < IN_FLIGHT_LIMIT && network_in_flight(h.task));
    if (go_on && let_time_pass(&h, UINT64_MAX))
        s->outside_since = 0;
    try_again(s, &h);
    free(h.set);
    return go_on;
}

/* Virtual time goes with real time while outsiders may come first. */
static bool wait_for_outsiders(struct session *s, const struct hopes *h, uint64_t limit)
{
    uint64_t start = wall_now(), passed;

    let_time_pass(h, limit);
    try_again(s, h);
    passed = wall_now() - start;
    clock_advance(s->clock, passed < limit ? passed : limit);
    return true;
}

bool outside_wait_until(struct session *s, uint64_t deadline)
{
    uint64_t now = clock_now(s->clock), limit = deadline > now ? deadline - now : 0;
    uint64_t start = wall_now();
    struct hopes h;
    bool ready = false;

    gather(s, &h);
    if ((h.outside || h.kernel) && limit > 0) {
        ready = wait_for_outsiders(s, &h, limit);
    } else if (h.network) {
        /* what an acknowledgement brings natively before that deadline comes before it here */
        limit = limit < DELAYED_ACK ? SOFTIRQ_DELAY : DELAYED_ACK_LIMIT;
        for (uint64_t passed = 0; !ready && passed < limit && network_in_flight(h.task);
             passed = wall_now() - start)
            ready = let_time_pass(&h, limit - passed);
    }
    free(h.set);
    return ready;
}
