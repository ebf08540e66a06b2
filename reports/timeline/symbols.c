/* Offline symbolisation over libdwfl: each ELF file of the trace is reported at its own addresses,
 * in a session of its own, so that files with equal addresses do not meet. */
#include "reports/timeline/symbols.h"

#include <demangle.h>
#include <dwarf.h>
#include <elfutils/libdw.h>
#include <elfutils/libdwfl.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "recorder/base/file.h"
#include "recorder/stacks/modules.h"

struct symbols_module {
    bool tried;
    Dwfl *dwfl; /* NULL: not a file that can be read */
    Dwfl_Module *module;
};

struct symbols {
    struct trace_reader *reader;
    struct symbols_module *modules; /* by file id, 1..count */
    size_t count;
};

static int find_no_elf(Dwfl_Module *module, void **user, const char *name, Dwarf_Addr base,
                       char **ret_name, Elf **ret_elf)
{
    (void)module;
    (void)user;
    (void)name;
    (void)base;
    (void)ret_name;
    (void)ret_elf;
    return -1;
}

static const Dwfl_Callbacks callbacks = {
    .find_elf = find_no_elf,
    .find_debuginfo = debug_file_find,
    .section_address = dwfl_offline_section_address,
};

struct symbols *timeline_symbols_new(struct trace_reader *reader)
{
    struct symbols *symbols = calloc(1, sizeof(*symbols));

    if (!symbols)
        abort();
    symbols->reader = reader;
    return symbols;
}

void timeline_symbols_free(struct symbols *symbols)
{
    for (size_t i = 0; i < symbols->count; i++) {
        if (symbols->modules[i].dwfl)
            dwfl_end(symbols->modules[i].dwfl);
    }
    free(symbols->modules);
    free(symbols);
}

static void open_module(struct symbols_module *m, const struct trace_file *file)
{
    /* libdwfl closes the descriptor with its session */
    int fd = fcntl(file->fd, F_DUPFD_CLOEXEC, 0);

    m->dwfl = dwfl_begin(&callbacks);
    if (!m->dwfl || fd < 0) {
        close_fd(&fd);
        return;
    }
    dwfl_report_begin(m->dwfl);
    /* base 0 and add_p_vaddr: the file's own addresses, also for ET_DYN */
    m->module = dwfl_report_elf(m->dwfl, file->name, file->name, fd, 0, true);
    if (!m->module)
        close_fd(&fd);
    dwfl_report_end(m->dwfl, NULL, NULL);
}

static struct symbols_module *module_of(struct symbols *symbols, uint32_t id,
                                        const struct trace_file *file)
{
    struct symbols_module *m;

    if (id > symbols->count) {
        symbols->modules = realloc(symbols->modules, id * sizeof(*symbols->modules));
        if (!symbols->modules)
            abort();
        memset(symbols->modules + symbols->count, 0,
               (id - symbols->count) * sizeof(*symbols->modules));
        symbols->count = id;
    }
    m = &symbols->modules[id - 1];
    if (!m->tried) {
        m->tried = true;
        open_module(m, file);
    }
    return m;
}

static char *copy_of(const char *text)
{
    char *copy = strdup(text);

    if (!copy)
        abort();
    return copy;
}

/* C++ and Rust; the demangler takes many a C name for a type. */
static char *demangled(const char *name)
{
    char *result = NULL;

    if (strncmp(name, "_Z", 2) == 0 || strncmp(name, "_R", 2) == 0)
        result = cplus_demangle(name, DMGL_PARAMS | DMGL_ANSI | DMGL_AUTO);
    return result ? result : copy_of(name);
}

static const char *die_name(Dwarf_Die *die)
{
    static const unsigned names[] = {DW_AT_linkage_name, DW_AT_MIPS_linkage_name, DW_AT_name};
    Dwarf_Attribute attribute;

    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
        const char *name = dwarf_formstring(dwarf_attr_integrate(die, names[i], &attribute));

        if (name)
            return name;
    }
    return NULL;
}

/* If the address lies in inlined code: the innermost function and the one that holds it all. */
static void find_inlined(Dwfl_Module *module, uint64_t address, struct timeline_place *ret)
{
    Dwarf_Addr bias;
    Dwarf_Die *unit = dwfl_module_addrdie(module, address, &bias);
    Dwarf_Die *scopes = NULL;
    const char *inlined = NULL;
    int count = unit ? dwarf_getscopes(unit, address - bias, &scopes) : 0;

    for (int i = 0; i < count; i++) {
        int tag = dwarf_tag(&scopes[i]);

        if (tag == DW_TAG_inlined_subroutine && !inlined)
            inlined = die_name(&scopes[i]);
        if (tag != DW_TAG_subprogram)
            continue;
        if (inlined) {
            const char *holder = die_name(&scopes[i]);

            ret->inlined_into = ret->function ? ret->function : copy_of(holder ? holder : "?");
            ret->function = demangled(inlined);
        }
        break;
    }
    free(scopes);
}

void timeline_symbols_find(struct symbols *symbols, uint32_t id, uint64_t address,
                           struct timeline_place *ret)
{
    const struct trace_file *file = id ? trace_reader_file(symbols->reader, id, NULL) : NULL;
    struct symbols_module *m;
    const char *name;
    GElf_Sym symbol;
    GElf_Off offset = 0;
    Dwfl_Line *line;
    int number = 0;

    *ret = (struct timeline_place){.address = address};
    if (!file)
        return;
    ret->module = copy_of(file->name);
    m = module_of(symbols, id, file);
    if (!m->module)
        return;
    name = dwfl_module_addrinfo(m->module, address, &offset, &symbol, NULL, NULL, NULL);
    if (name) {
        ret->function = demangled(name);
        ret->offset = offset;
    }
    line = dwfl_module_getsrc(m->module, address);
    name = line ? dwfl_lineinfo(line, NULL, &number, NULL, NULL, NULL) : NULL;
    if (name && number > 0) {
        ret->file = copy_of(name);
        ret->line = (uint32_t)number;
    }
    find_inlined(m->module, address, ret);
}

void timeline_symbols_place_done(struct timeline_place *place)
{
    free(place->function);
    free(place->file);
    free(place->inlined_into);
    free(place->module);
}
