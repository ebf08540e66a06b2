/* The names of procedure linkage table entries: no symbol covers them, and a task that is preempted
 * on its way into a library stands in one. */
#ifndef RECORDER_STACKS_PLT_H
#define RECORDER_STACKS_PLT_H

#include <elfutils/libdwfl.h>
#include <stdint.h>

/* "pthread_mutex_lock@plt", to be freed; NULL: the address lies in no entry that jumps to a symbol.
 * The address is one of the libdwfl session's. */
char *plt_name(Dwfl_Module *module, uint64_t address);

#endif
