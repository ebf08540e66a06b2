/* A model of one address space: what is mapped where, as the recorder made it happen. Kept equal in
 * recording and replay by applying the same struct map_op's. Knows nothing of tracees. */
#ifndef RECORDER_TRACEE_MAPS_H
#define RECORDER_TRACEE_MAPS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "recorder/events/event.h"

struct map_entry {
    uint64_t start, end;
    uint32_t prot, flags; /* flags: MAP_SHARED or MAP_PRIVATE, MAP_GROWSDOWN */
    uint32_t file;        /* trace file id; 0: anonymous */
    uint64_t offset;      /* file offset of start */
    uint64_t
        object; /* recording: identity of the mapped object (futex keys); 0 anonymous private */
    const char *name; /* recording: path for /proc/PID/maps; interned by the caller; may be NULL */
};

struct maps {
    struct map_entry *entry; /* sorted by start, disjoint */
    size_t count, capacity;
};

void maps_init(struct maps *m);
void maps_done(struct maps *m);
void maps_copy(struct maps *to, const struct maps *from); /* `to` is initialised */
/* Entry that holds the address, or NULL. */
const struct map_entry *maps_find(const struct maps *m, uint64_t address);
/* First entry that ends above the address, or NULL. */
const struct map_entry *maps_above(const struct maps *m, uint64_t address);
/* Insert over whatever is there. object/name as above. */
void maps_insert(struct maps *m, const struct map_entry *entry);
void maps_remove(struct maps *m, uint64_t start, uint64_t end);
void maps_protect(struct maps *m, uint64_t start, uint64_t end, uint32_t prot);
/* mremap: what is at [start, start+length) comes to new_start with new_length. */
void maps_move(struct maps *m, uint64_t start, uint64_t length, uint64_t new_start,
               uint64_t new_length, bool keep_old);
/* Recording only: say what object and name a range has. */
void maps_annotate(struct maps *m, uint64_t start, uint64_t end, uint64_t object, const char *name);
void maps_apply(struct maps *m, const struct map_op *op);

#endif
