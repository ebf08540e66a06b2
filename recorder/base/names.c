/* Names in variables of the environment. */
#include "recorder/base/names.h"

#include <stdlib.h>
#include <string.h>

uint32_t names_in_environment(const char *variable, const char *const *names, size_t count)
{
    const char *at = getenv(variable);
    uint32_t bits = 0;

    while (at && *at) {
        size_t length = strcspn(at, ",");

        for (size_t i = 0; i < count; i++)
            if (strlen(names[i]) == length && strncmp(at, names[i], length) == 0)
                bits |= 1u << i;
        at += length + (at[length] == ',');
    }
    return bits;
}

bool names_fault(const char *name)
{
    return names_in_environment("RRTEST_FAULT", &name, 1) != 0;
}
