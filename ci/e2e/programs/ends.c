/* Programs that end in ways which a stack has to explain: inlined functions, exits deep inside,
 * libraries, handlers, broken stacks. Built with and without optimisation, static, stripped. */
#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

void library_calls(void (*back)(int), int value); /* ends_library.c */

static volatile int sink, zero;
static volatile int *volatile nowhere = (volatile int *)8;

/* ---- inlined --------------------------------------------------------------------------------- */

static inline __attribute__((always_inline)) int innermost(int value)
{
    sink += value;
    return *nowhere + value; /* innermost */
}

static inline __attribute__((always_inline)) int middle(int value)
{
    sink -= value;
    return innermost(value + 1) * 3; /* middle */
}

__attribute__((noinline)) static int outer(int value)
{
    int result = middle(value); /* outer */

    return result + sink;
}

static void inlined(void)
{
    sink = outer(zero) + 1;
}

/* ---- exits ----------------------------------------------------------------------------------- */

__attribute__((noinline)) static void give_up(int status)
{
    sink++;
    exit(status); /* give_up */
}

__attribute__((noinline)) static void check_input(int value)
{
    if (value == zero)
        give_up(3);
    sink++;
}

static void exits(void)
{
    check_input(0);
    sink++;
}

static void *exit_in_thread(void *unused)
{
    check_input(0);
    sink++;
    return unused;
}

static void thread_exits(void)
{
    pthread_t thread;

    pthread_create(&thread, NULL, exit_in_thread, NULL);
    pthread_join(thread, NULL);
}

__attribute__((noinline)) static void assertion(void)
{
    assert(zero == 1);
    sink++;
}

static void killed(void)
{
    kill(getpid(), SIGKILL);
    sink++;
}

/* ---- libraries and handlers ------------------------------------------------------------------ */

static void called_back(int value)
{
    sink = *nowhere + value;
}

static void library(void)
{
    library_calls(called_back, 7);
    sink++;
}

static void crashing_handler(int signal)
{
    sink = *nowhere + signal;
}

__attribute__((noinline)) static void interrupted(void)
{
    raise(SIGUSR1);
    sink++;
}

static void handler(void)
{
    struct sigaction action = {.sa_handler = crashing_handler};

    sigaction(SIGUSR1, &action, NULL);
    interrupted();
    sink++;
}

static void abort_in_handler(int signal)
{
    sink = signal;
    abort();
}

/* The handler of a fault, on its own stack: the interrupted instruction is exact, no return
 * address. */
static void fault_handler(void)
{
    static char stack[1 << 16];
    stack_t alternate = {.ss_sp = stack, .ss_size = sizeof(stack)};
    struct sigaction action = {.sa_handler = abort_in_handler, .sa_flags = SA_ONSTACK};

    sigaltstack(&alternate, NULL);
    sigaction(SIGSEGV, &action, NULL);
    inlined();
}

/* ---- broken stacks --------------------------------------------------------------------------- */

__attribute__((noinline)) static int recurse(int depth)
{
    volatile char space[4096];

    space[0] = (char)depth;
    return recurse(depth + 1) + space[0];
}

static void overflow(void)
{
    sink = recurse(0);
}

static void (*volatile no_function)(void);

static void null_call(void)
{
    no_function();
    sink++;
}

static void wild_call(void)
{
    no_function = (void (*)(void))(uintptr_t)0x123456789000;
    no_function();
    sink++;
}

/* Returns to nowhere, with everything above overwritten. */
__attribute__((noinline)) static void smash(void)
{
    volatile uint64_t here[2];

    for (volatile int i = 0; i < 40; i++)
        *(&here[0] + i) = 0x4141414141414141;
}

static void smashed(void)
{
    smash();
    sink++;
}

/* Frames that form a ring. */
static void ring(void)
{
    __asm__ volatile("mov %%rsp, %%rbp\n\t"
                     "push %%rbp\n\t"
                     "mov %%rsp, (%%rsp)\n\t"
                     "mov %%rsp, %%rbp\n\t"
                     "xor %%eax, %%eax\n\t"
                     "mov (%%rax), %%eax" ::
                         : "memory");
}

/* ---- processes ------------------------------------------------------------------------------- */

static void wait_for_nobody(int fd)
{
    char byte;

    while (read(fd, &byte, 1) < 0 && errno == EINTR)
        continue;
}

static void children(void)
{
    int pipe_fds[2];

    if (pipe(pipe_fds) < 0)
        abort();
    for (int i = 0; i < 2; i++)
        if (fork() == 0) {
            wait_for_nobody(pipe_fds[0]);
            _exit(0);
        }
    wait(NULL);
    sink++;
}

static void *waits(void *fd)
{
    wait_for_nobody(*(int *)fd);
    return fd;
}

/* More threads than a report shows. */
static void many(void)
{
    static int pipe_fds[2];
    pthread_t thread;

    if (pipe(pipe_fds) < 0)
        abort();
    for (int i = 0; i < 80; i++)
        if (pthread_create(&thread, NULL, waits, pipe_fds))
            abort();
    pthread_join(thread, NULL);
}

static const struct {
    const char *name;
    void (*run)(void);
} ends[] = {{"inlined", inlined},     {"exit", exits},          {"thread-exit", thread_exits},
            {"assert", assertion},    {"kill", killed},         {"library", library},
            {"handler", handler},     {"fault", fault_handler}, {"overflow", overflow},
            {"null-call", null_call}, {"wild-call", wild_call}, {"smashed", smashed},
            {"ring", ring},           {"children", children},   {"many", many}};

int main(int argc, char **argv)
{
    for (size_t i = 0; argc > 1 && i < sizeof(ends) / sizeof(*ends); i++)
        if (strcmp(ends[i].name, argv[1]) == 0)
            ends[i].run();
    puts("not ended");
    return argc > 1 ? 2 : 0;
}
