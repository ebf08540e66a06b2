/* Debug data first, then symbols. */
#include "recorder/stacks/names.h"

#include <demangle.h>
#include <dwarf.h>
#include <stdlib.h>
#include <string.h>

#include "recorder/base/text.h"
#include "recorder/stacks/plt.h"

/* C++ and Rust, by their mangled names' prefixes: the demangler takes many a C name for a type. */
static char *readable(const char *symbol)
{
    char *text = NULL;

    if (symbol && (strncmp(symbol, "_Z", 2) == 0 || strncmp(symbol, "_R", 2) == 0))
        text = cplus_demangle(symbol, DMGL_PARAMS | DMGL_ANSI | DMGL_AUTO);
    return text ? text : text_copy(symbol);
}

/* ---- debug data ------------------------------------------------------------------------------ */

static bool is_function(Dwarf_Die *die)
{
    return dwarf_tag(die) == DW_TAG_subprogram || dwarf_tag(die) == DW_TAG_inlined_subroutine;
}

static char *name_of(Dwarf_Die *die)
{
    Dwarf_Attribute attribute;
    const char *name = NULL;

    if (dwarf_attr_integrate(die, DW_AT_linkage_name, &attribute) ||
        dwarf_attr_integrate(die, DW_AT_MIPS_linkage_name, &attribute))
        name = dwarf_formstring(&attribute);
    if (!name)
        name = dwarf_diename(die);
    return readable(name);
}

static uint32_t number_of(Dwarf_Die *die, unsigned name)
{
    Dwarf_Attribute attribute;
    Dwarf_Word value = 0;

    if (!dwarf_attr(die, name, &attribute) || dwarf_formudata(&attribute, &value) != 0)
        return 0;
    return (uint32_t)value;
}

/* The scopes of an address as they are nested in the code, innermost first. dwarf_getscopes() alone
 * goes on from an inlined function to where its source stands. */
static int scopes_of(Dwarf_Die *unit, Dwarf_Addr address, Dwarf_Die **ret)
{
    Dwarf_Die *found = NULL;
    int count = dwarf_getscopes(unit, address, &found);

    if (count > 0) {
        Dwarf_Die innermost = found[0];

        free(found);
        found = NULL;
        count = dwarf_getscopes_die(&innermost, &found);
    }
    *ret = found;
    return count > 0 ? count : 0;
}

/* Where the inlined function was called: the line of the function it was inlined into. */
static void set_call_place(struct stack_frame *frame, Dwarf_Die *inlined, Dwarf_Die *unit)
{
    Dwarf_Files *files;
    size_t count;
    uint32_t number = number_of(inlined, DW_AT_call_file);

    if (dwarf_getsrcfiles(unit, &files, &count) == 0 && number > 0 && number < count)
        frame->file = text_copy(dwarf_filesrc(files, number, NULL, NULL));
    if (!frame->file)
        return;
    frame->line = number_of(inlined, DW_AT_call_line);
    frame->column = number_of(inlined, DW_AT_call_column);
}

static void set_line(struct stack_frame *frame, Dwarf_Die *unit, Dwarf_Addr address)
{
    Dwarf_Line *line = dwarf_getsrc_die(unit, address);
    const char *source = line ? dwarf_linesrc(line, NULL, NULL) : NULL;
    int number = 0, column = 0;

    if (!source || dwarf_lineno(line, &number) != 0 || number <= 0) /* line 0: code of no line */
        return;
    frame->file = text_copy(source);
    frame->line = (uint32_t)number;
    if (dwarf_linecol(line, &column) == 0 && column > 0)
        frame->column = (uint32_t)column;
}

/* libdwfl goes by .debug_aranges, which clang does not write unless told to: then by the units' own
 * ranges. */
static Dwarf_Die *unit_of(const struct names_file *file, uint64_t address, Dwarf_Addr *ret_bias)
{
    Dwarf_Die *unit = dwfl_module_addrdie(file->dwfl, address, ret_bias);

    if (unit)
        return unit;
    while ((unit = dwfl_module_nextcu(file->dwfl, unit, ret_bias)) != NULL)
        if (dwarf_haspc(unit, address - *ret_bias) == 1)
            break;
    return unit;
}

/* Debug data of assembly have lines alone. */
static bool is_assembly(Dwarf_Die *unit)
{
    return dwarf_srclang(unit) == DW_LANG_Mips_Assembler;
}

/* The frames of the functions inlined at this address, and the function they are in: its frame is
 * returned, without name if the debug data do not know it. */
static struct stack_frame *append_functions(struct task_stack *task, const struct names_file *file,
                                            uint64_t inside, uint64_t *ret_entry)
{
    Dwarf_Addr bias = 0;
    Dwarf_Die *unit = unit_of(file, inside, &bias), *scopes = NULL;
    struct stack_frame *frame = stacks_add_frame(task);
    int count = unit ? scopes_of(unit, inside - bias, &scopes) : 0;
    Dwarf_Addr entry;
    bool has_line = unit && is_assembly(unit);

    *ret_entry = 0;
    for (int i = 0; i < count && !has_line; i++)
        has_line = is_function(&scopes[i]);
    if (has_line) /* else the nearest line is that of some other code */
        set_line(frame, unit, inside - bias);
    for (int i = 0; i < count; i++) {
        if (!is_function(&scopes[i]))
            continue;
        frame->function = name_of(&scopes[i]);
        if (dwarf_tag(&scopes[i]) == DW_TAG_subprogram) {
            if (dwarf_entrypc(&scopes[i], &entry) == 0)
                *ret_entry = entry + bias;
            break;
        }
        if (task->frame_count == STACKS_FRAMES_MAX)
            break;
        frame->is_inlined = true;
        frame = stacks_add_frame(task);
        set_call_place(frame, &scopes[i], unit);
    }
    free(scopes);
    return frame;
}

/* ---- symbols --------------------------------------------------------------------------------- */

/* gcc splits functions: the parts' symbols are "f.cold", "f.part.0", "f.isra.0"... */
static void set_symbol(struct stack_frame *frame, const struct names_file *file, uint64_t address,
                       uint64_t inside, uint64_t entry)
{
    GElf_Off offset = 0;
    GElf_Sym symbol;
    const char *name = dwfl_module_addrinfo(file->dwfl, inside, &offset, &symbol, NULL, NULL, NULL);

    if (!frame->function)
        frame->function = name && *name ? readable(name) : plt_name(file->dwfl, inside);
    if (entry && entry <= inside)
        frame->offset = address - entry;
    else if (frame->function && name)
        frame->offset = offset + (address - inside);
}

uint64_t names_function_start(const struct names_file *file, uint64_t inside)
{
    GElf_Off offset = 0;
    GElf_Sym symbol;
    const char *name = dwfl_module_addrinfo(file->dwfl, inside, &offset, &symbol, NULL, NULL, NULL);

    return name && GELF_ST_TYPE(symbol.st_info) == STT_FUNC ? inside - offset : 0;
}

void names_append(struct task_stack *task, const struct names_file *file, uint64_t address,
                  uint64_t inside, bool with_names)
{
    size_t first = task->frame_count;
    uint64_t entry = 0;

    if (file && with_names)
        set_symbol(append_functions(task, file, inside, &entry), file, address, inside, entry);
    else
        stacks_add_frame(task);
    for (size_t i = first; i < task->frame_count; i++) {
        struct stack_frame *frame = &task->frames[i];

        frame->address = address;
        frame->module = file ? text_copy(file->path) : NULL;
        frame->module_offset = file ? address - file->bias : 0;
    }
}
