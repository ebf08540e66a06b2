/* waitpid and the decoding of its status words. */
#include "recorder/tracee/wait.h"

#include <errno.h>
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/wait.h>

static enum stop_kind event_kind_of(int event)
{
    switch (event) {
    case PTRACE_EVENT_SECCOMP:
        return STOP_SECCOMP;
    case PTRACE_EVENT_EXEC:
        return STOP_EXEC;
    case PTRACE_EVENT_FORK:
    case PTRACE_EVENT_VFORK:
    case PTRACE_EVENT_CLONE:
        return STOP_CLONE;
    case PTRACE_EVENT_EXIT:
        return STOP_EXIT;
    default:
        return STOP_INITIAL;
    }
}

int wait_next(pid_t tid, bool block, struct stop *ret)
{
    int status;
    pid_t got;
    int event;

    do
        got = waitpid(tid, &status, __WALL | (block ? 0 : WNOHANG));
    while (got < 0 && errno == EINTR && block == false);
    if (got < 0)
        return -errno;
    if (got == 0)
        return 0;
    *ret = (struct stop){.tid = got, .status = status};
    if (WIFEXITED(status) || WIFSIGNALED(status)) {
        ret->kind = STOP_DEAD;
        return 1;
    }
    ret->signal = WSTOPSIG(status);
    event = status >> 16;
    if (event) {
        ret->kind = event_kind_of(event);
        if (ret->kind != STOP_SECCOMP && ret->kind != STOP_INITIAL)
            ptrace(PTRACE_GETEVENTMSG, got, 0, &ret->message);
    } else if (ret->signal == (SIGTRAP | 0x80)) {
        ret->kind = STOP_SYSCALL_EXIT;
    } else {
        ret->kind = STOP_SIGNAL;
    }
    return 1;
}
