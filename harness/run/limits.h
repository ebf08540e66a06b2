/* What one run of a test may use where the suite does not say: a share of what the machine has. */
#ifndef HARNESS_RUN_LIMITS_H
#define HARNESS_RUN_LIMITS_H

#include <stddef.h>
#include <stdint.h>

struct limits {
    uint64_t memory;    /* bytes; 0: nothing is known of the machine's memory */
    uint32_t processes; /* at a time */
};

/* Three quarters of the memory that is available now, to the machine and to the control groups we
 * are in, divided by the number of workers: but not less than 512 MiB, or half of what is available
 * where that is little, since workers rarely need their share all at once. And 1 000 processes. */
void limits_default(size_t workers, struct limits *ret);

/* The same from other trees than /proc and /sys/fs/cgroup: for tests. 0: nothing could be read. */
uint64_t limits_available_memory(const char *proc, const char *cgroup);

/* Where a trace that is too large for memory goes: the nearest folder above `path` that exists,
 * `path` itself if it does. Malloced. */
char *limits_spill_directory(const char *path);

#endif
