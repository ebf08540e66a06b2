/* System calls executed by a stopped tracee, and the area they go through. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "include/rrtest/recorder_page.h"
#include "recorder/base/file.h"
#include "recorder/blob/blob.h"
#include "recorder/tracee/tracee.h"
#include "recorder/tracee/wait.h"

#define RING_END_OFFSET (RECORDER_RING + RECORDER_RING_SIZE - RECORDER_PAGE_ADDRESS)

static int open_sockets(struct tracee_area *area)
{
    int pair[2];

    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
        return -errno;
    area->socket = pair[0];
    area->socket_tracee = pair[1];
    return 0;
}

static void fill_page(struct tracee_area *area)
{
    *tracee_page_word(area, PAGE_ENTRY_TICK) = (int64_t)blob_address(BLOB_ENTRY_TICK);
    *tracee_page_word(area, PAGE_ENTRY_ATOMIC) = (int64_t)blob_address(BLOB_ENTRY_ATOMIC);
    *tracee_page_word(area, PAGE_ENTRY_CPUID) = (int64_t)blob_address(BLOB_ENTRY_CPUID);
    *tracee_page_word(area, PAGE_ENTRY_RDTSC) = (int64_t)blob_address(BLOB_ENTRY_RDTSC);
    *tracee_page_word(area, PAGE_ENTRY_RANDOM) = (int64_t)blob_address(BLOB_ENTRY_RANDOM);
    *tracee_page_word(area, PAGE_ENTRY_CALL) = (int64_t)blob_address(BLOB_ENTRY_CALL);
    *tracee_page_word(area, PAGE_TICKS) = INT64_MAX;
    *tracee_page_word(area, PAGE_ATOMICS) = INT64_MAX;
    area->blob_syscall = blob_address(BLOB_ENTRY_SYSCALL);
    area->blob_untraced = blob_address(BLOB_ENTRY_UNTRACED);
}

int tracee_area_open(struct tracee_area *area)
{
    int error;

    memset(area, 0, sizeof(*area));
    area->memfd = area->socket = area->socket_tracee = -1;
    area->page = NULL;
    area->memfd = memfd_create("rrtest", MFD_CLOEXEC);
    if (area->memfd < 0)
        return -errno;
    if (ftruncate(area->memfd, RECORDER_AREA_SIZE) < 0)
        goto fail;
    if (pwrite(area->memfd, blob_code, blob_size(), RECORDER_PAGE_SIZE) != (ssize_t)blob_size())
        goto fail;
    area->page = mmap(NULL, RECORDER_PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, area->memfd, 0);
    if (area->page == MAP_FAILED) {
        area->page = NULL;
        goto fail;
    }
    if (open_sockets(area))
        goto fail;
    fill_page(area);
    return 0;
fail:
    error = -errno;
    tracee_area_close(area);
    return error;
}

#define CLEARED_MAX (256u << 10)

/* All zero behind the ring: few pages have ever been written there. */
static int clear_rest(struct tracee_area *area)
{
    const off_t end = RECORDER_PAGE_SIZE;
    off_t from = RING_END_OFFSET, to;

    while (from < end && (from = lseek(area->memfd, from, SEEK_DATA)) >= 0 && from < end) {
        to = lseek(area->memfd, from, SEEK_HOLE);
        if (to < 0 || to > end)
            to = end;
        if (to - from > CLEARED_MAX)
            return fallocate(area->memfd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, from,
                             end - from) < 0
                       ? -errno
                       : 0;
        memset(area->page + from, 0, (size_t)(to - from));
        from = to;
    }
    return 0;
}

int tracee_area_renew(struct tracee_area *area)
{
    int error;

    close_fd(&area->socket);
    close_fd(&area->socket_tracee);
    /* between lie the handlers' stack and the ring: nobody reads there what he has not written */
    memset(area->page, 0, RECORDER_STACK_BOTTOM - RECORDER_PAGE_ADDRESS);
    error = clear_rest(area);
    if (!error)
        error = open_sockets(area);
    if (error)
        tracee_area_close(area);
    else
        fill_page(area);
    return error;
}

void tracee_area_close(struct tracee_area *area)
{
    if (area->page)
        munmap(area->page, RECORDER_PAGE_SIZE);
    area->page = NULL;
    close_fd(&area->memfd);
    close_fd(&area->socket);
    close_fd(&area->socket_tracee);
}

static void put_call(struct user_regs_struct *r, uint64_t at, uint64_t nr, const uint64_t args[6])
{
    r->rip = at;
    r->rax = nr;
    r->orig_rax = (unsigned long long)-1;
    r->rdi = args[0];
    r->rsi = args[1];
    r->rdx = args[2];
    r->r10 = args[3];
    r->r8 = args[4];
    r->r9 = args[5];
    r->rbx = RECORDER_PAGE_ADDRESS + PAGE_BATCH; /* the blob stores the result there... */
    r->rbp = 1;                                  /* ... and traps after one call */
    r->eflags &= ~0x100ull;                      /* no single stepping through the blob */
}

/* Raised by what the tracee executes, which would only raise it again. */
static bool is_fault(pid_t tid, int signal)
{
    siginfo_t info;

    return (signal == SIGSEGV || signal == SIGBUS) &&
           ptrace(PTRACE_GETSIGINFO, tid, 0, &info) == 0 && info.si_code > 0;
}

/* Resume until the int3 behind the call; signals that come in meanwhile are kept for later by the
 * kernel only if we do not swallow them: they are re-queued to the tracee by the caller's model, so
 * here the harmless ones of a dying child (SIGCHLD) are dropped. */
static int run_to_trap(pid_t tid, int request)
{
    for (;;) {
        struct stop stop;
        int error;

        if (ptrace(request, tid, 0, 0) < 0)
            return -errno;
        do
            error = wait_next(tid, true, &stop);
        while (error == -EINTR);
        if (error < 0)
            return error;
        if (stop.kind == STOP_SIGNAL && stop.signal == SIGTRAP)
            return 0;
        if (stop.kind == STOP_SIGNAL && is_fault(tid, stop.signal))
            return -EFAULT;
        if (stop.kind == STOP_SIGNAL || stop.kind == STOP_INITIAL || stop.kind == STOP_SECCOMP)
            continue;
        return stop.kind == STOP_DEAD || stop.kind == STOP_EXIT ? -ESRCH : -EPROTO;
    }
}

int tracee_call(const struct tracee_area *area, pid_t tid, const struct user_regs_struct *regs,
                uint64_t nr, const uint64_t args[6], int64_t *ret)
{
    struct user_regs_struct r = *regs;
    int error;

    put_call(&r, area->blob_syscall, nr, args);
    error = tracee_set_regs(tid, &r);
    if (!error)
        error = run_to_trap(tid, PTRACE_CONT);
    if (!error)
        error = tracee_get_regs(tid, &r);
    if (!error)
        *ret = (int64_t)r.rax;
    return error;
}

/* Layout of the scratch area: struct msghdr, iovec, one byte of data, control message. */
struct scratch {
    uint64_t name, name_length, iov, iov_count, control, control_length, flags;
    uint64_t iov_base, iov_length;
    uint64_t byte;
    uint64_t control_data[4];
};

_Static_assert(PAGE_SCRATCH + offsetof(struct scratch, control_data) + CMSG_LEN(0) == PAGE_BATCH_FD,
               "the blob finds the received descriptor there");

static int send_fd(const struct tracee_area *area, int fd)
{
    union {
        char space[CMSG_SPACE(sizeof(int))];
        struct cmsghdr align;
    } control = {0};
    char byte = 0;
    struct iovec iov = {&byte, 1};
    struct msghdr message = {.msg_iov = &iov,
                             .msg_iovlen = 1,
                             .msg_control = &control,
                             .msg_controllen = sizeof(control)};
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    struct scratch *scratch = (struct scratch *)(void *)(area->page + PAGE_SCRATCH);
    uint64_t base = RECORDER_PAGE_ADDRESS + PAGE_SCRATCH;

    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(header), &fd, sizeof(fd));
    if (sendmsg(area->socket, &message, MSG_NOSIGNAL) < 0)
        return -errno;
    memset(scratch, 0, sizeof(*scratch));
    scratch->iov = base + offsetof(struct scratch, iov_base);
    scratch->iov_count = 1;
    scratch->control = base + offsetof(struct scratch, control_data);
    scratch->control_length = CMSG_SPACE(sizeof(int));
    scratch->iov_base = base + offsetof(struct scratch, byte);
    scratch->iov_length = 1;
    return 0;
}

static const uint64_t receive_args[6] = {TRACEE_FD_SOCKET, RECORDER_PAGE_ADDRESS + PAGE_SCRATCH,
                                         MSG_DONTWAIT};

int tracee_send_fd(const struct tracee_area *area, pid_t tid, const struct user_regs_struct *regs,
                   int fd, int *ret_fd)
{
    const struct scratch *scratch = (const struct scratch *)(void *)(area->page + PAGE_SCRATCH);
    int64_t result;
    int error = send_fd(area, fd);

    if (!error)
        error = tracee_call(area, tid, regs, SYS_recvmsg, receive_args, &result);
    if (error)
        return error;
    if (result < 0)
        return (int)result;
    memcpy(ret_fd, area->page + PAGE_BATCH_FD, sizeof(int));
    return scratch->control_length >= CMSG_LEN(sizeof(int)) ? 0 : -EMFILE;
}

void tracee_batch_init(struct tracee_batch *batch)
{
    batch->count = 0;
}

size_t tracee_batch_room(const struct tracee_batch *batch)
{
    return PAGE_BATCH_MAX - batch->count;
}

void tracee_batch_add(struct tracee_batch *batch, uint64_t nr, const uint64_t args[6])
{
    if (tracee_batch_room(batch) == 0)
        return;
    batch->call[batch->count].nr = nr;
    memcpy(batch->call[batch->count].args, args, sizeof(batch->call[0].args));
    batch->count++;
}

int tracee_batch_add_fd(const struct tracee_area *area, struct tracee_batch *batch, int fd)
{
    int error = send_fd(area, fd);

    if (!error)
        tracee_batch_add(batch, SYS_recvmsg, receive_args);
    return error;
}

int tracee_batch_run(const struct tracee_area *area, pid_t tid, const struct user_regs_struct *regs,
                     struct tracee_batch *batch)
{
    struct user_regs_struct r = *regs;
    int error;

    _Static_assert(sizeof(batch->call[0]) == PAGE_BATCH_ENTRY_SIZE, "the blob's entry size");
    if (batch->count == 0)
        return 0;
    memcpy(area->page + PAGE_BATCH, batch->call, batch->count * sizeof(batch->call[0]));
    put_call(&r, blob_address(BLOB_ENTRY_BATCH), 0, (uint64_t[6]){0});
    r.rbx = RECORDER_PAGE_ADDRESS + PAGE_BATCH;
    r.rbp = batch->count;
    error = tracee_set_regs(tid, &r);
    if (!error)
        error = run_to_trap(tid, PTRACE_CONT);
    if (!error)
        memcpy(batch->call, area->page + PAGE_BATCH, batch->count * sizeof(batch->call[0]));
    return error;
}

/* ---- the first batch of a fresh space ------------------------------------------------------ */

/* Registers hold the first mmap, but for rax, which the kernel sets at the end of execve; the code
 * makes the second one and goes to the batch:
 *
 *      mov eax, SYS_mmap
 *      syscall
 *      mov eax, SYS_mmap;  mov edi, address;  mov esi, length
 *      mov edx, prot;      mov r10d, flags;   mov r9d, offset
 *      syscall
 *      mov rbx, entries;   mov ebp, count;    mov eax, batch;  jmp rax
 *
 * All immediates are below 2 GiB. If a mapping fails, the jump or its target faults. */
#define FIRST_CODE_SIZE 58

static uint8_t *put_immediate(uint8_t *at, const uint8_t *opcode, size_t length, uint64_t value)
{
    uint32_t immediate = (uint32_t)value;

    memcpy(at, opcode, length);
    memcpy(at + length, &immediate, 4);
    return at + length + 4;
}

static void make_first_code(uint8_t code[FIRST_CODE_SIZE], size_t count)
{
    static const uint8_t kernel[] = {0x0f, 0x05}, jump[] = {0xff, 0xe0};
    const struct {
        uint8_t opcode[2];
        uint8_t length;
        uint64_t value;
    } loads[] = {
        {{0xb8}, 1, SYS_mmap},
        {{0xbf}, 1, RECORDER_BLOB_ADDRESS},
        {{0xbe}, 1, RECORDER_BLOB_SIZE},
        {{0xba}, 1, PROT_READ | PROT_EXEC},
        {{0x41, 0xba}, 2, MAP_PRIVATE | MAP_FIXED},
        {{0x41, 0xb9}, 2, RECORDER_PAGE_SIZE},
    };
    uint8_t *at = put_immediate(code, loads[0].opcode, loads[0].length, loads[0].value);

    memcpy(at, kernel, 2);
    at += 2;
    for (size_t i = 0; i < sizeof(loads) / sizeof(*loads); i++)
        at = put_immediate(at, loads[i].opcode, loads[i].length, loads[i].value);
    memcpy(at, kernel, 2);
    at += 2;
    at = put_immediate(at, (const uint8_t[]){0xbb}, 1, RECORDER_PAGE_ADDRESS + PAGE_BATCH);
    at = put_immediate(at, (const uint8_t[]){0xbd}, 1, count);
    at = put_immediate(at, (const uint8_t[]){0xb8}, 1, blob_address(BLOB_ENTRY_BATCH));
    memcpy(at, jump, 2);
}

/* Where the code lies: in one page. */
static uint64_t first_place(uint64_t ip)
{
    return (ip & 4095) + FIRST_CODE_SIZE <= 4096 ? ip : ip & ~4095ull;
}

int tracee_batch_run_first(const struct tracee_area *area, pid_t tid,
                           const struct user_regs_struct *regs, struct tracee_batch *batch)
{
    uint8_t code[FIRST_CODE_SIZE], before[FIRST_CODE_SIZE], after[FIRST_CODE_SIZE];
    struct user_regs_struct r = *regs;
    uint64_t at = first_place(regs->rip);
    cleanup_fd int memory = tracee_open_memory(tid);
    int error;

    if (batch->count == 0)
        return -EINVAL;
    if (memory < 0)
        return memory;
    make_first_code(code, batch->count);
    memcpy(area->page + PAGE_BATCH, batch->call, batch->count * sizeof(batch->call[0]));
    put_call(&r, at, SYS_mmap,
             (uint64_t[6]){RECORDER_PAGE_ADDRESS, RECORDER_PAGE_SIZE, PROT_READ | PROT_WRITE,
                           MAP_SHARED | MAP_FIXED, TRACEE_FD_AREA, 0});
    if (pread(memory, before, sizeof(before), (off_t)at) != sizeof(before) ||
        pwrite(memory, code, sizeof(code), (off_t)at) != sizeof(code))
        return -EFAULT;
    error = tracee_set_regs(tid, &r);
    if (!error)
        error = run_to_trap(tid, PTRACE_CONT);
    if (error)
        return error;
    memcpy(batch->call, area->page + PAGE_BATCH, batch->count * sizeof(batch->call[0]));
    /* the batch may have mapped something else over it */
    if (pread(memory, after, sizeof(after), (off_t)at) == sizeof(after) &&
        memcmp(after, code, sizeof(code)) == 0 &&
        pwrite(memory, before, sizeof(before), (off_t)at) != sizeof(before))
        return -EFAULT;
    return 0;
}

/* ---- clones -------------------------------------------------------------------------------- */

static int await_birth(pid_t child)
{
    struct stop stop;
    int got;

    do
        got = wait_next(child, true, &stop);
    while (got == -EINTR);
    if (got < 0)
        return got;
    return stop.kind == STOP_INITIAL ? 0 : (stop.kind == STOP_DEAD ? -ESRCH : -EPROTO);
}

int tracee_clone(const struct tracee_area *area, pid_t tid, const struct user_regs_struct *regs,
                 uint64_t flags, pid_t *ret_child)
{
    struct user_regs_struct r = *regs;
    struct stop stop;
    pid_t child = 0;
    int error;

    put_call(&r, area->blob_syscall, SYS_clone, (uint64_t[6]){flags});
    error = tracee_set_regs(tid, &r);
    while (!error) {
        if (ptrace(PTRACE_CONT, tid, 0, 0) < 0)
            return -errno;
        do
            error = wait_next(tid, true, &stop);
        while (error == -EINTR);
        if (error < 0)
            return error;
        error = 0;
        if (stop.kind == STOP_CLONE)
            child = (pid_t)stop.message;
        else if (stop.kind == STOP_SIGNAL && stop.signal == SIGTRAP)
            break;
        else if (stop.kind == STOP_DEAD || stop.kind == STOP_EXIT)
            error = -ESRCH;
    }
    if (!error)
        error = tracee_get_regs(tid, &r);
    if (error)
        return error;
    if ((int64_t)r.rax < 0)
        return (int)r.rax;
    error = child ? await_birth(child) : -EPROTO;
    if (!error)
        *ret_child = child;
    return error;
}
