/* The code of an image: its decoded instructions and every address control can reach otherwise
 * than by falling into it. Code is where FDEs and sized function symbols say so, nothing else. */
#ifndef RECORDER_IMAGES_CODE_H
#define RECORDER_IMAGES_CODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "recorder/images/decode.h"
#include "recorder/images/elf_file.h"

#define NO_INSN UINT32_MAX

enum {
    MARK_FUNCTION = 1, /* first of an FDE or a function symbol */
    MARK_CALLED = 2,   /* target of a direct call */
    MARK_LINKAGE = 4,  /* an indirect jump or call through a linkage (GOT) slot */
    MARK_ROOT = 8,     /* something other than a direct branch leads here for certain */
    MARK_WEAK = 16,    /* something that looks like an address of code points here */
    MARK_TABLE = 32,   /* target of a jump table */
    MARK_FIXED = 64,   /* cannot be copied elsewhere */
    MARK_SYNC = 128,   /* entry of a lock, condition, semaphore, once or join function */
    MARK_REACHED = 256,
    MARK_DATA = 512, /* other code reads these bytes: a table or constant that happens to decode */
    MARK_NORETURN = 2048, /* a function, or a call, that does not come back */
    MARK_LEA = 1024,      /* lea: its RIP-relative operand may be an address of code */
};

struct insn {
    uint32_t offset; /* from code.base */
    uint32_t target; /* index of the instruction a branch, jump or call leads to, or NO_INSN */
    uint8_t length;
    uint8_t flow : 4;    /* enum flow */
    uint8_t special : 4; /* enum special */
    uint8_t flags_read;
    uint8_t flags_written;
    uint8_t flags_live; /* before the instruction; flow.c fills it in */
    uint8_t rip_offset;
    uint16_t marks;
};

struct code_range {
    uint64_t start;
    uint64_t end;
};

/* A range left alone. */
struct code_refusal {
    struct code_range range;
    bool copied; /* the program copies it (copied.h); else a byte in it does not decode */
};

struct code {
    const struct elf_file *elf;
    uint64_t base; /* page-aligned; offsets count from here */
    uint64_t size; /* to the end of the last executable byte */
    struct insn *insns;
    size_t count;
    uint64_t *starts;  /* one bit per byte: an instruction starts here */
    uint64_t *targets; /* one bit per byte: control may arrive here */
    uint32_t *rank;    /* instructions before each word of starts */
    struct code_refusal *refused;
    size_t refused_count;
    size_t range_count;
};

/* elf must outlive code. 0, or -EOPNOTSUPP when there is no code that can be decoded. */
int code_build(const struct elf_file *elf, struct code *ret);
void code_done(struct code *code);

/* The instruction that starts at, or contains, an address; NO_INSN if none. */
uint32_t code_index(const struct code *code, uint64_t address);
uint32_t code_index_containing(const struct code *code, uint64_t address);
bool code_is_target(const struct code *code, uint64_t address);

static inline uint64_t code_address(const struct code *code, uint32_t index)
{
    return code->base + code->insns[index].offset;
}

static inline uint64_t code_end(const struct code *code, uint32_t index)
{
    return code_address(code, index) + code->insns[index].length;
}

/* Does the instruction behind `index` in the table follow it without a gap? */
static inline bool code_adjoins(const struct code *code, uint32_t index)
{
    return index + 1 < code->count &&
           code->insns[index].offset + code->insns[index].length == code->insns[index + 1].offset;
}

static inline const uint8_t *code_bytes(const struct code *code, uint32_t index)
{
    return elf_file_at(code->elf, code_address(code, index), code->insns[index].length);
}

#endif
