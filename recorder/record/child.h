/* The process that becomes the program: what it does between its birth and its exec. */
#ifndef RECORDER_RECORD_CHILD_H
#define RECORDER_RECORD_CHILD_H

#include <limits.h>

#include "recorder/record/session.h"

#define CHILD_STACK_SIZE 32768

/* Read by the child, which may share our memory until its exec: it stays as it is until then. */
struct child_plan {
    struct session *s;
    int go;                   /* read end: the tracer has seized us */
    int status;               /* write end, cloexec: our pid, then errno of what failed */
    int outside;              /* write end: the pid as its maker sees it; -1: not asked for */
    char directory[PATH_MAX]; /* ours */
};

/* The whole of the child; plan: a struct child_plan. Does not return. Makes no use of libc's state
 * (errno, buffers, locks): the other owner of this memory runs on meanwhile. */
int child_main(void *plan);

/* Ends the calling process, which tells the plan's status pipe why: a positive errno. */
_Noreturn void child_fail(int status_fd, int code);

#endif
