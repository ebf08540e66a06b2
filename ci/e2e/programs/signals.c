/* Delivery of signals: handlers, masks, queues, waits, timers, threads, case by case. */
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/time.h>

#include "handlers.h"

/* --- nesting, masks, flags --- */

static void on_inner(int signal)
{
    (void)signal;
    mark('i');
}

static void on_outer(int signal)
{
    mark('(');
    raise(signal == SIGUSR1 ? SIGUSR2 : SIGUSR1);
    mark(')');
}

static void nested(void)
{
    handle(SIGUSR1, 0, on_outer);
    handle(SIGUSR2, 0, on_inner);
    raise(SIGUSR1);
    puts(trail);

    /* blocked by sa_mask: runs after the outer handler has returned */
    struct sigaction action = {.sa_handler = on_outer};
    sigaddset(&action.sa_mask, SIGUSR2);
    CHECK(sigaction(SIGUSR1, &action, NULL) == 0);
    raise(SIGUSR1);
    puts(trail);
}

static int depth;

static void on_again(int signal)
{
    mark((char)('0' + depth));
    if (depth++ < 3)
        raise(signal);
    mark('r');
}

static void nodefer(void)
{
    handle(SIGUSR1, SA_NODEFER, on_again);
    raise(SIGUSR1);
    puts(trail);
    memset(trail, 0, sizeof trail);
    depth = 0;
    handle(SIGUSR1, 0, on_again);
    raise(SIGUSR1);
    puts(trail);
}

static void resethand(void)
{
    handle(SIGUSR1, (int)SA_RESETHAND, on_count);
    raise(SIGUSR1);
    struct sigaction now;
    CHECK(sigaction(SIGUSR1, NULL, &now) == 0);
    CHECK(count == 1 && now.sa_handler == SIG_DFL);
    /* an ignored signal is thrown away even while it is pending */
    sigset_t one, pending;
    sigemptyset(&one);
    sigaddset(&one, SIGUSR1);
    handle(SIGUSR1, 0, on_count);
    sigprocmask(SIG_BLOCK, &one, NULL);
    raise(SIGUSR1);
    sigpending(&pending);
    CHECK(sigismember(&pending, SIGUSR1));
    signal(SIGUSR1, SIG_IGN);
    sigpending(&pending);
    CHECK(!sigismember(&pending, SIGUSR1));
    handle(SIGUSR1, 0, on_count);
    sigprocmask(SIG_UNBLOCK, &one, NULL);
    CHECK(count == 1);
}

static void pending(void)
{
    sigset_t both, now;
    sigemptyset(&both);
    sigaddset(&both, SIGUSR1);
    sigaddset(&both, SIGUSR2);
    handle(SIGUSR1, 0, on_count);
    handle(SIGUSR2, 0, on_count);
    CHECK(sigprocmask(SIG_BLOCK, &both, NULL) == 0);
    kill(getpid(), SIGUSR1);
    kill(getpid(), SIGUSR1);
    raise(SIGUSR2);
    sigpending(&now);
    CHECK(sigismember(&now, SIGUSR1) && sigismember(&now, SIGUSR2) && !sigismember(&now, SIGHUP));
    CHECK(count == 0);
    CHECK(sigprocmask(SIG_UNBLOCK, &both, NULL) == 0);
    CHECK(count == 2);
    sigset_t strange;
    CHECK(sigprocmask(77, &both, NULL) == -1 && errno == EINVAL);
    CHECK(syscall(SYS_rt_sigprocmask, SIG_BLOCK, &both, &strange, 3L) == -1 && errno == EINVAL);
    struct sigaction action = {.sa_handler = on_count};
    CHECK(sigaction(SIGKILL, &action, NULL) == -1 && errno == EINVAL);
    CHECK(sigaction(SIGSTOP, &action, NULL) == -1 && errno == EINVAL);
    CHECK(kill(getpid(), 0) == 0 && kill(getpid(), 999) == -1 && errno == EINVAL);
}

/* --- real-time signals: queued, in order, with values --- */

static void on_queued(int signal, siginfo_t *info, void *context)
{
    (void)context;
    char text[64];
    int length = snprintf(text, sizeof text, "%d:%d:%d ", signal - SIGRTMIN,
                          info->si_value.sival_int, info->si_code == SI_QUEUE);
    CHECK(write(STDOUT_FILENO, text, (size_t)length) == length);
}

static void queued(void)
{
    sigset_t all;
    sigfillset(&all);
    handle_info(SIGRTMIN, 0, on_queued);
    handle_info(SIGRTMIN + 3, 0, on_queued);
    sigprocmask(SIG_BLOCK, &all, NULL);
    for (int i = 0; i < 3; i++) {
        CHECK(sigqueue(getpid(), SIGRTMIN + 3, (union sigval){.sival_int = 30 + i}) == 0);
        CHECK(sigqueue(getpid(), SIGRTMIN, (union sigval){.sival_int = i}) == 0);
    }
    struct timespec none = {0, 0};
    siginfo_t info;
    sigset_t third;
    sigemptyset(&third);
    sigaddset(&third, SIGRTMIN + 3);
    CHECK(sigtimedwait(&third, &info, &none) == SIGRTMIN + 3 && info.si_value.sival_int == 30);
    sigprocmask(SIG_UNBLOCK, &all, NULL);
    puts("");
    fflush(stdout);
}

/* --- waiting for signals --- */

static pthread_t main_thread;

static void *send_to_main(void *signal)
{
    let_others_block();
    pthread_kill(main_thread, (int)(long)signal);
    return NULL;
}

static pthread_t send_later(int signal)
{
    main_thread = pthread_self();
    pthread_t sender;
    CHECK(pthread_create(&sender, NULL, send_to_main, (void *)(long)signal) == 0);
    return sender;
}

static void waiting(void)
{
    sigset_t one, old;
    sigemptyset(&one);
    sigaddset(&one, SIGUSR1);
    pthread_sigmask(SIG_BLOCK, &one, &old);
    pthread_t sender = send_later(SIGUSR1);
    int signal = 0;
    CHECK(sigwait(&one, &signal) == 0 && signal == SIGUSR1);
    pthread_join(sender, NULL);

    sender = send_later(SIGUSR1);
    siginfo_t info;
    CHECK(sigwaitinfo(&one, &info) == SIGUSR1 && info.si_signo == SIGUSR1 &&
          info.si_code == SI_USER && info.si_pid == getpid());
    pthread_join(sender, NULL);

    struct timespec start, limit = {0, 50 * 1000 * 1000};
    clock_gettime(CLOCK_MONOTONIC, &start);
    CHECK(sigtimedwait(&one, NULL, &limit) == -1 && errno == EAGAIN);
    CHECK(elapsed_ms(&start) >= 50);

    handle(SIGUSR1, 0, on_count);
    sender = send_later(SIGUSR1);
    CHECK(sigsuspend(&old) == -1 && errno == EINTR && count == 1);
    pthread_join(sender, NULL);
    pthread_sigmask(SIG_SETMASK, NULL, &old);
    CHECK(sigismember(&old, SIGUSR1));

    pthread_sigmask(SIG_UNBLOCK, &one, NULL);
    sender = send_later(SIGUSR1);
    CHECK(pause() == -1 && errno == EINTR && count == 2);
    pthread_join(sender, NULL);

    /* a signal that is not in the set interrupts the wait */
    handle(SIGUSR2, SA_RESTART, on_count);
    pthread_sigmask(SIG_BLOCK, &one, NULL);
    sender = send_later(SIGUSR2);
    CHECK(sigwaitinfo(&one, NULL) == -1 && errno == EINTR && count == 3);
    pthread_join(sender, NULL);
}

static void signal_fd(void)
{
    sigset_t one;
    sigemptyset(&one);
    sigaddset(&one, SIGUSR1);
    sigaddset(&one, SIGRTMIN);
    pthread_sigmask(SIG_BLOCK, &one, NULL);
    int fd = signalfd(-1, &one, SFD_CLOEXEC);
    CHECK(fd >= 0);
    pthread_t sender = send_later(SIGUSR1);
    struct signalfd_siginfo info;
    CHECK(read(fd, &info, sizeof info) == sizeof info && info.ssi_signo == SIGUSR1);
    pthread_join(sender, NULL);
    sigqueue(getpid(), SIGRTMIN, (union sigval){.sival_int = 7});
    struct pollfd poll_fd = {fd, POLLIN, 0};
    CHECK(poll(&poll_fd, 1, -1) == 1 && poll_fd.revents == POLLIN);
    CHECK(read(fd, &info, sizeof info) == sizeof info && info.ssi_int == 7);
    CHECK(fcntl(fd, F_SETFL, O_NONBLOCK) == 0);
    CHECK(read(fd, &info, sizeof info) == -1 && errno == EAGAIN);
    CHECK(poll(&poll_fd, 1, 0) == 0);
    close(fd);
}

/* --- timers --- */

static void on_timer(int signal, siginfo_t *info, void *context)
{
    (void)signal;
    (void)context;
    if (info->si_code == SI_TIMER)
        count += info->si_value.sival_int;
    else
        count++;
}

static void alarms(void)
{
    handle(SIGALRM, 0, on_count);
    CHECK(alarm(100) == 0);
    CHECK(alarm(1) == 100);
    CHECK(pause() == -1 && count == 1);
    CHECK(alarm(0) == 0);

    struct itimerval interval = {{0, 10000}, {0, 30000}}, left;
    CHECK(setitimer(ITIMER_REAL, &interval, NULL) == 0);
    while (count < 5)
        pause();
    struct itimerval off = {{0, 0}, {0, 0}};
    CHECK(setitimer(ITIMER_REAL, &off, &left) == 0 && left.it_interval.tv_usec == 10000);
    CHECK(getitimer(ITIMER_REAL, &left) == 0 && left.it_value.tv_usec == 0);

    handle(SIGVTALRM, SA_RESTART, on_count);
    count = 0;
    interval = (struct itimerval){{0, 0}, {0, 2000}};
    CHECK(setitimer(ITIMER_VIRTUAL, &interval, NULL) == 0);
    while (count == 0)
        ;
    handle(SIGPROF, SA_RESTART, on_count);
    CHECK(setitimer(ITIMER_PROF, &interval, NULL) == 0);
    while (count == 1)
        ;
}

static sem_t fired;

static void on_notify(union sigval value)
{
    count += value.sival_int;
    sem_post(&fired);
}

static void posix_timers(void)
{
    struct itimerspec soon = {{0, 0}, {0, 5 * 1000 * 1000}}, left;
    timer_t timer;

    handle_info(SIGRTMIN, 0, on_timer);
    struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGRTMIN};
    event.sigev_value.sival_int = 10;
    CHECK(timer_create(CLOCK_MONOTONIC, &event, &timer) == 0);
    sigset_t all, old;
    sigfillset(&all);
    sigprocmask(SIG_BLOCK, &all, &old);
    CHECK(timer_settime(timer, 0, &soon, NULL) == 0);
    sigsuspend(&old);
    CHECK(count == 10);
    /* expiries while the signal is blocked are counted as overruns */
    struct itimerspec repeated = {{0, 1000 * 1000}, {0, 1000 * 1000}};
    CHECK(timer_settime(timer, 0, &repeated, NULL) == 0);
    let_others_block();
    CHECK(timer_gettime(timer, &left) == 0 && left.it_interval.tv_nsec == 1000 * 1000);
    siginfo_t info;
    CHECK(sigwaitinfo(&all, &info) == SIGRTMIN && info.si_overrun >= 5);
    struct itimerspec off = {{0, 0}, {0, 0}};
    CHECK(timer_settime(timer, 0, &off, NULL) == 0);
    CHECK(timer_delete(timer) == 0);
    CHECK(timer_gettime(timer, &left) == -1 && errno == EINVAL);
    sigprocmask(SIG_SETMASK, &old, NULL);

    count = 0;
    CHECK(timer_create(CLOCK_REALTIME, NULL, &timer) == 0);
    handle(SIGALRM, 0, on_count);
    CHECK(timer_settime(timer, 0, &soon, NULL) == 0);
    while (count == 0)
        pause();
    timer_delete(timer);

    count = 0;
    CHECK(sem_init(&fired, 0, 0) == 0);
    event = (struct sigevent){.sigev_notify = SIGEV_THREAD};
    event.sigev_value.sival_int = 3;
    event.sigev_notify_function = on_notify;
    CHECK(timer_create(CLOCK_MONOTONIC, &event, &timer) == 0);
    CHECK(timer_settime(timer, 0, &soon, NULL) == 0);
    while (sem_wait(&fired) != 0)
        ;
    CHECK(count == 3);
    timer_delete(timer);

    event = (struct sigevent){.sigev_notify = SIGEV_NONE};
    CHECK(timer_create(CLOCK_MONOTONIC, &event, &timer) == 0);
    CHECK(timer_settime(timer, 0, &soon, NULL) == 0);
    let_others_block();
    CHECK(timer_gettime(timer, &left) == 0 && left.it_value.tv_nsec == 0);
    timer_delete(timer);

    count = 0;
    event = (struct sigevent){.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGRTMIN};
    event.sigev_value.sival_int = 4;
    event._sigev_un._tid = (pid_t)syscall(SYS_gettid);
    CHECK(timer_create(CLOCK_REALTIME, &event, &timer) == 0);
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    struct itimerspec at = {{0, 0}, {now.tv_sec + 1, now.tv_nsec}};
    CHECK(timer_settime(timer, TIMER_ABSTIME, &at, NULL) == 0);
    while (count == 0)
        pause();
    CHECK(count == 4);
    timer_delete(timer);
}

/* --- threads --- */

static pthread_t signalled;

static void on_thread(int signal)
{
    (void)signal;
    if (pthread_equal(pthread_self(), signalled))
        count++;
}

static volatile int stop;

static void *sleeper(void *unused)
{
    while (!stop)
        let_others_block();
    return unused;
}

static void thread_directed(void)
{
    handle(SIGUSR1, 0, on_thread);
    CHECK(pthread_create(&signalled, NULL, sleeper, NULL) == 0);
    let_others_block();
    for (int i = 0; i < 5; i++) {
        CHECK(pthread_kill(signalled, SIGUSR1) == 0);
        let_others_block();
    }
    CHECK(count == 5);
    /* process-directed, blocked here: the other thread takes it */
    sigset_t one;
    sigemptyset(&one);
    sigaddset(&one, SIGUSR1);
    pthread_sigmask(SIG_BLOCK, &one, NULL);
    CHECK(kill(getpid(), SIGUSR1) == 0);
    let_others_block();
    CHECK(count == 6);
    stop = 1;
    pthread_join(signalled, NULL);
    CHECK(syscall(SYS_tgkill, getpid(), 0x7fffff, 0) == -1 && errno == ESRCH);
}

static int cancel_pipe[2];

static void on_cancel(void *unused)
{
    (void)unused;
    count++;
}

static void *cancelled_read(void *unused)
{
    pthread_cleanup_push(on_cancel, NULL);
    char byte;
    if (read(cancel_pipe[0], &byte, 1) == 1)
        return unused;
    pthread_cleanup_pop(0);
    return unused;
}

static void *cancelled_spin(void *unused)
{
    pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, NULL);
    pthread_cleanup_push(on_cancel, NULL);
    for (volatile long i = 0;; i++)
        ;
    pthread_cleanup_pop(0);
    return unused;
}

static void *cancelled_wait(void *unused)
{
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    static pthread_cond_t never = PTHREAD_COND_INITIALIZER;
    pthread_mutex_lock(&lock);
    pthread_cleanup_push(on_cancel, NULL);
    for (;;)
        pthread_cond_wait(&never, &lock);
    pthread_cleanup_pop(0);
    return unused;
}

static void *cancelled_test(void *unused)
{
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, NULL);
    let_others_block();
    let_others_block();
    pthread_cleanup_push(on_cancel, NULL);
    pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, NULL);
    for (;;)
        pthread_testcancel();
    pthread_cleanup_pop(0);
    return unused;
}

static void cancellation(void)
{
    void *(*const functions[])(void *) = {cancelled_read, cancelled_spin, cancelled_wait,
                                          cancelled_test};
    CHECK(pipe(cancel_pipe) == 0);
    for (size_t i = 0; i < COUNT_OF(functions); i++) {
        pthread_t thread;
        void *result = NULL;
        CHECK(pthread_create(&thread, NULL, functions[i], NULL) == 0);
        let_others_block();
        CHECK(pthread_cancel(thread) == 0);
        CHECK(pthread_join(thread, &result) == 0 && result == PTHREAD_CANCELED);
    }
    CHECK(count == 4);
}

/* The kernel's own signals come at no counted point. */
static void directory_changes(void)
{
    char folder[] = "changesXXXXXX", path[64];
    volatile unsigned long work = 0;

    CHECK(mkdtemp(folder));
    snprintf(path, sizeof(path), "%s/file", folder);
    handle(SIGUSR1, 0, on_count);
    for (int i = 0; i < 20; i++) {
        int directory = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

        CHECK(directory >= 0);
        CHECK(fcntl(directory, F_SETSIG, SIGUSR1) == 0);
        count = 0;
        if (fcntl(directory, F_NOTIFY, DN_CREATE) < 0) {
            CHECK(errno == EINVAL); /* a kernel without it */
        } else {
            for (int k = 0; k < 100 * i; k++)
                work += work * 3 + 1;
            CHECK(close(open(path, O_WRONLY | O_CREAT | O_EXCL, 0600)) == 0);
            while (!count)
                work += work * 5 + 1;
            CHECK(unlink(path) == 0);
        }
        CHECK(close(directory) == 0);
    }
    CHECK(rmdir(folder) == 0);
}

static const struct test_case cases[] = {
    {"nested", nested},
    {"nodefer", nodefer},
    {"resethand", resethand},
    {"pending", pending},
    {"queued", queued},
    {"waiting", waiting},
    {"signal_fd", signal_fd},
    {"alarms", alarms},
    {"posix_timers", posix_timers},
    {"thread_directed", thread_directed},
    {"cancellation", cancellation},
    {"directory_changes", directory_changes},
};

int main(int argc, char **argv)
{
    return run_cases(argc, argv, cases, COUNT_OF(cases));
}
