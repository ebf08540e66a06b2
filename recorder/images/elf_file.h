/* An ELF file in memory: bounds-checked access to segments, sections, symbols and relocations.
 * Knows nothing of code. Every accessor tolerates a damaged file. */
#ifndef RECORDER_IMAGES_ELF_FILE_H
#define RECORDER_IMAGES_ELF_FILE_H

#include <elf.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "recorder/base/error.h"

struct elf_file {
    uint8_t *data; /* the whole file */
    size_t size;
    Elf64_Ehdr header;
    Elf64_Phdr *segments;
    size_t segment_count;
    Elf64_Shdr *sections; /* none when the file has no usable section table */
    size_t section_count;
    const char *section_names;
    size_t section_names_size;
    uint64_t low; /* page-aligned span of all PT_LOAD segments */
    uint64_t high;
    uint64_t code_low; /* of the executable ones */
    uint64_t code_high;
    bool text_relocations;
};

/* A symbol with an address in this file. */
struct elf_symbol {
    const char *name; /* "" if out of bounds */
    uint64_t address;
    uint64_t size;
    uint8_t type; /* STT_* */
};

struct elf_relocation {
    uint64_t place;
    uint64_t target; /* addend, the symbol's value plus addend, or what RELR finds at the place */
    uint32_t type;
    const char *name; /* of the symbol, "" if none */
    bool defined;     /* target is an address in this file */
};

/* Reads all of fd (from its start; the file position is not used). -ENOEXEC with a message when it
 * is no 64-bit x86-64 ELF executable or shared object. */
int elf_file_read(int fd, struct elf_file *ret, struct rr_error *error);
void elf_file_done(struct elf_file *elf);

/* The file's bytes at a virtual address: NULL unless `length` bytes are backed by the file. */
const uint8_t *elf_file_at(const struct elf_file *elf, uint64_t address, uint64_t length);
/* How many file-backed bytes follow an address in its segment; 0 if none. */
uint64_t elf_file_backed(const struct elf_file *elf, uint64_t address);
bool elf_file_executable(const struct elf_file *elf, uint64_t address);

/* Contents and header of the first section of that name; NULL if absent, compressed or NOBITS. */
const uint8_t *elf_file_section(const struct elf_file *elf, const char *name,
                                const Elf64_Shdr **ret);

typedef void elf_symbol_visitor(const struct elf_symbol *symbol, void *context);
typedef void elf_relocation_visitor(const struct elf_relocation *relocation, void *context);
/* Defined symbols of .symtab and .dynsym. */
void elf_file_symbols(const struct elf_file *elf, elf_symbol_visitor *visit, void *context);
/* RELA and RELR relocations of loaded data; the same one may be visited twice. */
void elf_file_relocations(const struct elf_file *elf, elf_relocation_visitor *visit, void *context);

#endif
