/* Which call has which handler: the table and nothing else. */
#include <sys/syscall.h>

#include "recorder/record/directory.h"
#include "recorder/record/fds.h"
#include "recorder/record/fifo.h"
#include "recorder/record/filter.h"
#include "recorder/record/futexes.h"
#include "recorder/record/locks.h"
#include "recorder/record/misc.h"
#include "recorder/record/mm.h"
#include "recorder/record/poll.h"
#include "recorder/record/process.h"
#include "recorder/record/procfs.h"
#include "recorder/record/queues.h"
#include "recorder/record/session.h"
#include "recorder/record/signal.h"
#include "recorder/record/signalfd.h"
#include "recorder/record/sockets.h"
#include "recorder/record/splice.h"
#include "recorder/record/stat_calls.h"
#include "recorder/record/terminal.h"
#include "recorder/record/timerfd.h"
#include "recorder/record/timers.h"

const call_handler call_models[SYSCALL_NUMBER_LIMIT] = {
    [SYS_mmap] = model_mmap,
    [SYS_munmap] = model_munmap,
    [SYS_mprotect] = model_mprotect,
    [SYS_pkey_mprotect] = model_mprotect,
    [SYS_mremap] = model_mremap,
    [SYS_brk] = model_brk,
    [SYS_madvise] = model_madvise,
    [SYS_shmat] = model_shmat,
    [SYS_shmdt] = model_shmdt,

    [SYS_rt_sigaction] = model_rt_sigaction,
    [SYS_rt_sigprocmask] = model_rt_sigprocmask,
    [SYS_rt_sigreturn] = model_rt_sigreturn,
    [SYS_rt_sigpending] = model_rt_sigpending,
    [SYS_rt_sigsuspend] = model_rt_sigsuspend,
    [SYS_rt_sigtimedwait] = model_rt_sigtimedwait,
    [SYS_rt_sigqueueinfo] = model_rt_sigqueueinfo,
    [SYS_rt_tgsigqueueinfo] = model_rt_tgsigqueueinfo,
    [SYS_sigaltstack] = model_sigaltstack,
    [SYS_pause] = model_pause,
    [SYS_kill] = model_kill,
    [SYS_tkill] = model_tkill,
    [SYS_tgkill] = model_tgkill,
    [SYS_pidfd_send_signal] = model_pidfd_send_signal,

    [SYS_clone] = model_clone,
    [SYS_clone3] = model_clone3,
    [SYS_fork] = model_fork,
    [SYS_vfork] = model_vfork,
    [SYS_execve] = model_execve,
    [SYS_execveat] = model_execve,
    [SYS_exit] = model_exit,
    [SYS_exit_group] = model_exit_group,
    [SYS_wait4] = model_wait4,
    [SYS_waitid] = model_waitid,
    [SYS_set_tid_address] = model_set_tid_address,
    [SYS_getpid] = model_getpid,
    [SYS_gettid] = model_gettid,
    [SYS_getppid] = model_getppid,
    [SYS_setpgid] = model_setpgid,
    [SYS_setsid] = model_setsid,

    [SYS_futex] = model_futex,
    [SYS_set_robust_list] = model_set_robust_list,
    [SYS_get_robust_list] = model_get_robust_list,

    [SYS_clock_gettime] = model_clock_gettime,
    [SYS_clock_getres] = model_clock_getres,
    [SYS_gettimeofday] = model_gettimeofday,
    [SYS_time] = model_time,
    [SYS_times] = model_times,
    [SYS_getrusage] = model_getrusage,
    [SYS_nanosleep] = model_nanosleep,
    [SYS_clock_nanosleep] = model_clock_nanosleep,
    [SYS_alarm] = model_alarm,
    [SYS_setitimer] = model_setitimer,
    [SYS_getitimer] = model_getitimer,
    [SYS_timer_create] = model_timer_create,
    [SYS_timer_settime] = model_timer_settime,
    [SYS_timer_gettime] = model_timer_gettime,
    [SYS_timer_getoverrun] = model_timer_getoverrun,
    [SYS_timer_delete] = model_timer_delete,
    [SYS_timerfd_create] = model_timerfd_create,
    [SYS_timerfd_settime] = model_timerfd_settime,
    [SYS_timerfd_gettime] = model_timerfd_gettime,
    [SYS_signalfd] = model_signalfd,
    [SYS_signalfd4] = model_signalfd,

    [SYS_poll] = model_poll,
    [SYS_ppoll] = model_poll,
    [SYS_select] = model_select,
    [SYS_pselect6] = model_select,
    [SYS_epoll_wait] = model_epoll_wait,
    [SYS_epoll_pwait] = model_epoll_wait,
    [SYS_epoll_pwait2] = model_epoll_wait,

    [SYS_ioctl] = model_ioctl,
    [SYS_mq_notify] = model_mq_notify,
    [SYS_connect] = model_connect,
    [SYS_recvmmsg] = model_recvmmsg,
    [SYS_sendmmsg] = model_sendmmsg,
    [SYS_setsockopt] = model_setsockopt,
    [SYS_splice] = model_splice,
    [SYS_tee] = model_splice,
    [SYS_vmsplice] = model_vmsplice,
    [SYS_sendfile] = model_sendfile,
    [SYS_copy_file_range] = model_copy_file_range,
    [SYS_shmget] = model_ipc_get,
    [SYS_semget] = model_ipc_get,
    [SYS_msgget] = model_ipc_get,
    [SYS_mq_open] = model_ipc_get,
    [SYS_semop] = model_semop,
    [SYS_semtimedop] = model_semop,
    [SYS_semctl] = model_semctl,
    [SYS_msgsnd] = model_msgsnd,
    [SYS_msgrcv] = model_msgrcv,
    [SYS_mq_timedsend] = model_mq_timed,
    [SYS_mq_timedreceive] = model_mq_timed,
    [SYS_flock] = model_flock,
    [SYS_fcntl] = model_fcntl,

    [SYS_close] = model_close,
    [SYS_dup] = model_dup,
    [SYS_dup2] = model_dup2,
    [SYS_dup3] = model_dup2,
    [SYS_close_range] = model_close_range,
    [SYS_open] = model_open,
    [SYS_openat] = model_open,
    [SYS_creat] = fifo_open,
    [SYS_openat2] = model_open,
    [SYS_read] = model_read,
    [SYS_readv] = model_read,
    [SYS_pread64] = model_read,
    [SYS_preadv] = model_read,
    [SYS_preadv2] = model_read,
    [SYS_stat] = model_stat,
    [SYS_lstat] = model_stat,
    [SYS_fstat] = model_stat,
    [SYS_newfstatat] = model_stat,
    [SYS_statx] = model_stat,
    [SYS_statfs] = model_statfs,
    [SYS_fstatfs] = model_statfs,
    [SYS_getdents] = model_getdents,
    [SYS_getdents64] = model_getdents,
    [SYS_readlink] = model_readlink,
    [SYS_readlinkat] = model_readlink,

    [SYS_sched_yield] = model_sched_yield,
    [SYS_getrandom] = model_getrandom,
    [SYS_prctl] = model_prctl,
    [SYS_arch_prctl] = model_arch_prctl,
    [SYS_sysinfo] = model_sysinfo,
    [SYS_getcpu] = model_getcpu,
    [SYS_sched_getaffinity] = model_sched_getaffinity,
    [SYS_sched_setaffinity] = model_sched_setaffinity,
    [SYS_personality] = model_personality,
    [SYS_seccomp] = model_seccomp,
    [SYS_setns] = model_setns,
    [SYS_restart_syscall] = model_restart_syscall,
    [SYS_process_vm_writev] = model_process_vm_writev,
};
