/* A FIFO is opened with O_NONBLOCK, which is taken back before the program sees the descriptor. To
 * read: that succeeds at once, and the call is parked until a writer is there or has been there. To
 * write: that fails until there is a reader; the call is parked until some call opens a FIFO. */
#include "recorder/record/fifo.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "include/rrtest/recorder_page.h"
#include "recorder/record/blocking.h"
#include "recorder/record/borrow.h"
#include "recorder/record/fds.h"
#include "recorder/record/outside.h"

#define HOW 0xa80 /* in the recorder page: openat2's argument */

struct request {
    int directory;
    uint64_t path;
    uint64_t flags;
};

static bool describe(struct task *t, const struct call *c, struct request *ret)
{
    struct open_how how;

    *ret = (struct request){AT_FDCWD, c->args[0], c->args[1]};
    switch (c->nr) {
    case SYS_open:
        return true;
    case SYS_creat:
        ret->flags = O_CREAT | O_WRONLY | O_TRUNC;
        return true;
    case SYS_openat:
        *ret = (struct request){(int)c->args[0], c->args[1], c->args[2]};
        return true;
    case SYS_openat2:
        if (c->args[3] != sizeof(how) || tracee_read(t->tid, c->args[2], &how, sizeof(how)) < 0)
            return false;
        *ret = (struct request){(int)c->args[0], c->args[1], how.flags};
        return true;
    default:
        return false;
    }
}

static void set_flags(struct session *s, struct task *t, struct call *c, uint64_t flags)
{
    struct open_how how;

    switch (c->nr) {
    case SYS_creat:
        c->run_nr = SYS_open;
        c->run_args[2] = c->args[1];
        __attribute__((fallthrough));
    case SYS_open:
        c->run_args[1] = flags;
        break;
    case SYS_openat:
        c->run_args[2] = flags;
        break;
    default:
        if (tracee_read(t->tid, c->args[2], &how, sizeof(how)) < 0)
            return;
        how.flags = flags;
        memcpy(s->area.page + HOW, &how, sizeof(how));
        c->run_args[2] = RECORDER_PAGE_ADDRESS + HOW;
        break;
    }
}

/* Where programs open most of their files, and nobody makes FIFOs. */
static bool is_common_place(const char *path)
{
    static const char *const places[] = {"/usr/", "/lib", "/etc/", "/proc/", "/sys/", "/dev/"};

    for (size_t i = 0; i < sizeof(places) / sizeof(*places); i++)
        if (strncmp(path, places[i], strlen(places[i])) == 0)
            return true;
    return false;
}

/* As the task sees it; a guess where links are involved, which costs nothing when wrong. */
static bool names_fifo(struct task *t, const struct request *r, struct stat *st)
{
    char path[4096], full[4200];
    size_t n = tracee_read_some(t->tid, r->path, path, sizeof(path) - 1);

    path[n] = '\0';
    if (!path[0] || is_common_place(path))
        return false;
    if (path[0] == '/')
        snprintf(full, sizeof(full), "/proc/%d/root%s", t->tid, path);
    else if (r->directory == AT_FDCWD)
        snprintf(full, sizeof(full), "/proc/%d/cwd/%s", t->tid, path);
    else
        snprintf(full, sizeof(full), "/proc/%d/fd/%d/%s", t->tid, r->directory, path);
    return stat(full, st) == 0 && S_ISFIFO(st->st_mode);
}

static bool is_named_fifo(int fd)
{
    struct statfs fs;
    struct stat st;

    return fstat(fd, &st) == 0 && S_ISFIFO(st.st_mode) && fstatfs(fd, &fs) == 0 &&
           fs.f_type != PIPEFS_MAGIC;
}

/* An empty FIFO reads as its end when nobody can write to it, as EAGAIN when somebody can; poll(2)
 * tells of a writer that has come and gone (fs/pipe.c pipe_poll). */
static bool has_writer(struct session *s, struct task *t, struct call *c)
{
    uint8_t byte;

    (void)s;
    (void)t;
    if (blocking_is_ready(c->borrowed[0].fd, POLLIN))
        return true;
    return read(c->borrowed[0].fd, &byte, 1) < 0;
}

static enum call_action reader_opened(struct session *s, struct task *t, struct call *c)
{
    struct borrowed_fd *b = &c->borrowed[0];
    int fd = fds_take(t, (int)c->result);

    if (fd < 0)
        return CALL_DONE;
    /* number: closed again if a signal ends the call */
    *b = (struct borrowed_fd){.fd = fd,
                              .flags = fcntl(fd, F_GETFL) & ~O_NONBLOCK,
                              .unblocked = true,
                              .number = (int)c->result};
    if (is_named_fifo(fd) && !has_writer(s, t, c)) {
        c->ready = has_writer;
        b->events = POLLIN; /* for outsiders that write */
        return call_park(t, c, c->row->name, UINT64_MAX);
    }
    borrow_reblock(c);
    b->number = 0;
    return CALL_DONE;
}

static enum call_action attempted(struct session *s, struct task *t, struct call *c)
{
    struct request r;
    struct stat st;

    if (!describe(t, c, &r))
        return CALL_DONE;
    if (c->result == -ENXIO && (r.flags & O_ACCMODE) == O_WRONLY && names_fifo(t, &r, &st)) {
        c->wait_outside = outside_made(s, &st);
        return blocking_park_retried(s, t, c, BLOCKING_CHANGE_FIFOS, UINT64_MAX);
    }
    if (c->result < 0)
        return CALL_DONE;
    s->changes[BLOCKING_CHANGE_FIFOS]++;
    s->state_changed = true;
    if ((r.flags & O_ACCMODE) == O_RDONLY)
        return reader_opened(s, t, c);
    int fd = fds_take(t, (int)c->result);

    if (fd >= 0) {
        c->borrowed[0] = (struct borrowed_fd){
            .fd = fd, .flags = fcntl(fd, F_GETFL) & ~O_NONBLOCK, .unblocked = true};
        borrow_reblock(c);
    }
    return CALL_DONE;
}

static enum call_action retry(struct session *s, struct task *t, struct call *c)
{
    struct request r;

    if (c->borrowed[0].number == 0) {
        if (describe(t, c, &r))
            set_flags(s, t, c, r.flags | O_NONBLOCK);
        return CALL_RUN;
    }
    if (!has_writer(s, t, c))
        return call_park(t, c, c->row->name, UINT64_MAX);
    borrow_reblock(c);
    call_answer(c, c->borrowed[0].number);
    c->borrowed[0].number = 0;
    if (c->finish)
        c->finish(s, t, c);
    return CALL_DONE;
}

enum call_action fifo_open(struct session *s, struct task *t, struct call *c)
{
    struct request r;
    struct stat st;

    if (c->retry)
        return retry(s, t, c);
    if (!describe(t, c, &r))
        return CALL_RUN;
    if ((r.flags & O_NONBLOCK) || (r.flags & O_ACCMODE) == O_RDWR) {
        s->changes[BLOCKING_CHANGE_FIFOS]++; /* it does not wait, but may be waited for */
        return CALL_RUN;
    }
    if ((r.flags & (O_PATH | O_DIRECTORY)) || !names_fifo(t, &r, &st))
        return CALL_RUN;
    set_flags(s, t, c, r.flags | O_NONBLOCK);
    c->attempted = attempted;
    return CALL_RUN;
}
