/* Enters loops in their middle, at computed addresses, and prints what comes out. With "blocked",
 * inside a section with every signal blocked, whose mask and handlers must survive. */
#include <signal.h>

#include "check.h"

long stray_enter(void *target, long count);
long stray_branch(long count);
long stray_indirect(long count);
long stray_short(long count);
extern const int stray_offsets[][2];

static void enter_all(void)
{
    static long (*const functions[])(long) = {stray_branch, stray_indirect, stray_short};
    for (size_t i = 0; stray_offsets[i][0] >= 0; i++) {
        char *start = (char *)functions[stray_offsets[i][0]];
        char *target = start + stray_offsets[i][1] / 3;
        printf("%d at %d: %ld\n", stray_offsets[i][0], stray_offsets[i][1] / 3,
               stray_enter(target, 100));
    }
}

static volatile sig_atomic_t handled;

static void count_signal(int signal)
{
    (void)signal;
    handled++;
}

static void plain(void)
{
    enter_all();
}

static void blocked(void)
{
    static const int forced[] = {SIGTRAP, SIGILL, SIGSEGV};
    struct sigaction action = {.sa_handler = count_signal}, old;
    for (size_t i = 0; i < COUNT_OF(forced); i++)
        CHECK(sigaction(forced[i], &action, NULL) == 0);
    sigset_t all, after;
    sigfillset(&all);
    CHECK(sigprocmask(SIG_BLOCK, &all, NULL) == 0);
    enter_all();
    CHECK(sigprocmask(SIG_SETMASK, NULL, &after) == 0);
    for (size_t i = 0; i < COUNT_OF(forced); i++) {
        CHECK(sigismember(&after, forced[i]) == 1);
        CHECK(sigaction(forced[i], NULL, &old) == 0 && old.sa_handler == count_signal);
    }
    CHECK(handled == 0);
}

static const struct test_case cases[] = {{"plain", plain}, {"blocked", blocked}};

int main(int argc, char **argv)
{
    return run_cases(argc, argv, cases, COUNT_OF(cases));
}
