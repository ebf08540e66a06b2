/* A growable byte buffer and the little-endian varint helpers of the trace codec.
 * Out of memory aborts: the recorder cannot go on without its bookkeeping. */
#ifndef RECORDER_BASE_BYTES_H
#define RECORDER_BASE_BYTES_H

#include <stddef.h>
#include <stdint.h>

struct bytes {
    uint8_t *data; /* owned; NULL while empty */
    size_t length;
    size_t capacity;
};

/* All zeros will do as well. */
void bytes_init(struct bytes *b);
void bytes_done(struct bytes *b);  /* frees; the struct is empty afterwards */
void bytes_clear(struct bytes *b); /* length 0, capacity kept */
void bytes_append(struct bytes *b, const void *data, size_t length);
uint8_t *bytes_extend(struct bytes *b,
                      size_t length); /* room for length more; contents undefined */

/* LEB128, unsigned; signed values in zigzag. */
void bytes_put_uvarint(struct bytes *b, uint64_t value);
void bytes_put_svarint(struct bytes *b, int64_t value);

/* A cursor over bytes that may be damaged: after the first overrun every get returns 0 and
 * `failed` stays set, so that callers check once. */
struct bytes_reader {
    const uint8_t *data;
    size_t length;
    size_t at;
    int failed;
};

/* The data are not copied. */
void bytes_reader_init(struct bytes_reader *r, const void *data, size_t length);
uint64_t bytes_get_uvarint(struct bytes_reader *r);
int64_t bytes_get_svarint(struct bytes_reader *r);
uint8_t bytes_get_u8(struct bytes_reader *r);
const void *bytes_get(struct bytes_reader *r,
                      size_t length); /* points into data; NULL on overrun */

/* 64-bit hash (XXH64-like quality is not needed for security: checksums and digests only).
 * Chain by passing the previous result as seed. */
uint64_t bytes_hash(const void *data, size_t length, uint64_t seed);

#endif
