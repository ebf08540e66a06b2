/* Decoding single instructions. Owns the only use of Zydis; keeps no state. */
#include "recorder/images/decode.h"

#include <Zydis/Zydis.h>
#include <string.h>

#include "recorder/images/image.h"

static bool decode_raw(const uint8_t *code, size_t available, ZydisDecodedInstruction *ret)
{
    ZydisDecoder decoder;

    ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
    return ZYAN_SUCCESS(ZydisDecoderDecodeInstruction(&decoder, NULL, code, available, ret));
}

static uint8_t flag_bits(uint64_t zydis)
{
    uint8_t bits = 0;

    bits |= zydis & ZYDIS_CPUFLAG_CF ? FLAG_CF : 0;
    bits |= zydis & ZYDIS_CPUFLAG_PF ? FLAG_PF : 0;
    bits |= zydis & ZYDIS_CPUFLAG_AF ? FLAG_AF : 0;
    bits |= zydis & ZYDIS_CPUFLAG_ZF ? FLAG_ZF : 0;
    bits |= zydis & ZYDIS_CPUFLAG_SF ? FLAG_SF : 0;
    bits |= zydis & ZYDIS_CPUFLAG_OF ? FLAG_OF : 0;
    return bits;
}

/* Shifts by a count of zero and repeated string instructions that run zero times leave the flags
 * as they were: their writes kill nothing. */
static bool flags_may_stay(const ZydisDecodedInstruction *z)
{
    switch (z->mnemonic) {
    case ZYDIS_MNEMONIC_SHL:
    case ZYDIS_MNEMONIC_SHR:
    case ZYDIS_MNEMONIC_SAR:
    case ZYDIS_MNEMONIC_SHLD:
    case ZYDIS_MNEMONIC_SHRD:
    case ZYDIS_MNEMONIC_ROL:
    case ZYDIS_MNEMONIC_ROR:
    case ZYDIS_MNEMONIC_RCL:
    case ZYDIS_MNEMONIC_RCR:
        return true;
    default:
        return z->attributes &
               (ZYDIS_ATTRIB_HAS_REP | ZYDIS_ATTRIB_HAS_REPE | ZYDIS_ATTRIB_HAS_REPNE);
    }
}

static void decode_flags(const ZydisDecodedInstruction *z, struct decoded *d)
{
    const ZydisAccessedFlags *flags = z->cpu_flags;

    if (!flags)
        return;
    d->flags_read = flag_bits(flags->tested);
    if (!flags_may_stay(z))
        d->flags_written =
            flag_bits(flags->modified | flags->set_0 | flags->set_1 | flags->undefined);
}

static uint8_t decode_special(const ZydisDecodedInstruction *z)
{
    switch (z->mnemonic) {
    case ZYDIS_MNEMONIC_CPUID:
        return DECODE_CPUID;
    case ZYDIS_MNEMONIC_RDTSC:
        return DECODE_RDTSC;
    case ZYDIS_MNEMONIC_RDTSCP:
        return DECODE_RDTSCP;
    case ZYDIS_MNEMONIC_RDRAND:
        return DECODE_RDRAND;
    case ZYDIS_MNEMONIC_RDSEED:
        return DECODE_RDSEED;
    case ZYDIS_MNEMONIC_SYSCALL:
        return DECODE_SYSCALL;
    case ZYDIS_MNEMONIC_XCHG:
        if ((z->attributes & ZYDIS_ATTRIB_HAS_MODRM) && z->raw.modrm.mod != 3)
            return DECODE_ATOMIC;
        return DECODE_PLAIN;
    default:
        return z->attributes & ZYDIS_ATTRIB_HAS_LOCK ? DECODE_ATOMIC : DECODE_PLAIN;
    }
}

static void decode_conditional(const ZydisDecodedInstruction *z, struct decoded *d)
{
    bool near = (z->opcode_map == ZYDIS_OPCODE_MAP_DEFAULT && (z->opcode & 0xf0) == 0x70) ||
                (z->opcode_map == ZYDIS_OPCODE_MAP_0F && (z->opcode & 0xf0) == 0x80);

    d->flow = near ? FLOW_BRANCH : FLOW_BRANCH_SHORT;
    d->condition = z->opcode & 15;
    d->relative = z->raw.imm[0].value.s;
}

static void decode_flow(const ZydisDecodedInstruction *z, struct decoded *d)
{
    bool immediate = z->raw.imm[0].is_relative && z->raw.imm[0].size != 0;

    switch (z->meta.category) {
    case ZYDIS_CATEGORY_COND_BR:
        decode_conditional(z, d);
        return;
    case ZYDIS_CATEGORY_UNCOND_BR:
        d->flow = immediate ? FLOW_JUMP : FLOW_JUMP_INDIRECT;
        break;
    case ZYDIS_CATEGORY_CALL:
        d->flow = immediate ? FLOW_CALL : FLOW_CALL_INDIRECT;
        break;
    case ZYDIS_CATEGORY_RET:
        d->flow = FLOW_RETURN;
        break;
    case ZYDIS_CATEGORY_SYSCALL:
    case ZYDIS_CATEGORY_SYSRET:
        d->flow = FLOW_KERNEL;
        break;
    case ZYDIS_CATEGORY_INTERRUPT:
        d->flow = z->mnemonic == ZYDIS_MNEMONIC_INT ? FLOW_KERNEL : FLOW_STOP;
        break;
    default:
        if (z->mnemonic == ZYDIS_MNEMONIC_HLT || z->mnemonic == ZYDIS_MNEMONIC_UD0 ||
            z->mnemonic == ZYDIS_MNEMONIC_UD1 || z->mnemonic == ZYDIS_MNEMONIC_UD2)
            d->flow = FLOW_STOP;
        if (z->mnemonic == ZYDIS_MNEMONIC_XBEGIN)
            d->flow = FLOW_BRANCH_SHORT;
        immediate = immediate && d->flow == FLOW_BRANCH_SHORT;
    }
    d->relative = immediate ? z->raw.imm[0].value.s : 0;
}

bool decode(const uint8_t *code, size_t available, struct decoded *ret)
{
    ZydisDecodedInstruction z;
    bool modrm;

    if (!decode_raw(code, available, &z))
        return false;
    memset(ret, 0, sizeof(*ret));
    modrm = z.attributes & ZYDIS_ATTRIB_HAS_MODRM;
    ret->length = z.length;
    ret->special = decode_special(&z);
    decode_flags(&z, ret);
    decode_flow(&z, ret);
    ret->memory_operand = modrm && z.raw.modrm.mod != 3;
    ret->lea = z.mnemonic == ZYDIS_MNEMONIC_LEA;
    if (modrm && z.raw.modrm.mod == 0 && z.raw.modrm.rm == 5 && z.raw.disp.size == 32)
        ret->rip_offset = z.raw.disp.offset;
    ret->immovable = ret->rip_offset && z.address_width != 64;
    if (!z.raw.imm[0].is_relative && z.raw.imm[0].size >= 32) {
        ret->imm_offset = z.raw.imm[0].offset;
        ret->imm_size = z.raw.imm[0].size / 8;
    }
    return true;
}

size_t image_instruction_length(const uint8_t *code, size_t available)
{
    ZydisDecodedInstruction z;

    return decode_raw(code, available, &z) ? z.length : 0;
}

static enum image_special special_kind(const ZydisDecodedInstruction *z)
{
    switch (decode_special(z)) {
    case DECODE_CPUID:
        return SPECIAL_CPUID;
    case DECODE_RDTSC:
        return SPECIAL_RDTSC;
    case DECODE_RDTSCP:
        return SPECIAL_RDTSCP;
    case DECODE_RDRAND:
        return SPECIAL_RDRAND;
    case DECODE_RDSEED:
        return SPECIAL_RDSEED;
    default:
        return SPECIAL_NONE;
    }
}

struct image_special_instruction image_decode_special(const uint8_t *code, size_t available)
{
    struct image_special_instruction special = {.kind = SPECIAL_NONE};
    ZydisDecodedInstruction z;

    if (!decode_raw(code, available, &z))
        return special;
    special.kind = special_kind(&z);
    special.length = z.length;
    if (special.kind == SPECIAL_RDRAND || special.kind == SPECIAL_RDSEED) {
        special.target = (uint8_t)(z.raw.modrm.rm | (z.raw.rex.B ? 8 : 0));
        special.size = z.operand_width / 8;
    }
    return special;
}

bool image_instruction_writes(const uint8_t *code, size_t available)
{
    ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT];
    ZydisDecodedInstruction z;
    ZydisDecoder decoder;

    ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
    if (ZYAN_FAILED(ZydisDecoderDecodeFull(&decoder, code, available, &z, operands)))
        return false;
    for (size_t i = 0; i < z.operand_count; i++)
        if (operands[i].type == ZYDIS_OPERAND_TYPE_MEMORY &&
            operands[i].mem.type != ZYDIS_MEMOP_TYPE_AGEN &&
            (operands[i].actions & ZYDIS_OPERAND_ACTION_MASK_WRITE))
            return true;
    return false;
}

size_t image_straight_line(const uint8_t *code, size_t available, uint8_t *offsets, size_t max)
{
    size_t count = 0, at = 0;
    struct decoded d;

    while (count < max && at <= UINT8_MAX) {
        if (!decode(code + at, available - at, &d))
            break;
        offsets[count++] = (uint8_t)at;
        if (d.flow != FLOW_NEXT || (d.special != DECODE_PLAIN && d.special != DECODE_ATOMIC))
            break;
        at += d.length;
    }
    return count;
}

bool image_accesses_memory(const uint8_t *code, size_t available)
{
    ZydisDecodedInstruction z;
    uint8_t base;

    if (!decode_raw(code, available, &z) || !(z.attributes & ZYDIS_ATTRIB_HAS_MODRM) ||
        z.raw.modrm.mod == 3 || z.mnemonic == ZYDIS_MNEMONIC_LEA ||
        z.mnemonic == ZYDIS_MNEMONIC_NOP)
        return false;
    if (z.raw.rex.B) /* r8 to r15, or no base */
        return true;
    base = z.raw.modrm.rm == 4 ? z.raw.sib.base : z.raw.modrm.rm;
    return base != 4 && (base != 5 || z.raw.modrm.mod == 0);
}
