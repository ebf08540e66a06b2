/* Walking .eh_frame, .debug_frame and the language-specific data areas behind FDEs. */
#include "recorder/images/frames.h"

#include <stdbool.h>
#include <string.h>

/* A cursor over one table; after an overrun every get returns 0 and `failed` stays set. */
struct cursor {
    const uint8_t *data;
    uint64_t size;
    uint64_t at;
    uint64_t address; /* virtual address of data[0] */
    bool failed;
};

/* DWARF exception header encodings (LSB Core 10.5). */
enum {
    ENCODING_OMIT = 0xff,
    ENCODING_FORMAT = 0x0f,
    ENCODING_APPLICATION = 0x70,
    ENCODING_INDIRECT = 0x80,
    ENCODING_PCREL = 0x10,
    ENCODING_ABSOLUTE = 0x00,
};

struct cie {
    uint8_t address_encoding;
    uint8_t lsda_encoding;
    bool augmented; /* the augmentation starts with 'z': FDEs have augmentation data */
};

struct walk {
    const struct elf_file *elf;
    frame_visitor *frame;
    landing_visitor *landing;
    void *context;
    bool debug; /* .debug_frame rather than .eh_frame */
};

static uint64_t get_fixed(struct cursor *c, unsigned bytes)
{
    uint64_t value = 0;

    if (c->failed || bytes > c->size - c->at) {
        c->failed = true;
        return 0;
    }
    memcpy(&value, c->data + c->at, bytes);
    c->at += bytes;
    return value;
}

static uint64_t get_leb(struct cursor *c, bool is_signed)
{
    uint64_t value = 0;
    unsigned shift = 0;
    uint64_t byte;

    do {
        byte = get_fixed(c, 1);
        if (shift < 64)
            value |= (byte & 0x7f) << shift;
        shift += 7;
    } while ((byte & 0x80) && !c->failed);
    if (is_signed && shift < 64 && (byte & 0x40))
        value |= ~0ull << shift;
    return value;
}

static void skip(struct cursor *c, uint64_t bytes)
{
    if (bytes > c->size - c->at)
        c->failed = true;
    else
        c->at += bytes;
}

/* False for what these tables never use in linked x86-64 files (text- or function-relative). */
static bool get_encoded(struct cursor *c, uint8_t encoding, uint64_t *ret)
{
    uint64_t place = c->address + c->at;

    switch (encoding & ENCODING_FORMAT) {
    case 0x00:
    case 0x04:
    case 0x0c:
        *ret = get_fixed(c, 8);
        break;
    case 0x01:
        *ret = get_leb(c, false);
        break;
    case 0x09:
        *ret = get_leb(c, true);
        break;
    case 0x02:
        *ret = get_fixed(c, 2);
        break;
    case 0x0a:
        *ret = (uint64_t)(int64_t)(int16_t)get_fixed(c, 2);
        break;
    case 0x03:
        *ret = get_fixed(c, 4);
        break;
    case 0x0b:
        *ret = (uint64_t)(int64_t)(int32_t)get_fixed(c, 4);
        break;
    default:
        return false;
    }
    if (c->failed)
        return false;
    switch (encoding & ENCODING_APPLICATION) {
    case ENCODING_ABSOLUTE:
        return true;
    case ENCODING_PCREL:
        *ret += *ret ? place : 0;
        return true;
    default:
        return false;
    }
}

/* c stands behind the CIE's id. */
static bool read_cie(struct cursor *c, bool debug, struct cie *ret)
{
    const char *augmentation = (const char *)c->data + c->at + 1;
    uint64_t version = get_fixed(c, 1);
    uint64_t unused;

    memset(ret, 0, sizeof(*ret));
    ret->lsda_encoding = ENCODING_OMIT;
    if (c->failed || !memchr(augmentation, 0, c->size - c->at))
        return false;
    skip(c, strlen(augmentation) + 1);
    if (debug && version >= 4)
        skip(c, 2); /* address and segment selector size */
    get_leb(c, false);
    get_leb(c, true);
    if (version == 1)
        get_fixed(c, 1);
    else
        get_leb(c, false);
    if (augmentation[0] != 'z')
        return !c->failed && augmentation[0] == 0;
    ret->augmented = true;
    get_leb(c, false);
    for (const char *a = augmentation + 1; *a; a++) {
        if (*a == 'R')
            ret->address_encoding = (uint8_t)get_fixed(c, 1);
        else if (*a == 'L')
            ret->lsda_encoding = (uint8_t)get_fixed(c, 1);
        else if (*a == 'P') {
            uint8_t encoding = (uint8_t)get_fixed(c, 1);

            if (!get_encoded(c, encoding & (ENCODING_FORMAT | ENCODING_PCREL), &unused))
                return false;
        } else if (*a != 'S' && *a != 'B')
            break; /* what follows is unknown, and so is its length */
    }
    return !c->failed;
}

static void visit_landing_pads(const struct walk *walk, uint64_t lsda, uint64_t function)
{
    struct cursor c = {.address = lsda, .size = elf_file_backed(walk->elf, lsda)};
    uint64_t base = function, unused, end;
    uint8_t encoding;

    c.data = elf_file_at(walk->elf, lsda, c.size);
    if (!c.data || c.size == 0)
        return;
    encoding = (uint8_t)get_fixed(&c, 1);
    if (encoding != ENCODING_OMIT && !get_encoded(&c, encoding, &base))
        return;
    encoding = (uint8_t)get_fixed(&c, 1);
    if (encoding != ENCODING_OMIT)
        get_leb(&c, false);
    encoding = (uint8_t)get_fixed(&c, 1);
    end = get_leb(&c, false);
    if (c.failed || end > c.size - c.at)
        return;
    end += c.at;
    while (c.at < end) {
        uint64_t pad;

        if (!get_encoded(&c, encoding, &unused) || !get_encoded(&c, encoding, &unused) ||
            !get_encoded(&c, encoding, &pad))
            return;
        get_leb(&c, false);
        if (!c.failed && pad != 0)
            walk->landing(base + pad, walk->context);
    }
}

/* c stands behind the FDE's CIE pointer and ends with the entry. */
static void read_fde(const struct walk *walk, struct cursor *c, const struct cie *cie)
{
    uint64_t start, length, lsda;

    if (!get_encoded(c, cie->address_encoding, &start) ||
        !get_encoded(c, cie->address_encoding & ENCODING_FORMAT, &length))
        return;
    if (length == 0 || start + length < start)
        return;
    walk->frame(start, start + length, walk->context);
    if (!cie->augmented || cie->lsda_encoding == ENCODING_OMIT ||
        (cie->lsda_encoding & ENCODING_INDIRECT))
        return;
    get_leb(c, false);
    if (get_encoded(c, cie->lsda_encoding, &lsda) && lsda != 0)
        visit_landing_pads(walk, lsda, start);
}

static void walk_table(const struct walk *walk, const uint8_t *data, uint64_t size,
                       uint64_t address)
{
    struct cursor c = {.data = data, .size = size, .address = address};
    uint64_t cie_at = UINT64_MAX;
    struct cie cie;

    while (c.at + 4 <= size) {
        uint64_t length = get_fixed(&c, 4), id_at, id, cie_offset;
        struct cursor entry;
        unsigned id_size = 4;

        if (length == 0 && !walk->debug)
            return; /* terminator */
        if (length == 0xffffffff) {
            length = get_fixed(&c, 8);
            id_size = walk->debug ? 8 : 4;
        }
        if (c.failed || length > size - c.at || length < id_size)
            return;
        entry = c;
        entry.size = c.at + length;
        id_at = c.at;
        c.at += length;
        id = get_fixed(&entry, id_size);
        if (walk->debug ? id == (id_size == 4 ? 0xffffffff : UINT64_MAX) : id == 0)
            continue; /* a CIE: read when an FDE names it */
        cie_offset = walk->debug ? id : id_at - id;
        if (cie_offset != cie_at) {
            struct cursor at = {.data = data, .size = size, .address = address};

            if (cie_offset > size - 8)
                continue;
            at.at = cie_offset;
            at.at += get_fixed(&at, 4) == 0xffffffff ? 8 : 0;
            at.at += id_size;
            if (at.at >= size || !read_cie(&at, walk->debug, &cie))
                continue;
            cie_at = cie_offset;
        }
        read_fde(walk, &entry, &cie);
    }
}

/* Without sections: PT_GNU_EH_FRAME's header points at .eh_frame, which ends with a terminator. */
static void walk_by_header(const struct walk *walk)
{
    for (size_t i = 0; i < walk->elf->segment_count; i++) {
        const Elf64_Phdr *p = &walk->elf->segments[i];
        struct cursor c = {.size = p->p_filesz, .address = p->p_vaddr};
        uint64_t frames, size;
        uint8_t encoding;

        if (p->p_type != PT_GNU_EH_FRAME || p->p_filesz < 8)
            continue;
        c.data = elf_file_at(walk->elf, p->p_vaddr, p->p_filesz);
        if (!c.data || c.data[0] != 1)
            continue;
        encoding = c.data[1];
        c.at = 4;
        if (!get_encoded(&c, encoding, &frames))
            continue;
        size = elf_file_backed(walk->elf, frames);
        if (size)
            walk_table(walk, elf_file_at(walk->elf, frames, size), size, frames);
    }
}

void frames_visit(const struct elf_file *elf, frame_visitor *frame, landing_visitor *landing,
                  void *context)
{
    struct walk walk = {.elf = elf, .frame = frame, .landing = landing, .context = context};
    const Elf64_Shdr *section;
    const uint8_t *data = elf_file_section(elf, ".eh_frame", &section);

    if (data)
        walk_table(&walk, data, section->sh_size, section->sh_addr);
    else
        walk_by_header(&walk);
    walk.debug = true;
    data = elf_file_section(elf, ".debug_frame", &section);
    if (data)
        walk_table(&walk, data, section->sh_size, 0);
}
