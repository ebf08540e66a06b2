/* What the handlers of irregular system calls have in common: the call they get, the regions they
 * fill, and their table. A handler serves the arguments that no shape describes; the row's other
 * arguments are served by engine.c. Internal to recorder/syscalls/. */
#ifndef RECORDER_SYSCALLS_IRREGULAR_IRREGULAR_H
#define RECORDER_SYSCALLS_IRREGULAR_IRREGULAR_H

#include "recorder/syscalls/syscalls.h"

/* One name per handler: row->irregular. */
#define IRREGULAR_LIST(X)                   \
    X(IOCTL, ioctl)                         \
    X(FCNTL, fcntl)                         \
    X(PRCTL, prctl)                         \
    X(ARCH_PRCTL, arch_prctl)               \
    X(RECVMSG, recvmsg)                     \
    X(RECVMMSG, recvmmsg)                   \
    X(SENDMSG, sendmsg)                     \
    X(SENDMMSG, sendmmsg)                   \
    X(GETSOCKOPT, getsockopt)               \
    X(SETSOCKOPT, setsockopt)               \
    X(POLL, poll)                           \
    X(PPOLL, ppoll)                         \
    X(SELECT, select)                       \
    X(EPOLL_WAIT, epoll_wait)               \
    X(MADVISE, madvise)                     \
    X(PROCESS_MADVISE, process_madvise)     \
    X(PKEY_MPROTECT, pkey_mprotect)         \
    X(MINCORE, mincore)                     \
    X(GET_MEMPOLICY, get_mempolicy)         \
    X(MOVE_PAGES, move_pages)               \
    X(PROCESS_VM_READV, process_vm_readv)   \
    X(PROCESS_VM_WRITEV, process_vm_writev) \
    X(MSGRCV, msgrcv)                       \
    X(MSGSND, msgsnd)                       \
    X(MSGCTL, msgctl)                       \
    X(SEMCTL, semctl)                       \
    X(SHMCTL, shmctl)                       \
    X(MQ_TIMEDSEND, mq_timedsend)           \
    X(CAPGET, capget)                       \
    X(GETGROUPS, getgroups)                 \
    X(WAIT4, wait4)                         \
    X(UNSHARE, unshare)                     \
    X(SETNS, setns)                         \
    X(QUOTACTL, quotactl)                   \
    X(KEYCTL, keyctl)                       \
    X(SYSLOG, syslog)                       \
    X(SYSFS, sysfs)                         \
    X(NAME_TO_HANDLE, name_to_handle)       \
    X(STATMOUNT, statmount)                 \
    X(LISTMOUNT, listmount)                 \
    X(VMSPLICE, vmsplice)                   \
    X(GETXATTRAT, getxattrat)

enum irregular_id {
    IRREGULAR_NONE,
#define X(upper, lower) IRREGULAR_##upper,
    IRREGULAR_LIST(X)
#undef X
        IRREGULAR_COUNT
};

struct irregular_call {
    uint64_t number;
    const uint64_t *args;
    int64_t result;
    const struct syscall_memory *memory;
};

static inline uint64_t irregular_smaller(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* Any member may be NULL. The contracts are those of syscall_outputs, syscall_inputs (both append),
 * syscall_check and syscall_waits. */
struct irregular_handler {
    int (*outputs)(const struct irregular_call *call, struct syscall_regions *ret);
    int (*inputs)(const struct irregular_call *call, struct syscall_regions *ret);
    int (*check)(const struct irregular_call *call, char *message, size_t size);
    enum syscall_blocks (*blocks)(const struct irregular_call *call);
};

#define X(upper, lower) extern const struct irregular_handler irregular_##lower;
IRREGULAR_LIST(X)
#undef X

/* NULL: IRREGULAR_NONE. */
const struct irregular_handler *irregular_by_id(uint16_t id);

/* Copies go to user space piece by piece, so a call that ends with -EFAULT may have written the
 * first part of what it had. No call throws more away than the largest socket buffer piece. */
#define IRREGULAR_FAULT_MAX (256u << 10)
/* Where a failed call's own numbers say how much it can have stored: no region is longer, so that a
 * caller can make room for it. */
#define IRREGULAR_ERROR_MAX (16u << 20)

/* regions.c. NULL and empty regions are ignored; a full list is compacted first. 0 or -E2BIG. */
int regions_add(struct syscall_regions *ret, uint64_t address, uint64_t length);
/* As regions_add, but the list keeps its order and is never compacted: for inputs. */
int regions_append(struct syscall_regions *ret, uint64_t address, uint64_t length);
/* The first `limit` bytes that the `count` iovecs at `address` describe. */
int regions_add_iovec(struct syscall_regions *ret, const struct syscall_memory *memory,
                      uint64_t address, uint64_t count, uint64_t limit);
int regions_append_iovec(struct syscall_regions *ret, const struct syscall_memory *memory,
                         uint64_t address, uint64_t count, uint64_t limit);
/* A socket address of value-result length, and that length. */
int regions_add_sockaddr(struct syscall_regions *ret, const struct syscall_memory *memory,
                         uint64_t address, uint64_t length_address);

/* True, and *ret filled, if the tracee's memory could be read. */
bool irregular_read(const struct irregular_call *call, uint64_t address, void *ret, size_t length);
/* The call ended because of a signal: -EINTR, or the kernel's own restart codes before the exit
 * (include/linux/errno.h). */
bool irregular_interrupted(int64_t result);
/* The most that may have been written of `length` bytes: all on success, a bounded part on -EFAULT,
 * else nothing. */
uint64_t irregular_reach(int64_t result, uint64_t length);

/* `length`, but at most IRREGULAR_ERROR_MAX when the call failed. */
uint64_t irregular_bounded(int64_t result, uint64_t length);

/* Writes "CALL(ARGUMENTS): why" into message. Returns -EOPNOTSUPP. */
int irregular_unsupported(const struct irregular_call *call, char *message, size_t size,
                          const char *format, ...) __attribute__((format(printf, 4, 5)));
/* As irregular_unsupported, but the call is answered with `error` (positive), which it returns. */
int irregular_refused(const struct irregular_call *call, int error, char *message, size_t size,
                      const char *format, ...) __attribute__((format(printf, 5, 6)));

/* Names of sub-calls for syscall_format; NULL: not in the sub-table. */
const char *ioctl_request_name(uint32_t request);
const char *fcntl_command_name(uint32_t command);
const char *prctl_option_name(uint32_t option);
const char *arch_prctl_name(uint32_t code);
size_t ioctl_request_count(void); /* modelled ones */
bool ioctl_returns_fd(uint32_t request);

#endif
