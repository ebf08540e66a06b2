/* Cases of buffered.c: calls with paths. */
#include "buffered.h"

#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* ---- paths --------------------------------------------------------------------------------- */

void case_open(void)
{
    int fd = (int)show(syscall(SYS_open, "opened", O_RDWR | O_CREAT | O_EXCL, 0600));

    show(syscall(SYS_open, "opened", O_RDWR | O_CREAT | O_EXCL, 0600));
    show(syscall(SYS_open, "missing", O_RDONLY));
    done(fd);
    done((int)show(syscall(SYS_open, "opened", O_RDONLY | O_CLOEXEC)));
    done((int)show(syscall(SYS_open, "/dev/null", O_RDWR)));
    done((int)show(syscall(SYS_open, "/dev/null", O_WRONLY | O_CREAT | O_TRUNC, 0666)));
    syscall(SYS_unlink, "opened");
}

void case_openat(void)
{
    int fd = (int)show(syscall(SYS_openat, AT_FDCWD, ".", O_RDONLY | O_DIRECTORY));
    int other = (int)show(syscall(SYS_openat, fd, "beside", O_WRONLY | O_CREAT | O_TRUNC, 0644));

    show(syscall(SYS_openat, fd, "missing/too", O_RDONLY));
    done(other);
    done(fd);
    syscall(SYS_unlink, "beside");
}

void case_creat(void)
{
    done((int)show(syscall(SYS_creat, "made", 0640)));
    syscall(SYS_unlink, "made");
}

/* What does not depend on when and where. */
static void show_stat(long result, const struct stat *st)
{
    struct stat kept = *st;

    show(result);
    if (result < 0)
        return;
    put("mode %o, size %ld, links %lu, blocks known %d\n", st->st_mode,
        S_ISREG(st->st_mode) ? (long)st->st_size : 0, (unsigned long)st->st_nlink,
        st->st_blocks >= 0);
    check(st->st_mtim.tv_sec <= st->st_ctim.tv_sec);
    /* times are those of the clock, which is not the same with other stops */
    memset(&kept.st_atim, 0, sizeof(kept.st_atim));
    memset(&kept.st_mtim, 0, sizeof(kept.st_mtim));
    memset(&kept.st_ctim, 0, sizeof(kept.st_ctim));
    show_raw(result, &kept, sizeof(kept));
}

void case_stat(void)
{
    struct stat st;

    done(letters());
    show_stat(syscall(SYS_stat, "letters", &st), &st);
    show_stat(syscall(SYS_stat, "missing", &st), &st);
    show_stat(syscall(SYS_stat, "/usr/bin", &st), &st);
    put("%ld\n", (long)st.st_mtim.tv_sec);
}

void case_lstat(void)
{
    struct stat st;

    syscall(SYS_symlink, "letters", "link");
    show_stat(syscall(SYS_lstat, "link", &st), &st);
    syscall(SYS_unlink, "link");
}

void case_fstat(void)
{
    struct stat st;
    int fd = letters(), directory = (int)syscall(SYS_open, ".", O_RDONLY);

    show_stat(syscall(SYS_fstat, fd, &st), &st);
    show_stat(syscall(SYS_fstat, directory, &st), &st);
    done(fd);
    done(directory);
}

void case_newfstatat(void)
{
    struct stat st;
    int fd = letters();

    show_stat(syscall(SYS_newfstatat, AT_FDCWD, "letters", &st, 0), &st);
    show_stat(syscall(SYS_newfstatat, fd, "", &st, AT_EMPTY_PATH), &st);
    done(fd);
}

void case_statx(void)
{
    struct statx st;
    long result = syscall(SYS_statx, AT_FDCWD, "/usr/bin", 0, STATX_BASIC_STATS | STATX_BTIME, &st);

    show(result);
    put("mode %o, modified %ld\n", st.stx_mode, (long)st.stx_mtime.tv_sec);
    done(letters());
    result = syscall(SYS_statx, AT_FDCWD, "letters", 0, STATX_BASIC_STATS | STATX_BTIME, &st);
    show(result);
    put("mode %o, size %lu\n", st.stx_mode, (unsigned long)st.stx_size);
    show_raw((long)st.stx_ino, &st.stx_dev_major, 8);
    show(syscall(SYS_statx, AT_FDCWD, "missing", 0, STATX_BASIC_STATS, &st));
}

void case_access(void)
{
    show(syscall(SYS_access, "letters", R_OK));
    show(syscall(SYS_access, "missing", R_OK));
}

void case_faccessat(void)
{
    show(syscall(SYS_faccessat, AT_FDCWD, "letters", X_OK));
}

void case_faccessat2(void)
{
    show(syscall(SYS_faccessat2, AT_FDCWD, "letters", W_OK, AT_EACCESS));
}

void case_readlink(void)
{
    char buffer[16] = "";

    syscall(SYS_symlink, "where/it/leads", "link");
    show(syscall(SYS_readlink, "link", buffer, 5));
    show(syscall(SYS_readlink, "link", buffer, 16));
    show(syscall(SYS_readlink, "letters", buffer, 16));
    bytes(buffer, sizeof(buffer));
    syscall(SYS_unlink, "link");
}

void case_readlinkat(void)
{
    char buffer[16] = "";

    syscall(SYS_symlink, "leads", "link");
    show(syscall(SYS_readlinkat, AT_FDCWD, "link", buffer, 16));
    bytes(buffer, sizeof(buffer));
    syscall(SYS_unlink, "link");
}

void case_getcwd(void)
{
    char buffer[4096] = "";

    check(syscall(SYS_getcwd, buffer, sizeof(buffer)) == (long)strlen(buffer) + 1);
    show(syscall(SYS_getcwd, buffer, 1));
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

void case_getdents64(void)
{
    struct entry {
        uint64_t inode;
        int64_t offset;
        uint16_t length;
        uint8_t type;
        char name[];
    };
    static char buffer[4096];
    const char *names[32];
    size_t count = 0;
    int fd;
    long got;

    syscall(SYS_mkdir, "directory", 0755);
    for (int i = 0; i < 9; i++) {
        char path[32];

        snprintf(path, sizeof(path), "directory/%c%d", "qwertyuio"[i], i);
        done((int)syscall(SYS_open, path, O_CREAT | O_WRONLY, 0600));
    }
    fd = (int)syscall(SYS_open, "directory", O_RDONLY | O_DIRECTORY);
    got = show(syscall(SYS_getdents64, fd, buffer, sizeof(buffer)));
    show(syscall(SYS_getdents64, fd, buffer + 2048, 2048));
    for (long at = 0; at < got;) {
        const struct entry *e = (const void *)(buffer + at);

        names[count++] = e->name;
        at += e->length;
    }
    if (raw)
        bytes(buffer, (size_t)got);
    qsort(names, count, sizeof(*names), by_name);
    for (size_t i = 0; i < count; i++)
        put("%s ", names[i]);
    put("\n");
    show(syscall(SYS_lseek, fd, 0, SEEK_SET));
    show(syscall(SYS_getdents64, fd, buffer, sizeof(buffer)));
    done(fd);
    for (size_t i = 0; i < 9; i++) {
        char path[32];

        snprintf(path, sizeof(path), "directory/%c%zu", "qwertyuio"[i], i);
        syscall(SYS_unlink, path);
    }
    syscall(SYS_rmdir, "directory");
}

void case_unlink(void)
{
    done((int)syscall(SYS_creat, "gone", 0600));
    show(syscall(SYS_unlink, "gone"));
    show(syscall(SYS_unlink, "gone"));
}

void case_rmdir(void)
{
    syscall(SYS_mkdir, "gone", 0700);
    show(syscall(SYS_rmdir, "gone"));
    show(syscall(SYS_rmdir, "gone"));
}

void case_mkdir(void)
{
    show(syscall(SYS_mkdir, "new", 0700));
    show(syscall(SYS_mkdir, "new", 0700));
    syscall(SYS_rmdir, "new");
}

void case_chmod(void)
{
    show(syscall(SYS_chmod, "letters", 0600));
    show(syscall(SYS_chmod, "missing", 0600));
}

void case_chown(void)
{
    show(syscall(SYS_chown, "letters", getuid(), getgid()));
}

void case_lchown(void)
{
    show(syscall(SYS_lchown, "letters", -1, -1));
}

void case_rename(void)
{
    show(syscall(SYS_rename, "letters", "renamed"));
    show(syscall(SYS_rename, "letters", "renamed"));
    show(syscall(SYS_rename, "renamed", "letters"));
}

void case_link(void)
{
    show(syscall(SYS_link, "letters", "second"));
    show(syscall(SYS_link, "letters", "second"));
    syscall(SYS_unlink, "second");
}

void case_symlink(void)
{
    show(syscall(SYS_symlink, "letters", "soft"));
    show(syscall(SYS_symlink, "letters", "soft"));
    syscall(SYS_unlink, "soft");
}

void case_unlinkat(void)
{
    syscall(SYS_mkdir, "gone", 0700);
    show(syscall(SYS_unlinkat, AT_FDCWD, "gone", AT_REMOVEDIR));
    show(syscall(SYS_unlinkat, AT_FDCWD, "gone", 0));
}

void case_mkdirat(void)
{
    int fd = (int)syscall(SYS_open, ".", O_RDONLY);

    show(syscall(SYS_mkdirat, fd, "new", 0700));
    syscall(SYS_rmdir, "new");
    done(fd);
}

void case_fchmodat(void)
{
    show(syscall(SYS_fchmodat, AT_FDCWD, "letters", 0640));
}

void case_fchownat(void)
{
    show(syscall(SYS_fchownat, AT_FDCWD, "letters", -1, -1, 0));
}

void case_utimensat(void)
{
    struct timespec times[2] = {{1000000, 0}, {2000000, 5}};
    struct stat st;

    show(syscall(SYS_utimensat, AT_FDCWD, "letters", times, 0));
    syscall(SYS_stat, "letters", &st);
    put("%ld.%09ld\n", (long)st.st_mtim.tv_sec, st.st_mtim.tv_nsec);
}

void case_renameat(void)
{
    show(syscall(SYS_renameat, AT_FDCWD, "letters", AT_FDCWD, "renamed"));
    show(syscall(SYS_renameat, AT_FDCWD, "renamed", AT_FDCWD, "letters"));
}

void case_renameat2(void)
{
    show(
        syscall(SYS_renameat2, AT_FDCWD, "letters", AT_FDCWD, "letters", 1 /* RENAME_NOREPLACE */));
}

void case_linkat(void)
{
    show(syscall(SYS_linkat, AT_FDCWD, "letters", AT_FDCWD, "second", 0));
    syscall(SYS_unlink, "second");
}

void case_symlinkat(void)
{
    show(syscall(SYS_symlinkat, "letters", AT_FDCWD, "soft"));
    syscall(SYS_unlink, "soft");
}

void case_fchmod(void)
{
    int fd = letters();

    show(syscall(SYS_fchmod, fd, 0644));
    done(fd);
}

void case_fchown(void)
{
    int fd = letters();

    show(syscall(SYS_fchown, fd, -1, -1));
    done(fd);
}

/* Afterwards relative paths are traced until the recorder has looked: the last case. */
void case_chdir(void)
{
    syscall(SYS_mkdir, "sub", 0700);
    show(syscall(SYS_chdir, "missing"));
    show(syscall(SYS_chdir, "sub"));
}
