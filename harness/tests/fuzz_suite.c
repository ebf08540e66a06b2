/* libFuzzer: no bytes may crash or hang the suite parser, and each refusal has a message with a
 * position. Includes lead nowhere but to files of the machine, which are suites by chance only. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "harness/suite/suite.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct suite *suite = NULL;
    struct rr_error error = {0};

    if (suite_parse("fuzz.yaml", "/", data, size, &suite, &error) == 0)
        suite_free(suite);
    else if (strncmp(error.message, "fuzz.yaml:", 10) != 0 && !memmem(data, size, "include", 7))
        abort();
    return 0;
}
