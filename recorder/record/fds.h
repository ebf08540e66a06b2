/* What the recorder knows of the program's descriptors: a table per files_struct, filled on first
 * use and forgotten when a number may mean another file. */
#ifndef RECORDER_RECORD_FDS_H
#define RECORDER_RECORD_FDS_H

#include "recorder/record/session.h"

/* Entry for a number, created empty; NULL for a negative or absurd one. */
struct fd_entry *fds_entry(struct files *files, int fd);
/* Kind, looked up in /proc when unknown. FD_UNKNOWN: not open. */
enum fd_kind fds_kind(struct session *s, struct task *t, int fd);
/* 1: the run's stdout, 2: its stderr, 0: neither. */
int fds_stream(struct session *s, struct task *t, int fd);
/* The number means something else from now on. */
void fds_forget(struct session *s, struct files *files, int fd);
void fds_forget_range(struct session *s, struct files *files, unsigned first, unsigned last);
void fds_exec(struct session *s, struct files *files);
/* dup, dup2, F_DUPFD: the new number is the same open file. */
void fds_duplicate(struct session *s, struct files *files, int from, int to);
/* The same; handlers know of the new number already. */
void fds_copied(struct session *s, struct files *files, int from, int to);
/* Our duplicate of the task's fd (pidfd_getfd); negative errno. */
int fds_take(struct task *t, int fd);
/* Is one of the call's descriptors the recorder's? The program must not know it. */
bool fds_names_ours(const struct call *c);
struct fd_object *fds_object(struct files *files, int fd);
void fds_object_unref(struct session *s, struct fd_object *object);
struct fd_object *fds_object_new(struct session *s, struct task *t, int fd, enum fd_kind kind);

enum call_action model_close(struct session *s, struct task *t, struct call *c);
enum call_action model_dup(struct session *s, struct task *t, struct call *c);
enum call_action model_dup2(struct session *s, struct task *t, struct call *c);
enum call_action model_close_range(struct session *s, struct task *t, struct call *c);
/* After a finished call: what its row says about descriptors. */
void fds_after_call(struct session *s, struct task *t, struct call *c);

/* As fds_forget(), by a buffered call: its handler keeps its own table. */
void fds_replaced(struct session *s, struct files *files, int fd);

#endif
