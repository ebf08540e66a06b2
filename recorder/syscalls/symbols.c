/* Symbolic names of flags and enumerations, for messages and dump. */
#include "recorder/syscalls/format.h"

#include <fcntl.h>
#include <linux/futex.h>
#include <linux/mman.h>
#include <sched.h>
#include <stdbool.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <netinet/in.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

#include "recorder/syscalls/irregular/irregular.h"
#include "recorder/syscalls/syscalls.h"

struct symbol {
    const char *name;
    uint64_t value;
};

/* `mask` bits are an enumeration shown first, the others flags; 0: all are flags. */
struct symbol_set {
    const struct symbol *values;
    const struct symbol *flags;
    uint64_t mask;
    const char *zero; /* shown for 0 if the enumeration has no name for it */
};

/* clang-format off */
#define S(name) {#name, (uint32_t)(name)}
#define END     {NULL, 0}
/* clang-format on */

static const struct symbol open_modes[] = {S(O_RDONLY), S(O_WRONLY), S(O_RDWR), END};
static const struct symbol open_flags[] = {S(O_CREAT),
                                           S(O_EXCL),
                                           S(O_NOCTTY),
                                           S(O_TRUNC),
                                           S(O_APPEND),
                                           S(O_NONBLOCK),
                                           S(O_SYNC),
                                           S(O_DSYNC),
                                           S(O_ASYNC),
                                           S(O_DIRECT),
                                           {"O_LARGEFILE", 0100000},
                                           S(O_TMPFILE),
                                           S(O_DIRECTORY),
                                           S(O_NOFOLLOW),
                                           S(O_NOATIME),
                                           S(O_CLOEXEC),
                                           S(O_PATH),
                                           END};
static const struct symbol fd_flags[] = {S(O_CLOEXEC), S(O_NONBLOCK), S(O_DIRECT), END};
static const struct symbol protections[] = {S(PROT_READ),      S(PROT_WRITE),   S(PROT_EXEC),
                                            S(PROT_GROWSDOWN), S(PROT_GROWSUP), END};
static const struct symbol map_types[] = {S(MAP_SHARED), S(MAP_PRIVATE), S(MAP_SHARED_VALIDATE),
                                          END};
static const struct symbol map_flags[] = {
    S(MAP_FIXED),      S(MAP_ANONYMOUS), {"MAP_FIXED_NOREPLACE", 0x100000},
    S(MAP_32BIT),      S(MAP_GROWSDOWN), S(MAP_DENYWRITE),
    S(MAP_EXECUTABLE), S(MAP_LOCKED),    S(MAP_NORESERVE),
    S(MAP_POPULATE),   S(MAP_NONBLOCK),  S(MAP_STACK),
    S(MAP_HUGETLB),    S(MAP_SYNC),      END};
static const struct symbol remap_flags[] = {S(MREMAP_MAYMOVE), S(MREMAP_FIXED), S(MREMAP_DONTUNMAP),
                                            END};
static const struct symbol advice[] = {S(MADV_NORMAL),
                                       S(MADV_RANDOM),
                                       S(MADV_SEQUENTIAL),
                                       S(MADV_WILLNEED),
                                       S(MADV_DONTNEED),
                                       S(MADV_FREE),
                                       S(MADV_REMOVE),
                                       S(MADV_DONTFORK),
                                       S(MADV_DOFORK),
                                       S(MADV_MERGEABLE),
                                       S(MADV_UNMERGEABLE),
                                       S(MADV_HUGEPAGE),
                                       S(MADV_NOHUGEPAGE),
                                       S(MADV_DONTDUMP),
                                       S(MADV_DODUMP),
                                       S(MADV_WIPEONFORK),
                                       S(MADV_KEEPONFORK),
                                       S(MADV_COLD),
                                       S(MADV_PAGEOUT),
                                       S(MADV_POPULATE_READ),
                                       S(MADV_POPULATE_WRITE),
                                       {"MADV_DONTNEED_LOCKED", 24},
                                       {"MADV_COLLAPSE", 25},
                                       S(MADV_HWPOISON),
                                       {"MADV_SOFT_OFFLINE", 101},
                                       {"MADV_GUARD_INSTALL", 102},
                                       {"MADV_GUARD_REMOVE", 103},
                                       END};
static const struct symbol sync_flags[] = {S(MS_ASYNC), S(MS_INVALIDATE), S(MS_SYNC), END};
static const struct symbol access_flags[] = {S(R_OK), S(W_OK), S(X_OK), END};
static const struct symbol at_flags[] = {S(AT_SYMLINK_NOFOLLOW),
                                         S(AT_EACCESS),
                                         S(AT_SYMLINK_FOLLOW),
                                         S(AT_NO_AUTOMOUNT),
                                         S(AT_EMPTY_PATH),
                                         {"AT_STATX_FORCE_SYNC", 0x2000},
                                         {"AT_STATX_DONT_SYNC", 0x4000},
                                         END};
static const struct symbol whences[] = {S(SEEK_SET),  S(SEEK_CUR),  S(SEEK_END),
                                        S(SEEK_DATA), S(SEEK_HOLE), END};
static const struct symbol futex_operations[] = {
    S(FUTEX_WAIT),           S(FUTEX_WAKE),        S(FUTEX_FD),
    S(FUTEX_REQUEUE),        S(FUTEX_CMP_REQUEUE), S(FUTEX_WAKE_OP),
    S(FUTEX_LOCK_PI),        S(FUTEX_UNLOCK_PI),   S(FUTEX_TRYLOCK_PI),
    S(FUTEX_WAIT_BITSET),    S(FUTEX_WAKE_BITSET), S(FUTEX_WAIT_REQUEUE_PI),
    S(FUTEX_CMP_REQUEUE_PI), S(FUTEX_LOCK_PI2),    END};
static const struct symbol futex_flags[] = {S(FUTEX_PRIVATE_FLAG), S(FUTEX_CLOCK_REALTIME), END};
static const struct symbol clone_flags[] = {S(CLONE_VM),
                                            S(CLONE_FS),
                                            S(CLONE_FILES),
                                            S(CLONE_SIGHAND),
                                            S(CLONE_PIDFD),
                                            S(CLONE_PTRACE),
                                            S(CLONE_VFORK),
                                            S(CLONE_PARENT),
                                            S(CLONE_THREAD),
                                            S(CLONE_NEWNS),
                                            S(CLONE_SYSVSEM),
                                            S(CLONE_SETTLS),
                                            S(CLONE_PARENT_SETTID),
                                            S(CLONE_CHILD_CLEARTID),
                                            S(CLONE_DETACHED),
                                            S(CLONE_UNTRACED),
                                            S(CLONE_CHILD_SETTID),
                                            S(CLONE_NEWCGROUP),
                                            S(CLONE_NEWUTS),
                                            S(CLONE_NEWIPC),
                                            S(CLONE_NEWUSER),
                                            S(CLONE_NEWPID),
                                            S(CLONE_NEWNET),
                                            S(CLONE_IO),
                                            END};
static const struct symbol domains[] = {S(AF_UNSPEC),    S(AF_UNIX),   S(AF_INET), S(AF_INET6),
                                        S(AF_NETLINK),   S(AF_PACKET), S(AF_ALG),  S(AF_VSOCK),
                                        S(AF_BLUETOOTH), S(AF_CAN),    END};
static const struct symbol socket_types[] = {
    S(SOCK_STREAM),    S(SOCK_DGRAM), S(SOCK_RAW),    S(SOCK_RDM),
    S(SOCK_SEQPACKET), S(SOCK_DCCP),  S(SOCK_PACKET), END};
static const struct symbol socket_flags[] = {S(SOCK_CLOEXEC), S(SOCK_NONBLOCK), END};
static const struct symbol levels[] = {{"SOL_IP", IPPROTO_IP},
                                       S(SOL_SOCKET),
                                       {"SOL_TCP", IPPROTO_TCP},
                                       {"SOL_UDP", IPPROTO_UDP},
                                       {"SOL_IPV6", IPPROTO_IPV6},
                                       {"SOL_PACKET", 263},
                                       {"SOL_NETLINK", 270},
                                       {"SOL_ALG", 279},
                                       END};
static const struct symbol message_flags[] = {
    S(MSG_OOB),          S(MSG_PEEK), S(MSG_DONTROUTE),  S(MSG_CTRUNC),   S(MSG_TRUNC),
    S(MSG_DONTWAIT),     S(MSG_EOR),  S(MSG_WAITALL),    S(MSG_CONFIRM),  S(MSG_ERRQUEUE),
    S(MSG_NOSIGNAL),     S(MSG_MORE), S(MSG_WAITFORONE), S(MSG_ZEROCOPY), S(MSG_FASTOPEN),
    S(MSG_CMSG_CLOEXEC), END};
static const struct symbol shutdowns[] = {S(SHUT_RD), S(SHUT_WR), S(SHUT_RDWR), END};
static const struct symbol clocks[] = {
    S(CLOCK_REALTIME),          S(CLOCK_MONOTONIC),     S(CLOCK_PROCESS_CPUTIME_ID),
    S(CLOCK_THREAD_CPUTIME_ID), S(CLOCK_MONOTONIC_RAW), S(CLOCK_REALTIME_COARSE),
    S(CLOCK_MONOTONIC_COARSE),  S(CLOCK_BOOTTIME),      S(CLOCK_REALTIME_ALARM),
    S(CLOCK_BOOTTIME_ALARM),    S(CLOCK_TAI),           END};
static const struct symbol itimers[] = {
    {"ITIMER_REAL", 0}, {"ITIMER_VIRTUAL", 1}, {"ITIMER_PROF", 2}, END};
static const struct symbol mask_hows[] = {S(SIG_BLOCK), S(SIG_UNBLOCK), S(SIG_SETMASK), END};
static const struct symbol wait_flags[] = {S(WNOHANG),
                                           S(WUNTRACED),
                                           S(WEXITED),
                                           S(WCONTINUED),
                                           S(WNOWAIT),
                                           {"__WNOTHREAD", 0x20000000},
                                           {"__WALL", 0x40000000},
                                           {"__WCLONE", 0x80000000},
                                           END};
static const struct symbol epoll_commands[] = {S(EPOLL_CTL_ADD), S(EPOLL_CTL_DEL), S(EPOLL_CTL_MOD),
                                               END};
static const struct symbol resources[] = {{"RLIMIT_CPU", 0},
                                          {"RLIMIT_FSIZE", 1},
                                          {"RLIMIT_DATA", 2},
                                          {"RLIMIT_STACK", 3},
                                          {"RLIMIT_CORE", 4},
                                          {"RLIMIT_RSS", 5},
                                          {"RLIMIT_NPROC", 6},
                                          {"RLIMIT_NOFILE", 7},
                                          {"RLIMIT_MEMLOCK", 8},
                                          {"RLIMIT_AS", 9},
                                          {"RLIMIT_LOCKS", 10},
                                          {"RLIMIT_SIGPENDING", 11},
                                          {"RLIMIT_MSGQUEUE", 12},
                                          {"RLIMIT_NICE", 13},
                                          {"RLIMIT_RTPRIO", 14},
                                          {"RLIMIT_RTTIME", 15},
                                          END};
static const struct symbol locks[] = {S(LOCK_SH), S(LOCK_EX), S(LOCK_UN), S(LOCK_NB), END};

static const struct symbol_set sets[TEXT_COUNT] = {
    [TEXT_OPEN_FLAGS] = {open_modes, open_flags, O_ACCMODE, NULL},
    [TEXT_FD_FLAGS] = {NULL, fd_flags, 0, "0"},
    [TEXT_PROT] = {NULL, protections, 0, "PROT_NONE"},
    [TEXT_MAP_FLAGS] = {map_types, map_flags, MAP_TYPE, "0"},
    [TEXT_REMAP_FLAGS] = {NULL, remap_flags, 0, "0"},
    [TEXT_ADVICE] = {advice, NULL, UINT64_MAX, NULL},
    [TEXT_SYNC_FLAGS] = {NULL, sync_flags, 0, "0"},
    [TEXT_ACCESS] = {NULL, access_flags, 0, "F_OK"},
    [TEXT_AT_FLAGS] = {NULL, at_flags, 0, "0"},
    [TEXT_WHENCE] = {whences, NULL, UINT64_MAX, NULL},
    [TEXT_FUTEX] = {futex_operations, futex_flags, 0x7f, NULL},
    [TEXT_DOMAIN] = {domains, NULL, UINT64_MAX, NULL},
    [TEXT_SOCKET_TYPE] = {socket_types, socket_flags, 0xf, NULL},
    [TEXT_SOCKET_LEVEL] = {levels, NULL, UINT64_MAX, NULL},
    [TEXT_MESSAGE_FLAGS] = {NULL, message_flags, 0, "0"},
    [TEXT_SHUTDOWN] = {shutdowns, NULL, UINT64_MAX, NULL},
    [TEXT_CLOCK] = {clocks, NULL, UINT64_MAX, NULL},
    [TEXT_ITIMER] = {itimers, NULL, UINT64_MAX, NULL},
    [TEXT_MASK_HOW] = {mask_hows, NULL, UINT64_MAX, NULL},
    [TEXT_WAIT_FLAGS] = {NULL, wait_flags, 0, "0"},
    [TEXT_EPOLL_COMMAND] = {epoll_commands, NULL, UINT64_MAX, NULL},
    [TEXT_RESOURCE] = {resources, NULL, UINT64_MAX, NULL},
    [TEXT_LOCK] = {NULL, locks, 0, "0"},
};

static void put_part(struct format_text *text, const char *name)
{
    format_put(text, "%s%s", text->length ? "|" : "", name);
}

static void put_flags(struct format_text *text, const struct symbol *flags, uint64_t *rest)
{
    for (; flags && flags->name; flags++) {
        if (flags->value == 0 || (*rest & flags->value) != flags->value)
            continue;
        put_part(text, flags->name);
        *rest &= ~flags->value;
    }
}

static bool put_value(struct format_text *text, const struct symbol *values, uint64_t value)
{
    for (; values && values->name; values++)
        if (values->value == value) {
            put_part(text, values->name);
            return true;
        }
    return false;
}

static void put_set(struct format_text *text, const struct symbol_set *set, uint64_t value)
{
    uint64_t rest = value & ~set->mask;

    if (!put_value(text, set->values, value & set->mask)) {
        if (set->mask == UINT64_MAX)
            format_put(text, "%d", (int32_t)value);
        else
            rest = value;
    }
    if (set->mask == UINT64_MAX)
        return;
    put_flags(text, set->flags, &rest);
    if (rest)
        format_put(text, "%s%#llx", text->length ? "|" : "", (unsigned long long)rest);
    else if (text->length == 0)
        format_put(text, "%s", set->zero ? set->zero : "0");
}

/* The low byte is the signal the child's end sends. */
static void put_clone_flags(struct format_text *text, uint64_t value)
{
    uint64_t rest = value & ~0xffull;

    put_flags(text, clone_flags, &rest);
    if (rest)
        format_put(text, "%s%#llx", text->length ? "|" : "", (unsigned long long)rest);
    if (value & 0xff)
        put_part(text, syscall_signal_name((int)(value & 0xff)));
    if (text->length == 0)
        format_put(text, "0");
}

size_t symbols_format(enum syscall_text kind, uint64_t value, char *ret, size_t size)
{
    struct format_text text = {ret, size, 0};
    const char *name = NULL;

    value = (uint32_t)value; /* every argument shown so is an int in the kernel, but clone's */
    switch (kind) {
    case TEXT_IOCTL:
        name = ioctl_request_name((uint32_t)value);
        break;
    case TEXT_FCNTL:
        name = fcntl_command_name((uint32_t)value);
        break;
    case TEXT_PRCTL:
        name = prctl_option_name((uint32_t)value);
        break;
    case TEXT_ARCH_PRCTL:
        name = arch_prctl_name((uint32_t)value);
        break;
    case TEXT_SIGNAL:
        name = value >= 1 && value <= 64 ? syscall_signal_name((int)value) : NULL;
        break;
    case TEXT_CLONE_FLAGS:
        put_clone_flags(&text, value);
        return text.length;
    default:
        if (!sets[kind].values && !sets[kind].flags)
            return 0;
        put_set(&text, &sets[kind], value);
        return text.length;
    }
    if (!name)
        return 0;
    format_put(&text, "%s", name);
    return text.length;
}
