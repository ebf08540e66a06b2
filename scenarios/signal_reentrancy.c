/* A server that answers SIGUSR1 with a line in its log. The handler writes the line itself, and a
 * signal that arrives while its thread holds the log's lock waits for that thread, for ever. In the
 * fix the handler only makes a note, and the workers write the line. */
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

enum { JOBS = 8, WORK_AREA_BYTES = 512 * 1024 };

static pthread_mutex_t log_lock = PTHREAD_MUTEX_INITIALIZER;
static char log_text[4096];
static size_t log_length;
static int jobs_logged;

static void log_line(const char *line)
{
    pthread_mutex_lock(&log_lock);
    size_t length = strlen(line);
    if (log_length + length < sizeof log_text) {
        memcpy(log_text + log_length, line, length);
        log_length += length;
    }
    if (line[0] == 'j')
        jobs_logged++;
    pthread_mutex_unlock(&log_lock);
}

#ifdef FIXED
static atomic_int status_requested;

static void on_status(int signal)
{
    (void)signal;
    status_requested = 1;
}

static void answer_status(void)
{
    if (atomic_exchange(&status_requested, 0))
        log_line("status: running\n");
}
#else
static void on_status(int signal)
{
    (void)signal;
    log_line("status: running\n");
}

static void answer_status(void)
{
}
#endif

static void do_jobs(void)
{
    for (int i = 0; i < JOBS; i++) {
        log_line("job done\n");
        answer_status();
    }
}

/* Fetched before the work begins, so that working never waits for memory. */
static void *work_area_new(void)
{
    return mmap(NULL, WORK_AREA_BYTES, PROT_READ | PROT_WRITE,
                MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
}

static void *worker(void *unused)
{
    (void)unused;
    void *area = work_area_new();
    do_jobs();
    return area;
}

int main(void)
{
    struct sigaction action = {.sa_handler = on_status, .sa_flags = SA_RESTART};
    sigaction(SIGUSR1, &action, NULL);
    pthread_t other;
    if (pthread_create(&other, NULL, worker, NULL) != 0)
        return 2;
    do_jobs();
    pthread_join(other, NULL);
    printf("%d jobs\n", jobs_logged);
    return jobs_logged == 2 * JOBS ? 0 : 1;
}
