/* A logger thread uses the sink that its creator sets: after it has started the thread. A thread
 * that runs at once finds none. The fix sets the sink first. */
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

enum { WORK_AREA_BYTES = 512 * 1024 };

struct sink {
    char text[64];
    size_t length;
};

struct logger {
    pthread_t thread;
    struct sink *sink;
};

static struct sink memory_sink;
static struct logger logger;

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

static void *logger_main(void *argument)
{
    struct logger *self = argument;
    void *input = work_area_new();
    void *output = work_area_new();
    static const char greeting[] = "logger started\n";
    memcpy(self->sink->text + self->sink->length, greeting, sizeof greeting);
    self->sink->length += sizeof greeting - 1;
    return input != MAP_FAILED && output != MAP_FAILED ? self : NULL;
}

static int logger_start(struct logger *self, struct sink *sink)
{
#ifdef FIXED
    self->sink = sink;
    return pthread_create(&self->thread, NULL, logger_main, self);
#else
    int error = pthread_create(&self->thread, NULL, logger_main, self);
    self->sink = sink;
    return error;
#endif
}

int main(void)
{
    if (logger_start(&logger, &memory_sink) != 0)
        return 2;
    pthread_join(logger.thread, NULL);
    fputs(memory_sink.text, stdout);
    return 0;
}
