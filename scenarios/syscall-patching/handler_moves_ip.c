/* A handler changes the address its interrupted call returns to: to other code ("away"), or to the
 * `syscall` of another place, which may have been overwritten by then ("inside"). */
#include <string.h>

#include "scene.h"

enum { ROUNDS = 4, GIVEN_UP = -77 };

SITE(read, NR_read, (long fd, void *buffer, size_t size));
SITE(getpid, NR_getpid, (void));

/* Entered by a change of the instruction pointer, with the stack as in a site. */
long give_up(void);
__asm__(".pushsection .text\n.globl give_up\n.type give_up, @function\ngive_up:\n.cfi_startproc\n"
        "mov $-77, %rax\nret\n.cfi_endproc\n.size give_up, . - give_up\n.popsection\n");

static struct interruption interruption = {.signal = SIGUSR2};
static struct pipe data;
static bool inside;
static atomic_int reads_begun, finished;

static void on_signal(int signal, siginfo_t *info, void *context)
{
    (void)signal;
    (void)info;
    if (!scene_hit(&interruption, context, SITE_INSTRUCTION(read)))
        return;
    greg_t *registers = ((ucontext_t *)context)->uc_mcontext.gregs;
    if (inside) {
        registers[REG_RAX] = NR_getpid;
        registers[REG_RIP] = (greg_t)SITE_INSTRUCTION(getpid);
    } else {
        registers[REG_RIP] = (greg_t)(unsigned long)give_up;
    }
}

static void take(char expected)
{
    char byte = 0;
    CHECK_IS(SITE_CALL(read)(data.read_end, &byte, 1), 1);
    CHECK_IS(byte, expected);
}

static void *reader(void *expected)
{
    for (int round = 0; round < ROUNDS; round++) {
        char byte = '-';
        reads_begun++;
        CHECK_IS(SITE_CALL(read)(data.read_end, &byte, 1), *(long *)expected);
        CHECK_IS(byte, '-');
        finished++;
        take((char)('0' + round));
    }
    return NULL;
}

int main(int argc, char **argv)
{
    scene_begin(argc, argv);
    inside = strcmp(scene_argument("away"), "inside") == 0;
    long pid = SITE_CALL(getpid)();
    long expected = inside ? pid : GIVEN_UP;
    data = scene_pipe();
    scene_handle(SIGUSR2, on_signal, SA_RESTART);
    pthread_t thread = scene_thread(reader, &expected);
    for (int round = 0; round < ROUNDS; round++) {
        scene_await(&reads_begun, round + 1);
        scene_interrupt(&interruption, thread);
        scene_await(&finished, round + 1);
        scene_send(&data, (char)('0' + round));
    }
    scene_join(thread);
    scene_send(&data, 'm');
    take('m');
    CHECK_IS(SITE_CALL(getpid)(), pid);
    return scene_end();
}
