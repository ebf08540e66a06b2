/* Programs that never end, or die, each with a stack that a report has to show. */
#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include "check.h"

static pthread_mutex_t first = PTHREAD_MUTEX_INITIALIZER, second = PTHREAD_MUTEX_INITIALIZER;
static pthread_barrier_t both;
static volatile unsigned turns;

__attribute__((noinline)) static void take_both(pthread_mutex_t *one, pthread_mutex_t *other)
{
    pthread_mutex_lock(one);
    pthread_barrier_wait(&both);
    pthread_mutex_lock(other);
    turns++;
}

static void *forwards(void *unused)
{
    take_both(&first, &second);
    return unused;
}

static void *backwards(void *unused)
{
    take_both(&second, &first);
    return unused;
}

static void deadlock(void)
{
    pthread_t threads[2];
    pthread_barrier_init(&both, NULL, 2);
    pthread_create(&threads[0], NULL, forwards, NULL);
    pthread_create(&threads[1], NULL, backwards, NULL);
    pthread_join(threads[0], NULL);
    pthread_join(threads[1], NULL);
}

/* A handler that wants what the code it interrupts holds. */
static void lock_in_handler(int signal)
{
    (void)signal;
    pthread_mutex_lock(&first);
    turns++;
}

__attribute__((noinline)) static void work_with_lock(void)
{
    pthread_mutex_lock(&first);
    for (;;)
        turns++;
}

static void handler(void)
{
    signal(SIGALRM, lock_in_handler);
    alarm(1);
    work_with_lock();
}

static int compare(const void *a, const void *b)
{
    const int *x = a, *y = b;
    if (*x == 5)
        abort();
    return (*x > *y) - (*x < *y);
}

static void crash(void)
{
    int numbers[] = {9, 3, 5, 1};
    qsort(numbers, 4, sizeof(*numbers), compare);
}

__attribute__((noinline)) static int deep(volatile int *where, int depth)
{
    return depth == 0 ? *where : deep(where, depth - 1) + (int)turns;
}

static void fault(void)
{
    turns = (unsigned)deep((volatile int *)8, 100);
}

static void spin(void)
{
    work_with_lock();
}

/* A crash that is none of the run's: the parent sees to it. */
static void child(void)
{
    int status;
    pid_t pid = fork();
    if (pid == 0)
        crash();
    CHECK(waitpid(pid, &status, 0) == pid && WIFSIGNALED(status));
    puts("seen to");
}

static const struct test_case cases[] = {{"deadlock", deadlock}, {"handler", handler},
                                         {"crash", crash},       {"fault", fault},
                                         {"spin", spin},         {"child", child}};

int main(int argc, char **argv)
{
    return run_cases(argc, argv, cases, COUNT_OF(cases));
}
