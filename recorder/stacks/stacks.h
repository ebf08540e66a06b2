/* Stacks as data (rrtest/stacks.h): ownership, bytes for messages, text for people, signatures.
 * Pure: nothing here looks at a tracee or a file; unwind.h does. */
#ifndef RECORDER_STACKS_STACKS_H
#define RECORDER_STACKS_STACKS_H

#include <stddef.h>

#include "include/rrtest/stacks.h"
#include "recorder/base/bytes.h"

/* What is read of one task at most. */
#define STACKS_FRAMES_MAX 64

/* The function of a frame through which the kernel called a signal handler, as gdb calls it. */
#define STACKS_SIGNAL_FRAME "<signal handler called>"

/* Frees all that the list owns; it is empty afterwards. NULL is ignored. */
void stacks_done(struct stack_list *list);
/* The contents of one task; a later stacks_done() must not see it again. */
void stacks_task_done(struct task_stack *task);
/* Make *to an independent copy; what it held before is not freed. */
void stacks_copy(struct stack_list *to, const struct stack_list *from);
/* Room for one more task at the end, zeroed. The pointer is valid until the next call. */
struct task_stack *stacks_add_task(struct stack_list *list);
/* The same for one more frame of a task. */
struct stack_frame *stacks_add_frame(struct task_stack *task);

/* Append the list to *ret. The form is versioned; each different text is in it once, so that 64
 * stacks of 64 frames take some 80 KB. Not for files: processes of one rrtest exchange it. */
void stacks_encode(const struct stack_list *list, struct bytes *ret);
/* The reverse. -EBADMSG: damaged, cut, followed by something, or of another version; never more
 * memory than a fixed multiple of length is asked for. *ret (to be ended with stacks_done()) is
 * written only on success. */
int stacks_decode(const void *data, size_t length, struct stack_list *ret);

/* Lines of text, each begun by indent and ended by a newline, without colour; control characters
 * of names are shown as '?'. For every task, the cause first as it is in the list,
 *     task 0.1 (pid 2 tid 3, stuck): waits in futex(...)
 *       #0 0x7f... function+0x12 (file.c:34) [module]
 *       #1 0x7f... function, inlined (file.c:34) [module]
 * An empty list gives nothing. */
void stacks_render(const struct stack_list *list, const char *indent, struct bytes *ret);
/* The frame with this number alone, without indent and newline. */
void stacks_render_frame(const struct stack_frame *frame, size_t number, struct bytes *ret);

/* What makes two failures the same one, as lines of text: equal for equal failures whatever the
 * addresses, pids, order of tasks, folders of sources and programs, and machine. First the kind of
 * failure as given (rrtest/report.h), then:
 *
 * - if a task is the cause (crash, exit, unsupported call), the innermost three of its frames in
 *   the program's own modules, without those that only carry out the end (abort, assertions,
 *   sanitizers, exit);
 * - else (deadlock, timeout, limit) the set, sorted, of "START waits at PLACE" or "START runs",
 *   START being the function that a task began with and PLACE where the program called what waits.
 *
 * A place is "function file:line", or "module+0xoffset" where debug data are missing. Without any
 * stack nothing but the kind. Appended to *ret. */
void stacks_signature(const struct stack_list *list, const char *kind, struct bytes *ret);

/* Is it code of the program, not of a library that the system or a language brings along? */
bool stacks_frame_is_own(const struct stack_frame *frame);

#endif
