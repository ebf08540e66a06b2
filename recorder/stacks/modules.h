/* The ELF files of an address space, opened for unwinding and naming. Internal to stacks/. */
#ifndef RECORDER_STACKS_MODULES_H
#define RECORDER_STACKS_MODULES_H

#include <stdbool.h>
#include <stdint.h>

#include "recorder/stacks/names.h"
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
        bool is_constant;
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

/* What names.h takes; the module must outlive it. */
struct names_file module_names(const struct module *m);

#endif
