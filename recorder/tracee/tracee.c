/* ptrace requests on one stopped tracee. */
#include "recorder/tracee/tracee.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <unistd.h>

#include "recorder/base/file.h"

int tracee_get_regs(pid_t tid, struct user_regs_struct *ret)
{
    return ptrace(PTRACE_GETREGS, tid, 0, ret) < 0 ? -errno : 0;
}

int tracee_set_regs(pid_t tid, const struct user_regs_struct *regs)
{
    return ptrace(PTRACE_SETREGS, tid, 0, regs) < 0 ? -errno : 0;
}

bool tracee_step_was_empty(pid_t tid)
{
    siginfo_t info;

    return ptrace(PTRACE_GETSIGINFO, tid, 0, &info) == 0 && info.si_code == TRAP_BRKPT;
}

static struct iovec remote_range(uint64_t address, size_t length)
{
    return (struct iovec){(void *)(uintptr_t)address, length};
}

size_t tracee_read_some(pid_t tid, uint64_t address, void *ret, size_t length)
{
    size_t done = 0;

    while (done < length) {
        /* page by page: a short count of process_vm_readv may lose the readable part of an element
         */
        size_t piece = 4096 - ((address + done) & 4095);
        struct iovec local, remote;
        ssize_t n;

        if (piece > length - done)
            piece = length - done;
        local = (struct iovec){(char *)ret + done, piece};
        remote = remote_range(address + done, piece);
        n = process_vm_readv(tid, &local, 1, &remote, 1, 0);
        if (n <= 0)
            break;
        done += (size_t)n;
    }
    return done;
}

int tracee_read(pid_t tid, uint64_t address, void *ret, size_t length)
{
    struct iovec local = {ret, length};
    struct iovec remote = remote_range(address, length);
    ssize_t n;

    if (length == 0)
        return 0;
    n = process_vm_readv(tid, &local, 1, &remote, 1, 0);
    if (n < 0)
        return -errno;
    return (size_t)n == length ? 0 : -EFAULT;
}

int tracee_read_words(pid_t tid, const uint64_t *addresses, size_t count, uint64_t *ret)
{
    struct iovec local = {ret, 8 * count}, remote[8];
    ssize_t n;

    if (count > sizeof(remote) / sizeof(*remote))
        return -EINVAL;
    for (size_t i = 0; i < count; i++)
        remote[i] = remote_range(addresses[i], 8);
    n = process_vm_readv(tid, &local, 1, remote, count, 0);
    if (n < 0)
        return -errno;
    return (size_t)n == 8 * count ? 0 : -EFAULT;
}

int tracee_write(pid_t tid, uint64_t address, const void *data, size_t length)
{
    struct iovec local = {(void *)(uintptr_t)data, length};
    struct iovec remote = remote_range(address, length);
    ssize_t n;

    if (length == 0)
        return 0;
    n = process_vm_writev(tid, &local, 1, &remote, 1, 0);
    if (n < 0)
        return -errno;
    return (size_t)n == length ? 0 : -EFAULT;
}

static int open_mem(pid_t tid, int flags)
{
    char path[64];

    snprintf(path, sizeof(path), "/proc/%d/mem", tid);
    return open(path, flags | O_CLOEXEC);
}

int tracee_open_memory(pid_t tid)
{
    int fd = open_mem(tid, O_RDWR);

    return fd < 0 ? -errno : fd;
}

/* ptrace reaches as far as /proc/TID/mem, a word at a time: for where no /proc is mounted. data of
 * a write is not changed. */
static int transfer_words(pid_t tid, uint64_t address, void *data, size_t length, bool write)
{
    size_t done = 0;

    while (done < length) {
        uint64_t at = (address + done) & ~(sizeof(long) - 1);
        size_t skip = address + done - at, n = sizeof(long) - skip;
        long word;

        if (n > length - done)
            n = length - done;
        errno = 0;
        word = ptrace(PTRACE_PEEKDATA, tid, at, 0);
        if (errno)
            return errno == EIO ? -EFAULT : -errno;
        if (write) {
            memcpy((char *)&word + skip, (char *)data + done, n);
            if (ptrace(PTRACE_POKEDATA, tid, at, word) < 0)
                return errno == EIO ? -EFAULT : -errno;
        } else {
            memcpy((char *)data + done, (char *)&word + skip, n);
        }
        done += n;
    }
    return 0;
}

int tracee_write_forced(pid_t tid, uint64_t address, const void *data, size_t length)
{
    cleanup_fd int fd = open_mem(tid, O_RDWR);
    size_t done = 0;

    if (fd < 0)
        return errno == ENOENT ? transfer_words(tid, address, (void *)(uintptr_t)data, length, true)
                               : -errno;
    while (done < length) {
        ssize_t n = pwrite(fd, (const char *)data + done, length - done, (off_t)(address + done));

        if (n <= 0)
            return n < 0 ? (errno == EIO ? -EFAULT : -errno) : -ESRCH;
        done += (size_t)n;
    }
    return 0;
}

int tracee_read_forced(pid_t tid, uint64_t address, void *ret, size_t length)
{
    cleanup_fd int fd = open_mem(tid, O_RDONLY);
    size_t done = 0;

    if (fd < 0)
        return errno == ENOENT ? transfer_words(tid, address, ret, length, false) : -errno;
    while (done < length) {
        ssize_t n = pread(fd, (char *)ret + done, length - done, (off_t)(address + done));

        if (n <= 0)
            return n < 0 ? (errno == EIO ? -EFAULT : -errno) : -ESRCH;
        done += (size_t)n;
    }
    return 0;
}
