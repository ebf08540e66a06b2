/* What a machine and its control groups leave, read from trees made for the purpose. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "harness/run/keep.h"
#include "harness/run/limits.h"
#include "recorder/base/file.h"

#define MEBI (1ull << 20)

static char *tree;

static void put(const char *path, const char *text)
{
    char full[512], folder[512];
    FILE *file;

    snprintf(full, sizeof(full), "%s/%s", tree, path);
    snprintf(folder, sizeof(folder), "%.*s", (int)(strrchr(full, '/') - full), full);
    assert_int_equal(file_make_directories(folder, 0700), 0);
    file = fopen(full, "we");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static uint64_t available(void)
{
    char proc[256], cgroup[256];

    snprintf(proc, sizeof(proc), "%s/proc", tree);
    snprintf(cgroup, sizeof(cgroup), "%s/cgroup", tree);
    return limits_available_memory(proc, cgroup);
}

static int set_up(void **state)
{
    (void)state;
    tree = strdup("/tmp/rrtest-limits-XXXXXX");
    assert_non_null(mkdtemp(tree));
    put("proc/meminfo",
        "MemTotal:       8388608 kB\nMemFree: 1 kB\nMemAvailable:    4194304 kB\nBuffers: 7 kB\n");
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    keep_remove_tree(tree);
    free(tree);
    return 0;
}

static void test_machine(void **state)
{
    (void)state;
    assert_int_equal(available(), 4096 * MEBI);
    put("proc/meminfo", "nothing known: 3 kB\n");
    assert_int_equal(available(), 0);
}

static void test_version_2(void **state)
{
    (void)state;
    put("proc/self/cgroup", "0::/ci/job\n");
    put("cgroup/ci/job/memory.max", "max\n");
    put("cgroup/ci/memory.max", "1073741824\n");
    put("cgroup/ci/memory.current", "536870912\n");
    put("cgroup/ci/memory.stat", "anon 1\ninactive_file 268435456\nactive_file 9\n");
    assert_int_equal(available(), 768 * MEBI);
    put("cgroup/ci/job/memory.max", "104857600\n"); /* the least of both */
    assert_int_equal(available(), 100 * MEBI);
    put("cgroup/ci/job/memory.current", "209715200\n"); /* none is left */
    assert_int_equal(available(), 0);
}

static void test_inside_a_container(void **state)
{
    (void)state;
    put("proc/self/cgroup", "0::/docker/0123456789\n");
    put("cgroup/memory.max", "314572800\n");
    assert_int_equal(available(), 300 * MEBI);
}

static void test_version_1(void **state)
{
    (void)state;
    put("proc/self/cgroup", "8:pids:/\n4:memory:/job\n3:cpu:/job\n0::/\n");
    put("cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
    put("cgroup/memory/job/memory.limit_in_bytes", "209715200\n");
    put("cgroup/memory/job/memory.usage_in_bytes", "52428800\n");
    put("cgroup/memory/job/memory.stat", "inactive_file 4\ntotal_inactive_file 10485760\n");
    assert_int_equal(available(), 160 * MEBI);
}

static void test_defaults(void **state)
{
    struct limits one, many;

    (void)state;
    limits_default(1, &one);
    limits_default(100000, &many);
    assert_true(one.memory > 0 && one.processes == 1000);
    assert_true(many.memory < one.memory && many.memory > 0 && many.memory <= 512 * MEBI);
}

static void test_spill_directory(void **state)
{
    char path[512];
    char *found;

    (void)state;
    snprintf(path, sizeof(path), "%s/not/there", tree);
    found = limits_spill_directory(path);
    assert_string_equal(found, tree);
    free(found);
    found = limits_spill_directory(tree);
    assert_string_equal(found, tree);
    free(found);
    found = limits_spill_directory("rrtest-no-such-folder");
    assert_string_equal(found, ".");
    free(found);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_machine, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_version_2, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_inside_a_container, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_version_1, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_defaults, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_spill_directory, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
