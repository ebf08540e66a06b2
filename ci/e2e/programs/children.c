/* Signals between processes: death by one, job control, groups, what fork and exec keep. */
#include "handlers.h"

/* --- death by signal, as the parent sees it --- */

static volatile int zero;

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
        execl("/proc/self/exe", "children", "after_exec", (char *)NULL);
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

static const struct test_case cases[] = {
    {"deaths", deaths},
    {"child_signals", child_signals},
    {"stop_and_continue", stop_and_continue},
    {"group", group},
    {"broken_pipe", broken_pipe},
    {"inherited", inherited},
    {"after_exec", after_exec},
};

int main(int argc, char **argv)
{
    return run_cases(argc, argv, cases, COUNT_OF(cases));
}
