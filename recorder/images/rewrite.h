/* From an ELF file to the contents of a cache file. */
#ifndef RECORDER_IMAGES_REWRITE_H
#define RECORDER_IMAGES_REWRITE_H

#include "recorder/base/bytes.h"
#include "recorder/images/cache.h"
#include "recorder/images/elf_file.h"

/* Appends a sealed cache file to *ret. -EOPNOTSUPP with the reason when the image stays as it is:
 * its code cannot be rewritten, or has nothing to rewrite. */
int rewrite_image(const struct elf_file *elf, const struct cache_source *source, struct bytes *ret,
                  struct rr_error *error);

#endif
