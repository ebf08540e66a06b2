/* What messages to people are made of: the known word nearest to a misspelt one, durations. Pure.
 */
#ifndef RECORDER_BASE_WORDS_H
#define RECORDER_BASE_WORDS_H

#include <stddef.h>
#include <stdint.h>

/* The known word that `word` most likely means, or NULL: edit distance (a swap of neighbours counts
 * as one edit) at most one more than a third of its length. `next` yields the known words, NULL at
 * the end. */
const char *words_nearest(const char *word, const char *(*next)(const void *context, size_t index),
                          const void *context);
/* The same over an array that ends with NULL. */
const char *words_nearest_of(const char *word, const char *const *names);

/* "1.25s", "340ms", "2m05s": three digits. 32 bytes are enough for every duration. */
void words_format_duration(uint64_t ns, char *text, size_t size);

#endif
