/* Mapped files: where their contents are here and in the tracees, which share one table of
 * descriptors, so that each file is handed over once. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "recorder/base/file.h"
#include "recorder/replay/session.h"

int replay_files_open(struct replay_session *r)
{
    r->file_count = trace_reader_file_count(r->trace);
    if (r->file_count == 0)
        return 0;
    r->files = calloc(r->file_count, sizeof(*r->files));
    if (!r->files)
        return rr_error_set(r->error, -ENOMEM, "out of memory for %zu mapped files", r->file_count);
    for (size_t i = 0; i < r->file_count; i++)
        r->files[i] = (struct replay_file){-1, -1};
    return 0;
}

void replay_files_close(struct replay_session *r)
{
    for (size_t i = 0; i < r->file_count; i++)
        close_fd(&r->files[i].memfd);
    free(r->files);
    r->files = NULL;
    r->file_count = 0;
}

static int lookup(struct replay_session *r, uint32_t file, const struct trace_file **ret)
{
    struct rr_error error = {0};

    *ret = trace_reader_file(r->trace, file, &error);
    return *ret ? 0 : replay_failed(r, -EBADMSG, "%s", error.message);
}

static int copy_content(struct replay_session *r, const struct trace_file *content, int *memfd)
{
    cleanup_fd int fd = memfd_create("rrtest-file", MFD_CLOEXEC);
    int error;

    if (fd < 0)
        return replay_failed(r, -errno, "memfd_create: %s", strerror(errno));
    error = file_copy(content->fd, fd);
    if (error)
        return replay_failed(r, error, "the content of %s: %s", content->name, strerror(-error));
    *memfd = take_fd(&fd);
    return 0;
}

/* The memfd of a file, made from its content at first use. */
static int backing(struct replay_session *r, uint32_t file, const struct trace_file *content)
{
    struct replay_file *f = &r->files[file - 1];

    return f->memfd >= 0 ? 0 : copy_content(r, content, &f->memfd);
}

int replay_file_fd(struct replay_session *r, struct replay_task *t, uint32_t file, bool shared,
                   bool copy, int *ret_fd)
{
    const struct trace_file *content;
    struct replay_file *f;
    int error = lookup(r, file, &content);

    if (error)
        return error;
    f = &r->files[file - 1];
    if ((shared || copy || content->kind == TRACE_FILE_SHARED) && f->memfd < 0) {
        error = backing(r, file, content);
        if (error)
            return error;
        f->tracee_fd = -1; /* the file itself, if it was handed over before, stays unused */
    }
    if (f->tracee_fd < 0) {
        error = replay_task_regs(r, t);
        if (error)
            return error;
        t->dirty = true;
        t->barred = false;
        r->result->stops++;
        error = tracee_send_fd(&r->area, t->tid, &t->regs, f->memfd >= 0 ? f->memfd : content->fd,
                               &f->tracee_fd);
        if (error)
            return replay_failed(r, error, "file %u cannot be handed over: %s", file,
                                 strerror(-error));
    }
    *ret_fd = f->tracee_fd;
    return 0;
}

int replay_file_write(struct replay_session *r, const struct event_file_write *w)
{
    const struct trace_file *content;
    uint64_t done = 0;
    int error = lookup(r, w->file, &content);

    if (!error)
        error = backing(r, w->file, content);
    if (error)
        return error;
    if (!w->data && ftruncate(r->files[w->file - 1].memfd, (off_t)w->length) < 0)
        return replay_failed(r, -errno, "file %u cannot be resized: %s", w->file, strerror(errno));
    while (w->data && done < w->length) {
        ssize_t n = pwrite(r->files[w->file - 1].memfd, w->data + done, w->length - done,
                           (off_t)(w->offset + done));

        if (n <= 0)
            return replay_failed(r, n < 0 ? -errno : -ENOSPC, "file %u cannot be written: %s",
                                 w->file, strerror(errno));
        done += (uint64_t)n;
    }
    return 0;
}

const char *replay_changed_file(struct replay_session *r)
{
    struct rr_error ignored = {0};

    for (uint32_t id = 1; id <= r->file_count; id++) {
        const struct trace_file *f;

        if (r->files[id - 1].tracee_fd < 0)
            continue;
        f = trace_reader_file(r->trace, id, &ignored);
        if (f && f->changed)
            return f->name;
    }
    return NULL;
}
