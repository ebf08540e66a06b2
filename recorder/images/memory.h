/* Allocation for the rewriter's tables. Out of memory aborts, as everywhere in the recorder's
 * bookkeeping (recorder/base/bytes.h): a half-analysed image is of no use. */
#ifndef RECORDER_IMAGES_MEMORY_H
#define RECORDER_IMAGES_MEMORY_H

#include <stddef.h>
#include <stdlib.h>

static inline void *memory_zeroed(size_t count, size_t size)
{
    void *p = calloc(count ? count : 1, size);

    if (!p)
        abort();
    return p;
}

static inline void *memory_resize(void *old, size_t count, size_t size)
{
    void *p = count <= (size_t)-1 / size ? realloc(old, count ? count * size : 1) : NULL;

    if (!p)
        abort();
    return p;
}

/* Room for one more element in a growing array; *capacity counts elements. */
static inline void *memory_grow(void *array, size_t used, size_t *capacity, size_t size)
{
    if (used < *capacity)
        return array;
    *capacity = *capacity ? *capacity * 2 : 256;
    return memory_resize(array, *capacity, size);
}

#endif
