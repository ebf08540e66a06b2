/* A service logs under a lock and starts helpers by fork from a thread of its own. A fork while
 * another thread holds the lock gives the child a lock that nobody will ever release; the child
 * logs its start and hangs, and its parent waits for it. The fix takes the lock around the fork. */
#include <pthread.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { LINES = 4, WORK_AREA_BYTES = 512 * 1024 };

static pthread_mutex_t log_lock = PTHREAD_MUTEX_INITIALIZER;
static char log_buffer[128];
static int log_lines;

static void log_start(const char *who, int number)
{
    pthread_mutex_lock(&log_lock);
    snprintf(log_buffer, sizeof log_buffer, "%s %d", who, number);
    log_lines++;
    pthread_mutex_unlock(&log_lock);
}

#ifdef FIXED
static void lock_log(void)
{
    pthread_mutex_lock(&log_lock);
}

static void unlock_log(void)
{
    pthread_mutex_unlock(&log_lock);
}
#endif

/* Fetched before the work begins, so that working never waits for memory. */
static void *work_area_new(void)
{
    return mmap(NULL, WORK_AREA_BYTES, PROT_READ | PROT_WRITE,
                MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
}

static void *start_helper(void *ret_status)
{
    void *area = work_area_new();
    pid_t pid = fork();
    if (pid == 0) {
        log_start("helper", 1);
        _exit(0);
    }
    if (waitpid(pid, ret_status, 0) != pid)
        *(int *)ret_status = -1;
    return area;
}

int main(void)
{
#ifdef FIXED
    pthread_atfork(lock_log, unlock_log, unlock_log);
#endif
    log_start("service", 0);
    int status = -1;
    pthread_t starter;
    if (pthread_create(&starter, NULL, start_helper, &status) != 0)
        return 2;
    for (int i = 0; i < LINES; i++)
        log_start("request", i);
    pthread_join(starter, NULL);
    printf("helper ended with %d after %d lines\n", status, log_lines);
    return status == 0 ? 0 : 1;
}
