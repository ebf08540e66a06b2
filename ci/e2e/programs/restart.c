/* What a signal does to each blocking call: for a handler with SA_RESTART, for one without, and for
 * a stop and continue. Each call is interrupted in the main thread by another one; 40 ms later the
 * other thread ends the call's wait, for calls that are restarted. */
#include <fcntl.h>
#include <mqueue.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/msg.h>
#include <sys/select.h>
#include <sys/sem.h>
#include <sys/stat.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/un.h>
#include <linux/futex.h>

#include "check.h"

static int ends[2];  /* a pipe, or a pair of sockets */
static int extra[2]; /* for the call's own use */
static volatile sig_atomic_t handled;
static pthread_t caller;

static void on_signal(int signal)
{
    (void)signal;
    handled++;
}

static void finish_with_byte(void)
{
    CHECK(write(ends[1], "x", 1) == 1);
}

static void make_pipe(void)
{
    CHECK(pipe(ends) == 0);
}

static void make_pair(void)
{
    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
}

static char buffer[1 << 17];

/* --- reading and writing --- */

static long call_read(void)
{
    return read(ends[0], buffer, 10);
}

static void make_full_pipe(void)
{
    make_pipe();
    CHECK(fcntl(ends[1], F_SETPIPE_SZ, 4096) == 4096);
    CHECK(write(ends[1], buffer, 4096) == 4096);
}

static long call_write_full(void)
{
    return write(ends[1], buffer, 100);
}

static void finish_drain(void)
{
    CHECK(read(ends[0], buffer, 4096) == 4096);
}

static void make_small_pipe(void)
{
    make_pipe();
    CHECK(fcntl(ends[1], F_SETPIPE_SZ, 4096) == 4096);
}

/* some bytes are written before the wait: a short count, restart or not */
static long call_write_part(void)
{
    return write(ends[1], buffer, 6000);
}

static long call_recv(void)
{
    return recv(ends[0], buffer, 10, 0);
}

static void make_pair_with_bytes(void)
{
    make_pair();
    CHECK(write(ends[1], "abc", 3) == 3);
}

static long call_recv_waitall(void)
{
    return recv(ends[0], buffer, 4, MSG_WAITALL);
}

static void make_pair_timeout(void)
{
    make_pair();
    struct timeval limit = {5, 0};
    CHECK(setsockopt(ends[0], SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit) == 0);
}

static long call_recvmsg(void)
{
    struct iovec part = {buffer, 10};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
    return recvmsg(ends[0], &message, 0);
}

static struct sockaddr_un address;

static void make_listener(void)
{
    address.sun_family = AF_UNIX;
    snprintf(address.sun_path + 1, sizeof address.sun_path - 1, "rrtest-restart-%d", getpid());
    ends[0] = socket(AF_UNIX, SOCK_STREAM, 0);
    CHECK(bind(ends[0], (struct sockaddr *)&address, sizeof address) == 0);
    CHECK(listen(ends[0], 5) == 0);
}

static long call_accept(void)
{
    return accept(ends[0], NULL, NULL) >= 0 ? 1 : -1;
}

static void finish_connect(void)
{
    ends[1] = socket(AF_UNIX, SOCK_STREAM, 0);
    CHECK(connect(ends[1], (struct sockaddr *)&address, sizeof address) == 0);
}

/* --- waiting for descriptors --- */

static long call_poll(void)
{
    struct pollfd one = {ends[0], POLLIN, 0};
    return poll(&one, 1, -1);
}

static long call_poll_timeout(void)
{
    struct pollfd one = {ends[0], POLLIN, 0};
    return poll(&one, 1, 5000);
}

static long call_ppoll(void)
{
    struct pollfd one = {ends[0], POLLIN, 0};
    struct timespec limit = {5, 0};
    return ppoll(&one, 1, &limit, NULL);
}

static long call_select(void)
{
    fd_set set;
    FD_ZERO(&set);
    FD_SET(ends[0], &set);
    return select(ends[0] + 1, &set, NULL, NULL, NULL);
}

static void make_epoll(void)
{
    make_pipe();
    extra[0] = epoll_create1(0);
    struct epoll_event event = {.events = EPOLLIN};
    CHECK(epoll_ctl(extra[0], EPOLL_CTL_ADD, ends[0], &event) == 0);
}

static long call_epoll(void)
{
    struct epoll_event event;
    return epoll_wait(extra[0], &event, 1, -1);
}

static void make_eventfd(void)
{
    ends[0] = ends[1] = eventfd(0, 0);
}

static long call_eventfd(void)
{
    uint64_t value;
    return read(ends[0], &value, sizeof value);
}

static void finish_eventfd(void)
{
    uint64_t one = 1;
    CHECK(write(ends[1], &one, sizeof one) == sizeof one);
}

static void make_timerfd(void)
{
    ends[0] = timerfd_create(CLOCK_MONOTONIC, 0);
}

static void finish_timerfd(void)
{
    struct itimerspec soon = {{0, 0}, {0, 1}};
    CHECK(timerfd_settime(ends[0], 0, &soon, NULL) == 0);
}

/* --- locks, queues, semaphores --- */

static char lock_path[256];
static pid_t lock_holder;

static void own_path(const char *kind)
{
    const char *directory = getenv("TMPDIR");
    snprintf(lock_path, sizeof lock_path, "%s/restart-%s-%d", directory ? directory : "/tmp", kind,
             getpid());
}

static void make_locked(int with_flock)
{
    own_path("lock");
    extra[0] = open(lock_path, O_RDWR | O_CREAT | O_TRUNC, 0600);
    CHECK(extra[0] >= 0);
    make_pipe();
    int ready[2];
    CHECK(pipe(ready) == 0);
    lock_holder = fork();
    if (lock_holder == 0) {
        char byte;
        struct flock whole = {.l_type = F_WRLCK};
        int fd = open(lock_path, O_RDWR);
        CHECK((with_flock ? flock(fd, LOCK_EX) : fcntl(fd, F_SETLK, &whole)) == 0);
        CHECK(write(ready[1], "r", 1) == 1);
        CHECK(read(ends[0], &byte, 1) == 1);
        _exit(0);
    }
    char byte;
    CHECK(read(ready[0], &byte, 1) == 1);
}

static void make_flock(void)
{
    make_locked(1);
}

static void make_posix_lock(void)
{
    make_locked(0);
}

static long call_flock(void)
{
    return flock(extra[0], LOCK_EX);
}

static long call_posix_lock(void)
{
    struct flock whole = {.l_type = F_WRLCK};
    return fcntl(extra[0], F_SETLKW, &whole);
}

static void finish_lock(void)
{
    finish_with_byte();
    waitpid(lock_holder, NULL, 0);
    unlink(lock_path);
}

static void make_semaphore(void)
{
    extra[0] = semget(IPC_PRIVATE, 1, 0600);
    CHECK(extra[0] >= 0);
}

static long call_semop(void)
{
    struct sembuf down = {0, -1, 0};
    long result = semop(extra[0], &down, 1);
    int error = errno;
    semctl(extra[0], 0, IPC_RMID);
    errno = error;
    return result;
}

static void finish_semop(void)
{
    struct sembuf up = {0, 1, 0};
    semop(extra[0], &up, 1);
}

static void make_message_queue(void)
{
    extra[0] = msgget(IPC_PRIVATE, 0600);
    CHECK(extra[0] >= 0);
}

static long call_msgrcv(void)
{
    struct {
        long type;
        char text[8];
    } message;
    long result = msgrcv(extra[0], &message, sizeof message.text, 0, 0);
    int error = errno;
    msgctl(extra[0], IPC_RMID, NULL);
    errno = error;
    return result;
}

static void finish_msgrcv(void)
{
    struct {
        long type;
        char text[8];
    } message = {1, "abc"};
    msgsnd(extra[0], &message, 4, 0);
}

static mqd_t queue;

static void make_posix_queue(void)
{
    struct mq_attr attributes = {.mq_maxmsg = 2, .mq_msgsize = 16};
    char name[32];
    snprintf(name, sizeof name, "/restart-%d", getpid());
    queue = mq_open(name, O_RDWR | O_CREAT, 0600, &attributes);
    CHECK(queue >= 0);
    mq_unlink(name);
}

static long call_mq_receive(void)
{
    return mq_receive(queue, buffer, sizeof buffer, NULL);
}

static void finish_mq_receive(void)
{
    CHECK(mq_send(queue, "abcd", 4, 0) == 0);
}

static sem_t semaphore;

static void make_posix_semaphore(void)
{
    CHECK(sem_init(&semaphore, 0, 0) == 0);
}

static long call_sem_wait(void)
{
    return sem_wait(&semaphore);
}

static void finish_sem_wait(void)
{
    sem_post(&semaphore);
}

static int futex_word;

static long call_futex(void)
{
    return syscall(SYS_futex, &futex_word, FUTEX_WAIT, 0, NULL);
}

static long call_futex_timeout(void)
{
    struct timespec limit = {5, 0};
    return syscall(SYS_futex, &futex_word, FUTEX_WAIT, 0, &limit);
}

static void finish_futex(void)
{
    syscall(SYS_futex, &futex_word, FUTEX_WAKE, 1);
}

/* --- time and processes --- */

static void make_nothing(void)
{
}

static void finish_nothing(void)
{
}

static long call_nanosleep(void)
{
    struct timespec left = {0, 0}, want = {0, 100 * 1000 * 1000};
    long result = nanosleep(&want, &left);
    if (result == -1)
        CHECK(left.tv_nsec > 10 * 1000 * 1000);
    return result;
}

static long call_clock_nanosleep(void)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += until.tv_nsec > 899999999;
    until.tv_nsec = (until.tv_nsec + 100000000) % 1000000000;
    int error = clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL);
    errno = error;
    return error == 0 ? 0 : -1;
}

static long call_pause(void)
{
    return pause();
}

static long call_sigtimedwait(void)
{
    sigset_t other;
    sigemptyset(&other);
    sigaddset(&other, SIGUSR2);
    struct timespec limit = {0, 100 * 1000 * 1000};
    return sigtimedwait(&other, NULL, &limit);
}

static pid_t child;

static void make_child(void)
{
    make_pipe();
    child = fork();
    if (child == 0) {
        char byte;
        CHECK(read(ends[0], &byte, 1) == 1);
        _exit(0);
    }
}

static long call_wait(void)
{
    return wait4(child, NULL, 0, NULL) == child ? 1 : -1;
}

static long call_waitid(void)
{
    siginfo_t info;
    return waitid(P_PID, (id_t)child, &info, WEXITED);
}

static void make_fifo(void)
{
    own_path("fifo");
    unlink(lock_path);
    CHECK(mkfifo(lock_path, 0600) == 0);
}

static long call_open_fifo(void)
{
    int fd = open(lock_path, O_RDONLY);
    int error = errno;
    if (fd < 0)
        unlink(lock_path);
    errno = error;
    return fd >= 0 ? 1 : -1;
}

static void finish_open_fifo(void)
{
    ends[1] = open(lock_path, O_RDWR | O_NONBLOCK);
    let_others_block();
    unlink(lock_path);
}

static const struct call {
    const char *name;
    void (*make)(void);
    long (*call)(void);
    void (*finish)(void);
} calls[] = {
    {"read", make_pipe, call_read, finish_with_byte},
    {"write to a full pipe", make_full_pipe, call_write_full, finish_drain},
    {"write that has begun", make_small_pipe, call_write_part, finish_drain},
    {"recv", make_pair, call_recv, finish_with_byte},
    {"recv waitall", make_pair_with_bytes, call_recv_waitall, finish_with_byte},
    {"recv with timeout", make_pair_timeout, call_recv, finish_with_byte},
    {"recvmsg", make_pair, call_recvmsg, finish_with_byte},
    {"accept", make_listener, call_accept, finish_connect},
    {"poll", make_pipe, call_poll, finish_with_byte},
    {"poll with timeout", make_pipe, call_poll_timeout, finish_with_byte},
    {"ppoll", make_pipe, call_ppoll, finish_with_byte},
    {"select", make_pipe, call_select, finish_with_byte},
    {"epoll_wait", make_epoll, call_epoll, finish_with_byte},
    {"eventfd", make_eventfd, call_eventfd, finish_eventfd},
    {"timerfd", make_timerfd, call_eventfd, finish_timerfd},
    {"flock", make_flock, call_flock, finish_lock},
    {"fcntl lock", make_posix_lock, call_posix_lock, finish_lock},
    {"semop", make_semaphore, call_semop, finish_semop},
    {"msgrcv", make_message_queue, call_msgrcv, finish_msgrcv},
    {"mq_receive", make_posix_queue, call_mq_receive, finish_mq_receive},
    {"sem_wait", make_posix_semaphore, call_sem_wait, finish_sem_wait},
    {"futex", make_nothing, call_futex, finish_futex},
    {"futex with timeout", make_nothing, call_futex_timeout, finish_futex},
    {"nanosleep", make_nothing, call_nanosleep, finish_nothing},
    {"clock_nanosleep", make_nothing, call_clock_nanosleep, finish_nothing},
    {"pause", make_nothing, call_pause, finish_nothing},
    {"sigtimedwait", make_nothing, call_sigtimedwait, finish_nothing},
    {"wait4", make_child, call_wait, finish_with_byte},
    {"waitid", make_child, call_waitid, finish_with_byte},
    {"open fifo", make_fifo, call_open_fifo, finish_open_fifo},
};

static volatile int returned;

static void *interrupt(void *argument)
{
    const struct call *call = argument;
    sigset_t one;
    sigemptyset(&one);
    sigaddset(&one, SIGUSR1);
    pthread_sigmask(SIG_BLOCK, &one, NULL);
    let_others_block();
    pthread_kill(caller, SIGUSR1);
    let_others_block();
    if (!returned)
        call->finish();
    else if (call->finish == finish_lock || call->call == call_wait || call->call == call_waitid)
        finish_with_byte();
    return NULL;
}

static void try_call(const struct call *call, int flags)
{
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = flags};
    CHECK(sigaction(SIGUSR1, &action, NULL) == 0);
    handled = 0;
    returned = 0;
    call->make();
    caller = pthread_self();
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, interrupt, (void *)(size_t)call) == 0);
    long result = call->call();
    int error = errno;
    returned = 1;
    printf("%-21s %s: ", call->name, flags ? "SA_RESTART" : "no flags  ");
    if (result == -1)
        printf("%s", error == EINTR ? "EINTR" : error == EAGAIN ? "EAGAIN" : strerror(error));
    else
        printf("%ld", result);
    printf(", handled %d\n", (int)handled);
    pthread_join(thread, NULL);
}

int main(int argc, char **argv)
{
    for (size_t i = 0; i < COUNT_OF(calls); i++) {
        if (argc > 1 && strcmp(argv[1], calls[i].name) != 0)
            continue;
        for (int flags = 0; flags < 2; flags++) {
            fflush(stdout);
            pid_t process = fork();
            if (process == 0) {
                try_call(&calls[i], flags ? SA_RESTART : 0);
                fflush(stdout);
                _exit(0);
            }
            int status;
            CHECK(waitpid(process, &status, 0) == process && status == 0);
        }
    }
    return 0;
}
