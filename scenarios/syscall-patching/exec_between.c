/* An exec while a thread waits in a call whose place is to be patched: by another thread ("thread")
 * or by a handler that interrupted the call ("handler"). The new program is the same one, so that
 * its place has the old one's address; what was left to do there is not the new program's business.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "scene.h"

enum { EXECS = 3 };

SITE(read, NR_read, (long fd, void *buffer, size_t size));

static struct interruption interruption = {.signal = SIGUSR2};
static struct pipe data, own;
static atomic_int begun;
static char **arguments;

static void read_from(const struct pipe *p, char expected)
{
    char byte = 0;
    CHECK_IS(SITE_CALL(read)(p->read_end, &byte, 1), 1);
    CHECK_IS(byte, expected);
}

static void exec_next(void)
{
    execv("/proc/self/exe", arguments);
    CHECK(!"exec");
}

static void on_signal(int signal, siginfo_t *info, void *context)
{
    (void)signal;
    (void)info;
    if (!scene_hit(&interruption, context, SITE_INSTRUCTION(read)))
        return;
    sigset_t none;
    sigemptyset(&none);
    CHECK(pthread_sigmask(SIG_SETMASK, &none, NULL) == 0);
    exec_next();
}

static void *reader(void *unused)
{
    begun++;
    read_from(&data, 'd');
    return unused;
}

/* The exec after `number` others; the last program has nothing more to exec. */
static char **arguments_of(char **argv, int number)
{
    static char text[16];
    static char *result[5];
    snprintf(text, sizeof text, "%d", number + 1);
    result[0] = argv[0];
    result[1] = argv[1] ? argv[1] : (char[]){"before"};
    result[2] = argv[1] && argv[2] ? argv[2] : (char[]){"thread"};
    result[3] = text;
    return result;
}

int main(int argc, char **argv)
{
    scene_begin(argc, argv);
    int number = argc > 3 ? atoi(argv[3]) : 0;
    char shape[16], how[16];
    arguments = arguments_of(argv, number);
    snprintf(shape, sizeof shape, "%s", argc > 1 ? argv[1] : "before");
    snprintf(how, sizeof how, "%s", scene_argument("thread"));
    arguments[1] = shape;
    arguments[2] = how;
    data = scene_pipe();
    own = scene_pipe();
    scene_handle(SIGUSR2, on_signal, SA_RESTART);
    pthread_t thread = scene_thread(reader, NULL);
    scene_await(&begun, 1);
    scene_nap();
    if (number % 2 == 0) {
        scene_send(&own, 'o');
        read_from(&own, 'o');
    }
    if (number < EXECS && strcmp(how, "handler") == 0)
        scene_interrupt(&interruption, thread);
    if (number < EXECS)
        exec_next();
    scene_send(&data, 'd');
    scene_join(thread);
    scene_send(&own, 'p');
    read_from(&own, 'p');
    return scene_end();
}
