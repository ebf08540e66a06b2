/* Answers that follow from the time alone: calls without anything between share a record, so that
 * whoever looks at the clock all the time fills no trace. */
#include <sys/syscall.h>

#include "recorder/blob/handlers.h"

_Static_assert(SYS_clock_gettime == BLOB_CLOCK_GETTIME, "blob.S has no headers of the system");

uint64_t blob_rdtsc(uint64_t at);

#define TSC_PER_NS 2

/* The run that this call continues, or NULL. */
static uint64_t *continued_run(uint64_t number, uint64_t first, uint64_t second)
{
    const uint8_t *start = (const uint8_t *)(uintptr_t)page_get(PAGE_RUN_RECORD);
    const uint64_t *argument = (const uint64_t *)(uintptr_t)(start + RING_ARGUMENTS);

    if (!start || page_get(PAGE_RUN_END) != page_get(PAGE_RING_USED) ||
        *(const uint16_t *)(uintptr_t)(start + RING_NUMBER) != number || argument[0] != first ||
        argument[1] != second)
        return 0;
    return (uint64_t *)(uintptr_t)(RECORDER_RING + page_get(PAGE_RUN_END) - 8);
}

/* Returns where its count is. */
static uint64_t *end_run(struct record *r, int64_t result)
{
    static const uint64_t one = 1;

    record_add(r, 0, &one, 8);
    record_end(r, result);
    page_set(PAGE_RUN_RECORD, (uint64_t)(uintptr_t)r->start);
    page_set(PAGE_RUN_END, page_get(PAGE_RING_USED));
    return (uint64_t *)(uintptr_t)(r->at - 8);
}

/* For blob_clock of blob.S; what the call just answered gave is what its sum would give. */
static void offer_clock(const struct blob_frame *f, const uint64_t *timespec, uint64_t left,
                        uint64_t *count)
{
    page_set(PAGE_CLOCK_RUN_ID, f->argument[0]);
    page_set(PAGE_CLOCK_RUN_TO, f->argument[1]);
    page_set(PAGE_CLOCK_RUN_SECONDS, timespec[0]);
    page_set(PAGE_CLOCK_RUN_BASE, timespec[1] + page_get(PAGE_TICKS) * RECORDER_NS_PER_TICK +
                                      left * RECORDER_NS_PER_CALL);
    page_set(PAGE_CLOCK_RUN, (uint64_t)(uintptr_t)count);
}

int64_t blob_answer_time(const struct blob_frame *f, const uint64_t *timespec)
{
    uint64_t *count = continued_run(f->number, f->argument[0], f->argument[1]);
    uint64_t left = page_get(PAGE_CALLS_LEFT);
    struct record r;

    if (count) {
        ++*count;
        page_set(PAGE_CALLS_LEFT, left - 1);
    } else {
        r = record_begin(f, RING_FLAG_RUN);
        record_add(&r, f->argument[1], timespec, 16);
        count = end_run(&r, 0);
    }
    offer_clock(f, timespec, left, count);
    return 0;
}

/* at: of the instruction's copy. */
uint64_t blob_rdtsc(uint64_t at)
{
    const uint64_t needed = PAGE_SWITCH_CALLS | PAGE_SWITCH_VIRTUAL;
    struct blob_frame f;
    uint64_t *count, value;
    struct record r;

    if ((page_get(PAGE_SWITCHES) & needed) != needed || (int64_t)page_get(PAGE_CALLS_LEFT) <= 0 ||
        page_get(PAGE_RING_USED) + 256 > RECORDER_RING_SIZE)
        return (uint64_t)BLOB_DECLINE;
    value = blob_now() * TSC_PER_NS;
    count = continued_run(RING_NUMBER_RDTSC, at, 0);
    if (count) {
        ++*count;
        page_set(PAGE_CALLS_LEFT, page_get(PAGE_CALLS_LEFT) - 1);
        return value;
    }
    f.number = RING_NUMBER_RDTSC;
    f.argument[0] = at;
    for (int i = 1; i < 6; i++)
        f.argument[i] = 0;
    r = record_begin(&f, RING_FLAG_RUN);
    end_run(&r, (int64_t)value);
    return value;
}
