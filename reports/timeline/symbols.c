/* Each ELF file of the trace is reported at its own addresses (bias 0), in a session of its own, so
 * that files with equal addresses do not meet. */
#include "reports/timeline/symbols.h"

#include <stdlib.h>
#include <string.h>

#include "recorder/stacks/names.h"

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

static char *take(char **text)
{
    char *taken = *text;

    *text = NULL;
    return taken;
}

static void open_module(struct symbols_module *m, const struct trace_file *file)
{
    m->dwfl = names_begin();
    if (!m->dwfl)
        return;
    dwfl_report_begin(m->dwfl);
    m->module = names_report(m->dwfl, file->name, file->fd, 0);
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

void timeline_symbols_find(struct symbols *symbols, uint32_t id, uint64_t address,
                           struct timeline_place *ret)
{
    const struct trace_file *file = id ? trace_reader_file(symbols->reader, id, NULL) : NULL;
    struct names_file names = {0};
    struct task_stack stack = {0};
    struct stack_frame *inner, *outer;

    *ret = (struct timeline_place){.address = address};
    if (!file)
        return;
    names.dwfl = module_of(symbols, id, file)->module;
    names.path = file->name;
    names_append(&stack, &names, address, address, names.dwfl != NULL);
    inner = &stack.frames[0];
    outer = &stack.frames[stack.frame_count - 1];
    ret->module = take(&inner->module);
    ret->function = take(&inner->function);
    ret->offset = outer->offset;
    ret->file = take(&inner->file);
    ret->line = inner->line;
    if (outer != inner)
        ret->inlined_into = take(&outer->function);
    stacks_task_done(&stack);
}

void timeline_symbols_place_done(struct timeline_place *place)
{
    free(place->function);
    free(place->file);
    free(place->inlined_into);
    free(place->module);
}
