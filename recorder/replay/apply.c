/* The effects of an event on the contents of memory, extended registers and output. */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "recorder/replay/session.h"

/* ---- writes -------------------------------------------------------------------------------- */

/* A page of a shared file mapping that this task may only read: through the object behind it. */
static int write_behind(struct replay_session *r, struct replay_task *t, uint64_t address,
                        const uint8_t *data, uint64_t length)
{
    while (length > 0) {
        const struct map_entry *m = maps_find(&t->space->maps, address);
        struct event_file_write w;
        int error;

        if (!m || !m->file || !(m->flags & MAP_SHARED))
            return -EFAULT;
        w = (struct event_file_write){m->file, m->offset + (address - m->start), m->end - address,
                                      data};
        if (w.length > length)
            w.length = length;
        error = replay_file_write(r, &w);
        if (error)
            return error;
        address += w.length;
        data += w.length;
        length -= w.length;
    }
    return 0;
}

static int write_one(struct replay_session *r, struct replay_task *t, const struct event_write *w)
{
    int error = tracee_write(t->tid, w->address, w->data, w->length);

    if (error != -EFAULT && error != -EPERM)
        return error;
    error = replay_grow_stack(r, t, w->address, false);
    if (error == 0)
        return tracee_write(t->tid, w->address, w->data, w->length);
    if (error == REPLAY_ENDED)
        return error;
    error = tracee_write_forced(t->tid, w->address, w->data, w->length);
    if (error == -EFAULT)
        error = write_behind(r, t, w->address, w->data, w->length);
    return error;
}

int replay_apply_writes(struct replay_session *r, struct replay_task *t)
{
    const struct event *e = r->event;

    for (size_t i = 0; i < e->write_count; i++) {
        const struct event_write *w = &e->writes[i];
        int error = write_one(r, t, w);

        if (error == REPLAY_ENDED || (error < 0 && r->error->code))
            return error;
        if (error == -ESRCH)
            return replay_diverged(r, "its process is gone");
        if (error)
            return replay_diverged(r, "its memory at %#lx (%lu bytes) cannot be written: %s",
                                   (unsigned long)w->address, (unsigned long)w->length,
                                   strerror(-error));
    }
    for (size_t i = 0; i < e->file_write_count; i++) {
        int error = replay_file_write(r, &e->file_writes[i]);

        if (error)
            return error;
    }
    return 0;
}

/* ---- extended registers -------------------------------------------------------------------- */

/* The kernel takes whole states only; one recorded on a machine with fewer components is filled up
 * with zeros, which its header says are not there. */
int replay_apply_xstate(struct replay_session *r, struct replay_task *t)
{
    const struct event *e = r->event;
    int error;

    if (!e->xstate || e->xstate_length == 0)
        return 0;
    if (e->xstate_length > r->xstate_size)
        return replay_failed(r, -EOPNOTSUPP,
                             "the recorded extended state has %u bytes, this machine's %zu: "
                             "replay on a processor like the recording's",
                             e->xstate_length, r->xstate_size);
    memcpy(r->xstate, e->xstate, e->xstate_length);
    memset(r->xstate + e->xstate_length, 0, r->xstate_size - e->xstate_length);
    error = tracee_set_xstate(t->tid, r->xstate, r->xstate_size);
    if (error == -ESRCH)
        return replay_diverged(r, "its process is gone");
    if (error)
        return replay_failed(r, error, "the extended state cannot be set: %s", strerror(-error));
    return 0;
}

/* ---- output -------------------------------------------------------------------------------- */

int replay_apply_output(struct replay_session *r)
{
    const struct event_output *o = &r->event->output;
    uint64_t done = 0;
    int *fd;

    if (o->stream < 1 || o->stream > 2)
        return 0;
    fd = &r->output_fd[o->stream - 1];
    while (*fd >= 0 && done < o->length) {
        ssize_t n = write(*fd, o->data + done, o->length - done);

        if (n > 0) {
            done += (uint64_t)n;
        } else if (n < 0 && errno == EAGAIN) {
            struct pollfd p = {.fd = *fd, .events = POLLOUT};

            poll(&p, 1, 10);
        } else if (n == 0 || errno != EINTR) {
            *fd = -1; /* nobody reads any more; the replay itself does not depend on it */
            break;
        }
        if (n < 0 && replay_check_interrupted(r))
            return REPLAY_ENDED;
    }
    return 0;
}
