/* Checksums of memory: the pages that exist are found, whichever way they are looked for, and those
 * that were never touched cost nothing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>
#include <cmocka.h>

#include "recorder/base/types.h"
#include "recorder/tracee/maps.h"
#include "recorder/tracee/memsum.h"

#define SOME_PAGES 5000ul      /* more than two reads of pagemap */
#define MANY_PAGES (1ul << 34) /* 64 TiB: 128 GiB of pagemap */
#define LENGTH(pages) ((pages)*TRACEE_PAGE_SIZE)

static uint8_t *map(uint64_t pages)
{
    void *p = mmap(NULL, LENGTH(pages), PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    if (p == MAP_FAILED)
        return NULL;
    madvise(p, LENGTH(pages), MADV_NOHUGEPAGE); /* pages that exist one by one */
    return p;
}

/* file: as if of a mapped file, of which every page is read */
static uint64_t sum_of(const uint8_t *area, uint64_t pages, uint32_t file)
{
    struct map_entry entry = {.start = (uint64_t)(uintptr_t)area,
                              .end = (uint64_t)(uintptr_t)area + LENGTH(pages),
                              .prot = PROT_READ | PROT_WRITE,
                              .flags = MAP_PRIVATE,
                              .file = file};
    struct maps maps;
    uint64_t sum;

    maps_init(&maps);
    maps_insert(&maps, &entry);
    sum = memsum_writable(getpid(), &maps);
    maps_done(&maps);
    return sum;
}

/* Single pages, runs, a gap, pages that are there and zero; the first and the last. */
static void touch(uint8_t *area)
{
    for (uint64_t i = 0; i < 1000; i += 2)
        area[LENGTH(i)] = (uint8_t)(i / 2 + 1);
    for (uint64_t i = 3000; i < 3100; i++)
        area[LENGTH(i) + i % TRACEE_PAGE_SIZE] = (uint8_t)(i % 3);
    area[LENGTH(SOME_PAGES) - 1] = 9;
}

static void test_same_by_every_way(void **state)
{
    uint8_t *area = map(SOME_PAGES);
    uint64_t sum;

    (void)state;
    assert_non_null(area);
    touch(area);
    sum = sum_of(area, SOME_PAGES, 0);
    setenv("RRTEST_FAULT", "no_pagemap_scan", 1);
    assert_int_equal(sum_of(area, SOME_PAGES, 0), sum);
    unsetenv("RRTEST_FAULT");
    assert_int_equal(sum_of(area, SOME_PAGES, 1), sum); /* now all of them exist */
    area[LENGTH(SOME_PAGES) - 1] = 8;
    assert_int_not_equal(sum_of(area, SOME_PAGES, 0), sum);
    munmap(area, LENGTH(SOME_PAGES));
}

/* As large as ThreadSanitizer's shadow: without the scan this takes minutes. */
static void test_sparse(void **state)
{
    uint8_t *area = map(MANY_PAGES);
    uint64_t sum;

    (void)state;
    if (!memsum_scans() || !area)
        skip();
    area[LENGTH(MANY_PAGES / 2)] = 1;
    sum = sum_of(area, MANY_PAGES, 0);
    area[LENGTH(MANY_PAGES / 2)] = 2;
    assert_int_not_equal(sum_of(area, MANY_PAGES, 0), sum);
    munmap(area, LENGTH(MANY_PAGES));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_same_by_every_way),
        cmocka_unit_test(test_sparse),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
