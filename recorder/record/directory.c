/* getdents(2) answered from a copy of the directory. */
#include "recorder/record/directory.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "recorder/base/file.h"
#include "recorder/record/fds.h"
#include "recorder/record/file_facts.h"
#include "recorder/record/procfs.h"
#include "recorder/record/procfs_space.h"

#define READ_SIZE 65536
#define ANSWER_MAX (1u << 20)

/* `extra` of the fd_object, whose shadow shares the program's file position. */
struct directory {
    struct directory_list list;
    bool valid;
    bool fixed; /* the file's position cannot be set: ours counts */
    size_t position;
};

static void directory_free(void *extra)
{
    struct directory *d = extra;

    directory_list_done(&d->list);
    free(d);
}

/* The object of an open directory; NULL: it is none, or cannot be read. */
static struct fd_object *object_of(struct session *s, struct task *t, int fd)
{
    struct fd_object *object = fds_object(t->files, fd);
    struct stat st;
    int flags;

    if (object)
        return object->release == directory_free ? object : NULL;
    if (fds_kind(s, t, fd) != FD_NEVER_BLOCKS)
        return NULL;
    object = fds_object_new(s, t, fd, FD_NEVER_BLOCKS);
    if (!object)
        return NULL;
    flags = object->shadow < 0 ? -1 : fcntl(object->shadow, F_GETFL);
    if (flags < 0 || (flags & O_PATH) || fstat(object->shadow, &st) < 0 || !S_ISDIR(st.st_mode)) {
        fds_forget(s, t->files, fd);
        return NULL;
    }
    object->extra = calloc(1, sizeof(struct directory));
    if (!object->extra)
        abort();
    object->release = directory_free;
    return object;
}

/* ---- special directories of procfs ---------------------------------------------------------- */

static bool is_recorder_fd(const char *name)
{
    return strcmp(name, "998") == 0 || strcmp(name, "999") == 0;
}

/* Of map_files, whose names are "START-END": what the recorder mapped, over text or elsewhere. */
static void hide_mappings(struct session *s, const struct process *p, struct directory_list *list)
{
    struct task *t = s->tasks;
    size_t kept = 0;

    while (t && t->process != p)
        t = t->next;
    for (size_t i = 0; t && i < list->count; i++) {
        const char *name = directory_list_name(list, i);

        if (name[0] == '.' || procfs_is_own_mapping(s, t->space, strtoul(name, NULL, 16)))
            list->entry[kept++] = list->entry[i];
    }
    list->count = kept;
}

/* As stat(2) shows them. */
static void number_entries(struct session *s, int fd, struct directory_list *list)
{
    struct stat st;

    if (fstat(fd, &st) < 0 || !file_facts_is_private(s, st.st_dev))
        return;
    for (size_t i = 0; i < list->count; i++) {
        uint64_t device = st.st_dev;

        file_facts_show(s, &device, &list->entry[i].inode);
    }
}

static void hide_recorder(struct directory_list *list)
{
    size_t kept = 0;

    for (size_t i = 0; i < list->count; i++)
        if (!is_recorder_fd(directory_list_name(list, i)))
            list->entry[kept++] = list->entry[i];
    list->count = kept;
}

static void adapt_procfs(struct session *s, int fd, struct directory_list *list)
{
    struct procfs_place place;
    struct process *p;
    struct statfs fs;
    char link[64], path[4096];
    ssize_t n;

    if (fstatfs(fd, &fs) < 0 || fs.f_type != PROC_SUPER_MAGIC)
        return;
    snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
    n = readlink(link, path, sizeof(path) - 1);
    if (n < 0)
        return;
    path[n] = '\0';
    p = procfs_parse(path, &place) && place.pid ? procfs_process(s, place.pid) : NULL;
    if (p && (strcmp(place.name, "fd") == 0 || strcmp(place.name, "fdinfo") == 0))
        hide_recorder(list);
    else if (p && strcmp(place.name, "map_files") == 0)
        hide_mappings(s, p, list);
}

/* ---- reading ------------------------------------------------------------------------------- */

static int read_all(int fd, struct directory_list *list)
{
    uint8_t *data = malloc(READ_SIZE);
    int error = 0;

    if (!data)
        abort();
    directory_list_clear(list);
    for (;;) {
        long n = syscall(SYS_getdents64, fd, data, READ_SIZE);

        if (n < 0)
            error = -errno;
        if (n <= 0)
            break;
        directory_list_parse(list, data, (size_t)n);
    }
    free(data);
    return error;
}

/* Through an open file of our own, or, if it may not be opened again, through the program's. */
static int take_copy(struct session *s, int shadow, struct directory *d)
{
    cleanup_fd int fd = openat(shadow, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int error;

    if (fd < 0) {
        char path[64];

        snprintf(path, sizeof(path), "/proc/self/fd/%d", shadow);
        fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    }
    if (fd >= 0) {
        error = read_all(fd, &d->list);
    } else {
        error = read_all(shadow, &d->list);
        lseek(shadow, 0, SEEK_SET);
    }
    if (error)
        return error;
    adapt_procfs(s, shadow, &d->list);
    if (!(s->options->guards_off & RECORD_GUARD_DIRECTORY_ORDER))
        directory_list_sort(&d->list);
    number_entries(s, shadow, &d->list);
    d->valid = true;
    return 0;
}

static size_t position_of(const struct fd_object *object, const struct directory *d)
{
    off_t offset = d->fixed ? -1 : lseek(object->shadow, 0, SEEK_CUR);

    return offset < 0 ? d->position : (size_t)offset;
}

static void set_position(const struct fd_object *object, struct directory *d, size_t position)
{
    d->position = position;
    if (!d->fixed && lseek(object->shadow, (off_t)position, SEEK_SET) != (off_t)position)
        d->fixed = true;
}

enum call_action model_getdents(struct session *s, struct task *t, struct call *c)
{
    struct fd_object *object = object_of(s, t, (int)c->args[0]);
    size_t size = c->args[2] < ANSWER_MAX ? (size_t)(unsigned)c->args[2] : ANSWER_MAX;
    struct directory *d;
    size_t index;
    int64_t length;

    if (!object)
        return CALL_RUN; /* for its error */
    d = object->extra;
    index = position_of(object, d);
    if (index == 0 || !d->valid) {
        int error = take_copy(s, object->shadow, d);

        if (error)
            return call_answer(c, error);
    }
    bytes_clear(&c->buffer);
    length = directory_list_encode(&d->list, &index, c->nr == SYS_getdents,
                                   bytes_extend(&c->buffer, size), size);
    if (length > 0 && emit_poke(s, t, c->args[1], c->buffer.data, (uint64_t)length) < 0)
        return call_answer(c, -EFAULT);
    if (length > 0)
        set_position(object, d, index);
    return call_answer(c, length);
}
