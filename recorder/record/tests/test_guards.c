/* Every closed source of nondeterminism, seen by a program that prints it
 * (ci/e2e/programs/probe.c): five runs on changing processors print the same; with the guard off
 * the same comparison sees a difference. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "recorder/record/tests/recorded.h"

#define RUNS 5

static char directory[] = "/tmp/test-guards-XXXXXX";
static char tmpdir[64], port[32];
static char *const environment[] = {"PATH=/usr/bin:/bin", tmpdir, port, NULL};

static char *probe(const char *name, uint32_t guards_off, int cpu)
{
    bool ports = strcmp(name, "ports") == 0;
    struct recorded what = {.program = ports ? "recorder/record/tests/programs/ports" : "e2e/probe",
                            .argument = ports ? NULL : name,
                            .guards_off = guards_off,
                            .seed = 9,
                            .cpu = cpu,
                            .environment = environment};
    struct record_result result;
    char *output;

    recorded_run(&what, &result);
    if (result.verdict != RECORD_VERDICT_EXITED || result.status != 0)
        fail_msg("%s: %s, status %x, %s", name, record_verdict_name(result.verdict), result.status,
                 result.message ? result.message : "");
    output = strdup(result.output[0]);
    record_result_done(&result);
    return output;
}

static char *is_closed(const char *name)
{
    char *first = probe(name, 0, 0);

    for (int run = 1; run < RUNS; run++) {
        char *again = probe(name, 0, run % recorded_cpu_count());

        assert_string_equal(again, first);
        free(again);
    }
    return first;
}

/* On another processor, or in a second run there, something else comes out than with the guard. */
static void is_open_without(const char *name, uint32_t guard, const char *closed)
{
    bool differs = false;

    for (int run = 0; run < 2 * recorded_cpu_count() && !differs; run++) {
        char *output = probe(name, guard, run % recorded_cpu_count());

        differs = strcmp(output, closed) != 0;
        free(output);
    }
    if (!differs)
        fail_msg("%s prints the same without its guard", name);
}

#define GUARD(name, bit)                                    \
    static void test_##name(void **state)                   \
    {                                                       \
        char *closed = is_closed(#name);                    \
                                                            \
        (void)state;                                        \
        assert_true(strlen(closed) > 0);                    \
        is_open_without(#name, RECORD_GUARD_##bit, closed); \
        free(closed);                                       \
    }

#define CLOSED(name)                      \
    static void test_##name(void **state) \
    {                                     \
        char *closed = is_closed(#name);  \
                                          \
        (void)state;                      \
        assert_true(strlen(closed) > 0);  \
        free(closed);                     \
    }

GUARD(rdtsc, RDTSC)
GUARD(cpuid, CPUID)
GUARD(vdso, VDSO)
GUARD(rseq, RSEQ)
GUARD(io_uring, IO_URING)
GUARD(at_random, AT_RANDOM)
GUARD(aslr, ASLR)
GUARD(time, TIME)
GUARD(pids, PIDS)
GUARD(directory_order, DIRECTORY_ORDER)
GUARD(tmpdir, TMPDIR)
GUARD(network, NETWORK)
GUARD(ports, NETWORK)
GUARD(getrandom, GETRANDOM)
CLOSED(inodes)
CLOSED(xgetbv)
CLOSED(cpus)
CLOSED(maps)
CLOSED(leftovers)

/* A processor without these instructions has nothing to guard. */
static void test_random(void **state)
{
    char *closed = is_closed("random");

    (void)state;
    if (strlen(closed) > 0)
        is_open_without("random", RECORD_GUARD_RANDOM, closed);
    free(closed);
}

static void test_seeds_differ(void **state)
{
    static const char *const names[] = {"at_random", "getrandom"};

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct recorded what = {.program = "e2e/probe", .argument = names[i], .seed = 10};
        struct record_result result;
        char *one = probe(names[i], 0, 0);

        recorded_run(&what, &result);
        assert_string_not_equal(result.output[0], one);
        record_result_done(&result);
        free(one);
    }
}

/* A listener outside, on a port that is free inside. */
static int listen_outside(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof(address);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0 || bind(fd, (struct sockaddr *)&address, length) < 0 || listen(fd, 1) < 0 ||
        getsockname(fd, (struct sockaddr *)&address, &length) < 0)
        return -1;
    snprintf(port, sizeof(port), "PROBE_PORT=%d", ntohs(address.sin_port));
    return fd;
}

static void remove_directory(void)
{
    char path[128];

    snprintf(path, sizeof(path), "%s/probe-left-behind", directory);
    unlink(path);
    rmdir(directory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rdtsc),
        cmocka_unit_test(test_random),
        cmocka_unit_test(test_cpuid),
        cmocka_unit_test(test_vdso),
        cmocka_unit_test(test_rseq),
        cmocka_unit_test(test_io_uring),
        cmocka_unit_test(test_at_random),
        cmocka_unit_test(test_aslr),
        cmocka_unit_test(test_time),
        cmocka_unit_test(test_pids),
        cmocka_unit_test(test_directory_order),
        cmocka_unit_test(test_tmpdir),
        cmocka_unit_test(test_network),
        cmocka_unit_test(test_ports),
        cmocka_unit_test(test_getrandom),
        cmocka_unit_test(test_inodes),
        cmocka_unit_test(test_xgetbv),
        cmocka_unit_test(test_cpus),
        cmocka_unit_test(test_maps),
        cmocka_unit_test(test_leftovers),
        cmocka_unit_test(test_seeds_differ),
    };
    int failed, listener = listen_outside();

    if (listener < 0 || !mkdtemp(directory))
        return 99;
    snprintf(tmpdir, sizeof(tmpdir), "TMPDIR=%s", directory);
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    close(listener);
    remove_directory();
    return failed;
}
