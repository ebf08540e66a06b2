/* A window of two instructions: two threads each load a counter, and store it plus one, once. A run
 * in which an update is lost exits with 1. Loads and stores stand apart, with no branch and no call
 * between. */
#include <pthread.h>
#include <stdio.h>

static long counter;

static void *add_one(void *unused)
{
    __asm__ volatile("mov %0, %%rax\n\t"
                     "lea 1(%%rax), %%rax\n\t"
                     "mov %%rax, %0\n\t"
                     : "+m"(counter)
                     :
                     : "rax");
    return unused;
}

int main(void)
{
    pthread_t other;
    if (pthread_create(&other, NULL, add_one, NULL) != 0)
        return 2;
    add_one(NULL);
    pthread_join(other, NULL);
    printf("counter %ld\n", counter);
    return counter == 2 ? 0 : 1;
}
