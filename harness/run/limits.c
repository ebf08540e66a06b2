/* Memory of the machine and of our control groups. See proc_meminfo(5), cgroups(7),
 * Documentation/admin-guide/cgroup-v2.rst ("memory.max") and cgroup-v1/memory.rst. */
#include "harness/run/limits.h"

#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "recorder/base/bytes.h"
#include "recorder/base/file.h"

#define DEFAULT_PROCESSES 1000
#define SHARE_LEAST (512ull << 20)
#define PATH_SIZE 4096

/* The whole file as a string, empty if it cannot be read; owned by the caller. */
static char *read_text(const char *path)
{
    struct bytes text;

    bytes_init(&text);
    if (file_read_path(path, &text))
        bytes_clear(&text);
    bytes_append(&text, "", 1);
    return (char *)text.data;
}

/* The number behind `name` at a line's start (the first number if name is empty). */
static uint64_t number(const char *path, const char *name, uint64_t missing)
{
    char *text = read_text(path), *at = text;
    size_t length = strlen(name);
    uint64_t value = missing;
    char *end;

    while (at && strncmp(at, name, length) != 0) {
        at = strchr(at, '\n');
        at += at != NULL;
    }
    if (at) {
        value = strtoull(at + length, &end, 10);
        if (end == at + length)
            value = missing; /* "max" */
    }
    free(text);
    return value;
}

static void read_number(const char *folder, const char *file, const char *name, uint64_t missing,
                        uint64_t *ret)
{
    char path[PATH_SIZE + 64];

    snprintf(path, sizeof(path), "%s/%s", folder, file);
    *ret = number(path, name, missing);
}

struct memory_files {
    const char *limit, *usage, *cache; /* cache: name in memory.stat of what is given back */
};

static const struct memory_files files_v2 = {"memory.max", "memory.current", "inactive_file "};
static const struct memory_files files_v1 = {"memory.limit_in_bytes", "memory.usage_in_bytes",
                                             "total_inactive_file "};

/* What one group leaves; UINT64_MAX without a limit. */
static uint64_t room_of_group(const char *folder, const struct memory_files *files)
{
    uint64_t limit, usage, cache;

    read_number(folder, files->limit, "", UINT64_MAX, &limit);
    if (limit >= UINT64_MAX / 4) /* v1 says PAGE_COUNTER_MAX */
        return UINT64_MAX;
    read_number(folder, files->usage, "", 0, &usage);
    read_number(folder, "memory.stat", files->cache, 0, &cache);
    usage = usage > cache ? usage - cache : 0;
    return limit > usage ? limit - usage : 0;
}

/* The least of the group and all above it. Inside a container the path may be the host's: then the
 * root of what is mounted is the container's own group. */
static uint64_t room_of_groups(const char *root, char *group, const struct memory_files *files)
{
    uint64_t least = UINT64_MAX;

    for (;;) {
        char folder[PATH_SIZE];
        char *slash = strrchr(group, '/');
        uint64_t room;

        snprintf(folder, sizeof(folder), "%s%s", root, group);
        room = room_of_group(folder, files);
        if (room < least)
            least = room;
        if (!*group)
            return least;
        *(slash ? slash : group) = '\0';
    }
}

/* A line of /proc/self/cgroup: HIERARCHY:CONTROLLERS:PATH. */
static uint64_t room_of_line(const char *cgroup, char *line)
{
    char *controllers = strchr(line, ':');
    char *path = controllers ? strchr(controllers + 1, ':') : NULL;
    char root[PATH_SIZE];

    if (!path)
        return UINT64_MAX;
    *path++ = '\0';
    controllers++;
    if (strcmp(path, "/") == 0)
        path++;
    if (!*controllers)
        return room_of_groups(cgroup, path, &files_v2);
    if (strcmp(controllers, "memory") != 0)
        return UINT64_MAX;
    snprintf(root, sizeof(root), "%s/memory", cgroup);
    return room_of_groups(root, path, &files_v1);
}

uint64_t limits_available_memory(const char *proc, const char *cgroup)
{
    char path[PATH_SIZE];
    char *groups, *rest, *line;
    uint64_t least;

    snprintf(path, sizeof(path), "%s/meminfo", proc);
    least = number(path, "MemAvailable:", 0) * 1024;
    if (!least)
        return 0;
    snprintf(path, sizeof(path), "%s/self/cgroup", proc);
    groups = rest = read_text(path);
    while ((line = strsep(&rest, "\n")) != NULL) {
        uint64_t room = room_of_line(cgroup, line);

        if (room < least)
            least = room;
    }
    free(groups);
    return least;
}

void limits_default(size_t workers, struct limits *ret)
{
    uint64_t available = limits_available_memory("/proc", "/sys/fs/cgroup");
    uint64_t least = available / 2 < SHARE_LEAST ? available / 2 : SHARE_LEAST;
    uint64_t share = available / 4 * 3 / (workers ? workers : 1);

    ret->memory = share > least ? share : least;
    ret->processes = DEFAULT_PROCESSES;
}

char *limits_spill_directory(const char *path)
{
    char *copy = strdup(path);
    struct stat status;

    if (!copy)
        abort();
    while (stat(copy, &status) < 0 || !S_ISDIR(status.st_mode)) {
        char *parent = strdup(dirname(copy));

        free(copy);
        if (!parent)
            abort();
        copy = parent;
        if (strcmp(copy, "/") == 0 || strcmp(copy, ".") == 0)
            break;
    }
    return copy;
}
