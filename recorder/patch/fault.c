/* RRTEST_FAULT's names. */
#include "recorder/patch/fault.h"

#include "recorder/base/names.h"

unsigned patch_faults_from_environment(void)
{
    /* in the order of enum patch_fault */
    static const char *const names[] = {"patch-flag-per-task", "patch-ignore-occupancy",
                                        "patch-ignore-restart", "patch-no-ip-check",
                                        "patch-forget-retry"};

    return names_in_environment("RRTEST_FAULT", names, sizeof(names) / sizeof(*names));
}
