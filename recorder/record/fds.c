/* Descriptor tables, and the calls that change what a number means. */
#include "recorder/record/fds.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "include/rrtest/recorder_page.h"
#include "recorder/base/file.h"
#include "recorder/base/log.h"
#include "recorder/record/buffered.h"
#include "recorder/record/file_facts.h"
#include "recorder/record/ports.h"

#define FD_LIMIT 65536

struct fd_entry *fds_entry(struct files *files, int fd)
{
    if (fd < 0 || fd >= FD_LIMIT)
        return NULL;
    if ((size_t)fd >= files->count) {
        size_t count = ((size_t)fd + 64) & ~63ul;

        files->entry = realloc(files->entry, count * sizeof(*files->entry));
        if (!files->entry)
            abort();
        memset(files->entry + files->count, 0, (count - files->count) * sizeof(*files->entry));
        for (size_t i = files->count; i < count; i++)
            files->entry[i].stream = -1;
        files->count = count;
    }
    return &files->entry[fd];
}

struct fd_object *fds_object(struct files *files, int fd)
{
    struct fd_entry *e = fds_entry(files, fd);

    return e ? e->object : NULL;
}

void fds_object_unref(struct session *s, struct fd_object *object)
{
    struct fd_object **at = &s->objects;

    if (!object || --object->references > 0)
        return;
    while (*at && *at != object)
        at = &(*at)->next;
    if (*at)
        *at = object->next;
    clock_deadline_remove(s->clock, object->id | 1ull << 62, 0);
    close_fd(&object->shadow);
    if (object->release)
        object->release(object->extra);
    free(object);
}

struct fd_object *fds_object_new(struct session *s, struct task *t, int fd, enum fd_kind kind)
{
    struct fd_object *object = calloc(1, sizeof(*object));
    struct fd_entry *e = fds_entry(t->files, fd);

    if (!object)
        abort();
    if (!e) {
        free(object);
        return NULL;
    }
    object->references = 1;
    object->id = ++s->next_object;
    object->shadow = fds_take(t, fd);
    object->owner = t->process;
    object->next = s->objects;
    s->objects = object;
    e->kind = (uint8_t)kind;
    e->stream = 0;
    e->object = object;
    return object;
}

int fds_take(struct task *t, int fd)
{
    int got;

    if (t->pidfd < 0) {
        /* the thread's own pidfd (PIDFD_THREAD, Linux 6.9): with a zombie leader the process's
         * fails */
        t->pidfd = (int)syscall(SYS_pidfd_open, t->tid, O_EXCL);
        if (t->pidfd < 0 && t->tid == t->process->tgid)
            t->pidfd = (int)syscall(SYS_pidfd_open, t->tid, 0);
        if (t->pidfd < 0)
            t->pidfd = (int)syscall(SYS_pidfd_open, t->process->tgid, 0);
        if (t->pidfd < 0)
            return -errno;
    }
    got = (int)syscall(SYS_pidfd_getfd, t->pidfd, fd, 0);
    return got < 0 ? -errno : got;
}

static enum fd_kind kind_of_link(const char *link)
{
    static const struct {
        const char *prefix;
        enum fd_kind kind;
    } table[] = {
        {"pipe:", FD_PIPE},
        {"socket:", FD_SOCKET},
        {"anon_inode:[eventfd]", FD_EVENTFD},
        {"anon_inode:[timerfd]", FD_TIMERFD},
        {"anon_inode:[signalfd]", FD_SIGNALFD},
        {"anon_inode:[eventpoll]", FD_EPOLL},
        {"anon_inode:[pidfd]", FD_PIDFD},
        {"pidfd:", FD_PIDFD},
        {"anon_inode:", FD_OTHER},
    };

    for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++)
        if (strncmp(link, table[i].prefix, strlen(table[i].prefix)) == 0)
            return table[i].kind;
    return FD_UNKNOWN;
}

static enum fd_kind kind_of_stat(const struct stat *st)
{
    switch (st->st_mode & S_IFMT) {
    case S_IFIFO:
        return FD_PIPE;
    case S_IFSOCK:
        return FD_SOCKET;
    case S_IFCHR: /* mem(4) devices never block; major 1 */
        if (major(st->st_rdev) == 1)
            return FD_NEVER_BLOCKS;
        if (major(st->st_rdev) == 5 || major(st->st_rdev) == 4 ||
            (major(st->st_rdev) >= 128 && major(st->st_rdev) <= 143))
            return FD_TERMINAL;
        return FD_OTHER;
    default:
        return FD_NEVER_BLOCKS;
    }
}

static void look_up(struct session *s, struct task *t, int fd, struct fd_entry *e)
{
    char path[64], link[128];
    struct stat st;
    ssize_t n;

    snprintf(path, sizeof(path), "/proc/%d/fd/%d", t->tid, fd);
    n = readlink(path, link, sizeof(link) - 1);
    if (n < 0)
        return;
    link[n] = '\0';
    e->kind = FD_UNKNOWN;
    if (link[0] != '/')
        e->kind = (uint8_t)kind_of_link(link);
    if (stat(path, &st) < 0)
        return;
    if (e->kind == FD_UNKNOWN)
        e->kind = (uint8_t)kind_of_stat(&st);
    e->device = st.st_dev;
    e->inode = st.st_ino;
    e->regular = S_ISREG(st.st_mode);
    e->directory = S_ISDIR(st.st_mode);
    e->null = S_ISCHR(st.st_mode) && major(st.st_rdev) == 1 &&
              (minor(st.st_rdev) == 3 || minor(st.st_rdev) == 5);
    e->random = S_ISCHR(st.st_mode) && major(st.st_rdev) == 1 &&
                (minor(st.st_rdev) == 8 || minor(st.st_rdev) == 9);
    e->stream = 0;
    for (int i = 1; i >= 0; i--)
        if (s->stdio[i].valid && s->stdio[i].device == st.st_dev &&
            s->stdio[i].inode == st.st_ino && (e->kind != FD_NEVER_BLOCKS || !S_ISCHR(st.st_mode)))
            e->stream = (int8_t)(i + 1);
}

enum fd_kind fds_kind(struct session *s, struct task *t, int fd)
{
    struct fd_entry *e = fds_entry(t->files, fd);

    if (!e || fd == TRACEE_FD_AREA || fd == TRACEE_FD_SOCKET)
        return FD_UNKNOWN;
    if (e->kind == FD_UNKNOWN || e->stream < 0)
        look_up(s, t, fd, e);
    return e->kind;
}

int fds_stream(struct session *s, struct task *t, int fd)
{
    struct fd_entry *e = fds_entry(t->files, fd);

    if (!e)
        return 0;
    fds_kind(s, t, fd);
    return e->stream > 0 ? e->stream : 0;
}

static void reset(struct session *s, struct files *files, struct fd_entry *e)
{
    struct fd_object *object = e->object;
    uint32_t generation = ++files->generation;

    memset(e, 0, sizeof(*e));
    e->stream = -1;
    e->generation = generation;
    fds_object_unref(s, object);
}

void fds_replaced(struct session *s, struct files *files, int fd)
{
    struct fd_entry *e = fds_entry(files, fd);

    if (e)
        reset(s, files, e);
}

void fds_forget(struct session *s, struct files *files, int fd)
{
    fds_replaced(s, files, fd);
    buffered_forget(s, files, fd);
}

void fds_forget_range(struct session *s, struct files *files, unsigned first, unsigned last)
{
    for (size_t i = first; i < files->count && i <= last; i++)
        reset(s, files, &files->entry[i]);
    for (size_t i = first; i < RECORDER_FDS_MAX && i <= last; i++)
        buffered_forget(s, files, (int)i);
}

void fds_exec(struct session *s, struct files *files)
{
    for (size_t i = 0; i < files->count; i++)
        if (files->entry[i].cloexec || !files->entry[i].object)
            reset(s, files, &files->entry[i]);
}

void fds_copied(struct session *s, struct files *files, int from, int to)
{
    struct fd_entry *a = fds_entry(files, from), *b = fds_entry(files, to);

    b = fds_entry(files, to);
    a = fds_entry(files, from);
    if (!a || !b || a == b)
        return;
    reset(s, files, b);
    b->kind = a->kind;
    b->stream = a->stream;
    b->random = a->random;
    b->null = a->null;
    b->regular = a->regular;
    b->directory = a->directory;
    b->device = a->device;
    b->inode = a->inode;
    b->object = a->object;
    if (b->object)
        b->object->references++;
}

void fds_duplicate(struct session *s, struct files *files, int from, int to)
{
    if (from != to)
        buffered_forget(s, files, to);
    fds_copied(s, files, from, to);
}

static bool is_ours(int fd)
{
    return fd == TRACEE_FD_AREA || fd == TRACEE_FD_SOCKET;
}

bool fds_names_ours(const struct call *c)
{
    for (int i = 0; i < c->row->argument_count; i++)
        if (c->row->arguments[i].shape == SHAPE_FD && is_ours((int)c->args[i]))
            return true;
    return false;
}

enum call_action model_close(struct session *s, struct task *t, struct call *c)
{
    if (is_ours((int)c->args[0]))
        return call_answer(c, -EBADF);
    fds_forget(s, t->files, (int)c->args[0]);
    return CALL_RUN;
}

static void dup_finished(struct session *s, struct task *t, struct call *c)
{
    if (c->result >= 0)
        fds_duplicate(s, t->files, (int)c->args[0], (int)c->result);
}

enum call_action model_dup(struct session *s, struct task *t, struct call *c)
{
    (void)s;
    (void)t;
    if (is_ours((int)c->args[0]))
        return call_answer(c, -EBADF);
    c->finish = dup_finished;
    return CALL_RUN;
}

/* dup2 and dup3. */
enum call_action model_dup2(struct session *s, struct task *t, struct call *c)
{
    (void)s;
    (void)t;
    if (is_ours((int)c->args[0]) || is_ours((int)c->args[1]))
        return call_answer(c, -EBADF);
    if (c->args[0] != c->args[1])
        c->finish = dup_finished;
    return CALL_RUN;
}

/* Leave the recorder's two descriptors out: they are neighbours, so at most two pieces. */
enum call_action model_close_range(struct session *s, struct task *t, struct call *c)
{
    unsigned first = (unsigned)c->args[0], last = (unsigned)c->args[1];
    int64_t result = 0;

    if (first > last || last < TRACEE_FD_AREA || first > TRACEE_FD_SOCKET) {
        if (first <= last && !(c->args[2] & 4 /* CLOSE_RANGE_CLOEXEC */))
            fds_forget_range(s, t->files, first, last);
        return CALL_RUN;
    }
    if (!(c->args[2] & 4))
        fds_forget_range(s, t->files, first, last);
    if (c->args[2] & 2) /* CLOSE_RANGE_UNSHARE: forgetting is enough, the table is copied on exec */
        log_debug("close_range with UNSHARE");
    c->stop_lost = true;
    if (first < TRACEE_FD_AREA &&
        task_call(s, t, SYS_close_range, (uint64_t[6]){first, TRACEE_FD_AREA - 1, c->args[2]},
                  &result))
        return CALL_GONE;
    if (result == 0 && last > TRACEE_FD_SOCKET &&
        task_call(s, t, SYS_close_range, (uint64_t[6]){TRACEE_FD_SOCKET + 1, last, c->args[2]},
                  &result))
        return CALL_GONE;
    t->regs = c->before;
    return call_answer(c, result);
}

void fds_after_call(struct session *s, struct task *t, struct call *c)
{
    if (c->result < 0)
        return;
    if ((c->row->flags & SYSCALL_FLAG_NEW_FD) && !c->finish)
        fds_forget(s, t->files, (int)c->result);
    file_facts_after_call(s, t, c);
    switch (c->nr) {
    case SYS_socket: /* something may stay behind: TIME_WAIT, addresses, routes */
        s->spoiled |= c->args[0] != AF_UNIX;
        ports_socket_made(s, t, c);
        break;
    case SYS_pipe:
    case SYS_pipe2:
    case SYS_socketpair: {
        int pair[2];

        if (tracee_read(t->tid, c->args[c->nr == SYS_socketpair ? 3 : 0], pair, sizeof(pair)) ==
            0) {
            fds_forget(s, t->files, pair[0]);
            fds_forget(s, t->files, pair[1]);
        }
        break;
    }
    case SYS_recvmsg: /* may have brought descriptors by SCM_RIGHTS */
    case SYS_recvmmsg:
        for (size_t i = 0; i < t->files->count; i++)
            if (!t->files->entry[i].object)
                t->files->entry[i].kind = FD_UNKNOWN;
        for (int i = 0; i < RECORDER_FDS_MAX; i++)
            buffered_forget(s, t->files, i);
        break;
    case SYS_chdir:
    case SYS_fchdir:
    case SYS_chroot:
    case SYS_unshare:
        buffered_directory_changed(s);
        break;
    case SYS_fcntl:
        if (c->args[1] == F_DUPFD || c->args[1] == F_DUPFD_CLOEXEC)
            fds_duplicate(s, t->files, (int)c->args[0], (int)c->result);
        break;
    default:
        break;
    }
}
