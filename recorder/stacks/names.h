/* What a place in an ELF file is called: function, source line, and the functions inlined there, by
 * libdwfl, from the file itself and separate debug files of this machine; nothing is ever fetched
 * from a network. For stacks of live tasks, and for places of which a trace holds the file. Needs
 * no tracee. Out of memory aborts. */
#ifndef RECORDER_STACKS_NAMES_H
#define RECORDER_STACKS_NAMES_H

#include <elfutils/libdwfl.h>
#include <stdbool.h>
#include <stdint.h>

#include "recorder/stacks/stacks.h"

struct names_file {
    Dwfl_Module *dwfl;
    const char *path; /* as frames tell it */
    uint64_t bias;    /* of addresses to the file's own numbering */
};

/* A session that finds files only where it is told; to be ended with dwfl_end(3). NULL: there is
 * none to be had. */
Dwfl *names_begin(void);
/* Report the ELF file between dwfl_report_begin(3) and dwfl_report_end(3) of the session. The
 * descriptor stays the caller's. NULL: no file that libdwfl can read. */
Dwfl_Module *names_report(Dwfl *dwfl, const char *path, int fd, uint64_t bias);

/* The start of the function that has this address, by the symbols; 0: not known. */
uint64_t names_function_start(const struct names_file *file, uint64_t inside);
/* Append the frame of this address, inlined ones first, at most to STACKS_FRAMES_MAX. file NULL:
 * none backs it. inside: an address within the instruction meant. with_names false: only what costs
 * nothing. */
void names_append(struct task_stack *task, const struct names_file *file, uint64_t address,
                  uint64_t inside, bool with_names);

#endif
