/* Bytes that went to the run's stdout and stderr, and SIGPIPE. */
#include "recorder/record/output.h"

#include <signal.h>
#include <string.h>
#include <sys/ptrace.h>

#include "recorder/record/fds.h"
#include "recorder/record/notes.h"
#include "recorder/record/signal.h"

#define DEFAULT_LIMIT (64ull << 20)

/* All but the last so many bytes go. */
static void keep_end(struct bytes *b, size_t size)
{
    if (b->length <= size)
        return;
    memmove(b->data, b->data + b->length - size, size);
    b->length = size;
}

static void put_rest(struct output_rest *rest, const uint8_t *data, uint64_t length)
{
    uint64_t skipped = length > RECORD_OUTPUT_END ? length - RECORD_OUTPUT_END : 0;

    rest->length += length;
    bytes_append(&rest->end, data + skipped, length - skipped);
    if (rest->end.length > 4 * RECORD_OUTPUT_END)
        keep_end(&rest->end, RECORD_OUTPUT_END);
}

uint64_t output_keep(struct session *s, int stream, const void *data, uint64_t length)
{
    uint64_t limit = s->options->output_limit ? s->options->output_limit : DEFAULT_LIMIT;
    struct bytes *output = &s->output[stream - 1];
    uint64_t room = output->length < limit ? limit - output->length : 0;
    uint64_t kept = length < room ? length : room;

    if (kept > 0)
        bytes_append(output, data, kept);
    if (kept < length)
        put_rest(&s->rest[stream - 1], (const uint8_t *)data + kept, length - kept);
    return s->options->trace_directory ? length : kept;
}

void output_add(struct session *s, int stream, const void *data, uint64_t length)
{
    uint64_t kept = output_keep(s, stream, data, length);

    if (kept > 0)
        emit_output(s, stream, data, kept);
}

/* One line a program, however much it writes: runs share their notes. */
static void note_cut(struct session *s, int stream)
{
    const char *slash = strrchr(s->options->argv[0], '/');

    notes_add(
        s,
        "the %s of %s was cut at %.4g MiB (limits.output): of what came behind, only the last "
        "%d KiB are kept",
        stream == 0 ? "stdout" : "stderr", slash ? slash + 1 : s->options->argv[0],
        (double)s->result->output_length[stream] / (1 << 20), RECORD_OUTPUT_END >> 10);
}

void output_collect(struct session *s)
{
    struct record_result *r = s->result;

    for (int i = 0; i < 2; i++) {
        struct bytes *kept = &s->output[i], *end = &s->rest[i].end;
        uint64_t *digest = &r->statistics.output_digest;

        r->output_total[i] = kept->length + s->rest[i].length;
        *digest = bytes_hash(kept->data, kept->length, *digest);
        bytes_append(kept, "", 1);
        r->output[i] = (char *)kept->data;
        r->output_length[i] = kept->length - 1;
        if (s->rest[i].length == 0)
            continue;
        keep_end(end, RECORD_OUTPUT_END);
        *digest = bytes_hash(end->data, end->length, *digest + s->rest[i].length);
        r->output_end[i] = (char *)end->data;
        r->output_end_length[i] = end->length;
        note_cut(s, i);
    }
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
