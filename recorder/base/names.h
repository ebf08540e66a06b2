/* Switches for tests, in variables of the environment that hold names separated by commas:
 * RRTEST_FAULT, RRTEST_GUARD_OFF. */
#ifndef RECORDER_BASE_NAMES_H
#define RECORDER_BASE_NAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bit n: the variable has names[n]. Names that are none of these are passed over. count <= 32. */
uint32_t names_in_environment(const char *variable, const char *const *names, size_t count);
/* Is the fault on (RRTEST_FAULT)? */
bool names_fault(const char *name);

#endif
