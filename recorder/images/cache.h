/* The cache file: one rewritten image, its maps and statistics, immutable once written.
 *
 *      page 0      struct cache_header
 *      tables      segments, windows, order, maps, cold parts, refusals (each 8-aligned)
 *      pages       contents of the segments, each page-aligned
 *
 * All integers little-endian, all addresses relative to the image's base. A file is written under
 * a temporary name and renamed, so a reader sees all of it or nothing. */
#ifndef RECORDER_IMAGES_CACHE_H
#define RECORDER_IMAGES_CACHE_H

#include <stdbool.h>
#include <stdint.h>

#include "recorder/base/bytes.h"
#include "recorder/base/error.h"
#include "recorder/images/image.h"
#include "recorder/images/stub.h"

#define CACHE_MAGIC "RRIMAGE"
/* Bump on any change of the layout below. */
#define CACHE_FORMAT 5
/* Bump whenever the same file would be rewritten differently. */
#define REWRITER_VERSION 13

enum cache_table {
    TABLE_SEGMENTS, /* struct image_segment */
    TABLE_WINDOWS,  /* struct cache_window, by start */
    TABLE_ORDER,    /* uint32_t: indices of windows, by hot */
    TABLE_HOT_MAP,  /* struct stub_map */
    TABLE_COLD,     /* struct cache_cold, by cold */
    TABLE_COLD_MAP, /* struct stub_map */
    TABLE_REFUSALS, /* struct cache_refusal */
    TABLE_COUNT
};

struct cache_window {
    uint32_t start; /* from the image's base */
    uint32_t hot;   /* from the base shifted by the displacement */
    uint32_t map;   /* first entry in TABLE_HOT_MAP */
    uint16_t hot_size;
    uint16_t map_count;
    uint8_t length; /* bytes overwritten */
    uint8_t kind;   /* enum image_point */
    uint8_t entry;  /* offset in the hot part at which the window enters it */
    uint8_t edge;   /* a branch led through the stub on its way to `target`, itself unmoved */
    uint32_t target;
    uint8_t trap;    /* an int3 instead of a jump */
    uint8_t dormant; /* the jump is not in the text: it is written at run time */
    uint16_t zero;
};

struct cache_cold {
    uint32_t cold; /* from the base shifted by the displacement */
    uint32_t window;
    uint32_t map;
    uint16_t size;
    uint16_t map_count;
};

struct cache_refusal {
    uint32_t start; /* from the image's base */
    uint8_t site;   /* enum refusal_site, or SITE_COUNT: a range */
    uint8_t reason; /* enum refusal_reason */
    uint16_t zero;
};

/* What identifies the file an image was made from. */
struct cache_source {
    uint64_t size;
    uint64_t hash[2]; /* of all its bytes */
    uint64_t options; /* enum image_option */
};

struct cache_header {
    char magic[8];
    uint32_t format;
    uint32_t rewriter;
    uint32_t page_version;
    uint32_t zero;
    uint64_t file_size;
    uint64_t generation;
    struct cache_source source;
    uint64_t base; /* virtual address that offsets count from */
    int64_t displacement;
    struct {
        uint64_t offset;
        uint64_t count;
    } tables[TABLE_COUNT];
    struct image_statistics statistics;
    uint64_t content_hash[2]; /* of everything behind the header's page */
    uint64_t header_hash;     /* of everything above */
};

/* The mapped file. */
struct image {
    int fd;
    const uint8_t *data;
    uint64_t size;
    const struct cache_header *header;
    const void *tables[TABLE_COUNT];
    char hash[33];
};

/* Take over fd. Checks the header and every bound; with `deep` also all checksums and the order
 * of the tables. -EBADMSG with a message when anything is wrong. */
int cache_map(int fd, bool deep, struct image **ret, struct rr_error *error);

/* Name of the file for a source in a cache directory. */
void cache_name(const struct cache_source *source, char *ret, size_t size);

/* The image of the file open at fd as an earlier open of the same inode left it, without reading
 * the file; -ENOENT. */
int cache_find(int directory, int fd, uint32_t options, struct image **ret);
/* By content; -ENOENT. */
int cache_find_source(int directory, int fd, const struct cache_source *source, struct image **ret);
/* Write a finished file (a racing writer's equal one may win) and open it. */
int cache_store(int directory, int fd, const struct cache_source *source,
                const struct bytes *contents, struct image **ret, struct rr_error *error);
/* Without a directory: an anonymous file. */
int cache_anonymous(const struct bytes *contents, struct image **ret, struct rr_error *error);

/* Finish a file whose tables and pages are in place: sizes, checksums. */
void cache_seal(struct bytes *contents);

#endif
