/* Checksums of a tracee's memory: the same bytes give the same sum, wherever pages were never
 * touched or are all zero (they do not count), so that stacks of different extent compare equal. */
#ifndef RECORDER_TRACEE_MEMSUM_H
#define RECORDER_TRACEE_MEMSUM_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "recorder/tracee/maps.h"

/* All readable mappings that are writable or private-anonymous (the text comes from files). */
uint64_t memsum_writable(pid_t tid, const struct maps *maps);
/* Does the kernel tell at once which pages of a large mapping exist (PAGEMAP_SCAN)? Else each page
 * costs, whether it exists or not. */
bool memsum_scans(void);
/* One range; unreadable pages count as zero. */
uint64_t memsum_range(pid_t tid, uint64_t address, uint64_t length, uint64_t seed);

#endif
