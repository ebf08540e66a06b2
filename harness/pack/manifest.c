/* The text of trace/contents: a line that names format and version, a line per file, a checksum. */
#include "harness/pack/manifest.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "recorder/base/text.h"

#define HEAD "rrtest pack 1\n"
#define HEAD_ANY "rrtest pack "
#define TAIL " end\n"
#define HEX_DIGITS 16
#define IMAGES "images/"
#define IMAGE_DIGITS_MIN 4 /* of the number in an image's name */
#define IMAGE_DIGITS_MAX 10

static const char *const required[] = {"data.zst", "events.zst", "images/index", "meta.json"};
static const char *const optional[] = {"stderr", "stdout"}; /* for people; nothing needs them */

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

void manifest_done(struct manifest *manifest)
{
    free(manifest->entries);
    *manifest = (struct manifest){0};
}

static bool is_hex(const char *text, size_t length)
{
    return strspn(text, "0123456789abcdef") >= length;
}

static bool is_image(const char *name)
{
    size_t digits;

    if (strncmp(name, IMAGES, strlen(IMAGES)) != 0)
        return false;
    name += strlen(IMAGES);
    digits = strspn(name, "0123456789");
    return digits >= IMAGE_DIGITS_MIN && digits <= IMAGE_DIGITS_MAX && name[digits] == '-' &&
           strlen(name + digits + 1) == HEX_DIGITS && is_hex(name + digits + 1, HEX_DIGITS);
}

static bool is_among(const char *const *names, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(names[i], name) == 0)
            return true;
    }
    return false;
}

bool manifest_is_name(const char *name)
{
    return is_among(required, COUNT(required), name) || is_among(optional, COUNT(optional), name) ||
           is_image(name);
}

int manifest_add(struct manifest *manifest, const struct manifest_entry *entry)
{
    struct manifest_entry *entries = manifest->entries;
    size_t count = manifest->count;

    if (!manifest_is_name(entry->name) ||
        (count > 0 && strcmp(entries[count - 1].name, entry->name) >= 0))
        return -EINVAL;
    if (entry->length > INT64_MAX - manifest->bytes) /* an off_t can hold the sum */
        return -EOVERFLOW;
    if ((count & (count - 1)) == 0) { /* room is doubled at 1, 2, 4... */
        entries = reallocarray(entries, count ? 2 * count : 1, sizeof(*entries));
        if (!entries)
            return -ENOMEM;
        manifest->entries = entries;
    }
    entries[manifest->count++] = *entry;
    manifest->bytes += entry->length;
    return 0;
}

void manifest_format(const struct manifest *manifest, struct bytes *ret)
{
    char line[128];

    text_append(ret, HEAD);
    for (size_t i = 0; i < manifest->count; i++) {
        const struct manifest_entry *e = &manifest->entries[i];

        snprintf(line, sizeof(line), "%016" PRIx64 " %" PRIu64 " %s\n", e->hash, e->length,
                 e->name);
        text_append(ret, line);
    }
    snprintf(line, sizeof(line), "%016" PRIx64 TAIL, bytes_hash(ret->data, ret->length, 0));
    text_append(ret, line);
}

/* 16 hexadecimal digits and a space; what follows, or NULL. end is where the text ends. */
static const char *get_hash(const char *at, const char *end, uint64_t *ret)
{
    char digits[HEX_DIGITS + 1] = "";

    if (end - at <= HEX_DIGITS || at[HEX_DIGITS] != ' ')
        return NULL;
    memcpy(digits, at, HEX_DIGITS);
    if (!is_hex(digits, HEX_DIGITS))
        return NULL;
    *ret = strtoull(digits, NULL, 16);
    return at + HEX_DIGITS + 1;
}

/* A number as "%u" writes it, and a space. */
static const char *get_length(const char *at, const char *end, uint64_t *ret)
{
    const char *first = at;
    uint64_t value = 0;

    for (; at < end && *at >= '0' && *at <= '9'; at++) {
        if (__builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, (uint64_t)(*at - '0'), &value))
            return NULL;
    }
    if (at == first || at == end || *at != ' ' || (*first == '0' && at - first > 1))
        return NULL;
    *ret = value;
    return at + 1;
}

static int parse_line(const char *at, const char *end, struct manifest *manifest)
{
    struct manifest_entry entry = {0};
    int error;

    at = get_hash(at, end, &entry.hash);
    if (at)
        at = get_length(at, end, &entry.length);
    if (!at || end - at >= MANIFEST_NAME_MAX || memchr(at, '\0', (size_t)(end - at)))
        return -EBADMSG;
    memcpy(entry.name, at, (size_t)(end - at));
    error = manifest_add(manifest, &entry);
    return error == 0 || error == -ENOMEM ? error : -EBADMSG;
}

static bool is_whole(const struct manifest *manifest)
{
    size_t found = 0;

    for (size_t i = 0; i < manifest->count; i++)
        found += is_among(required, COUNT(required), manifest->entries[i].name);
    return found == COUNT(required);
}

/* Where the checksum's line begins, which ends the text; NULL: there is no right one. */
static const char *find_tail(const char *text, size_t length)
{
    const size_t size = HEX_DIGITS + strlen(TAIL);
    const char *tail;
    uint64_t hash;

    if (length < strlen(HEAD) + size)
        return NULL;
    tail = text + length - size;
    if (memcmp(tail + HEX_DIGITS, TAIL, strlen(TAIL)) != 0 ||
        !get_hash(tail, text + length, &hash) || hash != bytes_hash(text, length - size, 0))
        return NULL;
    return tail;
}

int manifest_parse(const char *text, size_t length, struct manifest *ret)
{
    struct manifest manifest = {0};
    const char *tail = find_tail(text, length), *at, *end;
    int error = 0;

    if (!tail || memcmp(text, HEAD_ANY, strlen(HEAD_ANY)) != 0)
        return -EBADMSG;
    if (memcmp(text, HEAD, strlen(HEAD)) != 0)
        return -EPROTONOSUPPORT;
    for (at = text + strlen(HEAD); !error && at < tail; at = end + 1) {
        end = memchr(at, '\n', (size_t)(tail - at));
        if (!end) {
            error = -EBADMSG;
            break;
        }
        error = parse_line(at, end, &manifest);
    }
    if (!error && !is_whole(&manifest))
        error = -EBADMSG;
    if (error) {
        manifest_done(&manifest);
        return error;
    }
    *ret = manifest;
    return 0;
}
