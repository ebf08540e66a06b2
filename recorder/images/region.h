/* Patch regions of code that no image plan covers: code outside FDEs and symbols, made at run time,
 * or of files that are no images. The same stubs as the planner's, found by decoding around one
 * `syscall` of which only the bytes near it are known. Pure. */
#ifndef RECORDER_IMAGES_REGION_H
#define RECORDER_IMAGES_REGION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "recorder/images/image.h"

#define REGION_BYTES_MAX 48
#define REGION_INSNS_MAX 8
#define REGION_STUB_MAX 160
#define REGION_JUMP 5      /* bytes of the jump that it becomes; a region has at least as many */
#define REGION_CONTEXT 128 /* bytes to either side that are worth looking at */

struct image_region {
    uint8_t length; /* bytes overwritten */
    uint8_t before; /* of them before the `syscall` */
    uint8_t count;  /* instructions */
    uint8_t offset[REGION_INSNS_MAX];
    uint8_t code[REGION_BYTES_MAX]; /* as it was */
};

/* A stub at a known address. */
struct image_region_stub {
    size_t size;
    uint8_t code[REGION_STUB_MAX];
    /* From `at` bytes into the stub on, control belongs to the instruction at `offset` in the
     * region, or behind it; at `at` itself nothing of it has happened. */
    size_t place_count;
    struct image_region_place {
        uint8_t at, offset;
        bool head; /* on the way into the blob, before the `syscall` */
    } place[REGION_INSNS_MAX + 4];
};

/* `code` is the `syscall`; `before` bytes before it and `after` from it on can be read. `number`:
 * the call that is being made there, which tells whether a mov before it is one. What follows a
 * `syscall` is code, and its boundaries are certain; what stands before it is taken only if
 * decoding from many places agrees. A region into whose middle something near it jumps is not
 * taken. False: there is none. */
bool image_region_find(const uint8_t *code, size_t before, size_t after, uint64_t number,
                       struct image_region *ret);

/* May the stub lie there? Each byte of the jump at which an instruction began must trap. */
bool image_region_fits(const struct image_region *region, uint64_t start, uint64_t stub);
/* The first address from `from` on, below `to`, at which it may; 0: none. */
uint64_t image_region_place(const struct image_region *region, uint64_t start, uint64_t from,
                            uint64_t to);
/* The stub of the region that starts at `start`. False: something in it cannot reach its target
 * from there. */
bool image_region_emit(const struct image_region *region, uint64_t start, uint64_t stub,
                       struct image_region_stub *ret);
/* A jump from `start` to `target` and int3 up to `length` bytes, as windows are written. */
void image_region_bytes(uint64_t start, size_t length, uint64_t target, uint8_t *ret);

#endif
