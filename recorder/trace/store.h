/* The mapped files of a trace: images/ and its table, images/index (TRACE-FORMAT.md section 6). */
#ifndef RECORDER_TRACE_STORE_H
#define RECORDER_TRACE_STORE_H

#include "recorder/base/bytes.h"
#include "recorder/trace/trace.h"

#define STORE_INDEX "index"
#define STORE_NAME_MAX 64

struct store_entry {
    enum trace_file_kind kind;
    char *name;      /* original path, owned */
    uint64_t length; /* of the content */
    uint64_t hash;
    bool changed; /* the file was modified between its registration and the copy */
};

/* File name in images/ of the entry with this id. */
void store_file_name(const struct store_entry *entry, uint32_t id, char ret[STORE_NAME_MAX]);

/* Put the content of fd into the directory images: a hard link for IMAGE files (they are immutable
 * by contract), else a reflink or a copy that leaves holes where the content is zero. Fills length
 * and hash. Errors of open, link, read and write; nothing is left then. */
int store_place(int images, int fd, uint32_t id, struct store_entry *entry);

/* The hash of a whole file's content and its length. */
int store_hash(int fd, uint64_t *ret_length, uint64_t *ret_hash);

/* One line of the index. *chain is the checksum of the line before (the trace's id for the first)
 * and becomes that of this one. */
void store_put_line(struct bytes *b, uint32_t id, const struct store_entry *entry, uint64_t *chain);

/* Parse the line of the given id, without its newline. -EBADMSG or -ENOMEM. */
int store_get_line(const char *line, size_t length, uint32_t id, uint64_t *chain,
                   struct store_entry *ret);

#endif
