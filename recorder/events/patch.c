/* Names of the words about patches. */
#include "recorder/events/patch.h"

#include <inttypes.h>
#include <stdio.h>

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

void patch_counts_text(const uint64_t counts[PATCH_WORD_COUNT], char ret[PATCH_COUNTS_TEXT])
{
    static const enum patch_word words[] = {
        PATCH_STATIC,  PATCH_APPLIED, PATCH_DEFERRED_ENTRY, PATCH_DEFERRED_OCCUPIED,
        PATCH_RETRIED, PATCH_MOVED,   PATCH_ABANDONED,      PATCH_REFUSED};
    size_t used = 0;

    for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
        used += (size_t)snprintf(ret + used, PATCH_COUNTS_TEXT - used, "%s\"%s\": %" PRIu64,
                                 i ? ", " : "{", patch_word_name(words[i]), counts[words[i]]);
    snprintf(ret + used, PATCH_COUNTS_TEXT - used, "}");
}
