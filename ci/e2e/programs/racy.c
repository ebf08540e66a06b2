/* Prints the order in which eight threads pass their steps: nothing but the schedule decides it.
 * With an argument that many steps a thread. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

enum { THREADS = 8, STEPS_MAX = 64 };

static char order[THREADS * STEPS_MAX + 1];
static atomic_int position;
static int steps = 12;

static void *runner(void *name)
{
    for (int i = 0; i < steps; i++) {
        order[atomic_fetch_add(&position, 1)] = *(const char *)name;
        for (volatile int work = 0; work < 20; work++)
            ;
    }
    return NULL;
}

int main(int argc, char **argv)
{
    static char names[] = "abcdefgh";
    if (argc > 1)
        steps = atoi(argv[1]);
    if (steps < 1 || steps > STEPS_MAX)
        return 2;
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++)
        if (pthread_create(&threads[i], NULL, runner, &names[i]) != 0)
            return 2;
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    puts(order);
    return 0;
}
