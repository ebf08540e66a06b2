/* The ELF files of an address space, opened for unwinding and naming. Internal to stacks/. */
#ifndef RECORDER_STACKS_MODULES_H
#define RECORDER_STACKS_MODULES_H

#include <elfutils/libdwfl.h>
#include <stdbool.h>
#include <stdint.h>

#include "recorder/stacks/unwind.h"

#define MODULE_SEGMENTS_MAX 32

struct module {
    char *path;
    uint64_t bias;
    uint64_t start, end; /* of all its segments, in the address space */
    Dwfl_Module *dwfl;
    const uint8_t *file; /* all of it; the module's */
    size_t length;
    struct {
        uint64_t address, offset, length; /* ELF address, what of it the file holds */
        bool is_constant, is_code;
    } segment[MODULE_SEGMENTS_MAX];
    unsigned segments;
    uint64_t frame_index; /* address of .eh_frame_hdr in the address space; 0: none */
};

struct modules {
    Dwfl *dwfl; /* NULL: none could be made */
    struct module *module;
    size_t count;
};

/* What source->maps maps executable. All errors leave a module out. */
void modules_open(struct modules *m, const struct unwind_source *source);
void modules_close(struct modules *m);
struct module *modules_find(const struct modules *m, uint64_t address);
/* Bytes that the file holds for this address, where the program cannot have changed them; their
 * count goes to *ret_length. NULL: none. */
const uint8_t *module_constant(const struct module *m, uint64_t address, size_t *ret_length);
/* Does a segment that holds code have this address? */
bool module_has_code(const struct module *m, uint64_t address);

/* debug_file.c: dwfl's find_debuginfo. */
int debug_file_find(Dwfl_Module *module, void **user, const char *name, Dwarf_Addr base,
                    const char *file, const char *link, GElf_Word checksum, char **ret_name);

/* names.c: the start of the function that has this address, by the symbols; 0: not known. */
uint64_t names_function_start(const struct module *m, uint64_t inside);
/* append the frame of this address, inlined ones first. inside: an address within the
 * instruction meant. with_names false: only what costs nothing. */
void names_append(struct task_stack *task, const struct module *m, uint64_t address,
                  uint64_t inside, bool with_names);

#endif
