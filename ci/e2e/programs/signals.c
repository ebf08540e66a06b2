/* Signal delivery, handlers, masks, queues and job control, case by case. */
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <ucontext.h>

#include "check.h"

static volatile sig_atomic_t count;
static char trail[128];

static void mark(char letter)
{
    size_t length = strlen(trail);
    if (length + 1 < sizeof trail)
        trail[length] = letter;
}

static void handle(int signal, int flags, void (*handler)(int))
{
    struct sigaction action = {.sa_handler = handler, .sa_flags = flags};
    CHECK(sigaction(signal, &action, NULL) == 0);
}

static void handle_info(int signal, int flags, void (*handler)(int, siginfo_t *, void *))
{
    struct sigaction action = {.sa_sigaction = handler, .sa_flags = flags | SA_SIGINFO};
    CHECK(sigaction(signal, &action, NULL) == 0);
}

static void on_count(int signal)
{
    (void)signal;
    count++;
}

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

/* --- alternate stacks, contexts, jumps --- */

static char *alternate;
static int on_alternate;

static void on_stack(int signal)
{
    (void)signal;
    char here;
    on_alternate = &here > alternate && &here < alternate + SIGSTKSZ * 4;
    stack_t now;
    CHECK(sigaltstack(NULL, &now) == 0 && (now.ss_flags & SS_ONSTACK));
    CHECK(sigaltstack(&now, NULL) == -1 && errno == EPERM);
}

static void altstack(void)
{
    alternate = malloc((size_t)SIGSTKSZ * 4);
    stack_t stack = {.ss_sp = alternate, .ss_size = (size_t)SIGSTKSZ * 4}, old;
    CHECK(sigaltstack(&stack, &old) == 0 && old.ss_flags == SS_DISABLE);
    handle(SIGUSR1, SA_ONSTACK, on_stack);
    raise(SIGUSR1);
    CHECK(on_alternate == 1);
    stack.ss_size = 100;
    CHECK(sigaltstack(&stack, NULL) == -1 && errno == ENOMEM);
    stack.ss_flags = SS_DISABLE;
    CHECK(sigaltstack(&stack, NULL) == 0);
}

static sigjmp_buf overflow_exit;

static void on_overflow(int signal, siginfo_t *info, void *context)
{
    (void)signal;
    (void)context;
    CHECK(info->si_addr != NULL);
    siglongjmp(overflow_exit, 1);
}

static int overflow(volatile char *above)
{
    volatile char frame[4096];
    frame[0] = above[0];
    return overflow(frame) + frame[1];
}

static void stack_overflow(void)
{
    alternate = malloc((size_t)SIGSTKSZ * 4);
    stack_t stack = {.ss_sp = alternate, .ss_size = (size_t)SIGSTKSZ * 4};
    CHECK(sigaltstack(&stack, NULL) == 0);
    handle_info(SIGSEGV, SA_ONSTACK, on_overflow);
    for (int i = 0; i < 2; i++)
        if (sigsetjmp(overflow_exit, 1) == 0) {
            char first[1] = "";
            overflow(first);
        }
}

extern char context_fault[], context_after[];

static void on_context(int signal, siginfo_t *info, void *context)
{
    (void)signal;
    ucontext_t *user = context;
    CHECK((char *)user->uc_mcontext.gregs[REG_RIP] == context_fault);
    CHECK(info->si_addr == (void *)16 && info->si_code == SEGV_MAPERR);
    user->uc_mcontext.gregs[REG_RIP] = (greg_t)context_after;
    user->uc_mcontext.gregs[REG_RBX] = 77;
    user->uc_mcontext.fpregs->_xmm[3].element[0] = 1234;
    sigaddset(&user->uc_sigmask, SIGUSR2);
}

static void changed_context(void)
{
    handle_info(SIGSEGV, 0, on_context);
    long value = 0;
    int vector = 0;
    __asm__ volatile("mov $16, %%eax\n\t"
                     ".globl context_fault\n\t"
                     "context_fault: mov (%%rax), %%rbx\n\t"
                     "mov $1, %%ebx\n\t"
                     ".globl context_after\n\t"
                     "context_after: mov %%rbx, %0\n\t"
                     "movd %%xmm3, %1\n\t"
                     : "=&r"(value), "=r"(vector)
                     :
                     : "rax", "rbx", "xmm3");
    sigset_t now;
    sigprocmask(SIG_SETMASK, NULL, &now);
    CHECK(value == 77 && vector == 1234 && sigismember(&now, SIGUSR2));
}

static jmp_buf plain_exit;
static sigjmp_buf mask_exit;

static void on_longjmp(int signal)
{
    count++;
    if (signal == SIGUSR1)
        siglongjmp(mask_exit, 1);
    longjmp(plain_exit, 1);
}

static void longjmp_out(void)
{
    handle(SIGUSR1, 0, on_longjmp);
    handle(SIGUSR2, SA_NODEFER, on_longjmp);
    for (int i = 0; i < 50; i++) {
        if (sigsetjmp(mask_exit, 1) == 0)
            raise(SIGUSR1);
        if (setjmp(plain_exit) == 0)
            raise(SIGUSR2);
    }
    CHECK(count == 100);
    sigset_t now;
    sigprocmask(SIG_SETMASK, NULL, &now);
    CHECK(!sigismember(&now, SIGUSR1));
    /* plain longjmp keeps the handler's mask */
    handle(SIGUSR2, 0, on_longjmp);
    if (setjmp(plain_exit) == 0)
        raise(SIGUSR2);
    sigprocmask(SIG_SETMASK, NULL, &now);
    CHECK(sigismember(&now, SIGUSR2));
}

/* --- faults --- */

static char *page;
static int faults;

static void on_fault(int signal, siginfo_t *info, void *context)
{
    (void)context;
    CHECK(signal == SIGSEGV && (char *)info->si_addr >= page &&
          (char *)info->si_addr < page + 4096);
    CHECK(info->si_code == SEGV_ACCERR);
    faults++;
    CHECK(mprotect(page, 4096, PROT_READ | PROT_WRITE) == 0);
}

static void fault_retry(void)
{
    page = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(page != MAP_FAILED);
    handle_info(SIGSEGV, 0, on_fault);
    long sum = 0;
    for (int i = 0; i < 20; i++) {
        CHECK(mprotect(page, 4096, i & 1 ? PROT_READ : PROT_NONE) == 0);
        page[i * 8] = (char)i;
        sum += page[i * 8];
    }
    CHECK(faults == 20 && sum == 190);
}

static sigjmp_buf fault_exit;
static siginfo_t fault_info;

static void on_any_fault(int signal, siginfo_t *info, void *context)
{
    (void)context;
    fault_info = *info;
    siglongjmp(fault_exit, signal);
}

static volatile int zero;

static void faults_of_all_kinds(void)
{
    static const int signals[] = {SIGFPE, SIGILL, SIGSEGV, SIGBUS, SIGTRAP};
    for (size_t i = 0; i < COUNT_OF(signals); i++)
        handle_info(signals[i], 0, on_any_fault);

    if (sigsetjmp(fault_exit, 1) == 0)
        zero = 10 / zero;
    CHECK(fault_info.si_signo == SIGFPE && fault_info.si_code == FPE_INTDIV);
    if (sigsetjmp(fault_exit, 1) == 0)
        __asm__ volatile("ud2");
    CHECK(fault_info.si_signo == SIGILL && fault_info.si_code == ILL_ILLOPN);
    if (sigsetjmp(fault_exit, 1) == 0)
        *(volatile int *)24 = 0;
    CHECK(fault_info.si_signo == SIGSEGV && fault_info.si_code == SEGV_MAPERR &&
          fault_info.si_addr == (void *)24);
    if (sigsetjmp(fault_exit, 1) == 0)
        *(volatile int *)(0x8080808080808080ul) = 0;
    CHECK(fault_info.si_signo == SIGSEGV && fault_info.si_code == SI_KERNEL);
    if (sigsetjmp(fault_exit, 1) == 0)
        __asm__ volatile("hlt");
    CHECK(fault_info.si_signo == SIGSEGV);
    if (sigsetjmp(fault_exit, 1) == 0)
        __asm__ volatile("int3");
    CHECK(fault_info.si_signo == SIGTRAP && fault_info.si_code == SI_KERNEL);

    FILE *file = tmpfile();
    CHECK(file != NULL && ftruncate(fileno(file), 100) == 0);
    char *mapped = mmap(NULL, 8192, PROT_READ, MAP_SHARED, fileno(file), 0);
    CHECK(mapped != MAP_FAILED);
    if (sigsetjmp(fault_exit, 1) == 0)
        zero = ((volatile char *)mapped)[4096];
    CHECK(fault_info.si_signo == SIGBUS && fault_info.si_code == BUS_ADRERR &&
          fault_info.si_addr == mapped + 4096);
    if (sigsetjmp(fault_exit, 1) == 0)
        ((void (*)(void))(void *)mapped)();
    CHECK(fault_info.si_signo == SIGSEGV && fault_info.si_addr == mapped);
}

static void on_trap(int signal, siginfo_t *info, void *context)
{
    (void)signal;
    (void)info;
    ucontext_t *user = context;
    count++;
    if (count == 4)
        user->uc_mcontext.gregs[REG_EFL] &= ~0x100L;
}

/* The trap flag, set by the program itself: one SIGTRAP after each instruction. */
static void trap_flag(void)
{
    handle_info(SIGTRAP, 0, on_trap);
    __asm__ volatile("pushfq\n\torq $0x100, (%%rsp)\n\tpopfq\n\t"
                     "nop\n\tnop\n\tnop\n\tnop\n\tnop\n\tnop\n\t" ::
                         : "memory", "cc");
    CHECK(count == 4);
}

/* --- death by signal, as the parent sees it --- */

static void die(int how)
{
    switch (how) {
    case 0:
        abort();
    case 1:
        raise(SIGTERM);
        break;
    case 2:
        kill(getpid(), SIGKILL);
        break;
    case 3:
        *(volatile int *)8 = 1;
        break;
    case 4: {
        sigset_t one; /* blocked, the fault kills all the same */
        sigemptyset(&one);
        sigaddset(&one, SIGSEGV);
        sigprocmask(SIG_BLOCK, &one, NULL);
        *(volatile int *)8 = 1;
        break;
    }
    case 5:
        signal(SIGFPE, SIG_IGN);
        zero = 10 / zero;
        break;
    case 6:
        alarm(1);
        pause();
        break;
    case 7: {
        int ends[2];
        CHECK(pipe(ends) == 0);
        close(ends[0]);
        CHECK(write(ends[1], "x", 1) == 1);
        break;
    }
    case 8:
        raise(SIGRTMIN + 5);
        break;
    default:
        signal(SIGABRT, SIG_IGN);
        abort();
    }
}

static void deaths(void)
{
    for (int how = 0; how < 10; how++) {
        fflush(stdout);
        pid_t child = fork();
        if (child == 0) {
            die(how);
            _exit(0);
        }
        int status = 0;
        CHECK(waitpid(child, &status, 0) == child);
        printf("%d: signalled %d by %d\n", how, WIFSIGNALED(status), WTERMSIG(status));
    }
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

/* --- processes --- */

static void on_child(int signal, siginfo_t *info, void *context)
{
    (void)signal;
    (void)context;
    if (info->si_code == CLD_EXITED && info->si_status == 7)
        mark('e');
    else if (info->si_code == CLD_KILLED && info->si_status == SIGKILL)
        mark('k');
    else if (info->si_code == CLD_STOPPED && info->si_status == SIGSTOP)
        mark('s');
    else if (info->si_code == CLD_CONTINUED)
        mark('c');
    else
        mark('?');
}

static pid_t fork_pausing(void)
{
    pid_t child = fork();
    if (child == 0)
        for (;;)
            pause();
    CHECK(child > 0);
    return child;
}

static void child_signals(void)
{
    int status;
    handle_info(SIGCHLD, SA_RESTART, on_child);
    pid_t child = fork();
    if (child == 0)
        _exit(7);
    CHECK(waitpid(child, &status, 0) == child && WEXITSTATUS(status) == 7);

    child = fork_pausing();
    let_others_block();
    CHECK(kill(child, SIGSTOP) == 0);
    CHECK(waitpid(child, &status, WUNTRACED) == child && WIFSTOPPED(status) &&
          WSTOPSIG(status) == SIGSTOP);
    CHECK(kill(child, SIGCONT) == 0);
    CHECK(waitpid(child, &status, WCONTINUED) == child && WIFCONTINUED(status));
    let_others_block();
    CHECK(waitpid(child, &status, WNOHANG) == 0);
    CHECK(kill(child, SIGKILL) == 0);
    CHECK(waitpid(child, &status, 0) == child && WTERMSIG(status) == SIGKILL);
    puts(trail);

    /* no stop notices with SA_NOCLDSTOP, no zombies with SA_NOCLDWAIT */
    memset(trail, 0, sizeof trail);
    handle_info(SIGCHLD, SA_RESTART | SA_NOCLDSTOP | SA_NOCLDWAIT, on_child);
    child = fork_pausing();
    kill(child, SIGSTOP);
    CHECK(waitpid(child, &status, WUNTRACED) == child && WIFSTOPPED(status));
    kill(child, SIGKILL);
    CHECK(waitpid(child, &status, 0) == -1 && errno == ECHILD);
    puts(trail);
}

static void stop_and_continue(void)
{
    /* SIGCONT discards a pending stop; a stopped process runs no handler until continued */
    int ends[2];
    CHECK(pipe(ends) == 0);
    pid_t child = fork();
    if (child == 0) {
        char letter = 'a';
        for (;;) {
            CHECK(write(ends[1], &letter, 1) == 1);
            letter++;
            raise(SIGSTOP);
        }
    }
    for (int i = 0; i < 3; i++) {
        int status;
        char letter;
        CHECK(waitpid(child, &status, WUNTRACED) == child && WIFSTOPPED(status));
        CHECK(read(ends[0], &letter, 1) == 1 && letter == 'a' + i);
        CHECK(kill(child, SIGCONT) == 0);
    }
    CHECK(waitpid(child, NULL, WUNTRACED) == child);
    kill(child, SIGTERM); /* stays pending while stopped */
    CHECK(waitpid(child, NULL, WNOHANG) == 0);
    kill(child, SIGCONT);
    int status;
    CHECK(waitpid(child, &status, 0) == child && WTERMSIG(status) == SIGTERM);
}

static void group(void)
{
    pid_t leader = fork();
    if (leader == 0) {
        CHECK(setpgid(0, 0) == 0);
        handle(SIGUSR1, 0, on_count);
        pid_t member[2];
        for (int i = 0; i < 2; i++)
            member[i] = fork_pausing();
        for (int i = 0; i < 2; i++)
            CHECK(getpgid(member[i]) == getpid());
        let_others_block();
        signal(SIGTERM, SIG_IGN);
        CHECK(kill(0, SIGTERM) == 0);
        int status, ended = 0;
        for (int i = 0; i < 2; i++) {
            CHECK(waitpid(0, &status, 0) > 0);
            ended += WTERMSIG(status) == SIGTERM;
        }
        _exit(ended);
    }
    int status;
    CHECK(waitpid(leader, &status, 0) == leader && WEXITSTATUS(status) == 2);
    CHECK(kill(-leader, 0) == -1 && errno == ESRCH);
}

static void broken_pipe(void)
{
    int ends[2];
    CHECK(pipe(ends) == 0);
    handle(SIGPIPE, 0, on_count);
    close(ends[0]);
    CHECK(write(ends[1], "x", 1) == -1 && errno == EPIPE && count == 1);
    signal(SIGPIPE, SIG_IGN);
    CHECK(write(ends[1], "x", 1) == -1 && errno == EPIPE && count == 1);
}

static void inherited(void)
{
    /* fork keeps handlers and mask, drops pending; exec keeps mask and ignored ones */
    sigset_t one, now;
    sigemptyset(&one);
    sigaddset(&one, SIGUSR2);
    handle(SIGUSR1, 0, on_count);
    sigprocmask(SIG_BLOCK, &one, NULL);
    raise(SIGUSR2);
    pid_t child = fork();
    if (child == 0) {
        sigpending(&now);
        CHECK(!sigismember(&now, SIGUSR2));
        raise(SIGUSR1);
        CHECK(count == 1);
        signal(SIGINT, SIG_IGN);
        execl("/proc/self/exe", "signals", "after_exec", (char *)NULL);
        _exit(99);
    }
    int status;
    CHECK(waitpid(child, &status, 0) == child && status == 0);
}

static void after_exec(void)
{
    sigset_t now;
    struct sigaction action;
    sigprocmask(SIG_SETMASK, NULL, &now);
    if (!sigismember(&now, SIGUSR2))
        return; /* run on its own */
    CHECK(sigaction(SIGINT, NULL, &action) == 0 && action.sa_handler == SIG_IGN);
    CHECK(sigaction(SIGUSR1, NULL, &action) == 0 && action.sa_handler == SIG_DFL);
}

/* Registers and vector state survive a handler that uses all of them. */
static void on_clobber(int signal)
{
    (void)signal;
    count++;
    __asm__ volatile("xorps %%xmm0, %%xmm0\n\txorps %%xmm7, %%xmm7\n\tfninit\n\t"
                     "xor %%ebx, %%ebx\n\txor %%r12d, %%r12d\n\txor %%r13d, %%r13d\n\t" ::
                         : "rbx", "r12", "r13", "xmm0", "xmm7");
}

static void registers(void)
{
    handle(SIGALRM, SA_RESTART, on_clobber);
    struct itimerval interval = {{0, 1000}, {0, 1000}};
    CHECK(setitimer(ITIMER_REAL, &interval, NULL) == 0);
    double x = 1.0, y = 0.5;
    long a = 3, b = 5, c = 7;
    int turns = 0;
    while (count < 20) {
        x = x * 1.000001;
        y = y + x;
        a = a * 5 + b;
        b ^= a >> 3;
        c += b;
        if (++turns == 1000) {
            CHECK(a != 0 && x > 1.0);
            x = 1.0, y = 0.5, a = 3, b = 5, c = 7, turns = 0;
        }
    }
    interval = (struct itimerval){{0, 0}, {0, 0}};
    setitimer(ITIMER_REAL, &interval, NULL);
    double x2 = 1.0, y2 = 0.5;
    long a2 = 3, b2 = 5, c2 = 7;
    for (int i = 0; i < turns; i++) {
        x2 = x2 * 1.000001;
        y2 = y2 + x2;
        a2 = a2 * 5 + b2;
        b2 ^= a2 >> 3;
        c2 += b2;
    }
    CHECK(x == x2 && y == y2 && a == a2 && b == b2 && c == c2);
}

static const struct test_case cases[] = {
    {"nested", nested},
    {"nodefer", nodefer},
    {"resethand", resethand},
    {"pending", pending},
    {"queued", queued},
    {"waiting", waiting},
    {"signal_fd", signal_fd},
    {"altstack", altstack},
    {"stack_overflow", stack_overflow},
    {"changed_context", changed_context},
    {"longjmp_out", longjmp_out},
    {"fault_retry", fault_retry},
    {"faults_of_all_kinds", faults_of_all_kinds},
    {"trap_flag", trap_flag},
    {"deaths", deaths},
    {"alarms", alarms},
    {"posix_timers", posix_timers},
    {"thread_directed", thread_directed},
    {"cancellation", cancellation},
    {"child_signals", child_signals},
    {"stop_and_continue", stop_and_continue},
    {"group", group},
    {"broken_pipe", broken_pipe},
    {"inherited", inherited},
    {"after_exec", after_exec},
    {"registers", registers},
};

int main(int argc, char **argv)
{
    return run_cases(argc, argv, cases, COUNT_OF(cases));
}
