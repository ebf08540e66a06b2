/* Packing: check the trace, make its table of contents, write the archive aside, rename it. */
#include "harness/pack/pack.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "harness/pack/manifest.h"
#include "recorder/base/file.h"
#include "recorder/trace/store.h"
#include "recorder/trace/trace.h"

/* Images are machine code: level 9 makes them a fifth smaller than zstd's default 3. */
#define LEVEL "9"

struct packer {
    const struct pack_options *options;
    int directory;
    struct manifest manifest;
    struct archive *archive;
    struct rr_error *error;
};

bool pack_is_file(const char *path)
{
    struct stat status;

    return stat(path, &status) == 0 && S_ISREG(status.st_mode);
}

static int out_of_memory(struct packer *p)
{
    return rr_error_set(p->error, -ENOMEM, "out of memory while packing %s", p->options->trace);
}

static bool is_interrupted(const struct packer *p)
{
    const struct pack_options *o = p->options;

    return o->interrupted && o->interrupted(o->interrupted_context);
}

static int interrupted(struct packer *p)
{
    return rr_error_set(p->error, -EINTR, "interrupted; %s is not written", p->options->output);
}

/* ---- the trace ---- */

/* Read all of it, as replay would: damage is better noticed here than where the file is sent. */
static int check_events(struct packer *p, struct trace_reader *reader)
{
    struct event event;
    int result;

    do {
        if (is_interrupted(p))
            return interrupted(p);
        result = trace_reader_next(reader, &event, p->error);
    } while (result > 0);
    return result == -ENODATA ? 0 : result; /* what a killed recorder left is a trace as well */
}

/* Open a file of the trace; its place may be a link to the trace, its files may not. */
static int open_file(struct packer *p, const char *name, int *ret)
{
    cleanup_fd int fd = openat(p->directory, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW);
    struct stat status;

    if (fd < 0 || fstat(fd, &status) < 0)
        return rr_error_set(p->error, -errno, "%s/%s: %s", p->options->trace, name,
                            strerror(errno));
    if (!S_ISREG(status.st_mode))
        return rr_error_set(p->error, -EBADMSG, "%s/%s: not a regular file", p->options->trace,
                            name);
    *ret = take_fd(&fd);
    return 0;
}

static int describe(struct packer *p, struct manifest_entry *entry)
{
    cleanup_fd int fd = -1;
    int result = open_file(p, entry->name, &fd);

    if (result)
        return result;
    if (is_interrupted(p))
        return interrupted(p);
    result = store_hash(fd, &entry->length, &entry->hash);
    return result ? rr_error_set(p->error, result, "%s/%s: %s", p->options->trace, entry->name,
                                 strerror(-result))
                  : 0;
}

/* The reader has checked the file's content; its name follows from it. */
static int describe_image(struct packer *p, struct trace_reader *reader, uint32_t id,
                          struct manifest_entry *entry)
{
    const struct trace_file *file = trace_reader_file(reader, id, p->error);
    struct store_entry stored = {0};
    char name[STORE_NAME_MAX];
    int result;

    if (!file)
        return p->error->code;
    if (is_interrupted(p))
        return interrupted(p);
    result = store_hash(file->fd, &stored.length, &stored.hash);
    if (result)
        return rr_error_set(p->error, result, "%s: content of %s: %s", p->options->trace,
                            file->name, strerror(-result));
    store_file_name(&stored, id, name);
    *entry = (struct manifest_entry){.length = stored.length, .hash = stored.hash};
    if ((size_t)snprintf(entry->name, sizeof(entry->name), "images/%s", name) >=
        sizeof(entry->name))
        return rr_error_set(p->error, -EOVERFLOW, "%s: too many mapped files", p->options->trace);
    return 0;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct manifest_entry *)a)->name,
                  ((const struct manifest_entry *)b)->name);
}

/* stdout and stderr are for people: a trace without them is whole. */
static bool is_there(const struct packer *p, const char *name)
{
    return faccessat(p->directory, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

static int list_files(struct packer *p, struct trace_reader *reader)
{
    static const char *const names[] = {"data.zst",  "events.zst", "images/index",
                                        "meta.json", "stderr",     "stdout"};
    const size_t named = sizeof(names) / sizeof(names[0]);
    size_t images = trace_reader_file_count(reader), count = 0;
    struct manifest_entry *entries = calloc(named + images, sizeof(*entries));
    int result = entries ? 0 : out_of_memory(p);

    for (size_t i = 0; !result && i < named; i++) {
        if (i >= 4 && !is_there(p, names[i]))
            continue;
        snprintf(entries[count].name, sizeof(entries[count].name), "%s", names[i]);
        result = describe(p, &entries[count++]);
    }
    for (uint32_t id = 1; !result && id <= images; id++)
        result = describe_image(p, reader, id, &entries[count++]);
    if (!result)
        qsort(entries, count, sizeof(*entries), by_name);
    for (size_t i = 0; !result && i < count; i++) {
        result = manifest_add(&p->manifest, &entries[i]);
        if (result)
            rr_error_set(p->error, result, "%s/%s cannot be packed: %s", p->options->trace,
                         entries[i].name, strerror(-result));
    }
    free(entries);
    return result;
}

static int read_trace(struct packer *p)
{
    struct trace_reader *reader;
    int result;

    if (pack_is_file(p->options->trace))
        return rr_error_set(p->error, -ENOTDIR,
                            "%s is a file, not a trace directory; is it packed already?",
                            p->options->trace);
    result = trace_reader_open(p->options->trace, &reader, p->error);
    if (result)
        return result;
    p->directory = open(p->options->trace, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (p->directory < 0)
        result = rr_error_set(p->error, -errno, "cannot open the trace %s: %s", p->options->trace,
                              strerror(errno));
    if (!result)
        result = check_events(p, reader);
    if (!result)
        result = list_files(p, reader);
    trace_reader_close(reader);
    return result;
}

/* ---- the archive ---- */

static int archive_failed(struct packer *p)
{
    const char *text = archive_error_string(p->archive);
    int code = archive_errno(p->archive);

    return rr_error_set(p->error, code > 0 ? -code : -EIO, "cannot write %s: %s",
                        p->options->output, text ? text : "libarchive failed");
}

/* Nothing of time, owner or machine: the same trace gives the same bytes. */
static int put_header(struct packer *p, const char *name, uint64_t length)
{
    struct archive_entry *entry = archive_entry_new();
    int result;

    if (!entry)
        return out_of_memory(p);
    archive_entry_set_pathname(entry, name);
    archive_entry_set_filetype(entry, AE_IFREG);
    archive_entry_set_perm(entry, 0644);
    archive_entry_set_size(entry, (int64_t)length);
    archive_entry_set_mtime(entry, 0, 0);
    archive_entry_set_uid(entry, 0);
    archive_entry_set_gid(entry, 0);
    result = archive_write_header(p->archive, entry) == ARCHIVE_OK ? 0 : archive_failed(p);
    archive_entry_free(entry);
    return result;
}

static int put_data(struct packer *p, const uint8_t *data, size_t length)
{
    while (length > 0) {
        la_ssize_t n = archive_write_data(p->archive, data, length);

        if (n <= 0)
            return archive_failed(p);
        data += n;
        length -= (size_t)n;
    }
    return 0;
}

static int put_contents(struct packer *p)
{
    struct bytes text = {0};
    int result;

    manifest_format(&p->manifest, &text);
    result = text.length > MANIFEST_MAX
                 ? rr_error_set(p->error, -EOVERFLOW, "%s: too many files", p->options->trace)
                 : put_header(p, MANIFEST_NAME, text.length);
    if (!result)
        result = put_data(p, text.data, text.length);
    bytes_done(&text);
    return result;
}

static int changed(struct packer *p, const struct manifest_entry *entry)
{
    return rr_error_set(p->error, -EBUSY,
                        "%s/%s changed while it was packed: wait until its recorder has finished",
                        p->options->trace, entry->name);
}

static int put_file(struct packer *p, const struct manifest_entry *entry, uint8_t *block)
{
    char name[sizeof(MANIFEST_PREFIX) + MANIFEST_NAME_MAX];
    uint64_t hash = 0, done = 0;
    cleanup_fd int fd = -1;
    int result = open_file(p, entry->name, &fd);

    snprintf(name, sizeof(name), MANIFEST_PREFIX "%s", entry->name);
    if (!result)
        result = put_header(p, name, entry->length);
    while (!result && done < entry->length) {
        uint64_t left = entry->length - done;
        size_t length = left < MANIFEST_BLOCK ? (size_t)left : MANIFEST_BLOCK;

        if (is_interrupted(p))
            return interrupted(p);
        result = file_pread_all(fd, block, length, done);
        if (result == -ENODATA)
            return changed(p, entry);
        if (result)
            return rr_error_set(p->error, result, "%s/%s: %s", p->options->trace, entry->name,
                                strerror(-result));
        hash = bytes_hash(block, length, hash);
        result = put_data(p, block, length);
        done += length;
    }
    return result ? result : hash != entry->hash ? changed(p, entry) : 0;
}

static int write_archive(struct packer *p, int fd)
{
    uint8_t *block = malloc(MANIFEST_BLOCK);
    int result;

    p->archive = archive_write_new();
    if (!p->archive || !block) {
        free(block);
        return out_of_memory(p);
    }
    if (archive_write_set_format_pax_restricted(p->archive) != ARCHIVE_OK ||
        archive_write_add_filter_zstd(p->archive) != ARCHIVE_OK ||
        archive_write_set_filter_option(p->archive, "zstd", "compression-level", LEVEL) !=
            ARCHIVE_OK ||
        archive_write_set_bytes_in_last_block(p->archive, 1) != ARCHIVE_OK ||
        archive_write_open_fd(p->archive, fd) != ARCHIVE_OK)
        result = archive_failed(p);
    else
        result = put_contents(p);
    for (size_t i = 0; !result && i < p->manifest.count; i++)
        result = put_file(p, &p->manifest.entries[i], block);
    if (!result && archive_write_close(p->archive) != ARCHIVE_OK)
        result = archive_failed(p);
    free(block);
    return result;
}

/* ---- the file ---- */

static mode_t file_mode(void)
{
    mode_t mask = umask(0);

    umask(mask);
    return 0666 & ~mask;
}

static int output_failed(struct packer *p)
{
    return rr_error_set(p->error, -errno, "cannot write %s: %s", p->options->output,
                        strerror(errno));
}

/* Rename the finished file into place; without `replace` nothing that is there may be lost. */
static int publish(struct packer *p, const char *temporary)
{
    const char *output = p->options->output;

    if (p->options->replace)
        return rename(temporary, output) < 0 ? output_failed(p) : 0;
    if (renameat2(AT_FDCWD, temporary, AT_FDCWD, output, RENAME_NOREPLACE) < 0) {
        if (errno == EINVAL && !pack_is_file(output)) /* a file system without the flag */
            return rename(temporary, output) < 0 ? output_failed(p) : 0;
        return output_failed(p);
    }
    return 0;
}

static int write_output(struct packer *p, struct pack_summary *ret)
{
    cleanup_fd int fd = -1;
    struct stat status;
    char *temporary;
    int result;

    if (asprintf(&temporary, "%s.XXXXXX", p->options->output) < 0)
        return out_of_memory(p);
    fd = mkostemp(temporary, O_CLOEXEC);
    if (fd < 0) {
        result = output_failed(p);
        free(temporary);
        return result;
    }
    result = write_archive(p, fd);
    if (!result && (fchmod(fd, file_mode()) < 0 || fsync(fd) < 0 || fstat(fd, &status) < 0))
        result = output_failed(p);
    if (!result)
        result = publish(p, temporary);
    if (result)
        unlink(temporary);
    else
        *ret = (struct pack_summary){.files = p->manifest.count,
                                     .bytes = p->manifest.bytes,
                                     .packed = (uint64_t)status.st_size};
    free(temporary);
    return result;
}

int pack_create(const struct pack_options *options, struct pack_summary *ret,
                struct rr_error *error)
{
    struct packer p = {.options = options, .directory = -1, .error = error};
    struct stat status;
    int result;

    if (lstat(options->output, &status) == 0 && (!options->replace || !S_ISREG(status.st_mode)))
        return rr_error_set(error, -EEXIST, "%s exists; remove it or choose another name with -o",
                            options->output);
    result = read_trace(&p);
    if (!result)
        result = write_output(&p, ret);
    if (p.archive)
        archive_write_free(p.archive);
    manifest_done(&p.manifest);
    close_fd(&p.directory);
    return result;
}
