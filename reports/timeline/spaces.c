/* Address spaces as two layers of file mappings: the files that the program mapped, and the
 * rewritten images that lie over their text or, as stub areas, elsewhere. Anonymous memory is only
 * seen as what replaces a mapping. */
#include "reports/timeline/spaces.h"

#include <elf.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "recorder/images/image.h"

#define SEGMENTS_MAX 16

struct mapping {
    uint64_t start, end;
    uint64_t offset; /* in the file */
    uint32_t file;
};

struct mapped_space {
    unsigned users;
    struct mapping *mappings; /* in the order they were made */
    size_t count, capacity;
};

struct load_segment {
    uint64_t offset, length, address;
};

struct file_facts {
    bool known, is_elf, is_image;
    struct image *image; /* owned; NULL: could not be loaded */
    struct load_segment segments[SEGMENTS_MAX];
    size_t segment_count;
};

struct spaces {
    struct trace_reader *reader;
    struct file_facts *files; /* by id, 1..count */
    size_t count;
};

static void *need(void *memory)
{
    if (!memory)
        abort();
    return memory;
}

struct spaces *spaces_new(struct trace_reader *reader)
{
    struct spaces *spaces = need(calloc(1, sizeof(*spaces)));

    spaces->reader = reader;
    return spaces;
}

void spaces_free(struct spaces *spaces)
{
    for (size_t i = 0; i < spaces->count; i++)
        image_free(spaces->files[i].image);
    free(spaces->files);
    free(spaces);
}

/* ---- files ---- */

static void read_segments(int fd, struct file_facts *facts)
{
    Elf64_Ehdr header;
    Elf64_Phdr segment;

    if (pread(fd, &header, sizeof(header), 0) != (ssize_t)sizeof(header) ||
        memcmp(header.e_ident, ELFMAG, SELFMAG) != 0 || header.e_ident[EI_CLASS] != ELFCLASS64 ||
        header.e_phentsize != sizeof(segment))
        return;
    facts->is_elf = true;
    for (unsigned i = 0; i < header.e_phnum && facts->segment_count < SEGMENTS_MAX; i++) {
        if (pread(fd, &segment, sizeof(segment), (off_t)(header.e_phoff + i * sizeof(segment))) !=
            (ssize_t)sizeof(segment))
            return;
        if (segment.p_type == PT_LOAD)
            facts->segments[facts->segment_count++] =
                (struct load_segment){segment.p_offset, segment.p_filesz, segment.p_vaddr};
    }
}

/* A file that is damaged or gone only costs the names of its places. */
static struct file_facts *facts_of(struct spaces *spaces, uint32_t id)
{
    const struct trace_file *file;
    struct file_facts *facts;

    if (id > spaces->count) {
        spaces->files = need(realloc(spaces->files, id * sizeof(*spaces->files)));
        memset(spaces->files + spaces->count, 0, (id - spaces->count) * sizeof(*spaces->files));
        spaces->count = id;
    }
    facts = &spaces->files[id - 1];
    if (facts->known)
        return facts;
    facts->known = true;
    file = trace_reader_file(spaces->reader, id, NULL);
    if (!file)
        return facts;
    facts->is_image = file->kind == TRACE_FILE_IMAGE;
    if (facts->is_image) {
        if (image_load(file->fd, &facts->image, NULL))
            facts->image = NULL;
    } else {
        read_segments(file->fd, facts);
    }
    return facts;
}

/* ---- one space ---- */

struct mapped_space *mapped_new(void)
{
    struct mapped_space *space = need(calloc(1, sizeof(*space)));

    space->users = 1;
    return space;
}

struct mapped_space *mapped_copy(const struct mapped_space *space)
{
    struct mapped_space *copy = mapped_new();

    if (space->count) {
        copy->mappings = need(malloc(space->count * sizeof(*copy->mappings)));
        memcpy(copy->mappings, space->mappings, space->count * sizeof(*copy->mappings));
        copy->count = copy->capacity = space->count;
    }
    return copy;
}

struct mapped_space *mapped_share(struct mapped_space *space)
{
    space->users++;
    return space;
}

void mapped_drop(struct mapped_space *space)
{
    if (!space || --space->users)
        return;
    free(space->mappings);
    free(space);
}

static void add(struct mapped_space *space, struct mapping mapping)
{
    if (space->count == space->capacity) {
        space->capacity = space->capacity * 2 + 16;
        space->mappings = need(realloc(space->mappings, space->capacity * sizeof(mapping)));
    }
    space->mappings[space->count++] = mapping;
}

/* Take [start, end) out. A mapping in whose middle it lies becomes two. */
static void cut(struct mapped_space *space, uint64_t start, uint64_t end)
{
    size_t kept = 0, count = space->count;

    for (size_t i = 0; i < count; i++) {
        struct mapping m = space->mappings[i];

        if (m.end <= start || m.start >= end) {
            space->mappings[kept++] = m;
            continue;
        }
        if (m.start < start)
            space->mappings[kept++] = (struct mapping){m.start, start, m.offset, m.file};
        if (m.end > end) {
            struct mapping rest = {end, m.end, m.offset + (end - m.start), m.file};

            if (kept <= i)
                space->mappings[kept++] = rest;
            else
                add(space, rest);
        }
    }
    /* what add() put behind the old ones closes up to those that were kept */
    if (space->count > count)
        memmove(space->mappings + kept, space->mappings + count,
                (space->count - count) * sizeof(*space->mappings));
    space->count = kept + (space->count - count);
}

static void move(struct mapped_space *space, const struct map_op *op)
{
    struct mapped_space *before = mapped_copy(space);

    cut(space, op->address, op->address + op->length);
    cut(space, op->new_address, op->new_address + op->new_length);
    for (size_t i = 0; i < before->count; i++) {
        struct mapping m = before->mappings[i];
        uint64_t end = op->address + (op->new_length < op->length ? op->new_length : op->length);
        uint64_t start = m.start > op->address ? m.start : op->address;

        if (m.end < end)
            end = m.end;
        if (start < end)
            add(space, (struct mapping){start - op->address + op->new_address,
                                        end - op->address + op->new_address,
                                        m.offset + (start - m.start), m.file});
    }
    mapped_drop(before);
}

void mapped_apply(struct spaces *spaces, struct mapped_space *space, const struct map_op *op)
{
    switch (op->kind) {
    case MAP_OP_RESET:
        space->count = 0;
        break;
    case MAP_OP_MAP:
        /* A rewritten image lies over its original, which stays known. */
        if (!op->file || !facts_of(spaces, op->file)->is_image)
            cut(space, op->address, op->address + op->length);
        if (op->file)
            add(space,
                (struct mapping){op->address, op->address + op->length, op->offset, op->file});
        break;
    case MAP_OP_UNMAP:
        cut(space, op->address, op->address + op->length);
        break;
    case MAP_OP_REMAP:
        move(space, op);
        break;
    default:
        break;
    }
}

static const struct mapping *newest(struct spaces *spaces, const struct mapped_space *space,
                                    uint64_t address, bool image)
{
    for (size_t i = space->count; i-- > 0;) {
        const struct mapping *m = &space->mappings[i];

        if (address >= m->start && address < m->end && facts_of(spaces, m->file)->is_image == image)
            return m;
    }
    return NULL;
}

/* The original program's address for one in an image's text or stubs. */
static uint64_t original(struct spaces *spaces, const struct mapping *m, uint64_t address)
{
    const struct image *image = facts_of(spaces, m->file)->image;
    uint64_t offset = m->offset + (address - m->start);

    for (size_t i = 0; image && i < image_segment_count(image); i++) {
        const struct image_segment *s = image_segment(image, i);
        struct image_where where;
        uint64_t own;

        if (offset < s->cache_offset || offset >= s->cache_offset + s->length)
            continue;
        own = s->address + (offset - s->cache_offset);
        where = image_locate(image, own);
        if (where.place == IMAGE_STUB_HEAD || where.place == IMAGE_STUB_BODY)
            return address - own + where.original;
    }
    return address;
}

struct mapped_position mapped_find(struct spaces *spaces, const struct mapped_space *space,
                                   uint64_t address)
{
    const struct mapping *m = newest(spaces, space, address, true);
    struct mapped_position position = {0, address};
    const struct file_facts *facts;
    uint64_t offset;

    if (m)
        address = original(spaces, m, address);
    m = newest(spaces, space, address, false);
    if (!m)
        return position;
    facts = facts_of(spaces, m->file);
    offset = m->offset + (address - m->start);
    for (size_t i = 0; i < facts->segment_count; i++) {
        const struct load_segment *s = &facts->segments[i];

        if (offset >= s->offset && offset < s->offset + s->length)
            return (struct mapped_position){m->file, offset - s->offset + s->address};
    }
    return position;
}

uint32_t mapped_program(struct spaces *spaces, const struct mapped_space *space)
{
    for (size_t i = 0; i < space->count; i++) {
        if (facts_of(spaces, space->mappings[i].file)->is_elf)
            return space->mappings[i].file;
    }
    return 0;
}
