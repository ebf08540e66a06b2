/* ioctl's sub-table (ioctl.def) and the requests whose size is in the argument. */
#include "recorder/syscalls/irregular/irregular.h"

#include <errno.h>
#include <linux/fiemap.h>
#include <linux/fs.h>
#include <linux/loop.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <stddef.h>
#include <sys/ioctl.h>

#pragma GCC diagnostic error "-Woverride-init"

enum ioctl_argument {
    ARGUMENT_NONE,
    ARGUMENT_IN,
    ARGUMENT_OUT,
    ARGUMENT_INOUT,
    ARGUMENT_WAITS,
    ARGUMENT_IN_WAITS,
    ARGUMENT_NEW_FD,
    ARGUMENT_IFCONF,
    ARGUMENT_DEDUPE,
    ARGUMENT_FIEMAP,
    ARGUMENT_SIZED, /* read and written; grows from kernel to kernel, the request has its size */
    ARGUMENT_REFUSED,
    ARGUMENT_FOREIGN,
};

struct ioctl_request {
    const char *name;
    uint32_t number;
    uint8_t argument;
    uint8_t error;  /* REFUSED */
    uint16_t bytes; /* behind the argument */
    const char *reason;
};

#define IOCTL(name, number, argument, bytes) {#name, number, ARGUMENT_##argument, 0, bytes, NULL},
#define CODED(name, argument) {#name, name, ARGUMENT_##argument, 0, _IOC_SIZE(name), NULL},
#define SPECIAL(name, number, argument) {#name, number, ARGUMENT_##argument, 0, 0, NULL},
#define REFUSED(name, number, error, reason) {#name, number, ARGUMENT_REFUSED, error, 0, reason},
#define FOREIGN(name, number) {#name, number, ARGUMENT_FOREIGN, 0, 0, NULL},

static const struct ioctl_request requests[] = {
#include "recorder/syscalls/irregular/ioctl.def"
};

_Static_assert(sizeof(struct ifreq) == 40, "ifreq");
_Static_assert(sizeof(struct loop_info64) == 232, "loop_info64");

static const struct ioctl_request *request_by_number(uint32_t number)
{
    uint32_t without_size = number & ~(uint32_t)IOCSIZE_MASK;

    for (size_t i = 0; i < sizeof(requests) / sizeof(*requests); i++)
        if (requests[i].number == (requests[i].argument == ARGUMENT_SIZED ? without_size : number))
            return &requests[i];
    return NULL;
}

const char *ioctl_request_name(uint32_t number)
{
    const struct ioctl_request *request = request_by_number(number);

    return request ? request->name : NULL;
}

size_t ioctl_request_count(void)
{
    size_t count = 0;

    for (size_t i = 0; i < sizeof(requests) / sizeof(*requests); i++)
        count += requests[i].argument != ARGUMENT_FOREIGN;
    return count;
}

bool ioctl_returns_fd(uint32_t number)
{
    const struct ioctl_request *request = request_by_number(number);

    return request && request->argument == ARGUMENT_NEW_FD;
}

/* ifc_len is now the bytes stored; with a NULL buffer, those that would be. */
static int ifconf_outputs(const struct irregular_call *call, struct syscall_regions *ret)
{
    struct ifconf conf;

    if (irregular_reach(call->result, 1) == 0 ||
        !irregular_read(call, call->args[2], &conf, sizeof(conf)) || conf.ifc_len < 0)
        return 0;
    return regions_add(ret, call->args[2], sizeof(conf))
               ?: regions_add(ret, (uintptr_t)conf.ifc_buf,
                              irregular_reach(call->result, (uint32_t)conf.ifc_len));
}

/* The head comes back, whatever the result, with the number of extents behind it. An error before
 * that leaves what the program had there: then it is only an upper bound. */
static int fiemap_outputs(const struct irregular_call *call, struct syscall_regions *ret)
{
    struct fiemap map;
    uint64_t extents;

    if (!irregular_read(call, call->args[2], &map, sizeof(map)))
        return 0;
    extents =
        map.fm_mapped_extents < map.fm_extent_count ? map.fm_mapped_extents : map.fm_extent_count;
    extents *= sizeof(struct fiemap_extent);
    if (call->result < 0 && extents > IRREGULAR_FAULT_MAX)
        extents = IRREGULAR_FAULT_MAX;
    return regions_add(ret, call->args[2], sizeof(map) + extents);
}

static int dedupe_outputs(const struct irregular_call *call, struct syscall_regions *ret)
{
    struct file_dedupe_range range;

    if (irregular_reach(call->result, 1) == 0 ||
        !irregular_read(call, call->args[2], &range, sizeof(range)))
        return 0;
    return regions_add(ret, call->args[2],
                       sizeof(range) +
                           range.dest_count * (uint64_t)sizeof(struct file_dedupe_range_info));
}

static int ioctl_outputs(const struct irregular_call *call, struct syscall_regions *ret)
{
    const struct ioctl_request *request = request_by_number((uint32_t)call->args[1]);

    if (!request)
        return 0;
    switch (request->argument) {
    case ARGUMENT_OUT:
        return regions_add(ret, call->args[2], irregular_reach(call->result, request->bytes));
    case ARGUMENT_INOUT:
        return regions_add(ret, call->args[2], request->bytes);
    case ARGUMENT_SIZED:
        return regions_add(ret, call->args[2], _IOC_SIZE((uint32_t)call->args[1]));
    case ARGUMENT_IFCONF:
        return ifconf_outputs(call, ret);
    case ARGUMENT_FIEMAP:
        return fiemap_outputs(call, ret);
    case ARGUMENT_DEDUPE:
        return dedupe_outputs(call, ret);
    default:
        return 0;
    }
}

static int ioctl_check(const struct irregular_call *call, char *message, size_t size)
{
    static const char *const directions[] = {"", ", in", ", out", ", in and out"};
    uint32_t number = (uint32_t)call->args[1];
    const struct ioctl_request *request = request_by_number(number);

    if (!request)
        return irregular_unsupported(
            call, message, size,
            "ioctl request %#x (type '%c' %#x, number %u, %u bytes%s) is not "
            "modelled",
            number,
            _IOC_TYPE(number) > 32 && _IOC_TYPE(number) < 127 ? (int)_IOC_TYPE(number) : '?',
            (unsigned int)_IOC_TYPE(number), (unsigned int)_IOC_NR(number),
            (unsigned int)_IOC_SIZE(number), directions[_IOC_DIR(number) & 3]);
    if (request->argument == ARGUMENT_FOREIGN)
        return irregular_unsupported(call, message, size, "ioctl request %s is not modelled",
                                     request->name);
    if (request->argument == ARGUMENT_REFUSED)
        return irregular_refused(call, request->error, message, size, "%s", request->reason);
    return 0;
}

static enum syscall_blocks ioctl_blocks(const struct irregular_call *call)
{
    const struct ioctl_request *request = request_by_number((uint32_t)call->args[1]);

    if (request && (request->argument == ARGUMENT_WAITS || request->argument == ARGUMENT_IN_WAITS))
        return SYSCALL_BLOCKS_KERNEL;
    return SYSCALL_BLOCKS_NEVER;
}

const struct irregular_handler irregular_ioctl = {
    .outputs = ioctl_outputs, .check = ioctl_check, .blocks = ioctl_blocks};
