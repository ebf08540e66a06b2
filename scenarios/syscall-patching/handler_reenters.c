/* A handler reads from the same place that it interrupted, and is interrupted there by itself:
 * three reads of one thread wait at one place. They end from the innermost to the outermost. */
#include "scene.h"

enum { DEPTH = 3, ROUNDS = 2 };

SITE(read, NR_read, (long fd, void *buffer, size_t size));

static struct interruption interruption = {.signal = SIGUSR2};
static struct pipe levels[DEPTH];
static atomic_int level, ended;
static char order[DEPTH * ROUNDS];

static void read_at_next_level(void)
{
    int mine = level++;
    char byte = 0;
    CHECK_IS(SITE_CALL(read)(levels[mine].read_end, &byte, 1), 1);
    CHECK_IS(byte, 'a' + mine);
    CHECK_IS(level--, mine + 1);
    order[ended++] = byte;
}

static void on_signal(int signal, siginfo_t *info, void *context)
{
    (void)signal;
    (void)info;
    if (scene_hit(&interruption, context, SITE_INSTRUCTION(read)))
        read_at_next_level();
}

static void *reader(void *unused)
{
    for (int round = 0; round < ROUNDS; round++)
        read_at_next_level();
    return unused;
}

int main(int argc, char **argv)
{
    scene_begin(argc, argv);
    for (int i = 0; i < DEPTH; i++)
        levels[i] = scene_pipe();
    scene_handle(SIGUSR2, on_signal, SA_RESTART | SA_NODEFER);
    pthread_t thread = scene_thread(reader, NULL);
    for (int round = 0; round < ROUNDS; round++) {
        scene_await(&level, 1);
        for (int i = 1; i < DEPTH; i++) {
            scene_interrupt(&interruption, thread);
            scene_await(&level, i + 1);
        }
        for (int i = DEPTH - 1; i >= 0; i--) {
            scene_nap();
            scene_send(&levels[i], (char)('a' + i));
            scene_await(&ended, (round + 1) * DEPTH - i);
        }
    }
    scene_join(thread);
    for (int i = 0; i < DEPTH * ROUNDS; i++)
        CHECK_IS(order[i], 'a' + (DEPTH - 1 - i % DEPTH));
    scene_send(&levels[0], 'a');
    read_at_next_level();
    return scene_end();
}
