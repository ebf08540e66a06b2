/* Texts that are alike, once each: frames are, by the thousands. Internal to reports/html/. */
#ifndef REPORTS_HTML_STRINGS_H
#define REPORTS_HTML_STRINGS_H

#include <stddef.h>
#include <stdint.h>

#include "recorder/base/bytes.h"

struct strings_entry {
    uint64_t hash;
    size_t offset, length; /* in text */
};

/* Zeroed: empty. */
struct strings {
    struct bytes text;
    struct strings_entry *entries;
    size_t count;
    uint32_t *slots; /* 1 + index of an entry; 0: free */
    size_t slot_count;
};

/* The text's index; the same for the same bytes. Out of memory aborts. */
size_t strings_add(struct strings *s, const void *text, size_t length);
/* Appends all of them, in the order of their indices, with commas between them. */
void strings_append(const struct strings *s, struct bytes *to);
void strings_done(struct strings *s);

#endif
