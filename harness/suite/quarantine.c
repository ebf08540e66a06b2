/* Known failures: do they still not count? */
#include <string.h>

#include "harness/suite/schema.h"
#include "recorder/base/text.h"

enum suite_quarantine_state suite_quarantine_state(const struct suite_quarantine *quarantine,
                                                   uint64_t now_unix_s)
{
    if (!quarantine->reason)
        return SUITE_QUARANTINE_NONE;
    return now_unix_s < quarantine->end_unix_s ? SUITE_QUARANTINE_HOLDS : SUITE_QUARANTINE_OVER;
}

bool suite_quarantine_covers(const struct suite_quarantine *quarantine, const char *signature,
                             uint64_t now_unix_s)
{
    if (suite_quarantine_state(quarantine, now_unix_s) != SUITE_QUARANTINE_HOLDS)
        return false;
    return !quarantine->signature || (signature && strcmp(quarantine->signature, signature) == 0);
}

char *suite_quarantine_note(const struct suite_quarantine *quarantine, uint64_t now_unix_s)
{
    switch (suite_quarantine_state(quarantine, now_unix_s)) {
    case SUITE_QUARANTINE_HOLDS:
        return text_make("quarantined until %s: %s", quarantine->until, quarantine->reason);
    case SUITE_QUARANTINE_OVER:
        return text_make("the quarantine expired on %s: %s", quarantine->until, quarantine->reason);
    case SUITE_QUARANTINE_NONE:
    default:
        return NULL;
    }
}
