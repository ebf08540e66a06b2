/* prctl's and arch_prctl's sub-tables. */
#include "recorder/syscalls/irregular/irregular.h"

#include <asm/prctl.h>
#include <errno.h>
#include <sys/prctl.h>

/* Newer than the oldest headers this builds with (include/uapi/linux/prctl.h). */
enum {
    NEWER_SET_MDWE = 65,
    NEWER_GET_MDWE = 66,
    NEWER_SET_MEMORY_MERGE = 67,
    NEWER_GET_MEMORY_MERGE = 68,
    NEWER_TIMER_CREATE_RESTORE_IDS = 77,
    NEWER_FUTEX_HASH = 78,
    NEWER_GET_AUXV = 0x41555856,
};

struct sub_call {
    const char *name;
    uint32_t number;
    uint8_t out;   /* bytes the kernel stores through the second argument */
    uint8_t error; /* errno of a refused one */
    const char *reason;
};

/* clang-format off */
#define RUN(option)                   {#option, option, 0, 0, NULL}
#define OUT(option, bytes)            {#option, option, bytes, 0, NULL}
#define REFUSE(option, error, reason) {#option, option, 0, error, reason}
/* clang-format on */

static const char old_kernel[] = "not modelled; answered as by an older kernel";

static const struct sub_call prctl_options[] = {
    RUN(PR_SET_PDEATHSIG),
    OUT(PR_GET_PDEATHSIG, 4),
    RUN(PR_GET_DUMPABLE),
    RUN(PR_SET_DUMPABLE),
    RUN(PR_GET_UNALIGN),
    RUN(PR_SET_UNALIGN),
    RUN(PR_GET_KEEPCAPS),
    RUN(PR_SET_KEEPCAPS),
    RUN(PR_GET_FPEMU),
    RUN(PR_SET_FPEMU),
    RUN(PR_GET_FPEXC),
    RUN(PR_SET_FPEXC),
    RUN(PR_GET_TIMING),
    RUN(PR_SET_TIMING),
    RUN(PR_SET_NAME),
    OUT(PR_GET_NAME, 16),
    RUN(PR_GET_ENDIAN),
    RUN(PR_SET_ENDIAN),
    RUN(PR_GET_SECCOMP),
    RUN(PR_SET_SECCOMP),
    RUN(PR_CAPBSET_READ),
    RUN(PR_CAPBSET_DROP),
    OUT(PR_GET_TSC, 4),
    RUN(PR_SET_TSC),
    RUN(PR_GET_SECUREBITS),
    RUN(PR_SET_SECUREBITS),
    RUN(PR_SET_TIMERSLACK),
    RUN(PR_GET_TIMERSLACK),
    RUN(PR_TASK_PERF_EVENTS_DISABLE),
    RUN(PR_TASK_PERF_EVENTS_ENABLE),
    RUN(PR_MCE_KILL),
    RUN(PR_MCE_KILL_GET),
    REFUSE(PR_SET_MM, EPERM, "the layout of the address space is the recorder's"),
    RUN(PR_SET_PTRACER),
    RUN(PR_SET_CHILD_SUBREAPER),
    OUT(PR_GET_CHILD_SUBREAPER, 4),
    RUN(PR_SET_NO_NEW_PRIVS),
    RUN(PR_GET_NO_NEW_PRIVS),
    REFUSE(PR_GET_TID_ADDRESS, EINVAL, "the kernel does not hold the address of a recorded thread"),
    RUN(PR_SET_THP_DISABLE),
    RUN(PR_GET_THP_DISABLE),
    RUN(PR_MPX_ENABLE_MANAGEMENT),
    RUN(PR_MPX_DISABLE_MANAGEMENT),
    RUN(PR_SET_FP_MODE),
    RUN(PR_GET_FP_MODE),
    RUN(PR_CAP_AMBIENT),
    RUN(PR_SVE_SET_VL),
    RUN(PR_SVE_GET_VL),
    RUN(PR_GET_SPECULATION_CTRL),
    RUN(PR_SET_SPECULATION_CTRL),
    RUN(PR_PAC_RESET_KEYS),
    RUN(PR_SET_TAGGED_ADDR_CTRL),
    RUN(PR_GET_TAGGED_ADDR_CTRL),
    RUN(PR_SET_IO_FLUSHER),
    RUN(PR_GET_IO_FLUSHER),
    REFUSE(PR_SET_SYSCALL_USER_DISPATCH, EINVAL, old_kernel),
    RUN(PR_PAC_SET_ENABLED_KEYS),
    RUN(PR_PAC_GET_ENABLED_KEYS),
    REFUSE(PR_SCHED_CORE, EINVAL, old_kernel),
    RUN(PR_SME_SET_VL),
    RUN(PR_SME_GET_VL),
    {"PR_SET_MDWE", NEWER_SET_MDWE, 0, EINVAL, old_kernel},
    {"PR_GET_MDWE", NEWER_GET_MDWE, 0, EINVAL, old_kernel},
    {"PR_SET_MEMORY_MERGE", NEWER_SET_MEMORY_MERGE, 0, 0, NULL},
    {"PR_GET_MEMORY_MERGE", NEWER_GET_MEMORY_MERGE, 0, 0, NULL},
    {"PR_TIMER_CREATE_RESTORE_IDS", NEWER_TIMER_CREATE_RESTORE_IDS, 0, EINVAL, old_kernel},
    {"PR_FUTEX_HASH", NEWER_FUTEX_HASH, 0, EINVAL, old_kernel},
    RUN(PR_SET_VMA),
    {"PR_GET_AUXV", NEWER_GET_AUXV, 0, EINVAL, old_kernel},
};

/* Refused ones answer as a machine without the feature does. */
static const struct sub_call arch_prctl_codes[] = {
    RUN(ARCH_SET_GS),
    RUN(ARCH_SET_FS),
    OUT(ARCH_GET_FS, 8),
    OUT(ARCH_GET_GS, 8),
    RUN(ARCH_GET_CPUID),
    REFUSE(ARCH_SET_CPUID, ENODEV, "cpuid is answered by the recorder"),
    OUT(ARCH_GET_XCOMP_SUPP, 8),
    OUT(ARCH_GET_XCOMP_PERM, 8),
    REFUSE(ARCH_REQ_XCOMP_PERM, EINVAL, "large vector states are not recorded"),
    OUT(ARCH_GET_XCOMP_GUEST_PERM, 8),
    REFUSE(ARCH_REQ_XCOMP_GUEST_PERM, EINVAL, "large vector states are not recorded"),
    REFUSE(ARCH_MAP_VDSO_X32, EINVAL, "the vDSO is not mapped in a recorded program"),
    REFUSE(ARCH_MAP_VDSO_32, EINVAL, "the vDSO is not mapped in a recorded program"),
    REFUSE(ARCH_MAP_VDSO_64, EINVAL, "the vDSO is not mapped in a recorded program"),
    {"ARCH_CET_STATUS", 0x3001, 0, EINVAL, "never merged; libcs ask for it"},
    {"ARCH_GET_UNTAG_MASK", 0x4001, 8, 0, NULL},
    {"ARCH_ENABLE_TAGGED_ADDR", 0x4002, 0, ENODEV, "tagged addresses are not recorded"},
    {"ARCH_GET_MAX_TAG_BITS", 0x4003, 8, 0, NULL},
    {"ARCH_FORCE_TAGGED_SVA", 0x4004, 0, EINVAL, "tagged addresses are not recorded"},
    {"ARCH_SHSTK_ENABLE", 0x5001, 0, EOPNOTSUPP, "shadow stacks are not recorded"},
    {"ARCH_SHSTK_DISABLE", 0x5002, 0, EOPNOTSUPP, "shadow stacks are not recorded"},
    {"ARCH_SHSTK_LOCK", 0x5003, 0, EOPNOTSUPP, "shadow stacks are not recorded"},
    {"ARCH_SHSTK_UNLOCK", 0x5004, 0, EOPNOTSUPP, "shadow stacks are not recorded"},
    {"ARCH_SHSTK_STATUS", 0x5005, 0, EOPNOTSUPP, "shadow stacks are not recorded"},
};

#define COUNT(array) (sizeof(array) / sizeof(*(array)))

static const struct sub_call *find(const struct sub_call *table, size_t count, uint32_t number)
{
    for (size_t i = 0; i < count; i++)
        if (table[i].number == number)
            return &table[i];
    return NULL;
}

const char *prctl_option_name(uint32_t option)
{
    const struct sub_call *sub = find(prctl_options, COUNT(prctl_options), option);

    return sub ? sub->name : NULL;
}

const char *arch_prctl_name(uint32_t code)
{
    const struct sub_call *sub = find(arch_prctl_codes, COUNT(arch_prctl_codes), code);

    return sub ? sub->name : NULL;
}

static int sub_outputs(const struct irregular_call *call, const struct sub_call *sub,
                       struct syscall_regions *ret)
{
    if (!sub)
        return 0;
    return regions_add(ret, call->args[1], irregular_reach(call->result, sub->out));
}

static int sub_check(const struct irregular_call *call, const struct sub_call *sub, char *message,
                     size_t size)
{
    if (!sub)
        return irregular_unsupported(call, message, size, "option %#x is not modelled",
                                     (uint32_t)call->args[0]);
    if (sub->error)
        return irregular_refused(call, sub->error, message, size, "%s", sub->reason);
    return 0;
}

static int prctl_outputs(const struct irregular_call *call, struct syscall_regions *ret)
{
    return sub_outputs(call, find(prctl_options, COUNT(prctl_options), (uint32_t)call->args[0]),
                       ret);
}

static int prctl_check(const struct irregular_call *call, char *message, size_t size)
{
    return sub_check(call, find(prctl_options, COUNT(prctl_options), (uint32_t)call->args[0]),
                     message, size);
}

const struct irregular_handler irregular_prctl = {.outputs = prctl_outputs, .check = prctl_check};

static int arch_prctl_outputs(const struct irregular_call *call, struct syscall_regions *ret)
{
    return sub_outputs(
        call, find(arch_prctl_codes, COUNT(arch_prctl_codes), (uint32_t)call->args[0]), ret);
}

static int arch_prctl_check(const struct irregular_call *call, char *message, size_t size)
{
    return sub_check(call, find(arch_prctl_codes, COUNT(arch_prctl_codes), (uint32_t)call->args[0]),
                     message, size);
}

const struct irregular_handler irregular_arch_prctl = {.outputs = arch_prctl_outputs,
                                                       .check = arch_prctl_check};
