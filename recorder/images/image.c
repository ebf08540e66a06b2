/* The image object: opening, and finding addresses in its maps. */
#include "recorder/images/image.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "recorder/base/bytes.h"
#include "recorder/base/file.h"
#include "recorder/images/cache.h"
#include "recorder/images/elf_file.h"
#include "recorder/images/rewrite.h"

static int rewrite_file(int directory, int fd, uint32_t options, struct image **ret,
                        struct rr_error *error)
{
    struct cache_source source;
    struct elf_file elf;
    struct bytes contents;
    int result = elf_file_read(fd, &elf, error);

    if (result)
        return result;
    source.size = elf.size;
    source.options = options;
    source.hash[0] = bytes_hash(elf.data, elf.size, 1);
    source.hash[1] = bytes_hash(elf.data, elf.size, 2);
    if (directory >= 0 && cache_find_source(directory, fd, &source, ret) == 0) {
        elf_file_done(&elf);
        return 0;
    }
    bytes_init(&contents);
    result = rewrite_image(&elf, &source, &contents, error);
    elf_file_done(&elf);
    /* A cache that cannot be written (full, read-only) costs time, not the run. */
    if (!result &&
        (directory < 0 || cache_store(directory, fd, &source, &contents, ret, error) < 0))
        result = cache_anonymous(&contents, ret, error);
    bytes_done(&contents);
    return result;
}

int image_open(const char *directory, int fd, uint32_t options, struct image **ret_image,
               struct rr_error *error)
{
    cleanup_fd int cache = -1;
    int result;

    *ret_image = NULL;
    if (directory) {
        cache = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (cache < 0 && errno == ENOENT && file_make_directories(directory, 0755) == 0)
            cache = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (cache < 0)
            rr_error_set(error, -errno, "image cache %s: %s", directory, strerror(errno));
        else if (cache_find(cache, fd, options, ret_image) == 0)
            return 0;
    }
    result = rewrite_file(cache, fd, options, ret_image, error);
    return result == -EOPNOTSUPP ? 0 : result;
}

int image_load(int cache_fd, struct image **ret_image, struct rr_error *error)
{
    int fd = fcntl(cache_fd, F_DUPFD_CLOEXEC, 0);

    *ret_image = NULL;
    if (fd < 0)
        return rr_error_set(error, -errno, "image cache file: %s", strerror(errno));
    return cache_map(fd, true, ret_image, error);
}

void image_free(struct image *image)
{
    if (!image)
        return;
    if (image->data)
        munmap((void *)(uintptr_t)image->data, image->size);
    close_fd(&image->fd);
    free(image);
}

int image_fd(const struct image *image)
{
    return image->fd;
}

const char *image_hash(const struct image *image)
{
    return image->hash;
}

size_t image_segment_count(const struct image *image)
{
    return image->header->tables[TABLE_SEGMENTS].count;
}

const struct image_segment *image_segment(const struct image *image, size_t index)
{
    return (const struct image_segment *)image->tables[TABLE_SEGMENTS] + index;
}

int64_t image_stub_displacement(const struct image *image)
{
    return image->header->displacement;
}

void image_statistics(const struct image *image, struct image_statistics *ret)
{
    *ret = image->header->statistics;
}

static const struct stub_map *map_entries(const struct image *image, enum cache_table table,
                                          uint32_t first, uint32_t count)
{
    /* Only a file damaged behind its header can fail this. */
    if (first > image->header->tables[table].count ||
        count > image->header->tables[table].count - first)
        return NULL;
    return (const struct stub_map *)image->tables[table] + first;
}

static void fill_window(const struct image *image, const struct cache_window *w,
                        struct image_where *ret)
{
    ret->start = image->header->base + w->start;
    ret->end = ret->start + w->length;
    ret->point = (enum image_point)w->kind;
    ret->dormant = w->dormant;
}

/* The copy of the instruction at `address`, or of its point. */
static uint64_t copy_of(const struct image *image, const struct cache_window *w, uint64_t address)
{
    const struct stub_map *map = map_entries(image, TABLE_HOT_MAP, w->map, w->map_count);
    uint64_t distance = address - (image->header->base + w->start);

    for (uint32_t i = 0; map && i < w->map_count; i++)
        if (map[i].original == distance && map[i].at >= w->entry)
            return image->header->base + (uint64_t)image->header->displacement + w->hot + map[i].at;
    return 0;
}

static bool locate_window(const struct image *image, uint64_t address, struct image_where *ret)
{
    const struct cache_window *windows = image->tables[TABLE_WINDOWS];
    uint64_t at = address - image->header->base;
    size_t low = 0, high = image->header->tables[TABLE_WINDOWS].count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (windows[middle].start <= at)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == 0 || at - windows[low - 1].start >= windows[low - 1].length || windows[low - 1].edge)
        return false;
    fill_window(image, &windows[low - 1], ret);
    ret->original = address;
    ret->place = address == ret->start ? IMAGE_START : IMAGE_INTERIOR;
    ret->copy = copy_of(image, &windows[low - 1], address);
    ret->trap = windows[low - 1].trap && ret->place == IMAGE_START;
    return true;
}

static void locate_in_part(const struct image *image, const struct cache_window *w,
                           const struct stub_map *map, uint32_t count, uint32_t at,
                           struct image_where *ret)
{
    uint32_t i = 0;

    fill_window(image, w, ret);
    while (i + 1 < count && map[i + 1].at <= at)
        i++;
    ret->original = ret->start + map[i].original;
    if (w->edge)
        ret->original = image->header->base + w->target;
    ret->place = map[i].state == STATE_BODY ? IMAGE_STUB_BODY : IMAGE_STUB_HEAD;
    ret->exact =
        map[i].at == at && (map[i].state == STATE_BODY ||
                            (map[i].state == STATE_HEAD && map[i].point == IMAGE_POINT_CALL));
    ret->counted = map[i].state == STATE_COUNTED || map[i].state == STATE_COUNTED_SPILLED;
    ret->spilled = map[i].state == STATE_HEAD_SPILLED || map[i].state == STATE_COUNTED_SPILLED;
    if (map[i].state != STATE_BODY)
        ret->point = (enum image_point)map[i].point;
}

static bool locate_hot(const struct image *image, uint64_t at, struct image_where *ret)
{
    const struct cache_window *windows = image->tables[TABLE_WINDOWS];
    const uint32_t *order = image->tables[TABLE_ORDER];
    size_t count = image->header->tables[TABLE_WINDOWS].count, low = 0, high = count;
    const struct cache_window *w;
    const struct stub_map *map;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (order[middle] < count && windows[order[middle]].hot <= at)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == 0)
        return false;
    w = &windows[order[low - 1]];
    map = map_entries(image, TABLE_HOT_MAP, w->map, w->map_count);
    if (at - w->hot >= w->hot_size || !map || w->map_count == 0)
        return false;
    locate_in_part(image, w, map, w->map_count, (uint32_t)(at - w->hot), ret);
    return true;
}

static bool locate_cold(const struct image *image, uint64_t at, struct image_where *ret)
{
    const struct cache_cold *cold = image->tables[TABLE_COLD];
    const struct cache_window *windows = image->tables[TABLE_WINDOWS];
    size_t low = 0, high = image->header->tables[TABLE_COLD].count;
    const struct stub_map *map;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (cold[middle].cold <= at)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == 0 || at - cold[low - 1].cold >= cold[low - 1].size ||
        cold[low - 1].window >= image->header->tables[TABLE_WINDOWS].count)
        return false;
    cold += low - 1;
    map = map_entries(image, TABLE_COLD_MAP, cold->map, cold->map_count);
    if (!map || cold->map_count == 0)
        return false;
    locate_in_part(image, &windows[cold->window], map, cold->map_count, (uint32_t)(at - cold->cold),
                   ret);
    return true;
}

struct image_where image_locate(const struct image *image, uint64_t address)
{
    struct image_where where = {.place = IMAGE_OUTSIDE, .original = address};
    uint64_t at = address - image->header->base - (uint64_t)image->header->displacement;

    if (locate_window(image, address, &where))
        return where;
    if (at <= UINT32_MAX && !locate_hot(image, at, &where))
        locate_cold(image, at, &where);
    return where;
}

bool image_refuses_call(const struct image *image, uint64_t address)
{
    const struct cache_refusal *refusals = image->tables[TABLE_REFUSALS];
    uint64_t at = address - image->header->base;

    for (uint64_t i = 0; i < image->header->tables[TABLE_REFUSALS].count; i++)
        if (refusals[i].site == SITE_CALL && refusals[i].start == at)
            return true;
    return false;
}
