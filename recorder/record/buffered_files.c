/* Which descriptors handlers may use unseen, and the constants of a run they compare with. */
#include <dirent.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "include/rrtest/recorder_page.h"
#include "recorder/base/file.h"
#include "recorder/blob/blob.h"
#include "recorder/record/buffered_state.h"
#include "recorder/record/fds.h"
#include "recorder/record/file_facts.h"

#define XFS_MAGIC 0x58465342 /* not in linux/magic.h */

/* ---- file systems -------------------------------------------------------------------------- */

/* Those whose files have nothing but their contents. */
static bool is_plain_type(long type)
{
    static const long types[] = {EXT4_SUPER_MAGIC,      BTRFS_SUPER_MAGIC, XFS_MAGIC,
                                 OVERLAYFS_SUPER_MAGIC, TMPFS_MAGIC,       F2FS_SUPER_MAGIC};

    for (size_t i = 0; i < sizeof(types) / sizeof(*types); i++)
        if (types[i] == type)
            return true;
    return false;
}

static bool is_plain_path(const char *path)
{
    struct statfs fs;

    return statfs(path, &fs) == 0 && is_plain_type(fs.f_type);
}

static void add_device(struct session *s, const char *path)
{
    struct stat st;

    if (stat(path, &st) < 0)
        return;
    for (unsigned i = 0; i < PAGE_DEVICES_MAX; i++) {
        volatile int64_t *at = tracee_page_word(&s->area, PAGE_DEVICES + 8 * i);

        if (*at == (int64_t)st.st_dev)
            return;
        if (*at == 0) {
            if (is_plain_path(path) && !file_facts_is_private(s, st.st_dev))
                *at = (int64_t)st.st_dev;
            return;
        }
    }
}

/* ---- the run ------------------------------------------------------------------------------- */

static void hide_inodes(struct session *s)
{
    uint64_t hidden[PAGE_HIDDEN_INODES_MAX] = {file_facts_shared_inode(s),
                                               s->stdio[0].valid ? s->stdio[0].inode : 0,
                                               s->stdio[1].valid ? s->stdio[1].inode : 0};

    for (unsigned i = 0; i < PAGE_HIDDEN_INODES_MAX; i++)
        *tracee_page_word(&s->area, PAGE_HIDDEN_INODES + 8 * i) = (int64_t)hidden[i];
}

static void trace_number(struct session *s, int nr)
{
    if (nr >= 0 && nr < 512)
        *tracee_page_word(&s->area, PAGE_TRACED_CALLS + (unsigned)nr / 64 * 8) |=
            (int64_t)(1ull << nr % 64);
}

/* Signals to be injected at them, and what tests switched off. */
static void trace_some(struct session *s)
{
    static const struct {
        uint32_t guard;
        int nr;
    } guarded[] = {{RECORD_GUARD_RSEQ, SYS_rseq},
                   {RECORD_GUARD_GETRANDOM, SYS_getrandom},
                   {RECORD_GUARD_DIRECTORY_ORDER, SYS_getdents64},
                   {RECORD_GUARD_GETRANDOM, SYS_openat},
                   {RECORD_GUARD_GETRANDOM, SYS_open},
                   {RECORD_GUARD_PIDS, SYS_set_tid_address}};

    for (size_t i = 0; i < sizeof(guarded) / sizeof(*guarded); i++)
        if (s->options->guards_off & guarded[i].guard)
            trace_number(s, guarded[i].nr);
    for (size_t i = 0; i < s->options->injection_count; i++)
        trace_number(s, s->options->injections[i].at_call);
}

void buffered_start(struct session *s)
{
    const struct record_options *o = s->options;

    s->buffered = calloc(1, sizeof(*s->buffered));
    if (!s->buffered)
        abort();
    bytes_init(&s->buffered->output);
    if (o->guards_off & RECORD_GUARD_RDTSC)
        *tracee_page_word(&s->area, PAGE_ENTRY_RDTSC) =
            (int64_t)blob_address(BLOB_ENTRY_TRACED_RDTSC);
    hide_inodes(s);
    trace_some(s);
    if (o->patching == RECORD_PATCHING_OFF)
        return;
    add_device(s, "/");
    add_device(s, "/usr");
    add_device(s, o->directory ? o->directory : ".");
    add_device(s, o->argv[0]);
}

void buffered_done(struct session *s)
{
    struct buffered *b = s->buffered;

    if (!b)
        return;
    free(b->piece);
    free(b->maps);
    bytes_done(&b->output);
    free(b);
    s->buffered = NULL;
}

void buffered_directory_changed(struct session *s)
{
    for (struct task *t = s->tasks; t; t = t->next)
        t->directory = DIRECTORY_UNKNOWN;
}

/* ---- descriptors --------------------------------------------------------------------------- */

static uint8_t *table_of(struct session *s, struct files *files)
{
    if (s->buffered && s->buffered->files == files)
        return s->area.page + (RECORDER_FDS - RECORDER_PAGE_ADDRESS);
    return files->known;
}

void buffered_save_files(struct session *s)
{
    struct files *files = s->buffered ? s->buffered->files : NULL;

    if (!files)
        return;
    if (!files->known)
        files->known = malloc(BUFFERED_KNOWN_SIZE);
    if (!files->known)
        abort();
    memcpy(files->known, s->area.page + (RECORDER_FDS - RECORDER_PAGE_ADDRESS), RECORDER_FDS_MAX);
    memcpy(files->known + RECORDER_FDS_MAX,
           s->area.page + (RECORDER_FD_INFO - RECORDER_PAGE_ADDRESS), BUFFERED_INFO_SIZE);
}

void buffered_files_gone(struct session *s, const struct files *files)
{
    if (s->buffered && s->buffered->files == files)
        s->buffered->files = NULL;
}

static void set_info(struct session *s, struct files *files, int fd, uint32_t info)
{
    uint8_t *at = files->known ? files->known + RECORDER_FDS_MAX : NULL;

    if (s->buffered && s->buffered->files == files)
        at = s->area.page + (RECORDER_FD_INFO - RECORDER_PAGE_ADDRESS);
    if (at && fd < RECORDER_FD_INFO_MAX)
        memcpy(at + 4 * fd, &info, sizeof(info));
}

void buffered_forget(struct session *s, struct files *files, int fd)
{
    uint8_t *table = table_of(s, files);

    if (!table || fd < 0 || fd >= RECORDER_FDS_MAX)
        return;
    table[fd] = 0;
    set_info(s, files, fd, 0);
}

static bool is_unix(struct task *t, int fd)
{
    cleanup_fd int taken = fds_take(t, fd);
    int domain = 0;
    socklen_t length = sizeof(domain);

    return taken >= 0 && getsockopt(taken, SOL_SOCKET, SO_DOMAIN, &domain, &length) == 0 &&
           domain == AF_UNIX;
}

static uint8_t what_is(struct session *s, struct task *t, int fd, uint32_t *ret_info)
{
    enum fd_kind kind = fds_kind(s, t, fd);
    const struct fd_entry *e = fds_entry(t->files, fd);
    uint8_t stream = e->stream == 1 ? PAGE_FD_STDOUT : e->stream == 2 ? PAGE_FD_STDERR : 0;
    char path[64];

    *ret_info = 0;
    if (e->object || e->random)
        return 0;
    switch (kind) {
    case FD_PIPE:
        *ret_info = recorder_pipe_id(e->device, e->inode);
        return PAGE_FD_STREAM | PAGE_FD_PIPE | stream;
    case FD_SOCKET:
        *ret_info = is_unix(t, fd) ? PAGE_INFO_UNIX : 0;
        return stream ? 0 : PAGE_FD_STREAM;
    case FD_EPOLL:
        *ret_info = PAGE_INFO_EPOLL;
        return PAGE_FD_OTHER;
    case FD_NEVER_BLOCKS:
        if (e->null)
            return PAGE_FD_NULL | stream;
        snprintf(path, sizeof(path), "/proc/%d/fd/%d", t->tid, fd);
        if (!(e->regular || e->directory) || !is_plain_path(path))
            return 0;
        add_device(s, path);
        return e->regular ? PAGE_FD_FILE | stream : PAGE_FD_DIRECTORY;
    default:
        return 0;
    }
}

static void learn(struct session *s, struct task *t, int fd)
{
    uint8_t *table = table_of(s, t->files);
    uint32_t info;

    table[fd] = what_is(s, t, fd, &info);
    set_info(s, t->files, fd, table[fd] ? info : 0);
}

void buffered_learn(struct session *s, struct task *t, const struct call *c)
{
    uint8_t *table = table_of(s, t->files);
    bool opens = c->row->flags & SYSCALL_FLAG_NEW_FD && syscall_returns_fd(c->nr, c->args);
    int fd = opens ? (int)c->result : (int)c->args[0];

    if (!table || s->options->patching == RECORD_PATCHING_OFF || c->result < 0)
        return;
    if (c->nr == SYS_close || c->row->argument_count == 0 ||
        (!opens && c->row->arguments[0].shape != SHAPE_FD) || fd < 0 || fd >= RECORDER_FDS_MAX ||
        table[fd] || fd == TRACEE_FD_AREA || fd == TRACEE_FD_SOCKET)
        return;
    learn(s, t, fd);
}

static void mark_open(struct task *t, uint8_t *open)
{
    struct dirent *entry;
    char path[64];
    DIR *directory;

    snprintf(path, sizeof(path), "/proc/%d/fd", t->tid);
    directory = opendir(path);
    memset(open, 0, RECORDER_FDS_MAX);
    if (!directory)
        return;
    while ((entry = readdir(directory))) {
        long fd = entry->d_name[0] == '.' ? -1 : strtol(entry->d_name, NULL, 10);

        if (fd >= 0 && fd < RECORDER_FDS_MAX)
            open[fd] = 1;
    }
    closedir(directory);
}

void buffered_exec(struct session *s, struct task *t)
{
    uint8_t open[RECORDER_FDS_MAX] = {1, 1, 1}, *table;

    if (s->options->patching == RECORD_PATCHING_OFF)
        return;
    if (!t->files->known && s->buffered->files != t->files) /* the first one: nothing to forget */
        t->files->known = calloc(1, BUFFERED_KNOWN_SIZE);
    else
        mark_open(t, open);
    table = table_of(s, t->files);
    if (!table)
        abort();
    for (int fd = 0; fd < RECORDER_FDS_MAX; fd++) {
        if (table[fd] && !open[fd])
            buffered_forget(s, t->files, fd);
        else if (open[fd] && fd <= STDERR_FILENO && !table[fd])
            learn(s, t, fd);
    }
}
