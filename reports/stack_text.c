/* One frame, one line: what a person looks for first stands first. */
#include "reports/stack_text.h"

#include <inttypes.h>
#include <string.h>

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

void stack_text_frame(struct bytes *out, const struct stack_frame *frame, bool address)
{
    if (address || !frame->function)
        text_format(out, "0x%" PRIx64 "%s", frame->address, frame->function ? " " : "");
    if (frame->function) {
        text_append(out, frame->function);
        if (frame->offset && (address || !frame->file))
            text_format(out, "+0x%" PRIx64, frame->offset);
    }
    if (frame->file)
        append_place(out, frame);
    if (frame->is_inlined)
        text_append(out, " inlined");
    if (!frame->module)
        return;
    if (address || !frame->function)
        text_format(out, " [%s+0x%" PRIx64 "]", frame->module, frame->module_offset);
    else if (!frame->file)
        text_format(out, " [%s]", frame->module);
}

void stack_text_task(struct bytes *out, const struct task_stack *task)
{
    text_format(out, "task %s", task->role);
    if (task->name)
        text_format(out, " \"%s\"", task->name);
    text_format(out, ", tid %" PRId32 ": %s", task->tid, task->state);
}

void stack_text_list(struct bytes *out, const struct stack_list *stacks,
                     const struct stack_text_options *options)
{
    size_t tasks = stacks->count < options->tasks_max ? stacks->count : options->tasks_max;

    for (size_t i = 0; i < tasks; i++) {
        const struct task_stack *task = &stacks->tasks[i];
        size_t frames =
            task->frame_count < options->frames_max ? task->frame_count : options->frames_max;

        text_append(out, options->indent);
        stack_text_task(out, task);
        text_append(out, "\n");
        for (size_t n = 0; n < frames; n++) {
            text_format(out, "%s  #%-2zu ", options->indent, n);
            stack_text_frame(out, &task->frames[n], options->addresses);
            text_append(out, "\n");
        }
        if (frames < task->frame_count)
            text_format(out, "%s  ... %zu more frames\n", options->indent,
                        task->frame_count - frames);
        else if (task->is_cut)
            text_format(out, "%s  ... more frames, which could not be read\n", options->indent);
    }
    if (tasks < stacks->count)
        text_format(out, "%s... %zu more tasks\n", options->indent, stacks->count - tasks);
}
