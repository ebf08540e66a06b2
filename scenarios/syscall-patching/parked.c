/* Threads wait inside a call; another one makes the same call from the same place, and wants it
 * patched under them. With the argument "handler" each stands in a handler that interrupted the
 * call, so that nobody can move it elsewhere. */
#include <string.h>

#include "scene.h"

enum { PARKED = 3, CALLS = 10 };

SITE(read, NR_read, (long fd, void *buffer, size_t size));

static struct interruption interruption = {.signal = SIGUSR2};
static struct pipe pipes[PARKED], own, release;
static atomic_int begun, released, held;

/* The place that waits here is another one. */
static void on_signal(int signal, siginfo_t *info, void *context)
{
    (void)signal;
    (void)info;
    if (!scene_hit(&interruption, context, SITE_INSTRUCTION(read)))
        return;
    held++;
    CHECK_IS(scene_receive(&release), 'r');
}

static void *parked(void *data)
{
    const struct pipe *mine = data;
    char byte = 0;
    begun++;
    CHECK_IS(SITE_CALL(read)(mine->read_end, &byte, 1), 1);
    CHECK_IS(byte, 'A' + (mine - pipes));
    released++;
    /* What is patched by now, if not before. */
    CHECK_IS(SITE_CALL(read)(mine->read_end, &byte, 1), 1);
    CHECK_IS(byte, 'z');
    return NULL;
}

static void call(int times)
{
    for (int i = 0; i < times; i++) {
        char byte = 0;
        scene_send(&own, (char)('0' + i));
        CHECK_IS(SITE_CALL(read)(own.read_end, &byte, 1), 1);
        CHECK_IS(byte, '0' + i);
    }
}

int main(int argc, char **argv)
{
    pthread_t threads[PARKED];
    scene_begin(argc, argv);
    bool in_handlers = strcmp(scene_argument("call"), "handler") == 0;
    scene_handle(SIGUSR2, on_signal, SA_RESTART);
    own = scene_pipe();
    release = scene_pipe();
    for (int i = 0; i < PARKED; i++) {
        pipes[i] = scene_pipe();
        threads[i] = scene_thread(parked, &pipes[i]);
    }
    scene_await(&begun, PARKED);
    scene_nap();
    for (int i = 0; in_handlers && i < PARKED; i++) {
        scene_interrupt(&interruption, threads[i]);
        scene_await(&held, i + 1);
    }
    call(CALLS);
    for (int i = 0; in_handlers && i < PARKED; i++)
        scene_send(&release, 'r');
    for (int i = 0; i < PARKED; i++) {
        scene_send(&pipes[i], (char)('A' + i));
        scene_await(&released, i + 1);
        call(2);
    }
    for (int i = 0; i < PARKED; i++)
        scene_send(&pipes[i], 'z');
    for (int i = 0; i < PARKED; i++)
        scene_join(threads[i]);
    call(CALLS);
    return scene_end();
}
