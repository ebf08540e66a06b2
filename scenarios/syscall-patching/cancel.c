/* pthread_cancel() of a thread that waits in the library's read(): built with glibc and,
 * statically, with musl, which looks at the interrupted instruction pointer to tell a call that
 * waits from one that is done: who is cancelled has read nothing. With glibc before 2.41 the byte
 * may be lost (its bug 12683). */
#include <errno.h>
#include <poll.h>
#include <unistd.h>

#include "scene.h"

enum { ROUNDS = 8 };

static struct pipe data, own;
static atomic_int begun, cleaned;

static void on_cancel(void *unused)
{
    (void)unused;
    cleaned++;
}

static void *reader(void *unused)
{
    char byte = 0;
    pthread_cleanup_push(on_cancel, NULL);
    begun++;
    ssize_t count;
    do
        count = read(data.read_end, &byte, 1);
    while (count < 0 && errno == EINTR);
    CHECK_IS(count, 1);
    pthread_cleanup_pop(0);
    return unused;
}

/* The byte that a cancelled thread was to read. */
static void take_back(void)
{
#ifdef __GLIBC__
    struct pollfd look = {.fd = data.read_end, .events = POLLIN};
    int ready;
    do
        ready = poll(&look, 1, 0);
    while (ready < 0 && errno == EINTR);
    if (ready == 0)
        return;
#endif
    CHECK_IS(scene_receive(&data), 'd');
}

int main(int argc, char **argv)
{
    int cancelled = 0;
    scene_begin(argc, argv);
    data = scene_pipe();
    own = scene_pipe();
    for (int round = 0; round < ROUNDS; round++) {
        pthread_t thread = scene_thread(reader, NULL);
        /* Every third is cancelled wherever it is, every third finds a byte if it comes so far. */
        if (round % 3 != 1)
            scene_await(&begun, round + 1);
        if (round % 3 == 0) {
            scene_nap();
            scene_send(&own, 'o');
            CHECK_IS(scene_receive(&own), 'o');
        }
        if (round % 3 == 2)
            scene_send(&data, 'd');
        CHECK(pthread_cancel(thread) == 0);
        void *result = scene_join(thread);
        if (result == PTHREAD_CANCELED)
            cancelled++;
        if (round % 3 != 2)
            CHECK(result == PTHREAD_CANCELED);
        else if (result == PTHREAD_CANCELED)
            take_back();
        begun = round + 1;
    }
    CHECK(cancelled >= ROUNDS - ROUNDS / 3);
    CHECK(cleaned <= cancelled);
    scene_send(&own, 'p');
    CHECK_IS(scene_receive(&own), 'p');
    return scene_end();
}
