/* Processes: every way to make one, to replace its program, to end it, to wait for it. */
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdint.h>
#include <linux/sched.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include "check.h"

extern char **environ;

static int exit_status(pid_t child)
{
    int status = -1;
    CHECK(waitpid(child, &status, 0) == child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

static void forks(void)
{
    int value = 1;
    pid_t child = fork();
    if (child == 0) {
        value = 2;
        _exit(getppid() > 0 ? value + 40 : 0);
    }
    CHECK(exit_status(child) == 42 && value == 1);

    volatile int shared = 0;
    child = vfork();
    if (child == 0) {
        shared = 5;
        _exit(3);
    }
    CHECK(shared == 5 && exit_status(child) == 3);

    for (int code = 0; code < 256; code += 85) {
        child = fork();
        if (child == 0)
            exit(code);
        CHECK(exit_status(child) == code);
    }
    /* generations */
    child = fork();
    if (child == 0) {
        for (int i = 0; i < 5; i++) {
            pid_t next = fork();
            if (next == 0)
                continue;
            _exit(exit_status(next) + 1);
        }
        _exit(10);
    }
    CHECK(exit_status(child) == 15);
}

static void spawns(void)
{
    char *arguments[] = {"sh", "-c", "exit 7", NULL};
    pid_t child;
    CHECK(posix_spawn(&child, "/bin/sh", NULL, NULL, arguments, environ) == 0);
    CHECK(exit_status(child) == 7);

    int ends[2];
    CHECK(pipe2(ends, O_CLOEXEC) == 0);
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t none, defaults;
    sigemptyset(&none);
    sigemptyset(&defaults);
    sigaddset(&defaults, SIGPIPE);
    CHECK(posix_spawn_file_actions_init(&actions) == 0 && posix_spawnattr_init(&attributes) == 0);
    CHECK(posix_spawn_file_actions_adddup2(&actions, ends[1], 1) == 0);
    CHECK(posix_spawn_file_actions_addclose(&actions, 0) == 0);
    CHECK(posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK |
                                                    POSIX_SPAWN_SETSIGDEF) == 0);
    CHECK(posix_spawnattr_setsigmask(&attributes, &none) == 0);
    CHECK(posix_spawnattr_setsigdefault(&attributes, &defaults) == 0);
    char *echo[] = {"echo", "from a child", NULL};
    CHECK(posix_spawnp(&child, "echo", &actions, &attributes, echo, environ) == 0);
    close(ends[1]);
    char text[64];
    ssize_t length = read(ends[0], text, sizeof text);
    CHECK(length == 13 && memcmp(text, "from a child\n", 13) == 0);
    CHECK(exit_status(child) == 0);
    char *missing[] = {"missing", NULL};
    CHECK(posix_spawn(&child, "/nonexistent/missing", NULL, NULL, missing, environ) == ENOENT);

    FILE *command = popen("tr a-z A-Z", "w");
    CHECK(command != NULL && fputs("loud\n", command) > 0 && fflush(command) == 0);
    CHECK(pclose(command) == 0);
    CHECK(system("exit 9") >> 8 == 9);
}

static void clone3_variants(void)
{
    struct clone_args arguments = {.exit_signal = SIGCHLD};
    pid_t child = (pid_t)syscall(SYS_clone3, &arguments, sizeof arguments);
    if (child == 0)
        _exit(4);
    CHECK(exit_status(child) == 4);

    int pidfd = -1;
    pid_t written = 0;
    arguments = (struct clone_args){.flags = CLONE_PIDFD | CLONE_PARENT_SETTID,
                                    .pidfd = (uintptr_t)&pidfd,
                                    .parent_tid = (uintptr_t)&written,
                                    .exit_signal = SIGCHLD};
    child = (pid_t)syscall(SYS_clone3, &arguments, sizeof arguments);
    if (child == 0)
        _exit(5);
    CHECK(written == child && pidfd >= 0);
    struct pollfd one = {pidfd, POLLIN, 0};
    CHECK(poll(&one, 1, -1) == 1);
    siginfo_t info;
    CHECK(waitid(P_PIDFD, (id_t)pidfd, &info, WEXITED) == 0 && info.si_status == 5);
    close(pidfd);
    CHECK(syscall(SYS_clone3, &arguments, 8L) == -1 && errno == EINVAL);
}

static void exec_chain(const char *left)
{
    int count = atoi(left);
    char next[16];
    snprintf(next, sizeof next, "%d", count - 1);
    if (count == 0)
        exit(21);
    if (count % 3 == 0) {
        int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
        char *arguments[] = {"process", "chain", next, NULL};
        fexecve(fd, arguments, environ);
    } else if (count % 3 == 1) {
        char *arguments[] = {"process", "chain", next, NULL};
        int fd = open("/proc/self/exe", O_PATH | O_CLOEXEC);
        syscall(SYS_execveat, fd, "", arguments, environ, AT_EMPTY_PATH);
    } else {
        execl("/proc/self/exe", "process", "chain", next, (char *)NULL);
    }
    _exit(98);
}

static void execs(void)
{
    fflush(stdout);
    pid_t child = fork();
    if (child == 0)
        exec_chain("5");
    CHECK(exit_status(child) == 21);

    child = fork();
    if (child == 0) {
        char *arguments[] = {"x", NULL};
        CHECK(execve("/nonexistent", arguments, environ) == -1 && errno == ENOENT);
        CHECK(execve("/", arguments, environ) == -1 && errno == EACCES);
        CHECK(execve("/etc/passwd", arguments, environ) == -1 && errno == EACCES);
        _exit(6);
    }
    CHECK(exit_status(child) == 6);

    child = vfork();
    if (child == 0) {
        execl("/bin/sh", "sh", "-c", "exit 11", (char *)NULL);
        _exit(99);
    }
    CHECK(exit_status(child) == 11);
}

static void *exec_from_thread(void *unused)
{
    execl("/bin/sh", "sh", "-c", "exit 12", (char *)NULL);
    return unused;
}

static void *run_for_ever(void *unused)
{
    for (volatile long i = 0;; i++)
        ;
    return unused;
}

static void *sleep_for_ever(void *unused)
{
    for (;;)
        pause();
    return unused;
}

static void *hold_lock_for_ever(void *lock)
{
    pthread_mutex_lock(lock);
    return sleep_for_ever(NULL);
}

/* exec by a thread that is not the leader, with others running, sleeping, parked and waiting for a
 * lock */
static void thread_exec(void)
{
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
        pthread_t threads[4];
        CHECK(pthread_create(&threads[0], NULL, run_for_ever, NULL) == 0);
        CHECK(pthread_create(&threads[1], NULL, hold_lock_for_ever, &lock) == 0);
        CHECK(pthread_create(&threads[2], NULL, hold_lock_for_ever, &lock) == 0);
        let_others_block();
        CHECK(pthread_create(&threads[3], NULL, exec_from_thread, NULL) == 0);
        pthread_join(threads[3], NULL);
        _exit(97);
    }
    CHECK(exit_status(child) == 12);
}

static void *end_group(void *code)
{
    let_others_block();
    _exit((int)(long)code);
}

static void *end_thread(void *unused)
{
    syscall(SYS_exit, 3);
    return unused;
}

/* exit_group from a thread, from two at once, and the leader's exit before the others */
static void group_exits(void)
{
    for (int variant = 0; variant < 4; variant++) {
        fflush(stdout);
        pid_t child = fork();
        if (child == 0) {
            pthread_t threads[4];
            CHECK(pthread_create(&threads[0], NULL, run_for_ever, NULL) == 0);
            CHECK(pthread_create(&threads[1], NULL, sleep_for_ever, NULL) == 0);
            CHECK(pthread_create(&threads[2], NULL, end_group, (void *)33L) == 0);
            if (variant == 1)
                CHECK(pthread_create(&threads[3], NULL, end_group, (void *)33L) == 0);
            if (variant == 2)
                syscall(SYS_exit, 1);
            if (variant == 3) {
                CHECK(pthread_create(&threads[3], NULL, end_thread, NULL) == 0);
                pthread_exit(NULL);
            }
            sleep_for_ever(NULL);
        }
        CHECK(exit_status(child) == 33);
    }
    /* killed from outside with threads in every state */
    int ready[2];
    CHECK(pipe(ready) == 0);
    pid_t child = fork();
    if (child == 0) {
        pthread_t threads[2];
        CHECK(pthread_create(&threads[0], NULL, run_for_ever, NULL) == 0);
        CHECK(pthread_create(&threads[1], NULL, sleep_for_ever, NULL) == 0);
        CHECK(write(ready[1], "r", 1) == 1);
        sleep_for_ever(NULL);
    }
    char byte;
    CHECK(read(ready[0], &byte, 1) == 1);
    kill(child, SIGKILL);
    CHECK(exit_status(child) == 1000 + SIGKILL);
}

static void orphans(void)
{
    int ends[2];
    CHECK(pipe(ends) == 0);
    CHECK(prctl(PR_SET_CHILD_SUBREAPER, 1) == 0);
    pid_t child = fork();
    if (child == 0) {
        pid_t parent = getpid();
        if (fork() == 0) {
            while (getppid() == parent)
                let_others_block();
            CHECK(write(ends[1], "o", 1) == 1);
            _exit(17);
        }
        _exit(0);
    }
    CHECK(exit_status(child) == 0);
    char byte;
    CHECK(read(ends[0], &byte, 1) == 1);
    int status;
    CHECK(wait(&status) > 0 && WEXITSTATUS(status) == 17);
    CHECK(wait(&status) == -1 && errno == ECHILD);

    /* PR_SET_PDEATHSIG */
    child = fork();
    if (child == 0) {
        pid_t inner = fork();
        if (inner == 0) {
            CHECK(prctl(PR_SET_PDEATHSIG, SIGTERM) == 0);
            CHECK(write(ends[1], "d", 1) == 1);
            sleep_for_ever(NULL);
        }
        CHECK(read(ends[0], &byte, 1) == 1);
        _exit(0);
    }
    CHECK(exit_status(child) == 0);
    CHECK(wait(&status) > 0 && WTERMSIG(status) == SIGTERM);
}

static void waits(void)
{
    siginfo_t info;
    struct rusage usage;
    int status;
    CHECK(waitpid(-1, &status, 0) == -1 && errno == ECHILD);
    pid_t first = fork();
    if (first == 0)
        _exit(1);
    CHECK(waitid(P_PID, (id_t)first, &info, WEXITED | WNOWAIT) == 0);
    CHECK(info.si_pid == first && info.si_code == CLD_EXITED && info.si_status == 1);
    memset(&info, 0, sizeof info);
    CHECK(waitid(P_ALL, 0, &info, WEXITED) == 0 && info.si_pid == first);
    CHECK(waitid(P_PID, (id_t)first, &info, WEXITED) == -1 && errno == ECHILD);

    int ends[2];
    CHECK(pipe(ends) == 0);
    pid_t second = fork();
    if (second == 0) {
        char byte;
        CHECK(read(ends[0], &byte, 1) == 1);
        _exit(2);
    }
    memset(&info, 0, sizeof info);
    CHECK(waitid(P_PID, (id_t)second, &info, WEXITED | WNOHANG) == 0 && info.si_pid == 0);
    CHECK(wait4(second, &status, WNOHANG, &usage) == 0);
    CHECK(write(ends[1], "x", 1) == 1);
    CHECK(wait4(second, &status, 0, &usage) == second && WEXITSTATUS(status) == 2);

    /* each is reaped once, by number and by group */
    pid_t children[5];
    for (int i = 0; i < 5; i++) {
        children[i] = fork();
        if (children[i] == 0)
            _exit(i);
        if (i >= 3)
            setpgid(children[i], children[3]);
    }
    CHECK(exit_status(children[2]) == 2);
    int sum = 0;
    for (int i = 0; i < 2; i++) {
        CHECK(waitpid(0, &status, 0) > 0);
        sum += WEXITSTATUS(status);
    }
    CHECK(sum == 1);
    sum = 0;
    while (waitpid(-1, &status, 0) > 0)
        sum += WEXITSTATUS(status);
    CHECK(sum == 7);
    CHECK(waitpid(1, &status, 99) == -1 && errno == EINVAL);

    /* ignored SIGCHLD: no zombies, wait waits for all */
    signal(SIGCHLD, SIG_IGN);
    if (fork() == 0)
        _exit(1);
    CHECK(wait(&status) == -1 && errno == ECHILD);
}

static pid_t thread_child;

static void *wait_in_thread(void *unused)
{
    (void)unused;
    return (void *)(long)exit_status(thread_child);
}

/* a child may be awaited by another thread than the one that made it, but for __WNOTHREAD */
static void thread_waits(void)
{
    thread_child = fork();
    if (thread_child == 0) {
        let_others_block();
        _exit(8);
    }
    pthread_t thread;
    void *result;
    CHECK(pthread_create(&thread, NULL, wait_in_thread, NULL) == 0);
    CHECK(pthread_join(thread, &result) == 0 && (long)result == 8);
}

static void pidfds(void)
{
    pid_t child = fork();
    if (child == 0)
        sleep_for_ever(NULL);
    int fd = (int)syscall(SYS_pidfd_open, child, 0);
    CHECK(fd >= 0);
    struct pollfd one = {fd, POLLIN, 0};
    CHECK(poll(&one, 1, 0) == 0);
    CHECK(syscall(SYS_pidfd_send_signal, fd, 0, NULL, 0) == 0);
    CHECK(syscall(SYS_pidfd_send_signal, fd, SIGTERM, NULL, 0) == 0);
    CHECK(poll(&one, 1, -1) == 1);
    siginfo_t info;
    CHECK(waitid(P_PIDFD, (id_t)fd, &info, WEXITED) == 0);
    CHECK(info.si_pid == child && info.si_code == CLD_KILLED && info.si_status == SIGTERM);
    CHECK(syscall(SYS_pidfd_send_signal, fd, SIGTERM, NULL, 0) == -1 && errno == ESRCH);
    CHECK(syscall(SYS_pidfd_open, 0x7ffffff, 0) == -1);
}

static void sessions(void)
{
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        CHECK(setsid() == getpid() && getsid(0) == getpid() && getpgrp() == getpid());
        CHECK(setsid() == -1 && errno == EPERM);
        CHECK(setpgid(0, 0) == -1 && errno == EPERM);
        pid_t inner = fork();
        if (inner == 0) {
            CHECK(getpgrp() == getppid() && setpgid(0, 0) == 0 && getpgrp() == getpid());
            _exit(0);
        }
        _exit(exit_status(inner));
    }
    CHECK(exit_status(child) == 0);
    CHECK(getpgid(0x7ffffff) == -1 && errno == ESRCH);
}

/* a pipeline of processes made by hand: bytes through six stages, each adding one */
static void pipeline(void)
{
    int input = -1;
    int first[2];
    CHECK(pipe(first) == 0);
    input = first[0];
    pid_t stages[6];
    for (int i = 0; i < 6; i++) {
        int next[2];
        CHECK(pipe(next) == 0);
        stages[i] = fork();
        if (stages[i] == 0) {
            close(first[1]);
            close(next[0]);
            unsigned char bytes[1000];
            ssize_t length;
            while ((length = read(input, bytes, sizeof bytes)) > 0) {
                for (ssize_t j = 0; j < length; j++)
                    bytes[j]++;
                ssize_t done = 0;
                while (done < length) {
                    ssize_t step = write(next[1], bytes + done, (size_t)(length - done));
                    CHECK(step > 0);
                    done += step;
                }
            }
            _exit(0);
        }
        close(input);
        close(next[1]);
        input = next[0];
    }
    pid_t source = fork();
    if (source == 0) {
        unsigned char bytes[3000];
        for (size_t i = 0; i < sizeof bytes; i++)
            bytes[i] = (unsigned char)i;
        for (int i = 0; i < 50; i++)
            CHECK(write(first[1], bytes, sizeof bytes) == sizeof bytes);
        _exit(0);
    }
    close(first[1]);
    unsigned char bytes[4096];
    size_t total = 0;
    ssize_t length;
    while ((length = read(input, bytes, sizeof bytes)) > 0)
        for (ssize_t j = 0; j < length; j++, total++)
            CHECK(bytes[j] == (unsigned char)(total % 3000 + 6));
    CHECK(total == 150000);
    for (int i = 0; i < 6; i++)
        CHECK(exit_status(stages[i]) == 0);
    CHECK(exit_status(source) == 0);
}

static int clone_function(void *argument)
{
    *(int *)argument = 6;
    return 14;
}

/* clone as others use it: shared memory without threads, shared descriptors, a tid to clear */
static void raw_clones(void)
{
    enum { STACK = 65536 };
    char *stack = mmap(NULL, STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(stack != MAP_FAILED);
    int value = 0;
    pid_t child = clone(clone_function, stack + STACK, CLONE_VM | SIGCHLD, &value);
    CHECK(child > 0 && exit_status(child) == 14 && value == 6);

    value = 0;
    child = clone(clone_function, stack + STACK, CLONE_VM | CLONE_VFORK | CLONE_FILES | SIGCHLD,
                  &value);
    CHECK(value == 6 && exit_status(child) == 14);

    /* no signal at exit: only __WCLONE or __WALL waits find it */
    child = clone(clone_function, stack + STACK, CLONE_VM | CLONE_FILES | CLONE_FS, &value);
    int status;
    CHECK(waitpid(child, &status, 0) == -1 && errno == ECHILD);
    CHECK(waitpid(child, &status, __WALL) == child && WEXITSTATUS(status) == 14);
    munmap(stack, STACK);
}

static void many(void)
{
    int sum = 0;
    for (int round = 0; round < 5; round++) {
        pid_t children[20];
        for (int i = 0; i < 20; i++) {
            children[i] = fork();
            if (children[i] == 0)
                _exit(i);
        }
        for (int i = 19; i >= 0; i--)
            sum += exit_status(children[i]);
    }
    CHECK(sum == 5 * 190);
}

static const struct test_case cases[] = {
    {"forks", forks},
    {"spawns", spawns},
    {"clone3", clone3_variants},
    {"execs", execs},
    {"thread_exec", thread_exec},
    {"group_exits", group_exits},
    {"orphans", orphans},
    {"waits", waits},
    {"thread_waits", thread_waits},
    {"pidfds", pidfds},
    {"sessions", sessions},
    {"pipeline", pipeline},
    {"raw_clones", raw_clones},
    {"many", many},
};

int main(int argc, char **argv)
{
    if (argc > 2 && strcmp(argv[1], "chain") == 0)
        exec_chain(argv[2]);
    return run_cases(argc, argv, cases, COUNT_OF(cases));
}
