/* Names of the words about patches. */
#include "recorder/events/patch.h"

static const char *const names[PATCH_WORD_COUNT] = {
    [PATCH_NONE] = "none",
    [PATCH_WANTED] = "wanted",
    [PATCH_DEFERRED_ENTRY] = "deferred_entry",
    [PATCH_DEFERRED_OCCUPIED] = "deferred_occupied",
    [PATCH_APPLIED] = "applied",
    [PATCH_REFUSED] = "refused",
    [PATCH_ABANDONED] = "abandoned",
    [PATCH_RETRIED] = "retried",
    [PATCH_MOVED] = "moved",
    [PATCH_STATIC] = "static",
};

const char *patch_word_name(enum patch_word word)
{
    return (unsigned)word < PATCH_WORD_COUNT ? names[word] : "unknown";
}
