/* The bug this project is named for: a thread waits on a futex, and the call's place in the code is
 * to be patched later. A signal interrupts it; the handler reads from a pipe, from another place,
 * which is patched already, and has to wait too. What is done when the read ends must be the
 * read's, not the futex call's, and the other way round. */
#include <linux/futex.h>
#include <stdint.h>

#include "scene.h"

enum { ROUNDS = 3, BYTES = 3 };

SITE(futex, NR_futex, (atomic_int * word, long operation, long value, const void *timeout));
SITE(read, NR_read, (long fd, void *buffer, size_t size));

static struct interruption interruption = {.signal = SIGUSR2};
static struct pipe data;
static atomic_int gate, reading, waiting;
static char received[ROUNDS * BYTES];
static int received_count;

/* Reads bytes that come only once it waits for them. */
static void on_signal(int signal, siginfo_t *info, void *context)
{
    (void)signal;
    (void)info;
    if (!scene_hit(&interruption, context, SITE_INSTRUCTION(futex)))
        return;
    for (int i = 0; i < BYTES; i++) {
        reading++;
        CHECK_IS(SITE_CALL(read)(data.read_end, &received[received_count++], 1), 1);
    }
}

static void *waiter(void *unused)
{
    for (int round = 0; round < ROUNDS; round++) {
        waiting++;
        while (gate == round)
            SITE_CALL(futex)(&gate, FUTEX_WAIT_PRIVATE, round, NULL);
    }
    /* Both places again, whatever became of them. */
    CHECK_IS(SITE_CALL(futex)(&gate, FUTEX_WAIT_PRIVATE, gate + 1, NULL), -11);
    return unused;
}

static void round_of(pthread_t thread, int round)
{
    scene_await(&waiting, round + 1);
    scene_interrupt(&interruption, thread);
    for (int i = 0; i < BYTES; i++) {
        scene_await(&reading, round * BYTES + i + 1);
        scene_nap();
        scene_send(&data, (char)('a' + round * BYTES + i));
    }
    gate = round + 1;
    long woken = SITE_CALL(futex)(&gate, FUTEX_WAKE_PRIVATE, 1, NULL);
    CHECK(woken == 0 || woken == 1);
}

int main(int argc, char **argv)
{
    scene_begin(argc, argv);
    data = scene_pipe();
    scene_handle(SIGUSR2, on_signal, SA_RESTART);
    for (int i = 0; i < 2; i++) { /* patched, then found to be */
        char early = 0;
        scene_send(&data, 'x');
        CHECK_IS(SITE_CALL(read)(data.read_end, &early, 1), 1);
        CHECK_IS(early, 'x');
    }
    pthread_t thread = scene_thread(waiter, NULL);
    for (int round = 0; round < ROUNDS; round++)
        round_of(thread, round);
    scene_join(thread);
    CHECK_IS(received_count, ROUNDS * BYTES);
    for (int i = 0; i < received_count; i++)
        CHECK_IS(received[i], 'a' + i);
    char byte = 0;
    scene_send(&data, 'z');
    CHECK_IS(SITE_CALL(read)(data.read_end, &byte, 1), 1);
    CHECK_IS(byte, 'z');
    return scene_end();
}
