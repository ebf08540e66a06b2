/* poll, select and epoll: the descriptors' states that come back. */
#include "recorder/syscalls/irregular/irregular.h"

#include <errno.h>

#include "recorder/syscalls/abi.h"

/* do_sys_poll() stores revents also when a signal ended the wait. */
static bool states_were_stored(int64_t result)
{
    return result >= 0 || result == -EFAULT || irregular_interrupted(result);
}

static int poll_outputs(const struct irregular_call *call, struct syscall_regions *ret)
{
    if (!states_were_stored(call->result))
        return 0;
    return regions_add(
        ret, call->args[0],
        irregular_bounded(call->result, (uint32_t)call->args[1] * (uint64_t)SIZE_POLLFD));
}

const struct irregular_handler irregular_poll = {.outputs = poll_outputs};

/* The remaining time is stored, too (poll_select_finish). */
static int ppoll_outputs(const struct irregular_call *call, struct syscall_regions *ret)
{
    if (!states_were_stored(call->result))
        return 0;
    return poll_outputs(call, ret) ?: regions_add(ret, call->args[2], SIZE_TIMESPEC);
}

const struct irregular_handler irregular_ppoll = {.outputs = ppoll_outputs};

/* The kernel cuts the number of descriptors at the process's table; one of 8 million is the most
 * that is believed. */
#define SET_BYTES_MAX (1u << 20)

/* The sets are written in whole longs; struct timeval and timespec have the same size. */
static int select_outputs(const struct irregular_call *call, struct syscall_regions *ret)
{
    uint64_t bytes = ((uint32_t)call->args[0] + 63ull) / 64 * 8;
    int error = 0;

    if (!states_were_stored(call->result) || (int32_t)call->args[0] < 0)
        return 0;
    if (bytes > SET_BYTES_MAX)
        bytes = SET_BYTES_MAX;
    for (int i = 1; i <= 3 && !error; i++)
        error = regions_add(ret, call->args[i], bytes);
    return error ?: regions_add(ret, call->args[4], SIZE_TIMESPEC);
}

const struct irregular_handler irregular_select = {.outputs = select_outputs};

static int epoll_wait_outputs(const struct irregular_call *call, struct syscall_regions *ret)
{
    uint64_t count = call->result >= 0         ? (uint64_t)call->result
                     : call->result == -EFAULT ? (uint32_t)call->args[2]
                                               : 0;

    return regions_add(ret, call->args[1], irregular_reach(call->result, count * SIZE_EPOLL_EVENT));
}

const struct irregular_handler irregular_epoll_wait = {.outputs = epoll_wait_outputs};
