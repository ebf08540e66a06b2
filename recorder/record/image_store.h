/* Images and copies of mapped files by identity, for as long as the process lives: a worker that
 * records many runs opens each rewritten image once. Also interns names. */
#ifndef RECORDER_RECORD_IMAGE_STORE_H
#define RECORDER_RECORD_IMAGE_STORE_H

#include <stdint.h>
#include <sys/stat.h>

#include "recorder/base/error.h"
#include "recorder/images/image.h"

struct image_store;

/* One per process; directory as record_options.image_cache. Never freed while sessions live. */
struct image_store *image_store_get(const char *directory);
/* The rewritten image of the file, or NULL (not ELF, not rewritable). *ret_why, if not NULL, says
 * why there is none, or why it is not in the cache. Adds the time spent rewriting to *spent_ns. */
struct image *image_store_image(struct image_store *store, int fd, const struct stat *st,
                                uint32_t options, uint64_t *spent_ns, const char **ret_why);
/* A copy of the file in memory, made once per identity; `key` tells it, contents and all, from any
 * other file. The store's own descriptor, to be duplicated; -1: it is too large to be kept. */
int image_store_copy(struct image_store *store, const char *key, int fd, uint64_t size);
/* A copy of the string that lives as long as the store; equal strings give equal pointers. */
const char *image_store_name(struct image_store *store, const char *name);

#endif
