/* rrtest ls: the traces below a directory. They are collected first: the order may be another than
 * that of their paths, and the sum needs all. */
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "recorder/base/text.h"
#include "recorder/debug/debug.h"
#include "recorder/debug/text.h"
#include "recorder/trace/json.h"
#include "recorder/trace/size.h"
#include "recorder/trace/trace.h"

/* OUT/TEST/RUN is two levels; a suite's folders may lie two deeper. */
#define DEPTH_MAX 4

struct item {
    char *path;
    struct trace_size size;
    int64_t time;         /* when it was finished, seconds since 1970 */
    struct bytes details; /* the rest of its line, or of its JSON object */
    bool is_readable;
};

struct list {
    const struct debug_list_options *options;
    struct item *items;
    size_t count;
};

static bool is_trace(const char *path)
{
    struct bytes name = {0};
    struct stat status;
    bool found;

    text_format(&name, "%s/events.zst%c", path, '\0');
    found = lstat((const char *)name.data, &status) == 0;
    bytes_done(&name);
    return found;
}

/* ---- one trace ---- */

static const char *state_of(const struct trace_reader *reader)
{
    const struct trace_meta *meta = trace_reader_meta(reader);

    return !trace_reader_complete(reader) ? "unfinished"
           : meta->verdict                ? meta->verdict
                                          : "no verdict";
}

/* As it is where it is one plain word; else quoted, and nothing in it reaches a terminal. */
static void put_word(struct bytes *line, const char *word)
{
    bool plain = *word && !strpbrk(word, " \t\n\"'\\");

    for (const char *at = word; plain && *at; at++)
        plain = (unsigned char)*at >= 0x20 && *at != 0x7f;
    if (plain)
        text_append(line, word);
    else
        json_put_string(line, word);
}

static void describe(const struct trace_reader *reader, struct bytes *line)
{
    const struct trace_meta *meta = trace_reader_meta(reader);

    text_format(line, "  %s  seed %" PRIu64 "  %s ", state_of(reader), meta->seed,
                meta->strategy ? meta->strategy : "no strategy");
    for (size_t i = 0; meta->command[i]; i++) {
        text_append(line, " ");
        put_word(line, meta->command[i]);
    }
}

static void put_text_or_null(struct bytes *b, const char *text)
{
    if (text)
        json_put_string(b, text);
    else
        text_format(b, "null");
}

static void describe_json(const struct trace_reader *reader, struct bytes *line)
{
    const struct trace_meta *meta = trace_reader_meta(reader);
    bool complete = trace_reader_complete(reader);

    text_format(line, ", \"complete\": %s, \"verdict\": ", complete ? "true" : "false");
    put_text_or_null(line, complete ? meta->verdict : NULL);
    text_format(line, ", \"seed\": %" PRIu64 ", \"strategy\": ", meta->seed);
    put_text_or_null(line, meta->strategy);
    text_format(line, ", \"command\": [");
    for (size_t i = 0; meta->command[i]; i++) {
        text_format(line, "%s", i ? ", " : "");
        json_put_string(line, meta->command[i]);
    }
    text_format(line, "]");
}

static int64_t time_of(const char *path)
{
    struct bytes name = {0};
    struct stat status;
    int64_t time = 0;

    text_format(&name, "%s/meta.json%c", path, '\0');
    if (stat((const char *)name.data, &status) == 0)
        time = status.st_mtim.tv_sec;
    bytes_done(&name);
    return time;
}

static void read_item(const struct list *list, struct item *item)
{
    struct trace_reader *reader;
    struct rr_error error;

    item->time = time_of(item->path);
    if (trace_disk_size(item->path, &item->size))
        item->size = (struct trace_size){0};
    if (trace_reader_open(item->path, &reader, &error)) {
        if (list->options->json) {
            text_format(&item->details, ", \"error\": ");
            json_put_string(&item->details, error.message);
        } else {
            text_format(&item->details, "  unreadable: %s", error.message);
        }
        return;
    }
    item->is_readable = true;
    (list->options->json ? describe_json : describe)(reader, &item->details);
    trace_reader_close(reader);
}

static void add_trace(struct list *list, const char *path)
{
    struct item *items = list->items;

    if ((list->count & (list->count - 1)) == 0) { /* room is doubled at 1, 2, 4... */
        items = reallocarray(items, list->count ? 2 * list->count : 1, sizeof(*items));
        if (!items)
            abort();
        list->items = items;
    }
    items[list->count] = (struct item){.path = strdup(path)};
    if (!items[list->count].path)
        abort();
    read_item(list, &items[list->count]);
    list->count++;
}

/* ---- finding them ---- */

static int visible(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

/* 0, or the error of opening this directory. */
static int walk(struct list *list, const char *path, int depth)
{
    struct dirent **entries;
    int count;

    if (is_trace(path)) {
        add_trace(list, path);
        return 0;
    }
    count = scandir(path, &entries, visible, alphasort);
    if (count < 0)
        return -errno;
    for (int i = 0; i < count; i++) {
        struct bytes name = {0};
        struct stat status;
        const char *child;

        text_format(&name, "%s/%s%c", path, entries[i]->d_name, '\0');
        child = (const char *)name.data;
        /* What cannot be opened further down is no trace of ours. */
        if (depth < DEPTH_MAX && lstat(child, &status) == 0 && S_ISDIR(status.st_mode))
            walk(list, child, depth + 1);
        bytes_done(&name);
        free(entries[i]);
    }
    free(entries);
    return 0;
}

/* ---- order ---- */

static int by_path(const void *a, const void *b)
{
    return strcmp(((const struct item *)a)->path, ((const struct item *)b)->path);
}

static int by_size(const void *a, const void *b)
{
    const struct item *x = a, *y = b;

    if (x->size.own != y->size.own)
        return x->size.own > y->size.own ? -1 : 1;
    return by_path(a, b);
}

static int by_age(const void *a, const void *b)
{
    const struct item *x = a, *y = b;

    if (x->time != y->time)
        return x->time > y->time ? -1 : 1;
    return by_path(a, b);
}

static const struct {
    const char *name;
    int (*compare)(const void *a, const void *b);
} orders[DEBUG_SORT_COUNT] = {
    [DEBUG_SORT_PATH] = {"path", by_path},
    [DEBUG_SORT_SIZE] = {"size", by_size},
    [DEBUG_SORT_AGE] = {"age", by_age},
};

int debug_sort_by_name(const char *name)
{
    for (int i = 0; i < DEBUG_SORT_COUNT; i++) {
        if (strcmp(orders[i].name, name) == 0)
            return i;
    }
    return -1;
}

/* ---- printing ---- */

/* "512B", "23.3M": at most six characters below 1 000 TB. */
static void put_size(struct bytes *b, uint64_t bytes)
{
    static const char units[] = "BKMGTPE";
    double value = (double)bytes;
    char text[32];
    size_t unit = 0;

    for (; value >= 1024 && units[unit + 1]; unit++)
        value /= 1024;
    snprintf(text, sizeof(text), "%.*f%c", unit ? 1 : 0, value, units[unit]);
    text_format(b, "%7s", text);
}

/* "5s", "12m", "3h", "8d": whole units that have passed. */
static void put_age(struct bytes *b, int64_t now, int64_t then)
{
    static const struct {
        int64_t seconds;
        char name;
    } units[] = {{86400, 'd'}, {3600, 'h'}, {60, 'm'}, {1, 's'}};
    int64_t age = now > then ? now - then : 0;
    char text[32];
    size_t unit = 0;

    while (age < units[unit].seconds && units[unit].seconds > 1)
        unit++;
    snprintf(text, sizeof(text), "%" PRId64 "%c", age / units[unit].seconds, units[unit].name);
    text_format(b, "%6s", text);
}

static void put_item(const struct list *list, const struct item *item, int64_t now, struct bytes *b)
{
    if (list->options->json) {
        text_format(b, "{\"trace\": ");
        json_put_string(b, item->path);
        text_format(b,
                    ", \"bytes\": %" PRIu64 ", \"shared_bytes\": %" PRIu64 ", \"time\": %" PRId64,
                    item->size.own, item->size.shared, item->time);
    } else {
        put_size(b, item->size.own);
        put_age(b, now, item->time);
        text_append(b, "  ");
        put_word(b, item->path);
    }
    bytes_append(b, item->details.data, item->details.length);
    text_format(b, list->options->json ? "}\n" : "\n");
}

/* Shared contents are left out: traces share them with each other too. */
static void put_sum(const struct list *list, struct bytes *b)
{
    size_t unreadable = 0;
    uint64_t bytes = 0;

    for (size_t i = 0; i < list->count; i++) {
        bytes += list->items[i].size.own;
        unreadable += !list->items[i].is_readable;
    }
    if (list->options->json) {
        text_format(b, "{\"traces\": %zu, \"unreadable\": %zu, \"bytes\": %" PRIu64 "}\n",
                    list->count, unreadable, bytes);
        return;
    }
    put_size(b, bytes);
    text_format(b, "  %zu trace%s", list->count, list->count == 1 ? "" : "s");
    if (unreadable > 0)
        text_format(b, ", %zu of them unreadable", unreadable);
    text_format(b, "\n");
}

static void print(const struct list *list, FILE *out)
{
    int64_t now = (int64_t)time(NULL);
    struct bytes text = {0};

    if (list->options->sum)
        put_sum(list, &text);
    for (size_t i = 0; i < list->count && !list->options->sum; i++)
        put_item(list, &list->items[i], now, &text);
    if (text.length)
        fwrite(text.data, 1, text.length, out);
    bytes_done(&text);
}

int debug_list(const char *directory, const struct debug_list_options *options, FILE *out,
               struct rr_error *error)
{
    struct list list = {.options = options};
    int result = walk(&list, directory, 0);

    if (result == -ENOENT && options->missing_is_empty)
        result = 0;
    if (list.count > 0)
        qsort(list.items, list.count, sizeof(*list.items), orders[options->sort].compare);
    if (!result)
        print(&list, out);
    for (size_t i = 0; i < list.count; i++) {
        bytes_done(&list.items[i].details);
        free(list.items[i].path);
    }
    free(list.items);
    if (result)
        return rr_error_set(error, result, "cannot list %s: %s", directory, strerror(-result));
    if (fflush(out) != 0 || ferror(out))
        return rr_error_set(error, -EIO, "cannot write the list: %s", strerror(errno));
    return 0;
}
