/* A space as its program knows it: the recorder's mappings left out, rewritten text shown as the
 * file it came from. */
#ifndef RECORDER_RECORD_PROCFS_SPACE_H
#define RECORDER_RECORD_PROCFS_SPACE_H

#include "recorder/record/procfs_text.h"
#include "recorder/record/session.h"

/* kernel_maps: the kernel's /proc/PID/maps of it (how far the stack has grown; [vsyscall]), or
 * NULL. *ret is the caller's to free. Returns the count. */
size_t procfs_mappings(struct session *s, const struct space *space, const char *kernel_maps,
                       struct procfs_mapping **ret);
/* Did the program map what is at the address, and does it still look as it mapped it? */
bool procfs_is_own_mapping(struct session *s, const struct space *space, uint64_t address);

#endif
