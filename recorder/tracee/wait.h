/* The only caller of waitpid: one wait status decoded once into a stop. See ptrace(2). */
#ifndef RECORDER_TRACEE_WAIT_H
#define RECORDER_TRACEE_WAIT_H

#include <stdbool.h>
#include <sys/types.h>

enum stop_kind {
    STOP_SECCOMP,      /* entry of a system call, SECCOMP_RET_TRACE */
    STOP_SYSCALL_EXIT, /* PTRACE_SYSCALL, after the call (also entry if resumed so) */
    STOP_SIGNAL,       /* signal-delivery stop: `signal` */
    STOP_EXEC,         /* PTRACE_EVENT_EXEC: message = former tid */
    STOP_CLONE,        /* PTRACE_EVENT_{FORK,VFORK,CLONE}: message = new tid */
    STOP_EXIT,         /* PTRACE_EVENT_EXIT: message = status; the task still exists */
    STOP_INITIAL, /* PTRACE_EVENT_STOP: birth stop, PTRACE_INTERRUPT or group stop (`signal`) */
    STOP_DEAD,    /* reaped: `status` */
};

struct stop {
    enum stop_kind kind;
    pid_t tid;
    int signal;
    int status;
    unsigned long message;
};

/* Wait for `tid` (or any tracee: -1). block false: 0 when nothing is there.
 * 1: *ret is filled. 0: nothing (only without block). Negative errno: -ECHILD no such tracee. */
int wait_next(pid_t tid, bool block, struct stop *ret);

#endif
