/* Moving data between descriptors without sleeping in the kernel. What goes to the run's stdout or
 * stderr this way is read from the file it came from, or, out of a pipe, refused with EINVAL: every
 * caller has to copy then, since no file system promises these calls (splice(2),
 * copy_file_range(2)). */
#include "recorder/record/splice.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "include/rrtest/recorder_page.h"
#include "recorder/record/blocking.h"
#include "recorder/record/borrow.h"
#include "recorder/record/fds.h"
#include "recorder/record/output.h"

#define OFFSET 0xa20 /* in the recorder page: sendfile's offset while pieces are under way */
#define CHUNK (1u << 20)

static bool can_wait(enum fd_kind kind)
{
    return kind == FD_PIPE || kind == FD_SOCKET || kind == FD_TERMINAL;
}

/* ---- splice, tee, vmsplice ----------------------------------------------------------------- */

/* Slot 0 is where data comes from, slot 1 where it goes. */
static bool side_is_ready(const struct borrowed_fd *b, short events)
{
    return b->fd < 0 || blocking_is_ready(b->fd, events);
}

static enum call_action park(struct session *s, struct task *t, struct call *c)
{
    if (!side_is_ready(&c->borrowed[0], POLLIN))
        return blocking_park_polled_slot(t, c, 0, POLLIN, UINT64_MAX);
    if (!side_is_ready(&c->borrowed[1], POLLOUT))
        return blocking_park_polled_slot(t, c, 1, POLLOUT, UINT64_MAX);
    return blocking_park_retried(s, t, c, BLOCKING_CHANGE_ANY, UINT64_MAX);
}

static enum call_action attempted(struct session *s, struct task *t, struct call *c)
{
    borrow_reblock(c);
    return c->result == -EAGAIN ? park(s, t, c) : CALL_DONE;
}

static enum call_action run(struct call *c, int flags_argument)
{
    if (borrow_is_nonblocking(c) || (c->args[flags_argument] & SPLICE_F_NONBLOCK))
        return CALL_RUN;
    c->attempted = attempted;
    c->run_args[flags_argument] |= SPLICE_F_NONBLOCK;
    borrow_unblock(c);
    return CALL_RUN;
}

static enum call_action retry(struct session *s, struct task *t, struct call *c)
{
    borrow_unblock(c);
    return borrow_run(s, t, c);
}

enum call_action model_splice(struct session *s, struct task *t, struct call *c)
{
    int to = c->nr == SYS_tee ? 1 : 2;

    if (c->retry)
        return retry(s, t, c);
    if (fds_stream(s, t, (int)c->args[to]))
        return call_answer(c, -EINVAL);
    if (can_wait(fds_kind(s, t, (int)c->args[0])) && borrow_take(t, c, 0, 0) < 0)
        return CALL_RUN;
    if (can_wait(fds_kind(s, t, (int)c->args[to])) && borrow_take(t, c, 1, to) < 0)
        return CALL_RUN;
    return run(c, c->nr == SYS_tee ? 3 : 5);
}

enum call_action model_vmsplice(struct session *s, struct task *t, struct call *c)
{
    bool writes;

    if (c->retry)
        return retry(s, t, c);
    if (fds_stream(s, t, (int)c->args[0])) {
        c->patient = true;
        return CALL_RUN;
    }
    if (fds_kind(s, t, (int)c->args[0]) != FD_PIPE || borrow_take(t, c, 0, 0) < 0)
        return CALL_RUN;
    writes = (fcntl(c->borrowed[0].fd, F_GETFL) & O_ACCMODE) != O_RDONLY;
    if (writes) {
        c->borrowed[1] = c->borrowed[0];
        c->borrowed[0].fd = -1;
    }
    return run(c, 3);
}

/* ---- sendfile ------------------------------------------------------------------------------ */

enum { SCRATCH_OFFSET, SCRATCH_KIND, SCRATCH_STREAM };

static enum call_action run_sendfile(struct session *s, struct task *t, struct call *c)
{
    if (c->args[2]) {
        *tracee_page_word(&s->area, OFFSET) = (int64_t)c->scratch[SCRATCH_OFFSET];
        c->run_args[2] = RECORDER_PAGE_ADDRESS + OFFSET;
    }
    c->run_args[3] = c->args[3] - (uint64_t)c->progress;
    borrow_unblock(c);
    return borrow_run(s, t, c);
}

static void sendfile_finished(struct session *s, struct task *t, struct call *c)
{
    (void)s;
    if (c->args[2])
        tracee_write(t->tid, c->args[2], &c->scratch[SCRATCH_OFFSET], 8);
}

static enum call_action sendfile_attempted(struct session *s, struct task *t, struct call *c)
{
    borrow_reblock(c);
    if (c->args[2])
        c->scratch[SCRATCH_OFFSET] = (uint64_t)*tracee_page_word(&s->area, OFFSET);
    if (c->result > 0)
        c->progress += c->result;
    /* a pipe takes what it has room for, a socket takes all */
    if ((c->result <= 0 && c->result != -EAGAIN) || (uint64_t)c->progress >= c->args[3] ||
        (c->progress > 0 && c->scratch[SCRATCH_KIND] == FD_PIPE))
        return call_answer(c, c->progress > 0 ? c->progress : c->result);
    if (c->result > 0)
        return run_sendfile(s, t, c);
    if (blocking_is_ready(c->borrowed[0].fd, POLLOUT))
        return blocking_park_retried(s, t, c, BLOCKING_CHANGE_ANY, UINT64_MAX);
    return blocking_park_polled(t, c, POLLOUT, UINT64_MAX);
}

/* What went to a stream of the run, read again from where it came from: slot 1 has that file. */
static void capture(struct session *s, struct task *t, struct call *c)
{
    uint64_t done = 0;

    (void)t;
    bytes_clear(&c->buffer);
    while (c->result > 0 && done < (uint64_t)c->result) {
        uint64_t want = (uint64_t)c->result - done < CHUNK ? (uint64_t)c->result - done : CHUNK;
        uint8_t *to = bytes_extend(&c->buffer, want);
        ssize_t n = pread(c->borrowed[1].fd, to, want, (off_t)(c->scratch[SCRATCH_OFFSET] + done));

        c->buffer.length -= want - (n > 0 ? (uint64_t)n : 0);
        if (n <= 0)
            break;
        done += (uint64_t)n;
    }
    if (c->buffer.length > 0)
        output_add(s, (int)c->scratch[SCRATCH_STREAM], c->buffer.data, c->buffer.length);
}

static enum call_action send_to_stream(struct task *t, struct call *c, int from, int offset)
{
    off_t position;

    if (borrow_take(t, c, 1, from) < 0)
        return CALL_RUN;
    position = lseek(c->borrowed[1].fd, 0, SEEK_CUR);
    c->scratch[SCRATCH_OFFSET] = position > 0 ? (uint64_t)position : 0;
    if (c->args[offset] && tracee_read(t->tid, c->args[offset], &c->scratch[SCRATCH_OFFSET], 8) < 0)
        return call_answer(c, -EFAULT);
    c->patient = true;
    c->finish = capture;
    return CALL_RUN;
}

enum call_action model_sendfile(struct session *s, struct task *t, struct call *c)
{
    int out = (int)c->args[0];

    if (c->retry)
        return run_sendfile(s, t, c);
    c->scratch[SCRATCH_STREAM] = (uint64_t)fds_stream(s, t, out);
    if (c->scratch[SCRATCH_STREAM])
        return send_to_stream(t, c, 1, 2);
    c->scratch[SCRATCH_KIND] = fds_kind(s, t, out);
    if (!can_wait((enum fd_kind)c->scratch[SCRATCH_KIND]) || borrow_take(t, c, 0, 0) < 0 ||
        borrow_is_nonblocking(c))
        return CALL_RUN;
    if (c->args[2] && tracee_read(t->tid, c->args[2], &c->scratch[SCRATCH_OFFSET], 8) < 0)
        return call_answer(c, -EFAULT);
    c->attempted = sendfile_attempted;
    c->finish = sendfile_finished;
    return run_sendfile(s, t, c);
}

enum call_action model_copy_file_range(struct session *s, struct task *t, struct call *c)
{
    c->scratch[SCRATCH_STREAM] = (uint64_t)fds_stream(s, t, (int)c->args[2]);
    return c->scratch[SCRATCH_STREAM] ? send_to_stream(t, c, 0, 1) : CALL_RUN;
}
