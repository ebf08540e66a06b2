/* The table of contents of a packed trace: its first member, trace/contents (TRACE-FORMAT.md
 * section 7). Text in, text out. It bounds what an unpacker writes: no name and no byte is taken
 * from an archive that the table does not announce, and the table can announce nothing but the
 * files of a trace. */
#ifndef HARNESS_PACK_MANIFEST_H
#define HARNESS_PACK_MANIFEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "recorder/base/bytes.h"

#define MANIFEST_PREFIX "trace/"
#define MANIFEST_NAME MANIFEST_PREFIX "contents"
#define MANIFEST_MAX (16u << 20) /* bytes of text */
#define MANIFEST_NAME_MAX 48     /* of a file, with its NUL */
#define MANIFEST_BLOCK 65536     /* a file's hash is chained over blocks of this size */

struct manifest_entry {
    char name[MANIFEST_NAME_MAX]; /* below the trace's folder: "images/index" */
    uint64_t length;
    uint64_t hash;
};

struct manifest {
    struct manifest_entry *entries; /* in ascending order of their names */
    size_t count;
    uint64_t bytes; /* of all files together */
};
void manifest_done(struct manifest *manifest);

/* A file of a trace: one of the fixed names, or images/NNNN-HHHHHHHHHHHHHHHH. */
bool manifest_is_name(const char *name);

/* Append a file; its name must be one and come behind those before. -EINVAL, -EOVERFLOW. */
int manifest_add(struct manifest *manifest, const struct manifest_entry *entry);

/* The text, into an empty buffer. */
void manifest_format(const struct manifest *manifest, struct bytes *ret);

/* 0 and *ret, owned by the caller. -EBADMSG: no such text, or damaged: a checksum, a name, the
 * order, or a file that every trace has is missing; -EPROTONOSUPPORT: another version; -ENOMEM. */
int manifest_parse(const char *text, size_t length, struct manifest *ret);

#endif
