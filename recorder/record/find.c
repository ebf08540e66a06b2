/* Finding the program and saying clearly why it cannot be recorded. */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "recorder/base/file.h"
#include "recorder/record/record.h"

static int check(const char *path, struct rr_error *error)
{
    cleanup_fd int fd = -1;
    struct stat st;
    unsigned char head[20] = {0};
    ssize_t n;

    if (stat(path, &st) < 0)
        return rr_error_set(error, -errno, "%s: %s", path, strerror(errno));
    if (S_ISDIR(st.st_mode))
        return rr_error_set(error, -EACCES, "%s is a directory, not a program", path);
    if (!S_ISREG(st.st_mode))
        return rr_error_set(error, -EACCES, "%s is not a regular file", path);
    if (access(path, X_OK) < 0)
        return rr_error_set(error, -EACCES, "%s is not executable: chmod +x it", path);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return 0; /* executable but not readable: exec decides */
    n = pread(fd, head, sizeof(head), 0);
    if (n >= 2 && head[0] == '#' && head[1] == '!')
        return 0;
    if (n < 20 || memcmp(head, ELFMAG, SELFMAG) != 0)
        return rr_error_set(error, -ENOEXEC,
                            "%s is neither an ELF program nor a script that begins "
                            "with #!: name its interpreter in the command",
                            path);
    if (head[EI_CLASS] != ELFCLASS64 || head[18] != EM_X86_64)
        return rr_error_set(error, -ENOEXEC,
                            "%s is not an x86-64 program (%s): build it for x86-64", path,
                            head[EI_CLASS] == ELFCLASS32 ? "32-bit ELF" : "another machine's ELF");
    return 0;
}

static int take(const char *path, char **ret_path, struct rr_error *error)
{
    int code = check(path, error);

    if (code)
        return code;
    *ret_path = strdup(path);
    return *ret_path ? 0 : -ENOMEM;
}

int record_find_program(const char *name, const char *directory, const char *search_path,
                        char **ret_path, struct rr_error *error)
{
    char path[PATH_MAX];
    const char *at = search_path ? search_path : "/usr/local/bin:/usr/bin:/bin";
    int denied = 0;

    if (!*name)
        return rr_error_set(error, -ENOENT, "the program's name is empty");
    if (name[0] == '/')
        return take(name, ret_path, error);
    if (strchr(name, '/')) {
        if (directory)
            snprintf(path, sizeof(path), "%s/%s", directory, name);
        else
            snprintf(path, sizeof(path), "%s", name);
        return take(path, ret_path, error);
    }
    while (*at) {
        size_t length = strcspn(at, ":");

        snprintf(path, sizeof(path), "%.*s/%s", (int)length, length ? at : ".", name);
        if (access(path, F_OK) == 0) {
            if (take(path, ret_path, error) == 0)
                return 0;
            denied = error ? error->code : -EACCES;
        }
        at += length + (at[length] == ':');
    }
    if (denied)
        return denied;
    return rr_error_set(error, -ENOENT, "no program %s in PATH: give its path, relative to %s",
                        name, directory ? directory : "the current directory");
}
