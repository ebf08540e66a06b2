/* /proc/PID/{maps,smaps,smaps_rollup,numa_maps} from a list of mappings. Layouts:
 * fs/proc/task_mmu.c. */
#include "recorder/record/procfs_text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "recorder/base/text.h"

#define NAME_COLUMN 73 /* show_vma_header_prefix(), seq_pad() */
#define KIB(bytes) ((unsigned long)((bytes) >> 10))

static bool same_name(const char *a, const char *b)
{
    return a == b || (a && b && strcmp(a, b) == 0);
}

static bool is_file(const struct procfs_mapping *m)
{
    return m->inode != 0;
}

static bool joinable(const struct procfs_mapping *a, const struct procfs_mapping *b)
{
    if (a->end != b->start || a->prot != b->prot || a->flags != b->flags ||
        a->device_major != b->device_major || a->device_minor != b->device_minor ||
        a->inode != b->inode || !same_name(a->name, b->name))
        return false;
    return !is_file(a) || a->offset + (a->end - a->start) == b->offset;
}

size_t procfs_mappings_join(struct procfs_mapping *mapping, size_t count)
{
    size_t kept = 0;

    for (size_t i = 0; i < count; i++) {
        if (kept > 0 && joinable(&mapping[kept - 1], &mapping[i]))
            mapping[kept - 1].end = mapping[i].end;
        else
            mapping[kept++] = mapping[i];
    }
    return kept;
}

/* Newlines as seq_path() writes them. */
static void put_name(struct bytes *ret, const char *name)
{
    for (; *name; name++) {
        if (*name == '\n')
            text_format(ret, "\\%03o", *name);
        else
            bytes_append(ret, name, 1);
    }
}

static void put_header(struct bytes *ret, const struct procfs_mapping *m)
{
    size_t from = ret->length;

    text_format(ret, "%08lx-%08lx %c%c%c%c %08lx %02x:%02x %lu ", (unsigned long)m->start,
                (unsigned long)m->end, m->prot & PROT_READ ? 'r' : '-',
                m->prot & PROT_WRITE ? 'w' : '-', m->prot & PROT_EXEC ? 'x' : '-',
                m->flags & MAP_SHARED ? 's' : 'p', (unsigned long)m->offset, m->device_major,
                m->device_minor, (unsigned long)m->inode);
    if (m->name) {
        while (ret->length - from < NAME_COLUMN)
            bytes_append(ret, " ", 1);
        put_name(ret, m->name);
    }
    bytes_append(ret, "\n", 1);
}

void procfs_text_maps(struct bytes *ret, const struct procfs_mapping *mapping, size_t count)
{
    for (size_t i = 0; i < count; i++)
        put_header(ret, &mapping[i]);
}

static uint64_t resident(const struct procfs_mapping *m)
{
    return m->prot & (PROT_READ | PROT_WRITE | PROT_EXEC) ? m->end - m->start : 0;
}

static void put_sizes(struct bytes *ret, uint64_t rss, uint64_t clean, uint64_t shared,
                      uint64_t anonymous)
{
    uint64_t dirty = rss - clean - shared;
    const struct {
        const char *name;
        uint64_t value;
    } line[] = {
        {"Rss", rss},
        {"Pss", rss},
        {"Pss_Dirty", dirty},
        {"Shared_Clean", 0},
        {"Shared_Dirty", shared},
        {"Private_Clean", clean},
        {"Private_Dirty", dirty},
        {"Referenced", rss},
        {"Anonymous", anonymous},
        {"KSM", 0},
        {"LazyFree", 0},
        {"AnonHugePages", 0},
        {"ShmemPmdMapped", 0},
        {"FilePmdMapped", 0},
        {"Shared_Hugetlb", 0},
        {"Private_Hugetlb", 0},
        {"Swap", 0},
        {"SwapPss", 0},
        {"Locked", 0},
    };

    for (size_t i = 0; i < sizeof(line) / sizeof(*line); i++)
        text_format(ret, "%s:%*lu kB\n", line[i].name, (int)(23 - strlen(line[i].name)),
                    KIB(line[i].value));
}

struct totals {
    uint64_t rss, clean, shared, anonymous;
};

static void add_totals(struct totals *t, const struct procfs_mapping *m)
{
    uint64_t rss = resident(m);

    t->rss += rss;
    if (m->flags & MAP_SHARED)
        t->shared += rss;
    else if (is_file(m) && !(m->prot & PROT_WRITE))
        t->clean += rss;
    else
        t->anonymous += rss;
}

void procfs_text_smaps(struct bytes *ret, const struct procfs_mapping *mapping, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct procfs_mapping *m = &mapping[i];
        struct totals t = {0};

        add_totals(&t, m);
        put_header(ret, m);
        text_format(ret, "Size:%19lu kB\nKernelPageSize:%9d kB\nMMUPageSize:%12d kB\n",
                    KIB(m->end - m->start), 4, 4);
        put_sizes(ret, t.rss, t.clean, t.shared, t.anonymous);
        text_format(ret, "THPeligible:%12d\nVmFlags: %s%s%s%smr mw me %s\n", 0,
                    m->prot & PROT_READ ? "rd " : "", m->prot & PROT_WRITE ? "wr " : "",
                    m->prot & PROT_EXEC ? "ex " : "", m->flags & MAP_SHARED ? "sh " : "",
                    m->flags & MAP_GROWSDOWN ? "gd " : "");
    }
}

void procfs_text_smaps_rollup(struct bytes *ret, const struct procfs_mapping *mapping, size_t count)
{
    struct procfs_mapping all = {.name = "[rollup]", .flags = MAP_PRIVATE};
    struct totals t = {0};

    if (count == 0)
        return;
    all.start = mapping[0].start;
    all.end = mapping[count - 1].end;
    for (size_t i = 0; i < count; i++)
        add_totals(&t, &mapping[i]);
    put_header(ret, &all);
    put_sizes(ret, t.rss, t.clean, t.shared, t.anonymous);
}

void procfs_text_numa_maps(struct bytes *ret, const struct procfs_mapping *mapping, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct procfs_mapping *m = &mapping[i];
        uint64_t pages = resident(m) / 4096;

        text_format(ret, "%08lx default", (unsigned long)m->start);
        if (m->name && m->name[0] == '/') {
            bytes_append(ret, " file=", 6);
            put_name(ret, m->name);
        } else if (m->name && strcmp(m->name, "[heap]") == 0) {
            bytes_append(ret, " heap", 5);
        } else if (m->name && strcmp(m->name, "[stack]") == 0) {
            bytes_append(ret, " stack", 6);
        }
        if (pages > 0)
            text_format(ret, " %s=%lu active=0 N0=%lu kernelpagesize_kB=4",
                        is_file(m) ? "mapped" : "anon", (unsigned long)pages, (unsigned long)pages);
        bytes_append(ret, "\n", 1);
    }
}

struct procfs_memory procfs_memory_of(const struct procfs_mapping *mapping, size_t count)
{
    struct procfs_memory r = {0};

    for (size_t i = 0; i < count; i++) {
        const struct procfs_mapping *m = &mapping[i];
        uint64_t size = KIB(m->end - m->start), rss = KIB(resident(m));
        bool stack = m->name && strcmp(m->name, "[stack]") == 0;

        if (m->name && strcmp(m->name, "[vsyscall]") == 0)
            continue;
        r.total += size;
        r.resident += rss;
        if (m->flags & MAP_SHARED)
            *(is_file(m) && m->device_major != 0 ? &r.resident_file : &r.resident_shared) += rss;
        else if (is_file(m) && !(m->prot & PROT_WRITE))
            r.resident_file += rss;
        else
            r.resident_anonymous += rss;
        if (stack)
            r.stack += size;
        else if ((m->prot & PROT_WRITE) && !(m->flags & MAP_SHARED))
            r.data += size;
        if ((m->prot & PROT_EXEC) && !(m->prot & PROT_WRITE))
            *(r.program == 0 ? &r.program : &r.library) += size;
    }
    return r;
}
