/* The launcher: ptrace, a seccomp filter that stops at executable mmaps only, remote mmaps. */
#include "recorder/images/tests/launch.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <rrtest/recorder_page.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#include "recorder/base/file.h"
#include "recorder/images/image.h"
#include "recorder/images/tests/launcher.h"

#define OPTIONS                                                                               \
    (PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK | PTRACE_O_TRACECLONE | \
     PTRACE_O_TRACEEXEC | PTRACE_O_TRACEEXIT | PTRACE_O_TRACESECCOMP | PTRACE_O_EXITKILL)

/* Private to this harness, behind the page's own fields; launcher.h has more. */
#define PAGE_PATH 0x200
#define BLOB_GADGET (RECORDER_BLOB_ADDRESS + 0x100)

/* Flag-free code, since the live form of a tick must keep the flags:
 *   tick:    count the trap, reload the counter, go on at rcx
 *   atomic:  the same for the other counter
 *   special: run the instruction that the stub holds at rcx */
static size_t blob_counter(uint8_t *code, uint32_t counter)
{
    const uint32_t page = RECORDER_PAGE_ADDRESS;
    const struct {
        uint8_t opcode[5];
        uint8_t count;
        uint32_t address;
    } steps[] = {
        {{0x48, 0x89, 0x0c, 0x25}, 4, page + PAGE_JUMP},      /* mov [jump], rcx */
        {{0x48, 0x8b, 0x0c, 0x25}, 4, page + PAGE_TRAPS},     /* mov rcx, [traps] */
        {{0x48, 0x8d, 0x49, 0x01}, 4, 0},                     /* lea rcx, [rcx + 1] */
        {{0x48, 0x89, 0x0c, 0x25}, 4, page + PAGE_TRAPS},     /* mov [traps], rcx */
        {{0x48, 0x8b, 0x0c, 0x25}, 4, page + PAGE_RELOAD},    /* mov rcx, [reload] */
        {{0x48, 0x89, 0x0c, 0x25}, 4, page + counter},        /* mov [counter], rcx */
        {{0x48, 0x8b, 0x0c, 0x25}, 4, page + PAGE_SPILL_RCX}, /* mov rcx, [spill] */
        {{0xff, 0x24, 0x25}, 3, page + PAGE_JUMP},            /* jmp *[jump] */
    };
    size_t at = 0;

    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
        memcpy(code + at, steps[i].opcode, steps[i].count);
        at += steps[i].count;
        if (steps[i].address == 0)
            continue;
        memcpy(code + at, &steps[i].address, 4);
        at += 4;
    }
    return at;
}

static size_t blob_special(uint8_t *code)
{
    static const uint8_t bytes[] = {
        0x48,           0x89, 0x0c, 0x25, PAGE_JUMP, 0,    0,    0x70,      0x48, 0x8b, 0x0c, 0x25,
        PAGE_SPILL_RCX, 0,    0,    0x70, 0xff,      0x24, 0x25, PAGE_JUMP, 0,    0,    0x70};

    memcpy(code, bytes, sizeof(bytes));
    return sizeof(bytes);
}

static void make_area(const struct launch *launch, uint8_t *area)
{
    uint8_t *blob = area + RECORDER_PAGE_SIZE;
    int64_t period = launch->period ? launch->period : NEVER;
    uint64_t entry = RECORDER_BLOB_ADDRESS;

    *blob++ = 0xcc; /* where the first trap of a stepped process stops */
    entry += launch->steps ? 0 : 1;
    memcpy(area + PAGE_TICKS, &period, 8);
    memcpy(area + PAGE_ATOMICS, &period, 8);
    period--; /* the trap at -1 was the period's last point */
    memcpy(area + PAGE_RELOAD, &period, 8);
    memcpy(area + PAGE_ENTRY_TICK, &entry, 8);
    entry = RECORDER_BLOB_ADDRESS + 1 + blob_counter(blob, PAGE_TICKS);
    memcpy(area + PAGE_ENTRY_ATOMIC, &entry, 8);
    blob = area + RECORDER_PAGE_SIZE + (entry - RECORDER_BLOB_ADDRESS);
    entry += blob_counter(blob, PAGE_ATOMICS);
    memcpy(area + PAGE_ENTRY_CPUID, &entry, 8);
    memcpy(area + PAGE_ENTRY_RDTSC, &entry, 8);
    memcpy(area + PAGE_ENTRY_RANDOM, &entry, 8);
    blob = area + RECORDER_PAGE_SIZE + (entry - RECORDER_BLOB_ADDRESS);
    blob_special(blob);
    blob = area + RECORDER_PAGE_SIZE + (BLOB_GADGET - RECORDER_BLOB_ADDRESS);
    memcpy(blob, (const uint8_t[]){0x0f, 0x05, 0xcc}, 3); /* syscall; int3 */
    memcpy(blob + 3, (const uint8_t[]){0xff, 0xe1}, 2);   /* jmp *%rcx: every call goes its way */
    entry = BLOB_GADGET + 3;
    memcpy(area + PAGE_ENTRY_CALL, &entry, 8);
}

int launcher_poke(pid_t pid, uint64_t address, const void *data, size_t length)
{
    struct iovec local = {.iov_base = (void *)(uintptr_t)data, .iov_len = length};
    struct iovec remote = {.iov_base = (void *)(uintptr_t)address, .iov_len = length};

    return process_vm_writev(pid, &local, 1, &remote, 1, 0) == (ssize_t)length ? 0 : -errno;
}

int launcher_peek(pid_t pid, uint64_t address, void *data, size_t length)
{
    struct iovec local = {.iov_base = data, .iov_len = length};
    struct iovec remote = {.iov_base = (void *)(uintptr_t)address, .iov_len = length};

    return process_vm_readv(pid, &local, 1, &remote, 1, 0) == (ssize_t)length ? 0 : -errno;
}

/* Runs one system call in the stopped tracee from a `syscall; int3` at `gadget`. */
static int64_t remote_call(pid_t pid, uint64_t gadget, uint64_t nr, const uint64_t arguments[6])
{
    struct user_regs_struct saved, regs;
    int status;

    if (ptrace(PTRACE_GETREGS, pid, 0, &saved) < 0)
        return -errno;
    regs = saved;
    regs.rip = gadget;
    regs.rax = nr;
    regs.orig_rax = UINT64_MAX;
    regs.rdi = arguments[0];
    regs.rsi = arguments[1];
    regs.rdx = arguments[2];
    regs.r10 = arguments[3];
    regs.r8 = arguments[4];
    regs.r9 = arguments[5];
    if (ptrace(PTRACE_SETREGS, pid, 0, &regs) < 0)
        return -errno;
    do {
        ptrace(PTRACE_CONT, pid, 0, 0);
        if (waitpid(pid, &status, __WALL) != pid || !WIFSTOPPED(status))
            return -ESRCH;
    } while (status >> 8 == (SIGTRAP | PTRACE_EVENT_SECCOMP << 8));
    ptrace(PTRACE_GETREGS, pid, 0, &regs);
    ptrace(PTRACE_SETREGS, pid, 0, &saved);
    return WSTOPSIG(status) == SIGTRAP ? (int64_t)regs.rax : -EIO;
}

static int64_t remote_mmap(pid_t pid, uint64_t gadget, uint64_t address, uint64_t length,
                           int protection, int flags, int64_t fd, uint64_t offset)
{
    const uint64_t arguments[6] = {address,         length,       (uint64_t)protection,
                                   (uint64_t)flags, (uint64_t)fd, offset};

    return remote_call(pid, gadget, SYS_mmap, arguments);
}

/* The page and the blob of a fresh address space, through the program's own first bytes. */
static int map_area(const struct launch *launch, pid_t pid)
{
    uint8_t area[RECORDER_AREA_SIZE] = {0};
    struct user_regs_struct regs;
    uint64_t place = RECORDER_PAGE_ADDRESS;
    long word;
    int64_t result;

    ptrace(PTRACE_GETREGS, pid, 0, &regs);
    word = ptrace(PTRACE_PEEKTEXT, pid, regs.rip, 0);
    ptrace(PTRACE_POKETEXT, pid, regs.rip, (word & ~0xffffffl) | 0xcc050f);
    result =
        remote_mmap(pid, regs.rip, place, RECORDER_AREA_SIZE, PROT_READ | PROT_WRITE | PROT_EXEC,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
    ptrace(PTRACE_POKETEXT, pid, regs.rip, word);
    if (result != (int64_t)place)
        return -EEXIST;
    make_area(launch, area);
    return launcher_poke(pid, place, area, sizeof(area));
}

static struct loaded *load_image(struct launcher *l, const char *path)
{
    struct loaded *slot = &l->loaded[l->loaded_count];
    cleanup_fd int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct rr_error error = {0};
    struct stat st;

    if (fd < 0 || fstat(fd, &st) < 0 || l->loaded_count == 256)
        return NULL;
    for (size_t i = 0; i < l->loaded_count; i++)
        if (l->loaded[i].device == st.st_dev && l->loaded[i].inode == st.st_ino)
            return &l->loaded[i];
    *slot = (struct loaded){.device = st.st_dev, .inode = st.st_ino};
    if (image_open(l->launch->cache, fd, IMAGE_OPTION_CALLS, &slot->image, &error))
        fprintf(stderr, "launch: %s: %s\n", path, error.message);
    l->loaded_count++;
    return slot;
}

static bool map_segments(struct launcher *l, pid_t pid, const struct image *image, const char *path,
                         uint64_t bias, int64_t fd)
{
    for (size_t pass = 0; pass < 2; pass++) {
        for (size_t i = 0; i < image_segment_count(image); i++) {
            const struct image_segment *s = image_segment(image, i);
            int flags = MAP_PRIVATE | (s->stubs ? MAP_FIXED_NOREPLACE : MAP_FIXED);
            int64_t result;

            if (s->stubs != (pass == 0))
                continue; /* stubs first: without them the text stays as it is */
            result = remote_mmap(pid, BLOB_GADGET, bias + s->address, s->length,
                                 PROT_READ | PROT_EXEC, flags, fd, s->cache_offset);
            if (result != (int64_t)(bias + s->address)) {
                l->result->conflicts++;
                return false;
            }
        }
    }
    l->result->images++;
    if (pid == l->first && l->mapped_count < sizeof(l->mapped) / sizeof(l->mapped[0])) {
        struct mapped *m = &l->mapped[l->mapped_count++];

        *m = (struct mapped){.image = image, .bias = bias};
        snprintf(m->path, sizeof(m->path), "%s", path);
    }
    return true;
}

/* Lay the rewritten image of `path` over its executable mapping at `start`. */
static void overlay(struct launcher *l, pid_t pid, const char *path, uint64_t start,
                    uint64_t offset)
{
    const struct loaded *loaded = load_image(l, path);
    char fd_path[64];
    uint64_t bias = UINT64_MAX;
    int64_t fd;

    if (!loaded || !loaded->image)
        return;
    for (size_t i = 0; i < image_segment_count(loaded->image); i++)
        if (image_segment(loaded->image, i)->file_offset == offset)
            bias = start - image_segment(loaded->image, i)->address;
    if (bias == UINT64_MAX)
        return;
    snprintf(fd_path, sizeof(fd_path), "/proc/%d/fd/%d", (int)getpid(), image_fd(loaded->image));
    launcher_poke(pid, RECORDER_PAGE_ADDRESS + PAGE_PATH, fd_path, strlen(fd_path) + 1);
    fd = remote_call(pid, BLOB_GADGET, SYS_open,
                     (const uint64_t[6]){RECORDER_PAGE_ADDRESS + PAGE_PATH, O_RDONLY});
    if (fd < 0)
        return;
    map_segments(l, pid, loaded->image, path, bias, fd);
    remote_call(pid, BLOB_GADGET, SYS_close, (const uint64_t[6]){(uint64_t)fd});
}

/* Overlay the file mappings with PROT_EXEC that start at `only`, or all of them. */
static void overlay_maps(struct launcher *l, pid_t pid, uint64_t only)
{
    char path[64], line[4500];
    struct {
        char path[4096];
        uint64_t start, offset;
    } *found = calloc(64, sizeof(*found));
    size_t count = 0;
    FILE *maps;

    snprintf(path, sizeof(path), "/proc/%d/maps", (int)pid);
    maps = fopen(path, "re");
    while (found && maps && fgets(line, sizeof(line), maps) && count < 64) {
        unsigned long start, end, offset;
        char protection[8];

        if (sscanf(line, "%lx-%lx %7s %lx %*s %*s %4095[^\n]", &start, &end, protection, &offset,
                   found[count].path) != 5 ||
            protection[2] != 'x' || found[count].path[0] != '/' || (only != 0 && start != only))
            continue;
        found[count].start = start;
        found[count++].offset = offset;
    }
    if (maps)
        fclose(maps);
    for (size_t i = 0; i < count; i++)
        overlay(l, pid, found[i].path, found[i].start, found[i].offset);
    free(found);
}

/* A seccomp stop at an mmap with PROT_EXEC: let it run, then look at what it mapped. */
void launcher_on_mmap(struct launcher *l, pid_t pid)
{
    struct user_regs_struct regs;
    int status;

    ptrace(PTRACE_SYSCALL, pid, 0, 0);
    if (waitpid(pid, &status, __WALL) != pid || !WIFSTOPPED(status) ||
        WSTOPSIG(status) != (SIGTRAP | 0x80))
        return;
    ptrace(PTRACE_GETREGS, pid, 0, &regs);
    if ((int64_t)regs.rax > 0)
        overlay_maps(l, pid, regs.rax);
}

/* The event comes before execve() has returned; registers count only behind its exit stop. */
static void on_exec(struct launcher *l, pid_t pid)
{
    int status;

    ptrace(PTRACE_SYSCALL, pid, 0, 0);
    if (waitpid(pid, &status, __WALL) == pid && WIFSTOPPED(status) && map_area(l->launch, pid) == 0)
        overlay_maps(l, pid, 0);
}

static void on_leave(struct launcher *l, pid_t pid)
{
    int64_t period = l->launch->period ? l->launch->period : NEVER;
    int64_t ticks, atomics, traps;

    if (launcher_peek(pid, RECORDER_PAGE_ADDRESS + PAGE_TICKS, &ticks, 8) ||
        launcher_peek(pid, RECORDER_PAGE_ADDRESS + PAGE_ATOMICS, &atomics, 8) ||
        launcher_peek(pid, RECORDER_PAGE_ADDRESS + PAGE_TRAPS, &traps, 8))
        return;
    /* Traps are not told apart: with a period the sum counts, without one there are none. */
    l->result->ticks += (uint64_t)(period - ticks + traps * period);
    l->result->atomics += (uint64_t)(period - atomics);
    l->result->traps += (uint64_t)traps;
}

static void on_stop(struct launcher *l, pid_t pid, int status)
{
    int event = status >> 16;
    int signal = WSTOPSIG(status);

    if (event == PTRACE_EVENT_EXEC) {
        on_exec(l, pid);
        signal = 0;
    } else if (event == PTRACE_EVENT_SECCOMP) {
        launcher_on_mmap(l, pid);
        signal = 0;
    } else if (event == PTRACE_EVENT_EXIT) {
        on_leave(l, pid);
        signal = 0;
    } else if (signal == SIGTRAP && event == 0 && launcher_step(l, pid)) {
        return;
    } else if (event != 0 || signal == SIGTRAP || signal == (SIGTRAP | 0x80) || signal == SIGSTOP) {
        signal = 0;
    }
    ptrace(PTRACE_CONT, pid, 0, signal);
}

/* RET_TRACE for mmap with PROT_EXEC of a file, RET_ALLOW for all else. */
static int install_filter(void)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_mmap, 0, 5),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[2])),
        BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, PROT_EXEC, 0, 3),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[3])),
        BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, MAP_ANONYMOUS, 1, 0),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRACE),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {.len = sizeof(code) / sizeof(code[0]), .filter = code};

    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        return -errno;
    return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) < 0 ? -errno : 0;
}

static void run_child(const struct launch *launch, int output)
{
    int input = open(launch->input ? launch->input : "/dev/null", O_RDONLY);
    char *argv[64];
    size_t count = 0;

    dup2(input, 0);
    dup2(output, 1);
    if (launch->silent)
        dup2(open("/dev/null", O_WRONLY), 2);
    personality(ADDR_NO_RANDOMIZE);
    for (size_t i = 0; launch->environment && launch->environment[i]; i++)
        putenv((char *)(uintptr_t)launch->environment[i]);
    if (!launch->native) {
        if (ptrace(PTRACE_TRACEME, 0, 0, 0) < 0)
            _exit(126);
        raise(SIGSTOP);
        if (install_filter())
            _exit(126);
    }
    for (; launch->argv[count] && count < 63; count++)
        argv[count] = (char *)(uintptr_t)launch->argv[count];
    argv[count] = NULL;
    execv(argv[0], argv);
    _exit(127);
}

static void trace(struct launcher *l)
{
    for (;;) {
        struct rusage usage;
        int status;
        pid_t pid = wait4(-1, &status, __WALL, &usage);

        if (pid < 0)
            return;
        if (WIFSTOPPED(status)) {
            on_stop(l, pid, status);
            continue;
        }
        if (pid != l->first)
            continue;
        l->result->status = status;
        l->result->user_seconds =
            (double)usage.ru_utime.tv_sec + (double)usage.ru_utime.tv_usec / 1e6;
        l->result->total_seconds = l->result->user_seconds + (double)usage.ru_stime.tv_sec +
                                   (double)usage.ru_stime.tv_usec / 1e6;
    }
}

static int collect(int fd, struct bytes *ret)
{
    struct stat st;

    if (fstat(fd, &st) < 0)
        return -errno;
    if (st.st_size == 0)
        return 0;
    return file_pread_all(fd, bytes_extend(ret, (size_t)st.st_size), (size_t)st.st_size, 0);
}

int launch_run(const struct launch *launch, struct launch_result *ret)
{
    struct launcher *l = calloc(1, sizeof(*l));
    cleanup_fd int output =
        launch->discard ? open("/dev/null", O_WRONLY) : memfd_create("output", 0);
    int status, result = 0;

    memset(ret, 0, sizeof(*ret));
    if (!l || output < 0)
        return -ENOMEM;
    l->launch = launch;
    l->result = ret;
    l->first = fork();
    if (l->first == 0)
        run_child(launch, output);
    if (!launch->native) {
        if (waitpid(l->first, &status, 0) != l->first || !WIFSTOPPED(status))
            result = -EPERM;
        else if (ptrace(PTRACE_SETOPTIONS, l->first, 0, OPTIONS) < 0)
            result = -errno;
        else
            ptrace(PTRACE_CONT, l->first, 0, 0);
    }
    if (!result)
        trace(l);
    if (!result && !launch->discard)
        result = collect(output, &ret->output);
    for (size_t i = 0; i < l->loaded_count; i++)
        image_free(l->loaded[i].image);
    free(l);
    return result;
}
