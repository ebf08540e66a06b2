/* Threads that wait for a plain variable without making a system call, in loops closed in every way
 * there is; they end only if others are given the processor. And the smallest windows: two
 * instructions. */
#include <pthread.h>
#include <signal.h>

#include "check.h"

static volatile int released;

static void *release(void *unused)
{
    released = 1;
    return unused;
}

static pthread_t start(void *(*function)(void *))
{
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, function, NULL) == 0);
    return thread;
}

static void *spin_branch(void *unused)
{
    while (!released)
        ;
    return unused;
}

static void spin_with(void *(*spinner)(void *))
{
    released = 0;
    pthread_t first = start(spinner);
    pthread_t second = start(spinner);
    pthread_t third = start(release);
    pthread_join(first, NULL);
    pthread_join(second, NULL);
    pthread_join(third, NULL);
}

/* An executable segment of its own: the same image, but another mapping. */
__attribute__((section("far_text"))) static void *spin_far(void *unused)
{
    while (!released)
        ;
    return unused;
}

static void far(void)
{
    spin_with(spin_far);
}

static void branch(void)
{
    spin_with(spin_branch);
}

/* A loop without one direct backward branch: each opcode jumps to the next through a table. */
static void *spin_goto(void *unused)
{
    static void *volatile opcodes[] = {&&look, &&again, &&done};
    static volatile unsigned char program[] = {0, 1};
    volatile unsigned char *at = program;
    goto *opcodes[*at];
look:
    if (released)
        goto *opcodes[2];
    at++;
    goto *opcodes[*at];
again:
    at = program;
    goto *opcodes[*at];
done:
    return unused;
}

static void computed_goto(void)
{
    spin_with(spin_goto);
}

/* A loop in which every run of five bytes has a way into its middle: the jump to 2, the branch
 * to 1. */
void *spin_short(void *unused);
__asm__(".text\n"
        ".type spin_short, @function\n"
        "spin_short:\n"
        "   lea released(%rip), %rdx\n"
        "   mov %rdi, %rax\n"
        "   jmp 2f\n"
        "1: cmpl $0, (%rdx)\n"
        "2: je 1b\n"
        "   ret\n"
        ".size spin_short, . - spin_short\n");

static void short_loop(void)
{
    spin_with(spin_short);
}

/* No loop at all: a tree of calls through a pointer, 60 deep, which nobody lives to see the end of.
 */
typedef int (*spin_function)(int depth);
static spin_function volatile next_function;

static int descend(int depth)
{
    if (released || depth == 0)
        return depth;
    int left = next_function(depth - 1);
    return left + next_function(depth - 1);
}

static void *spin_recursion(void *unused)
{
    next_function = descend;
    next_function(60);
    return unused;
}

static void recursion(void)
{
    spin_with(spin_recursion);
}

/* Spins with every signal blocked; the masks and the handlers of the signals that a recorder may
 * force are to be as before. */
static volatile sig_atomic_t handled;

static void count_signal(int signal)
{
    (void)signal;
    handled++;
}

static void *spin_blocked(void *unused)
{
    sigset_t all, before, after;
    sigfillset(&all);
    CHECK(pthread_sigmask(SIG_BLOCK, &all, &before) == 0);
    while (!released)
        ;
    CHECK(pthread_sigmask(SIG_SETMASK, NULL, &after) == 0);
    static const int forced[] = {SIGTRAP, SIGILL, SIGSEGV, SIGUSR1};
    for (size_t i = 0; i < COUNT_OF(forced); i++)
        CHECK(sigismember(&after, forced[i]) == 1);
    CHECK(pthread_sigmask(SIG_SETMASK, &before, NULL) == 0);
    return unused;
}

static void blocked(void)
{
    struct sigaction action = {.sa_handler = count_signal}, old;
    CHECK(sigaction(SIGTRAP, &action, NULL) == 0);
    CHECK(sigaction(SIGILL, &action, NULL) == 0);
    signal(SIGSEGV, SIG_IGN);
    spin_with(spin_blocked);
    CHECK(sigaction(SIGTRAP, NULL, &old) == 0 && old.sa_handler == count_signal);
    CHECK(sigaction(SIGILL, NULL, &old) == 0 && old.sa_handler == count_signal);
    CHECK(sigaction(SIGSEGV, NULL, &old) == 0 && old.sa_handler == SIG_IGN);
    CHECK(handled == 0);
    CHECK(raise(SIGTRAP) == 0 && handled == 1);
}

/* Yielding spinners: polite, but not blocked either. */
static void *spin_yield(void *unused)
{
    while (!released)
        sched_yield();
    return unused;
}

static void yielding(void)
{
    spin_with(spin_yield);
}

static void *spin_pause(void *unused)
{
    while (!released)
        __builtin_ia32_pause();
    return unused;
}

static void pausing(void)
{
    spin_with(spin_pause);
}

/* Instructions that a recorder's single step must not change: pushf stores the trap flag that steps
 * it, and the traps of int3 and int1 look like a step's. */
static void *spin_flags(void *unused)
{
    for (int n = 0; !released; n++) {
        unsigned long flags;
        __asm__ volatile("lea -128(%%rsp), %%rsp\n\t"
                         "pushfq\n\t"
                         "pop %0\n\t"
                         "push %0\n\t"
                         "popfq\n\t"
                         "lea 128(%%rsp), %%rsp"
                         : "=r"(flags)
                         :
                         : "cc", "memory");
        CHECK(!(flags & 0x100));
        sig_atomic_t before = handled;
        if (n % 8 == 0)
            __asm__ volatile("int3");
        else if (n % 8 == 4)
            __asm__ volatile(".byte 0xf1");
        else
            continue;
        CHECK(handled == before + 1);
    }
    return unused;
}

static void *release_late(void *unused)
{
    for (volatile int i = 0; i < 100000; i++)
        ;
    return release(unused);
}

static void flags(void)
{
    signal(SIGTRAP, count_signal);
    pthread_t first = start(spin_flags), second = start(release_late);
    pthread_join(first, NULL);
    pthread_join(second, NULL);
}

/* Spinlock made by hand: the owner is preempted while it holds the lock. */
static volatile int lock_word;
static long guarded;

static void *spin_lock_user(void *unused)
{
    for (int i = 0; i < 200; i++) {
        while (__atomic_exchange_n(&lock_word, 1, __ATOMIC_ACQUIRE) != 0)
            ;
        guarded++;
        __atomic_store_n(&lock_word, 0, __ATOMIC_RELEASE);
    }
    return unused;
}

static void spinlock(void)
{
    pthread_t threads[4];
    for (size_t i = 0; i < COUNT_OF(threads); i++)
        threads[i] = start(spin_lock_user);
    for (size_t i = 0; i < COUNT_OF(threads); i++)
        pthread_join(threads[i], NULL);
    printf("guarded %ld\n", guarded);
}

static const struct test_case cases[] = {
    {"branch", branch},
    {"far", far},
    {"computed_goto", computed_goto},
    {"short_loop", short_loop},
    {"recursion", recursion},
    {"blocked", blocked},
    {"yielding", yielding},
    {"pausing", pausing},
    {"spinlock", spinlock},
    {"flags", flags},
};

int main(int argc, char **argv)
{
    return run_cases(argc, argv, cases, COUNT_OF(cases));
}
