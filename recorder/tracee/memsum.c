/* Page-wise hashing; /proc/TID/pagemap tells which pages exist, so that large sparse mappings cost
 * nothing (bits 62 and 63: swapped, present; Documentation/admin-guide/mm/pagemap.rst). */
#include "recorder/tracee/memsum.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "recorder/base/bytes.h"
#include "recorder/base/file.h"
#include "recorder/base/types.h"
#include "recorder/tracee/tracee.h"

static const uint8_t zero_page[TRACEE_PAGE_SIZE];

static uint64_t hash_page(pid_t tid, uint64_t address, uint64_t sum)
{
    uint8_t page[TRACEE_PAGE_SIZE];

    if (tracee_read_some(tid, address, page, sizeof(page)) != sizeof(page))
        return sum;
    if (memcmp(page, zero_page, sizeof(page)) == 0)
        return sum;
    return bytes_hash(page, sizeof(page), bytes_hash(&address, sizeof(address), sum));
}

static uint64_t hash_mapping(pid_t tid, int pagemap, const struct map_entry *e, uint64_t sum)
{
    uint64_t bits[512];
    uint64_t at = e->start;

    while (at < e->end) {
        size_t pages = (e->end - at) / TRACEE_PAGE_SIZE;
        ssize_t got;

        if (pages > 512)
            pages = 512;
        got =
            pagemap < 0 ? -1 : pread(pagemap, bits, pages * 8, (off_t)(at / TRACEE_PAGE_SIZE * 8));
        for (size_t i = 0; i < pages; i++) {
            /* a shared page may exist without being mapped here: those are always read */
            if (got == (ssize_t)(pages * 8) && (bits[i] >> 62) == 0 && !(e->flags & MAP_SHARED) &&
                e->file == 0)
                continue;
            sum = hash_page(tid, at + i * TRACEE_PAGE_SIZE, sum);
        }
        at += pages * TRACEE_PAGE_SIZE;
    }
    return sum;
}

uint64_t memsum_writable(pid_t tid, const struct maps *maps)
{
    char path[64];
    uint64_t sum = 1;
    cleanup_fd int pagemap = -1;

    snprintf(path, sizeof(path), "/proc/%d/pagemap", tid);
    pagemap = open(path, O_RDONLY | O_CLOEXEC);
    for (size_t i = 0; i < maps->count; i++) {
        const struct map_entry *e = &maps->entry[i];

        if ((e->prot & PROT_READ) && (e->prot & PROT_WRITE))
            sum = hash_mapping(tid, pagemap, e, sum);
    }
    return sum;
}

uint64_t memsum_range(pid_t tid, uint64_t address, uint64_t length, uint64_t seed)
{
    uint64_t end = address + length;

    for (uint64_t at = page_down(address); at < end; at += TRACEE_PAGE_SIZE)
        seed = hash_page(tid, at, seed);
    return seed;
}
