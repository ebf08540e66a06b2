/* Runs the poison groups, and proves first that the checker can fail. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "recorder/syscalls/tests/outputs.h"
#include "recorder/syscalls/tests/poison.h"

/* The negative control: a region one byte short, and a missing one, are noticed. */
static void test_checker_fails(void **state)
{
    static struct syscall_regions regions;
    struct stat *buffer;

    (void)state;
    poison_reset();
    buffer = poison_take(sizeof(*buffer));
    poison(POISON_CHANGES, "stat", "/", buffer);
    regions.count = 1;
    regions.region[0] = (struct syscall_region){(uintptr_t)buffer, sizeof(*buffer)};
    assert_int_equal(poison_escaped(&regions), 0);
    regions.region[0].length--;
    regions.region[0].address++;
    assert_true(poison_escaped(&regions) > 0);
    regions.count = 0;
    assert_true(poison_escaped(&regions) > 0);
}

/* Runs last. */
static void test_enough_calls_were_tried(void **state)
{
    (void)state;
    print_message("%zu calls ran on poisoned memory\n", poison_counted());
    assert_true(poison_counted() >= 120);
}

int main(void)
{
    const struct CMUnitTest first[] = {cmocka_unit_test(test_checker_fails)};
    const struct CMUnitTest last[] = {cmocka_unit_test(test_enough_calls_were_tried)};
    int failed = cmocka_run_group_tests(first, NULL, NULL);

    failed += outputs_of_files();
    failed += outputs_of_devices();
    failed += outputs_of_sockets();
    failed += outputs_of_processes();
    failed += outputs_of_ipc();
    failed += cmocka_run_group_tests(last, NULL, NULL);
    return failed;
}
