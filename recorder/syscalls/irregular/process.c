/* Credentials, waiting for children, namespaces. */
#include "recorder/syscalls/irregular/irregular.h"

#include <errno.h>
#include <linux/capability.h>
#include <sched.h>

#include "recorder/syscalls/abi.h"

#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME 0x00000080
#endif

/* The version in the header is corrected also when it made the call fail. */
static int capget_outputs(const struct irregular_call *call, struct syscall_regions *ret)
{
    uint32_t version;
    uint64_t bytes;

    if (!irregular_read(call, call->args[0], &version, sizeof(version)))
        return 0;
    bytes = version == _LINUX_CAPABILITY_VERSION_1 ? 12 : 24;
    return regions_add(ret, call->args[0], 8)
               ?: regions_add(ret, call->args[1], irregular_reach(call->result, bytes));
}

const struct irregular_handler irregular_capget = {.outputs = capget_outputs};

/* With a size of 0 the result is a count and nothing is stored. */
static int getgroups_outputs(const struct irregular_call *call, struct syscall_regions *ret)
{
    uint32_t size = (uint32_t)call->args[0];

    if (size == 0 || size > 65536)
        return 0;
    return regions_add(ret, call->args[1],
                       irregular_reach(call->result, call->result >= 0 ? (uint64_t)call->result * 4
                                                                       : size * 4ull));
}

const struct irregular_handler irregular_getgroups = {.outputs = getgroups_outputs};

/* Status and usage are stored only if a child was found: result > 0. */
static int wait4_outputs(const struct irregular_call *call, struct syscall_regions *ret)
{
    if (call->result <= 0 && call->result != -EFAULT)
        return 0;
    return regions_add(ret, call->args[1], 4) ?: regions_add(ret, call->args[3], SIZE_RUSAGE);
}

const struct irregular_handler irregular_wait4 = {.outputs = wait4_outputs};

/* Pids and the clock are those of the run's own namespace: a second one is not modelled. */
static int namespace_check(const struct irregular_call *call, uint64_t flags, char *message,
                           size_t size)
{
    if (flags & CLONE_NEWPID)
        return irregular_unsupported(call, message, size,
                                     "a pid namespace inside the run's own is not modelled");
    if (flags & CLONE_NEWTIME)
        return irregular_unsupported(call, message, size,
                                     "time namespaces are not modelled: time is virtual");
    return 0;
}

static int unshare_check(const struct irregular_call *call, char *message, size_t size)
{
    return namespace_check(call, call->args[0], message, size);
}

const struct irregular_handler irregular_unshare = {.check = unshare_check};

/* Of kind 0 ("whatever it is") the descriptor tells more. */
static int setns_check(const struct irregular_call *call, char *message, size_t size)
{
    return namespace_check(call, call->args[1], message, size);
}

const struct irregular_handler irregular_setns = {.check = setns_check};
