/* A case for each system call that may be answered without a stop (recorder/blob/calls.def): made
 * so that it has to be answered so. Results and what was written to memory are printed, the same in
 * every run and natively; with the argument `raw` also what only recorded runs agree on. Calls are
 * made by number: libc has its own mind about which it uses. `sleepers`: a call that sleeps. */
#include "buffered.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <poll.h>
#include <stdarg.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static char text[1 << 18];
static size_t used;
bool raw;
const char *now;

void put(const char *format, ...)
{
    va_list list;

    va_start(list, format);
    used += (size_t)vsnprintf(text + used, sizeof(text) - used, format, list);
    va_end(list);
}

void bytes(const void *data, size_t length)
{
    const uint8_t *at = data;

    for (size_t i = 0; i < length; i++)
        put("%s%02x", i % 32 ? "" : "\n    ", at[i]);
    put("\n");
}

long show(long result)
{
    if (result < 0)
        put("%s: error %d\n", now, errno);
    else
        put("%s: %ld\n", now, result);
    return result;
}

void show_raw(long result, const void *data, size_t length)
{
    put("%s: %s\n", now, result < 0 ? "error" : "fine");
    if (raw) {
        put("%s: %ld", now, result);
        bytes(data, length);
    }
}

void check(bool good)
{
    put("%s: %s\n", now, good ? "as expected" : "WRONG");
}

/* ---- who and how much ---------------------------------------------------------------------- */

void case_getpid(void)
{
    long pid = syscall(SYS_getpid);

    check(pid > 1);
    show_raw(pid, NULL, 0);
}

void case_gettid(void)
{
    show_raw(syscall(SYS_gettid), NULL, 0);
}

void case_getppid(void)
{
    show_raw(syscall(SYS_getppid), NULL, 0);
}

void case_getuid(void)
{
    show(syscall(SYS_getuid));
}

void case_geteuid(void)
{
    show(syscall(SYS_geteuid));
}

void case_getgid(void)
{
    show(syscall(SYS_getgid));
}

void case_getegid(void)
{
    show(syscall(SYS_getegid));
}

void case_getpgrp(void)
{
    show_raw(syscall(SYS_getpgrp), NULL, 0);
}

void case_umask(void)
{
    show(syscall(SYS_umask, 027));
    show(syscall(SYS_umask, 022));
}

void case_getrlimit(void)
{
    struct rlimit limit = {1, 1};

    show(syscall(SYS_getrlimit, RLIMIT_STACK, &limit));
    bytes(&limit, sizeof(limit));
    show(syscall(SYS_getrlimit, 77, &limit));
}

void case_prlimit64(void)
{
    struct rlimit limit = {1, 1};

    show(syscall(SYS_prlimit64, 0, RLIMIT_CORE, NULL, &limit));
    bytes(&limit, sizeof(limit));
}

void case_uname(void)
{
    struct utsname name;

    memset(&name, 0, sizeof(name));
    show(syscall(SYS_uname, &name));
    put("%s %s\n", name.sysname, name.machine);
}

void case_sched_yield(void)
{
    show(syscall(SYS_sched_yield));
}

void case_sched_getaffinity(void)
{
    uint64_t mask[16] = {0};

    show_raw(syscall(SYS_sched_getaffinity, 0, sizeof(mask), mask), mask, sizeof(mask));
}

void case_getcpu(void)
{
    unsigned cpu = 77, node = 77;

    check(syscall(SYS_getcpu, &cpu, &node, NULL) == 0 && cpu != 77 && node != 77);
}

void case_set_tid_address(void)
{
    static int word;

    show_raw(syscall(SYS_set_tid_address, &word), NULL, 0);
}

void case_set_robust_list(void)
{
    static struct {
        void *next;
        long offset;
        void *pending;
    } head;

    head.next = &head;
    show(syscall(SYS_set_robust_list, &head, sizeof(head)));
    show(syscall(SYS_set_robust_list, &head, 5));
}

void case_rseq(void)
{
    check(syscall(SYS_rseq, NULL, 0, 0, 0) < 0);
}

void case_arch_prctl(void)
{
    unsigned long base;

    __asm__("mov %%fs:0, %0" : "=r"(base));
    show(syscall(SYS_arch_prctl, 0x1002 /* ARCH_SET_FS */, base));
}

void case_getrandom(void)
{
    char buffer[40] = "";

    show_raw(syscall(SYS_getrandom, buffer, 13, 0), buffer, sizeof(buffer));
    show_raw(syscall(SYS_getrandom, buffer, 8, 1 /* GRND_NONBLOCK */), buffer, sizeof(buffer));
    show(syscall(SYS_getrandom, buffer, 0, 0));
}

/* ---- time ---------------------------------------------------------------------------------- */

void case_clock_gettime(void)
{
    struct timespec a, b;

    for (int id = CLOCK_REALTIME; id <= CLOCK_BOOTTIME; id++) {
        if (id == CLOCK_PROCESS_CPUTIME_ID || id == CLOCK_THREAD_CPUTIME_ID)
            continue;
        check(syscall(SYS_clock_gettime, id, &a) == 0 && syscall(SYS_clock_gettime, id, &b) == 0 &&
              (b.tv_sec > a.tv_sec || (b.tv_sec == a.tv_sec && b.tv_nsec >= a.tv_nsec)));
    }
}

void case_clock_getres(void)
{
    struct timespec a = {7, 7};

    show(syscall(SYS_clock_getres, CLOCK_MONOTONIC, &a));
    bytes(&a, sizeof(a));
    show(syscall(SYS_clock_getres, CLOCK_REALTIME, NULL));
}

void case_gettimeofday(void)
{
    struct timeval a = {0, 0};

    check(syscall(SYS_gettimeofday, &a, NULL) == 0 && a.tv_sec > 1000000000 && a.tv_usec < 1000000);
}

void case_time(void)
{
    long value = 0;

    check(syscall(SYS_time, &value) == value && value > 1000000000);
    check(syscall(SYS_time, NULL) >= value);
}

/* ---- waiting ------------------------------------------------------------------------------- */

void case_futex(void)
{
    uint32_t word = 5;

    show(syscall(SYS_futex, &word, FUTEX_WAKE | FUTEX_PRIVATE_FLAG, 1));
    show(syscall(SYS_futex, &word, FUTEX_WAKE_BITSET, 1, NULL, NULL, 3));
    show(syscall(SYS_futex, &word, FUTEX_WAIT | FUTEX_PRIVATE_FLAG, 4, NULL));
    show(syscall(SYS_futex, &word, FUTEX_WAIT_BITSET, 4, NULL, NULL, -1));
}

void case_poll(void)
{
    struct pollfd list[3] = {{.events = POLLIN, .revents = 77}, {.events = POLLIN}, {.fd = -1}};
    int pair[2];

    syscall(SYS_pipe2, pair, 0);
    list[0].fd = pair[0];
    list[1].fd = 77;
    show(syscall(SYS_poll, list, 1, 0));
    syscall(SYS_write, pair[1], "a", 1);
    show(syscall(SYS_poll, list, 3, -1));
    bytes(list, sizeof(list));
    done(pair[0]);
    done(pair[1]);
}

void case_ppoll(void)
{
    struct pollfd list = {.events = POLLOUT};
    struct timespec timeout = {3, 7};
    int pair[2];

    syscall(SYS_pipe2, pair, 0);
    list.fd = pair[1];
    show(syscall(SYS_ppoll, &list, 1, NULL, NULL, 8));
    bytes(&list, sizeof(list));
    timeout = (struct timespec){0, 0};
    list.fd = pair[0];
    list.events = POLLIN;
    show(syscall(SYS_ppoll, &list, 1, &timeout, NULL, 8));
    done(pair[0]);
    done(pair[1]);
}

void case_select(void)
{
    struct timeval timeout = {0, 0};
    fd_set in, out;
    int pair[2];

    syscall(SYS_pipe2, pair, 0);
    FD_ZERO(&in);
    FD_ZERO(&out);
    FD_SET(pair[0], &in);
    FD_SET(pair[1], &out);
    show(syscall(SYS_select, pair[1] + 1, &in, &out, NULL, NULL));
    bytes(&in, 8);
    bytes(&out, 8);
    FD_SET(pair[0], &in);
    show(syscall(SYS_select, pair[1] + 1, &in, NULL, NULL, &timeout));
    bytes(&in, 8);
    done(pair[0]);
    done(pair[1]);
}

static int watched(int *pair)
{
    struct epoll_event event = {.events = EPOLLIN, .data.u64 = 12345};
    int fd = (int)syscall(SYS_epoll_create1, 0);

    syscall(SYS_pipe2, pair, 0);
    syscall(SYS_epoll_ctl, fd, EPOLL_CTL_ADD, pair[0], &event);
    return fd;
}

static void unwatched(int fd, const int *pair)
{
    done(fd);
    done(pair[0]);
    done(pair[1]);
}

void case_epoll_create1(void)
{
    done((int)show(syscall(SYS_epoll_create1, EPOLL_CLOEXEC)));
    show(syscall(SYS_epoll_create1, 1));
}

void case_epoll_ctl(void)
{
    struct epoll_event event = {.events = EPOLLOUT};
    int pair[2], fd = watched(pair);

    show(syscall(SYS_epoll_ctl, fd, EPOLL_CTL_ADD, pair[0], &event));
    show(syscall(SYS_epoll_ctl, fd, EPOLL_CTL_MOD, pair[0], &event));
    show(syscall(SYS_epoll_ctl, fd, EPOLL_CTL_DEL, pair[0], NULL));
    unwatched(fd, pair);
}

void case_epoll_wait(void)
{
    struct epoll_event events[4];
    int pair[2], fd = watched(pair);

    memset(events, 0, sizeof(events));
    show(syscall(SYS_epoll_wait, fd, events, 4, 0));
    syscall(SYS_write, pair[1], "a", 1);
    show(syscall(SYS_epoll_wait, fd, events, 4, 1000));
    bytes(events, sizeof(events));
    unwatched(fd, pair);
}

void case_epoll_pwait(void)
{
    struct epoll_event events[4];
    int pair[2], fd = watched(pair);

    memset(events, 0, sizeof(events));
    syscall(SYS_write, pair[1], "a", 1);
    show(syscall(SYS_epoll_pwait, fd, events, 4, -1, NULL, 8));
    bytes(events, sizeof(events));
    unwatched(fd, pair);
}

/* ---- signals ------------------------------------------------------------------------------- */

static void handler(int signal)
{
    (void)signal;
}

void case_rt_sigaction(void)
{
    struct {
        void (*handler)(int);
        unsigned long flags;
        void *restorer;
        uint64_t mask;
    } wanted = {handler, SA_RESTART, NULL, 6}, old;

    memset(&old, 77, sizeof(old));
    show(syscall(SYS_rt_sigaction, SIGUSR2, &wanted, &old, 8));
    bytes(&old, sizeof(old));
    wanted.handler = SIG_DFL;
    show(syscall(SYS_rt_sigaction, SIGUSR2, &wanted, &old, 8));
    check(old.handler == handler && old.flags == SA_RESTART && old.mask == 6);
}

void case_rt_sigprocmask(void)
{
    uint64_t set = 1ull << (SIGUSR1 - 1) | 1ull << (SIGKILL - 1), old = 77;

    show(syscall(SYS_rt_sigprocmask, SIG_BLOCK, &set, &old, 8));
    bytes(&old, sizeof(old));
    show(syscall(SYS_rt_sigprocmask, SIG_SETMASK, &old, &set, 8));
    bytes(&set, sizeof(set));
}

void case_sigaltstack(void)
{
    static char space[16384];
    stack_t stack = {.ss_sp = space, .ss_size = sizeof(space)}, old;

    memset(&old, 0, sizeof(old));
    show(syscall(SYS_sigaltstack, &stack, &old));
    bytes(&old, sizeof(old));
    stack.ss_flags = SS_DISABLE;
    show(syscall(SYS_sigaltstack, &stack, &old));
    check(old.ss_sp == space && old.ss_size == sizeof(space) && old.ss_flags == 0);
}

/* ---- memory -------------------------------------------------------------------------------- */

void case_brk(void)
{
    long before = syscall(SYS_brk, 0), after = syscall(SYS_brk, before + 8192);

    check(after == before + 8192);
    memset((void *)before, 5, 8192);
    check(syscall(SYS_brk, before) == before);
}

static char *pages(size_t length)
{
    return (char *)syscall(SYS_mmap, NULL, length, PROT_READ | PROT_WRITE,
                           MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

void case_mmap(void)
{
    int fd = (int)syscall(SYS_open, "/usr/share/common-licenses/GPL-2", O_RDONLY), zero;
    char *a = pages(8192), *b;

    a[0] = 5;
    b = (char *)syscall(SYS_mmap, a, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1,
                        0);
    check(a == b);
    if (fd >= 0) {
        b = (char *)syscall(SYS_mmap, NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 4096);
        bytes(b, 64);
        memset(b, 7, 10);
        b = (char *)syscall(SYS_mmap, a, 4096, PROT_READ, MAP_PRIVATE | MAP_FIXED, fd, 0);
        check(a == b);
        bytes(a, 64);
        done(fd);
    }
    zero = (int)syscall(SYS_open, "missing", O_RDONLY);
    check(zero < 0);
}

void case_munmap(void)
{
    char *a = pages(12288);

    show(syscall(SYS_munmap, a + 4096, 4096));
    show(syscall(SYS_munmap, a + 1, 4096));
    show(syscall(SYS_munmap, a, 12288));
}

void case_mprotect(void)
{
    char *a = pages(8192);

    a[4096] = 5;
    show(syscall(SYS_mprotect, a + 4096, 4096, PROT_READ));
    show(syscall(SYS_mprotect, a + 1, 4096, PROT_READ));
    put("%d\n", a[4096]);
}

void case_mremap(void)
{
    char *a = pages(8192), *b;

    a[0] = 5;
    b = (char *)syscall(SYS_mremap, a, 8192, 1 << 20, MREMAP_MAYMOVE);
    b[100000] = 6;
    put("%d %d\n", b[0], b[100000]);
    check((char *)syscall(SYS_mremap, b, 1 << 20, 4096, 0) == b);
    syscall(SYS_munmap, b, 4096);
}

void case_madvise(void)
{
    char *a = pages(8192);

    a[0] = a[4096] = 5;
    show(syscall(SYS_madvise, a, 4096, MADV_DONTNEED));
    show(syscall(SYS_madvise, a, 8192, MADV_SEQUENTIAL));
    show(syscall(SYS_madvise, a + 1, 8192, MADV_DONTNEED));
    put("%d %d\n", a[0], a[4096]);
    syscall(SYS_munmap, a, 8192);
}

static const struct {
    const char *name;
    void (*run)(void);
} cases[] = {
#define CALL(name, handler, needs) {#name, case_##name},
#include "recorder/blob/calls.def"
#undef CALL
};

/* ---- calls that sleep all the same --------------------------------------------------------- */

/* Opening a FIFO waits for its other end, and there is no way to try: the call sleeps until
 * somebody sees that it does. It is interrupted, restarted, stopped and continued before its end
 * comes. */
static void sleeper(void)
{
    struct sigaction action = {.sa_handler = handler};
    char buffer[8] = "";
    int fd;

    sigaction(SIGUSR1, &action, NULL);
    action.sa_flags = SA_RESTART;
    sigaction(SIGUSR2, &action, NULL);
    now = "open";
    show(syscall(SYS_open, "fifo", O_RDONLY));
    fd = (int)show(syscall(SYS_open, "fifo", O_RDONLY));
    now = "read";
    show(syscall(SYS_read, fd, buffer, sizeof(buffer)));
    bytes(buffer, sizeof(buffer));
    done(fd);
}

static int sleepers(void)
{
    static const int signals[] = {SIGUSR1, SIGUSR2, SIGSTOP, SIGCONT};
    int status, fd;
    pid_t pid;

    if (mkfifo("fifo", 0600) != 0 || (pid = fork()) < 0)
        return 1;
    if (pid == 0) {
        sleeper();
        _exit(write(1, text, used) != (ssize_t)used);
    }
    for (size_t i = 0; i < 4; i++) {
        usleep(100000);
        kill(pid, signals[i]);
    }
    usleep(100000);
    fd = open("fifo", O_WRONLY);
    if (write(fd, "at last", 8) != 8 || waitpid(pid, &status, 0) != pid)
        return 1;
    return status != 0;
}

int main(int argc, char **argv)
{
    char place[4096];

    raw = argc > 1 && strcmp(argv[1], "raw") == 0;
    if (argc > 1 && strcmp(argv[1], "names") == 0) {
        for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
            puts(cases[i].name);
        return 0;
    }
    snprintf(place, sizeof(place), "%s/work", getenv("TMPDIR"));
    if (mkdir(place, 0755) != 0 || chdir(place) != 0)
        return 1;
    if (argc > 1 && strcmp(argv[1], "sleepers") == 0)
        return sleepers();
    done(letters());
    for (int last = 0; last < 2; last++) {
        for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
            now = cases[i].name;
            if (last == (strcmp(now, "chdir") == 0))
                cases[i].run();
        }
    }
    for (size_t at = 0; at < used;)
        at += (size_t)syscall(SYS_write, 1, text + at, used - at < 4096 ? used - at : 4096);
    return 0;
}
