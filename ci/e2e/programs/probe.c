/* Prints one source of nondeterminism: two runs that are to be the same print the same. Each case
 * has a guard in the recorder, and its test sees this output change when that guard is off. */
#include <arpa/inet.h>
#include <cpuid.h>
#include <dirent.h>
#include <fcntl.h>
#include <immintrin.h>
#include <link.h>
#include <net/if.h>
#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <sys/auxv.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysinfo.h>
#include <sys/time.h>
#include <sys/times.h>

#include "check.h"

static void print_bytes(const char *name, const void *bytes, size_t length)
{
    printf("%s ", name);
    for (size_t i = 0; i < length; i++)
        printf("%02x", ((const unsigned char *)bytes)[i]);
    puts("");
}

static void probe_rdtsc(void)
{
    for (int i = 0; i < 5; i++) {
        unsigned core;
        uint64_t first = __rdtsc();
        uint64_t second = __builtin_ia32_rdtscp(&core);
        printf("rdtsc %llu rdtscp %llu core %u\n", (unsigned long long)first,
               (unsigned long long)second, core);
        CHECK(second >= first);
    }
}

__attribute__((target("rdrnd,rdseed"))) static void print_random(unsigned has_rdrand,
                                                                 unsigned has_rdseed)
{
    unsigned long long value = 0;
    for (int i = 0; i < 4; i++) {
        if (has_rdrand && _rdrand64_step(&value))
            printf("rdrand %llu\n", value);
        if (has_rdseed && _rdseed64_step(&value))
            printf("rdseed %llu\n", value);
    }
}

static void probe_random(void)
{
    unsigned a = 0, b = 0, c = 0, d = 0;
    __get_cpuid_count(7, 0, &a, &b, &c, &d);
    unsigned has_rdseed = b & bit_RDSEED;
    __get_cpuid(1, &a, &b, &c, &d);
    print_random(c & bit_RDRND, has_rdseed);
}

/* What names the core, and what must be hidden because it cannot be closed. */
static void probe_cpuid(void)
{
    unsigned a = 0, b = 0, c = 0, d = 0;
    __get_cpuid(1, &a, &b, &c, &d);
    printf("apic %u\n", b >> 24);
    for (unsigned level = 0; level < 3; level++)
        if (__get_cpuid_count(11, level, &a, &b, &c, &d))
            printf("x2apic %u\n", d);
    if (__get_cpuid_count(7, 0, &a, &b, &c, &d))
        printf("rtm %u hle %u rdpid %u waitpkg %u\n", b >> 11 & 1, b >> 4 & 1, c >> 22 & 1,
               c >> 5 & 1);
}

__attribute__((target("xsave"))) static void print_xgetbv(void)
{
    printf("xcr0 %llx\n", (unsigned long long)_xgetbv(0));
    unsigned a = 0, b = 0, c = 0, d = 0;
    __get_cpuid_count(13, 1, &a, &b, &c, &d);
    if (a & 4)
        printf("in use %llx\n", (unsigned long long)_xgetbv(1));
}

static void probe_xgetbv(void)
{
    print_xgetbv();
}

static void probe_vdso(void)
{
    printf("vdso %s\n", getauxval(AT_SYSINFO_EHDR) == 0 ? "absent" : "present");
}

static void probe_rseq(void)
{
    long result = syscall(SYS_rseq, NULL, 0, 0, 0);
    printf("rseq %ld %s\n", result, errno == ENOSYS ? "not there" : "there");
}

static void probe_io_uring(void)
{
    long result = syscall(SYS_io_uring_setup, 4, NULL);
    printf("io_uring %ld %s\n", result, errno == ENOSYS ? "not there" : "there");
}

static void probe_at_random(void)
{
    print_bytes("at_random", (const void *)getauxval(AT_RANDOM), 16);
}

static int in_program;

static void probe_aslr(void)
{
    int on_stack;
    void *small = malloc(10), *large = malloc(1 << 20);
    printf("stack %p heap %p mapped %p program %p library %p break %p\n", (void *)&on_stack, small,
           large, (void *)&in_program, (void *)(uintptr_t)&strlen, sbrk(0));
}

static void probe_time(void)
{
    static const clockid_t clocks[] = {CLOCK_REALTIME,           CLOCK_MONOTONIC,
                                       CLOCK_MONOTONIC_RAW,      CLOCK_BOOTTIME,
                                       CLOCK_REALTIME_COARSE,    CLOCK_MONOTONIC_COARSE,
                                       CLOCK_PROCESS_CPUTIME_ID, CLOCK_THREAD_CPUTIME_ID};
    for (size_t i = 0; i < COUNT_OF(clocks); i++) {
        struct timespec now;
        CHECK(clock_gettime(clocks[i], &now) == 0);
        printf("clock %d %ld.%09ld\n", clocks[i], (long)now.tv_sec, now.tv_nsec);
    }
    struct timeval day;
    struct rusage usage;
    struct tms ticks;
    struct sysinfo system;
    CHECK(gettimeofday(&day, NULL) == 0 && getrusage(RUSAGE_SELF, &usage) == 0);
    CHECK(sysinfo(&system) == 0);
    printf("day %ld.%06ld time %ld times %ld\n", (long)day.tv_sec, (long)day.tv_usec,
           (long)time(NULL), (long)times(&ticks));
    printf("used %ld.%06ld uptime %ld\n", (long)usage.ru_utime.tv_sec, (long)usage.ru_utime.tv_usec,
           system.uptime);
    char text[64] = "";
    int fd = open("/proc/uptime", O_RDONLY);
    if (fd >= 0 && read(fd, text, sizeof text - 1) > 0)
        printf("proc uptime %s", text);
}

static void *print_tid(void *unused)
{
    printf("thread %ld\n", (long)syscall(SYS_gettid));
    return unused;
}

static void probe_pids(void)
{
    printf("pid %d parent %d group %d session %d\n", getpid(), getppid(), getpgrp(), getsid(0));
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, print_tid, NULL) == 0);
    pthread_join(thread, NULL);
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        printf("child %d of %d\n", getpid(), getppid());
        fflush(stdout);
        _exit(0);
    }
    CHECK(waitpid(child, NULL, 0) == child);
    char target[32] = "";
    CHECK(readlink("/proc/self", target, sizeof target - 1) > 0);
    printf("proc self %s\n", target);
}

static const char *temporary(const char *name)
{
    static char path[300];
    const char *directory = getenv("TMPDIR");
    snprintf(path, sizeof path, "%s/%s", directory ? directory : "/tmp", name);
    return path;
}

static void probe_directory_order(void)
{
    char directory[300];
    snprintf(directory, sizeof directory, "%s", temporary("probe-XXXXXX"));
    CHECK(mkdtemp(directory) != NULL && chdir(directory) == 0);
    unsigned value = 12345;
    for (int i = 0; i < 60; i++) {
        char name[16];
        value = value * 1103515245 + 12345;
        snprintf(name, sizeof name, "%08x", value);
        int fd = open(name, O_CREAT | O_WRONLY, 0600);
        CHECK(fd >= 0);
        close(fd);
    }
    DIR *stream = opendir(".");
    struct dirent *entry;
    char last[256] = "";
    int ordered = 1;
    while ((entry = readdir(stream)) != NULL) {
        ordered &= strcmp(last, entry->d_name) <= 0;
        snprintf(last, sizeof last, "%s", entry->d_name);
        puts(entry->d_name);
        if (entry->d_name[0] != '.')
            unlink(entry->d_name);
    }
    printf("ordered %d\n", ordered);
    closedir(stream);
    CHECK(chdir("/") == 0 && rmdir(directory) == 0);
}

static void probe_inodes(void)
{
    const char *path = temporary("probe-inode");
    int fd = open(path, O_CREAT | O_RDWR | O_TRUNC, 0600);
    struct stat status;
    CHECK(fd >= 0 && write(fd, "x", 1) == 1 && fstat(fd, &status) == 0);
    printf("inode %lu device %lu modified %ld.%09ld changed %ld.%09ld\n",
           (unsigned long)status.st_ino, (unsigned long)status.st_dev, (long)status.st_mtim.tv_sec,
           status.st_mtim.tv_nsec, (long)status.st_ctim.tv_sec, status.st_ctim.tv_nsec);
    unlink(path);
}

static void probe_tmpdir(void)
{
    const char *directory = getenv("TMPDIR");
    printf("tmpdir %s\n", directory ? directory : "not set");
    int fd = open(temporary("probe-left-behind"), O_CREAT | O_EXCL | O_RDWR, 0600);
    printf("%s\n", fd >= 0 ? "fresh" : "used before");
}

/* An argument names the port that something outside listens on. */
static void probe_network(void)
{
    struct if_nameindex *interfaces = if_nameindex();
    for (int i = 0; interfaces != NULL && interfaces[i].if_index != 0; i++)
        printf("interface %u %s\n", interfaces[i].if_index, interfaces[i].if_name);
    const char *port = getenv("PROBE_PORT");
    struct sockaddr_in address = {.sin_family = AF_INET};
    address.sin_port = htons((uint16_t)(port ? atoi(port) : 0));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    int status = bind(fd, (struct sockaddr *)&address, sizeof address);
    socklen_t length = sizeof address;
    printf("bind %d", status);
    if (status == 0 && listen(fd, 1) == 0 &&
        getsockname(fd, (struct sockaddr *)&address, &length) == 0)
        printf(" port %d", ntohs(address.sin_port));
    puts("");
}

static void probe_getrandom(void)
{
    unsigned char bytes[16];
    CHECK(getrandom(bytes, sizeof bytes, 0) == sizeof bytes);
    print_bytes("getrandom", bytes, sizeof bytes);
    CHECK(getentropy(bytes, sizeof bytes) == 0);
    print_bytes("getentropy", bytes, sizeof bytes);
    static const char *const devices[] = {"/dev/urandom", "/dev/random"};
    for (size_t i = 0; i < COUNT_OF(devices); i++) {
        int fd = open(devices[i], O_RDONLY);
        CHECK(fd >= 0 && read(fd, bytes, sizeof bytes) == sizeof bytes);
        print_bytes(devices[i], bytes, sizeof bytes);
        close(fd);
    }
    int fd = open("/proc/sys/kernel/random/uuid", O_RDONLY);
    char text[64] = "";
    if (fd >= 0 && read(fd, text, sizeof text - 1) > 0)
        printf("uuid %s", text);
}

static void probe_cpus(void)
{
    unsigned core = 0, node = 0;
    cpu_set_t set;
    CHECK(getcpu(&core, &node) == 0 && sched_getaffinity(0, sizeof set, &set) == 0);
    printf("core %u node %u may use %d, first %d, sysconf %ld\n", core, node, CPU_COUNT(&set),
           CPU_ISSET(0, &set), sysconf(_SC_NPROCESSORS_ONLN));
}

/* Nothing of the recorder's shows: no mapping in its zones, none of a memory file, no descriptor.
 */
static void probe_maps(void)
{
    FILE *maps = fopen("/proc/self/maps", "r");
    char line[512];
    CHECK(maps != NULL);
    while (fgets(line, sizeof line, maps) != NULL) {
        unsigned long start, end;
        char access[8], path[400] = "";
        CHECK(sscanf(line, "%lx-%lx %7s %*s %*s %*s %399[^\n]", &start, &end, access, path) >= 3);
        const char *base = strrchr(path, '/') != NULL ? strrchr(path, '/') + 1 : path;
        printf("%lx pages %s %s%s\n", (end - start) / 4096, access, base,
               end > 0x60000000 && start < 0x80000000 ? " IN THE RECORDER'S ZONE" : "");
        CHECK(strstr(path, "memfd") == NULL && strstr(path, "rrtest") == NULL);
    }
    fclose(maps);
}

/* What earlier calls and the loader left behind below the stack pointer and in fresh blocks. */
__attribute__((noinline)) static unsigned long sum_of_stack(void)
{
    volatile unsigned char frame[8192];
    unsigned long sum = 5381;
    __asm__ volatile("" : : "r"(frame) : "memory");
    for (size_t i = 0; i < sizeof frame; i++)
        sum = sum * 33 + frame[i];
    return sum;
}

static void probe_leftovers(void)
{
    printf("stack %lx\n", sum_of_stack());
    unsigned long sum = 5381;
    for (size_t size = 16; size < 2000; size += 16) {
        unsigned char *block = malloc(size);
        __asm__ volatile("" : : "r"(block) : "memory");
        for (size_t i = 0; i < size; i++)
            sum = sum * 33 + block[i];
        free(block);
    }
    printf("heap %lx\n", sum);
    struct {
        char before[100];
        struct stat status;
    } area;
    memset(&area, 0x5a, sizeof area);
    CHECK(stat("/", &area.status) == 0);
    printf("padding %lx\n", (unsigned long)area.status.__glibc_reserved[0]);
}

static const struct test_case cases[] = {
    {"rdtsc", probe_rdtsc},         {"random", probe_random},
    {"cpuid", probe_cpuid},         {"xgetbv", probe_xgetbv},
    {"vdso", probe_vdso},           {"rseq", probe_rseq},
    {"io_uring", probe_io_uring},   {"at_random", probe_at_random},
    {"aslr", probe_aslr},           {"time", probe_time},
    {"pids", probe_pids},           {"directory_order", probe_directory_order},
    {"inodes", probe_inodes},       {"tmpdir", probe_tmpdir},
    {"network", probe_network},     {"getrandom", probe_getrandom},
    {"cpus", probe_cpus},           {"maps", probe_maps},
    {"leftovers", probe_leftovers},
};

int main(int argc, char **argv)
{
    return run_cases(argc, argv, cases, COUNT_OF(cases));
}
