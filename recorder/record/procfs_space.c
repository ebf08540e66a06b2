/* From the model of a space to the lines of its /proc/PID/maps. */
#include "recorder/record/procfs_space.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sysmacros.h>

#include "recorder/record/file_facts.h"
#include "recorder/record/image_store.h"
#include "recorder/record/space.h"

/* Device and inode are part of a trace file's key (space_trace_file()). */
static void identify(struct session *s, uint32_t file, struct procfs_mapping *m)
{
    uint64_t device, inode;
    int kind;

    for (size_t i = 0; i < s->trace_file_count; i++) {
        if (s->trace_files[i].id != file)
            continue;
        if (sscanf(s->trace_files[i].key, "%d:%lx:%lx", &kind, &device, &inode) == 3) {
            file_facts_show(s, &device, &inode);
            m->device_major = major(device);
            m->device_minor = minor(device);
            m->inode = inode;
        }
        return;
    }
}

static const struct loaded_image *text_at(const struct space *space, uint64_t address)
{
    for (size_t i = 0; i < space->image_count; i++)
        if (address >= space->images[i].text_start && address < space->images[i].text_end)
            return &space->images[i];
    return NULL;
}

/* The rewritten text that the entry is; NULL: it is none. */
static const struct loaded_image *overlay_of(const struct space *space, const struct map_entry *e)
{
    const struct loaded_image *l = e->file ? text_at(space, e->start) : NULL;

    return l && l->image_file == e->file ? l : NULL;
}

bool procfs_is_own_mapping(struct session *s, const struct space *space, uint64_t address)
{
    const struct map_entry *e = maps_find(&space->maps, address);

    return e && e->name != image_store_name(s->images, SPACE_HIDDEN_NAME) && !overlay_of(space, e);
}

static void describe(struct session *s, const struct space *space, const struct map_entry *e,
                     struct procfs_mapping *ret)
{
    const struct loaded_image *l;

    *ret = (struct procfs_mapping){
        .start = e->start, .end = e->end, .prot = e->prot, .flags = e->flags, .name = e->name};
    if (!e->file) {
        if (e->flags & MAP_SHARED) {
            ret->name = e->name ? e->name : "/dev/zero (deleted)";
            ret->device_minor = 1;
            ret->inode = (e->object >> 20) + 1024;
        }
        return;
    }
    ret->offset = e->offset;
    identify(s, e->file, ret);
    l = overlay_of(space, e);
    if (!l)
        return;
    ret->name = l->name;
    ret->offset = l->text_offset + (e->start - l->text_start);
    identify(s, l->file, ret);
}

static void take_from_kernel(const char *kernel_maps, struct procfs_mapping *mapping, size_t *count)
{
    for (const char *at = kernel_maps; at && *at;) {
        size_t length = strcspn(at, "\n");
        unsigned long start = 0, end = 0;
        bool stack = length > 7 && memcmp(at + length - 7, "[stack]", 7) == 0;
        bool vsyscall = length > 10 && memcmp(at + length - 10, "[vsyscall]", 10) == 0;

        if ((stack || vsyscall) && sscanf(at, "%lx-%lx", &start, &end) == 2) {
            for (size_t i = 0; stack && i < *count; i++)
                if (mapping[i].name && strcmp(mapping[i].name, "[stack]") == 0) {
                    mapping[i].start = start;
                    break;
                }
            if (vsyscall)
                mapping[(*count)++] = (struct procfs_mapping){.start = start,
                                                              .end = end,
                                                              .prot = PROT_EXEC,
                                                              .flags = MAP_PRIVATE,
                                                              .name = "[vsyscall]"};
        }
        at += length;
        at += *at == '\n';
    }
}

size_t procfs_mappings(struct session *s, const struct space *space, const char *kernel_maps,
                       struct procfs_mapping **ret)
{
    const char *hidden = image_store_name(s->images, SPACE_HIDDEN_NAME);
    struct procfs_mapping *mapping = calloc(space->maps.count + 2, sizeof(*mapping));
    size_t count = 0;

    if (!mapping)
        abort();
    for (size_t i = 0; i < space->maps.count; i++)
        if (space->maps.entry[i].name != hidden)
            describe(s, space, &space->maps.entry[i], &mapping[count++]);
    take_from_kernel(kernel_maps, mapping, &count);
    *ret = mapping;
    return procfs_mappings_join(mapping, count);
}
