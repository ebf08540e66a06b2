/* Ownership and the encoding of stacks. */
#include "recorder/stacks/stacks.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "recorder/base/text.h"

#define ENCODING_VERSION 1

enum { TASK_CAUSE = 1, TASK_CUT = 2, FRAME_INLINED = 1 };

/* ---- ownership ------------------------------------------------------------------------------- */

void stacks_task_done(struct task_stack *task)
{
    for (size_t i = 0; i < task->frame_count; i++) {
        free(task->frames[i].function);
        free(task->frames[i].file);
        free(task->frames[i].module);
    }
    free(task->frames);
    free(task->role);
    free(task->name);
    free(task->state);
    memset(task, 0, sizeof(*task));
}

void stacks_done(struct stack_list *list)
{
    if (!list)
        return;
    for (size_t i = 0; i < list->count; i++)
        stacks_task_done(&list->tasks[i]);
    free(list->tasks);
    memset(list, 0, sizeof(*list));
}

/* One more zeroed element; the capacity is the next power of two, so none is kept. */
static void *grow(void *array, size_t count, size_t size)
{
    char *grown = array;

    if ((count & (count - 1)) == 0) { /* 0, 1, 2, 4...: full */
        grown = reallocarray(array, count ? 2 * count : 1, size);
        if (!grown)
            abort();
    }
    memset(grown + count * size, 0, size);
    return grown;
}

struct task_stack *stacks_add_task(struct stack_list *list)
{
    list->tasks = grow(list->tasks, list->count, sizeof(*list->tasks));
    return &list->tasks[list->count++];
}

struct stack_frame *stacks_add_frame(struct task_stack *task)
{
    task->frames = grow(task->frames, task->frame_count, sizeof(*task->frames));
    return &task->frames[task->frame_count++];
}

void stacks_copy(struct stack_list *to, const struct stack_list *from)
{
    memset(to, 0, sizeof(*to));
    to->left_out = from->left_out;
    for (size_t i = 0; i < from->count; i++) {
        const struct task_stack *source = &from->tasks[i];
        struct task_stack *task = stacks_add_task(to);

        *task = *source;
        task->role = text_copy(source->role);
        task->name = text_copy(source->name);
        task->state = text_copy(source->state);
        task->frames = NULL;
        task->frame_count = 0;
        for (size_t k = 0; k < source->frame_count; k++) {
            struct stack_frame *frame = stacks_add_frame(task);

            *frame = source->frames[k];
            frame->function = text_copy(source->frames[k].function);
            frame->file = text_copy(source->frames[k].file);
            frame->module = text_copy(source->frames[k].module);
        }
    }
}

/* ---- encoding -------------------------------------------------------------------------------- */

/* A text is 0 (none), or 1 + its number among the texts so far; the next new number is followed by
 * length and bytes. */
struct texts {
    const char **text;
    size_t count, capacity;
};

static void add_text(struct texts *texts, const char *text)
{
    if (texts->count == texts->capacity) {
        texts->capacity = texts->capacity ? 2 * texts->capacity : 64;
        texts->text = reallocarray(texts->text, texts->capacity, sizeof(*texts->text));
        if (!texts->text)
            abort();
    }
    texts->text[texts->count++] = text;
}

static void put_text(struct bytes *b, struct texts *texts, const char *text)
{
    size_t number = texts->count;

    if (!text) {
        bytes_put_uvarint(b, 0);
        return;
    }
    while (number > 0 && strcmp(texts->text[number - 1], text) != 0)
        number--;
    if (number > 0) {
        bytes_put_uvarint(b, number);
        return;
    }
    add_text(texts, text);
    bytes_put_uvarint(b, texts->count);
    bytes_put_uvarint(b, strlen(text));
    bytes_append(b, text, strlen(text));
}

static void put_frame(struct bytes *b, struct texts *texts, const struct stack_frame *frame)
{
    bytes_put_uvarint(b, frame->is_inlined ? FRAME_INLINED : 0);
    bytes_put_uvarint(b, frame->address);
    put_text(b, texts, frame->function);
    bytes_put_uvarint(b, frame->offset);
    put_text(b, texts, frame->file);
    bytes_put_uvarint(b, frame->line);
    bytes_put_uvarint(b, frame->column);
    put_text(b, texts, frame->module);
    bytes_put_uvarint(b, frame->module_offset);
}

void stacks_encode(const struct stack_list *list, struct bytes *ret)
{
    struct texts texts = {0};

    bytes_put_uvarint(ret, ENCODING_VERSION);
    bytes_put_uvarint(ret, list->left_out);
    bytes_put_uvarint(ret, list->count);
    for (size_t i = 0; i < list->count; i++) {
        const struct task_stack *task = &list->tasks[i];

        bytes_put_svarint(ret, task->pid);
        bytes_put_svarint(ret, task->tid);
        put_text(ret, &texts, task->role);
        put_text(ret, &texts, task->name);
        put_text(ret, &texts, task->state);
        bytes_put_uvarint(ret, (task->is_cause ? TASK_CAUSE : 0u) | (task->is_cut ? TASK_CUT : 0u));
        bytes_put_uvarint(ret, task->frame_count);
        for (size_t k = 0; k < task->frame_count; k++)
            put_frame(ret, &texts, &task->frames[k]);
    }
    free(texts.text);
}

/* ---- decoding -------------------------------------------------------------------------------- */

#define FRAME_BYTES_MIN 9 /* of an encoded frame, task */
#define TASK_BYTES_MIN 7

static uint64_t get_limited(struct bytes_reader *r, uint64_t most)
{
    uint64_t value = bytes_get_uvarint(r);

    if (value > most)
        r->failed = 1;
    return r->failed ? 0 : value;
}

static uint64_t get_count(struct bytes_reader *r, size_t bytes_each)
{
    uint64_t count = bytes_get_uvarint(r);

    if (!r->failed && count > (r->length - r->at) / bytes_each)
        r->failed = 1;
    return r->failed ? 0 : count;
}

/* Text length is bounded too, because one text may be named many times. */
#define TEXT_MAX 65536u
#define TEXTS_TOTAL_MAX (64u << 20)

static char *get_text(struct bytes_reader *r, struct texts *texts, size_t *total)
{
    uint64_t number = get_limited(r, texts->count + 1);
    const char *data;
    char *text;
    uint64_t length;

    if (number == 0)
        return NULL;
    if (number > texts->count) {
        length = get_limited(r, TEXT_MAX);
        data = bytes_get(r, length);
        if (!data || memchr(data, 0, length)) {
            r->failed = 1;
            return NULL;
        }
        text = strndup(data, length);
        if (!text)
            abort();
        add_text(texts, text);
    } else {
        text = text_copy(texts->text[number - 1]);
    }
    *total += strlen(text);
    if (*total > TEXTS_TOTAL_MAX)
        r->failed = 1;
    return text;
}

static void get_frame(struct bytes_reader *r, struct texts *texts, size_t *total,
                      struct stack_frame *frame)
{
    frame->is_inlined = get_limited(r, FRAME_INLINED) == FRAME_INLINED;
    frame->address = bytes_get_uvarint(r);
    frame->function = get_text(r, texts, total);
    frame->offset = bytes_get_uvarint(r);
    frame->file = get_text(r, texts, total);
    frame->line = (uint32_t)get_limited(r, UINT32_MAX);
    frame->column = (uint32_t)get_limited(r, UINT32_MAX);
    frame->module = get_text(r, texts, total);
    frame->module_offset = bytes_get_uvarint(r);
}

static int32_t get_id(struct bytes_reader *r)
{
    int64_t id = bytes_get_svarint(r);

    if (id < INT32_MIN || id > INT32_MAX)
        r->failed = 1;
    return r->failed ? 0 : (int32_t)id;
}

static void get_task(struct bytes_reader *r, struct texts *texts, size_t *total,
                     struct task_stack *task)
{
    uint64_t flags, count;

    task->pid = get_id(r);
    task->tid = get_id(r);
    task->role = get_text(r, texts, total);
    task->name = get_text(r, texts, total);
    task->state = get_text(r, texts, total);
    flags = get_limited(r, TASK_CAUSE | TASK_CUT);
    task->is_cause = flags & TASK_CAUSE;
    task->is_cut = flags & TASK_CUT;
    if (!task->role || !task->state)
        r->failed = 1;
    count = get_count(r, FRAME_BYTES_MIN);
    for (uint64_t i = 0; i < count && !r->failed; i++)
        get_frame(r, texts, total, stacks_add_frame(task));
}

int stacks_decode(const void *data, size_t length, struct stack_list *ret)
{
    struct stack_list list = {0};
    struct bytes_reader r;
    struct texts texts = {0};
    size_t total = 0;
    uint64_t count;

    bytes_reader_init(&r, data, length);
    if (bytes_get_uvarint(&r) != ENCODING_VERSION)
        return -EBADMSG;
    list.left_out = bytes_get_uvarint(&r);
    count = get_count(&r, TASK_BYTES_MIN);
    for (uint64_t i = 0; i < count && !r.failed; i++)
        get_task(&r, &texts, &total, stacks_add_task(&list));
    free(texts.text);
    if (r.failed || r.at != r.length) {
        stacks_done(&list);
        return -EBADMSG;
    }
    *ret = list;
    return 0;
}
