/* Process-wide because a worker's runs share it; the only state that outlives a run. */
#include "recorder/record/image_store.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "recorder/base/file.h"

struct image_entry {
    uint64_t device, inode, size;
    uint32_t options;
    struct timespec modified;
    struct image *image;
    char *why; /* there is none, or no cache for it; NULL: all is well */
};

struct image_store {
    char directory[PATH_MAX];
    struct image_entry *entry;
    size_t count;
    char **names;
    size_t name_count;
};

static void default_directory(char *ret, size_t size)
{
    const char *cache = getenv("XDG_CACHE_HOME");
    const char *home = getenv("HOME");

    if (cache && cache[0] == '/')
        snprintf(ret, size, "%s/rrtest", cache);
    else if (home && home[0] == '/')
        snprintf(ret, size, "%s/.cache/rrtest", home);
    else
        snprintf(ret, size, "/tmp/rrtest-cache");
}

struct image_store *image_store_get(const char *directory)
{
    static struct image_store *store;
    char wanted[PATH_MAX];

    if (directory)
        snprintf(wanted, sizeof(wanted), "%s", directory);
    else
        default_directory(wanted, sizeof(wanted));
    if (!store) {
        store = calloc(1, sizeof(*store));
        if (!store)
            abort();
    }
    if (strcmp(store->directory, wanted) != 0)
        memcpy(store->directory, wanted, sizeof(wanted));
    return store;
}

static uint64_t now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

struct image *image_store_image(struct image_store *store, int fd, const struct stat *st,
                                uint32_t options, uint64_t *spent_ns, const char **ret_why)
{
    struct image_entry *e;
    struct rr_error error = {0}, ignored = {0};
    uint64_t before;
    int result;

    for (size_t i = 0; i < store->count; i++) {
        e = &store->entry[i];
        if (e->options == options && e->inode == st->st_ino && e->device == st->st_dev &&
            e->size == (uint64_t)st->st_size && e->modified.tv_sec == st->st_mtim.tv_sec &&
            e->modified.tv_nsec == st->st_mtim.tv_nsec) {
            *ret_why = e->why;
            return e->image;
        }
    }
    store->entry = realloc(store->entry, (store->count + 1) * sizeof(*e));
    if (!store->entry)
        abort();
    e = &store->entry[store->count++];
    *e = (struct image_entry){st->st_dev, st->st_ino, (uint64_t)st->st_size, options, st->st_mtim,
                              NULL,       NULL};
    before = now_ns();
    result = image_open(store->directory, fd, options, &e->image, &error);
    if (result < 0 && result != -ENOEXEC) /* no cache: this process keeps it for itself */
        result = image_open(NULL, fd, options, &e->image, &ignored);
    if (result < 0)
        e->image = NULL;
    if (error.message[0])
        e->why = strdup(error.message);
    *spent_ns += now_ns() - before;
    *ret_why = e->why;
    return e->image;
}

const char *image_store_name(struct image_store *store, const char *name)
{
    for (size_t i = 0; i < store->name_count; i++)
        if (strcmp(store->names[i], name) == 0)
            return store->names[i];
    store->names = realloc(store->names, (store->name_count + 1) * sizeof(char *));
    if (!store->names)
        abort();
    store->names[store->name_count] = strdup(name);
    return store->names[store->name_count++];
}
