/* Waits: what they cost, and that hopeless ones are known at once. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "recorder/record/outside.h"
#include "recorder/record/tests/recorded.h"

#define PROGRAM "recorder/record/tests/programs/hopeless"

/* Nothing is waited for in real time but what the kernel may still have on its way: TCP that nobody
 * reads has. The rest of the limit is for the machine. */
static void test_hopeless(void **state)
{
    static const char *const names[] = {"pipe",   "full-pipe", "unix",      "tcp",   "udp",
                                        "accept", "poll",      "select",    "epoll", "eventfd",
                                        "lock",   "inotify",   "semaphore", "fifo",  "terminal",
                                        "child",  "full-tcp"};
    struct record_result result;

    (void)state;
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
        struct recorded what = {.program = PROGRAM, .argument = names[i]};

        recorded_run(&what, &result);
        if (result.verdict != RECORD_VERDICT_DEADLOCK)
            print_message("%s: %s, %s\n", names[i], record_verdict_name(result.verdict),
                          result.message ? result.message : "");
        assert_int_equal(result.verdict, RECORD_VERDICT_DEADLOCK);
        assert_true(result.statistics.wall_ns < 5000000000u);
        record_result_done(&result);
    }
}

/* Each call, whether it waits or not, has an entry stop and an exit stop. */
static void test_stops(void **state)
{
    struct recorded what = {.program = PROGRAM, .argument = "to-and-fro"};
    struct record_result result;

    (void)state;
    recorded_run(&what, &result);
    assert_int_equal(result.verdict, RECORD_VERDICT_EXITED);
    assert_int_equal(result.status, 0);
    assert_true(result.statistics.syscalls_total >= 4000);
    assert_true(result.statistics.stops <= 2 * result.statistics.syscalls_total + 50);
    record_result_done(&result);
}

#define TITLES "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt uid\n"

static void test_in_flight(void **state)
{
    (void)state;
    assert_false(outside_in_flight(""));
    assert_false(outside_in_flight(TITLES));
    assert_false(outside_in_flight(
        TITLES "   0: 00000000:07E8 00000000:0000 0A 00000000:00000001 00:00000000 00000000 0\n"));
    assert_true(outside_in_flight(
        TITLES "   0: 0100007F:8E3A 0100007F:1F90 01 00000000:00000000 00:00000000 00000000 0\n"
               "   1: 0100007F:1F90 0100007F:8E3A 01 00000005:00000000 01:00000014 00000000 0\n"));
    /* held back by its peer's closed window */
    assert_false(outside_in_flight(
        TITLES "   0: 0100007F:1F90 0100007F:8E3A 01 00000005:00000000 04:00000014 00000000 0\n"));
    /* SYN sent */
    assert_true(outside_in_flight(
        TITLES "   0: 0100007F:1F90 0100007F:8E3A 02 00000001:00000000 01:00000064 00000000 0\n"));
    assert_true(outside_in_flight(
        TITLES " 112: 00000000000000000000000001000000:1F90 00000000000000000000000001000000:8E3A "
               "01 00000005:00000000 01:00000014 00000000 0\n"));
    assert_false(outside_in_flight(TITLES "garbage\n\n   0: 0100007F\n"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_in_flight),
        cmocka_unit_test(test_stops),
        cmocka_unit_test(test_hopeless),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
