/* Copies of directories: parsing, order, and the two layouts of records. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "recorder/record/directory.h"

static void fill(struct directory_list *list)
{
    static const char *const names[] = {"b", ".", "a-longer-name", "..", "B", "\xff", "aa"};

    for (size_t i = 0; i < 7; i++)
        directory_list_add(list, names[i], 100 + i, i == 1 || i == 3 ? DT_DIR : DT_REG);
    directory_list_sort(list);
}

static void test_order(void **state)
{
    static const char *const sorted[] = {".", "..", "B", "a-longer-name", "aa", "b", "\xff"};
    struct directory_list list = {0};

    (void)state;
    fill(&list);
    assert_int_equal(list.count, 7);
    for (size_t i = 0; i < 7; i++)
        assert_string_equal(directory_list_name(&list, i), sorted[i]);
    assert_int_equal(list.entry[5].inode, 100);
    directory_list_done(&list);
}

static void test_pieces(void **state)
{
    struct directory_list list = {0};
    uint8_t buffer[64];
    size_t index = 0, seen = 0;
    int64_t n;

    (void)state;
    fill(&list);
    while ((n = directory_list_encode(&list, &index, false, buffer, sizeof(buffer))) > 0) {
        for (int64_t at = 0; at < n;) {
            struct dirent64 e = {0};
            uint16_t length;

            memcpy(&length, buffer + at + 16, sizeof(length));
            assert_true(length % 8 == 0 && at + length <= n);
            memcpy(&e, buffer + at, length);
            assert_string_equal(e.d_name, directory_list_name(&list, seen));
            assert_int_equal(e.d_ino, list.entry[seen].inode);
            assert_int_equal(e.d_type, list.entry[seen].type);
            assert_int_equal(e.d_off, ++seen);
            at += length;
        }
    }
    assert_int_equal(n, 0);
    assert_int_equal(seen, 7);
    index = 3;
    assert_int_equal(directory_list_encode(&list, &index, false, buffer, 24), -EINVAL);
    assert_int_equal(index, 3);
    index = 100; /* seekdir beyond the end */
    assert_int_equal(directory_list_encode(&list, &index, false, buffer, 24), 0);
    directory_list_done(&list);
}

static void test_old_layout(void **state)
{
    struct directory_list list = {0};
    uint8_t buffer[512];
    size_t index = 0;
    uint16_t length;
    int64_t n;

    (void)state;
    fill(&list);
    n = directory_list_encode(&list, &index, true, buffer, sizeof(buffer));
    assert_true(n > 0 && index == 7);
    memcpy(&length, buffer + 16, sizeof(length));
    assert_int_equal(length, 24);
    assert_string_equal((char *)buffer + 18, ".");
    assert_int_equal(buffer[length - 1], DT_DIR);
    directory_list_done(&list);
}

/* What the kernel wrote comes back byte for byte, but for d_off and what lies behind names. */
static void test_round_trip(void **state)
{
    static uint8_t kernel[65536], ours[65536];
    struct directory_list list = {0};
    size_t index = 0;
    int fd = open("/usr/bin", O_RDONLY | O_DIRECTORY);
    long n = syscall(SYS_getdents64, fd, kernel, sizeof(kernel));

    (void)state;
    assert_true(n > 0);
    directory_list_parse(&list, kernel, (size_t)n);
    assert_int_equal(directory_list_encode(&list, &index, false, ours, sizeof(ours)), n);
    for (long at = 0; at < n; at += *(uint16_t *)(void *)(kernel + at + 16)) {
        assert_memory_equal(kernel + at, ours + at, 8);
        assert_memory_equal(kernel + at + 16, ours + at + 16, 3);
        assert_string_equal((char *)kernel + at + 19, (char *)ours + at + 19);
    }
    close(fd);
    directory_list_done(&list);
}

static void test_damaged(void **state)
{
    struct directory_list list = {0};
    uint8_t data[64] = {0};

    (void)state;
    directory_list_parse(&list, data, sizeof(data)); /* length 0 */
    assert_int_equal(list.count, 0);
    data[16] = 200; /* longer than what is there */
    directory_list_parse(&list, data, sizeof(data));
    assert_int_equal(list.count, 0);
    directory_list_done(&list);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order),      cmocka_unit_test(test_pieces),
        cmocka_unit_test(test_old_layout), cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_damaged),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
