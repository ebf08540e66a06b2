/* Stacks as lines of text. */
#include "recorder/stacks/stacks.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "recorder/base/text.h"

/* Everything shown passes here: names come from a program's files and may hold anything. */
__attribute__((format(printf, 2, 3))) static void put(struct bytes *b, const char *format, ...)
{
    size_t start = b->length;
    va_list args;

    va_start(args, format);
    text_format_list(b, format, args);
    va_end(args);
    for (size_t i = start; i < b->length; i++)
        if (b->data[i] < 0x20 || b->data[i] == 0x7f)
            b->data[i] = '?';
}

static const char *last_part(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash ? slash + 1 : path;
}

void stacks_render_frame(const struct stack_frame *frame, size_t number, struct bytes *ret)
{
    put(ret, "#%zu 0x%" PRIx64, number, frame->address);
    if (frame->function && strcmp(frame->function, STACKS_SIGNAL_FRAME) == 0)
        put(ret, " " STACKS_SIGNAL_FRAME);
    else if (frame->function && frame->is_inlined)
        put(ret, " %s, inlined", frame->function);
    else if (frame->function)
        put(ret, " %s+0x%" PRIx64, frame->function, frame->offset);
    if (frame->file)
        put(ret, " (%s:%" PRIu32 ")", last_part(frame->file), frame->line);
    if (frame->module && frame->function)
        put(ret, " [%s]", last_part(frame->module));
    else if (frame->module) /* what addr2line takes, where no name says where it is */
        put(ret, " [%s+0x%" PRIx64 "]", last_part(frame->module), frame->module_offset);
}

static void render_task(const struct task_stack *task, const char *indent, struct bytes *ret)
{
    char ids[64] = "";

    if (task->pid && task->tid)
        snprintf(ids, sizeof(ids), "pid %" PRId32 " tid %" PRId32, task->pid, task->tid);
    else if (task->tid)
        snprintf(ids, sizeof(ids), "tid %" PRId32, task->tid);
    put(ret, "%stask %s", indent, task->role);
    if (ids[0] || task->name)
        put(ret, " (%s%s%s)", ids, ids[0] && task->name ? ", " : "", task->name ? task->name : "");
    put(ret, ": %s", task->state);
    bytes_append(ret, "\n", 1);
    for (size_t i = 0; i < task->frame_count; i++) {
        put(ret, "%s  ", indent);
        stacks_render_frame(&task->frames[i], i, ret);
        bytes_append(ret, "\n", 1);
    }
    if (task->is_cut) {
        put(ret, "%s  ...", indent);
        bytes_append(ret, "\n", 1);
    }
}

void stacks_render(const struct stack_list *list, const char *indent, struct bytes *ret)
{
    for (size_t i = 0; i < list->count; i++)
        render_task(&list->tasks[i], indent, ret);
    if (list->left_out) {
        put(ret, "%sand %" PRIu64 " more", indent, list->left_out);
        bytes_append(ret, "\n", 1);
    }
}
