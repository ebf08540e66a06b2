/* Counter-based random streams (splitmix64): one stream per purpose, so that one more draw here
 * shifts nothing there (strategies.md section 2). */
#ifndef RECORDER_BASE_RANDOM_H
#define RECORDER_BASE_RANDOM_H

#include <stdbool.h>
#include <stdint.h>

struct random_stream {
    uint64_t key;
    uint64_t counter;
};

enum random_purpose {
    RANDOM_CHOICE, /* which task runs */
    RANDOM_PLACE,  /* where it is preempted */
    RANDOM_INJECT, /* injected signals */
    RANDOM_DATA,   /* getrandom, rdrand, AT_RANDOM */
    RANDOM_WAKE,   /* wake order of futex waiters */
    RANDOM_PURPOSE_COUNT
};

void random_init(struct random_stream *s, uint64_t seed, enum random_purpose purpose);
uint64_t random_u64(struct random_stream *s);
uint64_t random_below(struct random_stream *s, uint64_t bound); /* 0 .. bound-1; bound > 0 */
bool random_chance(struct random_stream *s, double probability);
void random_fill(struct random_stream *s, void *data, uint64_t length);

/* H(S, test name, r) of design.md section 12: the seed of run r. */
uint64_t random_run_seed(uint64_t session_seed, const char *test_name, uint64_t run);

#endif
