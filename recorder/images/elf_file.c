/* Reading ELF files. Tables are copied out, so that damaged or misaligned files need no care
 * further up. */
#include "recorder/images/elf_file.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "recorder/base/file.h"
#include "recorder/base/types.h"
#include "recorder/images/memory.h"

static bool in_file(const struct elf_file *elf, uint64_t offset, uint64_t length)
{
    return offset <= elf->size && length <= elf->size - offset;
}

static int read_all(int fd, struct elf_file *elf, struct rr_error *error)
{
    struct stat st;
    int result;

    if (fstat(fd, &st) < 0)
        return rr_error_set(error, -errno, "fstat: %s", strerror(errno));
    if (!S_ISREG(st.st_mode))
        return rr_error_set(error, -ENOEXEC, "not a regular file");
    elf->size = (size_t)st.st_size;
    elf->data = memory_resize(NULL, elf->size, 1);
    result = file_pread_all(fd, elf->data, elf->size, 0);
    if (result)
        return rr_error_set(error, result, "reading the image: %s", strerror(-result));
    return 0;
}

static int check_header(struct elf_file *elf, struct rr_error *error)
{
    const Elf64_Ehdr *h = &elf->header;

    if (elf->size < sizeof(*h) || memcmp(elf->data, ELFMAG, SELFMAG) != 0)
        return rr_error_set(error, -ENOEXEC, "not an ELF file");
    memcpy(&elf->header, elf->data, sizeof(*h));
    if (h->e_ident[EI_CLASS] != ELFCLASS64 || h->e_ident[EI_DATA] != ELFDATA2LSB ||
        h->e_machine != EM_X86_64)
        return rr_error_set(error, -ENOEXEC, "not a 64-bit x86-64 ELF file");
    if (h->e_type != ET_EXEC && h->e_type != ET_DYN)
        return rr_error_set(error, -ENOEXEC, "not an executable or shared object");
    if (h->e_phentsize != sizeof(Elf64_Phdr) || h->e_phnum == 0 ||
        !in_file(elf, h->e_phoff, (uint64_t)h->e_phnum * sizeof(Elf64_Phdr)))
        return rr_error_set(error, -ENOEXEC, "its program headers are damaged");
    return 0;
}

static int read_segments(struct elf_file *elf, struct rr_error *error)
{
    elf->segment_count = elf->header.e_phnum;
    elf->segments = memory_zeroed(elf->segment_count, sizeof(Elf64_Phdr));
    memcpy(elf->segments, elf->data + elf->header.e_phoff, elf->segment_count * sizeof(Elf64_Phdr));
    elf->low = elf->code_low = UINT64_MAX;
    for (size_t i = 0; i < elf->segment_count; i++) {
        const Elf64_Phdr *p = &elf->segments[i];
        uint64_t end;

        if (p->p_type != PT_LOAD || p->p_memsz == 0)
            continue;
        if (p->p_filesz > p->p_memsz || !in_file(elf, p->p_offset, p->p_filesz) ||
            __builtin_add_overflow(p->p_vaddr, p->p_memsz, &end) || end > 1ull << 47 ||
            (p->p_vaddr - p->p_offset) % TRACEE_PAGE_SIZE != 0)
            return rr_error_set(error, -ENOEXEC, "segment %zu is damaged", i);
        if (page_down(p->p_vaddr) < elf->low)
            elf->low = page_down(p->p_vaddr);
        if (page_up(end) > elf->high)
            elf->high = page_up(end);
        if (!(p->p_flags & PF_X))
            continue;
        if (p->p_vaddr < elf->code_low)
            elf->code_low = p->p_vaddr;
        if (p->p_vaddr + p->p_filesz > elf->code_high)
            elf->code_high = p->p_vaddr + p->p_filesz;
    }
    if (elf->low == UINT64_MAX)
        return rr_error_set(error, -ENOEXEC, "it has no loadable segment");
    return 0;
}

static void read_sections(struct elf_file *elf)
{
    const Elf64_Ehdr *h = &elf->header;
    const Elf64_Shdr *names;

    if (h->e_shentsize != sizeof(Elf64_Shdr) || h->e_shnum == 0 ||
        !in_file(elf, h->e_shoff, (uint64_t)h->e_shnum * sizeof(Elf64_Shdr)))
        return;
    elf->sections = memory_zeroed(h->e_shnum, sizeof(Elf64_Shdr));
    memcpy(elf->sections, elf->data + h->e_shoff, (size_t)h->e_shnum * sizeof(Elf64_Shdr));
    elf->section_count = h->e_shnum;
    if (h->e_shstrndx >= h->e_shnum)
        return;
    names = &elf->sections[h->e_shstrndx];
    if (names->sh_type != SHT_STRTAB || !in_file(elf, names->sh_offset, names->sh_size))
        return;
    elf->section_names = (const char *)elf->data + names->sh_offset;
    elf->section_names_size = names->sh_size;
}

const uint8_t *elf_file_at(const struct elf_file *elf, uint64_t address, uint64_t length)
{
    for (size_t i = 0; i < elf->segment_count; i++) {
        const Elf64_Phdr *p = &elf->segments[i];

        if (p->p_type == PT_LOAD && address >= p->p_vaddr && address - p->p_vaddr <= p->p_filesz &&
            length <= p->p_filesz - (address - p->p_vaddr) && p->p_filesz > 0)
            return elf->data + p->p_offset + (address - p->p_vaddr);
    }
    return NULL;
}

uint64_t elf_file_backed(const struct elf_file *elf, uint64_t address)
{
    for (size_t i = 0; i < elf->segment_count; i++) {
        const Elf64_Phdr *p = &elf->segments[i];

        if (p->p_type == PT_LOAD && address >= p->p_vaddr && address - p->p_vaddr < p->p_filesz)
            return p->p_filesz - (address - p->p_vaddr);
    }
    return 0;
}

bool elf_file_executable(const struct elf_file *elf, uint64_t address)
{
    for (size_t i = 0; i < elf->segment_count; i++) {
        const Elf64_Phdr *p = &elf->segments[i];

        if (p->p_type == PT_LOAD && (p->p_flags & PF_X) && address >= p->p_vaddr &&
            address - p->p_vaddr < p->p_filesz)
            return true;
    }
    return false;
}

static const char *string_at(const char *table, uint64_t size, uint64_t offset)
{
    if (!table || offset >= size || !memchr(table + offset, 0, size - offset))
        return "";
    return table + offset;
}

const uint8_t *elf_file_section(const struct elf_file *elf, const char *name,
                                const Elf64_Shdr **ret)
{
    for (size_t i = 0; i < elf->section_count; i++) {
        const Elf64_Shdr *s = &elf->sections[i];

        if (strcmp(string_at(elf->section_names, elf->section_names_size, s->sh_name), name) != 0)
            continue;
        if (s->sh_type == SHT_NOBITS || (s->sh_flags & SHF_COMPRESSED) ||
            !in_file(elf, s->sh_offset, s->sh_size))
            continue;
        *ret = s;
        return elf->data + s->sh_offset;
    }
    return NULL;
}

static void visit_symbol_table(const struct elf_file *elf, const Elf64_Shdr *table,
                               elf_symbol_visitor *visit, void *context)
{
    const char *names = NULL;
    uint64_t names_size = 0;

    if (!in_file(elf, table->sh_offset, table->sh_size))
        return;
    if (table->sh_link < elf->section_count) {
        const Elf64_Shdr *strings = &elf->sections[table->sh_link];

        if (strings->sh_type == SHT_STRTAB && in_file(elf, strings->sh_offset, strings->sh_size)) {
            names = (const char *)elf->data + strings->sh_offset;
            names_size = strings->sh_size;
        }
    }
    for (uint64_t at = 0; at + sizeof(Elf64_Sym) <= table->sh_size; at += sizeof(Elf64_Sym)) {
        Elf64_Sym s;
        struct elf_symbol symbol;

        memcpy(&s, elf->data + table->sh_offset + at, sizeof(s));
        if (s.st_shndx == SHN_UNDEF || s.st_shndx >= SHN_LORESERVE ||
            ELF64_ST_TYPE(s.st_info) == STT_TLS)
            continue;
        symbol.name = string_at(names, names_size, s.st_name);
        symbol.address = s.st_value;
        symbol.size = s.st_size;
        symbol.type = ELF64_ST_TYPE(s.st_info);
        visit(&symbol, context);
    }
}

void elf_file_symbols(const struct elf_file *elf, elf_symbol_visitor *visit, void *context)
{
    for (size_t i = 0; i < elf->section_count; i++)
        if (elf->sections[i].sh_type == SHT_SYMTAB || elf->sections[i].sh_type == SHT_DYNSYM)
            visit_symbol_table(elf, &elf->sections[i], visit, context);
}

/* What DT_* entries say about relocations. */
struct dynamic {
    uint64_t rela, rela_size;
    uint64_t jump, jump_size;
    uint64_t relr, relr_size;
    uint64_t symbols;
    uint64_t strings, strings_size;
    bool text;
};

static void read_dynamic_entry(const Elf64_Dyn *d, struct dynamic *ret)
{
    switch (d->d_tag) {
    case DT_RELA:
        ret->rela = d->d_un.d_ptr;
        break;
    case DT_RELASZ:
        ret->rela_size = d->d_un.d_val;
        break;
    case DT_JMPREL:
        ret->jump = d->d_un.d_ptr;
        break;
    case DT_PLTRELSZ:
        ret->jump_size = d->d_un.d_val;
        break;
    case DT_RELR:
        ret->relr = d->d_un.d_ptr;
        break;
    case DT_RELRSZ:
        ret->relr_size = d->d_un.d_val;
        break;
    case DT_SYMTAB:
        ret->symbols = d->d_un.d_ptr;
        break;
    case DT_STRTAB:
        ret->strings = d->d_un.d_ptr;
        break;
    case DT_STRSZ:
        ret->strings_size = d->d_un.d_val;
        break;
    case DT_TEXTREL:
        ret->text = true;
        break;
    case DT_FLAGS:
        ret->text = ret->text || (d->d_un.d_val & DF_TEXTREL);
        break;
    default:
        break;
    }
}

static void read_dynamic(const struct elf_file *elf, struct dynamic *ret)
{
    memset(ret, 0, sizeof(*ret));
    for (size_t i = 0; i < elf->segment_count; i++) {
        const Elf64_Phdr *p = &elf->segments[i];

        if (p->p_type != PT_DYNAMIC || !in_file(elf, p->p_offset, p->p_filesz))
            continue;
        for (uint64_t at = 0; at + sizeof(Elf64_Dyn) <= p->p_filesz; at += sizeof(Elf64_Dyn)) {
            Elf64_Dyn d;

            memcpy(&d, elf->data + p->p_offset + at, sizeof(d));
            if (d.d_tag == DT_NULL)
                break;
            read_dynamic_entry(&d, ret);
        }
    }
}

static void visit_rela(const struct elf_file *elf, const uint8_t *table, uint64_t size,
                       const struct dynamic *dynamic, elf_relocation_visitor *visit, void *context)
{
    const char *names = (const char *)elf_file_at(elf, dynamic->strings, dynamic->strings_size);
    uint64_t symbols = dynamic->symbols;

    for (uint64_t at = 0; at + sizeof(Elf64_Rela) <= size; at += sizeof(Elf64_Rela)) {
        struct elf_relocation relocation;
        const uint8_t *symbol = NULL;
        Elf64_Rela r;

        memcpy(&r, table + at, sizeof(r));
        relocation.place = r.r_offset;
        relocation.name = "";
        relocation.type = (uint32_t)ELF64_R_TYPE(r.r_info);
        relocation.target = (uint64_t)r.r_addend;
        relocation.defined = ELF64_R_SYM(r.r_info) == 0;
        if (!relocation.defined && symbols)
            symbol = elf_file_at(elf, symbols + ELF64_R_SYM(r.r_info) * sizeof(Elf64_Sym),
                                 sizeof(Elf64_Sym));
        if (symbol) {
            Elf64_Sym s;

            memcpy(&s, symbol, sizeof(s));
            relocation.defined = s.st_shndx != SHN_UNDEF;
            relocation.target += s.st_value;
            relocation.name = string_at(names, dynamic->strings_size, s.st_name);
        }
        visit(&relocation, context);
    }
}

/* RELR: an address, or a bitmap of the 63 words behind the last one (generic ABI, "RELR"). */
static void visit_relr(const struct elf_file *elf, const uint8_t *table, uint64_t size,
                       elf_relocation_visitor *visit, void *context)
{
    uint64_t next = 0;

    for (uint64_t at = 0; at + 8 <= size; at += 8) {
        uint64_t entry, places = 1, first = next;

        memcpy(&entry, table + at, 8);
        if (!(entry & 1)) {
            first = entry;
            next = entry + 8;
        } else {
            places = entry >> 1;
            next += 63 * 8;
        }
        for (int bit = 0; places >> bit; bit++) {
            struct elf_relocation r = {.place = first + 8 * (uint64_t)bit,
                                       .type = R_X86_64_RELATIVE,
                                       .name = "",
                                       .defined = true};
            const uint8_t *word = elf_file_at(elf, r.place, 8);

            if (!(places >> bit & 1) || !word)
                continue;
            memcpy(&r.target, word, 8);
            visit(&r, context);
        }
    }
}

void elf_file_relocations(const struct elf_file *elf, elf_relocation_visitor *visit, void *context)
{
    struct dynamic dynamic;
    const uint8_t *table;

    read_dynamic(elf, &dynamic);
    table = elf_file_at(elf, dynamic.rela, dynamic.rela_size);
    if (dynamic.rela_size && table)
        visit_rela(elf, table, dynamic.rela_size, &dynamic, visit, context);
    table = elf_file_at(elf, dynamic.jump, dynamic.jump_size);
    if (dynamic.jump_size && table)
        visit_rela(elf, table, dynamic.jump_size, &dynamic, visit, context);
    table = elf_file_at(elf, dynamic.relr, dynamic.relr_size);
    if (dynamic.relr_size && table)
        visit_relr(elf, table, dynamic.relr_size, visit, context);
    if (dynamic.rela_size || dynamic.jump_size)
        return;
    dynamic.symbols = 0;
    /* Static programs have no dynamic segment, but IRELATIVE relocations in a loaded section. */
    for (size_t i = 0; i < elf->section_count; i++) {
        const Elf64_Shdr *s = &elf->sections[i];

        if (s->sh_type == SHT_RELA && (s->sh_flags & SHF_ALLOC) &&
            in_file(elf, s->sh_offset, s->sh_size))
            visit_rela(elf, elf->data + s->sh_offset, s->sh_size, &dynamic, visit, context);
    }
}

int elf_file_read(int fd, struct elf_file *ret, struct rr_error *error)
{
    struct dynamic dynamic;
    int result;

    memset(ret, 0, sizeof(*ret));
    result = read_all(fd, ret, error);
    if (!result)
        result = check_header(ret, error);
    if (!result)
        result = read_segments(ret, error);
    if (result) {
        elf_file_done(ret);
        return result;
    }
    read_sections(ret);
    read_dynamic(ret, &dynamic);
    ret->text_relocations = dynamic.text;
    return 0;
}

void elf_file_done(struct elf_file *elf)
{
    free(elf->data);
    free(elf->segments);
    free(elf->sections);
    memset(elf, 0, sizeof(*elf));
}
