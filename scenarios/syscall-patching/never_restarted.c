/* An interrupted read returns EINTR and is not made again; the thread goes on elsewhere. Its place,
 * which only this call had reached until then, is used by another thread afterwards. */
#include <errno.h>

#include "scene.h"

enum { ROUNDS = 2 };

SITE(read, NR_read, (long fd, void *buffer, size_t size));

static struct interruption interruption = {.signal = SIGUSR2};
static struct pipe never, data;
static atomic_int begun, ended;

static void on_signal(int signal, siginfo_t *info, void *context)
{
    (void)signal;
    (void)info;
    if (scene_ip(context) == SITE_INSTRUCTION(read)) /* not begun: rax is the call's number */
        return;
    if (scene_hit(&interruption, context, SITE_INSTRUCTION(read)))
        CHECK_IS(((ucontext_t *)context)->uc_mcontext.gregs[REG_RAX], -EINTR);
}

static void *reader(void *unused)
{
    char byte = '-';
    begun++;
    CHECK_IS(SITE_CALL(read)(never.read_end, &byte, 1), -EINTR);
    CHECK_IS(byte, '-');
    ended++;
    for (int i = 0; i < 10; i++)
        scene_nap();
    return unused;
}

int main(int argc, char **argv)
{
    scene_begin(argc, argv);
    never = scene_pipe();
    data = scene_pipe();
    scene_handle(SIGUSR2, on_signal, 0);
    for (int round = 0; round < ROUNDS; round++) {
        pthread_t thread = scene_thread(reader, NULL);
        scene_await(&begun, round + 1);
        scene_interrupt(&interruption, thread);
        scene_await(&ended, round + 1);
        for (int i = 0; i < 3; i++) {
            char byte = 0;
            scene_send(&data, (char)('0' + i));
            CHECK_IS(SITE_CALL(read)(data.read_end, &byte, 1), 1);
            CHECK_IS(byte, '0' + i);
        }
        scene_join(thread);
    }
    return scene_end();
}
