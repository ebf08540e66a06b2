/* Texts for /proc: layouts against examples the kernel wrote, fields against facts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <elf.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "recorder/record/procfs.h"
#include "recorder/record/procfs_text.h"

static const struct procfs_mapping program[] = {
    {0x555555554000, 0x555555556000, PROT_READ, MAP_PRIVATE, 0, 254, 0, 247134, "/usr/bin/cat"},
    {0x555555556000, 0x555555557000, PROT_READ | PROT_EXEC, MAP_PRIVATE, 0x2000, 254, 0, 247134,
     "/usr/bin/cat"},
    {0x555555557000, 0x55555555b000, PROT_READ | PROT_EXEC, MAP_PRIVATE, 0x3000, 254, 0, 247134,
     "/usr/bin/cat"},
    {0x555555560000, 0x555555581000, PROT_READ | PROT_WRITE, MAP_PRIVATE, 0, 0, 0, 0, "[heap]"},
    {0x7ffff7fa0000, 0x7ffff7fa1000, PROT_NONE, MAP_PRIVATE, 0, 0, 0, 0, NULL},
    {0x7ffff7fc2000, 0x7ffff7fc9000, PROT_READ, MAP_SHARED, 0, 254, 0, 332280, "/a\nb"},
    {0x7ffffffde000, 0x7ffffffff000, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_GROWSDOWN, 0, 0, 0,
     0, "[stack]"},
};
#define COUNT (sizeof(program) / sizeof(*program))

static const char *finish(struct bytes *text)
{
    bytes_append(text, "", 1);
    return (const char *)text->data;
}

static void test_maps(void **state)
{
    struct procfs_mapping mapping[COUNT];
    struct bytes text = {0};
    size_t count;

    (void)state;
    memcpy(mapping, program, sizeof(program));
    count = procfs_mappings_join(mapping, COUNT);
    assert_int_equal(count, COUNT - 1); /* the two pieces of text */
    procfs_text_maps(&text, mapping, count);
    assert_string_equal(
        finish(&text),
        "555555554000-555555556000 r--p 00000000 fe:00 247134                     /usr/bin/cat\n"
        "555555556000-55555555b000 r-xp 00002000 fe:00 247134                     /usr/bin/cat\n"
        "555555560000-555555581000 rw-p 00000000 00:00 0                          [heap]\n"
        "7ffff7fa0000-7ffff7fa1000 ---p 00000000 00:00 0 \n"
        "7ffff7fc2000-7ffff7fc9000 r--s 00000000 fe:00 332280                     /a\\012b\n"
        "7ffffffde000-7ffffffff000 rw-p 00000000 00:00 0                          [stack]\n");
    bytes_done(&text);
}

static void test_join_keeps_apart(void **state)
{
    struct procfs_mapping m[3] = {program[1], program[2], program[2]};

    (void)state;
    m[1].offset = 0x4000; /* another part of the file */
    assert_int_equal(procfs_mappings_join(m, 2), 2);
    m[1] = program[2];
    m[1].prot |= PROT_WRITE;
    assert_int_equal(procfs_mappings_join(m, 2), 2);
    assert_int_equal(procfs_mappings_join(m, 0), 0);
}

static void test_smaps(void **state)
{
    struct bytes text = {0};
    const char *at;

    (void)state;
    procfs_text_smaps(&text, &program[3], 1);
    at = finish(&text);
    assert_non_null(strstr(at, "[heap]\nSize:                132 kB\nKernelPageSize:        4 kB\n"
                               "MMUPageSize:           4 kB\nRss:                 132 kB\n"));
    assert_non_null(strstr(at, "\nPrivate_Dirty:       132 kB\n"));
    assert_non_null(strstr(at, "\nTHPeligible:           0\nVmFlags: rd wr mr mw me \n"));
    bytes_clear(&text);
    procfs_text_smaps(&text, &program[4], 1);
    assert_non_null(strstr(finish(&text), "\nRss:                   0 kB\n"));
    bytes_clear(&text);
    procfs_text_smaps_rollup(&text, program, COUNT);
    assert_non_null(strstr(finish(&text), "555555554000-7ffffffff000 ---p 00000000 00:00 0"));
    bytes_clear(&text);
    procfs_text_numa_maps(&text, &program[3], 1);
    assert_string_equal(finish(&text),
                        "555555560000 default heap anon=33 active=0 N0=33 kernelpagesize_kB=4\n");
    bytes_done(&text);
}

static void test_memory(void **state)
{
    struct procfs_memory m = procfs_memory_of(program, COUNT);
    struct bytes text = {0};

    (void)state;
    assert_int_equal(m.total, 8 + 4 + 16 + 132 + 4 + 28 + 132);
    assert_int_equal(m.resident, m.total - 4);
    assert_int_equal(m.stack, 132);
    assert_int_equal(m.data, 132);
    assert_int_equal(m.program, 4);
    procfs_text_statm(&text, &m);
    assert_string_equal(finish(&text), "81 80 14 1 0 66 0\n");
    bytes_done(&text);
}

static void test_status(void **state)
{
    static const char kernel[] = "Name:\tTracerPid: 7\nState:\tt (tracing stop)\nPPid:\t900\n"
                                 "TracerPid:\t900\nFDSize:\t1024\nVmSize:\t   99999 kB\n"
                                 "Threads:\t4\nSigQ:\t4/96365\nSigPnd:\t0000000000000000\n"
                                 "SigBlk:\tfffffffffffbfeff\nNoNewPrivs:\t1\nSeccomp:\t2\n"
                                 "Seccomp_filters:\t1\nNewField:\tkept\n"
                                 "voluntary_ctxt_switches:\t1234\n";
    struct procfs_task_facts facts = {.state = 'S',
                                      .parent = 2,
                                      .threads = 3,
                                      .table_size = 64,
                                      .queued = 1,
                                      .pending = 0x200,
                                      .blocked = 0x204,
                                      .hide_no_new_privileges = true,
                                      .memory.total = 2892};
    struct bytes text = {0};

    (void)state;
    procfs_edit_status(&text, kernel, &facts);
    assert_string_equal(finish(&text),
                        "Name:\tTracerPid: 7\nState:\tS (sleeping)\nPPid:\t2\nTracerPid:\t0\n"
                        "FDSize:\t64\nVmSize:\t    2892 kB\nThreads:\t3\nSigQ:\t1/96365\n"
                        "SigPnd:\t0000000000000200\nSigBlk:\t0000000000000204\nNoNewPrivs:\t0\n"
                        "Seccomp:\t0\nSeccomp_filters:\t0\nNewField:\tkept\n"
                        "voluntary_ctxt_switches:\t0\n");
    bytes_done(&text);
}

static void test_stat(void **state)
{
    static const char kernel[] =
        "6749 (a) b) t 6735 6735 7138 0 -1 4194304 99 1 2 3 4 5 6 7 20 0 1 0 466382 3133440 359 "
        "18446744073709551615 94312449298432 94312449318313 140730792691168 1 1 0 0 0 0 1 0 0 17 1 "
        "0 0 9 0 0 94312449334320 94312449335936 94312471834624 140730792692338 140730792692358 "
        "140730792692358 140730792693739 0\n";
    struct procfs_task_facts facts = {.state = 'R',
                                      .parent = 1,
                                      .threads = 2,
                                      .blocked = 0x204,
                                      .cpu_ticks = 5,
                                      .start_ticks = 1000000,
                                      .memory = {.total = 8, .resident = 4}};
    struct bytes text = {0};

    (void)state;
    procfs_edit_stat(&text, kernel, &facts);
    assert_string_equal(
        finish(&text),
        "6749 (a) b) R 1 6735 7138 0 -1 4194304 0 0 0 0 5 0 0 0 20 0 2 0 1000000 8192 1 "
        "18446744073709551615 94312449298432 94312449318313 140730792691168 0 0 0 516 0 0 0 0 0 17 "
        "0 0 0 0 0 0 94312449334320 94312449335936 94312471834624 140730792692338 140730792692358 "
        "140730792692358 140730792693739 0\n");
    bytes_clear(&text);
    procfs_edit_stat(&text, "damaged", &facts);
    assert_string_equal(finish(&text), "damaged");
    bytes_done(&text);
}

static void test_auxv(void **state)
{
    static const uint64_t vector[] = {AT_SYSINFO_EHDR, 0x7ffff7fc0000, AT_PAGESZ, 4096, AT_NULL, 0};
    struct bytes data = {0};
    uint64_t got[6];

    (void)state;
    procfs_edit_auxv(&data, vector, sizeof(vector));
    assert_int_equal(data.length, sizeof(vector));
    memcpy(got, data.data, sizeof(got));
    assert_int_equal(got[0], AT_IGNORE);
    assert_int_equal(got[2], AT_PAGESZ);
    assert_int_equal(got[3], 4096);
    bytes_done(&data);
}

static void test_system(void **state)
{
    struct procfs_system_facts facts = {.up_ns = 10001230000000,
                                        .boot_seconds = 1699990000,
                                        .cpu_ns = 2000000000,
                                        .tasks = 3,
                                        .processes = 2,
                                        .last_pid = 7};
    struct bytes text = {0};

    (void)state;
    procfs_text_uptime(&text, &facts);
    assert_string_equal(finish(&text), "10001.23 20000.46\n");
    bytes_clear(&text);
    procfs_text_loadavg(&text, &facts);
    assert_string_equal(finish(&text), "0.00 0.00 0.00 1/3 7\n");
    bytes_clear(&text);
    procfs_text_stat(&text, &facts);
    assert_memory_equal(finish(&text), "cpu  200 0 0 2000046 0 0 0 0 0 0\ncpu0 200 ", 42);
    assert_non_null(strstr((char *)text.data, "\nbtime 1699990000\nprocesses 2\n"));
    bytes_clear(&text);
    procfs_edit_meminfo(&text, "MemTotal:        1234 kB\nMemFree:   5 kB\nDirty: 7 kB\n"
                               "HugePages_Total:       3\n");
    assert_string_equal(finish(&text), "MemTotal:        8388608 kB\nMemFree:         4194304 kB\n"
                                       "Dirty:                 0 kB\nHugePages_Total:       0\n");
    bytes_clear(&text);
    procfs_edit_node_meminfo(&text, "Node 0 MemTotal: 7301336 kB\nNode 0 Dirty: 1 kB\n"
                                    "Node 0 HugePages_Free:      3\n");
    assert_string_equal(finish(&text), "Node 0 MemTotal:        8388608 kB\n"
                                       "Node 0 Dirty:              0 kB\n"
                                       "Node 0 HugePages_Free:              0\n");
    bytes_clear(&text);
    procfs_edit_cpuinfo(&text, "processor\t: 0\ncpu MHz\t\t: 2593.904\ncache size\t: 512 KB\n");
    assert_string_equal(finish(&text),
                        "processor\t: 0\ncpu MHz\t\t: 2000.000\ncache size\t: 512 KB\n");
    bytes_done(&text);
}

static void test_counters(void **state)
{
    struct bytes text = {0};

    (void)state;
    procfs_edit_counters(&text, "nr_free_pages 12345\npgpgin_4k 7\n"
                                " 24:       12      345  IO-APIC x2apic\nNMI:   9\n"
                                "some avg10=7.84 total=256969267\nrchar: 42\n");
    assert_string_equal(finish(&text), "nr_free_pages 0\npgpgin_4k 0\n 24: 0 0  IO-APIC x2apic\n"
                                       "NMI: 0\nsome avg10=0.0 total=0\nrchar: 0\n");
    bytes_done(&text);
}

static void test_uuid(void **state)
{
    static const uint8_t random[16] = {0, 1, 2, 3, 4, 5, 0xff, 7, 0xff, 9, 10, 11, 12, 13, 14, 15};
    struct bytes text = {0};

    (void)state;
    procfs_text_uuid(&text, random);
    assert_string_equal(finish(&text), "00010203-0405-4f07-bf09-0a0b0c0d0e0f\n");
    bytes_done(&text);
}

static uint64_t twice(void *context, uint64_t id)
{
    (void)context;
    return id * 2;
}

static unsigned seven(void *context, unsigned device_minor)
{
    (void)context;
    return device_minor == 43 ? 7 : device_minor;
}

static void test_mounts(void **state)
{
    struct procfs_numbers numbers = {twice, seven, NULL};
    struct bytes text = {0};

    (void)state;
    procfs_edit_mountinfo(
        &text, "22 27 0:43 / /tmp rw - tmpfs 9 rw\n30 22 254:43 / / rw - ext4 x\n", &numbers);
    assert_string_equal(finish(&text),
                        "44 54 0:7 / /tmp rw - tmpfs 9 rw\n60 44 254:43 / / rw - ext4 x\n");
    bytes_clear(&text);
    procfs_edit_fdinfo(&text, "pos:\t0\nflags:\t02\nmnt_id:\t15\nino:\t99\n", 5, &numbers);
    assert_string_equal(finish(&text), "pos:\t0\nflags:\t02\nmnt_id:\t30\nino:\t5\n");
    bytes_clear(&text);
    procfs_edit_fdinfo(&text, "ino:\t99", 0, &numbers);
    assert_string_equal(finish(&text), "ino:\t99");
    bytes_done(&text);
}

static void leads(const char *path, int pid, int tid, const char *name)
{
    struct procfs_place place;

    assert_true(procfs_parse(path, &place));
    assert_int_equal(place.pid, pid);
    assert_int_equal(place.tid, tid);
    assert_string_equal(place.name, name);
}

static void test_parse(void **state)
{
    struct procfs_place place;

    (void)state;
    leads("/proc/2/maps", 2, 0, "maps");
    leads("/proc/2/task/31/maps", 2, 31, "maps");
    leads("/proc/2/fd", 2, 0, "fd");
    leads("/proc/2/task/31", 2, 0, "task/31");
    leads("/proc/uptime", 0, 0, "uptime");
    leads("/proc/sys/kernel/random/uuid", 0, 0, "sys/kernel/random/uuid");
    leads("/proc/fs/ext4/2/stat", 0, 0, "fs/ext4/2/stat");
    leads("/jail/proc/2/maps", 2, 0, "maps");
    leads("/mnt/elsewhere/2/stat", 2, 0, "stat");
    assert_false(procfs_parse("/mnt/elsewhere/stat", &place));
    assert_false(procfs_parse("/proc/", &place));
    leads("/proc/99999999999/maps", 0, 0, "99999999999/maps");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_maps),   cmocka_unit_test(test_join_keeps_apart),
        cmocka_unit_test(test_smaps),  cmocka_unit_test(test_memory),
        cmocka_unit_test(test_status), cmocka_unit_test(test_stat),
        cmocka_unit_test(test_auxv),   cmocka_unit_test(test_system),
        cmocka_unit_test(test_uuid),   cmocka_unit_test(test_counters),
        cmocka_unit_test(test_mounts), cmocka_unit_test(test_parse),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
