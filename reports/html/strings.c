/* A hash table with open addressing, at most half full. */
#include "reports/html/strings.h"

#include <stdlib.h>
#include <string.h>

#define SLOTS_FIRST 256

static uint32_t *slot_of(const struct strings *s, uint64_t hash, const void *text, size_t length)
{
    size_t mask = s->slot_count - 1;

    for (size_t at = hash & mask;; at = (at + 1) & mask) {
        const struct strings_entry *entry;

        if (s->slots[at] == 0)
            return &s->slots[at];
        entry = &s->entries[s->slots[at] - 1];
        if (entry->hash == hash && entry->length == length &&
            memcmp(s->text.data + entry->offset, text, length) == 0)
            return &s->slots[at];
    }
}

static void grow(struct strings *s)
{
    size_t count = s->slot_count ? s->slot_count * 2 : SLOTS_FIRST;

    free(s->slots);
    s->slots = calloc(count, sizeof(*s->slots));
    s->entries = realloc(s->entries, count / 2 * sizeof(*s->entries));
    if (!s->slots || !s->entries)
        abort();
    s->slot_count = count;
    for (size_t i = 0; i < s->count; i++) {
        const struct strings_entry *entry = &s->entries[i];

        *slot_of(s, entry->hash, s->text.data + entry->offset, entry->length) = (uint32_t)i + 1;
    }
}

size_t strings_add(struct strings *s, const void *text, size_t length)
{
    uint64_t hash = bytes_hash(text, length, 0);
    uint32_t *slot;

    if (s->count * 2 >= s->slot_count)
        grow(s);
    slot = slot_of(s, hash, text, length);
    if (*slot == 0) {
        s->entries[s->count] = (struct strings_entry){hash, s->text.length, length};
        bytes_append(&s->text, text, length);
        *slot = (uint32_t)++s->count;
    }
    return *slot - 1;
}

void strings_append(const struct strings *s, struct bytes *to)
{
    for (size_t i = 0; i < s->count; i++) {
        if (i > 0)
            bytes_append(to, ",", 1);
        bytes_append(to, s->text.data + s->entries[i].offset, s->entries[i].length);
    }
}

void strings_done(struct strings *s)
{
    bytes_done(&s->text);
    free(s->entries);
    free(s->slots);
    *s = (struct strings){0};
}
