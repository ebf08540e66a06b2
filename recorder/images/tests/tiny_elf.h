/* The smallest ELF file that has code: one executable segment, function symbols over it. */
#ifndef RECORDER_IMAGES_TESTS_TINY_ELF_H
#define RECORDER_IMAGES_TESTS_TINY_ELF_H

#include <stddef.h>
#include <stdint.h>

#define TINY_CODE 0x1000 /* address, and offset in the file, of the code */

struct tiny_symbol {
    const char *name;
    uint64_t offset; /* in the code */
    uint64_t size;   /* 0: a label without a type, else a function */
};

/* A memfd; the caller closes it. type: ET_DYN or ET_EXEC. Ends the test on failure. */
int tiny_elf(uint16_t type, const uint8_t *code, size_t size, const struct tiny_symbol *symbols,
             size_t symbol_count);

#endif
