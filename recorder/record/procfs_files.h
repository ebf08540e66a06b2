/* The files of procfs and sysfs that are replaced, and what by. */
#ifndef RECORDER_RECORD_PROCFS_FILES_H
#define RECORDER_RECORD_PROCFS_FILES_H

#include "recorder/record/procfs.h"

struct procfs_request {
    struct session *s;
    struct task *reader;
    struct process *process; /* whose file it is; NULL: the reaper's or the machine's */
    struct task *subject;    /* one of its tasks; NULL: it is a zombie or the reaper */
    const char *name;        /* as procfs_place.name */
    struct bytes original;   /* the kernel's text, with a NUL behind it */
};
typedef void (*procfs_maker)(const struct procfs_request *request, struct bytes *ret);

/* NULL: the file stays as it is. */
procfs_maker procfs_find_maker(struct session *s, const struct procfs_place *place);
procfs_maker procfs_find_system_maker(const char *path); /* in sysfs, from its mount point on */

#endif
