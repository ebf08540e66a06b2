/* Guards of design.md section 9 that are no more than a decision about one call. */
#ifndef RECORDER_RECORD_GUARDS_H
#define RECORDER_RECORD_GUARDS_H

#include <stdbool.h>
#include <stdint.h>

/* A number that the table refuses, but whose guard a test has switched off: the kernel executes it.
 */
bool guards_let_run(uint32_t guards_off, uint64_t nr);

#endif
