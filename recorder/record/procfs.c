/* Opens looked at once they are done; replaced files kept up to date when they are read anew. */
#include "recorder/record/procfs.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "recorder/base/file.h"
#include "recorder/base/log.h"
#include "recorder/record/fds.h"
#include "recorder/record/file_facts.h"
#include "recorder/record/fifo.h"
#include "recorder/record/notes.h"
#include "recorder/record/procfs_files.h"
#include "recorder/record/random_device.h"
#include "recorder/record/signalfd.h"
#include "recorder/record/place.h"
#include "recorder/record/space.h"
#include "recorder/record/timerfd.h"
#include "recorder/record/transfer.h"

#define ORIGINAL_LIMIT (16u << 20)
#define LINK_MAX 512u
#define MEMORY_FILE_PREFIX "rrtest:" /* and the path that the program opened */

/* A replaced file: `extra` of its fd_object, whose shadow shares the program's file position. */
struct source {
    procfs_maker make;
    int pid, tid;  /* whose; 0: the machine's */
    char name[64]; /* as procfs_place.name, cut */
    int original;  /* the kernel's file, opened by us */
    int memory;    /* what the program has, writable */
    bool fresh;    /* nothing was read since its text was made */
};

static void source_free(void *extra)
{
    struct source *source = extra;

    close_fd(&source->original);
    close_fd(&source->memory);
    free(source);
}

static struct source *source_of(const struct fd_object *object)
{
    return object && object->release == source_free ? object->extra : NULL;
}

int procfs_original(struct task *t, int fd)
{
    const struct source *source = source_of(fds_object(t->files, fd));

    return source ? source->original : -1;
}

/* ---- where a path leads -------------------------------------------------------------------- */

static int take_number(const char **at)
{
    char *end;
    long value = strtol(*at, &end, 10);

    if (end == *at || **at < '1' || **at > '9' || value > INT32_MAX || *end != '/')
        return 0;
    *at = end + 1;
    return (int)value;
}

static bool parse_rest(const char *rest, struct procfs_place *ret)
{
    *ret = (struct procfs_place){0};
    ret->pid = take_number(&rest);
    if (ret->pid && strncmp(rest, "task/", 5) == 0) {
        const char *at = rest + 5;

        ret->tid = take_number(&at);
        if (ret->tid)
            rest = at;
    }
    ret->name = rest;
    return *rest != '\0';
}

bool procfs_parse(const char *path, struct procfs_place *ret)
{
    const char *at = strncmp(path, "/proc/", 6) == 0 ? path + 6 : NULL;

    if (at)
        return parse_rest(at, ret);
    /* mounted elsewhere, or seen from outside a root of the program's: look for the number */
    for (at = strchr(path, '/'); at; at = strchr(at + 1, '/')) {
        if (strncmp(at, "/proc/", 6) == 0)
            return parse_rest(at + 6, ret);
        if (parse_rest(at + 1, ret) && ret->pid)
            return true;
    }
    return false;
}

/* Numbers are those of the run's namespace where it has a /proc of its own. */
static bool means(struct session *s, int number, pid_t namespace_id, pid_t tracer_id)
{
    return number == (s->place && s->place->own_proc ? namespace_id : tracer_id);
}

struct process *procfs_process(struct session *s, int pid)
{
    for (struct process *p = s->processes; p; p = p->next)
        if (!p->reaped && means(s, pid, p->pid, p->tgid))
            return p;
    return NULL;
}

bool procfs_is_reaper(const struct session *s, int pid)
{
    return pid == 1 && s->place && s->place->own_proc;
}

static struct task *find_task(struct session *s, const struct process *p, int tid)
{
    struct task *any = NULL;

    for (struct task *t = s->tasks; t; t = t->next) {
        if (t->process != p)
            continue;
        if (means(s, tid, t->ns_tid, t->tid))
            return t;
        any = any ? any : t;
    }
    return any;
}

/* ---- making texts -------------------------------------------------------------------------- */

static void read_original(int fd, struct bytes *ret)
{
    uint64_t offset = 0;

    bytes_clear(ret);
    while (offset < ORIGINAL_LIMIT) {
        ssize_t n = pread(fd, bytes_extend(ret, 65536), 65536, (off_t)offset);

        ret->length = offset + (n > 0 ? (size_t)n : 0);
        if (n <= 0)
            break;
        offset += (uint64_t)n;
    }
    bytes_append(ret, "", 1);
    ret->length--;
}

/* Write the file's text as of now. False: its process is gone; what it said last stays. */
static bool refresh(struct session *s, struct task *reader, struct source *source)
{
    struct procfs_request request = {.s = s, .reader = reader, .name = source->name};
    struct bytes text;

    if (source->pid) {
        request.process = procfs_process(s, source->pid);
        if (!request.process && !procfs_is_reaper(s, source->pid))
            return false;
        if (request.process)
            request.subject =
                find_task(s, request.process, source->tid ? source->tid : source->pid);
    }
    bytes_init(&request.original);
    bytes_init(&text);
    read_original(source->original, &request.original);
    source->make(&request, &text);
    if (ftruncate(source->memory, 0) < 0 ||
        (text.length > 0 &&
         pwrite(source->memory, text.data, text.length, 0) != (ssize_t)text.length))
        log_debug("a file of /proc: %s", strerror(errno));
    source->fresh = true;
    bytes_done(&request.original);
    bytes_done(&text);
    return true;
}

/* ---- replacing ----------------------------------------------------------------------------- */

static int remote_close(struct session *s, struct task *t, int fd)
{
    int64_t ignored;

    return task_call(s, t, SYS_close, (uint64_t[6]){(uint64_t)fd}, &ignored);
}

/* Put `ours` where the tracee has `fd`. Its number was the lowest free one, so closing it first
 * makes room even at the limit. Non-zero: the task is gone. */
static int put_over(struct session *s, struct task *t, int fd, int ours, bool cloexec)
{
    int number = -1, error = remote_close(s, t, fd);
    int64_t result;

    if (!error)
        error = tracee_send_fd(&s->area, t->tid, &t->regs, ours, &number);
    if (!error && number != fd) {
        error = task_call(s, t, SYS_dup3,
                          (uint64_t[6]){(uint64_t)number, (uint64_t)fd, cloexec ? O_CLOEXEC : 0},
                          &result);
        if (!error)
            error = remote_close(s, t, number);
    } else if (!error && cloexec) {
        error =
            task_call(s, t, SYS_fcntl, (uint64_t[6]){(uint64_t)fd, F_SETFD, FD_CLOEXEC}, &result);
    }
    return error;
}

static struct source *source_new(procfs_maker make, const struct procfs_place *place,
                                 const char *path, int original)
{
    struct source *source = calloc(1, sizeof(*source));
    char name[249];

    if (!source)
        abort();
    snprintf(name, sizeof(name), MEMORY_FILE_PREFIX "%.200s", path);
    source->make = make;
    source->pid = place->pid;
    source->tid = place->tid;
    snprintf(source->name, sizeof(source->name), "%s", place->name ? place->name : "");
    source->original = original;
    source->memory = memfd_create(name, MFD_CLOEXEC);
    return source;
}

static int open_for_reading(int memory)
{
    char path[64];

    fchmod(memory, 0444);
    snprintf(path, sizeof(path), "/proc/self/fd/%d", memory);
    return open(path, O_RDONLY | O_CLOEXEC);
}

static void replace(struct session *s, struct task *t, struct call *c, procfs_maker make,
                    const struct procfs_place *place, const char *path, bool cloexec)
{
    struct user_regs_struct saved = t->regs;
    int fd = (int)c->result;
    int original = space_open_fd(t, fd);
    struct source *source;
    struct fd_object *object;
    cleanup_fd int readable = -1;

    if (original < 0) {
        log_debug("%s cannot be read back: %s", path, strerror(-original));
        return;
    }
    source = source_new(make, place, path, original);
    readable = open_for_reading(source->memory);
    if (readable < 0 || !refresh(s, t, source)) {
        source_free(source);
        return;
    }
    if (put_over(s, t, fd, readable, cloexec) == 0) {
        object = fds_object_new(s, t, fd, FD_NEVER_BLOCKS);
        if (object) {
            object->extra = source;
            object->release = source_free;
            source = NULL;
        }
    }
    if (source)
        source_free(source);
    t->regs = saved;
    t->regs_dirty = true;
}

/* The number at the end of ".../fd/N", or of "N" itself (relative to who knows what). */
static bool names_recorder_fd(const char *path)
{
    const char *slash = strrchr(path, '/');
    const char *last = slash ? slash + 1 : path;

    if (strcmp(last, "998") != 0 && strcmp(last, "999") != 0)
        return false;
    return !slash || (slash - path >= 2 && strncmp(slash - 2, "fd", 2) == 0) ||
           (slash - path >= 6 && strncmp(slash - 6, "fdinfo", 6) == 0);
}

/* The recorder's own descriptor, opened through /proc/self/fd: as if it were not there. */
static bool is_recorder_file(struct session *s, const char *link)
{
    struct stat st, ours;

    return stat(link, &st) == 0 && fstat(s->area.memfd, &ours) == 0 && st.st_dev == ours.st_dev &&
           st.st_ino == ours.st_ino;
}

static bool read_path(struct task *t, uint64_t address, char *ret, size_t size)
{
    size_t length = tracee_read_some(t->tid, address, ret, size - 1);

    ret[length] = '\0';
    return strlen(ret) < length; /* else it is longer than anything asked for here */
}

bool procfs_path_is_ours(struct task *t, uint64_t address)
{
    char path[256];

    return read_path(t, address, path, sizeof(path)) && names_recorder_fd(path);
}

static bool opens_ours(struct task *t, const struct call *c)
{
    return procfs_path_is_ours(t, c->args[c->nr == SYS_open ? 0 : 1]);
}

static int64_t open_flags(struct task *t, const struct call *c)
{
    struct open_how how = {0};

    switch (c->nr) {
    case SYS_open:
        return (int64_t)c->args[1];
    case SYS_openat:
        return (int64_t)c->args[2];
    default:
        if (tracee_read(t->tid, c->args[2], &how.flags, sizeof(how.flags)) < 0)
            return 0;
        return (int64_t)how.flags;
    }
}

/* The open did not find anything, or was not allowed. */
static void take_back(struct session *s, struct task *t, struct call *c, int error)
{
    struct user_regs_struct saved = t->regs;

    if (c->result >= 0)
        remote_close(s, t, (int)c->result);
    t->regs = saved;
    t->regs_dirty = true;
    c->result = -error;
}

static void look_at_special(struct session *s, struct task *t, struct call *c, const char *link,
                            bool procfs, bool cloexec)
{
    struct procfs_place place = {0};
    procfs_maker make = NULL;
    char path[4096];
    ssize_t n = readlink(link, path, sizeof(path) - 1);

    if (n < 0)
        return;
    path[n] = '\0';
    if (procfs && procfs_parse(path, &place))
        make = procfs_find_maker(s, &place);
    else if (!procfs && strncmp(path, "/sys/", 5) == 0)
        make = procfs_find_system_maker(path + 5);
    if (place.pid && names_recorder_fd(path) && procfs_process(s, place.pid))
        take_back(s, t, c, ENOENT);
    else if (make)
        replace(s, t, c, make, &place, path, cloexec);
}

/* What is written to /proc/PID/mem changes memory unseen. */
static void refuse_memory(struct session *s, struct task *t, struct call *c, const char *link)
{
    struct procfs_place place;
    char path[4096];
    ssize_t n = readlink(link, path, sizeof(path) - 1);

    if (n < 0)
        return;
    path[n] = '\0';
    if (!procfs_parse(path, &place) || !place.pid || strcmp(place.name, "mem") != 0)
        return;
    notes_add(s, "%s was refused to open %s for writing: such writes are not recorded", t->name,
              path);
    take_back(s, t, c, EACCES);
}

static void look_at_opened(struct session *s, struct task *t, struct call *c, int64_t flags)
{
    struct statfs fs;
    char link[64];

    snprintf(link, sizeof(link), "/proc/%d/fd/%d", t->tid, (int)c->result);
    if (statfs(link, &fs) < 0)
        return;
    if ((fs.f_type == TMPFS_MAGIC && is_recorder_file(s, link)) ||
        (fs.f_type == SOCKFS_MAGIC && opens_ours(t, c)))
        take_back(s, t, c, ENOENT);
    else if (fs.f_type == PROC_SUPER_MAGIC && !(flags & O_PATH) && (flags & O_ACCMODE) != O_RDONLY)
        refuse_memory(s, t, c, link);
    else if ((fs.f_type == PROC_SUPER_MAGIC || fs.f_type == SYSFS_MAGIC) && !(flags & O_PATH) &&
             (flags & O_ACCMODE) == O_RDONLY)
        look_at_special(s, t, c, link, fs.f_type == PROC_SUPER_MAGIC, flags & O_CLOEXEC);
}

static void open_finished(struct session *s, struct task *t, struct call *c)
{
    int64_t flags = open_flags(t, c);
    struct fd_entry *e;

    /* the recorder's socket cannot be opened */
    if (c->result == -ENXIO && opens_ours(t, c))
        take_back(s, t, c, ENOENT);
    if (c->result < 0)
        return;
    fds_forget(s, t->files, (int)c->result);
    e = fds_entry(t->files, (int)c->result);
    if (e)
        e->cloexec = flags & O_CLOEXEC;
    if (flags & (O_CREAT | O_TRUNC))
        file_facts_opened(s, t, (int)c->result, flags & O_TRUNC);
    look_at_opened(s, t, c, flags);
}

enum call_action model_open(struct session *s, struct task *t, struct call *c)
{
    c->finish = open_finished;
    return fifo_open(s, t, c);
}

/* ---- reading ------------------------------------------------------------------------------- */

static bool has_offset(uint64_t nr)
{
    return nr == SYS_pread64 || nr == SYS_preadv || nr == SYS_preadv2;
}

/* A read from the beginning shows the present, as it does in procfs. */
static void about_to_read(struct session *s, struct task *t, struct call *c)
{
    struct fd_object *object = fds_object(t->files, (int)c->args[0]);
    struct source *source = source_of(object);
    off_t offset;

    if (!source)
        return;
    offset = has_offset(c->nr) && c->args[3] != UINT64_MAX ? (off_t)c->args[3]
                                                           : lseek(object->shadow, 0, SEEK_CUR);
    if (offset == 0 && !source->fresh)
        refresh(s, t, source);
    source->fresh = false;
}

enum call_action model_read(struct session *s, struct task *t, struct call *c)
{
    switch (fds_kind(s, t, (int)c->args[0])) {
    case FD_SIGNALFD:
        return c->nr == SYS_read ? signalfd_read(s, t, c) : blocking_fd_call(s, t, c);
    case FD_TIMERFD:
        if (c->nr == SYS_read)
            c->finish = timerfd_read_finished;
        return blocking_fd_call(s, t, c);
    case FD_NEVER_BLOCKS:
        if (fds_entry(t->files, (int)c->args[0])->random)
            return random_device_read(s, t, c);
        about_to_read(s, t, c);
        return CALL_RUN;
    default:
        return blocking_fd_call(s, t, c);
    }
}

/* ---- links --------------------------------------------------------------------------------- */

static bool ends_in_number(const char *path)
{
    const char *slash = strrchr(path, '/');
    const char *last = slash ? slash + 1 : path;

    return *last && strspn(last, "0123456789") == strlen(last);
}

static uint64_t link_buffer(const struct call *c)
{
    return c->args[c->nr == SYS_readlink ? 1 : 2];
}

/* A replaced file's link shows the path that was opened, not "/memfd:rrtest:/proc/2/maps
 * (deleted)", a pipe's its number as stat(2) shows it. What is shown is never longer. */
static bool show_link(struct session *s, const char *link, char *ret)
{
    static const char prefix[] = "/memfd:" MEMORY_FILE_PREFIX, suffix[] = " (deleted)";
    size_t before = sizeof(prefix) - 1, behind = sizeof(suffix) - 1, length = strlen(link);
    unsigned long inode;

    if (length > before + behind && memcmp(link, prefix, before) == 0) {
        memcpy(ret, link + before, length - before - behind);
        ret[length - before - behind] = '\0';
        return true;
    }
    if (sscanf(link, "pipe:[%lu]", &inode) != 1)
        return false;
    snprintf(ret, LINK_MAX, "pipe:[%lu]", (unsigned long)file_facts_pipe(s, inode));
    return strlen(ret) <= length;
}

/* Nothing lies behind the text in the program's buffer that was not there before. */
static void readlink_finished(struct session *s, struct task *t, struct call *c)
{
    char text[LINK_MAX + 1], shown[LINK_MAX + 1];
    size_t length;

    if (c->result <= 0 || c->result > (int64_t)c->buffer.length || c->result > LINK_MAX ||
        tracee_read(t->tid, link_buffer(c), text, (size_t)c->result) < 0)
        return;
    text[c->result] = '\0';
    if (!show_link(s, text, shown))
        return;
    length = strlen(shown);
    memcpy(c->buffer.data, shown, length);
    tracee_write(t->tid, link_buffer(c), c->buffer.data, (size_t)c->result);
    c->result = (int64_t)length;
    t->regs_dirty = true;
}

enum call_action model_readlink(struct session *s, struct task *t, struct call *c)
{
    char path[256];

    (void)s;
    if (!read_path(t, c->args[c->nr == SYS_readlink ? 0 : 1], path, sizeof(path)) ||
        !ends_in_number(path))
        return CALL_RUN;
    if (names_recorder_fd(path))
        return call_answer(c, -ENOENT);
    bytes_clear(&c->buffer);
    c->buffer.length =
        tracee_read_some(t->tid, link_buffer(c), bytes_extend(&c->buffer, LINK_MAX), LINK_MAX);
    c->finish = readlink_finished;
    return CALL_RUN;
}
