/* One frame, one line: what a person looks for first stands first. */
#include "reports/stack_text.h"

#include <inttypes.h>
#include <string.h>

#include "recorder/stacks/stacks.h"
#include "reports/text.h"

static void append_place(struct bytes *out, const struct stack_frame *frame)
{
    text_format(out, " (%s", frame->file);
    if (frame->line)
        text_format(out, ":%" PRIu32, frame->line);
    if (frame->line && frame->column)
        text_format(out, ":%" PRIu32, frame->column);
    text_append(out, ")");
}

void stack_text_frame(struct bytes *out, const struct stack_frame *frame)
{
    if (frame->function)
        text_append(out, frame->function);
    else
        text_format(out, "0x%" PRIx64, frame->address);
    if (frame->function && frame->offset && !frame->file)
        text_format(out, "+0x%" PRIx64, frame->offset);
    if (frame->file)
        append_place(out, frame);
    if (frame->is_inlined)
        text_append(out, " inlined");
    if (frame->module && !frame->function)
        text_format(out, " [%s+0x%" PRIx64 "]", frame->module, frame->module_offset);
    else if (frame->module && !frame->file)
        text_format(out, " [%s]", frame->module);
}

static void append_frame(struct bytes *out, const struct task_stack *task, size_t number,
                         const struct stack_text_options *options)
{
    text_format(out, "%s  ", options->indent);
    if (options->full) {
        stacks_render_frame(&task->frames[number], number, out);
    } else {
        text_format(out, "#%-2zu ", number);
        stack_text_frame(out, &task->frames[number]);
    }
    text_append(out, "\n");
}

void stack_text_task(struct bytes *out, const struct task_stack *task)
{
    text_format(out, "task %s", task->role);
    if (task->name)
        text_format(out, " \"%s\"", task->name);
    text_format(out, ", tid %" PRId32 ": %s", task->tid, task->state);
}

/* How a task gets to its first function is the same everywhere. */
static bool is_start(const struct stack_frame *frame)
{
    static const char *const names[] = {
        "_start",
        "__libc_start_main",
        "__libc_start_main_impl",
        "__libc_start_call_main",
        "start_thread",
        "__clone3",
        "__clone",
        "clone",
        "clone3",
    };

    for (size_t i = 0; frame->function && i < sizeof(names) / sizeof(*names); i++) {
        if (strcmp(frame->function, names[i]) == 0)
            return true;
    }
    return false;
}

bool stack_text_is_telling(const struct stack_list *stacks)
{
    const struct task_stack *first = stacks->tasks;

    if (stacks->count != 1)
        return stacks->count > 0;
    for (size_t i = 0; i < first->frame_count; i++) {
        if (stacks_frame_is_own(&first->frames[i]) && !is_start(&first->frames[i]))
            return true;
    }
    return first->frame_count == 0;
}

/* Frames worth telling: without those below the task's first function, if there are others. */
static size_t told_frames(const struct task_stack *task, const struct stack_text_options *options)
{
    size_t count = task->frame_count;

    while (!options->full && count > 0 && is_start(&task->frames[count - 1]))
        count--;
    return count ? count : task->frame_count;
}

void stack_text_list(struct bytes *out, const struct stack_list *stacks,
                     const struct stack_text_options *options)
{
    size_t tasks = stacks->count < options->tasks_max ? stacks->count : options->tasks_max;

    for (size_t i = 0; i < tasks; i++) {
        const struct task_stack *task = &stacks->tasks[i];
        size_t told = told_frames(task, options);
        size_t frames = told < options->frames_max ? told : options->frames_max;

        text_append(out, options->indent);
        stack_text_task(out, task);
        text_append(out, "\n");
        for (size_t n = 0; n < frames; n++)
            append_frame(out, task, n, options);
        if (frames < told)
            text_format(out, "%s  ... %zu more frames\n", options->indent, told - frames);
        else if (task->is_cut)
            text_format(out, "%s  ... more frames, which could not be read\n", options->indent);
    }
    if (tasks < stacks->count)
        text_format(out, "%s... %zu more tasks\n", options->indent, stacks->count - tasks);
}
