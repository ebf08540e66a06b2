/* maps: split, cut, protect and move keep the array sorted and disjoint, checked against a page
 * array. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <cmocka.h>

#include "recorder/base/random.h"
#include "recorder/base/types.h"
#include "recorder/tracee/maps.h"

#define PAGES 64

struct page {
    uint32_t prot, file;
    uint64_t offset;
    int used;
};

static void compare(const struct maps *m, const struct page *page)
{
    uint64_t last = 0;

    for (size_t i = 0; i < m->count; i++) {
        assert_true(m->entry[i].start >= last && m->entry[i].start < m->entry[i].end);
        last = m->entry[i].end;
    }
    for (uint64_t i = 0; i < PAGES; i++) {
        const struct map_entry *e = maps_find(m, i * TRACEE_PAGE_SIZE + 5);

        assert_int_equal(e != NULL, page[i].used);
        if (!e)
            continue;
        assert_int_equal(e->prot, page[i].prot);
        assert_int_equal(e->file, page[i].file);
        if (e->file)
            assert_int_equal(e->offset + (i * TRACEE_PAGE_SIZE - e->start), page[i].offset);
    }
}

static void random_operation(struct random_stream *r, struct maps *m, struct page *page)
{
    uint64_t start = random_below(r, PAGES - 1), length = 1 + random_below(r, PAGES - start - 1);
    struct map_op op = {.address = start * TRACEE_PAGE_SIZE, .length = length * TRACEE_PAGE_SIZE};

    op.kind = (enum map_op_kind)(1 + random_below(r, 3));
    op.prot = (uint32_t)random_below(r, 4);
    op.file = (uint32_t)random_below(r, 3);
    op.offset = random_below(r, 8) * TRACEE_PAGE_SIZE;
    op.flags = MAP_PRIVATE;
    maps_apply(m, &op);
    for (uint64_t i = start; i < start + length; i++) {
        if (op.kind == MAP_OP_MAP)
            page[i] =
                (struct page){op.prot, op.file, op.offset + (i - start) * TRACEE_PAGE_SIZE, 1};
        else if (op.kind == MAP_OP_UNMAP)
            page[i].used = 0;
        else
            page[i].prot = op.prot;
    }
}

static void test_random_operations(void **state)
{
    struct random_stream r;
    struct maps m;
    struct page page[PAGES];

    (void)state;
    for (uint64_t seed = 0; seed < 200; seed++) {
        random_init(&r, seed, RANDOM_DATA);
        maps_init(&m);
        memset(page, 0, sizeof(page));
        for (int i = 0; i < 60; i++) {
            random_operation(&r, &m, page);
            compare(&m, page);
        }
        maps_done(&m);
    }
}

static void test_remap_grows_and_moves(void **state)
{
    struct maps m;
    struct map_op map = {
        .kind = MAP_OP_MAP, .address = 0x10000, .length = 0x2000, .prot = 3, .flags = MAP_PRIVATE};
    struct map_op move = {.kind = MAP_OP_REMAP,
                          .address = 0x10000,
                          .length = 0x2000,
                          .new_address = 0x40000,
                          .new_length = 0x4000};

    (void)state;
    maps_init(&m);
    maps_apply(&m, &map);
    maps_apply(&m, &move);
    assert_null(maps_find(&m, 0x10000));
    assert_non_null(maps_find(&m, 0x43fff));
    assert_null(maps_find(&m, 0x44000));
    assert_int_equal(m.count, 1);
    maps_done(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random_operations),
        cmocka_unit_test(test_remap_grows_and_moves),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
