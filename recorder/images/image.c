/* The image object and its lookup functions. */
#include "recorder/images/image.h"

#include <errno.h>

int image_open(const char *directory, int fd, struct image **ret_image, struct rr_error *error)
{
    (void)directory;
    (void)fd;
    *ret_image = NULL;
    rr_error_set(error, -EOPNOTSUPP, "images are not rewritten yet");
    return 0;
}

int image_load(int cache_fd, struct image **ret_image, struct rr_error *error)
{
    (void)cache_fd;
    *ret_image = NULL;
    return rr_error_set(error, -EBADMSG, "not an image");
}

void image_free(struct image *image)
{
    (void)image;
}

int image_fd(const struct image *image)
{
    (void)image;
    return -1;
}

const char *image_hash(const struct image *image)
{
    (void)image;
    return "";
}

uint64_t image_generation(const struct image *image)
{
    (void)image;
    return 0;
}

size_t image_segment_count(const struct image *image)
{
    (void)image;
    return 0;
}

const struct image_segment *image_segment(const struct image *image, size_t index)
{
    (void)image;
    (void)index;
    return NULL;
}

int64_t image_stub_displacement(const struct image *image)
{
    (void)image;
    return 0;
}

struct image_where image_locate(const struct image *image, uint64_t address)
{
    (void)image;
    return (struct image_where){.place = IMAGE_OUTSIDE, .original = address};
}

void image_statistics(const struct image *image, struct image_statistics *ret)
{
    (void)image;
    *ret = (struct image_statistics){0};
}

void image_describe(const struct image *image, FILE *out)
{
    (void)image;
    (void)out;
}
