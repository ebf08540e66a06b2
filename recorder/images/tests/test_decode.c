/* The decoder's view of single instructions. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "recorder/images/decode.h"
#include "recorder/images/image.h"

#define BYTES(...) ((const uint8_t[]){__VA_ARGS__}), sizeof((const uint8_t[]){__VA_ARGS__})

static void test_length(void **state)
{
    (void)state;
    assert_int_equal(image_instruction_length(BYTES(0x90)), 1);
    assert_int_equal(image_instruction_length(BYTES(0x48, 0x8b, 0x05, 1, 2, 3, 4)), 7);
    assert_int_equal(image_instruction_length(BYTES(0x06)), 0);
    assert_int_equal(image_instruction_length(BYTES(0xe9, 1, 2)), 0);
    assert_int_equal(image_instruction_length(NULL, 0), 0);
}

static void check_special(const uint8_t *code, size_t length, enum image_special kind, int target,
                          int size)
{
    struct image_special_instruction s = image_decode_special(code, length);

    assert_int_equal(s.kind, kind);
    assert_int_equal(s.length, length);
    assert_int_equal(s.target, target);
    assert_int_equal(s.size, size);
}

static void test_special(void **state)
{
    (void)state;
    check_special(BYTES(0x0f, 0xa2), SPECIAL_CPUID, 0, 0);
    check_special(BYTES(0x0f, 0x31), SPECIAL_RDTSC, 0, 0);
    check_special(BYTES(0x0f, 0x01, 0xf9), SPECIAL_RDTSCP, 0, 0);
    check_special(BYTES(0x0f, 0xc7, 0xf1), SPECIAL_RDRAND, 1, 4);
    check_special(BYTES(0x66, 0x0f, 0xc7, 0xf2), SPECIAL_RDRAND, 2, 2);
    check_special(BYTES(0x49, 0x0f, 0xc7, 0xf7), SPECIAL_RDRAND, 15, 8);
    check_special(BYTES(0x41, 0x0f, 0xc7, 0xfc), SPECIAL_RDSEED, 12, 4);
    check_special(BYTES(0x0f, 0x05), SPECIAL_NONE, 0, 0);
    assert_int_equal(image_decode_special(BYTES(0x06)).kind, SPECIAL_NONE);
}

static void test_writes(void **state)
{
    (void)state;
    assert_true(image_instruction_writes(BYTES(0x89, 0x07)));       /* mov [rdi], eax */
    assert_false(image_instruction_writes(BYTES(0x8b, 0x07)));      /* mov eax, [rdi] */
    assert_false(image_instruction_writes(BYTES(0x8d, 0x07)));      /* lea eax, [rdi] */
    assert_true(image_instruction_writes(BYTES(0x50)));             /* push rax */
    assert_true(image_instruction_writes(BYTES(0xf3, 0x48, 0xab))); /* rep stosq */
    assert_false(image_instruction_writes(BYTES(0x39, 0x07)));      /* cmp [rdi], eax */
    assert_false(image_instruction_writes(BYTES(0x06)));
}

static void test_straight_line(void **state)
{
    /* mov eax,[rdi]; lock inc dword [rdi]; cpuid; ret */
    static const uint8_t code[] = {0x8b, 0x07, 0xf0, 0xff, 0x07, 0x0f, 0xa2, 0xc3};
    uint8_t offsets[8];

    (void)state;
    assert_int_equal(image_straight_line(code, sizeof(code), offsets, 8), 3);
    assert_int_equal(offsets[0], 0);
    assert_int_equal(offsets[1], 2);
    assert_int_equal(offsets[2], 5);
    assert_int_equal(image_straight_line(code, sizeof(code), offsets, 2), 2);
    assert_int_equal(image_straight_line(code + 7, 1, offsets, 8), 1);
    assert_int_equal(image_straight_line(code, 4, offsets, 8), 1); /* cut inside the lock inc */
}

static void check_flow(const uint8_t *code, size_t length, enum flow flow, int64_t relative)
{
    struct decoded d;

    assert_true(decode(code, length, &d));
    assert_int_equal(d.length, length);
    assert_int_equal(d.flow, flow);
    assert_int_equal(d.relative, relative);
}

static void test_flow(void **state)
{
    (void)state;
    check_flow(BYTES(0x75, 0xfe), FLOW_BRANCH, -2);
    check_flow(BYTES(0x0f, 0x84, 0, 1, 0, 0), FLOW_BRANCH, 256);
    check_flow(BYTES(0xe3, 0x05), FLOW_BRANCH_SHORT, 5);
    check_flow(BYTES(0xe2, 0x05), FLOW_BRANCH_SHORT, 5);
    check_flow(BYTES(0xeb, 0x05), FLOW_JUMP, 5);
    check_flow(BYTES(0xe9, 0xff, 0xff, 0xff, 0xff), FLOW_JUMP, -1);
    check_flow(BYTES(0xff, 0xe0), FLOW_JUMP_INDIRECT, 0);
    check_flow(BYTES(0x3e, 0xff, 0xe0), FLOW_JUMP_INDIRECT, 0);
    check_flow(BYTES(0xf2, 0xff, 0x25, 0, 0, 0, 0), FLOW_JUMP_INDIRECT, 0);
    check_flow(BYTES(0xe8, 1, 0, 0, 0), FLOW_CALL, 1);
    check_flow(BYTES(0xff, 0xd0), FLOW_CALL_INDIRECT, 0);
    check_flow(BYTES(0xc3), FLOW_RETURN, 0);
    check_flow(BYTES(0xf3, 0xc3), FLOW_RETURN, 0);
    check_flow(BYTES(0x0f, 0x0b), FLOW_STOP, 0);
    check_flow(BYTES(0xf4), FLOW_STOP, 0);
    check_flow(BYTES(0xcc), FLOW_STOP, 0);
    check_flow(BYTES(0x0f, 0x05), FLOW_KERNEL, 0);
    check_flow(BYTES(0xcd, 0x80), FLOW_KERNEL, 0);
    check_flow(BYTES(0xc7, 0xf8, 8, 0, 0, 0), FLOW_BRANCH_SHORT, 8); /* xbegin */
    check_flow(BYTES(0xf3, 0x0f, 0x1e, 0xfa), FLOW_NEXT, 0);
}

static void test_operands(void **state)
{
    struct decoded d;

    (void)state;
    assert_true(decode(BYTES(0x48, 0x8d, 0x05, 1, 0, 0, 0), &d)); /* lea rax, [rip + 1] */
    assert_int_equal(d.rip_offset, 3);
    assert_true(d.lea);
    assert_true(decode(BYTES(0xff, 0x25, 1, 0, 0, 0), &d)); /* jmp [rip + 1] */
    assert_int_equal(d.rip_offset, 2);
    assert_true(decode(BYTES(0x48, 0x83, 0x2c, 0x25, 0, 0, 0, 0x70, 1), &d)); /* sub [abs], 1 */
    assert_int_equal(d.rip_offset, 0);
    assert_int_equal(d.flags_written, FLAGS_ALL);
    assert_true(decode(BYTES(0xbf, 0, 0x10, 0x40, 0), &d)); /* mov edi, 0x401000 */
    assert_int_equal(d.imm_offset, 1);
    assert_int_equal(d.imm_size, 4);
    assert_true(decode(BYTES(0x48, 0xbf, 1, 2, 3, 4, 5, 6, 7, 8), &d)); /* movabs */
    assert_int_equal(d.imm_size, 8);
    assert_true(decode(BYTES(0xf0, 0xff, 0x07), &d)); /* lock inc */
    assert_int_equal(d.special, DECODE_ATOMIC);
    assert_int_equal(d.flags_written, FLAGS_ALL & ~FLAG_CF);
    assert_true(decode(BYTES(0x87, 0x07), &d)); /* xchg [rdi], eax */
    assert_int_equal(d.special, DECODE_ATOMIC);
    assert_true(decode(BYTES(0x87, 0xc7), &d)); /* xchg edi, eax */
    assert_int_equal(d.special, DECODE_PLAIN);
    assert_true(decode(BYTES(0xd3, 0xe0), &d)); /* shl eax, cl: by zero leaves the flags */
    assert_int_equal(d.flags_written, 0);
    assert_true(decode(BYTES(0x9c), &d)); /* pushfq */
    assert_int_equal(d.flags_read, FLAGS_ALL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_length), cmocka_unit_test(test_special),
        cmocka_unit_test(test_writes), cmocka_unit_test(test_straight_line),
        cmocka_unit_test(test_flow),   cmocka_unit_test(test_operands),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
