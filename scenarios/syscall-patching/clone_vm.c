/* A process that shares the memory but is no thread (CLONE_VM without CLONE_THREAD) waits in a
 * call, and the first process makes the same call from the same place; then the other way round. */
#define STACK_SIZE (64 * 1024)
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "scene.h"

enum { ROUNDS = 3 };

SITE(read, NR_read, (long fd, void *buffer, size_t size));
SITE(exit, NR_exit, (long status));

static struct pipe childs, own;
static atomic_int begun, got;
static _Alignas(64) char stack[STACK_SIZE];

static void read_from(const struct pipe *p, char expected)
{
    char byte = 0;
    CHECK_IS(SITE_CALL(read)(p->read_end, &byte, 1), 1);
    CHECK_IS(byte, expected);
}

/* It shares the thread-local storage too: no errno here that the parent could see. */
static int child(void *unused)
{
    (void)unused;
    begun++;
    read_from(&childs, 'c');
    got++;
    read_from(&childs, 'd');
    got++;
    SITE_CALL(exit)(9);
    return 1;
}

int main(int argc, char **argv)
{
    scene_begin(argc, argv);
    childs = scene_pipe();
    own = scene_pipe();
    for (int round = 0; round < ROUNDS; round++) {
        int pid =
            clone(child, stack + STACK_SIZE, CLONE_VM | CLONE_FS | CLONE_FILES | SIGCHLD, NULL);
        CHECK(pid > 0);
        scene_await(&begun, round + 1);
        scene_nap();
        scene_send(&own, 'o');
        read_from(&own, 'o');
        scene_send(&childs, 'c');
        scene_await(&got, 2 * round + 1);
        scene_send(&own, 'p');
        read_from(&own, 'p');
        scene_send(&childs, 'd');
        scene_reap(pid, 9 << 8);
        CHECK_IS(got, 2 * round + 2);
    }
    return scene_end();
}
