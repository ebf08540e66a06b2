/* Contents of mapped files: placing, hashing, and the lines of the index. */
#include "recorder/trace/store.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "recorder/base/file.h"
#include "recorder/base/text.h"
#include "recorder/trace/json.h"

#define BLOCK 65536

static const char *const kind_names[] = {
    [TRACE_FILE_CONTENT] = "content",
    [TRACE_FILE_IMAGE] = "image",
    [TRACE_FILE_SHARED] = "shared",
};
#define KIND_COUNT (sizeof(kind_names) / sizeof(kind_names[0]))

void store_file_name(const struct store_entry *entry, uint32_t id, char ret[STORE_NAME_MAX])
{
    snprintf(ret, STORE_NAME_MAX, "%04" PRIu32 "-%016" PRIx64, id, entry->hash);
}

static bool is_zero(const uint8_t *data, size_t length)
{
    return data[0] == 0 && memcmp(data, data + 1, length - 1) == 0;
}

/* One whole block, or what is left before the end of the file. */
static ssize_t read_block(int fd, uint8_t *block, uint64_t offset)
{
    size_t length = 0;

    while (length < BLOCK) {
        ssize_t n = pread(fd, block + length, BLOCK - length, (off_t)(offset + length));

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        if (n == 0)
            break;
        length += (size_t)n;
    }
    return (ssize_t)length;
}

/* Hash the content of from and, if to >= 0, copy it there. The hash is that of the bytes copied,
 * even if the file changes meanwhile. */
static int copy_and_hash(int from, int to, uint64_t *ret_length, uint64_t *ret_hash)
{
    uint8_t *block = malloc(BLOCK);
    uint64_t offset = 0, hash = 0;
    int error = 0;
    ssize_t n;

    if (!block)
        return -ENOMEM;
    while ((n = read_block(from, block, offset)) > 0) {
        hash = bytes_hash(block, (size_t)n, hash);
        if (to >= 0 && !is_zero(block, (size_t)n)) {
            error = file_pwrite_all(to, block, (size_t)n, offset);
            if (error)
                break;
        }
        offset += (uint64_t)n;
    }
    free(block);
    if (n < 0)
        error = (int)n;
    if (!error && to >= 0 && ftruncate(to, (off_t)offset) < 0)
        error = -errno;
    if (error)
        return error;
    *ret_length = offset;
    *ret_hash = hash;
    return 0;
}

int store_hash(int fd, uint64_t *ret_length, uint64_t *ret_hash)
{
    return copy_and_hash(fd, -1, ret_length, ret_hash);
}

static int place_link(int images, int fd, const char *part)
{
    char path[32];

    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    return linkat(AT_FDCWD, path, images, part, AT_SYMLINK_FOLLOW) < 0 ? -errno : 0;
}

static int place_copy(int images, int fd, const char *part, struct store_entry *entry)
{
    cleanup_fd int to = openat(images, part, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666);

    if (to < 0)
        return -errno;
    if (ioctl(to, FICLONE, fd) == 0)
        return store_hash(to, &entry->length, &entry->hash);
    return copy_and_hash(fd, to, &entry->length, &entry->hash);
}

int store_place(int images, int fd, uint32_t id, struct store_entry *entry)
{
    char part[STORE_NAME_MAX], name[STORE_NAME_MAX];
    int error;

    snprintf(part, sizeof(part), "%04" PRIu32 ".part", id);
    if (entry->kind == TRACE_FILE_IMAGE && place_link(images, fd, part) == 0)
        error = store_hash(fd, &entry->length, &entry->hash);
    else
        error = place_copy(images, fd, part, entry);
    if (!error) {
        store_file_name(entry, id, name);
        error = renameat(images, part, images, name) < 0 ? -errno : 0;
    }
    if (error)
        unlinkat(images, part, 0);
    return error;
}

void store_put_line(struct bytes *b, uint32_t id, const struct store_entry *entry, uint64_t *chain)
{
    struct bytes line;
    char checksum[32];

    bytes_init(&line);
    text_append(&line, "{\"id\": ");
    json_put_u64(&line, id);
    text_append(&line, ", \"kind\": ");
    json_put_string(&line, kind_names[entry->kind]);
    text_append(&line, ", \"length\": ");
    json_put_u64(&line, entry->length);
    text_append(&line, ", \"hash\": ");
    json_put_hex64(&line, entry->hash);
    text_append(&line, ", \"changed\": ");
    text_append(&line, entry->changed ? "true" : "false");
    text_append(&line, ", \"name\": ");
    json_put_string(&line, entry->name);
    text_append(&line, "}");
    *chain = bytes_hash(line.data, line.length, *chain);
    snprintf(checksum, sizeof(checksum), "%016" PRIx64 " ", *chain);
    text_append(b, checksum);
    bytes_append(b, line.data, line.length);
    text_append(b, "\n");
    bytes_done(&line);
}

static int get_entry(const struct json *object, uint32_t id, struct store_entry *ret)
{
    const struct json *kind = json_get(object, "kind"), *changed = json_get(object, "changed");
    struct store_entry entry = {0};
    uint64_t number;
    size_t index;

    if (json_get_u64(json_get(object, "id"), &number) || number != id)
        return -EBADMSG;
    if (!kind || kind->kind != JSON_STRING || !changed || changed->kind != JSON_BOOL)
        return -EBADMSG;
    for (index = 0; index < KIND_COUNT && strcmp(kind->string, kind_names[index]) != 0; index++)
        ;
    if (index == KIND_COUNT)
        return -EBADMSG;
    entry.kind = (enum trace_file_kind)index;
    entry.changed = changed->boolean;
    if (json_get_u64(json_get(object, "length"), &entry.length) ||
        json_get_hex64(json_get(object, "hash"), &entry.hash))
        return -EBADMSG;
    if (json_get_string(json_get(object, "name"), &entry.name))
        return -EBADMSG;
    *ret = entry;
    return 0;
}

int store_get_line(const char *line, size_t length, uint32_t id, uint64_t *chain,
                   struct store_entry *ret)
{
    char checksum[32];
    struct json object;
    size_t offset;
    uint64_t hash;
    int error;

    if (length < 17)
        return -EBADMSG;
    hash = bytes_hash(line + 17, length - 17, *chain);
    snprintf(checksum, sizeof(checksum), "%016" PRIx64 " ", hash);
    if (memcmp(line, checksum, 17) != 0)
        return -EBADMSG;
    error = json_parse(line + 17, length - 17, &object, &offset);
    if (error)
        return error;
    error = get_entry(&object, id, ret);
    json_done(&object);
    if (!error)
        *chain = hash;
    return error;
}
