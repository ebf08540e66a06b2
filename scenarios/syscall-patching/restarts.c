/* Calls that the kernel restarts at their own instruction, while another thread makes the same call
 * from the same place: after a handler with SA_RESTART ("handler"), after a stop and a continue
 * without any handler ("stop"), which restarts also what handlers do not: a select begins anew, a
 * nanosleep goes on for its rest, by restart_syscall. */
#include <errno.h>
#include <string.h>
#include <sys/select.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "scene.h"

enum { ROUNDS = 4, SLEEP_MS = 30 };

SITE(read, NR_read, (long fd, void *buffer, size_t size));
SITE(select, NR_select,
     (long count, fd_set *readable, void *writable, void *broken, void *timeout));
SITE(nanosleep, NR_nanosleep, (const struct timespec *time, struct timespec *rest));

static struct interruption interruption = {.signal = SIGUSR2};
static struct pipe data, own;
static atomic_int begun, slept;
static bool stop;

static void on_signal(int signal, siginfo_t *info, void *context)
{
    (void)signal;
    (void)info;
    if (scene_hit(&interruption, context, SITE_INSTRUCTION(read)))
        CHECK_IS(scene_ip(context), SITE_INSTRUCTION(read));
}

static void read_from(const struct pipe *p, char expected)
{
    char byte = 0;
    long ready = stop ? -EINTR : 1;
    while (ready == -EINTR) { /* by a disturbance */
        fd_set set;
        FD_ZERO(&set);
        FD_SET(p->read_end, &set);
        ready = SITE_CALL(select)(p->read_end + 1, &set, NULL, NULL, NULL);
    }
    CHECK_IS(ready, 1);
    CHECK_IS(SITE_CALL(read)(p->read_end, &byte, 1), 1);
    CHECK_IS(byte, expected);
}

static void *reader(void *unused)
{
    for (int round = 0; round < ROUNDS; round++) {
        begun++;
        read_from(&data, (char)('a' + round));
    }
    return unused;
}

static void *sleeper(void *unused)
{
    for (int round = 0; round < ROUNDS; round++) {
        struct timespec time = {.tv_nsec = SLEEP_MS * 1000000}, start, end, rest;
        CHECK(clock_gettime(CLOCK_MONOTONIC, &start) == 0);
        while (SITE_CALL(nanosleep)(&time, &rest) != 0)
            time = rest; /* a disturbance ended it */
        CHECK(clock_gettime(CLOCK_MONOTONIC, &end) == 0);
        CHECK((end.tv_sec - start.tv_sec) * 1000 + (end.tv_nsec - start.tv_nsec) / 1000000 >=
              SLEEP_MS - 1);
        slept++;
    }
    return unused;
}

static void stop_and_continue(void)
{
    pid_t target = getpid(), pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        scene_nap();
        CHECK(kill(target, SIGSTOP) == 0);
        scene_nap();
        CHECK(kill(target, SIGCONT) == 0);
        _exit(3);
    }
    scene_reap(pid, 3 << 8);
}

int main(int argc, char **argv)
{
    scene_begin(argc, argv);
    stop = strcmp(scene_argument("handler"), "stop") == 0;
    data = scene_pipe();
    own = scene_pipe();
    scene_handle(SIGUSR2, on_signal, SA_RESTART);
    pthread_t thread = scene_thread(reader, NULL), second = scene_thread(sleeper, NULL);
    for (int round = 0; round < ROUNDS; round++) {
        scene_await(&begun, round + 1);
        scene_nap();
        if (stop || round % 2 == 1) {
            scene_send(&own, 'o');
            read_from(&own, 'o');
        }
        if (stop)
            stop_and_continue();
        else
            scene_interrupt(&interruption, thread);
        scene_send(&own, 'p');
        read_from(&own, 'p');
        scene_nap();
        scene_send(&data, (char)('a' + round));
    }
    scene_join(thread);
    scene_join(second);
    CHECK_IS(slept, ROUNDS);
    return scene_end();
}
