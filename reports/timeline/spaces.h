/* Which file backs an address of a recorded program, from the map operations of its trace, and
 * where in the file's own numbering it lies. Addresses in rewritten code and its stubs become those
 * of the original program. Internal to reports/timeline/. */
#ifndef REPORTS_TIMELINE_SPACES_H
#define REPORTS_TIMELINE_SPACES_H

#include <stdint.h>

#include "recorder/events/event.h"
#include "recorder/trace/trace.h"

struct spaces;       /* what is known of the trace's files, for all spaces of one trace */
struct mapped_space; /* an address space; counted: several tasks share one */

struct spaces *spaces_new(struct trace_reader *reader); /* the reader must outlive it */
void spaces_free(struct spaces *spaces);

/* Each result is one reference, to be given up by mapped_drop(). new: empty. */
struct mapped_space *mapped_new(void);
struct mapped_space *mapped_copy(const struct mapped_space *space); /* fork */
struct mapped_space *mapped_share(struct mapped_space *space);      /* clone: the same one */
void mapped_drop(struct mapped_space *space);                       /* NULL: nothing */
void mapped_apply(struct spaces *spaces, struct mapped_space *space, const struct map_op *op);

/* Where an address of the space lies in the program's own files. */
struct mapped_position {
    uint32_t file;    /* of the trace, kind content; 0: no file is known to back it */
    uint64_t address; /* ELF virtual address; without file, the address itself */
};
struct mapped_position mapped_find(struct spaces *spaces, const struct mapped_space *space,
                                   uint64_t address);
/* The first ELF file that is mapped: after an exec, the program. 0: none. */
uint32_t mapped_program(struct spaces *spaces, const struct mapped_space *space);

#endif
