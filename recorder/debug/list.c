/* rrtest ls: the traces below a directory. */
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "recorder/debug/debug.h"
#include "recorder/debug/text.h"
#include "recorder/trace/json.h"
#include "recorder/trace/trace.h"

/* OUT/TEST/RUN is two levels; a suite's folders may lie two deeper. */
#define DEPTH_MAX 4

static bool is_trace(const char *path)
{
    struct bytes name = {0};
    struct stat status;
    bool found;

    text_put(&name, "%s/events.zst%c", path, '\0');
    found = lstat((const char *)name.data, &status) == 0;
    bytes_done(&name);
    return found;
}

static void list_trace(const char *path, FILE *out)
{
    struct trace_reader *reader;
    const struct trace_meta *meta;
    struct rr_error error;
    struct bytes line = {0};

    if (trace_reader_open(path, &reader, &error)) {
        fprintf(out, "%s  unreadable: %s\n", path, error.message);
        return;
    }
    meta = trace_reader_meta(reader);
    text_put(&line, "%s  %s  seed %" PRIu64 "  %s ", path,
             !trace_reader_complete(reader) ? "unfinished"
             : meta->verdict                ? meta->verdict
                                            : "no verdict",
             meta->seed, meta->strategy ? meta->strategy : "no strategy");
    for (size_t i = 0; meta->command[i]; i++) {
        text_put(&line, " ");
        if (meta->command[i][0] == '\0' || strpbrk(meta->command[i], " \t\n\"'\\"))
            json_put_string(&line, meta->command[i]);
        else
            text_put(&line, "%s", meta->command[i]);
    }
    text_put(&line, "\n");
    fwrite(line.data, 1, line.length, out);
    bytes_done(&line);
    trace_reader_close(reader);
}

static int visible(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

/* 0, or the error of opening this directory. */
static int walk(const char *path, int depth, FILE *out)
{
    struct dirent **entries;
    int count;

    if (is_trace(path)) {
        list_trace(path, out);
        return 0;
    }
    count = scandir(path, &entries, visible, alphasort);
    if (count < 0)
        return -errno;
    for (int i = 0; i < count; i++) {
        struct bytes name = {0};
        struct stat status;
        const char *child;

        text_put(&name, "%s/%s%c", path, entries[i]->d_name, '\0');
        child = (const char *)name.data;
        /* What cannot be opened further down is no trace of ours. */
        if (depth < DEPTH_MAX && lstat(child, &status) == 0 && S_ISDIR(status.st_mode))
            walk(child, depth + 1, out);
        bytes_done(&name);
        free(entries[i]);
    }
    free(entries);
    return 0;
}

int debug_list(const char *directory, FILE *out, struct rr_error *error)
{
    int result = walk(directory, 0, out);

    if (result)
        return rr_error_set(error, result, "cannot list %s: %s", directory, strerror(-result));
    if (fflush(out) != 0 || ferror(out))
        return rr_error_set(error, -EIO, "cannot write the list: %s", strerror(errno));
    return 0;
}
