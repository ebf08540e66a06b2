/* A trace that a command reads, be it a directory or packed: a packed one is unpacked into a
 * private directory below $TMPDIR (else /tmp), which is gone when the command is, however it ends.
 */
#ifndef HARNESS_PACK_PLACE_H
#define HARNESS_PACK_PLACE_H

#include "recorder/base/error.h"

struct pack_place {
    char *path; /* the trace's directory */
    int alive;  /* -1: nothing was unpacked; else closing it lets the directory be removed */
    int gone;   /* ends when it is */
};

/* path: a trace directory or a packed trace; error must not be NULL. Forks a small process that
 * outlives this one and removes the directory (mode 0700) when this one ends; so call it while
 * there is one thread. Errors are those of pack_extract(); a path that is no regular file is passed
 * on as it is. */
int pack_place_open(const char *path, struct pack_place *ret, struct rr_error *error);

/* The directory, if one was made, is removed when this returns. */
void pack_place_done(struct pack_place *place);

#endif
