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

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Damerau-Levenshtein distance in its optimal string alignment form: insertions, deletions,
 * replacements, and swaps of neighbours that are edited no further. Both words at most WORD_MAX
 * long. */
static size_t distance(const char *a, const char *b)
{
    size_t rows[3][WORD_MAX + 1];
    size_t *before = rows[0], *above = rows[1], *row = rows[2];
    size_t width = strlen(b);

    for (size_t j = 0; j <= width; j++)
        above[j] = j;
    for (size_t i = 0; a[i]; i++) {
        size_t *free_row = before;

        row[0] = i + 1;
        for (size_t j = 0; j < width; j++) {
            size_t best = above[j] + (a[i] != b[j]);

            best = least(best, least(row[j], above[j + 1]) + 1);
            if (i > 0 && j > 0 && a[i] == b[j - 1] && a[i - 1] == b[j])
                best = least(best, before[j - 1] + 1);
            row[j + 1] = best;
        }
        before = above;
        above = row;
        row = free_row;
    }
    return above[width];
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

static const char *name_at(const void *context, size_t index)
{
    return ((const char *const *)context)[index];
}

const char *words_nearest_of(const char *word, const char *const *names)
{
    return words_nearest(word, name_at, names);
}
