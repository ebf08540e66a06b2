/* Replay: calls are answered from the ring, in their order. A call that is not the next one there
 * goes on as a traced one, where the replayer says what is wrong. */
#include <sys/mman.h>
#include <sys/syscall.h>

#include "recorder/blob/handlers.h"

#define PAGE_MASK 4095ull

#define NS 1000000000ull

int64_t blob_replay(const struct blob_frame *f);
uint64_t blob_replay_rdtsc(uint64_t at);

static uint64_t page_up(uint64_t address)
{
    return (address + PAGE_MASK) & ~PAGE_MASK;
}

static void map(uint64_t address, uint64_t length, uint64_t prot, uint64_t flags, uint64_t fd,
                uint64_t offset)
{
    blob_call(SYS_mmap, address, length, prot, flags | MAP_FIXED | MAP_PRIVATE, fd, offset);
}

static void map_anonymous(uint64_t address, uint64_t length, uint64_t prot, uint64_t flags)
{
    map(address, length, prot, flags | MAP_ANONYMOUS, UINT64_MAX, 0);
}

static void change_break(uint64_t before, uint64_t now)
{
    if (now > before)
        map_anonymous(before, now - before, PROT_READ | PROT_WRITE, 0);
    else if (now < before)
        blob_call(SYS_munmap, now, before - now, 0, 0, 0, 0);
}

static void change_maps(const struct blob_frame *f, const uint8_t *record, uint64_t result)
{
    const uint64_t *argument = f->argument;
    /* what a handler of handlers_memory.c put there */
    const uint64_t *own = (const uint64_t *)(uintptr_t)(record + RING_HEADER + RING_SEGMENT);

    if ((int64_t)result < 0 && (int64_t)result >= -4095)
        return;
    switch (f->number) {
    case SYS_mmap:
        if (argument[3] & MAP_ANONYMOUS)
            map_anonymous(result, argument[1], argument[2], argument[3]);
        else
            map(result, argument[1], argument[2], 0, own[5], argument[5]);
        return;
    case SYS_brk:
        change_break(page_up(own[0]), page_up(result));
        return;
    case SYS_mremap:
        blob_call(SYS_mremap, argument[0], argument[1], argument[2],
                  result == argument[0] ? 0 : MREMAP_MAYMOVE | MREMAP_FIXED, result, 0);
        return;
    case SYS_madvise:
        blob_call(SYS_madvise, argument[0], argument[1], MADV_DONTNEED, 0, 0, 0);
        return;
    default:
        blob_pass(f);
        return;
    }
}

/* Virtual ns since the run's first call, when it is at its index-th. */
static uint64_t since_first(uint64_t index)
{
    if (index == 0)
        page_set(PAGE_RUN_TICKS, page_get(PAGE_TICKS));
    return (page_get(PAGE_RUN_TICKS) - page_get(PAGE_TICKS)) * RECORDER_NS_PER_TICK +
           index * RECORDER_NS_PER_CALL;
}

static void add_ns(uint64_t *timespec, uint64_t ns)
{
    timespec[1] += ns;
    timespec[0] += timespec[1] / NS;
    timespec[1] %= NS;
}

static bool is_run(const uint8_t *record)
{
    return *(const uint16_t *)(uintptr_t)(record + RING_FLAGS) & RING_FLAG_RUN;
}

/* The record's call is answered: the next one is of the same run or behind it. Returns the ns to
 * add to its answer. */
static uint64_t pass_record(const uint8_t *record, uint64_t at)
{
    uint32_t size = *(const uint32_t *)(uintptr_t)(record + RING_SIZE);
    uint64_t index, later;

    if (!is_run(record)) {
        page_set(PAGE_RING_READ, at + size);
        return 0;
    }
    index = page_get(PAGE_RUN_INDEX);
    later = since_first(index);
    index++;
    if (index >= *(const uint64_t *)(uintptr_t)(record + size - 8)) {
        page_set(PAGE_RING_READ, at + size);
        index = 0;
    }
    page_set(PAGE_RUN_INDEX, index);
    return later;
}

uint64_t blob_replay_rdtsc(uint64_t address)
{
    uint64_t at = page_get(PAGE_RING_READ);
    const uint8_t *record = (const uint8_t *)(uintptr_t)(RECORDER_RING + at);

    if (at >= page_get(PAGE_RING_USED) ||
        *(const uint16_t *)(uintptr_t)(record + RING_NUMBER) != RING_NUMBER_RDTSC ||
        *(const uint64_t *)(uintptr_t)(record + RING_ARGUMENTS) != address)
        return (uint64_t)BLOB_DECLINE;
    return *(const uint64_t *)(uintptr_t)(record + RING_RESULT) + 2 * pass_record(record, at);
}

int64_t blob_replay(const struct blob_frame *f)
{
    uint64_t at = page_get(PAGE_RING_READ);
    const uint8_t *record = (const uint8_t *)(uintptr_t)(RECORDER_RING + at);
    const uint64_t *argument = (const uint64_t *)(uintptr_t)(record + RING_ARGUMENTS);
    uint64_t later;
    uint32_t size;
    int64_t result;

    if (at >= page_get(PAGE_RING_USED) ||
        *(const uint16_t *)(uintptr_t)(record + RING_NUMBER) != f->number)
        return BLOB_DECLINE;
    /* what the calls of a run have in the registers that they do not use is not the same */
    for (int i = 0; i < (is_run(record) ? 2 : 6); i++)
        if (argument[i] != f->argument[i])
            return BLOB_DECLINE;
    size = *(const uint32_t *)(uintptr_t)(record + RING_SIZE);
    result = *(const int64_t *)(uintptr_t)(record + RING_RESULT);
    for (const uint8_t *s = record + RING_HEADER; s < record + size;) {
        uint64_t address = *(const uint64_t *)(uintptr_t)s;
        uint64_t length = *(const uint32_t *)(uintptr_t)(s + 8);

        if (address)
            blob_copy((void *)(uintptr_t)address, s + RING_SEGMENT, length);
        s += RING_SEGMENT + ((length + 7) & ~7ull);
    }
    if (*(const uint16_t *)(uintptr_t)(record + RING_FLAGS) & RING_FLAG_MAPS)
        change_maps(f, record, (uint64_t)result);
    later = pass_record(record, at);
    if (later)
        add_ns((uint64_t *)(uintptr_t)f->argument[1], later);
    return result;
}
