/* The decoder: Zydis behind one small struct. Nothing outside decode.c includes Zydis. */
#ifndef RECORDER_IMAGES_DECODE_H
#define RECORDER_IMAGES_DECODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* How control leaves an instruction. */
enum flow {
    FLOW_NEXT,          /* to the next instruction */
    FLOW_BRANCH,        /* jcc: to the target or the next one; may be widened when copied */
    FLOW_BRANCH_SHORT,  /* loop, jrcxz, xbegin: the same, but cannot be widened */
    FLOW_JUMP,          /* to the target */
    FLOW_JUMP_INDIRECT, /* jmp *x */
    FLOW_CALL,          /* to the target and back */
    FLOW_CALL_INDIRECT,
    FLOW_RETURN,
    FLOW_STOP,   /* hlt, ud2, int3: control does not go on */
    FLOW_KERNEL, /* syscall, sysenter, int: control goes on, but no stub may hold it */
    FLOW_COUNT
};

/* What is special about it. */
enum special {
    DECODE_PLAIN,
    DECODE_CPUID,
    DECODE_RDTSC,
    DECODE_RDTSCP,
    DECODE_RDRAND,
    DECODE_RDSEED,
    DECODE_ATOMIC, /* lock prefix, or xchg with memory */
    DECODE_SYSCALL,
};

/* Bits of the six arithmetic flags that the x86 SysV ABI lets die at calls and returns. */
enum {
    FLAG_CF = 1,
    FLAG_PF = 2,
    FLAG_AF = 4,
    FLAG_ZF = 8,
    FLAG_SF = 16,
    FLAG_OF = 32,
    FLAGS_ALL = 63
};

struct decoded {
    uint8_t length;
    uint8_t flow;           /* enum flow */
    uint8_t special;        /* enum special */
    uint8_t flags_read;     /* FLAG_* */
    uint8_t flags_written;  /* written whatever the operands are */
    uint8_t condition;      /* low four bits of a jcc's opcode */
    uint8_t rip_offset;     /* offset of a RIP-relative disp32 in the instruction, or 0 */
    uint8_t memory_operand; /* has a memory operand given by modrm */
    uint8_t lea;            /* lea: rip_offset is then a code or data address, not an access */
    uint8_t imm_offset;     /* offset of an immediate of four or eight bytes (no branch), or 0 */
    uint8_t imm_size;
    uint8_t immovable; /* EIP-relative: cannot be copied elsewhere */
    int64_t relative;  /* branches and calls with a target: displacement from the end */
};

/* Decode the instruction at code; false: not a valid instruction within `available` bytes. */
bool decode(const uint8_t *code, size_t available, struct decoded *ret);

#endif
