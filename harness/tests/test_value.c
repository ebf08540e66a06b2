/* Numbers, durations, injections, words. */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "harness/value/value.h"
#include "recorder/syscalls/syscalls.h"

static void test_numbers(void **state)
{
    uint64_t value = 7;

    (void)state;
    assert_int_equal(value_parse_u64("0", &value), 0);
    assert_int_equal(value, 0);
    assert_int_equal(value_parse_u64("18446744073709551615", &value), 0);
    assert_true(value == UINT64_MAX);
    assert_int_equal(value_parse_u64("0xfF", &value), 0);
    assert_int_equal(value, 255);
    assert_int_equal(value_parse_u64("18446744073709551616", &value), -ERANGE);
    assert_int_equal(value_parse_u64("0x10000000000000000", &value), -ERANGE);
    static const char *const bad[] = {"", "-1", "+1", " 1", "1 ", "0x", "1e3", "1.0", "ten", "0b1"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
        assert_int_equal(value_parse_u64(bad[i], &value), -EINVAL);
    assert_int_equal(value, 255);
}

static void test_durations(void **state)
{
    static const struct {
        const char *text;
        uint64_t ns;
    } good[] = {
        {"10s", 10000000000ull},
        {"500ms", 500000000},
        {"2m", 120000000000ull},
        {"2min", 120000000000ull},
        {"1h", 3600000000000ull},
        {"3us", 3000},
        {"7ns", 7},
        {"1.5s", 1500000000},
        {"0.25ms", 250000},
        {"0s", 0},
        {"none", 0},
        {"0.5m", 30000000000ull},
        {"1.0000000001s", 1000000000},
    };
    static const char *const bad[] = {"",    "10",   "s",    "-1s",      "1 s",
                                      "1s ", "1.s",  ".5s",  "1.2.3s",   "10sec",
                                      "1S",  "10s5", "1e3s", "infinite", "1..5s"};
    uint64_t ns = 42;

    (void)state;
    for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++) {
        assert_int_equal(value_parse_duration(good[i].text, &ns), 0);
        assert_true(ns == good[i].ns);
    }
    ns = 42;
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
        assert_int_equal(value_parse_duration(bad[i], &ns), -EINVAL);
    assert_int_equal(value_parse_duration("99999999999999999999s", &ns), -ERANGE);
    assert_int_equal(value_parse_duration("876001h", &ns), -ERANGE);
    assert_int_equal(value_parse_duration("18446744073709551615h", &ns), -ERANGE);
    assert_int_equal(ns, 42);
}

static void test_probabilities(void **state)
{
    double value = -1;

    (void)state;
    assert_int_equal(value_parse_probability("0.25", &value), 0);
    assert_true(value == 0.25);
    assert_int_equal(value_parse_probability("1", &value), 0);
    assert_true(value == 1);
    assert_int_equal(value_parse_probability("0", &value), 0);
    assert_true(value == 0);
    assert_int_equal(value_parse_probability("1.1", &value), -ERANGE);
    static const char *const bad[] = {"", "-0.5", ".5", "1.", "0.5x", "nan", "1e-3", "50%"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
        assert_int_equal(value_parse_probability(bad[i], &value), -EINVAL);
}

static void test_injections(void **state)
{
    struct record_injection injection;
    struct rr_error error;

    (void)state;
    assert_int_equal(value_parse_injection("SIGUSR1", &injection, &error), 0);
    assert_int_equal(injection.signal, SIGUSR1);
    assert_int_equal(injection.at_call, -1);
    assert_int_equal(injection.limit, 0);
    assert_true(injection.probability == 0.05);
    assert_int_equal(value_parse_injection("USR2:at=futex", &injection, &error), 0);
    assert_int_equal(injection.signal, SIGUSR2);
    assert_int_equal(injection.at_call, syscall_number_by_name("futex"));
    assert_true(injection.probability == 0.2);
    assert_int_equal(
        value_parse_injection("10:limit=3:probability=0.5:at=tick", &injection, &error), 0);
    assert_int_equal(injection.signal, 10);
    assert_int_equal(injection.at_call, -1);
    assert_int_equal(injection.limit, 3);
    assert_true(injection.probability == 0.5);
}

static void check_bad_injection(const char *text, const char *said)
{
    struct record_injection injection = {.signal = 99};
    struct rr_error error;

    assert_int_equal(value_parse_injection(text, &injection, &error), -EINVAL);
    assert_non_null(strstr(error.message, said));
    assert_int_equal(injection.signal, 99);
}

static void test_bad_injections(void **state)
{
    (void)state;
    check_bad_injection("", "expected a signal");
    check_bad_injection("SIGFOO", "SIGFOO");
    check_bad_injection("SIGKILL", "can handle");
    check_bad_injection("SIGSTOP", "can handle");
    check_bad_injection("0", "expected a signal");
    check_bad_injection("65", "expected a signal");
    check_bad_injection("SIGUSR1:", "expected SIGNAL");
    check_bad_injection("SIGUSR1:at", "expected SIGNAL");
    check_bad_injection("SIGUSR1:at=nosuchcall", "nosuchcall");
    check_bad_injection("SIGUSR1:probability=2", "from 0 to 1");
    check_bad_injection("SIGUSR1:limit=0", "at least 1");
    check_bad_injection("SIGUSR1:probabilty=1", "did you mean 'probability'");
    check_bad_injection("SIGUSR1:xyzzy=1", "unknown key 'xyzzy'");
}

static void test_glob(void **state)
{
    struct bytes quoted;

    (void)state;
    assert_true(value_glob("queue-*", "queue-close"));
    assert_true(value_glob("*", "queue-close"));
    assert_true(value_glob("queue-[bc]lose", "queue-close"));
    assert_false(value_glob("queue", "queue-close"));
    assert_false(value_glob("*x", "queue-close"));
    bytes_init(&quoted);
    value_glob_quote(&quoted, "a*[b]?\\");
    bytes_append(&quoted, "", 1);
    assert_true(value_glob((char *)quoted.data, "a*[b]?\\"));
    assert_false(value_glob((char *)quoted.data, "ax[b]?\\"));
    bytes_done(&quoted);
}

static void check_shell(const char *text, const char *expected)
{
    struct bytes quoted;

    bytes_init(&quoted);
    value_shell_quote(&quoted, text);
    bytes_append(&quoted, "", 1);
    assert_string_equal((char *)quoted.data, expected);
    bytes_done(&quoted);
}

static void test_shell_quote(void **state)
{
    (void)state;
    check_shell("plain/path-1.yaml", "plain/path-1.yaml");
    check_shell("", "''");
    check_shell("two words", "'two words'");
    check_shell("it's", "'it'\\''s'");
    check_shell("$HOME", "'$HOME'");
}

static void test_sizes(void **state)
{
    static const struct {
        const char *text;
        uint64_t bytes;
    } good[] = {{"100B", 100},      {"512K", 512 << 10}, {"64MiB", 64 << 20},  {"1.5G", 3ull << 29},
                {"2T", 2ull << 40}, {"none", 0},         {"1024T", 1ull << 50}};
    static const char *const bad[] = {"",    "5",   "K",    "1k",   "1KB",  "1Bi",  "1 K",
                                      "-1K", "1.K", "1..K", "1e3K", "0x1K", "1KiBx"};
    uint64_t bytes;

    (void)state;
    for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++) {
        assert_int_equal(value_parse_size(good[i].text, &bytes), 0);
        assert_true(bytes == good[i].bytes);
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
        assert_int_equal(value_parse_size(bad[i], &bytes), -EINVAL);
    assert_int_equal(value_parse_size("0K", &bytes), -ERANGE);
    assert_int_equal(value_parse_size("1025T", &bytes), -ERANGE);
    assert_int_equal(value_parse_size("99999999999999999999K", &bytes), -ERANGE);
}

/* Expected values from `date -u -d DATE +%s`. */
static void test_dates(void **state)
{
    static const char *const bad[] = {"",           "2027-1-31",   "2027-13-01", "2027-00-01",
                                      "2027-02-29", "2027-04-31",  "2027-01-00", "27-01-31",
                                      "1969-12-31", "2027-01-31 ", "2027/01/31", "2027-01-3a",
                                      "2100-02-29", "-999-01-01",  "2027--1-01", "2027-01--1"};
    uint64_t s;

    (void)state;
    assert_int_equal(value_parse_date("1970-01-01", &s), 0);
    assert_int_equal(s, 0);
    assert_int_equal(value_parse_date("2027-01-31", &s), 0);
    assert_int_equal(s, 1801353600);
    assert_int_equal(value_parse_date("2028-02-29", &s), 0);
    assert_int_equal(s, 1835395200);
    assert_int_equal(value_parse_date("2000-03-01", &s), 0);
    assert_int_equal(s, 951868800);
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
        assert_int_equal(value_parse_date(bad[i], &s), -EINVAL);
}

static void test_glob_of_a_name(void **state)
{
    (void)state;
    assert_true(value_glob("q[N=1,m=a]", "q[N=1,m=a]"));
    assert_true(value_glob("q*", "q[N=1]"));
    assert_false(value_glob("q[N=1]", "q[N=2]"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_numbers),        cmocka_unit_test(test_durations),
        cmocka_unit_test(test_probabilities),  cmocka_unit_test(test_injections),
        cmocka_unit_test(test_bad_injections), cmocka_unit_test(test_glob),
        cmocka_unit_test(test_shell_quote),    cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_dates),          cmocka_unit_test(test_glob_of_a_name),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
