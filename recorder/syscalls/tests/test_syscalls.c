/* The table against the kernel's own list, checks, inputs, waiting, text. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/sem.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>
#include <cmocka.h>

#include "recorder/base/random.h"
#include "recorder/syscalls/syscalls.h"

#define COUNT(array) (sizeof(array) / sizeof(*(array)))

static int read_self(void *context, struct taddr address, void *ret, size_t length)
{
    struct iovec local = {ret, length};
    struct iovec remote = {(void *)(uintptr_t)address.value, length};

    (void)context;
    return process_vm_readv(getpid(), &local, 1, &remote, 1, 0) == (ssize_t)length ? 0 : -EFAULT;
}

static const struct syscall_memory self = {read_self, NULL};

#define ARGS(...) ((const uint64_t[6]){__VA_ARGS__})
#define P(pointer) ((uint64_t)(uintptr_t)(pointer))

static FILE *kernel_list(void)
{
    static const char *const places[] = {"/usr/include/x86_64-linux-gnu/asm/unistd_64.h",
                                         "/usr/include/asm/unistd_64.h"};
    FILE *list = NULL;

    for (size_t i = 0; i < COUNT(places) && !list; i++)
        list = fopen(places[i], "re");
    return list;
}

static void test_every_kernel_number_has_its_row(void **state)
{
    FILE *list = kernel_list();
    char line[256];
    char name[64];
    unsigned int number;
    unsigned int count = 0;

    (void)state;
    assert_non_null(list);
    while (fgets(line, sizeof(line), list)) {
        const struct syscall_row *row;

        if (sscanf(line, "#define __NR_%63s %u", name, &number) != 2)
            continue;
        row = syscall_row_by_number(number);
        if (!row || strcmp(row->name, name) != 0)
            fail_msg("number %u is %s, the row says %s", number, name, row ? row->name : "-");
        assert_int_equal(syscall_number_by_name(name), number);
        count++;
    }
    fclose(list);
    assert_true(count > 300);
    for (number = 424; number <= 469; number++)
        assert_non_null(syscall_row_by_number(number));
    assert_null(syscall_row_by_number(400));
    assert_null(syscall_row_by_number(SYSCALL_NUMBER_LIMIT));
    assert_int_equal(syscall_number_by_name("frobnicate"), -1);
}

static void test_enough_rows_are_modelled(void **state)
{
    size_t count[SYSCALL_CLASS_COUNT] = {0};

    (void)state;
    for (uint64_t i = 0; i < SYSCALL_NUMBER_LIMIT; i++)
        if (syscall_row_by_number(i))
            count[syscall_row_by_number(i)->class]++;
    print_message("run %zu, model %zu, refuse %zu, unsupported %zu\n", count[SYSCALL_CLASS_RUN],
                  count[SYSCALL_CLASS_MODEL], count[SYSCALL_CLASS_REFUSE],
                  count[SYSCALL_CLASS_UNSUPPORTED]);
    assert_true(count[SYSCALL_CLASS_RUN] + count[SYSCALL_CLASS_MODEL] >= 250);
}

static void check_argument(const struct syscall_row *row, const struct syscall_argument *a)
{
    switch (a->shape) {
    case SHAPE_IN_ARG:
    case SHAPE_OUT_ARG:
    case SHAPE_OUT_RESULT:
    case SHAPE_IOVEC_IN:
    case SHAPE_IOVEC_OUT:
    case SHAPE_SOCKADDR_OUT:
        assert_true(a->size < row->argument_count);
        assert_true(a->shape == SHAPE_SOCKADDR_OUT || row->arguments[a->size].shape == SHAPE_VALUE);
        break;
    case SHAPE_IN:
    case SHAPE_OUT:
    case SHAPE_OUT_ALWAYS:
    case SHAPE_INOUT:
        assert_true(a->size > 0);
        break;
    case SHAPE_IRREGULAR:
        assert_true(row->irregular != 0);
        break;
    default:
        break;
    }
}

static void test_rows_are_consistent(void **state)
{
    (void)state;
    for (uint64_t i = 0; i < SYSCALL_NUMBER_LIMIT; i++) {
        const struct syscall_row *row = syscall_row_by_number(i);

        if (!row)
            continue;
        assert_true(row->argument_count <= 6);
        assert_true(row->fd_argument < row->argument_count);
        if (row->fd_argument >= 0 && row->class <= SYSCALL_CLASS_MODEL)
            assert_int_equal(row->arguments[row->fd_argument].shape, SHAPE_FD);
        assert_int_equal(row->class == SYSCALL_CLASS_REFUSE, row->error > 0);
        assert_int_equal(row->class >= SYSCALL_CLASS_REFUSE, row->reason != NULL);
        for (int n = 0; n < row->argument_count; n++)
            check_argument(row, &row->arguments[n]);
    }
}

/* What the kernel can have written, to the byte, where that is known. */
static void test_regions_are_tight(void **state)
{
    static struct syscall_regions regions;
    static char buffer[100];
    struct iovec iov[2] = {{buffer, 10}, {buffer + 50, 50}};

    (void)state;
    assert_int_equal(syscall_outputs(SYS_read, ARGS(0, P(buffer), 100), 5, &self, &regions), 0);
    assert_int_equal(regions.count, 1);
    assert_int_equal(regions.region[0].address, P(buffer));
    assert_int_equal(regions.region[0].length, 5);
    syscall_outputs(SYS_read, ARGS(0, P(buffer), 100), 0, &self, &regions);
    assert_int_equal(regions.count, 0);
    syscall_outputs(SYS_read, ARGS(0, P(buffer), 100), -EINTR, &self, &regions);
    assert_int_equal(regions.count, 0);
    syscall_outputs(SYS_readv, ARGS(0, P(iov), 2), 12, &self, &regions);
    assert_int_equal(regions.count, 2);
    assert_int_equal(regions.region[0].length, 10);
    assert_int_equal(regions.region[1].length, 2);
    syscall_outputs(SYS_ioctl, ARGS(0, TIOCGWINSZ, P(buffer)), 0, &self, &regions);
    assert_int_equal(regions.region[0].length, 8);
    syscall_outputs(SYS_wait4, ARGS(-1ull, P(buffer), 0, 0), 0, &self, &regions);
    assert_int_equal(regions.count, 0);
    syscall_outputs(SYS_poll, ARGS(P(buffer), 3, 0), -516, &self, &regions);
    assert_int_equal(regions.region[0].length, 24);
    syscall_outputs(SYS_mmap, ARGS(0, 4096), 4096, &self, &regions);
    assert_int_equal(regions.count, 0);
    syscall_outputs(400, ARGS(0), 0, &self, &regions);
    assert_int_equal(regions.count, 0);
}

/* Many messages' parts: regions are joined rather than lost. */
static void test_many_regions_are_compacted(void **state)
{
    enum { MESSAGES = 1000, STRIDE = 40 };
    static struct syscall_regions regions;
    static struct mmsghdr messages[MESSAGES];
    static struct iovec iov[MESSAGES][2];
    static char data[MESSAGES][STRIDE];

    (void)state;
    for (int i = 0; i < MESSAGES; i++) {
        iov[i][0] = (struct iovec){data[i], 8};
        iov[i][1] = (struct iovec){data[i] + 16, 8};
        messages[i] =
            (struct mmsghdr){.msg_hdr = {.msg_iov = iov[i], .msg_iovlen = 2}, .msg_len = 16};
    }
    assert_int_equal(
        syscall_outputs(SYS_recvmmsg, ARGS(0, P(messages), MESSAGES), MESSAGES, &self, &regions),
        0);
    for (int i = 0; i < MESSAGES; i++)
        for (int n = 0; n < 2; n++) {
            bool found = false;

            for (size_t r = 0; r < regions.count && !found; r++)
                found = P(iov[i][n].iov_base) >= regions.region[r].address &&
                        P(iov[i][n].iov_base) + 8 <=
                            regions.region[r].address + regions.region[r].length;
            assert_true(found);
        }
}

static void test_inputs(void **state)
{
    static struct syscall_regions regions;
    char data[100];
    struct iovec iov[2] = {{data, 10}, {data + 50, 50}};
    struct msghdr message = {.msg_iov = iov, .msg_iovlen = 2};
    struct mmsghdr messages[2] = {{message, 60}, {message, 11}};

    (void)state;
    syscall_inputs(SYS_write, ARGS(1, P(data), 100), 60, &self, &regions);
    assert_int_equal(regions.count, 1);
    assert_int_equal(regions.region[0].length, 60);
    syscall_inputs(SYS_writev, ARGS(1, P(iov), 2), 30, &self, &regions);
    assert_int_equal(regions.count, 2);
    assert_int_equal(regions.region[1].length, 20);
    syscall_inputs(SYS_sendmsg, ARGS(1, P(&message)), 60, &self, &regions);
    assert_int_equal(regions.count, 2);
    syscall_inputs(SYS_sendmmsg, ARGS(1, P(messages), 2), 2, &self, &regions);
    assert_int_equal(regions.count, 4);
    assert_int_equal(regions.region[3].length, 1);
    syscall_inputs(SYS_sendto, ARGS(1, P(data), 20, 0, P(data + 50), 16), 20, &self, &regions);
    assert_int_equal(regions.count, 1);
    syscall_inputs(SYS_write, ARGS(1, P(data), 100), -EAGAIN, &self, &regions);
    assert_int_equal(regions.count, 0);
    syscall_inputs(SYS_setsockopt, ARGS(1, 1, 1, P(data), 4), 0, &self, &regions);
    assert_int_equal(regions.count, 0);
    syscall_inputs(SYS_read, ARGS(0, P(data), 100), 60, &self, &regions);
    assert_int_equal(regions.count, 0);
}

struct check_case {
    uint64_t number;
    uint64_t args[6];
    int expected;
    const char *message; /* a part of it; NULL: any */
};

static void test_check(void **state)
{
    static const struct check_case cases[] = {
        {SYS_read, {0}, 0, NULL},
        {SYS_ptrace, {0}, EPERM, "detect_leaks=0"},
        {SYS_io_uring_setup, {0}, ENOSYS, "io_uring_setup"},
        {SYS_rseq, {0}, ENOSYS, NULL},
        {SYS_perf_event_open, {0}, EPERM, NULL},
        {SYS_futex_waitv, {0}, ENOSYS, NULL},
        {SYS_remap_file_pages, {0x1000, 2}, -EOPNOTSUPP, "remap_file_pages(0x1000, 0x2"},
        {400, {1}, ENOSYS, "syscall 400(0x1"},
        {SYS_ioctl, {3, TCGETS}, 0, NULL},
        {SYS_ioctl,
         {3, 0xC0504E41, 7},
         -EOPNOTSUPP,
         "ioctl(3, 0xc0504e41, 0x7): ioctl request "
         "0xc0504e41 (type 'N' 0x4e, number 65, 80 "
         "bytes, in and out) is not modelled"},
        {SYS_ioctl, {3, 0x2285}, -EOPNOTSUPP, "SG_IO"},
        {SYS_ioctl, {3, 0xC0686611}, ENOTTY, "PROCMAP_QUERY"},
        {SYS_fcntl, {3, F_SETLKW}, 0, NULL},
        {SYS_fcntl, {3, 4711}, -EOPNOTSUPP, "4711"},
        {SYS_prctl, {15}, 0, NULL},
        {SYS_prctl, {59}, EINVAL, "PR_SET_SYSCALL_USER_DISPATCH"},
        {SYS_prctl, {4711}, -EOPNOTSUPP, "0x1267"},
        {SYS_arch_prctl, {0x1002}, 0, NULL},
        {SYS_arch_prctl, {0x3001}, EINVAL, NULL},
        {SYS_arch_prctl, {0x7777}, -EOPNOTSUPP, "0x7777"},
        {SYS_unshare, {CLONE_FILES | CLONE_NEWNET}, 0, NULL},
        {SYS_unshare, {CLONE_NEWPID}, -EOPNOTSUPP, "CLONE_NEWPID"},
        {SYS_setns, {3, 0}, 0, NULL},
        {SYS_setns, {3, CLONE_NEWPID}, -EOPNOTSUPP, "CLONE_NEWPID"},
        {SYS_pkey_mprotect, {0x1000, 4096, 1, -1ull}, 0, NULL},
        {SYS_pkey_mprotect, {0x1000, 4096, 1, 1}, EINVAL, NULL},
        {SYS_shmctl, {1, 99}, EINVAL, NULL},
        {SYS_getsockopt, {3, IPPROTO_SCTP, 1}, -EOPNOTSUPP, "SCTP"},
        {SYS_keyctl, {24}, -EOPNOTSUPP, "24"},
    };
    char message[512];
    char tiny[8];

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        int result = syscall_check(cases[i].number, cases[i].args, &self, message, sizeof(message));

        if (result != cases[i].expected || (cases[i].message && !strstr(message, cases[i].message)))
            fail_msg("case %zu: %d, \"%s\"", i, result, message);
        assert_int_equal(result == 0, message[0] == '\0');
        assert_int_equal(syscall_check(cases[i].number, cases[i].args, &self, tiny, sizeof(tiny)),
                         cases[i].expected);
        assert_true(memchr(tiny, '\0', sizeof(tiny)) != NULL);
    }
}

static void test_waits(void **state)
{
    struct sembuf down = {0, -1, 0};
    struct sembuf try_down = {0, -1, IPC_NOWAIT};
    uint64_t zero[2] = {0, 0};
    uint64_t one[2] = {1, 0};

    (void)state;
#define WAITS(call, ...) syscall_waits(SYS_##call, ARGS(__VA_ARGS__), &self)
    assert_int_equal(WAITS(read, 0), SYSCALL_BLOCKS_READ);
    assert_int_equal(WAITS(stat, 0), SYSCALL_BLOCKS_NEVER);
    assert_int_equal(WAITS(recvmsg, 0, 0, MSG_DONTWAIT), SYSCALL_BLOCKS_NEVER);
    assert_int_equal(WAITS(recvmsg, 0, 0, MSG_PEEK), SYSCALL_BLOCKS_READ);
    assert_int_equal(WAITS(poll, 0, 0, 0), SYSCALL_BLOCKS_NEVER);
    assert_int_equal(WAITS(poll, 0, 0, -1ull), SYSCALL_BLOCKS_OTHER);
    assert_int_equal(WAITS(select, 0, 0, 0, 0, P(zero)), SYSCALL_BLOCKS_NEVER);
    assert_int_equal(WAITS(select, 0, 0, 0, 0, P(one)), SYSCALL_BLOCKS_OTHER);
    assert_int_equal(WAITS(select, 0, 0, 0, 0, 0), SYSCALL_BLOCKS_OTHER);
    assert_int_equal(WAITS(semop, 0, P(&down), 1), SYSCALL_BLOCKS_OTHER);
    assert_int_equal(WAITS(semop, 0, P(&try_down), 1), SYSCALL_BLOCKS_NEVER);
    assert_int_equal(WAITS(fcntl, 0, F_GETFL), SYSCALL_BLOCKS_NEVER);
    assert_int_equal(WAITS(fcntl, 0, F_OFD_SETLKW), SYSCALL_BLOCKS_OTHER);
    assert_int_equal(WAITS(ioctl, 0, TIOCGWINSZ), SYSCALL_BLOCKS_NEVER);
    assert_int_equal(WAITS(ioctl, 0, TCSBRK), SYSCALL_BLOCKS_KERNEL);
    assert_int_equal(WAITS(openat, 0, 0, O_RDONLY), SYSCALL_BLOCKS_KERNEL);
    assert_int_equal(WAITS(openat, 0, 0, O_RDONLY | O_NONBLOCK), SYSCALL_BLOCKS_NEVER);
    assert_int_equal(WAITS(wait4, 0, 0, 1), SYSCALL_BLOCKS_NEVER);
    assert_int_equal(WAITS(flock, 0, 6), SYSCALL_BLOCKS_NEVER);
    assert_int_equal(WAITS(flock, 0, 2), SYSCALL_BLOCKS_OTHER);
#undef WAITS
}

static void test_returns_fd(void **state)
{
    (void)state;
    assert_true(syscall_returns_fd(SYS_openat, ARGS(0)));
    assert_true(syscall_returns_fd(SYS_fcntl, ARGS(0, F_DUPFD_CLOEXEC)));
    assert_true(syscall_returns_fd(SYS_ioctl, ARGS(0, 0x5441)));
    assert_false(syscall_returns_fd(SYS_fcntl, ARGS(0, F_GETFD)));
    assert_false(syscall_returns_fd(SYS_ioctl, ARGS(0, TCGETS)));
    assert_false(syscall_returns_fd(SYS_pipe2, ARGS(0)));
    assert_false(syscall_returns_fd(SYS_read, ARGS(0)));
}

static void expect_text(const char *expected, uint64_t number, const uint64_t args[6])
{
    char text[256];

    assert_int_equal(syscall_format(number, args, &self, text, sizeof(text)), strlen(expected));
    assert_string_equal(text, expected);
}

static void test_format(void **state)
{
    struct sockaddr_in in = {AF_INET, htons(80), {htonl(INADDR_LOOPBACK)}, {0}};
    struct sockaddr_un un = {AF_UNIX, "/run/socket"};
    struct sockaddr_un hidden = {AF_UNIX, "\0name"};
    const char *path = "/etc/passwd";
    char data[] = "a\"b\\c\nd\x01";

    (void)state;
    expect_text("openat(AT_FDCWD, \"/etc/passwd\", O_RDONLY|O_CLOEXEC)", SYS_openat,
                ARGS((uint32_t)AT_FDCWD, P(path), O_CLOEXEC, 0123));
    expect_text("openat(5, \"/etc/passwd\", O_RDWR|O_CREAT|O_TRUNC, 0644)", SYS_openat,
                ARGS(5, P(path), O_RDWR | O_CREAT | O_TRUNC, 0644));
    expect_text("openat(5, \"/etc/passwd\", O_WRONLY|O_TMPFILE, 0600)", SYS_openat,
                ARGS(5, P(path), O_WRONLY | O_TMPFILE, 0600));
    expect_text("write(1, \"a\\\"b\\\\c\\nd\\x01\", 8)", SYS_write, ARGS(1, P(data), 8));
    expect_text("mmap(NULL, 4096, PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0)",
                SYS_mmap, ARGS(0, 4096, 3, MAP_PRIVATE | MAP_ANONYMOUS, -1ull, 0));
    expect_text("mprotect(0x10000, 4096, PROT_NONE)", SYS_mprotect, ARGS(0x10000, 4096, 0));
    expect_text("tgkill(7, 8, SIGUSR1)", SYS_tgkill, ARGS(7, 8, SIGUSR1));
    expect_text("kill(-1, 0)", SYS_kill, ARGS(-1ull, 0));
    expect_text("clone(CLONE_VM|CLONE_THREAD|SIGCHLD, NULL, NULL, NULL, NULL)", SYS_clone,
                ARGS(CLONE_VM | CLONE_THREAD | SIGCHLD));
    expect_text("socket(AF_UNIX, SOCK_STREAM|SOCK_CLOEXEC, 0)", SYS_socket,
                ARGS(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    expect_text("connect(3, {AF_INET, 127.0.0.1:80}, 16)", SYS_connect,
                ARGS(3, P(&in), sizeof(in)));
    expect_text("bind(3, {AF_UNIX, \"/run/socket\"}, 110)", SYS_bind, ARGS(3, P(&un), sizeof(un)));
    expect_text("bind(3, {AF_UNIX, @\"name\"}, 7)", SYS_bind, ARGS(3, P(&hidden), 7));
    expect_text("ioctl(0, TCGETS, 0x1234)", SYS_ioctl, ARGS(0, TCGETS, 0x1234));
    expect_text("fcntl(3, F_DUPFD_CLOEXEC, 0xa)", SYS_fcntl, ARGS(3, F_DUPFD_CLOEXEC, 10));
    expect_text("getpid()", SYS_getpid, ARGS(0));
    expect_text("exit_group(1)", SYS_exit_group, ARGS(1));
    expect_text("access(NULL, R_OK|X_OK)", SYS_access, ARGS(0, 5));
    expect_text("access(0x10, F_OK)", SYS_access, ARGS(0x10, 0));
    expect_text("syscall 400(0x1, 0, 0, 0, 0, 0)", 400, ARGS(1));
}

static void test_format_of_futexes_and_limits(void **state)
{
    char text[24];
    char expected[128];
    uint32_t word = 0;

    (void)state;
    snprintf(expected, sizeof(expected),
             "futex(%#llx, FUTEX_WAIT|FUTEX_PRIVATE_FLAG, 1, NULL, NULL, 0)",
             (unsigned long long)P(&word));
    expect_text(expected, SYS_futex, ARGS(P(&word), FUTEX_WAIT | FUTEX_PRIVATE_FLAG, 1));
    assert_int_equal(syscall_format(SYS_openat, ARGS(0, P("/a/very/long/path/name"), 0), &self,
                                    text, sizeof(text)),
                     sizeof(text) - 1);
    assert_string_equal(text, "openat(0, \"/a/very/long");
    assert_int_equal(syscall_format(SYS_openat, ARGS(0), NULL, text, 0), 0);
    syscall_format(SYS_unlink, ARGS(0x1000), NULL, text, sizeof(text));
    assert_string_equal(text, "unlink(0x1000)");
}

static void test_results_and_names(void **state)
{
    char text[32];

    (void)state;
    syscall_format_result(SYS_read, -ENOENT, text, sizeof(text));
    assert_string_equal(text, "-ENOENT");
    syscall_format_result(SYS_read, -512, text, sizeof(text));
    assert_string_equal(text, "-ERESTARTSYS");
    syscall_format_result(SYS_read, -4000, text, sizeof(text));
    assert_string_equal(text, "-4000");
    syscall_format_result(SYS_mmap, 0x7000, text, sizeof(text));
    assert_string_equal(text, "0x7000");
    syscall_format_result(SYS_read, 17, text, sizeof(text));
    assert_string_equal(text, "17");
    for (int i = 1; i <= 133; i++)
        if (i != 41 && i != 58) /* EWOULDBLOCK's and EDEADLOCK's own numbers elsewhere */
            assert_string_not_equal(syscall_errno_name(i), "E?");
    assert_string_equal(syscall_errno_name(0), "E?");
    assert_string_equal(syscall_errno_name(-1), "E?");
    assert_string_equal(syscall_errno_name(9999), "E?");
    for (int i = 1; i <= 64; i++)
        assert_int_equal(syscall_signal_by_name(syscall_signal_name(i)), i);
    assert_string_equal(syscall_signal_name(0), "SIG?");
    assert_string_equal(syscall_signal_name(65), "SIG?");
    assert_int_equal(syscall_signal_by_name("USR1"), SIGUSR1);
    assert_int_equal(syscall_signal_by_name("sigusr1"), SIGUSR1);
    assert_int_equal(syscall_signal_by_name("SIGPOLL"), SIGIO);
    assert_int_equal(syscall_signal_by_name("RTMIN+20"), 54);
    assert_int_equal(syscall_signal_by_name("SIGRTMAX-30"), 34);
    assert_int_equal(syscall_signal_by_name("SIGRTMAX-31"), -1);
    assert_int_equal(syscall_signal_by_name("SIGRTMIN+"), -1);
    assert_int_equal(syscall_signal_by_name("SIGNOTHING"), -1);
    assert_int_equal(syscall_signal_by_name(""), -1);
}

/* Nothing that a program passes makes the table crash. */
static void test_random_arguments(void **state)
{
    static struct syscall_regions regions;
    static char memory[8192];
    static const int64_t results[] = {0, 1, 100, INT64_MAX, -EFAULT, -EINTR, -514, -EINVAL};
    struct random_stream random;
    char text[300];

    (void)state;
    random_init(&random, 5, RANDOM_DATA);
    for (int round = 0; round < 200; round++) {
        random_fill(&random, memory, sizeof(memory));
        for (uint64_t number = 0; number < SYSCALL_NUMBER_LIMIT; number++) {
            uint64_t args[6];
            int64_t result = results[random_below(&random, COUNT(results))];

            for (int i = 0; i < 6; i++) {
                args[i] = random_u64(&random) >> random_below(&random, 64);
                if (random_below(&random, 2))
                    args[i] = P(memory) + random_below(&random, sizeof(memory));
            }
            assert_int_equal(syscall_outputs(number, args, result, &self, &regions), 0);
            assert_true(regions.count <= SYSCALL_REGION_MAX);
            for (size_t i = 0; i < regions.count && result < 0; i++)
                assert_true(regions.region[i].length <= 16u << 20);
            assert_true(syscall_inputs(number, args, result, &self, &regions) <= 0);
            syscall_check(number, args, &self, text, sizeof(text));
            syscall_waits(number, args, &self);
            assert_true(syscall_format(number, args, &self, text, sizeof(text)) < sizeof(text));
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_kernel_number_has_its_row),
        cmocka_unit_test(test_enough_rows_are_modelled),
        cmocka_unit_test(test_rows_are_consistent),
        cmocka_unit_test(test_regions_are_tight),
        cmocka_unit_test(test_many_regions_are_compacted),
        cmocka_unit_test(test_inputs),
        cmocka_unit_test(test_check),
        cmocka_unit_test(test_waits),
        cmocka_unit_test(test_returns_fd),
        cmocka_unit_test(test_format),
        cmocka_unit_test(test_format_of_futexes_and_limits),
        cmocka_unit_test(test_results_and_names),
        cmocka_unit_test(test_random_arguments),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
