/* Regions found by decoding around one `syscall`: golden bytes of the shapes that code has, and
 * what must not be taken. The `syscall` of each piece of code stands where its number says. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <string.h>

#include "recorder/base/random.h"
#include "recorder/images/decode.h"
#include "recorder/images/place.h"
#include "recorder/images/region.h"

#define START 0x7ffff7f00000ull
#define PAGE 4096

struct piece {
    const char *name;
    const uint8_t *code;
    size_t length, call; /* offset of the `syscall` */
    uint64_t number;
    int before, region; /* bytes; 0: no region */
};

#define BYTES(...) (const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__})
#define NOPS 0x90, 0x90, 0x90, 0x90, 0x90, 0x90, 0x90, 0x90

enum { BEHIND = 4 };

static const struct piece pieces[] = {
    /* mov $39, %eax; syscall; ret */
    {"tail", BYTES(0xb8, 39, 0, 0, 0, 0x0f, 0x05, 0xc3, 0xcc, 0xcc, 0xcc), 5, 39, 5, 7},
    /* the same number in a mov that is none of this call: padding behind the ret goes */
    {"padded", BYTES(0xb8, 39, 0, 0, 0, 0x0f, 0x05, 0xc3, 0xcc, 0xcc, 0xcc), 5, 40, 0, 5},
    /* the same, and code of a function that begins right behind: only the mov can go */
    {"close", BYTES(0xb8, 39, 0, 0, 0, 0x0f, 0x05, 0xc3, 0x55, 0x48, 0x89, 0xe5), 5, 39, 5, 7},
    /* mov $39, %rax; syscall; jmp back to it: what jumps to the call keeps the mov out */
    {"wide", BYTES(0x48, 0xc7, 0xc0, 39, 0, 0, 0, 0x0f, 0x05, 0xc3, 0x55), 7, 39, 7, 9},
    /* syscall; cmp $-4095, %rax; jae */
    [BEHIND] = {"behind", BYTES(NOPS, 0x0f, 0x05, 0x48, 0x3d, 1, 0xf0, 0xff, 0xff, 0x73, 1, 0xc3),
                8, 1, 0, 8},
    /* syscall; jne to the next; nothing of five bytes without a target inside */
    {"target", BYTES(0x0f, 0x05, 0x90, 0x90, 0x90, 0x90, 0xeb, 0xfa), 0, 1, 0, 0},
    /* syscall; syscall: another call cannot be copied */
    {"twins", BYTES(0x0f, 0x05, 0x0f, 0x05, 0xc3), 0, 1, 0, 0},
    /* 66 syscall */
    {"prefixed", BYTES(0x90, 0x66, 0x0f, 0x05, 0x48, 0x89, 0xc7, 0xc3), 2, 1, 0, 0},
    /* syscall at the end of what can be read */
    {"end", BYTES(0x0f, 0x05), 0, 1, 0, 0},
};

static bool find(const struct piece *p, struct image_region *ret)
{
    return image_region_find(p->code + p->call, p->call, p->length - p->call, p->number, ret);
}

static void test_shapes(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(pieces) / sizeof(*pieces); i++) {
        struct image_region region;
        bool found = find(&pieces[i], &region);

        if (found != (pieces[i].region > 0) ||
            (found && (region.length != pieces[i].region || region.before != pieces[i].before)))
            fail_msg("%s: found %d, %d bytes, %d before the call", pieces[i].name, found,
                     found ? region.length : 0, found ? region.before : 0);
    }
}

/* lea rcx, [X]; jmp *[entry]; X: syscall; cmp; jmp back */
static void test_stub(void **state)
{
    static const uint8_t head[] = {0x48, 0x8d, 0x0d, 7, 0, 0, 0, 0xff, 0x24, 0x25};
    static const uint8_t tail[] = {0x0f, 0x05, 0x48, 0x3d, 1, 0xf0, 0xff, 0xff, 0xe9};
    struct image_region region;
    struct image_region_stub stub;
    uint64_t at;
    int32_t back;

    (void)state;
    assert_true(find(&pieces[BEHIND], &region));
    at = image_region_place(&region, START, START - 0xb000000, START - 0xa000000);
    assert_int_not_equal(at, 0);
    assert_true(image_region_fits(&region, START, at));
    assert_true(image_region_emit(&region, START, at, &stub));
    assert_int_equal(stub.size, 14 + 8 + 5);
    assert_memory_equal(stub.code, head, sizeof(head));
    assert_memory_equal(stub.code + 14, tail, sizeof(tail));
    memcpy(&back, stub.code + 23, 4);
    assert_true(at + stub.size + (uint64_t)(int64_t)back == START + region.length);
    /* the places: the way in, the call, the cmp, the way back */
    assert_int_equal(stub.place_count, 4);
    assert_true(stub.place[0].head && stub.place[0].at == 0);
    assert_true(!stub.place[1].head && stub.place[1].at == 14 && stub.place[1].offset == 0);
    assert_true(stub.place[2].at == 16 && stub.place[2].offset == 2);
    assert_true(stub.place[3].at == 22 && stub.place[3].offset == 8);
}

/* Whatever the region, what is written traps wherever an instruction began. */
static void test_traps(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(pieces) / sizeof(*pieces); i++) {
        struct image_region region;
        uint8_t bytes[REGION_BYTES_MAX];
        uint64_t at;

        if (!find(&pieces[i], &region))
            continue;
        at = image_region_place(&region, START, START - 0xbf8f9fa, START - 0xbf0f9fa);
        assert_int_not_equal(at, 0);
        image_region_bytes(START, region.length, at, bytes);
        assert_int_equal(bytes[0], 0xe9);
        for (size_t k = 1; k < region.count; k++)
            assert_true(place_traps(bytes[region.offset[k]]));
    }
}

/* Random bytes around a call: a region that is found consists of whole instructions, the call one
 * of them, and its stub can be emitted or is refused. */
static void test_random(void **state)
{
    struct random_stream s;
    size_t found = 0;

    (void)state;
    random_init(&s, 7, RANDOM_DATA);
    for (int round = 0; round < 20000; round++) {
        uint8_t code[96];
        size_t call = random_below(&s, sizeof(code) - 2), at = 0;
        struct image_region region;
        struct image_region_stub stub;
        bool has_call = false;

        random_fill(&s, code, sizeof(code));
        code[call] = 0x0f;
        code[call + 1] = 0x05;
        if (!image_region_find(code + call, call, sizeof(code) - call, 39, &region))
            continue;
        found++;
        assert_true(region.length >= REGION_JUMP && region.length <= REGION_BYTES_MAX);
        assert_memory_equal(region.code, code + call - region.before, region.length);
        for (size_t k = 0; k < region.count; k++) {
            struct decoded d;

            assert_int_equal(region.offset[k], at);
            assert_true(decode(region.code + at, region.length - at, &d));
            has_call |= at == region.before && d.special == DECODE_SYSCALL;
            at += d.length;
        }
        assert_int_equal(at, region.length);
        assert_true(has_call);
        image_region_emit(&region, START, START - 0xbf00000, &stub);
        assert_true(stub.size <= REGION_STUB_MAX);
    }
    assert_true(found > 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_shapes),
        cmocka_unit_test(test_stub),
        cmocka_unit_test(test_traps),
        cmocka_unit_test(test_random),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
