/* Sizes of the kernel's structs on x86-64, as the rows need them. table.c asserts those that the
 * C library's headers share; the others name their source. Internal to recorder/syscalls/. */
#ifndef RECORDER_SYSCALLS_ABI_H
#define RECORDER_SYSCALLS_ABI_H

enum abi_size {
    SIZE_STAT = 144,
    SIZE_STATX = 256,
    SIZE_STATFS = 120,
    SIZE_USTAT = 32,
    SIZE_TIMESPEC = 16,
    SIZE_TIMEVAL = 16,
    SIZE_TIMEZONE = 8,
    SIZE_ITIMER = 32, /* itimerval and itimerspec */
    SIZE_TMS = 32,
    SIZE_RLIMIT = 16,
    SIZE_RUSAGE = 144,
    SIZE_SYSINFO = 112,
    SIZE_UTSNAME = 390,
    SIZE_SIGACTION = 32, /* arch/x86/include/asm/signal.h: struct sigaction */
    SIZE_SIGINFO = 128,
    SIZE_SIGEVENT = 64,
    SIZE_STACK = 24,
    SIZE_EPOLL_EVENT = 12,
    SIZE_POLLFD = 8,
    SIZE_MQ_ATTR = 64,
    SIZE_SCHED_ATTR = 4, /* of a refused sched_attr only its first member, size, is written */
    SIZE_CACHESTAT = 40,
    SIZE_IOVEC = 16,
    SIZE_MSGHDR = 56,
    SIZE_MMSGHDR = 64,
    SIZE_SOCKADDR_STORAGE = 128,
};

#endif
