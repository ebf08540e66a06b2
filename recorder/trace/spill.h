/* A file without a name for what does not fit into memory: gone with its last descriptor, whatever
 * becomes of us. */
#ifndef RECORDER_TRACE_SPILL_H
#define RECORDER_TRACE_SPILL_H

#include <stddef.h>
#include <stdint.h>

struct spill {
    int fd;          /* -1: not open */
    uint64_t length; /* of what was appended */
    uint64_t room;   /* beyond it */
};

/* In `directory`, $TMPDIR or /var/tmp, the first that can be written and is no memory file system;
 * if all are, the first of them. It may take half of what is free there. directory: NULL: only the
 * others. Negative errno: the last that was met; *ret_where (not NULL) names the directory, owned
 * by the caller, NULL if memory is short. */
int spill_open(const char *directory, struct spill *ret, char **ret_where);
/* -ENOSPC beyond the room, and errors of write(2); the length stays as it was then. */
int spill_append(struct spill *spill, const void *data, size_t length);
void spill_close(struct spill *spill);

#endif
