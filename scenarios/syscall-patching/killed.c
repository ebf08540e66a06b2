/* Whoever waits in a call whose place is to be patched is killed there: a process that shares the
 * memory ("vm"), so that the place is left by a death and others go on using it; a process with
 * threads ("group"); a thread whose process ends by exit_group ("exit"). */
#include <sched.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "scene.h"

enum { ROUNDS = 3, STACK_SIZE = 64 * 1024 };

SITE(read, NR_read, (long fd, void *buffer, size_t size));

static struct pipe never, own;
static atomic_int begun;
static _Alignas(64) char stack[STACK_SIZE];

static void read_own(char sent)
{
    char byte = 0;
    scene_send(&own, sent);
    CHECK_IS(SITE_CALL(read)(own.read_end, &byte, 1), 1);
    CHECK_IS(byte, sent);
}

static int wait_for_ever(void *unused)
{
    char byte;
    (void)unused;
    begun++;
    SITE_CALL(read)(never.read_end, &byte, 1);
    return 1;
}

static void *waiting_thread(void *unused)
{
    wait_for_ever(NULL);
    return unused;
}

static void kill_vm(int round)
{
    int pid =
        clone(wait_for_ever, stack + STACK_SIZE, CLONE_VM | CLONE_FS | CLONE_FILES | SIGCHLD, NULL);
    CHECK(pid > 0);
    scene_await(&begun, round + 1);
    scene_nap();
    read_own('1');
    CHECK(kill(pid, SIGKILL) == 0);
    scene_reap(pid, SIGKILL);
}

/* In a child: two threads wait, and the place is used by a third. */
static pid_t fork_threads(int status, const struct pipe *ready)
{
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        begun = 0;
        scene_thread(waiting_thread, NULL);
        scene_thread(waiting_thread, NULL);
        scene_await(&begun, 2);
        scene_nap();
        read_own('2');
        scene_send(ready, 'r');
        if (status >= 0)
            _exit(status);
        wait_for_ever(NULL);
    }
    return pid;
}

static void kill_group(int round)
{
    struct pipe ready = scene_pipe();
    pid_t pid = fork_threads(-1, &ready);
    (void)round;
    CHECK_IS(scene_receive(&ready), 'r');
    CHECK(kill(pid, SIGKILL) == 0);
    scene_reap(pid, SIGKILL);
}

static void exit_group_of(int round)
{
    struct pipe ready = scene_pipe();
    pid_t pid = fork_threads(5, &ready);
    (void)round;
    CHECK_IS(scene_receive(&ready), 'r');
    scene_reap(pid, 5 << 8);
}

static const struct death {
    const char *name;
    void (*die)(int round);
} deaths[] = {{"vm", kill_vm}, {"group", kill_group}, {"exit", exit_group_of}};

int main(int argc, char **argv)
{
    scene_begin(argc, argv);
    const struct death *death = deaths;
    while (strcmp(death->name, scene_argument("vm")) != 0)
        CHECK(++death < deaths + COUNT_OF(deaths));
    never = scene_pipe();
    own = scene_pipe();
    for (int round = 0; round < ROUNDS; round++) {
        death->die(round);
        read_own('3');
    }
    read_own('4');
    return scene_end();
}
