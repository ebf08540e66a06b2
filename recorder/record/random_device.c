/* Reads of the random devices, answered without the kernel. */
#include "recorder/record/random_device.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#include "recorder/base/file.h"
#include "recorder/record/fds.h"

#define READ_MAX 33554431u /* as one getrandom(2) */

static bool is_readable(struct task *t, int fd)
{
    cleanup_fd int taken = fds_take(t, fd);
    int flags = taken < 0 ? -1 : fcntl(taken, F_GETFL);

    return flags >= 0 && !(flags & O_PATH) && (flags & O_ACCMODE) != O_WRONLY;
}

/* Bytes given, or -EFAULT when not even the first piece could be written. */
static int64_t give(struct session *s, struct task *t, struct call *c, uint64_t address,
                    uint64_t length)
{
    bytes_clear(&c->buffer);
    random_fill(&s->data, bytes_extend(&c->buffer, length), length);
    if (emit_poke(s, t, address, c->buffer.data, length) < 0)
        return -EFAULT;
    return (int64_t)length;
}

static int64_t give_vector(struct session *s, struct task *t, struct call *c)
{
    struct iovec piece[IOV_MAX];
    uint64_t count = c->args[2];
    int64_t total = 0;

    if (count > IOV_MAX)
        return -EINVAL;
    if (tracee_read(t->tid, c->args[1], piece, count * sizeof(*piece)) < 0)
        return -EFAULT;
    for (uint64_t i = 0; i < count && total < READ_MAX; i++) {
        uint64_t length = piece[i].iov_len;
        int64_t got;

        if (length > READ_MAX - (uint64_t)total)
            length = READ_MAX - (uint64_t)total;
        got = length > 0 ? give(s, t, c, (uint64_t)(uintptr_t)piece[i].iov_base, length) : 0;
        if (got < 0)
            return total > 0 ? total : got;
        total += got;
    }
    return total;
}

enum call_action random_device_read(struct session *s, struct task *t, struct call *c)
{
    uint64_t length = c->args[2] < READ_MAX ? c->args[2] : READ_MAX;

    if (s->options->guards_off & RECORD_GUARD_GETRANDOM)
        return CALL_RUN;
    if (!is_readable(t, (int)c->args[0]))
        return CALL_RUN; /* for its error */
    if (c->nr == SYS_read || c->nr == SYS_pread64)
        return call_answer(c, length > 0 ? give(s, t, c, c->args[1], length) : 0);
    return call_answer(c, give_vector(s, t, c));
}
