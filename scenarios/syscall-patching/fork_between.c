/* A fork while a thread waits in a call whose place is to be patched: by another thread, so that
 * nobody waits there in the child ("thread"); or by a handler that interrupted the call, so that
 * the child returns into it
 * ("handler"). Parent and child have the same place, each in a memory of its own. */
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "scene.h"

enum { ROUNDS = 3 };

SITE(read, NR_read, (long fd, void *buffer, size_t size));

static struct interruption interruption = {.signal = SIGUSR2};
static struct pipe parents, childs, own;
static atomic_int begun, forked, ended;
static bool is_child;

static void read_from(const struct pipe *p, char expected)
{
    char byte = 0;
    CHECK_IS(SITE_CALL(read)(p->read_end, &byte, 1), 1);
    CHECK_IS(byte, expected);
}

static void read_own(void)
{
    scene_send(&own, 'o');
    read_from(&own, 'o');
}

static void on_signal(int signal, siginfo_t *info, void *context)
{
    (void)signal;
    (void)info;
    if (!scene_hit(&interruption, context, SITE_INSTRUCTION(read)))
        return;
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        /* The call it returns to is to read from the child's pipe, which nobody else does. */
        ((ucontext_t *)context)->uc_mcontext.gregs[REG_RDI] = childs.read_end;
        is_child = true;
    } else {
        forked = pid;
    }
}

static void *reader(void *unused)
{
    char byte = 0;
    begun++;
    CHECK_IS(SITE_CALL(read)(parents.read_end, &byte, 1), 1);
    CHECK_IS(byte, is_child ? 'c' : 'p');
    if (is_child) {
        own = scene_pipe();
        read_own();
        _exit(7);
    }
    ended++;
    return unused;
}

static pid_t fork_here(void)
{
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        own = scene_pipe();
        read_own();
        read_from(&childs, 'c');
        read_own();
        _exit(7);
    }
    return pid;
}

static pid_t fork_in_handler(pthread_t thread)
{
    forked = 0;
    scene_interrupt(&interruption, thread);
    scene_await(&forked, 1);
    return forked;
}

int main(int argc, char **argv)
{
    scene_begin(argc, argv);
    bool in_handler = strcmp(scene_argument("thread"), "handler") == 0;
    parents = scene_pipe();
    childs = scene_pipe();
    own = scene_pipe();
    scene_handle(SIGUSR2, on_signal, SA_RESTART);
    for (int round = 0; round < ROUNDS; round++) {
        pthread_t thread = scene_thread(reader, NULL);
        scene_await(&begun, round + 1);
        scene_nap();
        pid_t pid = in_handler ? fork_in_handler(thread) : fork_here();
        if (round % 2 == 0) {
            scene_send(&parents, 'p');
            scene_await(&ended, round + 1);
        }
        read_own();
        scene_send(&childs, 'c');
        scene_reap(pid, 7 << 8);
        if (round % 2 != 0)
            scene_send(&parents, 'p');
        scene_join(thread);
    }
    read_own();
    return scene_end();
}
