/* Stacks of the session's tasks. The files are the program's own, not their rewritten images: calls
 * are never relocated, so every return address is an original one, and the innermost address is
 * mapped back from its stub first. */
#include "recorder/record/stack.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "recorder/base/text.h"
#include "recorder/record/traps.h"
#include "recorder/stacks/stacks.h"
#include "recorder/stacks/unwind.h"

#define TASKS_MAX 64
#define NAMES_BUDGET_NS 2000000000ull

static size_t read_memory(void *context, uint64_t address, void *ret, size_t length)
{
    const struct task *t = context;

    return tracee_read_some(t->tid, address, ret, length);
}

/* A rewritten text is mapped from the image's file, at another offset. */
static int locate(const struct space *space, const struct map_entry *e, uint64_t *ret_offset)
{
    for (size_t i = 0; i < space->image_count; i++) {
        const struct loaded_image *l = &space->images[i];

        if (e->start >= l->stub_start && e->start < l->stub_end)
            return -ENOENT;
        if (e->start >= l->text_start && e->start < l->text_end) {
            *ret_offset = l->text_offset + (e->start - l->text_start);
            return 0;
        }
    }
    *ret_offset = e->offset;
    return 0;
}

static int open_file(void *context, const struct map_entry *entry, const char **ret_path,
                     uint64_t *ret_offset)
{
    const struct task *t = context;
    char path[4096 + 64];
    int fd;

    if (!entry->name || entry->name[0] != '/' || locate(t->space, entry, ret_offset) < 0)
        return -ENOENT;
    snprintf(path, sizeof(path), "/proc/%d/root%s", t->tid, entry->name);
    fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    *ret_path = entry->name;
    return fd < 0 ? -errno : fd;
}

static const char *doing(const struct task *t)
{
    if (t->process->stopped)
        return "stopped by a signal";
    if (t->vfork_child)
        return "waits for its vfork child";
    if (t->state == TASK_KERNEL)
        return "sleeps in the kernel in";
    return t->call.active ? "waits in" : "runs";
}

static char *state_of(const struct task *t)
{
    char call[160] = "", *text;

    if (t->call.active)
        syscall_format(t->call.nr, t->call.args, NULL, call, sizeof(call));
    text = text_make("%s%s%s", doing(t), call[0] ? " " : "", call);
    return text;
}

static void read_task(struct unwinder *u, struct stack_list *list, struct task *t, const char *how)
{
    struct unwind_source source = {
        .context = t, .maps = &t->space->maps, .read = read_memory, .open = open_file};
    struct user_regs_struct registers = t->regs;
    struct task_stack *stack;
    bool exact;

    if (t->state == TASK_EXITING || t->state == TASK_DEAD)
        return;
    if (list->count == TASKS_MAX) {
        list->left_out++;
        return;
    }
    stack = stacks_add_task(list);
    stack->pid = t->process->pid;
    stack->tid = t->ns_tid;
    stack->role = text_copy(t->role);
    stack->name = t->name[0] ? text_copy(t->name) : NULL;
    stack->state = how ? text_copy(how) : state_of(t);
    registers.rip = traps_original_ip(t, &exact);
    unwinder_read(u, &source, &registers, stack);
}

void stack_read_all(struct session *s, struct task *cause, const char *how)
{
    struct stack_list *list = &s->result->stacks;
    struct unwinder *u = unwinder_new(NAMES_BUDGET_NS);

    stacks_done(list);
    if (cause) {
        read_task(u, list, cause, how);
        if (list->count > 0)
            list->tasks[0].is_cause = true;
    }
    for (struct task *t = s->tasks; t; t = t->next)
        if (t != cause)
            read_task(u, list, t, NULL);
    unwinder_free(u);
}
