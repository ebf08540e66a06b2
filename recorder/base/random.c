/* splitmix64 over (key, counter). */
#include "recorder/base/random.h"

#include <string.h>

#include "recorder/base/bytes.h"

static uint64_t scramble(uint64_t x)
{
    x ^= x >> 30;
    x *= 0xbf58476d1ce4e5b9ull;
    x ^= x >> 27;
    x *= 0x94d049bb133111ebull;
    return x ^ (x >> 31);
}

void random_init(struct random_stream *s, uint64_t seed, enum random_purpose purpose)
{
    s->key = scramble(seed + 0x9e3779b97f4a7c15ull * ((uint64_t)purpose + 1));
    s->counter = 0;
}

uint64_t random_u64(struct random_stream *s)
{
    return scramble(s->key + 0x9e3779b97f4a7c15ull * ++s->counter);
}

uint64_t random_below(struct random_stream *s, uint64_t bound)
{
    return (uint64_t)(((__uint128_t)random_u64(s) * bound) >> 64);
}

bool random_chance(struct random_stream *s, double probability)
{
    return (double)(random_u64(s) >> 11) * 0x1.0p-53 < probability;
}

void random_fill(struct random_stream *s, void *data, uint64_t length)
{
    uint8_t *at = data;

    while (length > 0) {
        uint64_t word = random_u64(s);
        uint64_t n = length < 8 ? length : 8;

        memcpy(at, &word, n);
        at += n;
        length -= n;
    }
}

uint64_t random_run_seed(uint64_t session_seed, const char *test_name, uint64_t run)
{
    return bytes_hash(test_name, strlen(test_name), scramble(session_seed) ^ scramble(~run));
}
