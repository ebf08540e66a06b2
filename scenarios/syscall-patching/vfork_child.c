/* A vfork child, a process of its own in the same memory, waits in a call while a thread of its
 * parent makes that call from the same place. That thread forks so too, from the place where the
 * parent is held. */
#include <unistd.h>

#include "scene.h"

enum { ROUNDS = 3 };

SITE(read, NR_read, (long fd, void *buffer, size_t size));
SITE(exit, NR_exit, (long status));

/* The child returns first, and what it calls then goes over the return address on the stack: kept
 * in r8. */
__attribute__((returns_twice)) long vfork_place(void);
extern const struct site_facts vfork_place_facts;
SITE_CODE("vfork_place", "pop %r8\n" SITE_NUMBER(NR_vfork), "push %r8\n");

static struct pipe childs, own;
static atomic_int childs_begun, childs_got, rounds_done;

static void child_reads(int round)
{
    char byte = 0;
    childs_begun++;
    CHECK_IS(SITE_CALL(read)(childs.read_end, &byte, 1), 1);
    CHECK_IS(byte, 'a' + round);
    childs_got++;
}

static void thread_reads(char sent)
{
    char byte = 0;
    scene_send(&own, sent);
    CHECK_IS(SITE_CALL(read)(own.read_end, &byte, 1), 1);
    CHECK_IS(byte, sent);
}

static long fork_and_exit(int status)
{
    long pid = vfork_place();
    if (pid == 0)
        SITE_CALL(exit)(status);
    return pid;
}

static void *other(void *unused)
{
    for (int round = 0; round < ROUNDS; round++) {
        scene_await(&childs_begun, round + 1);
        scene_nap();
        thread_reads((char)('A' + round));
        long pid = fork_and_exit(round);
        CHECK(pid > 0);
        scene_reap((pid_t)pid, round << 8);
        scene_send(&childs, (char)('a' + round));
        scene_await(&childs_got, round + 1);
        thread_reads('-');
        scene_await(&rounds_done, round + 1);
    }
    return unused;
}

static long fork_and_read(int round)
{
    long pid = vfork_place();
    if (pid == 0) {
        child_reads(round);
        SITE_CALL(exit)(40 + round);
    }
    return pid;
}

int main(int argc, char **argv)
{
    scene_begin(argc, argv);
    childs = scene_pipe();
    own = scene_pipe();
    pthread_t thread = scene_thread(other, NULL);
    for (int round = 0; round < ROUNDS; round++) {
        long pid = fork_and_read(round);
        CHECK(pid > 0);
        CHECK_IS(childs_got, round + 1);
        scene_reap((pid_t)pid, (40 + round) << 8);
        rounds_done++;
    }
    scene_join(thread);
    thread_reads('.');
    return scene_end();
}
