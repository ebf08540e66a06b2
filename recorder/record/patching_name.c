/* Names of enum record_patching, which suites and command lines use: apart from the recorder, so
 * that who only reads suites need not link it. */
#include <string.h>

#include "recorder/record/record.h"

static const char *const names[RECORD_PATCHING_COUNT] = {
    [RECORD_PATCHING_STATIC] = "static",
    [RECORD_PATCHING_LAZY] = "lazy",
    [RECORD_PATCHING_OFF] = "off",
};

const char *record_patching_name(enum record_patching patching)
{
    return patching < RECORD_PATCHING_COUNT ? names[patching] : "?";
}

int record_patching_by_name(const char *name)
{
    for (int i = 0; i < RECORD_PATCHING_COUNT; i++)
        if (strcmp(names[i], name) == 0)
            return i;
    return -1;
}
