/* Recursion by path: a depth of PATH_MAX/2 is the most there can be. */
#include "harness/run/copy_tree.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "recorder/base/file.h"

#define MODE_BITS 07777

static bool same_file(const struct stat *a, const struct stat *b)
{
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

static bool is_dot(const char *name)
{
    return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

/* "directory/name" in `path`, which has PATH_MAX bytes. */
static int join(char *path, const char *directory, const char *name)
{
    int n = snprintf(path, PATH_MAX, "%s/%s", directory, name);

    return n >= PATH_MAX ? -ENAMETOOLONG : 0;
}

static int fail(struct rr_error *error, int code, const char *path)
{
    return rr_error_set(error, code, "files: cannot copy %s: %s", path, strerror(-code));
}

static int keep_facts(int fd, const struct stat *status)
{
    struct timespec times[2] = {status->st_mtim, status->st_mtim};

    return fchmod(fd, status->st_mode & MODE_BITS) < 0 || futimens(fd, times) < 0 ? -errno : 0;
}

static int copy_file(const char *source, const char *target, const struct stat *status,
                     struct rr_error *error)
{
    cleanup_fd int from = open(source, O_RDONLY | O_CLOEXEC);
    cleanup_fd int to = -1;
    int code;

    if (from < 0)
        return fail(error, -errno, source);
    to = open(target, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (to < 0)
        return fail(error, -errno, source);
    code = file_copy(from, to);
    if (code == 0)
        code = keep_facts(to, status);
    return code ? fail(error, code, source) : 0;
}

static int copy_link(const char *source, const char *target, struct rr_error *error)
{
    char text[PATH_MAX];
    ssize_t n = readlink(source, text, sizeof(text) - 1);

    if (n < 0)
        return fail(error, -errno, source);
    text[n] = '\0';
    return symlink(text, target) < 0 ? fail(error, -errno, source) : 0;
}

static int copy_any(const char *source, const char *target, bool follow, const struct stat *except,
                    struct rr_error *error);

static int copy_entries(DIR *entries, const char *source, const char *target,
                        const struct stat *except, struct rr_error *error)
{
    int code = 0;

    for (const struct dirent *e; code == 0 && (e = readdir(entries));) {
        char *paths = is_dot(e->d_name) ? NULL : malloc(2 * (size_t)PATH_MAX);

        if (!paths)
            continue;
        code = join(paths, source, e->d_name);
        if (code == 0)
            code = join(paths + PATH_MAX, target, e->d_name);
        if (code)
            fail(error, code, source);
        else
            code = copy_any(paths, paths + PATH_MAX, false, except, error);
        free(paths);
    }
    return code;
}

static int copy_folder(const char *source, const char *target, const struct stat *status,
                       const struct stat *except, struct rr_error *error)
{
    DIR *entries = opendir(source);
    cleanup_fd int to = -1;
    int code;

    if (!entries)
        return fail(error, -errno, source);
    code = mkdir(target, 0700) < 0 && errno != EEXIST ? fail(error, -errno, source) : 0;
    if (code == 0)
        code = copy_entries(entries, source, target, except, error);
    closedir(entries);
    if (code)
        return code;
    to = open(target, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    code = to < 0 ? -errno : keep_facts(to, status);
    return code ? fail(error, code, source) : 0;
}

static int copy_any(const char *source, const char *target, bool follow, const struct stat *except,
                    struct rr_error *error)
{
    struct stat status;

    if (fstatat(AT_FDCWD, source, &status, follow ? 0 : AT_SYMLINK_NOFOLLOW) < 0)
        return fail(error, -errno, source);
    if (same_file(&status, except))
        return 0;
    if (S_ISDIR(status.st_mode))
        return copy_folder(source, target, &status, except, error);
    if (S_ISLNK(status.st_mode))
        return copy_link(source, target, error);
    if (S_ISREG(status.st_mode))
        return copy_file(source, target, &status, error);
    return rr_error_set(error, -EINVAL,
                        "files: cannot copy %s: expected files, folders and links, got another "
                        "kind",
                        source);
}

int copy_tree(const char *source, const char *target, const char *except, struct rr_error *error)
{
    char parent[PATH_MAX];
    struct stat excepted;
    char *slash;
    int code;

    if (snprintf(parent, sizeof(parent), "%s", target) >= PATH_MAX)
        return fail(error, -ENAMETOOLONG, source);
    slash = strrchr(parent, '/');
    if (slash)
        *slash = '\0';
    code = slash && slash > parent ? file_make_directories(parent, 0755) : 0;
    if (code == 0 && stat(except, &excepted) < 0)
        code = -errno;
    return code ? fail(error, code, source) : copy_any(source, target, true, &excepted, error);
}

static int remove_any(int directory, const char *name)
{
    DIR *entries;
    int first = 0;
    int fd;

    if (unlinkat(directory, name, 0) == 0 || errno == ENOENT)
        return 0;
    if (errno != EISDIR && errno != EPERM)
        return -errno;
    fchmodat(directory, name, 0700, 0); /* the program may have taken our own right away */
    fd = openat(directory, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    entries = fd < 0 ? NULL : fdopendir(fd);
    if (!entries)
        return -errno;
    for (const struct dirent *e; (e = readdir(entries));) {
        int code = is_dot(e->d_name) ? 0 : remove_any(fd, e->d_name);

        first = first ? first : code;
    }
    closedir(entries);
    if (unlinkat(directory, name, AT_REMOVEDIR) < 0)
        first = first ? first : -errno;
    return first;
}

int empty_tree(const char *path)
{
    DIR *entries;
    int first = 0;
    int fd;

    chmod(path, 0755);
    fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    entries = fd < 0 ? NULL : fdopendir(fd);
    if (!entries)
        return -errno;
    for (const struct dirent *e; (e = readdir(entries));) {
        int code = is_dot(e->d_name) ? 0 : remove_any(fd, e->d_name);

        first = first ? first : code;
    }
    closedir(entries);
    return first;
}
