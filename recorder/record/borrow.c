/* Duplicates of descriptors for the time of a call. */
#include "recorder/record/borrow.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/syscall.h>

#include "recorder/base/file.h"
#include "recorder/base/log.h"
#include "recorder/record/fds.h"

#define SLOTS 2

int borrow_take(struct task *t, struct call *c, int slot, int argument)
{
    struct borrowed_fd *b = &c->borrowed[slot];
    int fd = (int)c->args[argument];
    struct fd_entry *e = fds_entry(t->files, fd);
    int taken = fds_take(t, fd);

    if (taken < 0)
        return taken;
    *b = (struct borrowed_fd){
        .fd = taken, .argument = (int8_t)argument, .generation = e ? e->generation : 0};
    return 0;
}

bool borrow_is_nonblocking(struct call *c)
{
    for (int i = 0; i < SLOTS; i++) {
        struct borrowed_fd *b = &c->borrowed[i];

        if (b->fd < 0)
            continue;
        b->flags = fcntl(b->fd, F_GETFL);
        if (b->flags >= 0 && (b->flags & O_NONBLOCK))
            return true;
    }
    return false;
}

void borrow_unblock(struct call *c)
{
    for (int i = 0; i < SLOTS; i++) {
        struct borrowed_fd *b = &c->borrowed[i];

        if (b->fd < 0 || b->unblocked)
            continue;
        b->flags = fcntl(b->fd, F_GETFL);
        if (b->flags < 0 || (b->flags & O_NONBLOCK))
            continue;
        b->unblocked = fcntl(b->fd, F_SETFL, b->flags | O_NONBLOCK) == 0;
    }
}

void borrow_reblock(struct call *c)
{
    for (int i = 0; i < SLOTS; i++) {
        struct borrowed_fd *b = &c->borrowed[i];

        if (b->unblocked && fcntl(b->fd, F_SETFL, b->flags) < 0)
            log_debug("O_NONBLOCK cannot be taken back");
        b->unblocked = false;
    }
}

enum call_action borrow_run(struct session *s, struct task *t, struct call *c)
{
    for (int i = 0; i < SLOTS; i++) {
        struct borrowed_fd *b = &c->borrowed[i];
        struct fd_entry *e;

        if (b->fd < 0 || b->number > 0)
            continue;
        e = fds_entry(t->files, (int)c->args[b->argument]);
        if (e && e->generation == b->generation)
            continue;
        c->stop_lost = true;
        t->regs = c->before;
        t->regs_dirty = true;
        if (tracee_send_fd(&s->area, t->tid, &t->regs, b->fd, &b->number) < 0) {
            b->number = 0;
            return call_answer(c, -EBADF);
        }
        c->run_args[b->argument] = (uint64_t)b->number;
    }
    return CALL_RUN;
}

void borrow_close_numbers(struct session *s, struct task *t, struct call *c)
{
    for (int i = 0; i < SLOTS; i++) {
        struct user_regs_struct saved = t->regs;
        int64_t ignored;

        if (c->borrowed[i].number <= 0)
            continue;
        task_call(s, t, SYS_close, (uint64_t[6]){(uint64_t)c->borrowed[i].number}, &ignored);
        t->regs = saved;
        t->regs_dirty = true;
        c->borrowed[i].number = 0;
    }
}

void borrow_release(struct call *c)
{
    borrow_reblock(c);
    for (int i = 0; i < SLOTS; i++) {
        close_fd(&c->borrowed[i].fd);
        c->borrowed[i].number = 0;
        c->borrowed[i].events = 0;
    }
}
