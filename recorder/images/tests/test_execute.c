/* Rewritten programs behave as native ones: same output, same status, with counters that trap
 * never, and with counters that trap all the time. Skipped where ptrace is not to be had. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "recorder/images/image.h"
#include "recorder/images/tests/launch.h"

#define ARGUMENTS 8

struct program {
    const char *argv[ARGUMENTS];
    const char *input;
    uint64_t least_ticks;
};

static const struct program programs[] = {
    {{TEST_PROGRAM_FIXED}, NULL, 1000},
    {{TEST_PROGRAM_MUSL}, NULL, 1000},
    {{TEST_PROGRAM_CXX}, NULL, 10000},
    {{"/bin/true"}, NULL, 100},
    {{"/bin/sh", "-c", "for i in 1 2 3 4; do echo $i | sort -r; done; exit 7"}, NULL, 1000},
    {{"/bin/bash", "-c",
      "f() { [ $1 -gt 0 ] && f $(($1 - 1)); }; f 60; for ((i = 0; i < 3000; i++)); do "
      "((s += i % 7)); done; echo $s ${BASH_VERSION//[0-9]/x}; [[ abcabc =~ (b.*)c ]] && "
      "echo ${BASH_REMATCH[1]}; printf '%s\\n' {1..40} | sort | md5sum"},
     NULL,
     100000},
    {{"/usr/bin/gzip", "-c", TEST_PROGRAM_CXX}, NULL, 10000},
    {{"/usr/bin/perl", "-e",
      "my %h; for (1..20000) { $h{$_ % 97} += $_ } print join(',', map {\"$_=$h{$_}\"} sort keys "
      "%h); my $t = 'a b c' x 50; $t =~ s/(\\w) (\\w)/$2$1/g; print $t;"},
     NULL,
     100000},
    {{"/usr/bin/python3", "-c",
      "import json, re, hashlib, decimal, collections\n"
      "def gen(n):\n"
      "  for i in range(n): yield str(i * 7919 % 1009)\n"
      "s = json.dumps({k: len(k) for k in gen(500)})\n"
      "print(hashlib.sha256(s.encode()).hexdigest(), len(re.findall('1[0-9]', s)))\n"
      "print(decimal.Decimal(2) ** 200, sorted(collections.Counter(s).items())[:9])\n"
      "try: {}['x']\n"
      "except KeyError as e: print(repr(e))\n"},
     NULL,
     100000},
    {{"/usr/bin/sqlite3", ":memory:",
      "create table t(a, b); with recursive c(x) as (values(1) union all select x + 1 from c where "
      "x < 3000) insert into t select x, x * x % 7919 from c; create index i on t(b); select "
      "count(*), sum(a), b from t group by b order by b limit 9; select hex(sum(a * b)) from t;"},
     NULL,
     100000},
    {{"/usr/bin/git", "hash-object", "--stdin"}, TEST_PROGRAM_CXX, 1000},
    {{"/usr/bin/xz", "-c", "-T1"}, TEST_PROGRAM_FIXED, 10000},
};

struct harness {
    char cache[64];
    bool traced;
};

static int set_up(void **state)
{
    struct harness *h = calloc(1, sizeof(*h));
    const char *const argv[] = {"/bin/true", NULL};
    struct launch launch = {.argv = argv};
    struct launch_result result;

    *state = h;
    snprintf(h->cache, sizeof(h->cache), "/tmp/rrtest-execute-XXXXXX");
    if (!mkdtemp(h->cache))
        return -1;
    h->traced = launch_run(&launch, &result) == 0;
    bytes_done(&result.output);
    return 0;
}

static int tear_down(void **state)
{
    struct harness *h = *state;
    char command[128];
    int status;

    snprintf(command, sizeof(command), "rm -rf %s", h->cache);
    status = system(command);
    free(h);
    return status;
}

static void run(const struct harness *h, const struct program *p, int64_t period,
                struct launch_result *ret)
{
    struct launch launch = {.argv = p->argv,
                            .input = p->input,
                            .cache = h->cache,
                            .native = period < 0,
                            .period = period < 0 ? 0 : period};

    assert_int_equal(launch_run(&launch, ret), 0);
}

static void compare(const struct harness *h, const struct program *p, int64_t period)
{
    struct launch_result native, rewritten;

    run(h, p, -1, &native);
    run(h, p, period, &rewritten);
    if (native.status != rewritten.status || native.output.length != rewritten.output.length ||
        (native.output.length > 0 &&
         memcmp(native.output.data, rewritten.output.data, native.output.length) != 0))
        fail_msg("%s, period %lld: differs from native (status %#x, natively %#x)", p->argv[0],
                 (long long)period, (unsigned)rewritten.status, (unsigned)native.status);
    assert_true(rewritten.images > 0);
    if (period == 0) {
        assert_true(rewritten.ticks >= p->least_ticks);
        assert_int_equal(rewritten.traps, 0);
    } else {
        assert_true(rewritten.traps > 0);
    }
    bytes_done(&native.output);
    bytes_done(&rewritten.output);
}

static void test_same_as_native(void **state)
{
    const struct harness *h = *state;

    if (!h->traced)
        skip();
    for (size_t i = 0; i < sizeof(programs) / sizeof(programs[0]); i++) {
        struct stat st;

        if (programs[i].argv[0] == NULL || stat(programs[i].argv[0], &st) < 0)
            continue;
        compare(h, &programs[i], 0);
        compare(h, &programs[i], 13);
    }
}

/* The libraries choose their code by what the processor has; glibc can be told otherwise. */
static void test_libraries(void **state)
{
    static const char *const tunables[] = {
        "GLIBC_TUNABLES=",
        "GLIBC_TUNABLES=glibc.cpu.hwcaps=-AVX2,-AVX512F,-AVX512VL,-AVX512BW",
        "GLIBC_TUNABLES=glibc.cpu.hwcaps=-AVX2,-AVX512F,-AVX512VL,-AVX,-FMA,-SSE4_2,-SSE4_1,-BMI2,"
        "-ERMS",
        "GLIBC_TUNABLES=glibc.cpu.hwcaps=-AVX2,-AVX512F,-AVX512VL,-AVX,-FMA,-SSE4_2,-SSE4_1,-BMI2,"
        "-ERMS,-FSRM,-SSSE3",
    };
    const char *const argv[] = {"/usr/bin/python3", TEST_SCRIPT, NULL};
    const struct harness *h = *state;
    struct stat st;

    if (!h->traced || stat(argv[0], &st) < 0)
        skip();
    for (size_t i = 0; i < sizeof(tunables) / sizeof(tunables[0]); i++) {
        const char *const environment[] = {tunables[i], NULL};
        struct launch launch = {
            .argv = argv, .environment = environment, .cache = h->cache, .native = true};
        struct launch_result native, rewritten;

        assert_int_equal(launch_run(&launch, &native), 0);
        launch.native = false;
        assert_int_equal(launch_run(&launch, &rewritten), 0);
        assert_int_equal(native.status, 0);
        assert_int_equal(rewritten.status, 0);
        assert_int_equal(native.output.length, 65);
        assert_int_equal(rewritten.output.length, 65);
        assert_memory_equal(native.output.data, rewritten.output.data, 65);
        bytes_done(&native.output);
        bytes_done(&rewritten.output);
    }
}

/* The same program counts the same ticks, run after run, and a trap loses none. */
static void test_ticks_are_exact(void **state)
{
    const struct program program = {.argv = {TEST_PROGRAM_FIXED}};
    const struct harness *h = *state;
    struct launch_result a, b, c;

    if (!h->traced)
        skip();
    run(h, &program, 0, &a);
    run(h, &program, 0, &b);
    run(h, &program, 1, &c);
    assert_int_equal(a.ticks, b.ticks);
    assert_int_equal(a.atomics, b.atomics);
    /* Each point traps when the period is one: reload 0, the next point makes it negative. */
    assert_int_equal(c.traps, a.ticks + a.atomics - 2);
    bytes_done(&a.output);
    bytes_done(&b.output);
    bytes_done(&c.output);
}

/* The image's file, to be written. */
static int open_cache_file(const struct image *image)
{
    char path[64];
    int fd;

    snprintf(path, sizeof(path), "/proc/self/fd/%d", image_fd(image));
    fd = open(path, O_RDWR | O_CLOEXEC);
    assert_true(fd >= 0);
    return fd;
}

/* No step enters a window's interior, and no instruction is met too often between two ticks. */
static void test_steps(void **state)
{
    const struct harness *h = *state;
    const struct program *const stepped[] = {&programs[0], &programs[2], &programs[5]};
    const int64_t from[] = {50, 2000};

    if (!h->traced)
        skip();
    for (size_t i = 0; i < sizeof(stepped) / sizeof(stepped[0]); i++) {
        for (size_t k = 0; k < 2; k++) {
            struct launch launch = {.argv = stepped[i]->argv,
                                    .cache = h->cache,
                                    .discard = true,
                                    .period = from[k],
                                    .steps = 10000};
            struct launch_result result;

            assert_int_equal(launch_run(&launch, &result), 0);
            assert_true(result.steps.count > 100);
            assert_int_equal(result.steps.interiors, 0);
            if (result.steps.over)
                fail_msg("%s: %s executed %llu times within one tick", stepped[i]->argv[0],
                         result.steps.worst, (unsigned long long)result.steps.most_hits);
            bytes_done(&result.output);
        }
    }
}

/* The comparison above sees what stubs do: with every stub's first byte replaced by ud2 the program
 * no longer runs. */
static void test_damaged_stubs_are_seen(void **state)
{
    const struct program program = {.argv = {TEST_PROGRAM_FIXED}};
    const struct harness *h = *state;
    struct launch_result good, damaged;
    int fd = open(TEST_PROGRAM_FIXED, O_RDONLY | O_CLOEXEC);
    struct image *image;
    int cache;

    if (!h->traced)
        skip();
    run(h, &program, 0, &good);
    assert_int_equal(image_open(h->cache, fd, IMAGE_OPTION_CALLS, &image, NULL), 0);
    cache = open_cache_file(image);
    for (size_t i = 0; i < image_segment_count(image); i++) {
        const struct image_segment *s = image_segment(image, i);

        for (uint64_t at = 0; s->stubs && at + 2 <= s->length; at += 2)
            assert_int_equal(pwrite(cache, "\x0f\x0b", 2, (off_t)(s->cache_offset + at)), 2);
    }
    close(cache);
    image_free(image);
    close(fd);
    run(h, &program, 0, &damaged);
    assert_true(WIFEXITED(good.status));
    assert_true(WIFSIGNALED(damaged.status));
    bytes_done(&good.output);
    bytes_done(&damaged.output);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_same_as_native, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_libraries, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_ticks_are_exact, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_steps, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_damaged_stubs_are_seen, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
