/* Files whose true contents would show the recorder or vary from run to run. What a finished open
 * brought decides, not the path it was asked for: a file of procfs that is in the table is replaced
 * by a memory file with a text of ours (procfs_text.h). */
#ifndef RECORDER_RECORD_PROCFS_H
#define RECORDER_RECORD_PROCFS_H

#include "recorder/record/session.h"

enum call_action model_open(struct session *s, struct task *t,
                            struct call *c); /* open, openat, openat2 */
enum call_action model_read(struct session *s, struct task *t,
                            struct call *c); /* read, pread, readv... */
enum call_action model_readlink(struct session *s, struct task *t,
                                struct call *c); /* and readlinkat */

/* Does the path (in the task's memory) name one of the recorder's descriptors in /proc? By its end.
 */
bool procfs_path_is_ours(struct task *t, uint64_t address);
/* The kernel's own file, opened by us, if `fd` is a replaced one; else -1. */
int procfs_original(struct task *t, int fd);

/* Where in procfs a path of the program's (as the kernel prints it) leads. */
struct procfs_place {
    int pid;          /* 0: none */
    int tid;          /* of /task/TID; 0: none */
    const char *name; /* the rest: "maps", "fd", "sys/kernel/random/uuid" */
};
/* False: not in procfs by its looks. Anything may stand before the mount point's contents. */
bool procfs_parse(const char *path, struct procfs_place *ret);
/* The process or task that a number in this run's /proc means; NULL: none of the run's. */
struct process *procfs_process(struct session *s, int pid);
/* Is it pid 1 of the run? */
bool procfs_is_reaper(const struct session *s, int pid);

#endif
