/* A test program that misbehaves in one way, its argument. Each behaviour ends by itself natively
 * only where the comment says so: the others are for a runner that puts an end to them. */
#include <errno.h>
#include <fcntl.h>
#include <mqueue.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/shm.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MEBI (1ul << 20)
#define GIBI (1ul << 30)

static volatile unsigned long sink;

static int give_up(const char *what)
{
    fprintf(stderr, "%s: %s\n", what, strerror(errno));
    return 99;
}

static void spin_for_ever(void)
{
    for (;;)
        sink++;
}

static int good(void)
{
    puts("fine");
    return 0;
}

static int bad(void)
{
    fputs("assertion failed\n", stderr);
    return 3;
}

/* ---- processes ------------------------------------------------------------------------------ */

static int fork_bomb(void)
{
    for (;;)
        fork();
    return 1;
}

/* Forks without end, but never more than two at a time. Ends after 2 000. */
static int fork_chain(void)
{
    for (int i = 0; i < 2000; i++) {
        pid_t pid = fork();

        if (pid < 0)
            return give_up("fork");
        if (pid == 0)
            _exit(0);
        waitpid(pid, NULL, 0);
    }
    return 0;
}

static int daemonize(void)
{
    if (fork() > 0)
        return 0;
    setsid();
    if (fork() > 0)
        _exit(0);
    spin_for_ever();
    return 1;
}

static int sleeping_daemon(void)
{
    if (fork() > 0)
        return 0;
    setsid();
    if (fork() > 0)
        _exit(0);
    for (;;)
        pause();
}

static int orphans(void)
{
    for (int i = 0; i < 20; i++) {
        if (fork() == 0) {
            signal(SIGHUP, SIG_IGN);
            for (;;)
                sleep(1000);
        }
    }
    return 3;
}

static void *wait_for_ever(void *argument)
{
    (void)argument;
    for (;;)
        pause();
    return NULL;
}

/* Small stacks: 5 000 of them are not to be a question of memory. */
static int many_threads(void)
{
    pthread_attr_t attributes;

    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, 32768);
    for (int i = 0; i < 5000; i++) {
        pthread_t thread;

        errno = pthread_create(&thread, &attributes, wait_for_ever, NULL);
        if (errno)
            return give_up("pthread_create");
    }
    return 0;
}

static int exec_loop(void)
{
    execl("/proc/self/exe", "nasty", "exec-loop", (char *)NULL);
    return give_up("exec");
}

/* ---- signals -------------------------------------------------------------------------------- */

static int ignore_term(void)
{
    signal(SIGTERM, SIG_IGN);
    signal(SIGINT, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
    spin_for_ever();
    return 1;
}

static int block_signals(void)
{
    sigset_t all;

    sigfillset(&all);
    sigprocmask(SIG_BLOCK, &all, NULL);
    spin_for_ever();
    return 1;
}

static int spin(void)
{
    spin_for_ever();
    return 1;
}

static int sleep_for_ever(void)
{
    for (;;)
        sleep(1000);
    return 1;
}

static int stop_self(void)
{
    raise(SIGSTOP);
    return 0;
}

static int kill_parent(void)
{
    kill(getppid(), SIGKILL);
    kill(1, SIGKILL);
    return 4;
}

static int kill_all(void)
{
    kill(-1, SIGKILL);
    for (pid_t pid = 1; pid < 40000; pid++)
        if (pid != getpid())
            kill(pid, SIGKILL);
    return 4;
}

static int trace_others(void)
{
    if (ptrace(PTRACE_SEIZE, getppid(), NULL, NULL) == 0 ||
        ptrace(PTRACE_ATTACH, 1, NULL, NULL) == 0)
        return 0;
    give_up("ptrace");
    return 4;
}

/* ---- memory --------------------------------------------------------------------------------- */

static int fill_memory(void)
{
    for (;;) {
        char *block =
            mmap(NULL, 64 * MEBI, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

        if (block == MAP_FAILED)
            return give_up("mmap");
        memset(block, 1, 64 * MEBI);
    }
}

/* Without a system call: all of it is there from the start. */
static int fill_quietly(void)
{
    char *block = mmap(NULL, 16 * GIBI, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    if (block == MAP_FAILED)
        return give_up("mmap");
    for (unsigned long i = 0; i < 16 * GIBI; i += 4096)
        block[i] = 1;
    return 0;
}

static void *fill_in_thread(void *argument)
{
    (void)argument;
    fill_quietly();
    return NULL;
}

/* The process's first thread is gone meanwhile. */
static int fill_by_thread(void)
{
    pthread_t thread;

    pthread_create(&thread, NULL, fill_in_thread, NULL);
    pthread_exit(NULL);
    return 1;
}

/* In one call of the kernel. */
static int fill_at_once(void)
{
    return mmap(NULL, 6 * GIBI, PROT_READ | PROT_WRITE,
                MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_POPULATE, -1, 0) == MAP_FAILED
               ? give_up("mmap")
               : 0;
}

/* A parent's memory seen from 20 children is there once. Ends by itself. */
static int share_memory(void)
{
    char *block = mmap(NULL, 64 * MEBI, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (block == MAP_FAILED)
        return give_up("mmap");
    memset(block, 1, 64 * MEBI);
    for (int i = 0; i < 20; i++) {
        if (fork() == 0) {
            for (volatile unsigned long n = 0; n < 300000; n++)
                ;
            _exit(block[MEBI] == 1 ? 0 : 1);
        }
    }
    while (wait(NULL) > 0)
        ;
    return 0;
}

static int fill_tmp(void)
{
    static char block[MEBI];
    const char *folder = getenv("TMPDIR");
    char path[4096];
    int fd;

    snprintf(path, sizeof(path), "%s/fill-XXXXXX", folder ? folder : "/tmp");
    fd = mkstemp(path);
    if (fd < 0)
        return give_up(path);
    memset(block, 1, sizeof(block));
    for (;;)
        if (write(fd, block, sizeof(block)) != (ssize_t)sizeof(block))
            return give_up(path);
}

/* Ends by itself. */
static int sparse(void)
{
    char *block = mmap(NULL, 100 * GIBI, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    if (block == MAP_FAILED)
        return give_up("mmap");
    for (unsigned long i = 0; i < 100; i++)
        block[i * GIBI] = 1;
    return 3;
}

static int recurse(unsigned long depth)
{
    volatile char frame[64 * 1024];

    frame[0] = frame[sizeof(frame) - 1] = 1;
    return depth == 0 ? 3 : recurse(depth - 1) + frame[0] - 1;
}

static int huge_stack(void)
{
    struct rlimit limit = {8 * GIBI, RLIM_INFINITY};

    if (setrlimit(RLIMIT_STACK, &limit) < 0)
        return give_up("setrlimit");
    return recurse(GIBI / 65536);
}

static int core_dump(void)
{
    struct rlimit limit = {RLIM_INFINITY, RLIM_INFINITY};
    char *block = mmap(NULL, GIBI / 4, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    getrlimit(RLIMIT_CORE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_CORE, &limit);
    if (block != MAP_FAILED)
        memset(block, 1, GIBI / 4);
    abort();
}

/* ---- output --------------------------------------------------------------------------------- */

/* Ends by itself. */
static int flood(void)
{
    static char block[MEBI];

    for (size_t i = 0; i < sizeof(block); i++)
        block[i] = i % 80 == 79 ? '\n' : (char)('a' + i % 26);
    for (int i = 0; i < 1024; i++)
        for (size_t at = 0; at < sizeof(block);) {
            ssize_t n = write(1, block + at, sizeof(block) - at);

            if (n < 0)
                return give_up("write");
            at += (size_t)n;
        }
    puts("the last line");
    fflush(stdout);
    return 3;
}

static int garbage(void)
{
    fputs("\033[2J\033]0;title\007\033[31m\xff\xfe\xc3(\xed\xa0\x80\xf4\x90\x80\x80\r\b\x9b"
          "31m\nend\n",
          stderr);
    return 3;
}

static int write_stdin(void)
{
    return write(0, "x", 1) == 1 ? 3 : give_up("write to stdin");
}

/* ---- files ---------------------------------------------------------------------------------- */

static int close_files(void)
{
    for (int fd = 0; fd < 4096; fd++)
        close(fd);
    if (fork() == 0)
        _exit(3);
    int status = 0;

    wait(&status);
    return WEXITSTATUS(status);
}

static int open_many(void)
{
    struct rlimit limit;

    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    for (int i = 0; i < 10000; i++)
        if (open("/dev/null", O_RDONLY) < 0) {
            give_up("open");
            return 3;
        }
    return 3;
}

/* In a folder of its own: it deletes where it stands, and its own program there. */
static int own_folder(const char *copy)
{
    char path[4096], command[8192];
    const char *folder = getenv("TMPDIR");

    snprintf(path, sizeof(path), "%s/own-XXXXXX", folder ? folder : "/tmp");
    if (!mkdtemp(path) || chdir(path) < 0)
        return give_up(path);
    snprintf(command, sizeof(command), "cp /proc/%d/exe ./copy", (int)getpid());
    if (system(command) != 0)
        return give_up(command);
    execl("./copy", "copy", copy, path, (char *)NULL);
    return give_up("exec");
}

static int delete_self(void)
{
    return own_folder("delete-self-now");
}

static int delete_self_now(const char *path)
{
    unlink("copy");
    if (rmdir(path) < 0)
        return give_up(path);
    if (fork() == 0)
        _exit(3);
    int status = 0;

    wait(&status);
    return WEXITSTATUS(status);
}

static int lock_folder(void)
{
    return own_folder("lock-folder-now");
}

static int lock_folder_now(const char *path)
{
    if (chmod(path, 0) < 0)
        return give_up(path);
    return 3;
}

/* Shared memory of every kind, by name, with nobody to remove it. */
static int leave_segments(void)
{
    int fd = shm_open("/rrtest-nasty", O_RDWR | O_CREAT | O_EXCL, 0600);
    int id = shmget(0x72727465, MEBI, IPC_CREAT | IPC_EXCL | 0600);
    mqd_t queue = mq_open("/rrtest-nasty", O_RDWR | O_CREAT | O_EXCL, 0600, NULL);

    if (fd < 0 || id < 0 || queue == (mqd_t)-1 || ftruncate(fd, MEBI) < 0)
        return give_up("segments");
    return 3;
}

/* ---- limits of its own ---------------------------------------------------------------------- */

static int limit_self(int resource, unsigned long soft, unsigned long hard)
{
    struct rlimit limit = {soft, hard};

    return setrlimit(resource, &limit);
}

/* After each limit the ordinary things a program does. */
static int go_on(void)
{
    void *block;
    int status = 0;
    pid_t pid;

    puts("limited");
    fflush(stdout);
    block = malloc(100000);
    free(block);
    pid = fork();
    if (pid == 0) {
        execl("/bin/true", "true", (char *)NULL);
        _exit(5);
    }
    if (pid > 0)
        waitpid(pid, &status, 0);
    return 3;
}

static int few_files(void)
{
    return limit_self(RLIMIT_NOFILE, 3, 3) < 0 ? give_up("setrlimit") : go_on();
}

/* Its limit can be raised again. */
static int few_files_now(void)
{
    struct rlimit limit;

    getrlimit(RLIMIT_NOFILE, &limit);
    return limit_self(RLIMIT_NOFILE, 4, limit.rlim_max) < 0 ? give_up("setrlimit") : go_on();
}

static int little_space(void)
{
    return limit_self(RLIMIT_AS, MEBI, MEBI) < 0 ? give_up("setrlimit") : go_on();
}

static int little_time(void)
{
    if (limit_self(RLIMIT_CPU, 1, 2) < 0)
        return give_up("setrlimit");
    spin_for_ever();
    return 1;
}

static int small_files(void)
{
    return limit_self(RLIMIT_FSIZE, 0, 0) < 0 ? give_up("setrlimit") : go_on();
}

static int no_processes(void)
{
    return limit_self(RLIMIT_NPROC, 0, 0) < 0 ? give_up("setrlimit") : go_on();
}

static const struct {
    const char *name;
    int (*run)(void);
} ways[] = {
    {"good", good},
    {"bad", bad},
    {"fork-bomb", fork_bomb},
    {"fork-chain", fork_chain},
    {"daemonize", daemonize},
    {"sleeping-daemon", sleeping_daemon},
    {"orphans", orphans},
    {"many-threads", many_threads},
    {"exec-loop", exec_loop},
    {"ignore-term", ignore_term},
    {"block-signals", block_signals},
    {"spin", spin},
    {"sleep", sleep_for_ever},
    {"stop-self", stop_self},
    {"kill-parent", kill_parent},
    {"kill-all", kill_all},
    {"trace-others", trace_others},
    {"fill-memory", fill_memory},
    {"fill-quietly", fill_quietly},
    {"fill-by-thread", fill_by_thread},
    {"fill-at-once", fill_at_once},
    {"share-memory", share_memory},
    {"fill-tmp", fill_tmp},
    {"sparse", sparse},
    {"huge-stack", huge_stack},
    {"core-dump", core_dump},
    {"flood", flood},
    {"garbage", garbage},
    {"write-stdin", write_stdin},
    {"close-files", close_files},
    {"open-many", open_many},
    {"delete-self", delete_self},
    {"lock-folder", lock_folder},
    {"leave-segments", leave_segments},
    {"few-files", few_files},
    {"few-files-now", few_files_now},
    {"little-space", little_space},
    {"little-time", little_time},
    {"small-files", small_files},
    {"no-processes", no_processes},
};

int main(int argc, char **argv)
{
    if (argc > 2 && strcmp(argv[1], "delete-self-now") == 0)
        return delete_self_now(argv[2]);
    if (argc > 2 && strcmp(argv[1], "lock-folder-now") == 0)
        return lock_folder_now(argv[2]);
    for (size_t i = 0; argc > 1 && i < sizeof(ways) / sizeof(*ways); i++)
        if (strcmp(argv[1], ways[i].name) == 0)
            return ways[i].run();
    fputs("usage: nasty WAY\n", stderr);
    return 99;
}
