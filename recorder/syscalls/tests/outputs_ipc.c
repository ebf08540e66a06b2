/* System V IPC and message queues. */
#include "recorder/syscalls/tests/outputs.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <fcntl.h>
#include <mqueue.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <unistd.h>
#include <cmocka.h>

#include "recorder/syscalls/tests/poison.h"

static int set_up(void **state)
{
    (void)state;
    poison_reset();
    return 0;
}

static void test_system_v_messages(void **state)
{
    int64_t id = poison(POISON_ANY, "msgget", IPC_PRIVATE, 0600);
    long *message = poison_take(8 + 20);

    (void)state;
    if (id < 0)
        skip();
    *message = 7;
    for (int i = 0; i < 3; i++)
        poison(POISON_QUIET, "msgsnd", id, message, 20, 0);
    poison(POISON_CHANGES, "msgrcv", id, poison_take(108), 100, 0, 0);
    poison(POISON_CHANGES, "msgrcv", id, poison_take(16), 8, 0, MSG_NOERROR);
    poison(POISON_FAILS, "msgrcv", id, poison_take(16), 8, 0, 0);
    poison(POISON_CHANGES, "msgctl", id, IPC_STAT, poison_take(120));
    poison(POISON_CHANGES, "msgctl", 0, IPC_INFO, poison_take(32));
    poison(POISON_CHANGES, "msgctl", 0, MSG_INFO, poison_take(32));
    poison(POISON_ANY, "msgctl", 0, MSG_STAT, poison_take(120));
    poison(POISON_QUIET, "msgctl", id, IPC_RMID, 0);
}

static void test_system_v_semaphores(void **state)
{
    int64_t id = poison(POISON_ANY, "semget", IPC_PRIVATE, 5, 0600);
    struct sembuf *up = poison_take_copy(&(struct sembuf){1, 1, 0}, sizeof(*up));

    (void)state;
    if (id < 0)
        skip();
    poison(POISON_QUIET, "semop", id, up, 1);
    poison(POISON_QUIET, "semtimedop", id, up, 1, 0);
    poison(POISON_CHANGES, "semctl", id, 0, GETALL, poison_take(10));
    poison(POISON_CHANGES, "semctl", id, 0, IPC_STAT, poison_take(104));
    poison(POISON_CHANGES, "semctl", 0, 0, IPC_INFO, poison_take(40));
    poison(POISON_CHANGES, "semctl", 0, 0, SEM_INFO, poison_take(40));
    poison(POISON_QUIET, "semctl", id, 1, GETVAL, 0);
    poison(POISON_QUIET, "semctl", id, 0, IPC_RMID, 0);
}

static void test_system_v_memory(void **state)
{
    int64_t id = poison(POISON_ANY, "shmget", IPC_PRIVATE, 8192, 0600);

    (void)state;
    if (id < 0)
        skip();
    poison(POISON_CHANGES, "shmctl", id, IPC_STAT, poison_take(112));
    poison(POISON_CHANGES, "shmctl", 0, IPC_INFO, poison_take(72));
    poison(POISON_CHANGES, "shmctl", 0, SHM_INFO, poison_take(48));
    poison(POISON_ANY, "shmctl", 0, SHM_STAT, poison_take(112));
    poison(POISON_QUIET, "shmctl", id, IPC_RMID, 0);
}

static void test_message_queues(void **state)
{
    struct mq_attr attributes = {.mq_maxmsg = 4, .mq_msgsize = 64};
    char *name = poison_take_copy("rrtest-outputs", 15);
    int64_t queue = poison(POISON_ANY, "mq_open", name, O_RDWR | O_CREAT, 0600,
                           poison_take_copy(&attributes, sizeof(attributes)));

    (void)state;
    if (queue < 0)
        skip();
    poison(POISON_QUIET, "mq_timedsend", queue, poison_take(20), 20, 3, 0);
    poison(POISON_CHANGES, "mq_getsetattr", queue, 0, poison_take(64));
    poison(POISON_FAILS, "mq_timedreceive", queue, poison_take(8), 8, poison_take(4), 0);
    poison(POISON_CHANGES, "mq_timedreceive", queue, poison_take(64), 64, poison_take(4), 0);
    poison(POISON_QUIET, "mq_unlink", name);
    close((int)queue);
}

int outputs_of_ipc(void)
{
#define TEST(name) cmocka_unit_test_setup(name, set_up)
    const struct CMUnitTest tests[] = {
        TEST(test_system_v_messages),
        TEST(test_system_v_semaphores),
        TEST(test_system_v_memory),
        TEST(test_message_queues),
    };
#undef TEST

    return cmocka_run_group_tests_name("outputs of IPC", tests, NULL, NULL);
}
