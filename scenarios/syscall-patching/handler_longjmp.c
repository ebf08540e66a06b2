/* A signal interrupts a read that waits, and its handler never returns: it jumps out. The call is
 * over without having ended; its place must work for the same thread and for others, and be patched
 * in the end. */
#include <setjmp.h>

#include "scene.h"

enum { ROUNDS = 5 };

SITE(read, NR_read, (long fd, void *buffer, size_t size));

static struct interruption interruption = {.signal = SIGUSR2};
static struct pipe never, data;
static sigjmp_buf out;
static atomic_int reads_begun, jumps, taken;

static void on_signal(int signal, siginfo_t *info, void *context)
{
    (void)signal;
    (void)info;
    if (scene_hit(&interruption, context, SITE_INSTRUCTION(read)))
        siglongjmp(out, 1);
}

static void take(char expected)
{
    char byte = 0;
    CHECK_IS(SITE_CALL(read)(data.read_end, &byte, 1), 1);
    CHECK_IS(byte, expected);
    taken++;
}

static void *reader(void *unused)
{
    for (int round = 0; round < ROUNDS; round++) {
        if (sigsetjmp(out, 1) == 0) {
            char byte;
            reads_begun++;
            SITE_CALL(read)(never.read_end, &byte, 1);
            CHECK(!"a read that nothing ends has ended");
        }
        jumps++;
        take((char)('0' + round));
    }
    return unused;
}

int main(int argc, char **argv)
{
    scene_begin(argc, argv);
    never = scene_pipe();
    data = scene_pipe();
    scene_handle(SIGUSR2, on_signal, SA_RESTART);
    pthread_t thread = scene_thread(reader, NULL);
    for (int round = 0; round < ROUNDS; round++) {
        scene_await(&reads_begun, round + 1);
        scene_interrupt(&interruption, thread);
        scene_await(&jumps, round + 1);
        scene_send(&data, (char)('0' + round));
        scene_await(&taken, round + 1);
    }
    scene_join(thread);
    scene_send(&data, 'm');
    take('m');
    return scene_end();
}
