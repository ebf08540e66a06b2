/* Two copies and the index of the valid one. */
#include "harness/run/progress.h"

#include <stdatomic.h>
#include <stddef.h>
#include <string.h>

#include "recorder/base/bytes.h"

#define WORDS (PROGRESS_WINDOW / 64)

const struct test_counts *progress_counts(const struct progress *progress)
{
    return &progress->counts[progress->valid & 1];
}

static uint64_t check_of(const struct test_counts *counts)
{
    return bytes_hash(counts, offsetof(struct test_counts, check), 0);
}

void progress_set(struct progress *progress, const struct test_counts *counts)
{
    uint64_t other = (progress->valid & 1) ^ 1;

    progress->counts[other] = *counts;
    progress->counts[other].check = check_of(counts);
    atomic_signal_fence(memory_order_seq_cst);
    *(volatile uint64_t *)&progress->valid = other;
}

void progress_begin(struct progress *progress, uint64_t test, const struct test_counts *counts)
{
    progress->test = 0;
    atomic_signal_fence(memory_order_seq_cst);
    memset(&progress->schedules, 0, sizeof(progress->schedules));
    memset(&progress->outputs, 0, sizeof(progress->outputs));
    progress_set(progress, counts);
    atomic_signal_fence(memory_order_seq_cst);
    *(volatile uint64_t *)&progress->test = test;
}

bool progress_is_sound(const struct progress *progress)
{
    const struct test_counts *counts = progress_counts(progress);

    return progress->test == 0 || (progress->valid <= 1 && counts->check == check_of(counts));
}

bool counts_is_done(const struct test_counts *counts, uint64_t ordinal)
{
    uint64_t bit;

    if (ordinal <= counts->prefix)
        return true;
    bit = ordinal - counts->prefix - 1;
    return bit < PROGRESS_WINDOW && (counts->window[bit / 64] >> (bit % 64) & 1);
}

static void shift_one(struct test_counts *counts)
{
    for (int i = 0; i < WORDS; i++)
        counts->window[i] =
            counts->window[i] >> 1 | (i + 1 < WORDS ? counts->window[i + 1] << 63 : 0);
    counts->prefix++;
}

void counts_mark_done(struct test_counts *counts, uint64_t ordinal)
{
    uint64_t bit = ordinal - counts->prefix - 1;

    if (ordinal <= counts->prefix || bit >= PROGRESS_WINDOW)
        return;
    counts->window[bit / 64] |= 1ull << (bit % 64);
    while (counts->window[0] & 1)
        shift_one(counts);
}
