/* A pool of buffers whose free list is a lock-free stack. A thread that stands between reading the
 * top's successor and exchanging the top may find the same top again after others took it, took its
 * successor and gave the top back: the successor, in use, becomes the top and is handed out twice.
 * The fix counts the changes in the upper half of the word. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

enum { BUFFERS = 4, NONE = BUFFERS, REQUESTS = 4, READERS = 2, WORK_AREA_BYTES = 512 * 1024 };

static _Atomic uint32_t successor[BUFFERS];
static atomic_int in_use[BUFFERS];
static _Atomic uint64_t top;

static uint64_t word_make(uint32_t index, uint64_t before)
{
#ifdef FIXED
    return ((before >> 32) + 1) << 32 | index;
#else
    (void)before;
    return index;
#endif
}

static uint32_t pool_take(void)
{
    uint64_t seen = atomic_load(&top);
    for (;;) {
        uint32_t index = (uint32_t)seen;
        if (index == NONE)
            return NONE;
        uint32_t next = atomic_load(&successor[index]);
        if (atomic_compare_exchange_weak(&top, &seen, word_make(next, seen))) {
            if (atomic_exchange(&in_use[index], 1) != 0) {
                fprintf(stderr, "buffer %u was handed out twice\n", index);
                abort();
            }
            return index;
        }
    }
}

static void pool_give(uint32_t index)
{
    if (index == NONE)
        return;
    atomic_store(&in_use[index], 0);
    uint64_t seen = atomic_load(&top);
    do
        atomic_store(&successor[index], (uint32_t)seen);
    while (!atomic_compare_exchange_weak(&top, &seen, word_make(index, seen)));
}

static void answer_requests(void)
{
    for (int i = 0; i < REQUESTS; i++)
        pool_give(pool_take());
}

/* Fetched before the work begins, so that working never waits for memory. */
static void *work_area_new(void)
{
    return mmap(NULL, WORK_AREA_BYTES, PROT_READ | PROT_WRITE,
                MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
}

/* Returns the message it has read, in a buffer. */
static void *reader(void *ret_message)
{
    void *area = work_area_new();
    uint32_t header = pool_take();
    *(uint32_t *)ret_message = pool_take();
    pool_give(header);
    return area;
}

int main(void)
{
    for (uint32_t i = 0; i < BUFFERS; i++)
        successor[i] = i + 1;
    uint32_t message[READERS];
    pthread_t readers[READERS];
    for (int i = 0; i < READERS; i++)
        if (pthread_create(&readers[i], NULL, reader, &message[i]) != 0)
            return 2;
    answer_requests();
    for (int i = 0; i < READERS; i++) {
        pthread_join(readers[i], NULL);
        pool_give(message[i]);
    }
    int count = 0;
    while (pool_take() != NONE)
        count++;
    printf("%d buffers\n", count);
    return count == BUFFERS ? 0 : 1;
}
