/* What becomes of a blocking call that a handler interrupts: signal(7), "Interruption of system
 * calls and library functions by signal handlers", checked against the error each call uses inside
 * the kernel (ERESTARTSYS; EINTR, ERESTARTNOHAND, ERESTART_RESTARTBLOCK; ERESTARTNOINTR). */
#include "recorder/signals/signals.h"

#include <fcntl.h>
#include <linux/futex.h>
#include <sys/syscall.h>

static int futex_group(const uint64_t args[6])
{
    switch ((int)args[1] & FUTEX_CMD_MASK) {
    case FUTEX_WAIT:
    case FUTEX_WAIT_BITSET:
        /* With a timeout: ERESTART_RESTARTBLOCK, so that a restart keeps the deadline. */
        return args[3] ? SIGNAL_RESTART_ALWAYS_EINTR : SIGNAL_RESTART_IF_SA_RESTART;
    case FUTEX_LOCK_PI:
#ifdef FUTEX_LOCK_PI2
    case FUTEX_LOCK_PI2:
#endif
    case FUTEX_WAIT_REQUEUE_PI:
        return SIGNAL_RESTART_ALWAYS;
    default:
        return -1;
    }
}

static int fcntl_group(const uint64_t args[6])
{
    int command = (int)args[1];

    return command == F_SETLKW || command == F_OFD_SETLKW ? SIGNAL_RESTART_IF_SA_RESTART : -1;
}

int signal_restart_group(uint64_t number, const uint64_t args[6])
{
    switch (number) {
    case SYS_futex:
        return futex_group(args);
    case SYS_fcntl:
        return fcntl_group(args);
    case SYS_read:
    case SYS_write:
    case SYS_readv:
    case SYS_writev:
    case SYS_pread64:
    case SYS_pwrite64:
    case SYS_preadv:
    case SYS_pwritev:
    case SYS_preadv2:
    case SYS_pwritev2:
    case SYS_ioctl:
    case SYS_open:
    case SYS_openat:
    case SYS_openat2:
    case SYS_creat:
    case SYS_wait4:
    case SYS_waitid:
    case SYS_accept:
    case SYS_accept4:
    case SYS_connect:
    case SYS_recvfrom:
    case SYS_recvmsg:
    case SYS_recvmmsg:
    case SYS_sendto:
    case SYS_sendmsg:
    case SYS_sendmmsg:
    case SYS_sendfile:
    case SYS_splice:
    case SYS_tee:
    case SYS_vmsplice:
    case SYS_copy_file_range:
    case SYS_flock:
    case SYS_mq_timedsend:
    case SYS_mq_timedreceive:
    case SYS_getrandom:
        return SIGNAL_RESTART_IF_SA_RESTART;
    case SYS_poll:
    case SYS_ppoll:
    case SYS_select:
    case SYS_pselect6:
    case SYS_epoll_wait:
    case SYS_epoll_pwait:
#ifdef SYS_epoll_pwait2
    case SYS_epoll_pwait2:
#endif
    case SYS_nanosleep:
    case SYS_clock_nanosleep:
    case SYS_pause:
    case SYS_rt_sigsuspend:
    case SYS_rt_sigtimedwait:
    case SYS_semop:
    case SYS_semtimedop:
    case SYS_msgsnd:
    case SYS_msgrcv:
    case SYS_io_getevents:
    case SYS_io_pgetevents:
        return SIGNAL_RESTART_ALWAYS_EINTR;
    default:
        return -1;
    }
}
