/* Page-wise hashing; /proc/TID/pagemap tells which pages exist, so that large sparse mappings cost
 * little (bits 62 and 63: swapped, present; Documentation/admin-guide/mm/pagemap.rst), or nothing
 * where it can be scanned: ThreadSanitizer maps terabytes. */
#include "recorder/base/names.h"
#include "recorder/tracee/memsum.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "recorder/base/bytes.h"
#include "recorder/base/file.h"
#include "recorder/base/types.h"
#include "recorder/tracee/tracee.h"

static const uint8_t zero_page[TRACEE_PAGE_SIZE];

/* Pages that lie side by side are read together. */
#define TOGETHER 32

static uint64_t hash_bytes(const uint8_t *page, uint64_t address, uint64_t sum)
{
    if (memcmp(page, zero_page, TRACEE_PAGE_SIZE) == 0)
        return sum;
    return bytes_hash(page, TRACEE_PAGE_SIZE, bytes_hash(&address, sizeof(address), sum));
}

static uint64_t hash_pages(pid_t tid, uint64_t address, size_t count, uint64_t sum)
{
    uint8_t page[TOGETHER * TRACEE_PAGE_SIZE];
    bool whole = tracee_read(tid, address, page, count * TRACEE_PAGE_SIZE) == 0;

    for (size_t i = 0; i < count; i++) {
        uint64_t at = address + i * TRACEE_PAGE_SIZE;
        uint8_t *one = page + i * TRACEE_PAGE_SIZE;

        /* among them may be some that cannot be read: those count for nothing */
        if (whole || tracee_read_some(tid, at, one, TRACEE_PAGE_SIZE) == TRACEE_PAGE_SIZE)
            sum = hash_bytes(one, at, sum);
    }
    return sum;
}

static uint64_t hash_range(pid_t tid, uint64_t start, uint64_t end, uint64_t sum)
{
    for (uint64_t at = start; at < end;) {
        uint64_t pages = (end - at + TRACEE_PAGE_SIZE - 1) / TRACEE_PAGE_SIZE;

        if (pages > TOGETHER)
            pages = TOGETHER;
        sum = hash_pages(tid, at, pages, sum);
        at += pages * TRACEE_PAGE_SIZE;
    }
    return sum;
}

/* ---- ioctl(PAGEMAP_SCAN), Linux 6.7: whole subtrees of page tables at once ----------------- */

struct page_region {
    uint64_t start, end, categories;
};

struct scan_argument {
    uint64_t size, flags, start, end, walk_end, regions, region_count, max_pages;
    uint64_t category_inverted, category_mask, category_anyof_mask, return_mask;
};

#define SCAN_REQUEST _IOWR('f', 16, struct scan_argument)
#define SCAN_PRESENT (1 << 3)
#define SCAN_SWAPPED (1 << 4)
#define SCAN_REGIONS 128

/* For tests: an older kernel. */
static bool is_faulty(void)
{
    return names_fault("no_pagemap_scan");
}

bool memsum_scans(void)
{
    struct scan_argument a = {.size = sizeof(a)};
    cleanup_fd int pagemap = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);

    return !is_faulty() && ioctl(pagemap, SCAN_REQUEST, &a) == 0;
}

/* -errno where the kernel cannot do it; *sum is unchanged then. */
static int hash_scanned(pid_t tid, int pagemap, const struct map_entry *e, uint64_t *sum)
{
    struct page_region regions[SCAN_REGIONS];
    struct scan_argument a = {.size = sizeof(a),
                              .start = e->start,
                              .end = e->end,
                              .regions = (uint64_t)(uintptr_t)regions,
                              .region_count = SCAN_REGIONS,
                              .category_anyof_mask = SCAN_PRESENT | SCAN_SWAPPED,
                              .return_mask = SCAN_PRESENT | SCAN_SWAPPED};
    uint64_t found = *sum;

    if (is_faulty())
        return -ENOTTY;
    while (a.start < e->end) {
        int count = ioctl(pagemap, SCAN_REQUEST, &a);

        if (count < 0)
            return -errno;
        for (int i = 0; i < count; i++)
            found = hash_range(tid, regions[i].start, regions[i].end, found);
        if (a.walk_end <= a.start)
            return -EIO;
        a.start = a.walk_end;
    }
    *sum = found;
    return 0;
}

/* ---- reading it, eight bytes a page -------------------------------------------------------- */

static uint64_t hash_listed(pid_t tid, int pagemap, const struct map_entry *e, uint64_t sum)
{
    uint64_t bits[512];
    uint64_t at = e->start;

    while (at < e->end) {
        size_t pages = (e->end - at) / TRACEE_PAGE_SIZE;
        ssize_t got;

        if (pages > 512)
            pages = 512;
        got = pread(pagemap, bits, pages * 8, (off_t)(at / TRACEE_PAGE_SIZE * 8));
        for (size_t i = 0; i < pages; i++)
            if (got != (ssize_t)(pages * 8) || (bits[i] >> 62) != 0)
                sum = hash_pages(tid, at + i * TRACEE_PAGE_SIZE, 1, sum);
        at += pages * TRACEE_PAGE_SIZE;
    }
    return sum;
}

static uint64_t hash_mapping(pid_t tid, int pagemap, const struct map_entry *e, uint64_t sum)
{
    /* a shared page may exist without being mapped here: those are always read */
    if (pagemap < 0 || (e->flags & MAP_SHARED) || e->file != 0)
        return hash_range(tid, e->start, e->end, sum);
    if (hash_scanned(tid, pagemap, e, &sum) < 0)
        sum = hash_listed(tid, pagemap, e, sum);
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
    return hash_range(tid, page_down(address), address + length, seed);
}
