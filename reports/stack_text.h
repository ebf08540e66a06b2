/* Stacks as lines of plain text, for the console, JUnit, TAP and Markdown. stacks_render() says all
 * that is known of a frame; here stands what a reader looks for: the function and its place. */
#ifndef REPORTS_STACK_TEXT_H
#define REPORTS_STACK_TEXT_H

#include <stdbool.h>
#include <stddef.h>

#include "include/rrtest/stacks.h"
#include "recorder/base/bytes.h"

struct stack_text_options {
    const char *indent; /* in front of every line */
    size_t tasks_max;   /* SIZE_MAX: all */
    size_t frames_max;  /* of each task */
    bool full;          /* frames as stacks_render_frame() has them */
};

/* "push (queue.c:41)", "free+0x1c [/lib/libc.so.6]", "0x7f12 [libx.so+0x12]": no newline. */
void stack_text_frame(struct bytes *out, const struct stack_frame *frame);
/* "task 0.2 "worker", tid 7: waits in futex": no newline. */
void stack_text_task(struct bytes *out, const struct task_stack *task);
/* Is there more to see than how the C library ends a program whose main() returned? */
bool stack_text_is_telling(const struct stack_list *stacks);
/* A line per task and per frame, each ended by a newline; what the limits leave out is counted in
 * lines of its own. Nothing for an empty list. */
void stack_text_list(struct bytes *out, const struct stack_list *stacks,
                     const struct stack_text_options *options);

#endif
