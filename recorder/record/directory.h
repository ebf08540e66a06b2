/* Directories read in the order of their names. The first read of an open directory takes all of
 * it; later ones are served from that copy, and the file's position is an index into it, so that
 * lseek(2) goes on working. What is the recorder's in /proc/PID/fd is left out. */
#ifndef RECORDER_RECORD_DIRECTORY_H
#define RECORDER_RECORD_DIRECTORY_H

#include "recorder/record/session.h"

enum call_action model_getdents(struct session *s, struct task *t,
                                struct call *c); /* and getdents64 */

/* ---- the copy (directory_list.c, pure) ------------------------------------------------------ */

struct directory_list {
    struct directory_name {
        uint64_t inode;
        size_t name; /* offset in names */
        uint8_t type;
    } * entry;
    size_t count, capacity;
    struct bytes names;
};

void directory_list_clear(struct directory_list *list);
void directory_list_done(struct directory_list *list);
const char *directory_list_name(const struct directory_list *list, size_t index);
void directory_list_add(struct directory_list *list, const char *name, uint64_t inode,
                        uint8_t type);
/* Add what getdents64(2) returned. */
void directory_list_parse(struct directory_list *list, const void *data, size_t length);
/* By bytes of the names. */
void directory_list_sort(struct directory_list *list);
/* Records of struct linux_dirent64 (old: linux_dirent) from entry *index on, as many as fit; *index
 * moves on. -EINVAL: there are some, and not even one fits. */
int64_t directory_list_encode(const struct directory_list *list, size_t *index, bool old,
                              uint8_t *ret, size_t size);

#endif
