/* The files of a trace directory. Order of writing: content of mapped files before their index
 * line, index lines and data frames before the event frame that refers to them, meta.json by
 * rename. So a reader sees a valid trace up to its last whole event frame at any moment. */
#include "recorder/trace/output.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "recorder/base/file.h"

#define IMAGES "images"
#define META "meta.json"
#define META_NEW "meta.json.new"

enum output_file { FILE_EVENTS, FILE_DATA, FILE_STDOUT, FILE_STDERR, FILE_INDEX, FILE_COUNT };

static const char *const file_names[FILE_COUNT] = {
    [FILE_EVENTS] = "events.zst",
    [FILE_DATA] = "data.zst",
    [FILE_STDOUT] = "stdout",
    [FILE_STDERR] = "stderr",
    [FILE_INDEX] = IMAGES "/" STORE_INDEX,
};

struct output {
    char *path;
    int directory;
    int images;
    int fds[FILE_COUNT];
    uint64_t lengths[FILE_COUNT];
    struct trace_summary summary;
    uint64_t index_chain;
};

/* ---- removing ---- */

static void remove_images(int directory)
{
    int fd = openat(directory, IMAGES, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    DIR *images = fd >= 0 ? fdopendir(fd) : NULL;
    struct dirent *entry;

    if (!images) {
        close_fd(&fd);
        return;
    }
    while ((entry = readdir(images)))
        unlinkat(fd, entry->d_name, 0);
    closedir(images);
    unlinkat(directory, IMAGES, AT_REMOVEDIR);
}

static void remove_files(int directory)
{
    unlinkat(directory, META, 0);
    unlinkat(directory, META_NEW, 0);
    for (int i = 0; i < FILE_COUNT; i++)
        unlinkat(directory, file_names[i], 0);
    remove_images(directory);
}

void output_remove(const char *path)
{
    int directory = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (directory < 0)
        return;
    remove_files(directory);
    close_fd(&directory);
    rmdir(path);
}

/* ---- opening ---- */

static bool is_empty(int directory)
{
    int fd = openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *stream = fd >= 0 ? fdopendir(fd) : NULL;
    struct dirent *entry;
    bool empty = true;

    if (!stream) {
        close_fd(&fd);
        return false;
    }
    while (empty && (entry = readdir(stream)))
        empty = strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0;
    closedir(stream);
    return empty;
}

static bool is_trace(int directory)
{
    return faccessat(directory, file_names[FILE_EVENTS], F_OK, AT_SYMLINK_NOFOLLOW) == 0 &&
           faccessat(directory, META, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

static int file_error(const struct output *o, const char *name, int code, struct rr_error *error)
{
    return rr_error_set(error, code, "cannot write %s/%s: %s", o->path, name, strerror(-code));
}

static int take_directory(struct output *o, struct rr_error *error)
{
    int result = file_make_directories(o->path, 0777);

    if (!result) {
        o->directory = open(o->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        result = o->directory < 0 ? -errno : 0;
    }
    if (result)
        return rr_error_set(error, result, "cannot create the trace directory %s: %s", o->path,
                            strerror(-result));
    if (flock(o->directory, LOCK_EX | LOCK_NB) < 0 && errno == EWOULDBLOCK)
        return rr_error_set(error, -EBUSY, "another recorder is writing to %s", o->path);
    if (is_empty(o->directory))
        return 0;
    if (!is_trace(o->directory))
        return rr_error_set(error, -EEXIST,
                            "%s exists and is not a trace; remove it or name another directory",
                            o->path);
    remove_files(o->directory);
    return 0;
}

static int write_header(struct output *o, enum trace_stream stream)
{
    struct bytes header;
    int file = stream == TRACE_STREAM_EVENTS ? FILE_EVENTS : FILE_DATA, error;

    bytes_init(&header);
    format_put_file_header(&header, stream, o->summary.id);
    error = file_write_all(o->fds[file], header.data, header.length);
    o->lengths[file] = header.length;
    bytes_done(&header);
    return error;
}

static int create_files(struct output *o, struct rr_error *error)
{
    int result = 0;

    if (mkdirat(o->directory, IMAGES, 0777) < 0)
        return file_error(o, IMAGES, -errno, error);
    o->images = openat(o->directory, IMAGES, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (o->images < 0)
        return file_error(o, IMAGES, -errno, error);
    for (int i = 0; i < FILE_COUNT; i++) {
        o->fds[i] = openat(o->directory, file_names[i],
                           O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0666);
        if (o->fds[i] < 0)
            return file_error(o, file_names[i], -errno, error);
    }
    for (int stream = 0; !result && stream < TRACE_STREAM_COUNT; stream++) {
        result = write_header(o, (enum trace_stream)stream);
        if (result)
            return file_error(o, format_stream_name((enum trace_stream)stream), result, error);
    }
    return 0;
}

static int write_meta(struct output *o, const struct trace_meta *meta, struct rr_error *error)
{
    cleanup_fd int fd = -1;
    struct bytes text;
    int result;

    bytes_init(&text);
    result = meta_format(meta, &o->summary, &text);
    if (result) {
        bytes_done(&text);
        return rr_error_set(error, result, "trace statistics are not a JSON object");
    }
    fd =
        openat(o->directory, META_NEW, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0666);
    result = fd < 0 ? -errno : file_write_all(fd, text.data, text.length);
    bytes_done(&text);
    if (!result && renameat(o->directory, META_NEW, o->directory, META) < 0)
        result = -errno;
    if (result) {
        unlinkat(o->directory, META_NEW, 0);
        return file_error(o, META, result, error);
    }
    return 0;
}

/* Same command, environment and seed: same id, so that equal runs give equal traces. */
static uint64_t make_id(const struct trace_meta *meta)
{
    const struct trace_summary none = {0};
    struct bytes text;
    uint64_t id;

    bytes_init(&text);
    id = meta_format(meta, &none, &text) ? 0 : bytes_hash(text.data, text.length, 1);
    bytes_done(&text);
    return id;
}

int output_open(const char *path, const struct trace_meta *meta, struct output **ret,
                struct rr_error *error)
{
    struct output *o = calloc(1, sizeof(*o));
    int result;

    if (!o)
        return rr_error_set(error, -ENOMEM, "out of memory for a trace");
    o->directory = o->images = -1;
    for (int i = 0; i < FILE_COUNT; i++)
        o->fds[i] = -1;
    o->path = strdup(path);
    o->summary.id = make_id(meta);
    o->index_chain = o->summary.id;
    result = o->path ? take_directory(o, error)
                     : rr_error_set(error, -ENOMEM, "out of memory for a trace");
    if (result) {
        output_close(o);
        return result;
    }
    result = create_files(o, error);
    if (!result)
        result = write_meta(o, meta, error);
    if (result) {
        remove_files(o->directory);
        output_close(o);
        return result;
    }
    *ret = o;
    return 0;
}

/* ---- appending ---- */

static int append(struct output *o, enum output_file file, const void *data, size_t length,
                  struct rr_error *error)
{
    int result = file_write_all(o->fds[file], data, length);

    if (result) {
        /* Part of it may be there; without room for the rest the file must end as before. */
        if (ftruncate(o->fds[file], (off_t)o->lengths[file]) < 0)
            return file_error(o, file_names[file], -errno, error);
        return file_error(o, file_names[file], result, error);
    }
    o->lengths[file] += length;
    return 0;
}

int output_frames(struct output *o, enum trace_stream stream, const struct bytes *frames,
                  struct rr_error *error)
{
    return append(o, stream == TRACE_STREAM_EVENTS ? FILE_EVENTS : FILE_DATA, frames->data,
                  frames->length, error);
}

int output_file(struct output *o, uint32_t id, int fd, struct store_entry *entry,
                struct rr_error *error)
{
    int result = store_place(o->images, fd, id, entry);
    uint64_t chain = o->index_chain;
    struct bytes line;

    if (result)
        return rr_error_set(error, result, "cannot write %s/" IMAGES " (content of %s): %s",
                            o->path, entry->name, strerror(-result));
    bytes_init(&line);
    store_put_line(&line, id, entry, &chain);
    result = append(o, FILE_INDEX, line.data, line.length, error);
    bytes_done(&line);
    if (result)
        return result;
    o->index_chain = chain;
    o->summary.files = id;
    return 0;
}

int output_text(struct output *o, int stream, const void *data, size_t length,
                struct rr_error *error)
{
    return append(o, stream == 1 ? FILE_STDOUT : FILE_STDERR, data, length, error);
}

int output_complete(struct output *o, const struct trace_meta *meta, uint64_t events,
                    struct rr_error *error)
{
    o->summary.events = events;
    o->summary.complete = true;
    return write_meta(o, meta, error);
}

/* ---- syncing ---- */

static int sync_images(struct output *o)
{
    int fd = openat(o->images, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), result = 0;
    DIR *images = fd >= 0 ? fdopendir(fd) : NULL;
    struct dirent *entry;

    if (!images) {
        close_fd(&fd);
        return -errno;
    }
    while (!result && (entry = readdir(images))) {
        cleanup_fd int file = -1;

        if (entry->d_name[0] == '.')
            continue;
        file = openat(o->images, entry->d_name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
        result = file < 0 || fsync(file) < 0 ? -errno : 0;
    }
    closedir(images);
    if (!result && fsync(o->images) < 0)
        result = -errno;
    return result;
}

int output_sync(struct output *o, struct rr_error *error)
{
    cleanup_fd int meta = openat(o->directory, META, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    int result;

    if (meta < 0 || fsync(meta) < 0)
        return file_error(o, META, -errno, error);
    for (int i = 0; i < FILE_COUNT; i++) {
        if (fsync(o->fds[i]) < 0)
            return file_error(o, file_names[i], -errno, error);
    }
    result = sync_images(o);
    if (result)
        return file_error(o, IMAGES, result, error);
    if (fsync(o->directory) < 0)
        return file_error(o, ".", -errno, error);
    return 0;
}

void output_close(struct output *o)
{
    if (!o)
        return;
    for (int i = 0; i < FILE_COUNT; i++)
        close_fd(&o->fds[i]);
    close_fd(&o->images);
    close_fd(&o->directory);
    free(o->path);
    free(o);
}

/* ---- preparing aside ---- */

static bool in_use(const char *directory)
{
    cleanup_fd int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    return fd >= 0 ? !is_empty(fd) : errno == ENOTDIR;
}

/* mkdir of a name in parent that nobody else has; not mkdtemp(), since a kept trace shall have the
 * rights that any new directory has. */
static int make_unique(const char *parent, const char *name, char **ret)
{
    for (int attempt = 0; attempt < 100; attempt++) {
        uint32_t number;
        char *path;

        if (getrandom(&number, sizeof(number), 0) != sizeof(number))
            return -EIO;
        if (asprintf(&path, "%s.%s.new-%08" PRIx32, parent, name, number) < 0)
            return -ENOMEM;
        if (mkdir(path, 0777) == 0) {
            *ret = path;
            return 0;
        }
        free(path);
        if (errno != EEXIST)
            return -errno;
    }
    return -EEXIST;
}

static int make_temporary(const char *directory, char **ret)
{
    char *copy = strdup(directory), *name;
    size_t length = strlen(directory);
    int error = 0;

    if (!copy)
        return -ENOMEM;
    while (length > 1 && copy[length - 1] == '/')
        copy[--length] = '\0';
    name = strrchr(copy, '/');
    if (!name) {
        error = make_unique("", copy, ret);
    } else {
        char *parent = strndup(copy, (size_t)(name + 1 - copy));

        error = parent ? file_make_directories(parent, 0777) : -ENOMEM;
        if (!error)
            error = make_unique(parent, name + 1, ret);
        free(parent);
    }
    free(copy);
    return error;
}

int output_reserve(const char *directory, char **ret_temporary, struct rr_error *error)
{
    int result;

    if (in_use(directory))
        return rr_error_set(error, -EEXIST, "%s exists already; the trace is not kept", directory);
    result = make_temporary(directory, ret_temporary);
    if (result)
        return rr_error_set(error, result, "cannot create a directory for the trace %s: %s",
                            directory, strerror(-result));
    return 0;
}

static int sync_parent(const char *path)
{
    char *copy = strdup(path);
    cleanup_fd int fd = -1;
    int error;

    if (!copy)
        return -ENOMEM;
    fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    error = fd < 0 || fsync(fd) < 0 ? -errno : 0;
    free(copy);
    return error;
}

int output_publish(const char *temporary, const char *directory, struct rr_error *error)
{
    int result;

    if (rename(temporary, directory) < 0) {
        result = errno == ENOTEMPTY || errno == ENOTDIR ? -EEXIST : -errno;
        return rr_error_set(error, result, "cannot put the trace at %s: %s", directory,
                            strerror(-result));
    }
    result = sync_parent(directory);
    if (result)
        return rr_error_set(error, result, "cannot sync the directory of %s: %s", directory,
                            strerror(-result));
    return 0;
}
