/* Files mapped MAP_SHARED: identity, and system calls that change them. */
#ifndef RECORDER_RECORD_SHARED_H
#define RECORDER_RECORD_SHARED_H

#include <sys/stat.h>

#include "recorder/record/session.h"

/* The trace file id of a file that is being mapped shared; its content is kept as it is at the
 * first time. */
uint32_t shared_file_id(struct session *s, int fd, const struct stat *st, const char *name);
/* The same if the file was mapped shared before, else 0: a private mapping of it shows what is
 * written to it, page by page until its own copy. */
uint32_t shared_file_known(struct session *s, const struct stat *st);
/* A finished call that may have changed a file. */
void shared_file_changed(struct session *s, struct task *t, struct call *c);
void shared_files_free(struct session *s);

#endif
