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
    bool no_return;
};

/* A word of data that holds an address of code. */
struct pointer {
    uint64_t place;
    uint64_t target;
};

struct finder {
    struct code *code;
    struct slot *slots;
    size_t slot_count;
    size_t slot_capacity;
    struct pointer *pointers;
    size_t pointer_count;
    size_t pointer_capacity;
};

static void add_target(struct code *code, uint64_t address, uint16_t marks)
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

/* Functions that never come back: what stands behind a call of one is not executed after it. */
static bool is_no_return(const char *name)
{
    static const char *const names[] = {
        "_Exit",         "_Unwind_Resume",   "_ZSt9terminatev", "__assert",    "__assert_fail",
        "__chk_fail",    "__cxa_bad_cast",   "__cxa_rethrow",   "__cxa_throw", "__fortify_fail",
        "__longjmp_chk", "__stack_chk_fail", "_exit",           "_longjmp",    "abort",
        "exit",          "longjmp",          "pthread_exit",    "quick_exit",  "siglongjmp",
    };

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (strcmp(name, names[i]) == 0)
            return true;
    return strncmp(name, "_ZSt", 4) == 0 && strstr(name, "__throw_");
}

static void on_symbol(const struct elf_symbol *symbol, void *context)
{
    struct finder *f = context;
    bool function = symbol->type == STT_FUNC || symbol->type == STT_GNU_IFUNC;
    uint16_t marks = function ? MARK_ROOT | MARK_FUNCTION : MARK_WEAK;

    if (function && is_synchronisation(symbol->name))
        marks |= MARK_SYNC;
    if (function && is_no_return(symbol->name))
        marks |= MARK_NORETURN;
    add_target(f->code, symbol->address, marks);
}

static void add_pointer(struct finder *f, uint64_t place, uint64_t target)
{
    if (target - f->code->base >= f->code->size)
        return;
    f->pointers =
        memory_grow(f->pointers, f->pointer_count, &f->pointer_capacity, sizeof(*f->pointers));
    f->pointers[f->pointer_count++] = (struct pointer){place, target};
}

static void on_relocation(const struct elf_relocation *r, void *context)
{
    struct finder *f = context;

    if (r->defined)
        add_pointer(f, r->place, r->target);
    if (r->type != R_X86_64_JUMP_SLOT && r->type != R_X86_64_GLOB_DAT &&
        r->type != R_X86_64_IRELATIVE)
        return;
    f->slots = memory_grow(f->slots, f->slot_count, &f->slot_capacity, sizeof(*f->slots));
    f->slots[f->slot_count++] = (struct slot){
        .place = r->place,
        .target = r->defined && r->type != R_X86_64_IRELATIVE ? r->target : 0,
        .no_return = is_no_return(r->name),
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
    if (slot->no_return) {
        i->marks |= MARK_NORETURN;
        if (index > 0 && code_adjoins(code, index - 1) && i[-1].length == 4 &&
            memcmp(code_bytes(code, index - 1), "\xf3\x0f\x1e\xfa", 4) == 0)
            i[-1].marks |= MARK_NORETURN; /* the endbr64 that starts a linkage stub */
    }
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

/* Functions for what follows: from one function start to the next. */
struct extent {
    uint32_t first;
    uint32_t last;
};

static struct extent next_function(const struct code *code, uint32_t first)
{
    struct extent e = {first, first};

    while (e.last + 1 < code->count && !(code->insns[e.last + 1].marks & MARK_FUNCTION))
        e.last++;
    return e;
}

/* The entries of a jump table: 32-bit distances from `base` to instructions of the function.
 * Returns how many there are; marks them if asked to. */
static size_t table_entries(struct code *code, const struct extent *e, uint64_t table,
                            uint64_t base, bool mark)
{
    uint64_t backed = elf_file_backed(code->elf, table);
    const uint8_t *bytes = elf_file_at(code->elf, table, backed);
    size_t count = 0;

    for (uint64_t at = 0; bytes && at + 4 <= backed; at += 4, count++) {
        int32_t distance;
        uint32_t index;

        memcpy(&distance, bytes + at, 4);
        index = code_index(code, base + (uint64_t)(int64_t)distance);
        if (index == NO_INSN || (e && (index < e->first || index > e->last)))
            break;
        if (mark)
            add_target(code, code_address(code, index), MARK_ROOT | MARK_TABLE);
    }
    return count;
}

/* Fewer entries in a row may be chance. */
#define TABLE_LEAST 4
#define POINTERS_LEAST 3

/* Bytes of the text that some instruction reads, or that are a jump table. */
static void mark_data(struct code *code, uint64_t start, uint64_t end)
{
    for (uint64_t at = start; at < end; at++) {
        uint32_t index = code_index_containing(code, at);

        if (index != NO_INSN)
            code->insns[index].marks |= MARK_DATA;
    }
}

/* A RIP-relative operand: an address of code taken by lea, a constant kept in the text, or a jump
 * table with distances from itself. */
static void follow_operand(struct code *code, const struct extent *e, uint32_t index)
{
    bool lea = code->insns[index].marks & MARK_LEA;
    uint64_t address = rip_operand(code, index);
    size_t entries;

    if (code_index_containing(code, address) == NO_INSN) {
        if (lea)
            table_entries(code, NULL, address, address, true);
        return;
    }
    add_target(code, address, lea ? MARK_WEAK : 0);
    if (!lea) {
        mark_data(code, address, address + 1);
        return;
    }
    entries = table_entries(code, e, address, address, false);
    if (entries >= TABLE_LEAST) {
        table_entries(code, e, address, address, true);
        mark_data(code, address, address + 4 * entries);
    }
}

#define BIASED_BASES 64
#define BIASED_TABLES 64

/* Tables with distances from a label of the function (glibc's printf): pair every label whose
 * address the function takes with every table it reads. */
static void follow_biased_tables(struct code *code, const struct extent *e)
{
    uint64_t bases[BIASED_BASES], tables[BIASED_TABLES];
    size_t base_count = 0, table_count = 0;

    for (uint32_t k = e->first; k <= e->last; k++) {
        uint64_t address;
        uint32_t index;

        if (!(code->insns[k].marks & MARK_LEA) || !code->insns[k].rip_offset)
            continue;
        address = rip_operand(code, k);
        index = code_index(code, address);
        if (index != NO_INSN && index >= e->first && index <= e->last) {
            if (base_count < BIASED_BASES)
                bases[base_count++] = address;
        } else if (table_count < BIASED_TABLES && !elf_file_executable(code->elf, address)) {
            tables[table_count++] = address;
        }
    }
    for (size_t b = 0; b < base_count; b++)
        for (size_t t = 0; t < table_count; t++)
            if (table_entries(code, e, tables[t], bases[b], false) >= TABLE_LEAST)
                table_entries(code, e, tables[t], bases[b], true);
}

/* A nop of any length: 66 and 2e prefixes, then 90 or 0f 1f. */
static bool is_padding(const struct code *code, uint32_t index)
{
    const uint8_t *bytes = code_bytes(code, index);
    uint8_t length = code->insns[index].length, at = 0;

    while (at + 1 < length && (bytes[at] == 0x66 || bytes[at] == 0x2e))
        at++;
    return bytes[at] == 0x90 || (at + 1 < length && bytes[at] == 0x0f && bytes[at + 1] == 0x1f);
}

/* Does nothing but padding stand between an instruction and one that control does not leave for the
 * next? Then only a jump can lead there. */
static bool stands_alone(const struct code *code, uint32_t index)
{
    while (index > 0 && code_adjoins(code, index - 1)) {
        const struct insn *before = &code->insns[--index];

        if (before->flow == FLOW_RETURN || before->flow == FLOW_JUMP ||
            before->flow == FLOW_JUMP_INDIRECT || before->flow == FLOW_STOP)
            return true;
        if (!is_padding(code, index))
            return false;
    }
    return false;
}

/* Pieces of code at one distance from each other, the first one at `base`: how many there are. */
static size_t stride_entries(struct code *code, const struct extent *e, uint64_t base,
                             uint64_t stride, bool mark)
{
    size_t count = 1;

    for (uint64_t address = base + stride;; address += stride, count++) {
        uint32_t index = code_index(code, address);

        if (index == NO_INSN || index > e->last || !stands_alone(code, index))
            return count;
        if (mark)
            add_target(code, address, MARK_ROOT | MARK_TABLE);
    }
}

#define STRIDE_UNIT 16
#define STRIDE_MOST 256

/* Jumps to base + index * size (glibc's memmove_ssse3): `base` is an address that the function
 * takes, and a piece of `size` bytes for each index stands alone behind it. No table of constants
 * looks like that: it would have to be a return or a jump, again and again at the same distance. */
static void follow_strides(struct code *code, const struct extent *e, uint64_t base)
{
    for (uint64_t stride = STRIDE_UNIT; stride <= STRIDE_MOST; stride += STRIDE_UNIT) {
        if (stride_entries(code, e, base, stride, false) < TABLE_LEAST)
            continue;
        stride_entries(code, e, base, stride, true);
        return;
    }
}

static void follow_computed_jumps(struct code *code, const struct extent *e)
{
    for (uint32_t k = e->first; k <= e->last; k++) {
        uint32_t index;

        if (!(code->insns[k].marks & MARK_LEA) || !code->insns[k].rip_offset)
            continue;
        index = code_index(code, rip_operand(code, k));
        if (index != NO_INSN && index >= e->first && index <= e->last &&
            !(code->insns[index].marks & MARK_DATA))
            follow_strides(code, e, code_address(code, index));
    }
}

static void scan_function(struct finder *f, const struct extent *e)
{
    struct code *code = f->code;
    bool jumps = false;

    for (uint32_t k = e->first; k <= e->last; k++) {
        struct insn *i = &code->insns[k];
        bool indirect = i->flow == FLOW_JUMP_INDIRECT || i->flow == FLOW_CALL_INDIRECT;

        if (indirect && i->rip_offset)
            bind_linkage(f, k);
        else
            resolve_target(code, k);
        if (i->rip_offset && !indirect)
            follow_operand(code, e, k);
        jumps = jumps || (i->flow == FLOW_JUMP_INDIRECT && !(i->marks & MARK_LINKAGE));
    }
    if (!jumps)
        return;
    follow_biased_tables(code, e);
    follow_computed_jumps(code, e);
    /* Only where an indirect jump may lead there is what looks like a label's address taken for
     * one. */
    for (uint32_t k = e->first; k <= e->last; k++)
        if (code->insns[k].marks & MARK_WEAK)
            code->insns[k].marks |= MARK_ROOT;
}

static void scan_instructions(struct finder *f)
{
    for (uint32_t k = 0; k < f->code->count;) {
        struct extent e = next_function(f->code, k);

        scan_function(f, &e);
        k = e.last + 1;
    }
}

static void mark_no_return_calls(struct code *code)
{
    for (uint32_t k = 0; k < code->count; k++) {
        struct insn *i = &code->insns[k];

        if (i->flow == FLOW_CALL && i->target != NO_INSN)
            i->marks |= code->insns[i->target].marks & MARK_NORETURN;
    }
}

/* Addresses in immediates (noted while decoding) are weak too. */
static void weaken_noted(struct code *code)
{
    for (uint32_t k = 0; k < code->count; k++)
        if (code_is_target(code, code_address(code, k)))
            code->insns[k].marks |= MARK_WEAK;
}

/* Position-dependent data: every aligned word may be an address of code. */
static void scan_data(struct finder *f)
{
    const struct elf_file *elf = f->code->elf;

    for (size_t i = 0; i < elf->segment_count; i++) {
        const Elf64_Phdr *p = &elf->segments[i];
        const uint8_t *bytes;

        if (p->p_type != PT_LOAD || (p->p_flags & PF_X))
            continue;
        bytes = elf->data + p->p_offset;
        for (uint64_t at = -p->p_vaddr & 7; at + 8 <= p->p_filesz; at += 8) {
            uint64_t value;

            memcpy(&value, bytes + at, 8);
            add_pointer(f, p->p_vaddr + at, value);
        }
    }
}

static int compare_pointers(const void *a, const void *b)
{
    const struct pointer *x = a, *y = b;

    return (x->place > y->place) - (x->place < y->place);
}

/* Pointers to instructions, one behind the other, are a table of labels (switch, computed goto):
 * certain. A single one may point at a constant. */
static void mark_pointers(struct finder *f)
{
    struct code *code = f->code;

    if (f->pointer_count)
        qsort(f->pointers, f->pointer_count, sizeof(*f->pointers), compare_pointers);
    for (size_t i = 0; i < f->pointer_count;) {
        size_t end = i;

        while (end < f->pointer_count &&
               f->pointers[end].place == f->pointers[i].place + 8 * (end - i) &&
               code_index(code, f->pointers[end].target) != NO_INSN)
            end++;
        for (size_t k = i; k < end; k++)
            add_target(code, f->pointers[k].target,
                       end - i >= POINTERS_LEAST ? MARK_ROOT | MARK_TABLE : MARK_WEAK);
        if (end == i)
            add_target(code, f->pointers[end++].target, 0);
        i = end;
    }
}

void targets_find(struct code *code)
{
    struct finder f = {.code = code};

    weaken_noted(code);
    frames_visit(code->elf, on_frame, on_landing, &f);
    elf_file_symbols(code->elf, on_symbol, &f);
    elf_file_relocations(code->elf, on_relocation, &f);
    if (f.slot_count)
        qsort(f.slots, f.slot_count, sizeof(*f.slots), compare_slots);
    add_target(code, code->elf->header.e_entry, MARK_ROOT);
    if (code->elf->header.e_type == ET_EXEC)
        scan_data(&f);
    mark_pointers(&f);
    scan_instructions(&f);
    mark_no_return_calls(code);
    free(f.slots);
    free(f.pointers);
}
