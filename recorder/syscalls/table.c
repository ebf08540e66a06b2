/* The rows of syscalls.def as an array, and the two ways to find one. A second row for a number is
 * a build error here (-Woverride-init). */
#include "recorder/syscalls/syscalls.h"

#include <errno.h>
#include <mqueue.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysinfo.h>
#include <sys/time.h>
#include <sys/times.h>
#include <sys/utsname.h>
#include <sys/vfs.h>
#include <time.h>

#include "recorder/syscalls/abi.h"
#include "recorder/syscalls/format.h"
#include "recorder/syscalls/irregular/irregular.h"

#pragma GCC diagnostic error "-Woverride-init"

_Static_assert(sizeof(struct stat) == SIZE_STAT, "stat");
_Static_assert(sizeof(struct statx) == SIZE_STATX, "statx");
_Static_assert(sizeof(struct statfs) == SIZE_STATFS, "statfs");
_Static_assert(sizeof(struct timespec) == SIZE_TIMESPEC, "timespec");
_Static_assert(sizeof(struct timeval) == SIZE_TIMEVAL, "timeval");
_Static_assert(sizeof(struct timezone) == SIZE_TIMEZONE, "timezone");
_Static_assert(sizeof(struct itimerval) == SIZE_ITIMER, "itimerval");
_Static_assert(sizeof(struct itimerspec) == SIZE_ITIMER, "itimerspec");
_Static_assert(sizeof(struct tms) == SIZE_TMS, "tms");
_Static_assert(sizeof(struct rlimit) == SIZE_RLIMIT, "rlimit");
_Static_assert(sizeof(struct rusage) == SIZE_RUSAGE, "rusage");
_Static_assert(sizeof(struct sysinfo) == SIZE_SYSINFO, "sysinfo");
_Static_assert(sizeof(struct utsname) == SIZE_UTSNAME, "utsname");
_Static_assert(sizeof(siginfo_t) == SIZE_SIGINFO, "siginfo");
_Static_assert(sizeof(struct sigevent) == SIZE_SIGEVENT, "sigevent");
_Static_assert(sizeof(stack_t) == SIZE_STACK, "stack_t");
_Static_assert(sizeof(struct epoll_event) == SIZE_EPOLL_EVENT, "epoll_event");
_Static_assert(sizeof(struct pollfd) == SIZE_POLLFD, "pollfd");
_Static_assert(sizeof(struct mq_attr) == SIZE_MQ_ATTR, "mq_attr");
_Static_assert(sizeof(struct iovec) == SIZE_IOVEC, "iovec");
_Static_assert(sizeof(struct msghdr) == SIZE_MSGHDR, "msghdr");
_Static_assert(sizeof(struct mmsghdr) == SIZE_MMSGHDR, "mmsghdr");
_Static_assert(sizeof(struct sockaddr_storage) == SIZE_SOCKADDR_STORAGE, "sockaddr_storage");

/* The vocabulary of syscalls.def. */
enum {
    NONE = 0,
    NEW_FD = SYSCALL_FLAG_NEW_FD,
    CLOSES_FD = SYSCALL_FLAG_CLOSES_FD,
    CHANGES_MAPS = SYSCALL_FLAG_CHANGES_MAPS,
    PATHS = SYSCALL_FLAG_PATH,
    WRITES_FILE = SYSCALL_FLAG_WRITES_FILE,
    TIMED = SYSCALL_FLAG_TIMED,
    DATA_IN = SYSCALL_FLAG_DATA_IN,
};
/* clang-format off */
#define VALUE           {SHAPE_VALUE, TEXT_DEFAULT, 0}
#define AS(text)        {SHAPE_VALUE, TEXT_##text, 0}
#define INT             AS(INT)
#define UINT            AS(UINT)
#define HEX             AS(HEX)
#define MODE            AS(OCTAL)
#define FD              {SHAPE_FD, TEXT_DEFAULT, 0}
#define PATH            {SHAPE_PATH, TEXT_DEFAULT, 0}
#define STRING          {SHAPE_STRING, TEXT_DEFAULT, 0}
#define POINTER         {SHAPE_POINTER, TEXT_DEFAULT, 0}
#define IN(bytes)       {SHAPE_IN, TEXT_DEFAULT, bytes}
#define IN_ARG(n)       {SHAPE_IN_ARG, TEXT_DEFAULT, n}
#define SOCKADDR_IN(n)  {SHAPE_IN_ARG, TEXT_SOCKADDR, n}
#define OUT(bytes)      {SHAPE_OUT, TEXT_DEFAULT, bytes}
#define OUT_ALWAYS(bytes) {SHAPE_OUT_ALWAYS, TEXT_DEFAULT, bytes}
#define OUT_RESULT(n)   {SHAPE_OUT_RESULT, TEXT_DEFAULT, n}
#define OUT_ARG(n)      {SHAPE_OUT_ARG, TEXT_DEFAULT, n}
#define INOUT(bytes)    {SHAPE_INOUT, TEXT_DEFAULT, bytes}
#define IOVEC_IN(n)     {SHAPE_IOVEC_IN, TEXT_DEFAULT, n}
#define IOVEC_OUT(n)    {SHAPE_IOVEC_OUT, TEXT_DEFAULT, n}
#define SOCKADDR_OUT(n) {SHAPE_SOCKADDR_OUT, TEXT_DEFAULT, n}
#define IRREGULAR       {SHAPE_IRREGULAR, TEXT_DEFAULT, 0}
/* clang-format on */

#define SYSCALL(number_, name_, class_, blocks_, fd_, flags_, irregular_, ...)                  \
    [number_] = {                                                                               \
        .name = #name_,                                                                         \
        .class = SYSCALL_CLASS_##class_,                                                        \
        .argument_count =                                                                       \
            sizeof((struct syscall_argument[]){__VA_ARGS__}) / sizeof(struct syscall_argument), \
        .blocks = SYSCALL_BLOCKS_##blocks_,                                                     \
        .fd_argument = fd_,                                                                     \
        .flags = flags_,                                                                        \
        .irregular = IRREGULAR_##irregular_,                                                    \
        .arguments = {__VA_ARGS__},                                                             \
    },
#define ANSWERED(number_, name_, class_, count_, error_, reason_) \
    [number_] = {                                                 \
        .name = #name_,                                           \
        .class = class_,                                          \
        .argument_count = count_,                                 \
        .fd_argument = -1,                                        \
        .error = error_,                                          \
        .reason = reason_,                                        \
        .arguments = {HEX, HEX, HEX, HEX, HEX, HEX},              \
    },
#define REFUSE(number_, name_, count_, error_, reason_) \
    ANSWERED(number_, name_, SYSCALL_CLASS_REFUSE, count_, error_, reason_)
#define UNSUPPORTED(number_, name_, count_, reason_) \
    ANSWERED(number_, name_, SYSCALL_CLASS_UNSUPPORTED, count_, 0, reason_)

static const struct syscall_row rows[SYSCALL_NUMBER_LIMIT] = {
#include "recorder/syscalls/syscalls.def"
};

const struct syscall_row *syscall_row_by_number(uint64_t number)
{
    if (number >= SYSCALL_NUMBER_LIMIT || !rows[number].name)
        return NULL;
    return &rows[number];
}

int syscall_number_by_name(const char *name)
{
    for (int i = 0; i < SYSCALL_NUMBER_LIMIT; i++)
        if (rows[i].name && strcmp(rows[i].name, name) == 0)
            return i;
    return -1;
}
