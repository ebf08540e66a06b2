/* Building ELF files for tests by hand. */
#include "recorder/images/tests/tiny_elf.h"

#include <elf.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "recorder/base/bytes.h"
#include "recorder/base/file.h"

static void pad_to(struct bytes *file, size_t length)
{
    size_t missing = length - file->length;

    memset(bytes_extend(file, missing), 0, missing);
}

static void append_symbols(struct bytes *file, Elf64_Shdr *table, Elf64_Shdr *strings,
                           const struct tiny_symbol *symbols, size_t count)
{
    struct bytes names;
    Elf64_Sym none = {0};

    bytes_init(&names);
    bytes_append(&names, "", 1);
    *table = (Elf64_Shdr){.sh_type = SHT_SYMTAB,
                          .sh_offset = file->length,
                          .sh_size = (count + 1) * sizeof(Elf64_Sym),
                          .sh_link = 2,
                          .sh_entsize = sizeof(Elf64_Sym)};
    bytes_append(file, &none, sizeof(none));
    for (size_t i = 0; i < count; i++) {
        Elf64_Sym s = {.st_name = (Elf64_Word)names.length,
                       .st_info =
                           ELF64_ST_INFO(STB_GLOBAL, symbols[i].size ? STT_FUNC : STT_NOTYPE),
                       .st_shndx = 1,
                       .st_value = TINY_CODE + symbols[i].offset,
                       .st_size = symbols[i].size};

        bytes_append(&names, symbols[i].name, strlen(symbols[i].name) + 1);
        bytes_append(file, &s, sizeof(s));
    }
    *strings =
        (Elf64_Shdr){.sh_type = SHT_STRTAB, .sh_offset = file->length, .sh_size = names.length};
    bytes_append(file, names.data, names.length);
    bytes_done(&names);
}

int tiny_elf(uint16_t type, const uint8_t *code, size_t size, const struct tiny_symbol *symbols,
             size_t symbol_count)
{
    int fd = memfd_create("tiny", MFD_CLOEXEC);
    Elf64_Shdr sections[3] = {0};
    struct bytes file;
    Elf64_Ehdr header = {
        .e_ident = {ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB, EV_CURRENT},
        .e_type = type,
        .e_machine = EM_X86_64,
        .e_version = EV_CURRENT,
        .e_phoff = sizeof(Elf64_Ehdr),
        .e_ehsize = sizeof(Elf64_Ehdr),
        .e_phentsize = sizeof(Elf64_Phdr),
        .e_phnum = 1,
        .e_shentsize = sizeof(Elf64_Shdr),
        .e_shnum = 3,
    };
    Elf64_Phdr segment = {.p_type = PT_LOAD,
                          .p_flags = PF_R | PF_X,
                          .p_offset = TINY_CODE,
                          .p_vaddr = TINY_CODE,
                          .p_filesz = size,
                          .p_memsz = size,
                          .p_align = 0x1000};

    bytes_init(&file);
    bytes_append(&file, &header, sizeof(header));
    bytes_append(&file, &segment, sizeof(segment));
    pad_to(&file, TINY_CODE);
    bytes_append(&file, code, size);
    append_symbols(&file, &sections[1], &sections[2], symbols, symbol_count);
    header.e_shoff = file.length;
    bytes_append(&file, sections, sizeof(sections));
    memcpy(file.data, &header, sizeof(header));
    if (fd < 0 || file_write_all(fd, file.data, file.length))
        abort();
    bytes_done(&file);
    return fd;
}
