/* Nearest words and readable durations. */
#include "recorder/base/words.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define WORD_MAX 64
#define NS_PER_S 1000000000ull

void words_format_duration(uint64_t ns, char *text, size_t size)
{
    double s = (double)ns / 1e9;

    if (ns >= 60 * NS_PER_S)
        snprintf(text, size, "%" PRIu64 "m%02us", (uint64_t)(ns / (60 * NS_PER_S)),
                 (unsigned)(ns / NS_PER_S % 60));
    else if (ns >= 10 * NS_PER_S)
        snprintf(text, size, "%.1fs", s);
    else if (ns >= NS_PER_S)
        snprintf(text, size, "%.2fs", s);
    else
        snprintf(text, size, "%.0fms", s * 1e3);
}

/* Levenshtein distance; both words at most WORD_MAX long. */
static size_t distance(const char *a, const char *b)
{
    size_t row[WORD_MAX + 1];
    size_t width = strlen(b);

    for (size_t j = 0; j <= width; j++)
        row[j] = j;
    for (size_t i = 0; a[i]; i++) {
        size_t diagonal = row[0];

        row[0] = i + 1;
        for (size_t j = 0; j < width; j++) {
            size_t best = diagonal + (a[i] != b[j]);

            diagonal = row[j + 1];
            if (row[j] + 1 < best)
                best = row[j] + 1;
            if (diagonal + 1 < best)
                best = diagonal + 1;
            row[j + 1] = best;
        }
    }
    return row[width];
}

const char *words_nearest(const char *word, const char *(*next)(const void *context, size_t index),
                          const void *context)
{
    const char *nearest = NULL;
    size_t length = strlen(word);
    size_t best = length / 3 + 1;
    const char *candidate;

    if (length > WORD_MAX)
        return NULL;
    for (size_t i = 0; (candidate = next(context, i)) != NULL; i++) {
        size_t d;

        if (strlen(candidate) > WORD_MAX)
            continue;
        d = distance(word, candidate);
        if (d <= best && d < strlen(candidate)) {
            if (d < best || !nearest)
                nearest = candidate;
            best = d;
        }
    }
    return nearest;
}
