/* A coroutine waits in a call; a handler that interrupts it switches to another coroutine, which
 * makes the call from the same place. Back in the first one the handler returns into the call
 * ("return"), or its saved context is entered without it, by a jump that no system call announces
 * ("jump"). */
#include <string.h>

#include "scene.h"

enum { ROUNDS = 3, STACK_SIZE = 256 * 1024 };

SITE(read, NR_read, (long fd, void *buffer, size_t size));

static struct interruption interruption = {.signal = SIGUSR2};
static struct pipe data, own;
static ucontext_t scheduler, first, second, parked;
static _Alignas(64) char first_stack[STACK_SIZE], second_stack[STACK_SIZE];
static bool jump;
static volatile bool is_parked;
static atomic_int begun, fed;
static int round_now;

static void on_signal(int signal, siginfo_t *info, void *context)
{
    (void)signal;
    (void)info;
    if (!scene_hit(&interruption, context, SITE_INSTRUCTION(read)))
        return;
    is_parked = true;
    if (jump) {
        /* setcontext() sets rax to 0, which is read(2): entered at its instruction, the call is
         * made again. */
        memcpy(&parked, context, sizeof parked);
        parked.uc_mcontext.gregs[REG_RIP] = (greg_t)SITE_INSTRUCTION(read);
        setcontext(&scheduler);
    } else {
        swapcontext(&parked, &scheduler);
    }
}

static void read_one(const struct pipe *p, char expected)
{
    char byte = 0;
    CHECK_IS(SITE_CALL(read)(p->read_end, &byte, 1), 1);
    CHECK_IS(byte, expected);
}

/* Its byte comes when it was interrupted and is in the call again. */
static void first_coroutine(void)
{
    begun++;
    read_one(&data, (char)('a' + round_now));
}

static void second_coroutine(void)
{
    for (int i = 0; i < 3; i++) {
        scene_send(&own, (char)('0' + i));
        read_one(&own, (char)('0' + i));
    }
}

static void make(ucontext_t *context, char *stack, void (*function)(void))
{
    CHECK(getcontext(context) == 0);
    context->uc_stack.ss_sp = stack;
    context->uc_stack.ss_size = STACK_SIZE;
    context->uc_link = &scheduler;
    makecontext(context, function, 0);
}

/* Returns when the first coroutine ended. */
static void schedule(void)
{
    is_parked = false;
    make(&first, first_stack, first_coroutine);
    make(&second, second_stack, second_coroutine);
    volatile int turn = 0;
    getcontext(&scheduler);
    switch (turn++) {
    case 0:
        setcontext(&first);
        break;
    case 1:
        CHECK(is_parked);
        setcontext(&second);
        break;
    case 2:
        fed++;
        setcontext(&parked);
        break;
    }
}

static void *coroutines(void *unused)
{
    for (round_now = 0; round_now < ROUNDS; round_now++)
        schedule();
    return unused;
}

int main(int argc, char **argv)
{
    scene_begin(argc, argv);
    jump = strcmp(scene_argument("return"), "jump") == 0;
    data = scene_pipe();
    own = scene_pipe();
    scene_handle(SIGUSR2, on_signal, SA_RESTART);
    pthread_t thread = scene_thread(coroutines, NULL);
    for (int round = 0; round < ROUNDS; round++) {
        scene_await(&begun, round + 1);
        scene_interrupt(&interruption, thread);
        scene_await(&fed, round + 1);
        scene_nap();
        scene_send(&data, (char)('a' + round));
    }
    scene_join(thread);
    second_coroutine();
    return scene_end();
}
