/* Traces as one file, .rrt: a tar archive compressed with zstd (TRACE-FORMAT.md section 7).
 * libarchive is hidden here. Archives are taken as possibly hostile; what unpacking writes is
 * bounded by the archive's own table of contents and by the room on the disk. */
#ifndef HARNESS_PACK_PACK_H
#define HARNESS_PACK_PACK_H

#include <stdbool.h>
#include <stdint.h>

#include "recorder/base/error.h"

#define PACK_EXTENSION ".rrt"

struct pack_options {
    const char *trace;  /* its directory */
    const char *output; /* the file to write; replaced by renaming, so it is whole or as before */
    bool replace;       /* false: -EEXIST if output is there already */
    bool (*interrupted)(
        void *context); /* asked every 64 KiB; true ends it with -EINTR; may be NULL */
    void *interrupted_context;
};

struct pack_summary {
    uint64_t files;
    uint64_t bytes;  /* of the files together */
    uint64_t packed; /* of the archive */
};

/* Pack a trace, after reading and checking all of it. The same trace gives the same bytes. A trace
 * that was cut (its recorder was killed) is packed as it is. -EBADMSG: the trace is damaged;
 * nothing is left behind then, nor after other errors, which are those of the files. */
int pack_create(const struct pack_options *options, struct pack_summary *ret,
                struct rr_error *error);

/* A regular file, as opposed to a trace directory. */
bool pack_is_file(const char *path);

/* Unpack into a directory that is made beside its final place, and renamed. -EEXIST: the directory
 * is there and not empty; -EBADMSG: no packed trace, a damaged or a hostile one; -EPROTONOSUPPORT:
 * another version; -ENOSPC: the disk has less room than the files need, and others. Nothing is left
 * behind after an error. A kill leaves the hidden directory DIRECTORY.new-*. */
int pack_unpack(const char *file, const char *directory, struct rr_error *error);

/* The same into an existing, empty directory. After an error, what was written stays. `name` of the
 * file is for messages; fd is read from its position on and stays open. */
int pack_extract(int fd, const char *name, const char *directory, struct rr_error *error);

#endif
