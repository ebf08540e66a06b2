/* Terminals: signal masks for job control, flushing of the other end. */
#include "recorder/record/terminal.h"

#include <asm/ioctls.h>
#include <asm/sockios.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "recorder/base/file.h"
#include "recorder/base/log.h"
#include "recorder/record/blocking.h"
#include "recorder/record/fds.h"

#define SLAVE_MAJOR 136 /* UNIX98_PTY_SLAVE_MAJOR, 256 terminals each */

static void set_kernel_mask(const struct task *t, signal_set mask)
{
    if (ptrace(PTRACE_SETSIGMASK, t->tid, sizeof(mask), &mask) < 0)
        log_debug("the signal mask of task %u stays", t->id);
}

void terminal_enter(struct session *s, struct task *t)
{
    static const int signals[] = {SIGTTIN, SIGTTOU};
    signal_set mask = 0;

    s->kernel_signals = true;
    for (size_t i = 0; i < sizeof(signals) / sizeof(*signals); i++)
        if ((t->mask & signal_bit(signals[i])) ||
            signal_handlers_get(t->process->handlers, signals[i])->handler == 1)
            mask |= signal_bit(signals[i]);
    t->kernel_mask = mask != 0;
    if (mask)
        set_kernel_mask(t, mask);
}

void terminal_leave(struct task *t)
{
    if (t->kernel_mask)
        set_kernel_mask(t, 0);
    t->kernel_mask = false;
}

/* A descriptor of this device that some process of the run has as stdin, stdout or stderr. */
static int find_open(struct session *s, dev_t device)
{
    for (struct task *t = s->tasks; t; t = t->next) {
        if (t->tid != t->process->tgid || t->state == TASK_EXITING)
            continue;
        for (int fd = 0; fd < 3; fd++) {
            char path[64];
            struct stat st;

            snprintf(path, sizeof(path), "/proc/%d/fd/%d", t->tid, fd);
            if (stat(path, &st) == 0 && S_ISCHR(st.st_mode) && st.st_rdev == device)
                return fds_take(t, fd);
        }
    }
    return -1;
}

/* The bytes wait for a kernel worker; poll(2) at the end that receives them does the worker's work
 * (n_tty_poll: tty_buffer_flush_work). */
void terminal_flush(struct session *s, int fd)
{
    cleanup_fd int other = -1;
    unsigned number;

    if (ioctl(fd, TIOCGPTN, &number) < 0)
        return; /* no master: who reads there polls */
    other = find_open(s, makedev(SLAVE_MAJOR + number / 256, number % 256));
    if (other >= 0)
        blocking_is_ready(other, POLLIN);
}

static enum call_action ioctl_attempted(struct session *s, struct task *t, struct call *c)
{
    (void)s;
    (void)c;
    terminal_leave(t);
    return CALL_DONE;
}

enum call_action model_ioctl(struct session *s, struct task *t, struct call *c)
{
    uint32_t request = (uint32_t)c->args[1];

    if (request == FIOASYNC || request == FIOSETOWN || request == SIOCSPGRP)
        s->kernel_signals = true;
    if (fds_kind(s, t, (int)c->args[0]) != FD_TERMINAL)
        return CALL_RUN;
    terminal_enter(s, t);
    c->attempted = ioctl_attempted;
    return CALL_RUN;
}
