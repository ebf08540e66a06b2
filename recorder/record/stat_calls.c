/* stat, statx and statfs: run by the kernel, then shown as file_facts.h says. */
#include "recorder/record/stat_calls.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>

#include "recorder/record/file_facts.h"
#include "recorder/record/procfs.h"

#define NS 1000000000ll

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
    file.blocks = (uint64_t)st.st_blocks;
    file.accessed = from_timespec(&st.st_atim);
    file.modified = from_timespec(&st.st_mtim);
    file.changed = from_timespec(&st.st_ctim);
    before = file;
    file_facts_show_file(s, &file);
    if (memcmp(&before, &file, sizeof(file)) == 0 && original < 0)
        return;
    st.st_dev = file.device;
    st.st_ino = file.inode;
    st.st_nlink = file.links;
    st.st_size = (off_t)file.size;
    st.st_blocks = (blkcnt_t)file.blocks;
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
    file.blocks = st.stx_blocks;
    file.accessed = st.stx_mask & STATX_ATIME ? from_statx(&st.stx_atime) : 0;
    file.modified = st.stx_mask & STATX_MTIME ? from_statx(&st.stx_mtime) : 0;
    file.changed = st.stx_mask & STATX_CTIME ? from_statx(&st.stx_ctime) : 0;
    file.born = st.stx_mask & STATX_BTIME ? from_statx(&st.stx_btime) : 0;
    file_facts_show_file(s, &file);
    st.stx_dev_major = major(file.device);
    st.stx_dev_minor = minor(file.device);
    if (st.stx_mask & STATX_INO)
        st.stx_ino = file.inode;
    st.stx_nlink = (uint32_t)file.links;
    st.stx_size = file.size;
    st.stx_blocks = file.blocks;
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
