/* The hunt's own kind of program, for ci/bench: two threads share a counter under a mutex, and
 * main checks what came of it. */
#include <pthread.h>
#include <stdlib.h>

#define THREADS 2
#define INCREMENTS 50

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int shared;

static void *increment(void *unused)
{
    for (int i = 0; i < INCREMENTS; i++) {
        pthread_mutex_lock(&lock);
        shared++;
        pthread_mutex_unlock(&lock);
    }
    return unused;
}

int main(void)
{
    pthread_t thread[THREADS];

    for (int i = 0; i < THREADS; i++)
        if (pthread_create(&thread[i], NULL, increment, NULL))
            return 2;
    for (int i = 0; i < THREADS; i++)
        pthread_join(thread[i], NULL);
    return shared != THREADS * INCREMENTS;
}
