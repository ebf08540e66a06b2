/* RRTEST_FAULT's names. */
#include "recorder/patch/fault.h"

#include <stdlib.h>
#include <string.h>

unsigned patch_faults_from_environment(void)
{
    static const char *const names[] = {"patch-flag-per-task", "patch-ignore-occupancy",
                                        "patch-ignore-restart", "patch-no-ip-check",
                                        "patch-forget-retry"};
    const char *at = getenv("RRTEST_FAULT");
    unsigned faults = 0;

    while (at && *at) {
        size_t length = strcspn(at, ",");

        for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
            if (strlen(names[i]) == length && strncmp(at, names[i], length) == 0)
                faults |= 1u << i;
        at += length + (at[length] == ',');
    }
    return faults;
}
