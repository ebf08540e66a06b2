/* ENVIRONMENT and ENVIRONMENT_MODIFICATION of a CTest test. */
#ifndef HARNESS_IMPORT_CTEST_ENVIRONMENT_H
#define HARNESS_IMPORT_CTEST_ENVIRONMENT_H

#include "harness/import/import.h"
#include "recorder/base/bytes.h"

/* Variables whose value is known go into *ret (NAME=VALUE); what changes a value that only the
 * environment of the run has becomes lines of a shell script, appended. What cannot be told is a
 * note that names the test. The operations are those of cmake-properties, ENVIRONMENT_MODIFICATION.
 */
void ctest_environment(const char *test, const struct import_words *environment,
                       const struct import_words *modifications, struct import_words *ret,
                       struct bytes *script, struct import_words *notes);

#endif
