/* System V IPC and message queues. */
#include "recorder/syscalls/irregular/irregular.h"

#include <errno.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>

/* include/linux/sem.h, SEMMSL: the most semaphores of one set */
#define KERNEL_SEMAPHORES_MAX 32000
#define MESSAGE_TYPE_SIZE 8 /* the long in front of a message's text */

_Static_assert(sizeof(struct msqid_ds) == 120, "msqid_ds");
_Static_assert(sizeof(struct msginfo) == 32, "msginfo");
_Static_assert(sizeof(struct semid_ds) == 104, "semid_ds");
_Static_assert(sizeof(struct seminfo) == 40, "seminfo");
_Static_assert(sizeof(struct shmid_ds) == 112, "shmid_ds");
_Static_assert(sizeof(struct shminfo) == 72, "shminfo");
_Static_assert(sizeof(struct shm_info) == 48, "shm_info");

static int msgrcv_outputs(const struct irregular_call *call, struct syscall_regions *ret)
{
    uint64_t text = call->result >= 0 ? (uint64_t)call->result : call->args[2];

    return regions_add(ret, call->args[1], irregular_reach(call->result, MESSAGE_TYPE_SIZE + text));
}

const struct irregular_handler irregular_msgrcv = {.outputs = msgrcv_outputs};

static int msgsnd_inputs(const struct irregular_call *call, struct syscall_regions *ret)
{
    return regions_append(ret, call->args[1], MESSAGE_TYPE_SIZE + call->args[2]);
}

const struct irregular_handler irregular_msgsnd = {.inputs = msgsnd_inputs};

static int mq_timedsend_inputs(const struct irregular_call *call, struct syscall_regions *ret)
{
    return regions_append(ret, call->args[1], call->args[2]);
}

const struct irregular_handler irregular_mq_timedsend = {.inputs = mq_timedsend_inputs};

static uint64_t msgctl_size(uint32_t command)
{
    switch (command) {
    case IPC_STAT:
    case MSG_STAT:
    case MSG_STAT_ANY:
        return sizeof(struct msqid_ds);
    case IPC_INFO:
    case MSG_INFO:
        return sizeof(struct msginfo);
    default:
        return 0;
    }
}

static int msgctl_outputs(const struct irregular_call *call, struct syscall_regions *ret)
{
    return regions_add(ret, call->args[2],
                       irregular_reach(call->result, msgctl_size((uint32_t)call->args[1])));
}

static int msgctl_check(const struct irregular_call *call, char *message, size_t size)
{
    uint32_t command = (uint32_t)call->args[1];

    if (msgctl_size(command) || command == IPC_RMID || command == IPC_SET)
        return 0;
    return irregular_refused(call, EINVAL, message, size, "no such command");
}

const struct irregular_handler irregular_msgctl = {.outputs = msgctl_outputs,
                                                   .check = msgctl_check};

static uint64_t shmctl_size(uint32_t command)
{
    switch (command) {
    case IPC_STAT:
    case SHM_STAT:
    case SHM_STAT_ANY:
        return sizeof(struct shmid_ds);
    case IPC_INFO:
        return sizeof(struct shminfo);
    case SHM_INFO:
        return sizeof(struct shm_info);
    default:
        return 0;
    }
}

static int shmctl_outputs(const struct irregular_call *call, struct syscall_regions *ret)
{
    return regions_add(ret, call->args[2],
                       irregular_reach(call->result, shmctl_size((uint32_t)call->args[1])));
}

static int shmctl_check(const struct irregular_call *call, char *message, size_t size)
{
    uint32_t command = (uint32_t)call->args[1];

    if (shmctl_size(command) || command == IPC_RMID || command == IPC_SET || command == SHM_LOCK ||
        command == SHM_UNLOCK)
        return 0;
    return irregular_refused(call, EINVAL, message, size, "no such command");
}

const struct irregular_handler irregular_shmctl = {.outputs = shmctl_outputs,
                                                   .check = shmctl_check};

/* How many values GETALL stores depends on the set, which is not in memory: an upper bound. */
static uint64_t semctl_size(uint32_t command)
{
    switch (command) {
    case IPC_STAT:
    case SEM_STAT:
    case SEM_STAT_ANY:
        return sizeof(struct semid_ds);
    case IPC_INFO:
    case SEM_INFO:
        return sizeof(struct seminfo);
    case GETALL:
        return KERNEL_SEMAPHORES_MAX * sizeof(unsigned short);
    default:
        return 0;
    }
}

static int semctl_outputs(const struct irregular_call *call, struct syscall_regions *ret)
{
    return regions_add(ret, call->args[3],
                       irregular_reach(call->result, semctl_size((uint32_t)call->args[2])));
}

static int semctl_check(const struct irregular_call *call, char *message, size_t size)
{
    switch ((uint32_t)call->args[2]) {
    case IPC_RMID:
    case IPC_SET:
    case GETPID:
    case GETVAL:
    case GETNCNT:
    case GETZCNT:
    case SETVAL:
    case SETALL:
        return 0;
    default:
        if (semctl_size((uint32_t)call->args[2]))
            return 0;
        return irregular_refused(call, EINVAL, message, size, "no such command");
    }
}

const struct irregular_handler irregular_semctl = {.outputs = semctl_outputs,
                                                   .check = semctl_check};
