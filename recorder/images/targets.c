/* Collecting targets: branches and calls, symbols, landing pads, relocations, code addresses in
 * instructions, jump tables, pointers in position-dependent data. What it misses is caught at run
 * time, since every former boundary inside a window traps (place.c). */
#include "recorder/images/targets.h"

#include <string.h>

#include "recorder/images/frames.h"
#include "recorder/images/memory.h"

/* A linkage slot (GOT entry bound to a function) and where it leads, if into this image. */
struct slot {
    uint64_t place;
    uint64_t target; /* 0: elsewhere */
};

struct finder {
    struct code *code;
    struct slot *slots;
    size_t slot_count;
    size_t slot_capacity;
};

static void add_target(struct code *code, uint64_t address, uint8_t marks)
{
    uint64_t at = address - code->base;
    uint32_t index;

    if (at >= code->size)
        return;
    code->targets[at / 64] |= 1ull << (at % 64);
    index = code_index_containing(code, address);
    if (index != NO_INSN)
        code->insns[index].marks |= marks;
}

static void on_frame(uint64_t start, uint64_t end, void *context)
{
    (void)end;
    add_target(((struct finder *)context)->code, start, MARK_FUNCTION | MARK_ROOT);
}

static void on_landing(uint64_t address, void *context)
{
    add_target(((struct finder *)context)->code, address, MARK_ROOT);
}

/* The functions of glibc and musl through which threads meet (POSIX threads and semaphores, C11
 * threads): an uncontended one makes no system call, so their entries are points. */
static bool is_synchronisation(const char *name)
{
    static const char *const names[] = {
        "call_once", "cnd_broadcast", "cnd_signal",  "cnd_timedwait", "cnd_wait",
        "mtx_lock",  "mtx_timedlock", "mtx_trylock", "mtx_unlock",    "sem_clockwait",
        "sem_post",  "sem_timedwait", "sem_trywait", "sem_wait",      "thrd_join",
    };
    static const char *const families[] = {
        "pthread_mutex_",    "pthread_cond_",   "pthread_rwlock_", "pthread_spin_",
        "pthread_barrier_w", "pthread_once",    "pthread_join",    "pthread_timedjoin",
        "pthread_clockjoin", "pthread_tryjoin",
    };
    static const char *const setup[] = {"_init", "_destroy", "ceiling", "_consistent"};

    while (*name == '_')
        name++;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (strcmp(name, names[i]) == 0)
            return true;
    for (size_t i = 0; i < sizeof(families) / sizeof(families[0]); i++) {
        if (strncmp(name, families[i], strlen(families[i])) != 0)
            continue;
        for (size_t k = 0; k < sizeof(setup) / sizeof(setup[0]); k++)
            if (strstr(name, setup[k]))
                return false;
        return true;
    }
    return false;
}

static void on_symbol(const struct elf_symbol *symbol, void *context)
{
    struct finder *f = context;
    bool function = symbol->type == STT_FUNC || symbol->type == STT_GNU_IFUNC;
    uint8_t marks = MARK_ROOT;

    if (function)
        marks |= MARK_FUNCTION;
    if (function && is_synchronisation(symbol->name))
        marks |= MARK_SYNC;
    add_target(f->code, symbol->address, marks);
}

static void on_relocation(const struct elf_relocation *r, void *context)
{
    struct finder *f = context;

    if (r->defined)
        add_target(f->code, r->target, MARK_ROOT);
    if (r->type != R_X86_64_JUMP_SLOT && r->type != R_X86_64_GLOB_DAT &&
        r->type != R_X86_64_IRELATIVE)
        return;
    f->slots = memory_grow(f->slots, f->slot_count, &f->slot_capacity, sizeof(*f->slots));
    f->slots[f->slot_count++] = (struct slot){
        .place = r->place,
        .target = r->defined && r->type != R_X86_64_IRELATIVE ? r->target : 0,
    };
}

static int compare_slots(const void *a, const void *b)
{
    const struct slot *x = a, *y = b;

    return (x->place > y->place) - (x->place < y->place);
}

static uint64_t rip_operand(const struct code *code, uint32_t index)
{
    const struct insn *i = &code->insns[index];
    int32_t displacement;

    memcpy(&displacement, code_bytes(code, index) + i->rip_offset, 4);
    return code_end(code, index) + (uint64_t)(int64_t)displacement;
}

static void bind_linkage(struct finder *f, uint32_t index)
{
    struct code *code = f->code;
    struct insn *i = &code->insns[index];
    struct slot key = {.place = rip_operand(code, index)}, *slot;

    slot =
        f->slot_count ? bsearch(&key, f->slots, f->slot_count, sizeof(key), compare_slots) : NULL;
    if (!slot)
        return;
    i->marks |= MARK_LINKAGE;
    if (slot->target)
        i->target = code_index(code, slot->target);
}

static void resolve_target(struct code *code, uint32_t index)
{
    struct insn *i = &code->insns[index];
    uint64_t address;

    if (i->target == NO_INSN)
        return;
    address = code->base + i->target;
    add_target(code, address, i->flow == FLOW_CALL ? MARK_CALLED : 0);
    i->target = code_index_containing(code, address);
}

size_t code_table(const struct code *code, uint64_t table, table_visitor *visit, void *context)
{
    uint64_t backed = elf_file_backed(code->elf, table);
    const uint8_t *bytes = elf_file_at(code->elf, table, backed);
    size_t count = 0;

    for (uint64_t at = 0; bytes && at + 4 <= backed; at += 4) {
        int32_t distance;
        uint32_t index;

        memcpy(&distance, bytes + at, 4);
        index = code_index(code, table + (uint64_t)(int64_t)distance);
        if (index == NO_INSN)
            break;
        visit(index, context);
        count++;
    }
    return count;
}

static void on_table_entry(uint32_t index, void *context)
{
    struct code *code = context;

    add_target(code, code_address(code, index), MARK_ROOT | MARK_TABLE);
}

/* A RIP-relative operand: an address of code taken by lea, constants kept in the text, or the
 * base of a jump table. */
static void follow_operand(struct code *code, uint32_t index)
{
    uint64_t address = rip_operand(code, index);

    if (address - code->base < code->size && elf_file_executable(code->elf, address)) {
        add_target(code, address, MARK_ROOT);
        if (code_index(code, address) != NO_INSN)
            return;
    }
    code->immediate_table_entries += code_table(code, address, on_table_entry, code);
}

/* Position-dependent code: an immediate may be an address. */
static void follow_immediate(struct code *code, const uint8_t *bytes, const struct decoded *d)
{
    uint64_t value = 0;

    memcpy(&value, bytes + d->imm_offset, d->imm_size);
    if (elf_file_executable(code->elf, value))
        add_target(code, value, MARK_ROOT);
}

static void scan_instructions(struct finder *f)
{
    struct code *code = f->code;
    bool fixed_place = code->elf->header.e_type == ET_EXEC;

    for (uint32_t k = 0; k < code->count; k++) {
        struct insn *i = &code->insns[k];
        bool indirect = i->flow == FLOW_JUMP_INDIRECT || i->flow == FLOW_CALL_INDIRECT;

        if (indirect && i->rip_offset)
            bind_linkage(f, k);
        else
            resolve_target(code, k);
        if (i->rip_offset && !indirect)
            follow_operand(code, k);
        if (fixed_place && i->length >= 5 && i->flow == FLOW_NEXT) {
            const uint8_t *bytes = code_bytes(code, k);
            struct decoded d;

            if (decode(bytes, i->length, &d) && d.imm_offset)
                follow_immediate(code, bytes, &d);
        }
    }
}

static void scan_data(struct code *code)
{
    const struct elf_file *elf = code->elf;

    for (size_t i = 0; i < elf->segment_count; i++) {
        const Elf64_Phdr *p = &elf->segments[i];
        const uint8_t *bytes;

        if (p->p_type != PT_LOAD || (p->p_flags & PF_X))
            continue;
        bytes = elf->data + p->p_offset;
        for (uint64_t at = -p->p_vaddr & 7; at + 8 <= p->p_filesz; at += 8) {
            uint64_t value;

            memcpy(&value, bytes + at, 8);
            if (value - code->base < code->size && elf_file_executable(elf, value))
                add_target(code, value, MARK_ROOT);
        }
    }
}

void targets_find(struct code *code)
{
    struct finder f = {.code = code};

    frames_visit(code->elf, on_frame, on_landing, &f);
    elf_file_symbols(code->elf, on_symbol, &f);
    elf_file_relocations(code->elf, on_relocation, &f);
    if (f.slot_count)
        qsort(f.slots, f.slot_count, sizeof(*f.slots), compare_slots);
    add_target(code, code->elf->header.e_entry, MARK_ROOT);
    scan_instructions(&f);
    if (code->elf->header.e_type == ET_EXEC)
        scan_data(code);
    free(f.slots);
}
