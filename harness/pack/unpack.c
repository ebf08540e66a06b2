/* Unpacking. An archive is hostile until its bytes hash to what its table of contents says; and of
 * the table too nothing is used but names that are those of a trace, and lengths that fit. */
#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "harness/pack/manifest.h"
#include "harness/pack/pack.h"
#include "recorder/base/file.h"
#include "recorder/trace/output.h"

struct unpacker {
    const char *name; /* of the file */
    const char *path; /* of the directory */
    int directory;
    struct archive *archive;
    struct manifest manifest;
    uint8_t *block;
    struct rr_error *error;
};

/* ---- errors ---- */

static int refused(struct unpacker *u, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static int refused(struct unpacker *u, const char *format, ...)
{
    char what[256];
    va_list args;

    va_start(args, format);
    vsnprintf(what, sizeof(what), format, args);
    va_end(args);
    return rr_error_set(u->error, -EBADMSG, "%s: not a sound packed trace: %s", u->name, what);
}

/* What libarchive says is its reading of bytes from anywhere: printable ASCII alone is passed on.
 */
static int unreadable(struct unpacker *u)
{
    const char *text = archive_error_string(u->archive);
    char what[128] = "";

    for (size_t i = 0; text && text[i] && i + 1 < sizeof(what); i++)
        what[i] = text[i] >= ' ' && text[i] <= '~' ? text[i] : '?';
    return refused(u, "%s", *what ? what : "the archive cannot be read");
}

static int cannot_write(struct unpacker *u, const char *name, int code)
{
    return rr_error_set(u->error, code, "cannot write %s/%s: %s", u->path, name, strerror(-code));
}

/* ---- members ---- */

static const char *printable(const char *name, char *buffer, size_t size)
{
    size_t i;

    for (i = 0; name && name[i] && i + 1 < size; i++)
        buffer[i] = name[i] >= ' ' && name[i] <= '~' ? name[i] : '?';
    buffer[i] = '\0';
    return buffer;
}

/* The next member has to be a plain file of that name and, if length is not NULL, that length. */
static int expect_member(struct unpacker *u, const char *name, const uint64_t *length,
                         struct archive_entry **ret)
{
    char shown[80];
    const char *found;
    int code = archive_read_next_header(u->archive, ret);

    if (code == ARCHIVE_EOF)
        return refused(u, "it ends before %s", name);
    if (code != ARCHIVE_OK)
        return unreadable(u);
    found = archive_entry_pathname(*ret);
    if (!found || strcmp(found, name) != 0)
        return refused(u, "expected the member %s, found '%s'", name,
                       printable(found, shown, sizeof(shown)));
    if (archive_entry_filetype(*ret) != AE_IFREG || archive_entry_hardlink(*ret) ||
        archive_entry_symlink(*ret))
        return refused(u, "%s is not a plain file in it", name);
    if (!archive_entry_size_is_set(*ret) || archive_entry_size(*ret) < 0)
        return refused(u, "%s has no length in it", name);
    if (length && (uint64_t)archive_entry_size(*ret) != *length)
        return refused(u, "%s has %lld bytes, its table of contents says %" PRIu64, name,
                       (long long)archive_entry_size(*ret), *length);
    return 0;
}

/* Exactly length bytes of the member. */
static int read_data(struct unpacker *u, uint8_t *data, size_t length, const char *name)
{
    while (length > 0) {
        la_ssize_t n = archive_read_data(u->archive, data, length);

        if (n < 0)
            return unreadable(u);
        if (n == 0)
            return refused(u, "%s is cut off", name);
        data += n;
        length -= (size_t)n;
    }
    return 0;
}

static int read_contents(struct unpacker *u)
{
    struct archive_entry *entry;
    size_t length;
    uint8_t *text;
    int result = expect_member(u, MANIFEST_NAME, NULL, &entry);

    if (result)
        return result;
    if (archive_entry_size(entry) > MANIFEST_MAX)
        return refused(u, "its table of contents is too long");
    length = (size_t)archive_entry_size(entry);
    text = malloc(length + 1);
    if (!text)
        return rr_error_set(u->error, -ENOMEM, "out of memory for %s", u->name);
    result = read_data(u, text, length, MANIFEST_NAME);
    if (!result) {
        result = manifest_parse((const char *)text, length, &u->manifest);
        if (result == -EPROTONOSUPPORT)
            rr_error_set(u->error, result, "%s: packed by a newer rrtest; use that one", u->name);
        else if (result == -ENOMEM)
            rr_error_set(u->error, result, "out of memory for %s", u->name);
        else if (result)
            refused(u, "its table of contents (" MANIFEST_NAME ") is damaged");
    }
    free(text);
    return result;
}

/* ---- files ---- */

static bool is_zero(const uint8_t *data, size_t length)
{
    return data[0] == 0 && memcmp(data, data + 1, length - 1) == 0;
}

/* Blocks of zeros stay holes, as in the trace that was packed. */
static int copy_member(struct unpacker *u, const struct manifest_entry *entry, int fd)
{
    uint64_t hash = 0, done = 0;

    while (done < entry->length) {
        uint64_t left = entry->length - done;
        size_t length = left < MANIFEST_BLOCK ? (size_t)left : MANIFEST_BLOCK;
        int result = read_data(u, u->block, length, entry->name);

        if (result)
            return result;
        hash = bytes_hash(u->block, length, hash);
        if (!is_zero(u->block, length)) {
            result = file_pwrite_all(fd, u->block, length, done);
            if (result)
                return cannot_write(u, entry->name, result);
        }
        done += length;
    }
    if (hash != entry->hash)
        return refused(u, "the checksum of %s is wrong", entry->name);
    if (ftruncate(fd, (off_t)entry->length) < 0)
        return cannot_write(u, entry->name, -errno);
    return 0;
}

static int extract_file(struct unpacker *u, const struct manifest_entry *entry)
{
    char name[sizeof(MANIFEST_PREFIX) + MANIFEST_NAME_MAX];
    struct archive_entry *member;
    cleanup_fd int fd = -1;
    int result;

    snprintf(name, sizeof(name), MANIFEST_PREFIX "%s", entry->name);
    result = expect_member(u, name, &entry->length, &member);
    if (result)
        return result;
    fd = openat(u->directory, entry->name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW,
                0666);
    return fd < 0 ? cannot_write(u, entry->name, -errno) : copy_member(u, entry, fd);
}

/* Before anything is written. Holes make the real need smaller; nobody can tell by how much. */
static int check_room(struct unpacker *u)
{
    struct statvfs status;
    uint64_t room;

    if (fstatvfs(u->directory, &status) < 0)
        return cannot_write(u, ".", -errno);
    room = (uint64_t)status.f_bavail * status.f_frsize;
    if (status.f_blocks == 0 || u->manifest.bytes <= room)
        return 0; /* file systems without a size (some FUSE ones, tmpfs) say 0 */
    return rr_error_set(u->error, -ENOSPC,
                        "%s unpacks to %" PRIu64 " MiB, the disk of %s has room for %" PRIu64
                        " MiB: free some, or choose another place (TMPDIR, or rrtest unpack -o)",
                        u->name, (u->manifest.bytes >> 20) + 1, u->path, room >> 20);
}

static int extract_all(struct unpacker *u)
{
    struct archive_entry *entry;
    int result = read_contents(u), code;

    if (!result)
        result = check_room(u);
    if (!result && mkdirat(u->directory, "images", 0777) < 0)
        result = cannot_write(u, "images", -errno);
    for (size_t i = 0; !result && i < u->manifest.count; i++)
        result = extract_file(u, &u->manifest.entries[i]);
    if (result)
        return result;
    code = archive_read_next_header(u->archive, &entry);
    if (code == ARCHIVE_EOF)
        return 0;
    return code == ARCHIVE_OK || code == ARCHIVE_WARN
               ? refused(u, "it holds more than its table of contents says")
               : unreadable(u);
}

int pack_extract(int fd, const char *name, const char *directory, struct rr_error *error)
{
    struct unpacker u = {.name = name, .path = directory, .error = error};
    int result = 0;

    u.directory = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (u.directory < 0)
        return rr_error_set(error, -errno, "cannot open %s: %s", directory, strerror(errno));
    u.archive = archive_read_new();
    u.block = malloc(MANIFEST_BLOCK);
    if (!u.archive || !u.block)
        result = rr_error_set(error, -ENOMEM, "out of memory for %s", name);
    else if (archive_read_support_filter_zstd(u.archive) != ARCHIVE_OK ||
             archive_read_support_format_tar(u.archive) != ARCHIVE_OK ||
             archive_read_open_fd(u.archive, fd, MANIFEST_BLOCK) != ARCHIVE_OK)
        result = unreadable(&u);
    if (!result)
        result = extract_all(&u);
    if (u.archive)
        archive_read_free(u.archive);
    free(u.block);
    manifest_done(&u.manifest);
    close_fd(&u.directory);
    return result;
}

int pack_unpack(const char *file, const char *directory, struct rr_error *error)
{
    cleanup_fd int fd = open(file, O_RDONLY | O_CLOEXEC);
    char *temporary;
    int result;

    if (fd < 0)
        return rr_error_set(error, -errno, "cannot open %s: %s", file, strerror(errno));
    result = output_reserve(directory, &temporary, error);
    if (result == -EEXIST)
        return rr_error_set(error, result,
                            "%s exists and is not an empty directory: remove it, or "
                            "choose another place with -o",
                            directory);
    if (result)
        return result;
    result = pack_extract(fd, file, temporary, error);
    if (!result)
        result = output_publish(temporary, directory, error);
    if (result)
        output_remove(temporary);
    free(temporary);
    return result;
}
