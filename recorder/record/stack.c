/* Stacks of waiting tasks, for reports. */
#include <stdio.h>

#include "recorder/record/process.h"
#include "recorder/record/space.h"

/* Frames by return addresses found through frame pointers would lie without them; so: the instruction
 * pointer and its mapping only, until the unwinder has its say. */
void process_append_stack(struct session *s, struct task *t, struct bytes *text)
{
    const struct map_entry *e = maps_find(&t->space->maps, t->regs.rip);
    char line[512];
    int n = snprintf(line, sizeof(line), "\n    at %#llx %s", t->regs.rip, e && e->name ? e->name : "");

    (void)s;
    bytes_append(text, line, (size_t)n < sizeof(line) ? (size_t)n : sizeof(line) - 1);
}
