/* rdtsc, rdtscp and cpuid where no window can answer them: in code made at run time, and in a
 * function too short for a jump. Prints what they say; two recorded runs are to print the same. */
#include <asm/prctl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "check.h"

static const unsigned char rdtsc_code[] = {0x0f, 0x31, 0xc3};        /* rdtsc; ret */
static const unsigned char rdtscp_code[] = {0x0f, 0x01, 0xf9, 0xc3}; /* rdtscp; ret */
static const unsigned char cpuid_code[] = {0x0f, 0xa2, 0xc3};        /* cpuid; ret */

/* No five bytes here either: whoever calls them may expect the same of the bytes behind. */
extern const unsigned char short_rdtsc[], short_cpuid[];
__asm__(".text\n"
        ".type short_rdtsc, @function\n"
        "short_rdtsc: rdtsc\n"
        "   ret\n"
        ".size short_rdtsc, . - short_rdtsc\n"
        "   .balign 16\n"
        ".type short_cpuid, @function\n"
        "short_cpuid: cpuid\n"
        "   ret\n"
        ".size short_cpuid, . - short_cpuid\n"
        "   .balign 16\n");

static unsigned char *page;

static void *make(const unsigned char *code, size_t length)
{
    if (!page) {
        page = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1,
                    0);
        CHECK(page != MAP_FAILED);
    }
    memcpy(page, code, length);
    return page;
}

static uint64_t counter_of(const void *code)
{
    uint32_t low, high;

    __asm__ volatile("call *%2" : "=a"(low), "=d"(high) : "r"(code) : "rcx", "memory");
    return (uint64_t)high << 32 | low;
}

static void print_leaf(const void *code, uint32_t leaf)
{
    uint32_t a = leaf, b, c = 0, d;

    __asm__ volatile("call *%4" : "+a"(a), "=b"(b), "+c"(c), "=d"(d) : "r"(code) : "memory");
    printf("cpuid %x: %08x %08x %08x %08x\n", leaf, a, b, c, d);
}

static void print_counters(const char *who)
{
    uint64_t first = counter_of(make(rdtsc_code, sizeof(rdtsc_code)));
    uint64_t second = counter_of(make(rdtscp_code, sizeof(rdtscp_code)));

    CHECK(second >= first);
    printf("%s: rdtsc %llu rdtscp +%llu\n", who, (unsigned long long)first,
           (unsigned long long)(second - first));
    fflush(stdout);
}

static void *in_thread(void *lock)
{
    pthread_mutex_lock(lock);
    print_counters("thread");
    print_leaf(make(cpuid_code, sizeof(cpuid_code)), 1);
    fflush(stdout);
    pthread_mutex_unlock(lock);
    return NULL;
}

/* The thread is older than the code, the child younger. */
static void rdtsc(void)
{
    pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    pthread_t thread;

    pthread_mutex_lock(&lock);
    CHECK(pthread_create(&thread, NULL, in_thread, &lock) == 0);
    let_others_block();
    print_counters("main");
    pthread_mutex_unlock(&lock);
    CHECK(pthread_join(thread, NULL) == 0);
    pid_t child = fork();
    if (child == 0) {
        print_counters("child");
        execl("/proc/self/exe", "made_code", "executed", NULL);
        _exit(1);
    }
    int status = -1;
    CHECK(waitpid(child, &status, 0) == child && status == 0);
}

static void executed(void)
{
    print_counters("executed");
}

/* The leaves that name the core are among them. */
static void cpuid(void)
{
    const void *code = make(cpuid_code, sizeof(cpuid_code));

    CHECK(mprotect(page, 4096, PROT_READ | PROT_EXEC) == 0);
    print_leaf(code, 1);
    print_leaf(code, 7);
    print_leaf(code, 11);
}

static void short_code(void)
{
    printf("rdtsc %llu\n", (unsigned long long)counter_of(short_rdtsc));
    print_leaf(short_cpuid, 1);
}

static sigjmp_buf after_fault;

static void on_fault(int signal)
{
    siglongjmp(after_fault, signal);
}

/* The traps are not to be seen, and a program may have one of its own. */
static void own_trap(void)
{
    int mode = 0;

    CHECK(prctl(PR_GET_TSC, &mode) == 0);
    CHECK(mode == PR_TSC_ENABLE);
    CHECK(prctl(PR_SET_TSC, 77) == -1 && errno == EINVAL);
    counter_of(make(rdtsc_code, sizeof(rdtsc_code)));
    CHECK(prctl(PR_GET_TSC, &mode) == 0);
    CHECK(mode == PR_TSC_ENABLE);
    CHECK(prctl(PR_SET_TSC, PR_TSC_SIGSEGV) == 0);
    CHECK(prctl(PR_GET_TSC, &mode) == 0);
    CHECK(mode == PR_TSC_SIGSEGV);
    signal(SIGSEGV, on_fault);
    int caught = sigsetjmp(after_fault, 1);
    if (!caught)
        counter_of(page);
    CHECK(caught == SIGSEGV);
    CHECK(prctl(PR_SET_TSC, PR_TSC_ENABLE) == 0);
    counter_of(page);
    puts("own trap");
}

static const struct test_case cases[] = {
    {"rdtsc", rdtsc},       {"cpuid", cpuid},       {"short_code", short_code},
    {"own_trap", own_trap}, {"executed", executed},
};

int main(int argc, char **argv)
{
    return run_cases(argc, argv, cases, COUNT_OF(cases));
}
