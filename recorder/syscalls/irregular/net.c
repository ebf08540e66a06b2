/* Messages with several parts, socket options. */
#include "recorder/syscalls/irregular/irregular.h"

#include <errno.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <stddef.h>
#include <sys/socket.h>

#include "recorder/syscalls/abi.h"

#define KERNEL_MESSAGES_MAX 1024 /* UIO_MAXIOV: recvmmsg and sendmmsg take no more */

/* After the call: name and control lengths are what the kernel stored; the iovecs are untouched. */
static int message_parts(const struct irregular_call *call, const struct msghdr *header,
                         uint64_t bytes, struct syscall_regions *ret)
{
    return regions_add(ret, (uintptr_t)header->msg_name,
                       irregular_smaller(header->msg_namelen, SIZE_SOCKADDR_STORAGE))
               ?: regions_add(ret, (uintptr_t)header->msg_control,
                              irregular_reach(call->result, header->msg_controllen))
               ?: regions_add_iovec(ret, call->memory, (uintptr_t)header->msg_iov,
                                    header->msg_iovlen, bytes);
}

/* The header's lengths are only stored on success, but -EFAULT can come after the data. */
static int recvmsg_outputs(const struct irregular_call *call, struct syscall_regions *ret)
{
    struct msghdr header;
    uint64_t bytes = irregular_reach(call->result, UINT64_MAX);

    if (bytes == 0 || !irregular_read(call, call->args[1], &header, sizeof(header)))
        return 0;
    if (call->result >= 0)
        bytes = (uint64_t)call->result;
    return regions_add(ret, call->args[1], SIZE_MSGHDR) ?: message_parts(call, &header, bytes, ret);
}

const struct irregular_handler irregular_recvmsg = {.outputs = recvmsg_outputs};

/* With a fault the failing message is the one after the last counted: it is taken in whole. */
static int recvmmsg_outputs(const struct irregular_call *call, struct syscall_regions *ret)
{
    uint64_t asked = irregular_smaller((uint32_t)call->args[2], KERNEL_MESSAGES_MAX);
    uint64_t count = call->result > 0 ? (uint64_t)call->result : 0;
    int error;

    if (call->result >= 0 ? count < asked : call->result == -EFAULT)
        count++;
    count = irregular_smaller(count, asked);
    error = regions_add(ret, call->args[1], count * SIZE_MMSGHDR);
    for (uint64_t i = 0; i < count && !error; i++) {
        struct mmsghdr message;

        if (!irregular_read(call, call->args[1] + i * SIZE_MMSGHDR, &message, sizeof(message)))
            break;
        error =
            message_parts(call, &message.msg_hdr,
                          i < (uint64_t)call->result ? message.msg_len : IRREGULAR_FAULT_MAX, ret);
    }
    return error;
}

const struct irregular_handler irregular_recvmmsg = {.outputs = recvmmsg_outputs};

static int sendmsg_inputs(const struct irregular_call *call, struct syscall_regions *ret)
{
    struct msghdr header;

    if (!irregular_read(call, call->args[1], &header, sizeof(header)))
        return 0;
    return regions_append_iovec(ret, call->memory, (uintptr_t)header.msg_iov, header.msg_iovlen,
                                (uint64_t)call->result);
}

const struct irregular_handler irregular_sendmsg = {.inputs = sendmsg_inputs};

static int sendmmsg_inputs(const struct irregular_call *call, struct syscall_regions *ret)
{
    int error = 0;

    for (uint64_t i = 0; i < (uint64_t)call->result && !error; i++) {
        struct mmsghdr message;

        if (!irregular_read(call, call->args[1] + i * SIZE_MMSGHDR, &message, sizeof(message)))
            break;
        error = regions_append_iovec(ret, call->memory, (uintptr_t)message.msg_hdr.msg_iov,
                                     message.msg_hdr.msg_iovlen, message.msg_len);
    }
    return error;
}

/* msg_len of each message that was sent. */
static int sendmmsg_outputs(const struct irregular_call *call, struct syscall_regions *ret)
{
    if (call->result <= 0)
        return 0;
    return regions_add(ret, call->args[1], (uint64_t)call->result * SIZE_MMSGHDR);
}

const struct irregular_handler irregular_sendmmsg = {.outputs = sendmmsg_outputs,
                                                     .inputs = sendmmsg_inputs};

/* Some options store the length they want together with an error (SO_PEERGROUPS: ERANGE). */
static int getsockopt_outputs(const struct irregular_call *call, struct syscall_regions *ret)
{
    uint32_t length;

    if (!irregular_read(call, call->args[4], &length, sizeof(length)))
        return 0;
    return regions_add(ret, call->args[4], sizeof(length))
               ?: regions_add(ret, call->args[3], irregular_reach(call->result, length));
}

static int getsockopt_check(const struct irregular_call *call, char *message, size_t size)
{
    uint32_t level = (uint32_t)call->args[1];
    uint32_t option = (uint32_t)call->args[2];

    if (level == IPPROTO_TCP && option == TCP_ZEROCOPY_RECEIVE)
        return irregular_refused(call, ENOPROTOOPT, message, size,
                                 "TCP_ZEROCOPY_RECEIVE maps pages unseen; programs fall back");
    if (level == IPPROTO_SCTP)
        return irregular_unsupported(call, message, size, "SCTP options are not modelled");
    return 0;
}

const struct irregular_handler irregular_getsockopt = {.outputs = getsockopt_outputs,
                                                       .check = getsockopt_check};

static int setsockopt_check(const struct irregular_call *call, char *message, size_t size)
{
    if ((uint32_t)call->args[1] == IPPROTO_SCTP)
        return irregular_unsupported(call, message, size, "SCTP options are not modelled");
    return 0;
}

const struct irregular_handler irregular_setsockopt = {.check = setsockopt_check};
