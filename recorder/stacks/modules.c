/* Opening the files of an address space. */
#include "recorder/stacks/modules.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "recorder/base/file.h"
#include "recorder/base/types.h"

/* ---- one file -------------------------------------------------------------------------------- */

static bool map_file(struct module *m, int fd)
{
    struct stat st;
    void *file;

    if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_size < (off_t)sizeof(Elf64_Ehdr))
        return false;
    file = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (file == MAP_FAILED)
        return false;
    m->file = file;
    m->length = (size_t)st.st_size;
    return true;
}

static void add_segment(struct module *m, const Elf64_Phdr *p)
{
    uint64_t length = p->p_filesz;

    if (m->segments == MODULE_SEGMENTS_MAX || p->p_offset >= m->length)
        return;
    if (length > m->length - p->p_offset)
        length = m->length - p->p_offset;
    m->segment[m->segments].address = p->p_vaddr;
    m->segment[m->segments].offset = p->p_offset;
    m->segment[m->segments].length = length;
    m->segment[m->segments].is_constant = !(p->p_flags & PF_W);
    m->segments++;
    if (m->start > p->p_vaddr)
        m->start = p->p_vaddr;
    if (m->end < p->p_vaddr + p->p_memsz)
        m->end = p->p_vaddr + p->p_memsz;
}

/* Segments, and the load bias: code from this offset is mapped at start. */
static bool read_headers(struct module *m, uint64_t start, uint64_t offset)
{
    Elf64_Ehdr header;
    bool found = false;

    memcpy(&header, m->file, sizeof(header));
    if (memcmp(header.e_ident, ELFMAG, SELFMAG) != 0 || header.e_ident[EI_CLASS] != ELFCLASS64 ||
        header.e_machine != EM_X86_64 || header.e_phentsize != sizeof(Elf64_Phdr) ||
        header.e_phoff > m->length ||
        (m->length - header.e_phoff) / sizeof(Elf64_Phdr) < header.e_phnum)
        return false;
    m->start = UINT64_MAX;
    for (unsigned i = 0; i < header.e_phnum; i++) {
        Elf64_Phdr p;

        memcpy(&p, m->file + header.e_phoff + i * sizeof(p), sizeof(p));
        if (p.p_type == PT_GNU_EH_FRAME)
            m->frame_index = p.p_vaddr;
        if (p.p_type != PT_LOAD)
            continue;
        add_segment(m, &p);
        if (!found && offset >= page_down(p.p_offset) && offset < p.p_offset + p.p_filesz &&
            (p.p_flags & PF_X)) {
            m->bias = start - (p.p_vaddr - p.p_offset + offset);
            found = true;
        }
    }
    if (!found)
        return false;
    m->start += m->bias;
    m->end += m->bias;
    if (m->frame_index)
        m->frame_index += m->bias;
    return true;
}

static bool open_module(Dwfl *dwfl, struct module *m, int fd, uint64_t start, uint64_t offset)
{
    if (!map_file(m, fd) || !read_headers(m, start, offset))
        return false;
    m->dwfl = names_report(dwfl, m->path, fd, m->bias);
    return m->dwfl != NULL;
}

static void module_done(struct module *m)
{
    if (m->file)
        munmap((void *)(uintptr_t)m->file, m->length);
    free(m->path);
}

/* ---- all ------------------------------------------------------------------------------------- */

static void open_entry(struct modules *m, const struct unwind_source *source,
                       const struct map_entry *e)
{
    struct module *module = &m->module[m->count];
    const char *path = NULL;
    uint64_t offset = 0;
    cleanup_fd int fd = source->open(source->context, e, &path, &offset);

    if (fd < 0)
        return;
    module->path = strdup(path);
    if (!module->path)
        abort();
    if (open_module(m->dwfl, module, fd, e->start, offset)) {
        m->count++;
        return;
    }
    module_done(module);
    memset(module, 0, sizeof(*module));
}

/* A file may also be mapped as data, anywhere: only code tells where it was loaded. */
void modules_open(struct modules *m, const struct unwind_source *source)
{
    const struct maps *maps = source->maps;

    memset(m, 0, sizeof(*m));
    m->dwfl = names_begin();
    m->module = calloc(maps->count + 1, sizeof(*m->module));
    if (!m->module)
        abort();
    if (!m->dwfl)
        return;
    dwfl_report_begin(m->dwfl);
    for (size_t i = 0; i < maps->count; i++) {
        const struct map_entry *e = &maps->entry[i];

        if ((e->prot & PROT_EXEC) && e->file != 0 && !modules_find(m, e->start))
            open_entry(m, source, e);
    }
    dwfl_report_end(m->dwfl, NULL, NULL);
}

void modules_close(struct modules *m)
{
    if (m->dwfl)
        dwfl_end(m->dwfl);
    for (size_t i = 0; i < m->count; i++)
        module_done(&m->module[i]);
    free(m->module);
    memset(m, 0, sizeof(*m));
}

struct module *modules_find(const struct modules *m, uint64_t address)
{
    for (size_t i = 0; i < m->count; i++)
        if (address >= m->module[i].start && address < m->module[i].end)
            return &m->module[i];
    return NULL;
}

struct names_file module_names(const struct module *m)
{
    return (struct names_file){m->dwfl, m->path, m->bias};
}

const uint8_t *module_constant(const struct module *m, uint64_t address, size_t *ret_length)
{
    for (unsigned i = 0; i < m->segments; i++) {
        uint64_t at = address - m->bias - m->segment[i].address;

        if (!m->segment[i].is_constant || at >= m->segment[i].length)
            continue;
        *ret_length = m->segment[i].length - at;
        return m->file + m->segment[i].offset + at;
    }
    return NULL;
}
