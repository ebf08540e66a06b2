/* A table of the files whose numbers or times are not shown as they are. */
#include "recorder/record/file_facts.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <unistd.h>

#include "recorder/record/fds.h"
#include "recorder/record/place.h"
#include "recorder/record/start.h"

#define NS FACTS_NS
#define FIRST_INODE 100u
#define FIRST_MOUNT 20u
#define PROC_ROOT_INODE 1u
#define PROC_ROOT_LINKS 100u
#define OWN_FDS 2u
#define SHARED_DIRECTORY "/tmp" /* the parent of START_TMPDIR */
#define SHARED_LINKS 10u
#define SHARED_SIZE 4096u
#define SHOWN_MINOR 200u /* of the first own file system; the kernel gives such numbers late */

struct file_facts {
    struct facts *shared; /* with the handlers of buffered calls */
    struct fact *fact;    /* those it has no room for: open addressing; a power of two */
    size_t count, capacity;
    bool devices_known;
    uint64_t shared_device, shared_inode; /* where TMPDIR lies, with everybody else's files */
    size_t device_count;
    struct {
        uint64_t device;
        bool renumbered; /* the device number varies too */
    } device[6];
};

static int64_t from_timespec(const struct timespec *t)
{
    return t->tv_sec * NS + t->tv_nsec;
}

static int64_t real_now(clockid_t id)
{
    struct timespec now;

    clock_gettime(id, &now);
    return from_timespec(&now);
}

struct file_facts *file_facts_new(const struct tracee_area *area)
{
    struct file_facts *f = calloc(1, sizeof(*f));

    if (!f)
        abort();
    f->shared = (struct facts *)(void *)(area->page + (RECORDER_FACTS - RECORDER_PAGE_ADDRESS));
    f->shared->start = real_now(CLOCK_REALTIME_COARSE); /* what the kernel stamps files with */
    f->shared->next_inode = FIRST_INODE;
    f->shared->next_mount = FIRST_MOUNT;
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
    uint32_t number = facts_number(f->shared, device, inode);
    struct fact *fact;

    if (number)
        return &f->shared->fact[number];
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

bool file_facts_shared(struct session *s, uint64_t device, uint64_t inode)
{
    uint32_t number = facts_number(s->file_facts->shared, device, inode);

    if (number)
        s->file_facts->shared->fact[number].shared = 1;
    return number != 0;
}

void file_facts_kept(struct session *s, uint64_t device, uint64_t inode)
{
    uint32_t number = facts_number(s->file_facts->shared, device, inode);

    if (number)
        s->file_facts->shared->fact[number].kept = 1;
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

void file_facts_started(struct session *s)
{
    struct file_facts *f = s->file_facts;
    struct stat st, shared;
    char path[128];

    for (int i = 0; i < 2; i++) {
        f->shared->stdio[i].device = s->stdio[i].valid ? s->stdio[i].device : 0;
        f->shared->stdio[i].inode = s->stdio[i].valid ? s->stdio[i].inode : 0;
    }
    if (!s->place || !s->place->tmpdir)
        return;
    snprintf(path, sizeof(path), "/proc/%d/root" START_TMPDIR, s->tasks->tid);
    if (stat(path, &st) < 0 || stat(SHARED_DIRECTORY, &shared) < 0)
        return;
    add_device(f, &st, true);
    f->shared->tmpdir_device = st.st_dev;
    f->shared->tmpdir_inode = st.st_ino;
    f->shared->tmpdir_modified = from_timespec(&st.st_mtim);
    f->shared->tmpdir_shown_device = makedev(0, SHOWN_MINOR);
    f->shared_device = shared.st_dev;
    f->shared_inode = shared.st_ino;
}

/* Is RECORD_FILES_DIRECTORY a file system that the harness mounted? */
static bool own_files(const struct session *s, struct stat *ret)
{
    struct stat parent;
    char path[128];

    snprintf(path, sizeof(path), "/proc/%d/root" RECORD_FILES_DIRECTORY, s->tasks->tid);
    if (stat(path, ret) < 0)
        return false;
    snprintf(path, sizeof(path), "/proc/%d/root" RECORD_FILES_DIRECTORY "/..", s->tasks->tid);
    return stat(path, &parent) == 0 && parent.st_dev != ret->st_dev;
}

static void learn_devices(struct session *s)
{
    struct file_facts *f = s->file_facts;
    struct stat st;
    char path[128];
    int pair[2];

    if (f->devices_known || !s->tasks)
        return;
    f->devices_known = true;
    snprintf(path, sizeof(path), "/proc/%d/root/proc", s->tasks->tid);
    if (stat(path, &st) == 0) {
        add_device(f, &st, true);
        f->shared->procfs = st.st_dev;
    }
    if (fstat(s->area.memfd, &st) == 0)
        add_device(f, &st, false);
    snprintf(path, sizeof(path), "/proc/%d/root/dev/shm", s->tasks->tid);
    if (s->place && s->place->own_shm && stat(path, &st) == 0)
        add_device(f, &st, true);
    if (own_files(s, &st))
        add_device(f, &st, true);
    if (pipe2(pair, O_CLOEXEC) == 0) {
        if (fstat(pair[0], &st) == 0) {
            add_device(f, &st, false);
            f->shared->pipes = st.st_dev;
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

uint64_t file_facts_shared_inode(const struct session *s)
{
    return s->file_facts->shared_inode;
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
    *inode = facts_show_inode(s->file_facts->shared, fact);
    *device = file_facts_device(s, *device);
}

uint64_t file_facts_pipe(struct session *s, uint64_t inode)
{
    uint64_t device;

    learn_devices(s);
    device = s->file_facts->shared->pipes;
    if (device)
        file_facts_show(s, &device, &inode);
    return inode;
}

uint64_t file_facts_mount(struct session *s, uint64_t mount_id)
{
    struct fact *fact = fact_of(s->file_facts, FACTS_MOUNTS, mount_id);

    return facts_show_mount(s->file_facts->shared, fact);
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

static int64_t virtual_start(struct session *s)
{
    return virtual_now(s) - (int64_t)clock_now(s->clock);
}

static void show_times(struct session *s, struct shown_file *file)
{
    struct file_facts *f = s->file_facts;
    int64_t real = real_now(CLOCK_REALTIME);
    struct fact *fact =
        facts_is_of_this_run(f->shared, file, real) ? fact_of(f, file->device, file->inode) : NULL;

    facts_show_times(f->shared, file, fact, file_facts_is_private(s, file->device), virtual_now(s),
                     virtual_start(s), real);
}

/* /proc counts the machine's processes in its links, /proc/PID/fd its descriptors in its size. */
static void show_counts(struct session *s, struct shown_file *file)
{
    uint64_t procfs = s->file_facts->shared->procfs;

    if (!procfs || procfs != file->device || !S_ISDIR(file->mode))
        return;
    if (file->inode == PROC_ROOT_INODE)
        file->links = PROC_ROOT_LINKS;
    if (file->size >= OWN_FDS)
        file->size -= OWN_FDS;
}

/* Programs that go to TMPDIR look at its parent on their way; what others do there is not shown. */
static bool show_shared(struct session *s, struct shown_file *file)
{
    if (file->device != s->file_facts->shared_device || file->inode != s->file_facts->shared_inode)
        return false;
    file->links = SHARED_LINKS;
    file->size = SHARED_SIZE;
    file->blocks = SHARED_SIZE / 512;
    if (times_are_virtual(s))
        file->accessed = file->modified = file->changed = virtual_start(s);
    return true;
}

/* Reads are not followed: a file read in the run shows the time of its last change. */
void file_facts_show_file(struct session *s, struct shown_file *file)
{
    int stream = facts_stdio(s->file_facts->shared, file->device, file->inode);
    bool private = file_facts_is_private(s, file->device);

    if (show_shared(s, file))
        return;
    if (stream >= 0)
        facts_show_stdio(file, fact_of(s->file_facts, file->device, file->inode), stream, private,
                         times_are_virtual(s), virtual_start(s));
    else if (times_are_virtual(s))
        show_times(s, file);
    if (private) {
        show_counts(s, file);
        file_facts_show(s, &file->device, &file->inode);
    }
}

/* ---- changes ------------------------------------------------------------------------------- */

void file_facts_opened(struct session *s, struct task *t, int fd, bool cut)
{
    int64_t now = virtual_now(s);
    struct fact *fact;
    char path[64];
    struct stat st;

    snprintf(path, sizeof(path), "/proc/%d/fd/%d", t->tid, fd);
    s->file_facts->shared->changed = now;
    if (stat(path, &st) < 0 || !S_ISREG(st.st_mode))
        return;
    fact = fact_of(s->file_facts, st.st_dev, st.st_ino);
    facts_opened(s->file_facts->shared, fact, cut, now);
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
        s->file_facts->shared->changed = virtual_now(s);
        return;
    default:
        return;
    }
}
