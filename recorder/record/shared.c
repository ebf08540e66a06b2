/* Files that are mapped MAP_SHARED somewhere in the run: replay backs them by memfds, so what
 * system calls write to such a file is an effect on the memfd (design.md section 10). */
#include "recorder/record/shared.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "recorder/base/file.h"
#include "recorder/record/file_facts.h"
#include "recorder/record/space.h"

#define WHOLE_MAX (256ull << 20)

struct shared_file {
    uint64_t device, inode;
    uint32_t id;
    struct shared_file *next;
};

static struct shared_file *find(struct session *s, const struct stat *st)
{
    struct shared_file *f = s->shared_files;

    while (f && (f->device != st->st_dev || f->inode != st->st_ino))
        f = f->next;
    return f;
}

uint32_t shared_file_known(struct session *s, const struct stat *st)
{
    struct shared_file *f = find(s, st);

    return f ? f->id : 0;
}

uint32_t shared_file_id(struct session *s, int fd, const struct stat *st, const char *name)
{
    struct shared_file *f = find(s, st);

    if (f)
        return f->id;
    f = calloc(1, sizeof(*f));
    if (!f)
        abort();
    f->device = st->st_dev;
    f->inode = st->st_ino;
    f->id = space_trace_file(s, fd, TRACE_FILE_SHARED, name);
    f->next = s->shared_files;
    s->shared_files = f;
    if (!file_facts_shared(s, f->device, f->inode))
        s->shared_unknown = true;
    return f->id;
}

void shared_files_free(struct session *s)
{
    while (s->shared_files) {
        struct shared_file *f = s->shared_files;

        s->shared_files = f->next;
        free(f);
    }
}

static uint64_t position_of(struct task *t, int fd)
{
    char path[64];
    struct bytes text;
    unsigned long long position = 0;

    snprintf(path, sizeof(path), "/proc/%d/fdinfo/%d", t->tid, fd);
    bytes_init(&text);
    if (file_read_path(path, &text) == 0) {
        bytes_append(&text, "", 1);
        sscanf((const char *)text.data, "pos: %llu", &position);
    }
    bytes_done(&text);
    return position;
}

static void emit_range(struct session *s, uint32_t id, int fd, uint64_t offset, uint64_t length)
{
    uint8_t *data = malloc(length ? length : 1);

    if (!data)
        abort();
    if (length > 0 && file_pread_all(fd, data, length, offset) == 0)
        emit_file_write(s, id, offset, data, length);
    free(data);
}

void shared_file_changed(struct session *s, struct task *t, struct call *c)
{
    cleanup_fd int fd = -1;
    struct shared_file *f = s->shared_files;
    struct stat st;
    int number =
        c->nr == SYS_copy_file_range || c->nr == SYS_splice ? (int)c->args[2] : (int)c->args[0];

    if (!f || c->result < 0 || !(c->row->flags & SYSCALL_FLAG_WRITES_FILE))
        return;
    fd = space_open_fd(t, number);
    if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
        return;
    f = find(s, &st);
    if (!f)
        return;
    emit_file_write(s, f->id, 0, NULL, (uint64_t)st.st_size);
    switch (c->nr) {
    case SYS_write:
    case SYS_writev:
        emit_range(s, f->id, fd, position_of(t, number) - (uint64_t)c->result, (uint64_t)c->result);
        break;
    case SYS_pwrite64:
    case SYS_pwritev:
        emit_range(s, f->id, fd, c->args[3], (uint64_t)c->result);
        break;
    default: /* ftruncate, fallocate, copies: the whole file */
        if ((uint64_t)st.st_size > WHOLE_MAX)
            session_fail(s, RECORD_VERDICT_UNSUPPORTED,
                         "a shared mapped file of %llu bytes was changed as a "
                         "whole",
                         (unsigned long long)st.st_size);
        else
            emit_range(s, f->id, fd, 0, (uint64_t)st.st_size);
        break;
    }
}
