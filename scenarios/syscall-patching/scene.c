#include "scene.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { NAP_NS = 200 * 1000, NAPS_MAX = 40000 };

static const char *const shape_names[SHAPE_COUNT] = {
    [TAIL] = "tail", [BEFORE] = "before", [BEHIND] = "behind", [AROUND] = "around"};

static enum shape shape = BEFORE;
static const char *program;
static const char *argument;

SITE(noise_getpid, NR_getpid, (void));

/* What a disturbing signal does: calls of its own, at a place that may be new. */
static void on_noise(int signal)
{
    (void)signal;
    int saved = errno;
    CHECK_IS(SITE_CALL(noise_getpid)(), getpid());
    errno = saved;
}

static enum shape shape_by_name(const char *name)
{
    unsigned char drawn = 0;
    if (strcmp(name, "drawn") == 0) {
        CHECK_IS(getrandom(&drawn, 1, 0), 1);
        return (enum shape)(drawn % SHAPE_COUNT);
    }
    for (int i = 0; i < SHAPE_COUNT; i++)
        if (strcmp(name, shape_names[i]) == 0)
            return (enum shape)i;
    fprintf(stderr, "usage: %s [tail|before|behind|around|drawn] [ARGUMENT]\n", program);
    exit(2);
}

void scene_begin(int argc, char **argv)
{
    const char *slash = strrchr(argv[0], '/');
    program = slash ? slash + 1 : argv[0];
    if (argc > 1)
        shape = shape_by_name(argv[1]);
    argument = argc > 2 ? argv[2] : NULL;
    struct sigaction action = {.sa_handler = on_noise, .sa_flags = SA_RESTART};
    CHECK(sigaction(SIGUSR1, &action, NULL) == 0);
}

int scene_end(void)
{
    printf("%s: ok\n", program);
    return fflush(stdout) != 0;
}

enum shape scene_shape(void)
{
    return shape;
}

const char *scene_argument(const char *otherwise)
{
    return argument ? argument : otherwise;
}

const char *scene_program(void)
{
    return program;
}

void scene_check(bool good, const char *text, const char *file, int line)
{
    if (good)
        return;
    char message[256];
    int length = snprintf(message, sizeof message, "%s:%d: wrong (%s): %s\n", file, line,
                          shape_names[shape], text);
    if (write(STDERR_FILENO, message, (size_t)length) != length)
        abort();
    _exit(1);
}

void scene_check_is(long value, long expected, const char *text, const char *file, int line)
{
    char message[200];
    snprintf(message, sizeof message, "%s is %ld, not %ld", text, value, expected);
    scene_check(value == expected, message, file, line);
}

void scene_nap(void)
{
    struct timespec time = {.tv_nsec = NAP_NS};
    nanosleep(&time, NULL);
}

void scene_await(atomic_int *word, int value)
{
    for (int naps = 0; *word < value; naps++) {
        CHECK(naps < NAPS_MAX);
        scene_nap();
    }
}

struct pipe scene_pipe(void)
{
    int ends[2];
    CHECK(pipe(ends) == 0);
    return (struct pipe){ends[0], ends[1]};
}

void scene_send(const struct pipe *p, char byte)
{
    CHECK_IS(write(p->write_end, &byte, 1), 1);
}

char scene_receive(const struct pipe *p)
{
    char byte = 0;
    ssize_t count;
    do
        count = read(p->read_end, &byte, 1);
    while (count < 0 && errno == EINTR);
    CHECK_IS(count, 1);
    return byte;
}

pthread_t scene_thread(void *(*function)(void *), void *data)
{
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, function, data) == 0);
    return thread;
}

void *scene_join(pthread_t thread)
{
    void *result;
    CHECK(pthread_join(thread, &result) == 0);
    return result;
}

void scene_reap(pid_t pid, int expected_status)
{
    int status;
    pid_t reaped;
    do
        reaped = waitpid(pid, &status, __WALL);
    while (reaped < 0 && errno == EINTR);
    CHECK_IS(reaped, pid);
    CHECK_IS(status, expected_status);
}

void scene_handle(int signal, void (*handler)(int, siginfo_t *, void *), int flags)
{
    struct sigaction action = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO | flags};
    CHECK(sigaction(signal, &action, NULL) == 0);
}

void scene_interrupt(struct interruption *i, pthread_t target)
{
    i->armed = 1;
    for (int naps = 0; i->armed; naps++) {
        CHECK(naps < NAPS_MAX);
        CHECK(pthread_kill(target, i->signal) == 0);
        scene_nap();
    }
}

unsigned long scene_ip(const void *context)
{
    return (unsigned long)((const ucontext_t *)context)->uc_mcontext.gregs[REG_RIP];
}

bool scene_hit(struct interruption *i, const void *context, unsigned long instruction)
{
    unsigned long ip = scene_ip(context);
    if (ip != instruction && ip != instruction + 2)
        return false;
    return atomic_exchange(&i->armed, 0) == 1;
}
