/* Anonymous memory without code: changed by the kernel here, and made again in replay. */
#include <errno.h>
#include <sys/mman.h>

#include "recorder/blob/handlers.h"

#define OURS_END (RECORDER_PAGE_ADDRESS + RECORDER_PAGE_SIZE + RECORDER_BLOB_SIZE)

static bool touches_ours(uint64_t address, uint64_t length)
{
    return address < OURS_END && address + length > RECORDER_PAGE_ADDRESS;
}

static int64_t maps_recorded(const struct blob_frame *f, int64_t result)
{
    struct record r = record_begin(f, RING_FLAG_MAPS);

    return record_end(&r, result);
}

/* The old break goes into the record. */
int64_t blob_brk(const struct blob_frame *f)
{
    uint64_t before = page_get(PAGE_BREAK);
    struct record r;
    int64_t result;

    if (!before || !blob_may(f, 0, 32))
        return BLOB_DECLINE;
    result = blob_pass(f);
    page_set(PAGE_BREAK, (uint64_t)result);
    r = record_begin(f, RING_FLAG_MAPS);
    record_add(&r, 0, &before, 8);
    return record_end(&r, result);
}

int64_t blob_mmap(const struct blob_frame *f)
{
    const uint64_t needed = MAP_PRIVATE | MAP_ANONYMOUS;
    const uint64_t allowed = needed | MAP_NORESERVE | MAP_STACK;

    if (f->argument[0] || (f->argument[3] & needed) != needed || (f->argument[3] & ~allowed) ||
        (f->argument[2] & ~(uint64_t)(PROT_READ | PROT_WRITE)) || !blob_may(f, 0, 0))
        return BLOB_DECLINE;
    return maps_recorded(f, blob_pass(f));
}

int64_t blob_munmap(const struct blob_frame *f)
{
    if (touches_ours(f->argument[0], f->argument[1]) || !blob_may(f, PAGE_SWITCH_UNMAP, 0))
        return BLOB_DECLINE;
    return maps_recorded(f, blob_pass(f));
}

int64_t blob_mprotect(const struct blob_frame *f)
{
    if ((f->argument[2] & ~(uint64_t)(PROT_READ | PROT_WRITE)) ||
        touches_ours(f->argument[0], f->argument[1]) || !blob_may(f, PAGE_SWITCH_UNMAP, 0))
        return BLOB_DECLINE;
    return maps_recorded(f, blob_pass(f));
}
