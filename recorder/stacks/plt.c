/* An entry jumps through a slot of the global offset table; the relocation of that slot names the
 * symbol (System V ABI, AMD64 supplement, 5.2; with indirect branch tracking: .plt.sec). */
#include "recorder/stacks/plt.h"

#include <gelf.h>
#include <stdbool.h>
#include <string.h>

#include "recorder/base/text.h"

#define ENTRY_SIZE 16

/* The section of entries that holds the address. */
static Elf_Scn *section_of(Elf *elf, uint64_t address, GElf_Shdr *ret)
{
    size_t names;

    if (elf_getshdrstrndx(elf, &names) < 0)
        return NULL;
    for (Elf_Scn *section = elf_nextscn(elf, NULL); section; section = elf_nextscn(elf, section)) {
        const char *name;

        if (!gelf_getshdr(section, ret) || ret->sh_type != SHT_PROGBITS || address < ret->sh_addr ||
            address - ret->sh_addr >= ret->sh_size)
            continue;
        name = elf_strptr(elf, names, ret->sh_name);
        return name && strncmp(name, ".plt", 4) == 0 ? section : NULL;
    }
    return NULL;
}

/* The address of the slot through which the entry jumps: [endbr64] [bnd] jmp *disp32(%rip). */
static bool find_slot(const uint8_t *code, size_t length, uint64_t address, uint64_t *ret)
{
    static const uint8_t endbr64[] = {0xf3, 0x0f, 0x1e, 0xfa};
    size_t at = length >= sizeof(endbr64) && memcmp(code, endbr64, sizeof(endbr64)) == 0
                    ? sizeof(endbr64)
                    : 0;
    int32_t displacement;

    at += at < length && code[at] == 0xf2;
    if (length < at + 6 || code[at] != 0xff || code[at + 1] != 0x25)
        return false;
    memcpy(&displacement, code + at + 2, sizeof(displacement));
    *ret = address + at + 6 + (uint64_t)(int64_t)displacement;
    return true;
}

static const char *symbol_name(Elf *elf, size_t table, uint64_t index)
{
    Elf_Scn *section = elf_getscn(elf, table);
    Elf_Data *data = section ? elf_getdata(section, NULL) : NULL;
    GElf_Shdr header;
    GElf_Sym symbol;

    if (!data || index > INT32_MAX || !gelf_getshdr(section, &header) ||
        !gelf_getsym(data, (int)index, &symbol))
        return NULL;
    return elf_strptr(elf, header.sh_link, symbol.st_name);
}

/* What the slot is relocated to. */
static const char *name_of_slot(Elf *elf, uint64_t slot)
{
    for (Elf_Scn *section = elf_nextscn(elf, NULL); section; section = elf_nextscn(elf, section)) {
        Elf_Data *data;
        GElf_Shdr header;
        GElf_Rela relocation;

        if (!gelf_getshdr(section, &header) || header.sh_type != SHT_RELA)
            continue;
        data = elf_getdata(section, NULL);
        for (int i = 0; data && gelf_getrela(data, i, &relocation); i++)
            if (relocation.r_offset == slot)
                return symbol_name(elf, header.sh_link, GELF_R_SYM(relocation.r_info));
    }
    return NULL;
}

char *plt_name(Dwfl_Module *module, uint64_t address)
{
    GElf_Addr bias;
    Elf *elf = dwfl_module_getelf(module, &bias);
    uint64_t start, slot, size;
    GElf_Shdr header;
    Elf_Scn *section;
    Elf_Data *data;
    const char *name;

    address -= bias;
    section = elf ? section_of(elf, address, &header) : NULL;
    data = section ? elf_rawdata(section, NULL) : NULL;
    if (!data || !data->d_buf)
        return NULL;
    size = header.sh_entsize ? header.sh_entsize : ENTRY_SIZE;
    start = (address - header.sh_addr) / size * size;
    if (start >= data->d_size || !find_slot((const uint8_t *)data->d_buf + start,
                                            data->d_size - start, header.sh_addr + start, &slot))
        return NULL;
    name = name_of_slot(elf, slot);
    return name && *name ? text_make("%s@plt", name) : NULL;
}
