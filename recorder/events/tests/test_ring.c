/* Reading rings of buffered calls: what was written comes back, and no damage is read past. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "include/rrtest/recorder_page.h"
#include "recorder/events/ring.h"

/* A record of call `number` with segments of these lengths; returns its size. */
static uint32_t make(uint8_t *at, uint16_t number, const uint32_t *lengths, size_t count)
{
    uint32_t size = RING_HEADER;
    int64_t result = -(int64_t)number;

    for (size_t i = 0; i < count; i++) {
        uint64_t address = 0x1000 * (i + 1);

        memcpy(at + size, &address, 8);
        memcpy(at + size + 8, &lengths[i], 4);
        memset(at + size + RING_SEGMENT, (int)i + 1, lengths[i]);
        size += RING_SEGMENT + ((lengths[i] + 7) & ~7u);
    }
    memcpy(at + RING_SIZE, &size, 4);
    memcpy(at + RING_NUMBER, &number, 2);
    memcpy(at + RING_RESULT, &result, 8);
    return size;
}

static void test_round(void **state)
{
    uint8_t ring[1024] = {0};
    const uint32_t lengths[] = {5, 0, 16};
    uint64_t length = make(ring, 7, lengths, 3), at = 0;
    struct ring_segment segment;
    struct ring_call call;
    uint32_t inside = 0;

    (void)state;
    length += make(ring + length, 8, NULL, 0);
    assert_true(ring_next_call(ring, length, &at, &call));
    assert_int_equal(call.number, 7);
    assert_int_equal(call.result, -7);
    for (size_t i = 0; i < 3; i++) {
        assert_true(ring_next_segment(&call, &inside, &segment));
        assert_int_equal(segment.address, 0x1000 * (i + 1));
        assert_int_equal(segment.length, lengths[i]);
        for (uint32_t k = 0; k < segment.length; k++)
            assert_int_equal(segment.data[k], i + 1);
    }
    assert_false(ring_next_segment(&call, &inside, &segment));
    assert_true(ring_next_call(ring, length, &at, &call));
    assert_int_equal(call.number, 8);
    assert_int_equal(call.segments_size, 0);
    assert_false(ring_next_call(ring, length, &at, &call));
    assert_int_equal(at, length);
}

static void test_run(void **state)
{
    uint8_t ring[256] = {0};
    const uint32_t lengths[] = {16, 8};
    const uint64_t count = 7;
    uint16_t flags = RING_FLAG_RUN;
    uint64_t length = make(ring, 9, lengths, 2), at = 0;
    struct ring_call call;

    (void)state;
    memcpy(ring + length - 8, &count, 8);
    assert_true(ring_next_call(ring, length, &at, &call));
    assert_int_equal(ring_call_count(&call), 1);
    memcpy(ring + RING_FLAGS, &flags, 2);
    at = 0;
    assert_true(ring_next_call(ring, length, &at, &call));
    assert_int_equal(ring_call_count(&call), 7);
    length = make(ring, 9, NULL, 0); /* no place for a count */
    at = 0;
    assert_false(ring_next_call(ring, length, &at, &call));
}

/* Every byte changed to every value, every length: the reader ends, inside the data. The copy is as
 * large as the data, so that the sanitizer sees a step too far. */
static void test_damage(void **state)
{
    uint8_t ring[1024] = {0};
    const uint32_t lengths[] = {5, 16};
    uint64_t whole = make(ring, 7, lengths, 2);

    (void)state;
    whole += make(ring + whole, 8, lengths, 1);
    for (uint64_t length = 0; length <= whole; length++) {
        for (uint64_t byte = 0; byte < length; byte++) {
            uint8_t *copy = malloc(length);
            struct ring_call call;
            uint64_t at = 0;

            assert_non_null(copy);
            memcpy(copy, ring, length);
            copy[byte] ^= (uint8_t)(1u << byte % 8);
            while (ring_next_call(copy, length, &at, &call))
                assert_true(at <= length);
            assert_true(at <= length);
            free(copy);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_round), cmocka_unit_test(test_run),
                                       cmocka_unit_test(test_damage)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
