/* Which calls can wait, and which return descriptors, with their actual arguments. */
#include "recorder/syscalls/syscalls.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/ipc.h>
#include <sys/sem.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>

#include "recorder/syscalls/irregular/irregular.h"

enum waiting_rule {
    RULE_NONE,
    RULE_MASK,          /* waits for nothing if the argument has a bit of the mask */
    RULE_ZERO,          /* ... if the argument, an int, is 0 */
    RULE_ZERO_TIMESPEC, /* ... if it points to two zero longs (timespec, timeval) */
    RULE_SEMAPHORES,    /* ... if every operation has IPC_NOWAIT */
    RULE_OPEN_HOW,      /* ... if struct open_how's flags have O_NONBLOCK or O_PATH */
};

struct waiting {
    uint16_t number;
    uint8_t rule;
    uint8_t argument;
    uint32_t mask;
};

static const struct waiting rules[] = {
    {SYS_sendto, RULE_MASK, 3, MSG_DONTWAIT},
    {SYS_recvfrom, RULE_MASK, 3, MSG_DONTWAIT},
    {SYS_sendmsg, RULE_MASK, 2, MSG_DONTWAIT},
    {SYS_recvmsg, RULE_MASK, 2, MSG_DONTWAIT},
    {SYS_sendmmsg, RULE_MASK, 3, MSG_DONTWAIT},
    {SYS_recvmmsg, RULE_MASK, 3, MSG_DONTWAIT},
    {SYS_preadv2, RULE_MASK, 5, RWF_NOWAIT},
    {SYS_pwritev2, RULE_MASK, 5, RWF_NOWAIT},
    {SYS_flock, RULE_MASK, 1, LOCK_NB | LOCK_UN},
    {SYS_wait4, RULE_MASK, 2, WNOHANG},
    {SYS_waitid, RULE_MASK, 3, WNOHANG},
    {SYS_msgsnd, RULE_MASK, 3, IPC_NOWAIT},
    {SYS_msgrcv, RULE_MASK, 4, IPC_NOWAIT},
    {SYS_open, RULE_MASK, 1, O_NONBLOCK | O_PATH | O_DIRECTORY},
    {SYS_openat, RULE_MASK, 2, O_NONBLOCK | O_PATH | O_DIRECTORY},
    {SYS_open_by_handle_at, RULE_MASK, 2, O_NONBLOCK | O_PATH | O_DIRECTORY},
    {SYS_openat2, RULE_OPEN_HOW, 2, O_NONBLOCK | O_PATH | O_DIRECTORY},
    {SYS_poll, RULE_ZERO, 2, 0},
    {SYS_epoll_wait, RULE_ZERO, 3, 0},
    {SYS_epoll_pwait, RULE_ZERO, 3, 0},
    {SYS_epoll_pwait2, RULE_ZERO_TIMESPEC, 3, 0},
    {SYS_ppoll, RULE_ZERO_TIMESPEC, 2, 0},
    {SYS_select, RULE_ZERO_TIMESPEC, 4, 0},
    {SYS_pselect6, RULE_ZERO_TIMESPEC, 4, 0},
    {SYS_rt_sigtimedwait, RULE_ZERO_TIMESPEC, 2, 0},
    {SYS_semop, RULE_SEMAPHORES, 1, 0},
    {SYS_semtimedop, RULE_SEMAPHORES, 1, 0},
};

static bool semaphores_do_not_wait(const struct irregular_call *call)
{
    uint64_t count = (uint32_t)call->args[2];

    for (uint64_t i = 0; i < count; i++) {
        struct sembuf operation;

        if (!irregular_read(call, call->args[1] + i * sizeof(operation), &operation,
                            sizeof(operation)))
            return false;
        if (operation.sem_op <= 0 && !(operation.sem_flg & IPC_NOWAIT))
            return false;
    }
    return true;
}

static bool rule_holds(const struct irregular_call *call, const struct waiting *rule)
{
    uint64_t argument = call->args[rule->argument];
    uint64_t pair[2];

    switch (rule->rule) {
    case RULE_MASK:
        return (argument & rule->mask) != 0;
    case RULE_ZERO:
        return (int32_t)argument == 0;
    case RULE_ZERO_TIMESPEC:
        return irregular_read(call, argument, pair, sizeof(pair)) && pair[0] == 0 && pair[1] == 0;
    case RULE_OPEN_HOW:
        return irregular_read(call, argument, pair, sizeof(pair)) && (pair[0] & rule->mask) != 0;
    case RULE_SEMAPHORES:
        return semaphores_do_not_wait(call);
    default:
        return false;
    }
}

enum syscall_blocks syscall_waits(uint64_t number, const uint64_t args[6],
                                  const struct syscall_memory *memory)
{
    const struct syscall_row *row = syscall_row_by_number(number);
    const struct irregular_call call = {number, args, 0, memory};
    const struct irregular_handler *handler;

    if (!row || row->blocks == SYSCALL_BLOCKS_NEVER)
        return SYSCALL_BLOCKS_NEVER;
    for (size_t i = 0; i < sizeof(rules) / sizeof(*rules); i++)
        if (rules[i].number == number)
            return rule_holds(&call, &rules[i]) ? SYSCALL_BLOCKS_NEVER : row->blocks;
    handler = irregular_by_id(row->irregular);
    return handler && handler->blocks ? handler->blocks(&call) : row->blocks;
}

bool syscall_returns_fd(uint64_t number, const uint64_t args[6])
{
    const struct syscall_row *row = syscall_row_by_number(number);

    if (!row)
        return false;
    switch (number) {
    case SYS_pipe:
    case SYS_pipe2:
    case SYS_socketpair:
        return false;
    case SYS_fcntl:
        return (uint32_t)args[1] == F_DUPFD || (uint32_t)args[1] == F_DUPFD_CLOEXEC;
    case SYS_ioctl:
        return ioctl_returns_fd((uint32_t)args[1]);
    default:
        return (row->flags & SYSCALL_FLAG_NEW_FD) != 0;
    }
}
