/* Stacks of a replay's tasks at an event, from the replayed memory and the files in the trace: the
 * program and its libraries need not be there, only their separate debug files are this machine's.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "recorder/base/text.h"
#include "recorder/images/image.h"
#include "recorder/replay/session.h"
#include "recorder/stacks/stacks.h"
#include "recorder/stacks/unwind.h"

#define TASKS_MAX 64
#define NAMES_BUDGET_NS 2000000000ull
#define SYSCALL_LENGTH 2

struct view {
    struct replay_session *r;
    struct replay_task *task;
    struct image **images; /* by trace file id - 1; loaded at first use */
};

static size_t read_memory(void *context, uint64_t address, void *ret, size_t length)
{
    const struct view *v = context;

    return tracee_read_some(v->task->tid, address, ret, length);
}

/* NULL: it is no rewritten image, or damaged. */
static const struct trace_file *file_of(struct view *v, const struct map_entry *e,
                                        struct image **ret_image)
{
    struct rr_error error = {0};
    const struct trace_file *file = e->file && e->file <= v->r->file_count
                                        ? trace_reader_file(v->r->trace, e->file, &error)
                                        : NULL;

    *ret_image = NULL;
    if (!file || file->kind != TRACE_FILE_IMAGE)
        return file;
    if (!v->images[e->file - 1])
        (void)image_load(file->fd, &v->images[e->file - 1], &error);
    *ret_image = v->images[e->file - 1];
    return *ret_image ? file : NULL;
}

static const struct image_segment *segment_of(const struct image *image, const struct map_entry *e)
{
    for (size_t i = 0; i < image_segment_count(image); i++) {
        const struct image_segment *g = image_segment(image, i);

        if (e->offset >= g->cache_offset && e->offset < g->cache_offset + g->length)
            return g;
    }
    return NULL;
}

/* The file whose text an image replaces: what is mapped next below or above it. */
static const struct trace_file *original_of(struct view *v, const struct map_entry *image)
{
    const struct maps *maps = &v->task->space->maps;
    const struct trace_file *found = NULL;

    for (size_t i = 0; i < maps->count; i++) {
        struct image *none;
        const struct map_entry *e = &maps->entry[i];
        const struct trace_file *file;

        if (e->start > image->start && found)
            break;
        file = file_of(v, e, &none);
        if (file && file->kind == TRACE_FILE_CONTENT)
            found = file;
    }
    return found;
}

static int open_file(void *context, const struct map_entry *entry, const char **ret_path,
                     uint64_t *ret_offset)
{
    struct view *v = context;
    struct image *image;
    const struct trace_file *file = file_of(v, entry, &image);
    const struct image_segment *g = image ? segment_of(image, entry) : NULL;
    int fd;

    if (!file || (image && (!g || g->stubs)))
        return -ENOENT;
    *ret_offset = entry->offset;
    if (image) {
        *ret_offset = g->file_offset + (entry->offset - g->cache_offset);
        file = original_of(v, entry);
    }
    if (!file)
        return -ENOENT;
    fd = fcntl(file->fd, F_DUPFD_CLOEXEC, 3);
    *ret_path = file->name;
    return fd < 0 ? -errno : fd;
}

/* The program's address of where a task stands: not one of a stub, nor of a patched call's region.
 */
static uint64_t original_ip(struct view *v, uint64_t ip)
{
    const struct map_entry *e = maps_find(&v->task->space->maps, ip);
    const struct image_segment *g;
    struct image *image = NULL;
    struct image_where where;
    uint64_t address;

    for (size_t i = 0; i < v->r->region_count; i++)
        if (ip >= v->r->regions[i].start && ip < v->r->regions[i].end)
            return v->r->regions[i].instruction + SYSCALL_LENGTH;
    if (!e || !file_of(v, e, &image) || !image)
        return ip;
    g = segment_of(image, e);
    if (!g)
        return ip;
    address = g->address + (e->offset - g->cache_offset) + (ip - e->start);
    where = image_locate(image, address);
    if (where.place != IMAGE_STUB_HEAD && where.place != IMAGE_STUB_BODY)
        return ip;
    return where.original + (ip - address);
}

static void read_task(struct view *v, struct unwinder *u, struct stack_list *list)
{
    struct replay_task *t = v->task;
    struct unwind_source source = {
        .context = v, .maps = &t->space->maps, .read = read_memory, .open = open_file};
    struct user_regs_struct registers = t->regs;
    struct task_stack *stack;

    if (list->count == TASKS_MAX) {
        list->left_out++;
        return;
    }
    stack = stacks_add_task(list);
    stack->pid = t->pid;
    stack->tid = t->ns_tid;
    stack->role = text_copy(t->role ? t->role : "0");
    stack->is_cause = v->r->event->task == t->id;
    stack->state = text_copy(t->parked ? "waits in a system call" : "runs");
    registers.rip = original_ip(v, registers.rip);
    unwinder_read(u, &source, &registers, stack);
}

int replay_read_stacks(struct replay_session *r)
{
    struct view v = {.r = r, .images = calloc(r->file_count + 1, sizeof(*v.images))};
    struct unwinder *u = unwinder_new(NAMES_BUDGET_NS);
    uint32_t last = 0;
    int error = 0;

    if (!v.images)
        abort();
    while (!error) { /* by number; the list is in order of use */
        v.task = NULL;
        for (struct replay_task *t = r->tasks; t; t = t->next)
            if (t->id > last && t->tid && (!v.task || t->id < v.task->id))
                v.task = t;
        if (!v.task)
            break;
        last = v.task->id;
        error = replay_task_regs(r, v.task);
        if (!error)
            read_task(&v, u, &r->result->stacks);
    }
    unwinder_free(u);
    for (size_t i = 0; i < r->file_count; i++)
        if (v.images[i])
            image_free(v.images[i]);
    free(v.images);
    return error;
}

void replay_note_region(struct replay_session *r)
{
    const struct event *e = r->event;

    for (size_t i = 0; i < e->write_count && e->patch.word == PATCH_APPLIED; i++) {
        const struct event_write *w = &e->writes[i];

        if (e->patch.instruction >= w->address - 64 &&
            e->patch.instruction < w->address + w->length)
            continue; /* the program's own text */
        r->regions = reallocarray(r->regions, r->region_count + 1, sizeof(*r->regions));
        if (!r->regions)
            abort();
        r->regions[r->region_count].start = w->address;
        r->regions[r->region_count].end = w->address + w->length;
        r->regions[r->region_count++].instruction = e->patch.instruction;
    }
}
