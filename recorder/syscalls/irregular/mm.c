/* Memory: residency, advice, NUMA policies, other processes' memory. */
#include "recorder/syscalls/irregular/irregular.h"

#include <errno.h>
#include <sys/mman.h>

#include "recorder/base/types.h"

/* include/uapi/asm-generic/mman-common.h; not all in the C library's header */
enum {
    ADVICE_COLLAPSE = 25,
    ADVICE_SOFT_OFFLINE = 101,
    ADVICE_GUARD_INSTALL = 102,
    ADVICE_GUARD_REMOVE = 103,
};

/* Which advice is known. Those that change contents or fork's copy are the recorder's business
 * (class MODEL); poison and guard pages are not modelled by anyone. */
static int madvise_check(const struct irregular_call *call, char *message, size_t size)
{
    uint32_t advice = (uint32_t)call->args[2];

    switch (advice) {
    case MADV_HWPOISON:
    case ADVICE_SOFT_OFFLINE:
        return irregular_refused(call, EPERM, message, size, "the machine is outside the run");
    case ADVICE_GUARD_INSTALL:
    case ADVICE_GUARD_REMOVE:
        return irregular_refused(call, EINVAL, message, size,
                                 "guard pages are not modelled; programs fall back to mprotect");
    default:
        return 0;
    }
}

const struct irregular_handler irregular_madvise = {.check = madvise_check};

static int process_madvise_check(const struct irregular_call *call, char *message, size_t size)
{
    switch ((uint32_t)call->args[3]) {
    case MADV_WILLNEED:
    case MADV_COLD:
    case MADV_PAGEOUT:
    case ADVICE_COLLAPSE:
        return 0;
    default:
        return irregular_refused(call, EINVAL, message, size,
                                 "advice that changes another process is not modelled");
    }
}

const struct irregular_handler irregular_process_madvise = {.check = process_madvise_check};

static int pkey_mprotect_check(const struct irregular_call *call, char *message, size_t size)
{
    if ((int32_t)call->args[3] == -1)
        return 0;
    return irregular_refused(call, EINVAL, message, size, "protection keys are not recorded");
}

const struct irregular_handler irregular_pkey_mprotect = {.check = pkey_mprotect_check};

/* A byte per page, written page of results by page of results: also before -ENOMEM. */
static int mincore_outputs(const struct irregular_call *call, struct syscall_regions *ret)
{
    uint64_t pages = call->args[1] / TRACEE_PAGE_SIZE + (call->args[1] % TRACEE_PAGE_SIZE != 0);

    if (call->result != 0 && call->result != -ENOMEM && call->result != -EFAULT)
        return 0;
    return regions_add(ret, call->args[2], irregular_bounded(call->result, pages));
}

const struct irregular_handler irregular_mincore = {.outputs = mincore_outputs};

/* mm/mempolicy.c, copy_nodes_to_user(): whole longs for maxnode - 1 bits. */
static int get_mempolicy_outputs(const struct irregular_call *call, struct syscall_regions *ret)
{
    uint64_t bits = call->args[2];

    if (bits == 0)
        return 0;
    return regions_add(ret, call->args[1], irregular_reach(call->result, (bits - 1 + 63) / 64 * 8));
}

const struct irregular_handler irregular_get_mempolicy = {.outputs = get_mempolicy_outputs};

/* One int per page, stored as the work goes on: whatever the result. */
static int move_pages_outputs(const struct irregular_call *call, struct syscall_regions *ret)
{
    uint64_t pages = call->args[1] < UINT64_MAX / 4 ? call->args[1] : UINT64_MAX / 4;

    return regions_add(ret, call->args[4], irregular_bounded(call->result, pages * 4));
}

const struct irregular_handler irregular_move_pages = {.outputs = move_pages_outputs};

static int process_vm_readv_outputs(const struct irregular_call *call, struct syscall_regions *ret)
{
    if (call->result < 0)
        return 0;
    return regions_add_iovec(ret, call->memory, call->args[1], call->args[2],
                             (uint64_t)call->result);
}

const struct irregular_handler irregular_process_vm_readv = {.outputs = process_vm_readv_outputs};

static int process_vm_writev_outputs(const struct irregular_call *call, struct syscall_regions *ret)
{
    if (call->result < 0)
        return 0;
    return regions_add_iovec(ret, call->memory, call->args[3], call->args[4],
                             (uint64_t)call->result);
}

const struct irregular_handler irregular_process_vm_writev = {.outputs = process_vm_writev_outputs};
