/* System calls from code that no file backs: made at run time, executable then, changed later, in
 * memory that stays writable, and with different neighbours around the `syscall`. */
#include <signal.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/time.h>

#include "check.h"

enum { PAGE = 4096, CALLS = 200 };

typedef long function(long a, long b, long c);

/* mov $N, %eax; syscall; ret: all of it is needed for a jump. */
static const unsigned char tail[] = {0xb8, SYS_getpid, 0, 0, 0, 0x0f, 0x05, 0xc3};
/* rax comes in rdi: what follows the call has to do. */
static const unsigned char any[] = {0x48, 0x89, 0xf8, 0x48, 0x89, 0xf7, 0x48, 0x89, 0xd6,
                                    0x0f, 0x05, 0x48, 0x89, 0xc1, 0x48, 0x89, 0xc8, 0xc3};
/* mov $getpid, %eax; 1: syscall; dec %edi; jle 2f; mov $getpid, %eax; jmp 1b; 2: ret: the call is
 * a jump's target. */
static const unsigned char loop[] = {0xb8, SYS_getpid, 0, 0, 0, 0x0f, 0x05, 0xff, 0xcf, 0x7e, 7,
                                     0xb8, SYS_getpid, 0, 0, 0, 0xeb, 0xf3, 0xc3};

static unsigned char *pages(int protection)
{
    void *at = mmap(NULL, 2 * PAGE, protection, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    CHECK(at != MAP_FAILED);
    memset(at, 0xcc, 2 * PAGE);
    return at;
}

static function *code_at(unsigned char *at)
{
    return (function *)(void *)at;
}

static void make(unsigned char *page, size_t offset, const unsigned char *code, size_t length)
{
    CHECK(mprotect(page, 2 * PAGE, PROT_READ | PROT_WRITE) == 0);
    memcpy(page + offset, code, length);
    CHECK(mprotect(page, 2 * PAGE, PROT_READ | PROT_EXEC) == 0);
}

static void call_all(unsigned char *page, size_t offset)
{
    for (int i = 0; i < CALLS; i++)
        CHECK(code_at(page + offset)(0, 0, 0) == getpid());
}

static void run_made(void)
{
    unsigned char *page = pages(PROT_READ | PROT_WRITE);

    make(page, 64, tail, sizeof(tail));
    call_all(page, 64);
    make(page, 128, any, sizeof(any));
    for (int i = 0; i < CALLS; i++)
        CHECK(code_at(page + 128)(SYS_getppid, 0, 0) == getppid());
    make(page, 256, loop, sizeof(loop));
    CHECK(code_at(page + 256)(CALLS, 0, 0) == getpid());
    printf("made: ok\n");
}

/* At the very beginning, at the end, and over the border of two pages. */
static void run_borders(void)
{
    static const size_t offsets[] = {0, 2 * PAGE - sizeof(tail), PAGE - 3, PAGE - 6};

    for (size_t i = 0; i < sizeof(offsets) / sizeof(*offsets); i++) {
        unsigned char *page = pages(PROT_READ | PROT_WRITE);

        make(page, offsets[i], tail, sizeof(tail));
        call_all(page, offsets[i]);
        CHECK(munmap(page, 2 * PAGE) == 0);
    }
    printf("borders: ok\n");
}

/* What the program reads when it makes its code writable is what it wrote. */
static void run_changed(void)
{
    unsigned char *page = pages(PROT_READ | PROT_WRITE), other[sizeof(tail)];

    make(page, 64, tail, sizeof(tail));
    call_all(page, 64);
    CHECK(mprotect(page, 2 * PAGE, PROT_READ | PROT_WRITE) == 0);
    CHECK(memcmp(page + 64, tail, sizeof(tail)) == 0);
    page[65] = SYS_getppid;
    CHECK(mprotect(page, 2 * PAGE, PROT_READ | PROT_EXEC) == 0);
    for (int i = 0; i < CALLS; i++)
        CHECK(code_at(page + 64)(0, 0, 0) == getppid());
    memcpy(other, tail, sizeof(tail));
    make(page, 64, other, sizeof(other));
    call_all(page, 64);
    /* one page of two, under the middle of the code */
    make(page, PAGE - 3, tail, sizeof(tail));
    call_all(page, PAGE - 3);
    CHECK(mprotect(page + PAGE, PAGE, PROT_READ | PROT_WRITE) == 0);
    CHECK(mprotect(page + PAGE, PAGE, PROT_READ | PROT_EXEC) == 0);
    CHECK(memcmp(page + PAGE - 3, tail, sizeof(tail)) == 0);
    call_all(page, PAGE - 3);
    printf("changed: ok\n");
}

/* Code that stays writable is written while it runs. */
static void run_writable(void)
{
    unsigned char *page = pages(PROT_READ | PROT_WRITE | PROT_EXEC);

    memcpy(page, tail, sizeof(tail));
    for (int i = 0; i < CALLS; i++) {
        page[1] = i % 2 ? SYS_getppid : SYS_getpid;
        CHECK(code_at(page)(0, 0, 0) == (i % 2 ? getppid() : getpid()));
        CHECK(page[5] == 0x0f && page[6] == 0x05);
    }
    printf("writable: ok\n");
}

static void run_moved(void)
{
    unsigned char *page = pages(PROT_READ | PROT_WRITE), *to = pages(PROT_READ | PROT_WRITE);

    make(page, 64, tail, sizeof(tail));
    call_all(page, 64);
    CHECK(mremap(page, 2 * PAGE, 2 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, to) == to);
    CHECK(memcmp(to + 64, tail, sizeof(tail)) == 0);
    call_all(to, 64);
    printf("moved: ok\n");
}

/* A child has what its parent's code has become. */
static void run_forked(void)
{
    unsigned char *page = pages(PROT_READ | PROT_WRITE);
    int status;
    pid_t pid;

    make(page, 64, tail, sizeof(tail));
    call_all(page, 64);
    fflush(stdout);
    pid = fork();
    if (pid == 0) {
        call_all(page, 64);
        make(page, 128, tail, sizeof(tail));
        call_all(page, 128);
        _exit(5);
    }
    call_all(page, 64);
    CHECK(waitpid(pid, &status, 0) == pid && WEXITSTATUS(status) == 5);
    printf("forked: ok\n");
}

/* Behind a call that does not return need not be code. */
static void run_exits(void)
{
    /* mov %edi, %eax; xor %edi, %edi; syscall; data that could be an instruction */
    static const unsigned char code[] = {0x89, 0xf8, 0x31, 0xff, 0x0f, 0x05, 0x48, 0x8b,
                                         0x05, 0x11, 0x22, 0x33, 0x44, 0x90, 0xc3};
    unsigned char *page = pages(PROT_READ | PROT_WRITE);

    make(page, 64, code, sizeof(code));
    for (int i = 0; i < 3; i++) {
        pid_t pid = vfork(); /* NOLINT */
        int status;

        if (pid == 0)
            code_at(page + 64)(i == 1 ? SYS_exit_group : SYS_exit, 0, 0);
        CHECK(pid > 0 && waitpid(pid, &status, 0) == pid && status == 0);
        CHECK(memcmp(page + 64, code, sizeof(code)) == 0);
    }
    printf("exits: ok\n");
}

static long *secret;

static void show_secret(int signal)
{
    (void)signal;
    CHECK(mprotect(secret, PAGE, PROT_READ) == 0);
}

/* mov $getpid, %eax; mov (%rdi), %eax; ret: a fault in its middle, where a call was. */
static const unsigned char reading[] = {0xb8, SYS_getpid, 0, 0, 0, 0x8b, 0x07, 0xc3};

static void call_reading(unsigned char *code)
{
    struct sigaction action = {.sa_handler = show_secret};

    secret = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(secret != MAP_FAILED);
    *secret = 0x12345;
    CHECK(mprotect(secret, PAGE, PROT_NONE) == 0);
    CHECK(sigaction(SIGSEGV, &action, NULL) == 0);
    CHECK(code_at(code)((long)(uintptr_t)secret, 0, 0) == 0x12345);
    CHECK(munmap(secret, PAGE) == 0);
}

/* Other code comes to where calls were patched. */
static void run_replaced(void)
{
    unsigned char *page = pages(PROT_READ | PROT_WRITE), *to = pages(PROT_READ | PROT_WRITE);
    unsigned char *end;

    make(to, 64, tail, sizeof(tail));
    call_all(to, 64);
    make(page, 64, reading, sizeof(reading));
    CHECK(mremap(page, 2 * PAGE, 2 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, to) == to);
    call_reading(to + 64);

    end = sbrk(0);
    page = end + (-(uintptr_t)end & (PAGE - 1));
    CHECK(brk(page + 2 * PAGE) == 0);
    make(page, 64, tail, sizeof(tail));
    call_all(page, 64);
    CHECK(brk(page) == 0 && brk(page + 2 * PAGE) == 0);
    make(page, 64, reading, sizeof(reading));
    call_reading(page + 64);
    CHECK(brk(end) == 0);
    printf("replaced: ok\n");
}

enum { TORN = PAGE - 3 }; /* where code begins that has its call in the next page */

/* Other code comes to the second page alone. */
static void replace_second(unsigned char *page, const unsigned char *code, int how)
{
    unsigned char *second = page + PAGE, *from = second;
    int protection = PROT_READ | PROT_WRITE;

    if (how == 0)
        CHECK(munmap(second, PAGE) == 0);
    if (how == 2)
        from = NULL;
    from =
        mmap(from, PAGE, protection, MAP_PRIVATE | MAP_ANONYMOUS | (from ? MAP_FIXED : 0), -1, 0);
    CHECK(from != MAP_FAILED);
    memcpy(from, code + 3, 5);
    CHECK(mprotect(from, PAGE, PROT_READ | PROT_EXEC) == 0);
    if (from != second)
        CHECK(mremap(from, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, second) == second);
}

static void run_torn(void)
{
    char path[] = "/tmp/made-calls-XXXXXX";
    long value = 0x12345;
    unsigned char *page;
    int fd = mkstemp(path);

    for (int how = 0; how < 3; how++) {
        page = pages(PROT_READ | PROT_WRITE);
        make(page, TORN, tail, sizeof(tail));
        call_all(page, TORN);
        replace_second(page, reading, how);
        CHECK(code_at(page + TORN)((long)(uintptr_t)&value, 0, 0) == value);
    }
    CHECK(fd >= 0 && unlink(path) == 0);
    CHECK(pwrite(fd, tail, sizeof(tail), TORN) == sizeof(tail));
    page = mmap(NULL, 2 * PAGE, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0);
    CHECK(page != MAP_FAILED);
    for (int i = 0; i < 2; i++) { /* what was never written is as in the file again */
        call_all(page, TORN);
        CHECK(madvise(page + i * PAGE, PAGE, MADV_DONTNEED) == 0);
        call_all(page, TORN);
    }
    printf("torn: ok\n");
}

/* A function of the program's own text, called only after it was changed. Not run without its name:
 * where images are rewritten beforehand, the change meets their jumps. */
__asm__(".text\n.balign 64, 0xcc\n.globl text_call\n.type text_call, @function\ntext_call:\n"
        ".cfi_startproc\nmov $39, %eax\nsyscall\nret\n.cfi_endproc\n"
        ".size text_call, . - text_call\n.balign 64, 0xcc\n");
long text_call(long a, long b, long c);

static void run_text(void)
{
    unsigned char *code = (unsigned char *)(void *)text_call;
    unsigned char *page = code - ((uintptr_t)code & (PAGE - 1));

    CHECK(mprotect(page, PAGE, PROT_READ | PROT_WRITE | PROT_EXEC) == 0);
    CHECK(memcmp(code, tail, sizeof(tail)) == 0);
    code[1] = SYS_getppid;
    CHECK(mprotect(page, PAGE, PROT_READ | PROT_EXEC) == 0);
    for (int i = 0; i < CALLS; i++)
        CHECK(text_call(0, 0, 0) == getppid());
    printf("text: ok\n");
}

static int code_file, data_ends[2];

static void rewrite_code(int signal)
{
    (void)signal;
    CHECK(pwrite(code_file, tail, sizeof(tail), 64) == sizeof(tail));
    CHECK(write(data_ends[1], "x", 1) == 1);
}

/* Not run without its name: the file under the code changes while a call is made there. */
static void run_rewritten(void)
{
    struct sigaction action = {.sa_handler = rewrite_code, .sa_flags = SA_RESTART};
    struct itimerval timer = {.it_value.tv_usec = 1000};
    char path[] = "/tmp/made-calls-XXXXXX", byte;
    unsigned char code[64 + sizeof(tail)], *page;

    memset(code, 0x90, sizeof(code));
    memcpy(code + 64, tail, sizeof(tail));
    code[65] = SYS_read;
    code_file = mkstemp(path);
    CHECK(code_file >= 0 && unlink(path) == 0 && pipe(data_ends) == 0);
    CHECK(ftruncate(code_file, PAGE) == 0);
    CHECK(pwrite(code_file, code, sizeof(code), 0) == sizeof(code));
    page = mmap(NULL, PAGE, PROT_READ | PROT_EXEC, MAP_PRIVATE, code_file, 0);
    CHECK(page != MAP_FAILED && sigaction(SIGALRM, &action, NULL) == 0);
    CHECK(setitimer(ITIMER_REAL, &timer, NULL) == 0);
    /* restarted with the number that the kernel keeps, not by the new code */
    CHECK(code_at(page + 64)(data_ends[0], (long)(uintptr_t)&byte, 1) == 1 && byte == 'x');
    call_all(page, 64);
    printf("rewritten: ok\n");
}

/* Not run without its name: there is no room for anything but what is mapped. */
static void run_crowded(void)
{
    struct rlimit limit = {PAGE, PAGE};
    unsigned char *page = pages(PROT_READ | PROT_WRITE);

    make(page, 64, tail, sizeof(tail));
    CHECK(setrlimit(RLIMIT_AS, &limit) == 0);
    call_all(page, 64);
    printf("crowded: ok\n");
}

/* Not run without its name: the recorder refuses it. */
static void run_int80(void)
{
    long result;

    __asm__ volatile("int $0x80" : "=a"(result) : "a"(20) : "memory");
    printf("int80: %s\n", result == getpid() ? "ok" : "another pid");
}

int main(int argc, char **argv)
{
    static const struct test_case cases[] = {
        {"made", run_made},         {"borders", run_borders},   {"changed", run_changed},
        {"writable", run_writable}, {"moved", run_moved},       {"forked", run_forked},
        {"exits", run_exits},       {"replaced", run_replaced}, {"torn", run_torn},
    };

    if (argc > 1 && strcmp(argv[1], "text") == 0) {
        run_text();
        return 0;
    }
    if (argc > 1 && strcmp(argv[1], "rewritten") == 0) {
        run_rewritten();
        return 0;
    }
    if (argc > 1 && strcmp(argv[1], "crowded") == 0) {
        run_crowded();
        return 0;
    }
    if (argc > 1 && strcmp(argv[1], "int80") == 0) {
        run_int80();
        return 0;
    }
    return run_cases(argc, argv, cases, sizeof(cases) / sizeof(*cases));
}
