/* The workloads of `ci/bench --calls`: bench_calls NAME COUNT [FILE]. Whoever runs it takes the
 * time of two counts: under the recorder a program's own clocks are virtual. */
#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static void check(bool good, const char *what)
{
    if (good)
        return;
    perror(what);
    exit(1);
}

static int open_file(const char *path, int flags)
{
    int fd = open(path, flags);

    check(fd >= 0, path);
    return fd;
}

static void read_zero(long count, const char *file)
{
    int fd = open_file("/dev/zero", O_RDONLY);
    char byte;

    (void)file;
    for (long i = 0; i < count; i++)
        check(read(fd, &byte, 1) == 1, "read");
}

static void write_null(long count, const char *file)
{
    int fd = open_file("/dev/null", O_WRONLY);

    (void)file;
    for (long i = 0; i < count; i++)
        check(write(fd, "x", 1) == 1, "write");
}

static void pipe_byte(long count, const char *file)
{
    int ends[2];
    char byte;

    (void)file;
    check(pipe(ends) == 0, "pipe");
    for (long i = 0; i < count; i++)
        check(write(ends[1], "x", 1) == 1 && read(ends[0], &byte, 1) == 1, "pipe");
}

static void read_clock(long count, const char *file)
{
    struct timespec now;

    (void)file;
    for (long i = 0; i < count; i++)
        check(clock_gettime(CLOCK_MONOTONIC, &now) == 0, "clock_gettime");
}

static void small_file(long count, const char *file)
{
    char text[64];
    struct stat st;

    for (long i = 0; i < count; i++) {
        int fd = open_file(file, O_RDONLY);

        check(fstat(fd, &st) == 0 && read(fd, text, sizeof(text)) > 0 && close(fd) == 0, file);
    }
}

static void *nothing(void *argument)
{
    return argument;
}

/* Behind a second thread, or the C library need not lock. */
static void free_mutex(long count, const char *file)
{
    static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
    pthread_t other;

    (void)file;
    check(pthread_create(&other, NULL, nothing, NULL) == 0, "pthread_create");
    pthread_join(other, NULL);
    for (long i = 0; i < count; i++) {
        pthread_mutex_lock(&mutex);
        pthread_mutex_unlock(&mutex);
    }
}

/* Two threads go round three mutexes. Each holds one and wants the next, which the other holds, so
 * every lock but the first waits until the other thread unlocks. */
struct round {
    pthread_mutex_t mutex[3];
    pthread_barrier_t start;
    long count;
};

static void go_round(struct round *r, long at)
{
    pthread_mutex_lock(&r->mutex[at % 3]);
    pthread_barrier_wait(&r->start);
    for (long end = at + r->count; at < end; at++) {
        pthread_mutex_lock(&r->mutex[(at + 1) % 3]);
        pthread_mutex_unlock(&r->mutex[at % 3]);
    }
    pthread_mutex_unlock(&r->mutex[at % 3]);
}

static void *second(void *argument)
{
    go_round(argument, 1);
    return NULL;
}

static void hand_over(long count, const char *file)
{
    struct round r = {.count = count / 2};
    pthread_t other;

    (void)file;
    for (int i = 0; i < 3; i++)
        pthread_mutex_init(&r.mutex[i], NULL);
    pthread_barrier_init(&r.start, NULL, 2);
    check(pthread_create(&other, NULL, second, &r) == 0, "pthread_create");
    go_round(&r, 0);
    pthread_join(other, NULL);
}

static const struct {
    const char *name;
    void (*run)(long count, const char *file);
} workloads[] = {
    {"read-zero", read_zero}, {"pipe-byte", pipe_byte},   {"write-null", write_null},
    {"clock", read_clock},    {"free-mutex", free_mutex}, {"small-file", small_file},
    {"hand-over", hand_over},
};

int main(int argc, char **argv)
{
    for (size_t i = 0; argc >= 3 && i < sizeof(workloads) / sizeof(*workloads); i++) {
        if (strcmp(argv[1], workloads[i].name) == 0) {
            workloads[i].run(atol(argv[2]), argc > 3 ? argv[3] : "");
            return 0;
        }
    }
    fprintf(stderr, "usage: bench_calls NAME COUNT [FILE]\n");
    return 2;
}
