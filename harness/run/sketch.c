/* The smallest values of a stream; the largest of them tells how dense the stream is. */
#include "harness/run/sketch.h"

#include <stddef.h>

void sketch_add(struct sketch *sketch, uint64_t value)
{
    size_t largest = 0;

    value += value == 0; /* 0 means free */
    for (size_t i = 0; i < SKETCH_SIZE; i++) {
        if (sketch->values[i] == value)
            return;
        if (sketch->values[i] == 0) {
            sketch->values[i] = value;
            return;
        }
        if (sketch->values[i] > sketch->values[largest])
            largest = i;
    }
    if (value < sketch->values[largest])
        sketch->values[largest] = value;
}

uint64_t sketch_count(const struct sketch *sketch, bool *ret_is_estimate)
{
    uint64_t largest = 0;
    size_t used = 0;

    while (used < SKETCH_SIZE && sketch->values[used]) {
        if (sketch->values[used] > largest)
            largest = sketch->values[used];
        used++;
    }
    if (ret_is_estimate)
        *ret_is_estimate = used == SKETCH_SIZE;
    if (used < SKETCH_SIZE)
        return used;
    return (uint64_t)((double)(SKETCH_SIZE - 1) * (double)UINT64_MAX / (double)largest);
}
