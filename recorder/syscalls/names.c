/* Names of errnos and signals. */
#include "recorder/syscalls/syscalls.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define KERNEL_SIGRTMAX 64

static const char *const errnos[] = {
#define ERRNO(name) [name] = #name,
    /* clang-format off */
    ERRNO(EPERM) ERRNO(ENOENT) ERRNO(ESRCH) ERRNO(EINTR) ERRNO(EIO) ERRNO(ENXIO) ERRNO(E2BIG)
    ERRNO(ENOEXEC) ERRNO(EBADF) ERRNO(ECHILD) ERRNO(EAGAIN) ERRNO(ENOMEM) ERRNO(EACCES)
    ERRNO(EFAULT) ERRNO(ENOTBLK) ERRNO(EBUSY) ERRNO(EEXIST) ERRNO(EXDEV) ERRNO(ENODEV)
    ERRNO(ENOTDIR) ERRNO(EISDIR) ERRNO(EINVAL) ERRNO(ENFILE) ERRNO(EMFILE) ERRNO(ENOTTY)
    ERRNO(ETXTBSY) ERRNO(EFBIG) ERRNO(ENOSPC) ERRNO(ESPIPE) ERRNO(EROFS) ERRNO(EMLINK)
    ERRNO(EPIPE) ERRNO(EDOM) ERRNO(ERANGE) ERRNO(EDEADLK) ERRNO(ENAMETOOLONG) ERRNO(ENOLCK)
    ERRNO(ENOSYS) ERRNO(ENOTEMPTY) ERRNO(ELOOP) ERRNO(ENOMSG) ERRNO(EIDRM) ERRNO(ECHRNG)
    ERRNO(EL2NSYNC) ERRNO(EL3HLT) ERRNO(EL3RST) ERRNO(ELNRNG) ERRNO(EUNATCH) ERRNO(ENOCSI)
    ERRNO(EL2HLT) ERRNO(EBADE) ERRNO(EBADR) ERRNO(EXFULL) ERRNO(ENOANO) ERRNO(EBADRQC)
    ERRNO(EBADSLT) ERRNO(EBFONT) ERRNO(ENOSTR) ERRNO(ENODATA) ERRNO(ETIME) ERRNO(ENOSR)
    ERRNO(ENONET) ERRNO(ENOPKG) ERRNO(EREMOTE) ERRNO(ENOLINK) ERRNO(EADV) ERRNO(ESRMNT)
    ERRNO(ECOMM) ERRNO(EPROTO) ERRNO(EMULTIHOP) ERRNO(EDOTDOT) ERRNO(EBADMSG) ERRNO(EOVERFLOW)
    ERRNO(ENOTUNIQ) ERRNO(EBADFD) ERRNO(EREMCHG) ERRNO(ELIBACC) ERRNO(ELIBBAD) ERRNO(ELIBSCN)
    ERRNO(ELIBMAX) ERRNO(ELIBEXEC) ERRNO(EILSEQ) ERRNO(ERESTART) ERRNO(ESTRPIPE) ERRNO(EUSERS)
    ERRNO(ENOTSOCK) ERRNO(EDESTADDRREQ) ERRNO(EMSGSIZE) ERRNO(EPROTOTYPE) ERRNO(ENOPROTOOPT)
    ERRNO(EPROTONOSUPPORT) ERRNO(ESOCKTNOSUPPORT) ERRNO(EOPNOTSUPP) ERRNO(EPFNOSUPPORT)
    ERRNO(EAFNOSUPPORT) ERRNO(EADDRINUSE) ERRNO(EADDRNOTAVAIL) ERRNO(ENETDOWN) ERRNO(ENETUNREACH)
    ERRNO(ENETRESET) ERRNO(ECONNABORTED) ERRNO(ECONNRESET) ERRNO(ENOBUFS) ERRNO(EISCONN)
    ERRNO(ENOTCONN) ERRNO(ESHUTDOWN) ERRNO(ETOOMANYREFS) ERRNO(ETIMEDOUT) ERRNO(ECONNREFUSED)
    ERRNO(EHOSTDOWN) ERRNO(EHOSTUNREACH) ERRNO(EALREADY) ERRNO(EINPROGRESS) ERRNO(ESTALE)
    ERRNO(EUCLEAN) ERRNO(ENOTNAM) ERRNO(ENAVAIL) ERRNO(EISNAM) ERRNO(EREMOTEIO) ERRNO(EDQUOT)
    ERRNO(ENOMEDIUM) ERRNO(EMEDIUMTYPE) ERRNO(ECANCELED) ERRNO(ENOKEY) ERRNO(EKEYEXPIRED)
    ERRNO(EKEYREVOKED) ERRNO(EKEYREJECTED) ERRNO(EOWNERDEAD) ERRNO(ENOTRECOVERABLE) ERRNO(ERFKILL)
    ERRNO(EHWPOISON)
/* clang-format on */
#undef ERRNO
};

/* Results only the recorder sees, between the call and its exit (include/linux/errno.h). */
static const char *const restarts[] = {"ERESTARTSYS", "ERESTARTNOINTR", "ERESTARTNOHAND",
                                       "ENOIOCTLCMD", "ERESTART_RESTARTBLOCK"};

const char *syscall_errno_name(int error)
{
    if (error >= 512 && error < 512 + (int)(sizeof(restarts) / sizeof(*restarts)))
        return restarts[error - 512];
    if (error <= 0 || (size_t)error >= sizeof(errnos) / sizeof(*errnos) || !errnos[error])
        return "E?";
    return errnos[error];
}

static const char *const signals[] = {
    [SIGHUP] = "SIGHUP",       [SIGINT] = "SIGINT",       [SIGQUIT] = "SIGQUIT",
    [SIGILL] = "SIGILL",       [SIGTRAP] = "SIGTRAP",     [SIGABRT] = "SIGABRT",
    [SIGBUS] = "SIGBUS",       [SIGFPE] = "SIGFPE",       [SIGKILL] = "SIGKILL",
    [SIGUSR1] = "SIGUSR1",     [SIGSEGV] = "SIGSEGV",     [SIGUSR2] = "SIGUSR2",
    [SIGPIPE] = "SIGPIPE",     [SIGALRM] = "SIGALRM",     [SIGTERM] = "SIGTERM",
    [SIGSTKFLT] = "SIGSTKFLT", [SIGCHLD] = "SIGCHLD",     [SIGCONT] = "SIGCONT",
    [SIGSTOP] = "SIGSTOP",     [SIGTSTP] = "SIGTSTP",     [SIGTTIN] = "SIGTTIN",
    [SIGTTOU] = "SIGTTOU",     [SIGURG] = "SIGURG",       [SIGXCPU] = "SIGXCPU",
    [SIGXFSZ] = "SIGXFSZ",     [SIGVTALRM] = "SIGVTALRM", [SIGPROF] = "SIGPROF",
    [SIGWINCH] = "SIGWINCH",   [SIGIO] = "SIGIO",         [SIGPWR] = "SIGPWR",
    [SIGSYS] = "SIGSYS",       [32] = "SIGRT_32",         [33] = "SIGRT_33",
    [34] = "SIGRTMIN",         [35] = "SIGRTMIN+1",       [36] = "SIGRTMIN+2",
    [37] = "SIGRTMIN+3",       [38] = "SIGRTMIN+4",       [39] = "SIGRTMIN+5",
    [40] = "SIGRTMIN+6",       [41] = "SIGRTMIN+7",       [42] = "SIGRTMIN+8",
    [43] = "SIGRTMIN+9",       [44] = "SIGRTMIN+10",      [45] = "SIGRTMIN+11",
    [46] = "SIGRTMIN+12",      [47] = "SIGRTMIN+13",      [48] = "SIGRTMIN+14",
    [49] = "SIGRTMIN+15",      [50] = "SIGRTMAX-14",      [51] = "SIGRTMAX-13",
    [52] = "SIGRTMAX-12",      [53] = "SIGRTMAX-11",      [54] = "SIGRTMAX-10",
    [55] = "SIGRTMAX-9",       [56] = "SIGRTMAX-8",       [57] = "SIGRTMAX-7",
    [58] = "SIGRTMAX-6",       [59] = "SIGRTMAX-5",       [60] = "SIGRTMAX-4",
    [61] = "SIGRTMAX-3",       [62] = "SIGRTMAX-2",       [63] = "SIGRTMAX-1",
    [64] = "SIGRTMAX",
};

static const struct {
    const char *name;
    int signal;
} aliases[] = {{"POLL", SIGIO}, {"IOT", SIGABRT}, {"CLD", SIGCHLD}, {"UNUSED", SIGSYS}};

const char *syscall_signal_name(int signal)
{
    if (signal <= 0 || signal > KERNEL_SIGRTMAX)
        return "SIG?";
    return signals[signal];
}

/* "RTMIN+3", "RTMAX-1" (the C library's RTMIN, 34), or -1. */
static int realtime_by_name(const char *name)
{
    int base = strncasecmp(name, "RTMIN", 5) == 0   ? 34
               : strncasecmp(name, "RTMAX", 5) == 0 ? KERNEL_SIGRTMAX
                                                    : -1;
    char *end;
    long offset;

    if (base < 0)
        return -1;
    if (name[5] == '\0')
        return base;
    if (name[5] != (base == 34 ? '+' : '-'))
        return -1;
    offset = strtol(name + 5, &end, 10);
    if (*end != '\0' || end == name + 6 || base + offset < 34 || base + offset > KERNEL_SIGRTMAX)
        return -1;
    return base + (int)offset;
}

int syscall_signal_by_name(const char *name)
{
    if (strncasecmp(name, "SIG", 3) == 0)
        name += 3;
    for (int i = 1; i <= KERNEL_SIGRTMAX; i++)
        if (strcasecmp(signals[i] + 3, name) == 0)
            return i;
    for (size_t i = 0; i < sizeof(aliases) / sizeof(*aliases); i++)
        if (strcasecmp(aliases[i].name, name) == 0)
            return aliases[i].signal;
    return realtime_by_name(name);
}
