/* Requests from a pool, completed by a worker. The worker counts the request's bytes after it has
 * said that the request is complete, when its owner may have given it back to the pool. The fix
 * counts first. */
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

enum { REQUESTS = 3, BYTES = 512, WORK_AREA_BYTES = 512 * 1024 };

struct request {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    int complete;
    int bytes;
};

static struct request pool_slot;
static int bytes_served;

static struct request *request_new(int bytes)
{
    struct request *request = &pool_slot;
    pthread_mutex_init(&request->lock, NULL);
    pthread_cond_init(&request->changed, NULL);
    request->complete = 0;
    request->bytes = bytes;
    return request;
}

static void request_free(struct request *request)
{
    pthread_cond_destroy(&request->changed);
    pthread_mutex_destroy(&request->lock);
    memset(request, 0, sizeof *request);
}

static void *serve(void *argument)
{
    struct request *request = argument;
#ifdef FIXED
    bytes_served += request->bytes;
#endif
    pthread_mutex_lock(&request->lock);
    request->complete = 1;
    pthread_cond_signal(&request->changed);
    pthread_mutex_unlock(&request->lock);
#ifndef FIXED
    bytes_served += request->bytes;
#endif
    return NULL;
}

static void *work_area_fetch(void *unused)
{
    (void)unused;
    return mmap(NULL, WORK_AREA_BYTES, PROT_READ | PROT_WRITE,
                MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
}

/* Fetched by a thread of its own, as fetching takes long. */
static void *work_area_new(void)
{
    pthread_t fetcher;
    void *area = MAP_FAILED;
    if (pthread_create(&fetcher, NULL, work_area_fetch, NULL) == 0)
        pthread_join(fetcher, &area);
    return area;
}

static int request_run(void)
{
    struct request *request = request_new(BYTES);
    pthread_t worker;
    if (pthread_create(&worker, NULL, serve, request) != 0)
        return -1;
    void *area = work_area_new();
    pthread_mutex_lock(&request->lock);
    while (!request->complete)
        pthread_cond_wait(&request->changed, &request->lock);
    pthread_mutex_unlock(&request->lock);
    request_free(request);
    pthread_join(worker, NULL);
    munmap(area, WORK_AREA_BYTES);
    return 0;
}

int main(void)
{
    for (int i = 0; i < REQUESTS; i++)
        if (request_run() != 0)
            return 2;
    if (bytes_served != REQUESTS * BYTES) {
        fprintf(stderr, "%d bytes served, expected %d\n", bytes_served, REQUESTS * BYTES);
        return 1;
    }
    printf("%d bytes served\n", bytes_served);
    return 0;
}
