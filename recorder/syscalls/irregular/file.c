/* Calls on files and file systems whose outputs depend on a command or on what came back, and the
 * kernel's keyrings and log. */
#include "recorder/syscalls/irregular/irregular.h"

#include <errno.h>
#include <linux/dqblk_xfs.h>
#include <linux/keyctl.h>
#include <linux/quota.h>
#include <string.h>

#include "recorder/syscalls/abi.h"

/* The command without its low byte, the kind of quota (QCMD). False: unknown. */
static bool quotactl_size(uint32_t command, uint64_t *ret)
{
    switch (command >> SUBCMDSHIFT) {
    case Q_SYNC:
    case Q_QUOTAON:
    case Q_QUOTAOFF:
    case Q_SETINFO:
    case Q_SETQUOTA:
    case Q_XQUOTAON:
    case Q_XQUOTAOFF:
    case Q_XSETQLIM:
    case Q_XQUOTARM:
    case Q_XQUOTASYNC:
        *ret = 0;
        return true;
    case Q_GETFMT:
        *ret = 4;
        return true;
    case Q_GETINFO:
        *ret = sizeof(struct if_dqinfo);
        return true;
    case Q_GETQUOTA:
        *ret = sizeof(struct if_dqblk);
        return true;
    case Q_GETNEXTQUOTA:
        *ret = sizeof(struct if_nextdqblk);
        return true;
    case Q_XGETQUOTA:
    case Q_XGETNEXTQUOTA:
        *ret = sizeof(struct fs_disk_quota);
        return true;
    case Q_XGETQSTAT:
        *ret = sizeof(struct fs_quota_stat);
        return true;
    case Q_XGETQSTATV:
        *ret = sizeof(struct fs_quota_statv);
        return true;
    default:
        return false;
    }
}

/* quotactl has the command first, quotactl_fd second. */
static uint32_t quotactl_command(const struct irregular_call *call)
{
    static const uint64_t by_descriptor = 443;

    return (uint32_t)call->args[call->number == by_descriptor ? 1 : 0];
}

static int quotactl_outputs(const struct irregular_call *call, struct syscall_regions *ret)
{
    uint64_t bytes;

    if (!quotactl_size(quotactl_command(call), &bytes))
        return 0;
    return regions_add(ret, call->args[3], irregular_reach(call->result, bytes));
}

static int quotactl_check(const struct irregular_call *call, char *message, size_t size)
{
    uint64_t bytes;

    if (quotactl_size(quotactl_command(call), &bytes))
        return 0;
    return irregular_refused(call, EINVAL, message, size, "no such command");
}

const struct irregular_handler irregular_quotactl = {.outputs = quotactl_outputs,
                                                     .check = quotactl_check};

/* These three store nothing if the buffer is smaller than the result, except a keyring's READ. */
static int keyctl_outputs(const struct irregular_call *call, struct syscall_regions *ret)
{
    uint64_t result = call->result > 0 ? (uint64_t)call->result : 0;

    switch ((uint32_t)call->args[0]) {
    case KEYCTL_DESCRIBE:
    case KEYCTL_READ:
    case KEYCTL_GET_SECURITY:
    case KEYCTL_DH_COMPUTE:
        return regions_add(ret, call->args[2], irregular_smaller(result, call->args[3]));
    case KEYCTL_CAPABILITIES:
        return regions_add(ret, call->args[1], irregular_reach(call->result, call->args[2]));
    default:
        return 0;
    }
}

static int keyctl_check(const struct irregular_call *call, char *message, size_t size)
{
    uint32_t command = (uint32_t)call->args[0];

    switch (command) {
    case KEYCTL_PKEY_QUERY:
    case KEYCTL_PKEY_ENCRYPT:
    case KEYCTL_PKEY_DECRYPT:
    case KEYCTL_PKEY_SIGN:
    case KEYCTL_PKEY_VERIFY:
    case KEYCTL_WATCH_KEY:
        return irregular_unsupported(call, message, size,
                                     "public keys and key watches (command %u) are not modelled",
                                     command);
    default:
        if (command <= KEYCTL_WATCH_KEY)
            return 0;
        return irregular_unsupported(call, message, size, "keyctl command %u is not modelled",
                                     command);
    }
}

const struct irregular_handler irregular_keyctl = {.outputs = keyctl_outputs,
                                                   .check = keyctl_check};

/* kernel/printk/printk.c: actions 2 (READ), 3 (READ_ALL) and 4 (READ_CLEAR) fill the buffer. */
static int syslog_outputs(const struct irregular_call *call, struct syscall_regions *ret)
{
    uint32_t action = (uint32_t)call->args[0];

    if (action < 2 || action > 4 || call->result <= 0)
        return 0;
    return regions_add(ret, call->args[1],
                       irregular_smaller((uint64_t)call->result, (uint32_t)call->args[2]));
}

const struct irregular_handler irregular_syslog = {.outputs = syslog_outputs};

/* Option 2 stores a file system type's name, NUL-terminated, into a buffer of unknown length. */
static int sysfs_outputs(const struct irregular_call *call, struct syscall_regions *ret)
{
    char name[64];
    size_t length;

    if ((uint32_t)call->args[0] != 2 || call->result != 0)
        return 0;
    for (length = 0; length < sizeof(name); length++) {
        if (!irregular_read(call, call->args[2] + length, &name[length], 1))
            break;
        if (name[length] == '\0')
            return regions_add(ret, call->args[2], length + 1);
    }
    return regions_add(ret, call->args[2], length);
}

const struct irregular_handler irregular_sysfs = {.outputs = sysfs_outputs};

/* fs/fhandle.c: with -EOVERFLOW the header (with the size needed) and the mount id are stored. */
static int name_to_handle_outputs(const struct irregular_call *call, struct syscall_regions *ret)
{
    static const uint64_t unique_mount_id = 1; /* AT_HANDLE_MNT_ID_UNIQUE: 64 bits */
    static const uint64_t header_size = 8;
    uint32_t bytes;

    if (call->result != 0 && call->result != -EOVERFLOW && call->result != -EFAULT)
        return 0;
    if (!irregular_read(call, call->args[2], &bytes, sizeof(bytes)))
        return 0;
    return regions_add(ret, call->args[2],
                       header_size +
                           (call->result == -EOVERFLOW ? 0 : irregular_smaller(bytes, 128)))
               ?: regions_add(ret, call->args[3], call->args[4] & unique_mount_id ? 8 : 4);
}

const struct irregular_handler irregular_name_to_handle = {.outputs = name_to_handle_outputs};

/* The first member of struct statmount is the size of all that was stored. */
static int statmount_outputs(const struct irregular_call *call, struct syscall_regions *ret)
{
    uint32_t bytes;

    if (irregular_reach(call->result, 1) == 0 ||
        !irregular_read(call, call->args[1], &bytes, sizeof(bytes)))
        return 0;
    return regions_add(ret, call->args[1],
                       irregular_reach(call->result, call->result == 0
                                                         ? irregular_smaller(bytes, call->args[2])
                                                         : call->args[2]));
}

const struct irregular_handler irregular_statmount = {.outputs = statmount_outputs};

static int listmount_outputs(const struct irregular_call *call, struct syscall_regions *ret)
{
    uint64_t count = call->result >= 0 ? (uint64_t)call->result : call->args[2];

    return regions_add(ret, call->args[1], irregular_reach(call->result, count * 8));
}

const struct irregular_handler irregular_listmount = {.outputs = listmount_outputs};

/* The pipe's reading end turns the call round: then the iovecs are filled. */
static int vmsplice_outputs(const struct irregular_call *call, struct syscall_regions *ret)
{
    if (call->result <= 0)
        return 0;
    return regions_add_iovec(ret, call->memory, call->args[1], call->args[2],
                             (uint64_t)call->result);
}

static int vmsplice_inputs(const struct irregular_call *call, struct syscall_regions *ret)
{
    return regions_append_iovec(ret, call->memory, call->args[1], call->args[2],
                                (uint64_t)call->result);
}

const struct irregular_handler irregular_vmsplice = {.outputs = vmsplice_outputs,
                                                     .inputs = vmsplice_inputs};

/* include/uapi/linux/xattr.h of Linux 6.13 */
struct xattr_arguments {
    uint64_t value;
    uint32_t size;
    uint32_t flags;
};

static int getxattrat_outputs(const struct irregular_call *call, struct syscall_regions *ret)
{
    struct xattr_arguments xattr;

    if (call->result <= 0 || !irregular_read(call, call->args[4], &xattr, sizeof(xattr)))
        return 0;
    return regions_add(ret, xattr.value, irregular_smaller((uint64_t)call->result, xattr.size));
}

const struct irregular_handler irregular_getxattrat = {.outputs = getxattrat_outputs};
