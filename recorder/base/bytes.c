/* Growable buffers, varints, damaged-input cursor, one 64-bit hash. */
#include "recorder/base/bytes.h"

#include <stdlib.h>
#include <string.h>

void bytes_init(struct bytes *b)
{
    memset(b, 0, sizeof(*b));
}

void bytes_done(struct bytes *b)
{
    free(b->data);
    bytes_init(b);
}

void bytes_clear(struct bytes *b)
{
    b->length = 0;
}

uint8_t *bytes_extend(struct bytes *b, size_t length)
{
    uint8_t *at;

    if (b->capacity - b->length < length) {
        size_t capacity = b->capacity ? b->capacity * 2 : 256;

        while (capacity < b->length + length)
            capacity *= 2;
        b->data = realloc(b->data, capacity);
        if (!b->data)
            abort();
        b->capacity = capacity;
    }
    at = b->data + b->length;
    b->length += length;
    return at;
}

void bytes_append(struct bytes *b, const void *data, size_t length)
{
    if (length > 0)
        memcpy(bytes_extend(b, length), data, length);
}

void bytes_put_uvarint(struct bytes *b, uint64_t value)
{
    uint8_t out[10];
    size_t n = 0;

    while (value >= 0x80) {
        out[n++] = (uint8_t)(value | 0x80);
        value >>= 7;
    }
    out[n++] = (uint8_t)value;
    bytes_append(b, out, n);
}

void bytes_put_svarint(struct bytes *b, int64_t value)
{
    bytes_put_uvarint(b, ((uint64_t)value << 1) ^ (uint64_t)(value >> 63));
}

void bytes_reader_init(struct bytes_reader *r, const void *data, size_t length)
{
    r->data = data;
    r->length = length;
    r->at = 0;
    r->failed = 0;
}

const void *bytes_get(struct bytes_reader *r, size_t length)
{
    const uint8_t *at;

    if (r->failed || r->length - r->at < length) {
        r->failed = 1;
        return NULL;
    }
    at = r->data + r->at;
    r->at += length;
    return at;
}

uint8_t bytes_get_u8(struct bytes_reader *r)
{
    const uint8_t *at = bytes_get(r, 1);

    return at ? *at : 0;
}

uint64_t bytes_get_uvarint(struct bytes_reader *r)
{
    uint64_t value = 0;

    for (unsigned shift = 0; shift < 64; shift += 7) {
        uint8_t byte = bytes_get_u8(r);

        if (shift == 63 && byte > 1) {
            r->failed = 1;
            return 0;
        }
        value |= (uint64_t)(byte & 0x7f) << shift;
        if (!(byte & 0x80))
            return r->failed ? 0 : value;
    }
    r->failed = 1;
    return 0;
}

int64_t bytes_get_svarint(struct bytes_reader *r)
{
    uint64_t value = bytes_get_uvarint(r);

    return (int64_t)(value >> 1) ^ -(int64_t)(value & 1);
}

static uint64_t mix(uint64_t x)
{
    x ^= x >> 32;
    x *= 0xd6e8feb86659fd93ull;
    x ^= x >> 32;
    x *= 0xd6e8feb86659fd93ull;
    return x ^ (x >> 32);
}

uint64_t bytes_hash(const void *data, size_t length, uint64_t seed)
{
    const uint8_t *at = data;
    uint64_t lanes[4] = {seed ^ 0x9e3779b97f4a7c15ull, seed + 0xc2b2ae3d27d4eb4full,
                         seed ^ 0x165667b19e3779f9ull, seed + 0x27d4eb2f165667c5ull};
    uint64_t hash;
    size_t left = length;

    for (; left >= 32; left -= 32, at += 32) {
        for (int i = 0; i < 4; i++) {
            uint64_t word;

            memcpy(&word, at + 8 * i, 8);
            lanes[i] = (lanes[i] ^ word) * 0x9fb21c651e98df25ull;
            lanes[i] = (lanes[i] << 29) | (lanes[i] >> 35);
        }
    }
    hash = length ^ lanes[0];
    for (int i = 1; i < 4; i++)
        hash = mix(hash) ^ lanes[i];
    while (left > 0) {
        uint64_t word = 0;
        size_t n = left < 8 ? left : 8;

        memcpy(&word, at, n);
        hash = mix(hash ^ word) + n;
        at += n;
        left -= n;
    }
    return mix(hash);
}
