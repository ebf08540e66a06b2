/* Bytes that went to the run's stdout and stderr, and SIGPIPE. */
#include "recorder/record/output.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "recorder/record/fds.h"
#include "recorder/record/signal.h"

#define DEFAULT_LIMIT (64ull << 20)

void output_capture(struct session *s, struct task *t, struct call *c)
{
    static struct syscall_regions regions;
    struct syscall_memory memory = {call_memory_read, t};
    uint64_t limit = s->options->output_limit ? s->options->output_limit : DEFAULT_LIMIT;
    int stream;

    if (!(c->row->flags & SYSCALL_FLAG_WRITES_FILE) || c->result <= 0 || c->row->fd_argument < 0)
        return;
    stream = fds_stream(s, t, (int)c->args[c->row->fd_argument]);
    if (!stream)
        return;
    if (syscall_inputs(c->nr, c->args, c->result, &memory, &regions) < 0)
        return;
    bytes_clear(&c->buffer);
    for (size_t i = 0; i < regions.count; i++) {
        uint8_t *at = bytes_extend(&c->buffer, regions.region[i].length);

        if (tracee_read(t->tid, regions.region[i].address, at, regions.region[i].length) < 0)
            return;
    }
    emit_output(s, stream, c->buffer.data, c->buffer.length);
    if (s->output[stream - 1].length + c->buffer.length <= limit)
        bytes_append(&s->output[stream - 1], c->buffer.data, c->buffer.length);
}

void output_broken_pipe(struct session *s, struct task *t, struct call *c)
{
    siginfo_t info;

    if ((c->nr == SYS_sendto && (c->args[3] & MSG_NOSIGNAL)) ||
        (c->nr == SYS_sendmsg && (c->args[2] & MSG_NOSIGNAL)) ||
        (c->nr == SYS_sendmmsg && (c->args[3] & MSG_NOSIGNAL)))
        return;
    if (!(c->row->flags & SYSCALL_FLAG_WRITES_FILE))
        return;
    memset(&info, 0, sizeof(info));
    info.si_signo = SIGPIPE;
    info.si_code = SI_USER;
    info.si_pid = t->process->pid;
    info.si_uid = t->process->uid;
    signal_send(s, t->process, t, &info);
}
