/* fcntl's sub-table: what each command's third argument is. */
#include "recorder/syscalls/irregular/irregular.h"

#include <errno.h>
#include <fcntl.h>

/* Not in the C library's header: include/uapi/linux/fcntl.h and asm-generic/fcntl.h. */
enum { KERNEL_F_GETOWNER_UIDS = 17, KERNEL_F_DUPFD_QUERY = 1027, KERNEL_F_CREATED_QUERY = 1028 };

enum fcntl_argument { ARGUMENT_NONE, ARGUMENT_VALUE, ARGUMENT_IN, ARGUMENT_OUT };

struct fcntl_command {
    const char *name;
    uint32_t number;
    uint8_t argument;
    uint8_t size; /* of what an IN or OUT argument points to */
};

static const struct fcntl_command commands[] = {
    {"F_DUPFD", F_DUPFD, ARGUMENT_VALUE, 0},
    {"F_DUPFD_CLOEXEC", F_DUPFD_CLOEXEC, ARGUMENT_VALUE, 0},
    {"F_DUPFD_QUERY", KERNEL_F_DUPFD_QUERY, ARGUMENT_VALUE, 0},
    {"F_CREATED_QUERY", KERNEL_F_CREATED_QUERY, ARGUMENT_NONE, 0},
    {"F_GETFD", F_GETFD, ARGUMENT_NONE, 0},
    {"F_SETFD", F_SETFD, ARGUMENT_VALUE, 0},
    {"F_GETFL", F_GETFL, ARGUMENT_NONE, 0},
    {"F_SETFL", F_SETFL, ARGUMENT_VALUE, 0},
    {"F_GETLK", F_GETLK, ARGUMENT_OUT, sizeof(struct flock)},
    {"F_SETLK", F_SETLK, ARGUMENT_IN, sizeof(struct flock)},
    {"F_SETLKW", F_SETLKW, ARGUMENT_IN, sizeof(struct flock)},
    {"F_OFD_GETLK", F_OFD_GETLK, ARGUMENT_OUT, sizeof(struct flock)},
    {"F_OFD_SETLK", F_OFD_SETLK, ARGUMENT_IN, sizeof(struct flock)},
    {"F_OFD_SETLKW", F_OFD_SETLKW, ARGUMENT_IN, sizeof(struct flock)},
    {"F_GETOWN", F_GETOWN, ARGUMENT_NONE, 0},
    {"F_SETOWN", F_SETOWN, ARGUMENT_VALUE, 0},
    {"F_GETSIG", F_GETSIG, ARGUMENT_NONE, 0},
    {"F_SETSIG", F_SETSIG, ARGUMENT_VALUE, 0},
    {"F_GETOWN_EX", F_GETOWN_EX, ARGUMENT_OUT, sizeof(struct f_owner_ex)},
    {"F_SETOWN_EX", F_SETOWN_EX, ARGUMENT_IN, sizeof(struct f_owner_ex)},
    {"F_GETOWNER_UIDS", KERNEL_F_GETOWNER_UIDS, ARGUMENT_OUT, 8},
    {"F_SETLEASE", F_SETLEASE, ARGUMENT_VALUE, 0},
    {"F_GETLEASE", F_GETLEASE, ARGUMENT_NONE, 0},
    {"F_NOTIFY", F_NOTIFY, ARGUMENT_VALUE, 0},
    {"F_SETPIPE_SZ", F_SETPIPE_SZ, ARGUMENT_VALUE, 0},
    {"F_GETPIPE_SZ", F_GETPIPE_SZ, ARGUMENT_NONE, 0},
    {"F_ADD_SEALS", F_ADD_SEALS, ARGUMENT_VALUE, 0},
    {"F_GET_SEALS", F_GET_SEALS, ARGUMENT_NONE, 0},
    {"F_GET_RW_HINT", F_GET_RW_HINT, ARGUMENT_OUT, 8},
    {"F_SET_RW_HINT", F_SET_RW_HINT, ARGUMENT_IN, 8},
    {"F_GET_FILE_RW_HINT", F_GET_FILE_RW_HINT, ARGUMENT_OUT, 8},
    {"F_SET_FILE_RW_HINT", F_SET_FILE_RW_HINT, ARGUMENT_IN, 8},
};

_Static_assert(sizeof(struct flock) == 32, "flock");
_Static_assert(sizeof(struct f_owner_ex) == 8, "f_owner_ex");

static const struct fcntl_command *command_by_number(uint32_t number)
{
    for (size_t i = 0; i < sizeof(commands) / sizeof(*commands); i++)
        if (commands[i].number == number)
            return &commands[i];
    return NULL;
}

const char *fcntl_command_name(uint32_t number)
{
    const struct fcntl_command *command = command_by_number(number);

    return command ? command->name : NULL;
}

static int fcntl_outputs(const struct irregular_call *call, struct syscall_regions *ret)
{
    const struct fcntl_command *command = command_by_number((uint32_t)call->args[1]);

    if (!command || command->argument != ARGUMENT_OUT)
        return 0;
    return regions_add(ret, call->args[2], irregular_reach(call->result, command->size));
}

/* Every kernel answers an unknown command with EINVAL, but a later one may know it. */
static int fcntl_check(const struct irregular_call *call, char *message, size_t size)
{
    if (command_by_number((uint32_t)call->args[1]))
        return 0;
    return irregular_unsupported(call, message, size, "fcntl command %u is not modelled",
                                 (uint32_t)call->args[1]);
}

static enum syscall_blocks fcntl_blocks(const struct irregular_call *call)
{
    uint32_t command = (uint32_t)call->args[1];

    return command == F_SETLKW || command == F_OFD_SETLKW ? SYSCALL_BLOCKS_OTHER
                                                          : SYSCALL_BLOCKS_NEVER;
}

const struct irregular_handler irregular_fcntl = {
    .outputs = fcntl_outputs, .check = fcntl_check, .blocks = fcntl_blocks};
