/* A directory's entries in memory, and as the kernel lays them out (getdents(2)). */
#include "recorder/record/directory.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct record { /* struct linux_dirent64 up to its name */
    uint64_t inode;
    int64_t offset;
    uint16_t length;
    uint8_t type;
} __attribute__((packed));
#define OLD_NAME 18 /* offsetof(struct linux_dirent, d_name); d_type is the record's last byte */

void directory_list_clear(struct directory_list *list)
{
    list->count = 0;
    bytes_clear(&list->names);
}

void directory_list_done(struct directory_list *list)
{
    free(list->entry);
    bytes_done(&list->names);
    memset(list, 0, sizeof(*list));
}

const char *directory_list_name(const struct directory_list *list, size_t index)
{
    return (const char *)list->names.data + list->entry[index].name;
}

void directory_list_add(struct directory_list *list, const char *name, uint64_t inode, uint8_t type)
{
    if (list->count == list->capacity) {
        list->capacity = list->capacity * 2 + 32;
        list->entry = realloc(list->entry, list->capacity * sizeof(*list->entry));
        if (!list->entry)
            abort();
    }
    list->entry[list->count++] = (struct directory_name){inode, list->names.length, type};
    bytes_append(&list->names, name, strlen(name) + 1);
}

void directory_list_parse(struct directory_list *list, const void *data, size_t length)
{
    const uint8_t *at = data;

    while (length > sizeof(struct record)) {
        struct record r;

        memcpy(&r, at, sizeof(r));
        if (r.length <= sizeof(r) || r.length > length)
            return;
        directory_list_add(list, (const char *)at + sizeof(r), r.inode, r.type);
        at += r.length;
        length -= r.length;
    }
}

static int by_name(const void *a, const void *b, void *names)
{
    const struct directory_name *x = a, *y = b;

    return strcmp((const char *)names + x->name, (const char *)names + y->name);
}

void directory_list_sort(struct directory_list *list)
{
    if (list->count > 1)
        qsort_r(list->entry, list->count, sizeof(*list->entry), by_name, list->names.data);
}

int64_t directory_list_encode(const struct directory_list *list, size_t *index, bool old,
                              uint8_t *ret, size_t size)
{
    size_t used = 0;

    for (; *index < list->count; (*index)++) {
        const struct directory_name *e = &list->entry[*index];
        const char *name = directory_list_name(list, *index);
        size_t bytes = strlen(name) + 1;
        size_t length = old ? OLD_NAME + bytes + 1 : sizeof(struct record) + bytes;
        struct record r = {.inode = e->inode, .offset = (int64_t)*index + 1, .type = e->type};

        length = (length + 7) & ~7ul;
        if (used + length > size)
            return used > 0 ? (int64_t)used : -EINVAL;
        r.length = (uint16_t)length;
        memset(ret + used, 0, length);
        memcpy(ret + used, &r, old ? OLD_NAME : sizeof(r));
        memcpy(ret + used + (old ? OLD_NAME : sizeof(r)), name, bytes);
        if (old)
            ret[used + length - 1] = e->type;
        used += length;
    }
    return (int64_t)used;
}
