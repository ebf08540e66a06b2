/* A table of the files whose numbers or times are not shown as they are. */
#include "recorder/record/file_facts.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

#include "recorder/record/fds.h"
#include "recorder/record/procfs.h"
#include "recorder/record/start.h"

#define NS 1000000000ll
#define FIRST_INODE 100u
#define FIRST_STDIO 90u
#define FIRST_MOUNT 20u
#define PROC_ROOT_INODE 1u
#define PROC_ROOT_LINKS 100u
#define RECORDER_FDS 2u
#define SHOWN_MINOR 200u  /* of the first own file system; the kernel gives such numbers late */
#define MOUNTS UINT64_MAX /* the "device" of mount ids */
#define AHEAD_NS NS       /* what lies further in the future was set by somebody */

enum time_kind { TIME_MODIFIED, TIME_CHANGED, TIME_BORN, TIME_KIND_COUNT };

struct fact {
    uint64_t device, inode; /* both 0: a free place */
    uint64_t shown_inode;   /* 0: none given yet */
    int64_t written;        /* virtual time of the last write through a descriptor; 0: none */
    int64_t real[TIME_KIND_COUNT], shown[TIME_KIND_COUNT];
};

struct file_facts {
    struct fact *fact; /* open addressing; capacity is a power of two */
    size_t count, capacity;
    int64_t start;   /* real; files touched since then were touched by the run */
    int64_t changed; /* virtual time of the last change of names or attributes */
    uint64_t next_inode, next_mount;
    bool devices_known;
    uint64_t pipes, procfs; /* their devices; 0: not known */
    size_t device_count;
    struct {
        uint64_t device;
        bool renumbered; /* the device number varies too */
    } device[4];
};

static int64_t real_now(clockid_t id)
{
    struct timespec now;

    clock_gettime(id, &now);
    return now.tv_sec * NS + now.tv_nsec;
}

struct file_facts *file_facts_new(void)
{
    struct file_facts *f = calloc(1, sizeof(*f));

    if (!f)
        abort();
    f->start = real_now(CLOCK_REALTIME_COARSE); /* what the kernel stamps files with */
    f->next_inode = FIRST_INODE;
    f->next_mount = FIRST_MOUNT;
    return f;
}

void file_facts_free(struct file_facts *facts)
{
    if (facts)
        free(facts->fact);
    free(facts);
}

/* ---- the table ----------------------------------------------------------------------------- */

static struct fact *place_of(struct file_facts *f, uint64_t device, uint64_t inode)
{
    uint64_t key[2] = {device, inode};
    size_t at = bytes_hash(key, sizeof(key), 0) & (f->capacity - 1);

    while ((f->fact[at].device || f->fact[at].inode) &&
           (f->fact[at].device != device || f->fact[at].inode != inode))
        at = (at + 1) & (f->capacity - 1);
    return &f->fact[at];
}

static void grow(struct file_facts *f)
{
    struct file_facts old = *f;

    f->capacity = old.capacity ? old.capacity * 2 : 64;
    f->fact = calloc(f->capacity, sizeof(*f->fact));
    if (!f->fact)
        abort();
    for (size_t i = 0; i < old.capacity; i++)
        if (old.fact[i].device || old.fact[i].inode)
            *place_of(f, old.fact[i].device, old.fact[i].inode) = old.fact[i];
    free(old.fact);
}

static struct fact *fact_of(struct file_facts *f, uint64_t device, uint64_t inode)
{
    struct fact *fact;

    if (f->count * 2 >= f->capacity)
        grow(f);
    fact = place_of(f, device, inode);
    if (!fact->device && !fact->inode) {
        fact->device = device;
        fact->inode = inode;
        f->count++;
    }
    return fact;
}

/* ---- numbers ------------------------------------------------------------------------------- */

static void add_device(struct file_facts *f, const struct stat *st, bool renumbered)
{
    for (size_t i = 0; i < f->device_count; i++)
        if (f->device[i].device == st->st_dev)
            return;
    f->device[f->device_count].device = st->st_dev;
    f->device[f->device_count++].renumbered = renumbered;
}

static void learn_devices(struct session *s)
{
    struct file_facts *f = s->file_facts;
    struct stat st, root;
    char path[128];
    int pair[2];

    if (f->devices_known || !s->tasks)
        return;
    f->devices_known = true;
    snprintf(path, sizeof(path), "/proc/%d/root" START_TMPDIR, s->tasks->tid);
    if (stat(path, &st) == 0 && stat("/tmp", &root) == 0 && st.st_dev != root.st_dev)
        add_device(f, &st, true);
    snprintf(path, sizeof(path), "/proc/%d/root/proc", s->tasks->tid);
    if (stat(path, &st) == 0) {
        add_device(f, &st, true);
        f->procfs = st.st_dev;
    }
    if (fstat(s->area.memfd, &st) == 0)
        add_device(f, &st, false);
    if (pipe2(pair, O_CLOEXEC) == 0) {
        if (fstat(pair[0], &st) == 0) {
            add_device(f, &st, false);
            f->pipes = st.st_dev;
        }
        close(pair[0]);
        close(pair[1]);
    }
}

static int private_index(struct session *s, uint64_t device)
{
    if (major(device) != 0)
        return -1;
    learn_devices(s);
    for (size_t i = 0; i < s->file_facts->device_count; i++)
        if (s->file_facts->device[i].device == device)
            return (int)i;
    return -1;
}

bool file_facts_is_private(struct session *s, uint64_t device)
{
    return private_index(s, device) >= 0;
}

uint64_t file_facts_device(struct session *s, uint64_t device)
{
    int index = private_index(s, device);

    if (index < 0 || !s->file_facts->device[index].renumbered)
        return device;
    return makedev(0, SHOWN_MINOR + (unsigned)index);
}

void file_facts_show(struct session *s, uint64_t *device, uint64_t *inode)
{
    struct fact *fact;

    if (!file_facts_is_private(s, *device))
        return;
    fact = fact_of(s->file_facts, *device, *inode);
    if (!fact->shown_inode)
        fact->shown_inode = s->file_facts->next_inode++;
    *inode = fact->shown_inode;
    *device = file_facts_device(s, *device);
}

uint64_t file_facts_pipe(struct session *s, uint64_t inode)
{
    uint64_t device;

    learn_devices(s);
    device = s->file_facts->pipes;
    if (device)
        file_facts_show(s, &device, &inode);
    return inode;
}

uint64_t file_facts_mount(struct session *s, uint64_t mount_id)
{
    struct fact *fact = fact_of(s->file_facts, MOUNTS, mount_id);

    if (!fact->shown_inode)
        fact->shown_inode = s->file_facts->next_mount++;
    return fact->shown_inode;
}

/* ---- times --------------------------------------------------------------------------------- */

static bool times_are_virtual(const struct session *s)
{
    return !s->options->real_clock && !(s->options->guards_off & RECORD_GUARD_TIME);
}

static int64_t virtual_now(struct session *s)
{
    struct timespec now = {0};

    clock_read(s->clock, CLOCK_REALTIME, 0, &now);
    return now.tv_sec * NS + now.tv_nsec;
}

static bool is_of_this_run(const struct file_facts *f, int64_t real)
{
    return real >= f->start && real <= real_now(CLOCK_REALTIME) + AHEAD_NS;
}

/* The time of what the run did last to the file, as far as its calls tell. */
static int64_t show_time(struct session *s, struct fact *fact, enum time_kind kind, int64_t real)
{
    int64_t known = fact->shown[kind];
    bool news = fact->real[kind] != real;

    fact->real[kind] = real;
    if (kind == TIME_BORN && known)
        return known;
    if (fact->written > known)
        return fact->shown[kind] = fact->written;
    if (news)
        fact->shown[kind] =
            s->file_facts->changed > known ? s->file_facts->changed : virtual_now(s);
    return fact->shown[kind];
}

struct shown_file {
    uint64_t device, inode, links, size;
    mode_t mode;
    int64_t accessed, modified, changed, born; /* ns; born 0: not told */
};

static void show_times(struct session *s, struct shown_file *file)
{
    struct file_facts *f = s->file_facts;
    bool modified = is_of_this_run(f, file->modified), changed = is_of_this_run(f, file->changed);
    bool accessed = is_of_this_run(f, file->accessed);
    bool born = file->born && is_of_this_run(f, file->born);
    /* earlier runs read it too; who sets times of access in this run changes it */
    bool read_since = !changed && file->accessed > file->modified;
    struct fact *fact;

    if (modified || changed || born) {
        fact = fact_of(f, file->device, file->inode);
        if (modified)
            file->modified = show_time(s, fact, TIME_MODIFIED, file->modified);
        if (changed)
            file->changed = show_time(s, fact, TIME_CHANGED, file->changed);
        if (changed && modified && file->changed < file->modified)
            file->changed = fact->shown[TIME_CHANGED] = file->modified;
        if (born)
            file->born = show_time(s, fact, TIME_BORN, file->born);
        if (born && modified && file->born > file->modified)
            file->born = fact->shown[TIME_BORN] = file->modified;
    }
    if (accessed || read_since)
        file->accessed = file->modified;
}

/* The run's stdout and stderr look the same whatever they are this time. */
static void show_stdio(struct session *s, struct shown_file *file, unsigned index)
{
    struct fact *fact = fact_of(s->file_facts, file->device, file->inode);
    int64_t start = virtual_now(s) - (int64_t)clock_now(s->clock);

    if (times_are_virtual(s)) {
        file->changed = file->modified = fact->written ? fact->written : start;
        file->accessed = file->born = start;
    }
    if (!file_facts_is_private(s, file->device))
        file->inode = FIRST_STDIO + index;
}

/* /proc counts the machine's processes in its links, /proc/PID/fd its descriptors in its size. */
static void show_counts(struct session *s, struct shown_file *file)
{
    uint64_t procfs = s->file_facts->procfs;

    if (!procfs || procfs != file->device || !S_ISDIR(file->mode))
        return;
    if (file->inode == PROC_ROOT_INODE)
        file->links = PROC_ROOT_LINKS;
    if (file->size >= RECORDER_FDS)
        file->size -= RECORDER_FDS;
}

/* Reads are not followed: a file read in the run shows the time of its last change. */
static void show(struct session *s, struct shown_file *file)
{
    unsigned stream = 0;

    while (stream < 2 && !(s->stdio[stream].valid && s->stdio[stream].device == file->device &&
                           s->stdio[stream].inode == file->inode))
        stream++;
    if (stream < 2)
        show_stdio(s, file, stream);
    else if (times_are_virtual(s))
        show_times(s, file);
    if (file_facts_is_private(s, file->device)) {
        show_counts(s, file);
        file_facts_show(s, &file->device, &file->inode);
    }
}

/* ---- stat and statx ------------------------------------------------------------------------ */

/* A replaced file of procfs that the call asks about by its descriptor: what it stands for; else
 * -1. */
static int stands_for(struct task *t, const struct call *c)
{
    uint64_t flags = c->nr == SYS_statx ? c->args[2] : c->args[3];
    char first;

    if (c->nr == SYS_fstat)
        return procfs_original(t, (int)c->args[0]);
    if (c->nr == SYS_stat || c->nr == SYS_lstat || !(flags & AT_EMPTY_PATH))
        return -1;
    if (c->args[1] && (tracee_read(t->tid, c->args[1], &first, 1) < 0 || first))
        return -1;
    return procfs_original(t, (int)c->args[0]);
}

/* What only the recorder has: its memory file, its socket, and the links to them. */
static bool is_ours(struct session *s, struct task *t, const struct call *c, uint64_t device,
                    mode_t mode)
{
    if (c->nr == SYS_fstat || !(S_ISSOCK(mode) || file_facts_is_private(s, device)))
        return false;
    return procfs_path_is_ours(t, c->args[c->nr == SYS_stat || c->nr == SYS_lstat ? 0 : 1]);
}

static int64_t from_timespec(const struct timespec *t)
{
    return t->tv_sec * NS + t->tv_nsec;
}

static struct timespec to_timespec(int64_t ns)
{
    return (struct timespec){ns / NS, ns % NS};
}

static void stat_finished(struct session *s, struct task *t, struct call *c)
{
    uint64_t address = c->args[c->nr == SYS_newfstatat ? 2 : 1];
    struct shown_file file = {0}, before;
    int original = stands_for(t, c);
    struct stat st;

    if (c->result < 0 || tracee_read(t->tid, address, &st, sizeof(st)) < 0)
        return;
    if (is_ours(s, t, c, st.st_dev, st.st_mode)) {
        c->result = -ENOENT;
        return;
    }
    if (original >= 0)
        fstat(original, &st);
    file.device = st.st_dev;
    file.inode = st.st_ino;
    file.links = st.st_nlink;
    file.size = (uint64_t)st.st_size;
    file.mode = st.st_mode;
    file.accessed = from_timespec(&st.st_atim);
    file.modified = from_timespec(&st.st_mtim);
    file.changed = from_timespec(&st.st_ctim);
    before = file;
    show(s, &file);
    if (memcmp(&before, &file, sizeof(file)) == 0 && original < 0)
        return;
    st.st_dev = file.device;
    st.st_ino = file.inode;
    st.st_nlink = file.links;
    st.st_size = (off_t)file.size;
    st.st_atim = to_timespec(file.accessed);
    st.st_mtim = to_timespec(file.modified);
    st.st_ctim = to_timespec(file.changed);
    tracee_write(t->tid, address, &st, sizeof(st));
}

static int64_t from_statx(const struct statx_timestamp *t)
{
    return t->tv_sec * NS + t->tv_nsec;
}

static void to_statx(struct statx_timestamp *ret, int64_t ns)
{
    ret->tv_sec = ns / NS;
    ret->tv_nsec = (uint32_t)(ns % NS);
}

static void statx_finished(struct session *s, struct task *t, struct call *c)
{
    struct shown_file file = {0};
    int original = stands_for(t, c);
    struct statx st;

    if (c->result < 0 || tracee_read(t->tid, c->args[4], &st, sizeof(st)) < 0)
        return;
    if (is_ours(s, t, c, makedev(st.stx_dev_major, st.stx_dev_minor), st.stx_mode)) {
        c->result = -ENOENT;
        return;
    }
    if (original >= 0)
        statx(original, "", AT_EMPTY_PATH, (unsigned)c->args[3], &st);
    if (st.stx_mask & STATX_MNT_ID)
        st.stx_mnt_id = file_facts_mount(s, st.stx_mnt_id);
    file.device = makedev(st.stx_dev_major, st.stx_dev_minor);
    file.inode = st.stx_ino;
    file.links = st.stx_nlink;
    file.size = st.stx_size;
    file.mode = st.stx_mode;
    file.accessed = st.stx_mask & STATX_ATIME ? from_statx(&st.stx_atime) : 0;
    file.modified = st.stx_mask & STATX_MTIME ? from_statx(&st.stx_mtime) : 0;
    file.changed = st.stx_mask & STATX_CTIME ? from_statx(&st.stx_ctime) : 0;
    file.born = st.stx_mask & STATX_BTIME ? from_statx(&st.stx_btime) : 0;
    show(s, &file);
    st.stx_dev_major = major(file.device);
    st.stx_dev_minor = minor(file.device);
    if (st.stx_mask & STATX_INO)
        st.stx_ino = file.inode;
    st.stx_nlink = (uint32_t)file.links;
    st.stx_size = file.size;
    to_statx(&st.stx_atime, file.accessed);
    to_statx(&st.stx_mtime, file.modified);
    to_statx(&st.stx_ctime, file.changed);
    to_statx(&st.stx_btime, file.born);
    tracee_write(t->tid, c->args[4], &st, sizeof(st));
}

enum call_action model_stat(struct session *s, struct task *t, struct call *c)
{
    (void)s;
    (void)t;
    c->finish = c->nr == SYS_statx ? statx_finished : stat_finished;
    return CALL_RUN;
}

/* ---- statfs -------------------------------------------------------------------------------- */

static void statfs_finished(struct session *s, struct task *t, struct call *c)
{
    int original = c->nr == SYS_fstatfs ? procfs_original(t, (int)c->args[0]) : -1;
    struct statfs st;

    (void)s;
    if (c->result < 0 || tracee_read(t->tid, c->args[1], &st, sizeof(st)) < 0)
        return;
    if (original >= 0)
        fstatfs(original, &st);
    if (st.f_type == TMPFS_MAGIC) {
        memset(&st.f_fsid, 0, sizeof(st.f_fsid)); /* random for each mount */
    } else if (st.f_blocks > 0) {
        st.f_bfree = st.f_bavail = st.f_blocks / 2;
        st.f_ffree = st.f_files / 2;
    }
    tracee_write(t->tid, c->args[1], &st, sizeof(st));
}

enum call_action model_statfs(struct session *s, struct task *t, struct call *c)
{
    (void)s;
    (void)t;
    c->finish = statfs_finished;
    return CALL_RUN;
}

/* ---- changes ------------------------------------------------------------------------------- */

void file_facts_opened(struct session *s, struct task *t, int fd, bool cut)
{
    int64_t now = virtual_now(s);
    struct fact *fact;
    char path[64];
    struct stat st;

    snprintf(path, sizeof(path), "/proc/%d/fd/%d", t->tid, fd);
    s->file_facts->changed = now;
    if (stat(path, &st) < 0 || !S_ISREG(st.st_mode))
        return;
    fact = fact_of(s->file_facts, st.st_dev, st.st_ino);
    if (!fact->shown[TIME_BORN])
        fact->shown[TIME_BORN] = now;
    if (cut)
        fact->written = now;
}

static void written(struct session *s, struct task *t, int fd)
{
    const struct fd_entry *e = fds_entry(t->files, fd);

    if (e && fds_kind(s, t, fd) == FD_NEVER_BLOCKS)
        fact_of(s->file_facts, e->device, e->inode)->written = virtual_now(s);
}

void file_facts_after_call(struct session *s, struct task *t, const struct call *c)
{
    switch (c->nr) {
    case SYS_write:
    case SYS_pwrite64:
    case SYS_writev:
    case SYS_pwritev:
    case SYS_pwritev2:
    case SYS_sendfile:
        if (c->result > 0)
            written(s, t, (int)c->args[0]);
        return;
    case SYS_ftruncate:
    case SYS_fallocate:
        written(s, t, (int)c->args[0]);
        return;
    case SYS_splice:
    case SYS_copy_file_range:
        if (c->result > 0)
            written(s, t, (int)c->args[2]);
        return;
    case SYS_creat:
    case SYS_truncate:
    case SYS_mkdir:
    case SYS_mkdirat:
    case SYS_rmdir:
    case SYS_unlink:
    case SYS_unlinkat:
    case SYS_rename:
    case SYS_renameat:
    case SYS_renameat2:
    case SYS_link:
    case SYS_linkat:
    case SYS_symlink:
    case SYS_symlinkat:
    case SYS_mknod:
    case SYS_mknodat:
    case SYS_chmod:
    case SYS_fchmod:
    case SYS_fchmodat:
    case 452: /* fchmodat2 */
    case SYS_chown:
    case SYS_fchown:
    case SYS_lchown:
    case SYS_fchownat:
    case SYS_utime:
    case SYS_utimes:
    case SYS_futimesat:
    case SYS_utimensat:
    case SYS_setxattr:
    case SYS_lsetxattr:
    case SYS_fsetxattr:
    case SYS_removexattr:
    case SYS_lremovexattr:
    case SYS_fremovexattr:
    case SYS_bind: /* a unix socket's name */
        s->file_facts->changed = virtual_now(s);
        return;
    default:
        return;
    }
}
