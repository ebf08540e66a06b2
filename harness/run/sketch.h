/* How many different values there are in a stream of hashes, in bounded memory: the exact number up
 * to SKETCH_SIZE, an estimate beyond, from the SKETCH_SIZE smallest values (the K-minimum-values
 * estimator: Bar-Yossef et al., "Counting distinct elements in a data stream", RANDOM 2002; its
 * standard error is 1/sqrt(SKETCH_SIZE - 2), 3 %). Values must be spread evenly, as hashes are.
 *
 * Every change is one 8-byte store, and adding a value twice changes nothing: a sketch in a mapped
 * file is whole whenever its writer dies. Plain memory, to be zeroed at first. */
#ifndef HARNESS_RUN_SKETCH_H
#define HARNESS_RUN_SKETCH_H

#include <stdbool.h>
#include <stdint.h>

#define SKETCH_SIZE 1024

struct sketch {
    uint64_t values[SKETCH_SIZE]; /* in no order; 0: free */
};

/* A value (a hash, spread over all 64 bits) is in the set; again: nothing happens. */
void sketch_add(struct sketch *sketch, uint64_t value);
/* *ret_is_estimate (may be NULL): more than SKETCH_SIZE - 1 different ones. */
uint64_t sketch_count(const struct sketch *sketch, bool *ret_is_estimate);

#endif
