/* Bytes that went to the run's stdout and stderr, and SIGPIPE. */
#include "recorder/record/output.h"

#include <signal.h>
#include <string.h>
#include <sys/ptrace.h>

#include "recorder/record/fds.h"
#include "recorder/record/signal.h"

#define DEFAULT_LIMIT (64ull << 20)

void output_keep(struct session *s, int stream, const void *data, uint64_t length)
{
    uint64_t limit = s->options->output_limit ? s->options->output_limit : DEFAULT_LIMIT;

    if (s->output[stream - 1].length + length <= limit)
        bytes_append(&s->output[stream - 1], data, length);
}

void output_add(struct session *s, int stream, const void *data, uint64_t length)
{
    emit_output(s, stream, data, length);
    output_keep(s, stream, data, length);
}

void output_capture(struct session *s, struct task *t, struct call *c)
{
    struct syscall_regions regions;
    struct syscall_memory memory = {call_memory_read, t};
    int stream;

    if (!(c->row->flags & SYSCALL_FLAG_DATA_IN) || c->result <= 0 || c->row->fd_argument < 0)
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
    output_add(s, stream, c->buffer.data, c->buffer.length);
}

bool output_raised_sigpipe(const struct task *t)
{
    struct __ptrace_peeksiginfo_args own = {.off = 0, .flags = 0, .nr = 8};
    siginfo_t queue[8];
    long n = ptrace(PTRACE_PEEKSIGINFO, t->tid, &own, queue);

    for (long i = 0; i < n; i++)
        if (queue[i].si_signo == SIGPIPE)
            return true;
    return false;
}

void output_send_sigpipe(struct session *s, struct task *t)
{
    siginfo_t info;

    memset(&info, 0, sizeof(info));
    info.si_signo = SIGPIPE;
    info.si_code = SI_USER;
    info.si_pid = t->process->pid;
    info.si_uid = t->process->uid;
    signal_send(s, t->process, t, &info);
}
