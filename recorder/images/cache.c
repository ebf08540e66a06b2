/* Reading, checking and writing cache files, and the directory that holds them. */
#include "recorder/images/cache.h"

#include <errno.h>
#include <fcntl.h>
#include <rrtest/recorder_page.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "recorder/base/file.h"
#include "recorder/base/types.h"
#include "recorder/images/memory.h"

static const size_t element_size[TABLE_COUNT] = {
    [TABLE_SEGMENTS] = sizeof(struct image_segment),
    [TABLE_WINDOWS] = sizeof(struct cache_window),
    [TABLE_ORDER] = sizeof(uint32_t),
    [TABLE_HOT_MAP] = sizeof(struct stub_map),
    [TABLE_COLD] = sizeof(struct cache_cold),
    [TABLE_COLD_MAP] = sizeof(struct stub_map),
    [TABLE_REFUSALS] = sizeof(struct cache_refusal),
};

static uint64_t hash_header(const struct cache_header *h)
{
    return bytes_hash(h, offsetof(struct cache_header, header_hash), 3);
}

void cache_seal(struct bytes *contents)
{
    struct cache_header h;
    const uint8_t *body = contents->data + TRACEE_PAGE_SIZE;
    size_t size = contents->length - TRACEE_PAGE_SIZE;

    memcpy(&h, contents->data, sizeof(h));
    h.file_size = contents->length;
    h.content_hash[0] = bytes_hash(body, size, 1);
    h.content_hash[1] = bytes_hash(body, size, 2);
    h.header_hash = hash_header(&h);
    memcpy(contents->data, &h, sizeof(h));
}

static bool header_ok(const struct image *image)
{
    const struct cache_header *h = image->header;

    return memcmp(h->magic, CACHE_MAGIC, sizeof(h->magic)) == 0 && h->format == CACHE_FORMAT &&
           h->page_version == RECORDER_PAGE_VERSION && h->file_size == image->size &&
           h->header_hash == hash_header(h);
}

static bool tables_ok(struct image *image)
{
    for (int t = 0; t < TABLE_COUNT; t++) {
        uint64_t offset = image->header->tables[t].offset;
        uint64_t count = image->header->tables[t].count;

        if (offset % 8 != 0 || offset > image->size || count > UINT32_MAX ||
            count * element_size[t] > image->size - offset)
            return false;
        image->tables[t] = image->data + offset;
    }
    return image->header->tables[TABLE_ORDER].count == image->header->tables[TABLE_WINDOWS].count;
}

static bool segments_ok(const struct image *image)
{
    const struct image_segment *s = image->tables[TABLE_SEGMENTS];

    for (uint64_t i = 0; i < image->header->tables[TABLE_SEGMENTS].count; i++, s++)
        if (s->address % TRACEE_PAGE_SIZE || s->length % TRACEE_PAGE_SIZE || s->length == 0 ||
            s->cache_offset % TRACEE_PAGE_SIZE || s->cache_offset > image->size ||
            s->length > image->size - s->cache_offset ||
            (s->file_offset != UINT64_MAX && s->file_offset % TRACEE_PAGE_SIZE))
            return false;
    return true;
}

/* The page behind the header structure is zero: no byte of the file goes unchecked. */
static bool padding_ok(const struct image *image)
{
    for (size_t i = sizeof(struct cache_header); i < TRACEE_PAGE_SIZE; i++)
        if (image->data[i] != 0)
            return false;
    return true;
}

static bool windows_ok(const struct image *image)
{
    const struct cache_window *w = image->tables[TABLE_WINDOWS];
    const uint32_t *order = image->tables[TABLE_ORDER];
    const struct cache_cold *cold = image->tables[TABLE_COLD];
    uint64_t count = image->header->tables[TABLE_WINDOWS].count;
    uint64_t end = 0;

    for (uint64_t i = 0; i < count; i++) {
        if (w[i].start < end || order[i] >= count || (w[i].length < WINDOW_JUMP && !w[i].trap))
            return false;
        end = (uint64_t)w[i].start + w[i].length;
    }
    end = 0;
    for (uint64_t i = 0; i < count; i++) {
        if (w[order[i]].hot < end)
            return false;
        end = (uint64_t)w[order[i]].hot + w[order[i]].hot_size;
    }
    end = 0;
    for (uint64_t i = 0; i < image->header->tables[TABLE_COLD].count; i++) {
        if (cold[i].cold < end || cold[i].window >= count)
            return false;
        end = (uint64_t)cold[i].cold + cold[i].size;
    }
    return true;
}

static bool content_ok(const struct image *image)
{
    const uint8_t *body = image->data + TRACEE_PAGE_SIZE;
    uint64_t size = image->size - TRACEE_PAGE_SIZE;

    return bytes_hash(body, size, 1) == image->header->content_hash[0] &&
           bytes_hash(body, size, 2) == image->header->content_hash[1];
}

static int map_file(struct image *image, struct rr_error *error)
{
    struct stat st;
    void *data;

    if (fstat(image->fd, &st) < 0)
        return rr_error_set(error, -errno, "image cache file: %s", strerror(errno));
    if (st.st_size < (off_t)TRACEE_PAGE_SIZE)
        return rr_error_set(error, -EBADMSG, "image cache file: cut short");
    image->size = (uint64_t)st.st_size;
    data = mmap(NULL, image->size, PROT_READ, MAP_PRIVATE, image->fd, 0);
    if (data == MAP_FAILED)
        return rr_error_set(error, -errno, "image cache file: mmap: %s", strerror(errno));
    image->data = data;
    image->header = data;
    return 0;
}

int cache_map(int fd, bool deep, struct image **ret, struct rr_error *error)
{
    struct image *image = memory_zeroed(1, sizeof(*image));
    int result;

    image->fd = fd;
    result = map_file(image, error);
    if (!result && !header_ok(image))
        result = rr_error_set(error, -EBADMSG,
                              "image cache file: damaged header, or of another "
                              "version");
    if (!result && (!tables_ok(image) || !segments_ok(image)))
        result = rr_error_set(error, -EBADMSG, "image cache file: tables out of bounds");
    if (!result && deep && (!padding_ok(image) || !content_ok(image) || !windows_ok(image)))
        result = rr_error_set(error, -EBADMSG, "image cache file: wrong checksum");
    if (result) {
        image_free(image);
        return result;
    }
    snprintf(image->hash, sizeof(image->hash), "%016llx%016llx",
             (unsigned long long)image->header->header_hash,
             (unsigned long long)image->header->content_hash[0]);
    *ret = image;
    return 0;
}

void cache_name(const struct cache_source *source, char *ret, size_t size)
{
    snprintf(ret, size, "%016llx%016llx-%llx-%llx.v%d.%d.%d", (unsigned long long)source->hash[0],
             (unsigned long long)source->hash[1], (unsigned long long)source->size,
             (unsigned long long)source->options, CACHE_FORMAT, REWRITER_VERSION,
             RECORDER_PAGE_VERSION);
}

/* The name of the shortcut for one state of one inode. Its change time moves with every write, so
 * an equal name means equal contents, unless the file was changed twice within one tick of the
 * file system's clock: make_shortcut leaves out files that young. */
static int shortcut_name(int fd, uint64_t options, char *ret, size_t size, bool *ret_settled)
{
    struct timespec now;
    struct stat st;
    uint64_t key[8];

    if (fstat(fd, &st) < 0)
        return -errno;
    clock_gettime(CLOCK_REALTIME, &now);
    *ret_settled = now.tv_sec > st.st_ctim.tv_sec + 1;
    key[0] = (uint64_t)st.st_dev;
    key[1] = (uint64_t)st.st_ino;
    key[2] = (uint64_t)st.st_size;
    key[3] = (uint64_t)st.st_mtim.tv_sec;
    key[4] = (uint64_t)st.st_mtim.tv_nsec;
    key[5] = (uint64_t)st.st_ctim.tv_sec;
    key[6] = (uint64_t)st.st_ctim.tv_nsec;
    key[7] = options;
    snprintf(ret, size, "inode-%016llx%016llx.v%d.%d.%d",
             (unsigned long long)bytes_hash(key, sizeof(key), 1),
             (unsigned long long)bytes_hash(key, sizeof(key), 2), CACHE_FORMAT, REWRITER_VERSION,
             RECORDER_PAGE_VERSION);
    return 0;
}

static int open_image(int directory, const char *name, struct image **ret)
{
    int fd = openat(directory, name, O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        return -errno;
    return cache_map(fd, false, ret, NULL);
}

int cache_find(int directory, int fd, uint32_t options, struct image **ret)
{
    struct stat st;
    struct image *image;
    char name[128];
    bool settled;
    int result = shortcut_name(fd, options, name, sizeof(name), &settled);

    if (result)
        return result;
    result = open_image(directory, name, &image);
    if (result)
        return -ENOENT;
    if (fstat(fd, &st) < 0 || image->header->source.size != (uint64_t)st.st_size) {
        image_free(image);
        return -ENOENT;
    }
    *ret = image;
    return 0;
}

static void make_shortcut(int directory, int fd, uint64_t options, const char *target)
{
    char name[128], temporary[192];
    bool settled;

    if (shortcut_name(fd, options, name, sizeof(name), &settled) || !settled)
        return;
    snprintf(temporary, sizeof(temporary), "tmp-%s-%d", name, (int)getpid());
    unlinkat(directory, temporary, 0);
    if (symlinkat(target, directory, temporary) == 0 &&
        renameat(directory, temporary, directory, name) < 0)
        unlinkat(directory, temporary, 0);
}

int cache_find_source(int directory, int fd, const struct cache_source *source, struct image **ret)
{
    char name[128];
    int result;

    cache_name(source, name, sizeof(name));
    result = open_image(directory, name, ret);
    if (result)
        return -ENOENT;
    if (memcmp(&(*ret)->header->source, source, sizeof(*source)) != 0) {
        image_free(*ret);
        *ret = NULL;
        return -ENOENT;
    }
    make_shortcut(directory, fd, source->options, name);
    return 0;
}

/* Written whole and on disk before it gets its name: a crash leaves no file with holes. */
static int write_named(int directory, const char *name, const struct bytes *contents)
{
    char temporary[192];
    int result;
    int fd;

    snprintf(temporary, sizeof(temporary), "tmp-%s-%d-%p", name, (int)getpid(),
             (const void *)contents);
    unlinkat(directory, temporary, 0);
    fd = openat(directory, temporary, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    if (fd < 0)
        return -errno;
    result = file_write_all(fd, contents->data, contents->length);
    if (!result && fdatasync(fd) < 0)
        result = -errno;
    if (!result && renameat(directory, temporary, directory, name) < 0)
        result = -errno;
    if (result)
        unlinkat(directory, temporary, 0);
    close_fd(&fd);
    return result;
}

int cache_store(int directory, int fd, const struct cache_source *source,
                const struct bytes *contents, struct image **ret, struct rr_error *error)
{
    char name[128];
    int result;

    cache_name(source, name, sizeof(name));
    result = write_named(directory, name, contents);
    if (!result)
        result = open_image(directory, name, ret);
    if (result)
        return rr_error_set(error, result, "image cache: %s: %s", name, strerror(-result));
    make_shortcut(directory, fd, source->options, name);
    return 0;
}

int cache_anonymous(const struct bytes *contents, struct image **ret, struct rr_error *error)
{
    int fd = memfd_create("rrtest-image", MFD_CLOEXEC);
    int result;

    if (fd < 0)
        return rr_error_set(error, -errno, "memfd_create: %s", strerror(errno));
    result = file_write_all(fd, contents->data, contents->length);
    if (result) {
        close_fd(&fd);
        return rr_error_set(error, result, "writing an image: %s", strerror(-result));
    }
    return cache_map(fd, false, ret, error);
}
