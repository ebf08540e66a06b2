/* A counter that two threads add to without a lock: some schedules lose an addition. */
#include <pthread.h>
#include <stdio.h>

static volatile int items;

static void *put(void *argument)
{
    int seen = items;

    (void)argument;
    items = seen + 1;
    return NULL;
}

int main(void)
{
    pthread_t threads[2];

    for (int i = 0; i < 2; i++)
        if (pthread_create(&threads[i], NULL, put, NULL) != 0)
            return 2;
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    printf("%d items\n", items);
    return items != 2;
}
