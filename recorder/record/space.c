/* Images laid over text, and mapped files in the trace. */
#include "recorder/record/space.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "recorder/base/file.h"
#include "recorder/base/log.h"
#include "recorder/record/file_facts.h"
#include "recorder/record/image_store.h"
#include "recorder/record/limits.h"
#include "recorder/record/notes.h"
#include "recorder/record/patches.h"

int space_open_fd(struct task *t, int fd)
{
    char path[64];
    int opened;

    snprintf(path, sizeof(path), "/proc/%d/fd/%d", t->tid, fd);
    opened = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    return opened < 0 ? -errno : opened;
}

static void make_key(char *ret, size_t size, enum trace_file_kind kind, const struct stat *st)
{
    snprintf(ret, size, "%d:%lx:%lx:%lx:%lx.%lx", kind, (unsigned long)st->st_dev,
             (unsigned long)st->st_ino, (unsigned long)st->st_size,
             (unsigned long)st->st_mtim.tv_sec, (unsigned long)st->st_mtim.tv_nsec);
}

uint32_t space_known_file(struct session *s, const struct stat *st, const char **ret_name)
{
    char key[128];

    make_key(key, sizeof(key), TRACE_FILE_CONTENT, st);
    for (size_t i = 0; i < s->trace_file_count; i++) {
        if (strcmp(s->trace_files[i].key, key) == 0) {
            *ret_name = s->trace_files[i].name;
            return s->trace_files[i].id;
        }
    }
    return 0;
}

/* The worker's copy of the file. Not of one that was written just now: the next write might leave
 * it size and time. */
static bool kept_copy(struct session *s, const char *key, const struct stat *st, int *fd)
{
    int copy;

    if (s->options->trace_directory ||
        (uint64_t)st->st_mtim.tv_sec * 1000000000u + 2000000000u > s->epoch_real)
        return false;
    copy = image_store_copy(s->images, key, *fd, (uint64_t)st->st_size);
    if (copy >= 0)
        *fd = copy;
    return copy >= 0;
}

uint32_t space_trace_file(struct session *s, int fd, enum trace_file_kind kind, const char *name)
{
    char key[128];
    struct stat st;
    uint32_t id = 0;

    if (fstat(fd, &st) < 0)
        return 0;
    make_key(key, sizeof(key), kind, &st);
    for (size_t i = 0; i < s->trace_file_count; i++)
        if (strcmp(s->trace_files[i].key, key) == 0)
            return s->trace_files[i].id;
    if (s->trace && !trace_writer_lost(s->trace)) {
        /* a file that is young or small may be rewritten in place before the trace is kept */
        bool copy_now =
            kind == TRACE_FILE_SHARED ||
            (kind == TRACE_FILE_CONTENT &&
             (uint64_t)st.st_mtim.tv_sec * 1000000000u + 3600u * 1000000000ull > s->epoch_real);

        if (copy_now && kind == TRACE_FILE_CONTENT && kept_copy(s, key, &st, &fd))
            copy_now = false;
        if (trace_writer_file(s->trace, kind, key, name, fd, copy_now, &id, s->error) < 0) {
            session_fail(s, RECORD_VERDICT_UNSUPPORTED, "a mapped file cannot be kept: %s",
                         s->error ? s->error->message : "");
            return 0;
        }
    } else {
        id = (uint32_t)s->trace_file_count + 1;
    }
    s->trace_files = realloc(s->trace_files, (s->trace_file_count + 1) * sizeof(*s->trace_files));
    if (!s->trace_files)
        abort();
    s->trace_files[s->trace_file_count].key = strdup(key);
    s->trace_files[s->trace_file_count].name = image_store_name(s->images, name);
    s->trace_files[s->trace_file_count++].id = id;
    if (kind == TRACE_FILE_CONTENT)
        file_facts_kept(s, st.st_dev, st.st_ino);
    return id;
}

struct loaded_image *space_image_at(struct space *space, uint64_t address, uint64_t *ret_address)
{
    for (size_t i = 0; i < space->image_count; i++) {
        struct loaded_image *l = &space->images[i];

        if ((address >= l->start && address < l->end) ||
            (address >= l->stub_start && address < l->stub_end)) {
            if (ret_address)
                *ret_address = address - l->bias;
            return l;
        }
    }
    return NULL;
}

struct image_where space_locate(struct space *space, uint64_t address)
{
    uint64_t in_image;
    struct loaded_image *l = space_image_at(space, address, &in_image);
    struct image_where where = {.place = IMAGE_OUTSIDE, .original = address};

    if (l)
        where = image_locate(l->image, in_image);
    if (l && where.place != IMAGE_OUTSIDE) {
        bool text = where.place == IMAGE_START || where.place == IMAGE_INTERIOR;

        where.original += l->bias;
        where.start += l->bias;
        where.end += l->bias;
        where.copy += where.copy ? l->bias : 0;
        if (!text || !where.dormant || patches_is_applied(space, where.start))
            return where;
    }
    where = (struct image_where){.place = IMAGE_OUTSIDE, .original = address};
    patches_locate(space, address, &where);
    return where;
}

void space_forget(struct space *space, uint64_t start, uint64_t end)
{
    size_t kept = 0;

    for (size_t i = 0; i < space->image_count; i++)
        if (!(space->images[i].start >= start && space->images[i].end <= end))
            space->images[kept++] = space->images[i];
    space->image_count = kept;
}

/* The load bias: address of the mapped offset minus the address that its program header wants. An
 * image's overlays are where the file's own executable pages are. */
static bool find_bias(const struct image *image, uint64_t address, uint64_t offset,
                      uint64_t *ret_bias)
{
    for (size_t i = 0; i < image_segment_count(image); i++) {
        const struct image_segment *g = image_segment(image, i);

        if (g->stubs || offset < g->file_offset || offset >= g->file_offset + g->length)
            continue;
        *ret_bias = address - (g->address + offset - g->file_offset);
        return true;
    }
    return false;
}

/* What the program mapped there, for its /proc/self/maps. */
static void remember_text(const struct space *space, uint64_t address, uint64_t length,
                          uint64_t offset, struct loaded_image *ret)
{
    const struct map_entry *mapped = maps_find(&space->maps, address);

    ret->text_start = address;
    ret->text_end = address + page_up(length);
    ret->text_offset = offset;
    ret->file = mapped ? mapped->file : 0;
    ret->name = mapped ? mapped->name : NULL;
}

static void map_segment(struct session *s, struct task *t, const struct loaded_image *l,
                        const struct image_segment *g, struct tracee_batch *batch)
{
    uint64_t address = l->bias + g->address;
    struct map_op op = {.kind = MAP_OP_MAP,
                        .address = address,
                        .length = g->length,
                        .prot = PROT_READ | PROT_EXEC,
                        .flags = MAP_PRIVATE,
                        .file = l->image_file,
                        .offset = g->cache_offset};

    tracee_batch_add(batch, SYS_mmap,
                     (uint64_t[6]){address, g->length, PROT_READ | PROT_EXEC,
                                   MAP_PRIVATE | MAP_FIXED, TRACEE_BATCH_FD, g->cache_offset});
    emit_map(s, t, &op);
    maps_annotate(&t->space->maps, address, address + page_up(g->length), 0,
                  g->stubs ? image_store_name(s->images, SPACE_HIDDEN_NAME) : l->name);
}

int space_run_batch(struct session *s, struct task *t, struct tracee_batch *batch)
{
    struct limits_lifted lifted;
    int error;

    if (batch->count == 0)
        return 0;
    s->result->statistics.stops++;
    t->regs_dirty = true;
    t->regs.orig_rax = (unsigned long long)-1;
    limits_lift(t, &lifted);
    error = (t->space->has_area ? tracee_batch_run : tracee_batch_run_first)(&s->area, t->tid,
                                                                             &t->regs, batch);
    limits_put_back(t, &lifted);
    t->space->has_area = true;
    for (size_t i = 0; i < batch->count && !error; i++) {
        int64_t result = batch->call[i].result;

        if (result < 0 && result > -4096)
            error = (int)result;
        else if (batch->call[i].nr == SYS_mmap && (uint64_t)result != batch->call[i].args[0])
            error = -EINVAL;
    }
    tracee_batch_init(batch);
    return error;
}

#define HIGHEST_ADDRESS 0x7ffffffff000ull /* TASK_SIZE_MAX with four-level page tables */

/* Is the whole range free, but for what the recorder reserved? */
static bool area_is_free(const struct space *space, uint64_t start, uint64_t end)
{
    const struct map_entry *e = maps_above(&space->maps, start);

    if (start > end || end > HIGHEST_ADDRESS)
        return false;
    while (e && e->start < end) {
        if (e->prot != PROT_NONE || e->file != 0)
            return false;
        e = maps_above(&space->maps, e->end);
    }
    return true;
}

static bool lies_in(const struct image_segment *g, uint64_t bias, uint64_t address, uint64_t length)
{
    uint64_t start = bias + g->address;

    return start >= address && start + g->length <= address + page_up(length);
}

/* Loaders map text segments whole. Whoever maps a piece of one (V8 its builtins, beside the code
 * that it compiles) gets what is in the file. */
static bool has_whole_text(const struct image *image, uint64_t bias, uint64_t address,
                           uint64_t length)
{
    for (size_t i = 0; i < image_segment_count(image); i++) {
        const struct image_segment *g = image_segment(image, i);

        if (!g->stubs && lies_in(g, bias, address, length))
            return true;
    }
    return false;
}

static void image_span(const struct image *image, uint64_t bias, struct loaded_image *ret)
{
    *ret = (struct loaded_image){.bias = bias, .start = UINT64_MAX, .stub_start = UINT64_MAX};
    for (size_t i = 0; i < image_segment_count(image); i++) {
        const struct image_segment *g = image_segment(image, i);
        uint64_t start = bias + g->address, end = start + g->length;

        if (g->stubs) {
            ret->stub_start = start < ret->stub_start ? start : ret->stub_start;
            ret->stub_end = end > ret->stub_end ? end : ret->stub_end;
        } else {
            ret->start = start < ret->start ? start : ret->start;
            ret->end = end > ret->end ? end : ret->end;
        }
    }
}

static const char *name_at(const struct space *space, uint64_t address)
{
    const struct map_entry *e = maps_find(&space->maps, address);

    return e && e->name ? e->name : "a program";
}

/* Libraries of the languages themselves: preemption is wanted less there. */
static bool is_runtime_library(const char *path)
{
    static const char *const prefixes[] = {"ld-",    "libc.",  "libc-",     "libpthread",
                                           "libm.",  "libdl.", "libstdc++", "libgcc_",
                                           "librt.", "libc++"};
    const char *name = strrchr(path, '/');

    name = name ? name + 1 : path;
    for (size_t i = 0; i < sizeof(prefixes) / sizeof(*prefixes); i++)
        if (strncmp(name, prefixes[i], strlen(prefixes[i])) == 0)
            return true;
    return false;
}

static uint32_t image_options(const struct session *s)
{
    switch (s->options->patching) {
    case RECORD_PATCHING_STATIC:
        return IMAGE_OPTION_CALLS;
    case RECORD_PATCHING_LAZY:
        return IMAGE_OPTION_DORMANT_CALLS;
    default:
        return 0;
    }
}

/* The regions that are there from the start; once for all segments of an image. */
static void count_static(struct session *s, const struct space *space,
                         const struct loaded_image *loaded)
{
    struct image_statistics statistics;

    if (s->options->patching != RECORD_PATCHING_STATIC)
        return;
    for (size_t i = 0; i < space->image_count; i++)
        if (space->images[i].image == loaded->image && space->images[i].bias == loaded->bias)
            return;
    image_statistics(loaded->image, &statistics);
    s->result->statistics.patches[PATCH_STATIC] += statistics.calls_windowed;
}

/* An image has one stub area, however many executable segments. */
static bool has_stubs(const struct space *space, const struct loaded_image *wanted)
{
    for (size_t i = 0; i < space->image_count; i++) {
        const struct loaded_image *l = &space->images[i];

        if (l->image == wanted->image && l->bias == wanted->bias &&
            l->stub_start == wanted->stub_start && l->stub_end == wanted->stub_end)
            return true;
    }
    return false;
}

int space_overlay(struct session *s, struct task *t, int fd, uint64_t address, uint64_t length,
                  uint64_t offset, struct tracee_batch *batch)
{
    struct stat st;
    struct image *image;
    struct loaded_image loaded;
    uint64_t bias, spent = 0;
    const char *why = NULL, *name;
    bool again;
    int error;

    if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
        return 0;
    image = image_store_image(s->images, fd, &st, image_options(s), &spent, &why);
    s->rewriting_ns += spent;
    name = name_at(t->space, address);
    if (!image || image_segment_count(image) == 0 || !find_bias(image, address, offset, &bias)) {
        t->space->rewritten_nothing = true;
        if (why)
            notes_add(s, "%s runs without ticks, preempted at system calls only: %s", name, why);
        return 0;
    }
    if (!has_whole_text(image, bias, address, length)) {
        t->space->rewritten_nothing = true;
        notes_add(s, "a piece of %s is mapped by itself and has no ticks there", name);
        return 0;
    }
    if (why)
        notes_add(s, "every process rewrites the images it runs anew: %s", why);
    image_span(image, bias, &loaded);
    loaded.image = image;
    loaded.own = !is_runtime_library(name);
    again = has_stubs(t->space, &loaded);
    if (!again && !area_is_free(t->space, loaded.stub_start, loaded.stub_end)) {
        log_debug("no room for stubs at %lx", (unsigned long)loaded.stub_start);
        t->space->rewritten_nothing = true;
        notes_add(s, "%s runs without ticks, preempted at system calls only: no room for its stubs",
                  name);
        return 0;
    }
    remember_text(t->space, address, length, offset, &loaded);
    loaded.image_file = space_trace_file(s, image_fd(image), TRACE_FILE_IMAGE, "image");
    if (tracee_batch_room(batch) < image_segment_count(image) + 2) {
        error = space_run_batch(s, t, batch);
        if (error)
            return error;
    }
    error = tracee_batch_add_fd(&s->area, batch, image_fd(image));
    if (error)
        return error;
    for (size_t i = 0; i < image_segment_count(image); i++) {
        const struct image_segment *g = image_segment(image, i);

        /* an overlay only where this mapping is; other executable segments come with their own mmap
         */
        if (g->stubs ? again : !lies_in(g, bias, address, length))
            continue;
        map_segment(s, t, &loaded, g, batch);
    }
    tracee_batch_add(batch, SYS_close, (uint64_t[6]){TRACEE_BATCH_FD});
    count_static(s, t->space, &loaded);
    t->space->images =
        realloc(t->space->images, (t->space->image_count + 1) * sizeof(*t->space->images));
    if (!t->space->images)
        abort();
    t->space->images[t->space->image_count++] = loaded;
    return 0;
}
