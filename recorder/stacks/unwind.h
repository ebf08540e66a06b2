/* Reading the stacks of stopped tasks: who called whom, and what these places are called.
 *
 * Walking is libunwind's, by the tables that .eh_frame_hdr indexes; libdwfl's CFI reader takes the
 * frames of files without such an index (static programs of gcc, .debug_frame alone). Neither gets
 * past a signal frame of musl (no CFI), a call of a wild pointer or code without CFI; for these
 * there are rules of our own (unwind.c). Names, lines and inlined functions are elfutils', from the
 * file itself and separate debug files on this machine; nothing is ever fetched from a network.
 *
 * The files' own contents count as code, not what the recorder put over them: so addresses must be
 * the program's own. Whatever a task's memory or files hold, reading ends. */
#ifndef RECORDER_STACKS_UNWIND_H
#define RECORDER_STACKS_UNWIND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/user.h>

#include "recorder/stacks/stacks.h"
#include "recorder/tracee/maps.h"

/* The address space of a task, as it is while it is read. */
struct unwind_source {
    void *context;
    const struct maps *maps;
    /* Copy as much as is readable; returns the count. */
    size_t (*read)(void *context, uint64_t address, void *ret, size_t length);
    /* The ELF file that the entry (executable, of a file) maps, for reading; its path for people,
     * which need only last for the call; and which place in that file entry->start has: what the
     * recorder maps over a text need not be laid out as the program's file. The descriptor is the
     * caller's. Negative errno: no program's code; frames there have no name. */
    int (*open)(void *context, const struct map_entry *entry, const char **ret_path,
                uint64_t *ret_offset);
};

/* For one report: what it learns of files it keeps until it is freed. Entries of the same name,
 * file number, place and offset in different sources are taken for the same file. */
struct unwinder;

/* Names are looked up for budget_ns of wall time from now; afterwards frames have only address and
 * module, and after twice that long stacks end early (is_cut). */
struct unwinder *unwinder_new(uint64_t budget_ns);
void unwinder_free(struct unwinder *u);
/* Append the task's frames to *ret, at most STACKS_FRAMES_MAX, and set is_cut. registers->rip is
 * the address of the instruction that is next; rip, rsp, rbp and the registers that functions
 * preserve are used. */
void unwinder_read(struct unwinder *u, const struct unwind_source *source,
                   const struct user_regs_struct *registers, struct task_stack *ret);

#endif
