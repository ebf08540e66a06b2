/* The program's address space in recording: exec set-up, images over text, mapped files. */
#ifndef RECORDER_RECORD_SPACE_H
#define RECORDER_RECORD_SPACE_H

#include <sys/stat.h>

#include "recorder/record/session.h"

/* At PTRACE_EVENT_EXEC: new space, recorder area, images, stack contents; writes the EXEC event. */
int space_exec(struct session *s, struct task *t);
/* A file was mapped executable at [address, address+length) from `offset`: lay the rewritten image
 * over it. Map operations are added to the event being built, remote calls to the batch, which the
 * caller runs with space_run_batch(). fd: ours, open on the file. */
int space_overlay(struct session *s, struct task *t, int fd, uint64_t address, uint64_t length,
                  uint64_t offset, struct tracee_batch *batch);
/* Run it; every call must succeed (mmap: at its address). */
int space_run_batch(struct session *s, struct task *t, struct tracee_batch *batch);
/* The loaded image whose span or stub area holds the address, or NULL. *ret_address: ELF address.
 */
struct loaded_image *space_image_at(struct space *space, uint64_t address, uint64_t *ret_address);
/* As image_locate() of whatever image is there, and of what was patched at run time; all addresses
 * are the program's. */
struct image_where space_locate(struct space *space, uint64_t address);
/* Name in the model of mappings that only the recorder has: never shown to the program. */
#define SPACE_HIDDEN_NAME "[rrtest]"
/* Forget images unmapped by [start, end). */
void space_forget(struct space *space, uint64_t start, uint64_t end);
/* Trace file id of an open file (content kind); our fd. */
uint32_t space_trace_file(struct session *s, int fd, enum trace_file_kind kind, const char *name);
/* Open what a tracee has open as fd, freshly, for reading (or -errno). */
int space_open_fd(struct task *t, int fd);

/* The content of a file by its device, inode, size and time of change, if it is in the trace
 * already; 0: it is not. */
uint32_t space_known_file(struct session *s, const struct stat *st, const char **ret_name);

#endif
