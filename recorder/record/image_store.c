/* Process-wide because a worker's runs share it; the only state that outlives a run. */
#include "recorder/record/image_store.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "recorder/base/file.h"

struct image_entry {
    uint64_t device, inode, size;
    uint32_t options;
    struct timespec modified;
    struct image *image;
    char *why; /* there is none, or no cache for it; NULL: all is well */
};

#define COPIES_MAX (256ull << 20) /* bytes, of all of them */

struct copy_entry {
    char *key;
    int fd;
};

struct image_store {
    char directory[PATH_MAX];
    struct copy_entry *copy;
    size_t copy_count;
    uint64_t copy_bytes;
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

static void forget_copies(struct image_store *store)
{
    for (size_t i = 0; i < store->copy_count; i++) {
        close_fd(&store->copy[i].fd);
        free(store->copy[i].key);
    }
    store->copy_count = 0;
    store->copy_bytes = 0;
}

int image_store_copy(struct image_store *store, const char *key, int fd, uint64_t size)
{
    cleanup_fd int copy = -1;

    for (size_t i = 0; i < store->copy_count; i++)
        if (strcmp(store->copy[i].key, key) == 0)
            return store->copy[i].fd;
    if (size > COPIES_MAX)
        return -1;
    copy = memfd_create("rrtest-file", MFD_CLOEXEC);
    if (copy < 0 || file_copy(fd, copy) < 0)
        return -1;
    if (store->copy_bytes + size > COPIES_MAX)
        forget_copies(store);
    store->copy = realloc(store->copy, (store->copy_count + 1) * sizeof(*store->copy));
    if (!store->copy)
        abort();
    store->copy_bytes += size;
    store->copy[store->copy_count] = (struct copy_entry){strdup(key), take_fd(&copy)};
    return store->copy[store->copy_count++].fd;
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
