/* Walking stacks. One step at a time from registers to registers, so that whoever understands the
 * frame may take the step: libunwind, libdwfl, or the rules below. */
#include "recorder/stacks/unwind.h"

#include <elfutils/libdw.h>
#include <libunwind-x86_64.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ucontext.h>
#include <time.h>

#include "recorder/base/text.h"
#include "recorder/stacks/modules.h"

#define PAGE 4096u
#define CACHED_PAGES 8

/* System V ABI, x86-64, figure 3.36: DWARF register numbers; libunwind's are the same. */
enum { RBP = 6, RSP = 7, RIP = 16, REGISTERS = 17 };

struct registers {
    uint64_t value[REGISTERS];
    bool is_return; /* RIP is a return address: the instruction meant ends before it */
};

struct space {
    struct modules modules;
    struct map_entry *entry; /* what the modules were made of */
    size_t count;
    struct space *next;
};

struct page {
    uint64_t address; /* 1: none */
    size_t length;
    uint8_t data[PAGE];
};

struct unwinder {
    uint64_t names_until, walk_until; /* CLOCK_MONOTONIC, ns */
    struct space *spaces;
    unw_addr_space_t libunwind;
    /* of the task that is read */
    const struct unwind_source *source;
    struct modules *modules;
    struct registers now;
    struct page page[CACHED_PAGES];
};

static uint64_t clock_now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* ---- memory ---------------------------------------------------------------------------------- */

/* What files hold that the program cannot change is read from them: it is faster, and code there is
 * the program's own. */
static size_t read_piece(struct unwinder *u, uint64_t address, uint8_t *ret, size_t length)
{
    const struct module *m = modules_find(u->modules, address);
    struct page *page = &u->page[address / PAGE % CACHED_PAGES];
    size_t there = 0, offset = address % PAGE;
    const uint8_t *data = m ? module_constant(m, address, &there) : NULL;

    if (!data) {
        if (page->address != address - offset) {
            page->address = address - offset;
            page->length = u->source->read(u->source->context, page->address, page->data, PAGE);
        }
        there = page->length > offset ? page->length - offset : 0;
        data = page->data + offset;
    }
    if (there > length)
        there = length;
    memcpy(ret, data, there);
    return there;
}

static bool read_memory(struct unwinder *u, uint64_t address, void *ret, size_t length)
{
    size_t done = 0;

    while (done < length) {
        size_t n = read_piece(u, address + done, (uint8_t *)ret + done, length - done);

        if (n == 0)
            return false;
        done += n;
    }
    return true;
}

static bool is_code(struct unwinder *u, uint64_t address)
{
    const struct map_entry *e = maps_find(u->source->maps, address);

    return e && (e->prot & PROT_EXEC);
}

/* Does a call instruction end here? Direct, or through a register or memory with any addressing. */
static bool follows_call(struct unwinder *u, uint64_t address)
{
    uint8_t code[8];

    if (!is_code(u, address - 1) || !read_memory(u, address - sizeof(code), code, sizeof(code)))
        return false;
    if (code[3] == 0xe8)
        return true;
    for (unsigned length = 2; length <= 7; length++) {
        uint8_t operand = code[sizeof(code) - length + 1];
        unsigned mode = operand >> 6, base = operand & 7, expected = 2;

        if (code[sizeof(code) - length] != 0xff || (operand >> 3 & 7) != 2)
            continue;
        if (mode != 3 && base == 4)
            expected += 1 + (mode == 0 && (code[sizeof(code) - length + 2] & 7) == 5 ? 4 : 0);
        else if (mode == 0 && base == 5)
            expected += 4;
        expected += mode == 1 ? 1 : mode == 2 ? 4 : 0;
        if (expected == length)
            return true;
    }
    return false;
}

/* ---- libunwind ------------------------------------------------------------------------------- */

/* Exported by libunwind for whoever brings his own accessors (perf does), in no header. */
int UNW_OBJ(dwarf_search_unwind_table)(unw_addr_space_t space, unw_word_t ip, unw_dyn_info_t *table,
                                       unw_proc_info_t *ret, int with_unwind_info, void *context);

/* .eh_frame_hdr (LSB core, 10.6.2) as every linker writes it: version, three encodings, .eh_frame's
 * place, count, and pairs sorted by address. */
struct frame_index {
    uint8_t version, frame_encoding, count_encoding, table_encoding;
    int32_t frame;
    uint32_t count;
};
#define ENCODING_UDATA4 0x03
#define ENCODING_DATAREL_SDATA4 0x3b

static int find_proc_info(unw_addr_space_t space, unw_word_t ip, unw_proc_info_t *ret,
                          int with_unwind_info, void *context)
{
    struct unwinder *u = context;
    const struct module *m = modules_find(u->modules, ip);
    struct frame_index index;
    unw_dyn_info_t table;

    if (!m || !m->frame_index || !read_memory(u, m->frame_index, &index, sizeof(index)) ||
        index.version != 1 || index.count_encoding != ENCODING_UDATA4 ||
        index.table_encoding != ENCODING_DATAREL_SDATA4 || index.count == 0 ||
        index.count > m->length / 8)
        return -UNW_ENOINFO;
    memset(&table, 0, sizeof(table));
    table.start_ip = m->start;
    table.end_ip = m->end;
    table.format = UNW_INFO_FORMAT_REMOTE_TABLE;
    table.u.rti.segbase = m->frame_index;
    table.u.rti.table_data = m->frame_index + sizeof(index);
    table.u.rti.table_len = index.count * 8ul / sizeof(unw_word_t);
    return UNW_OBJ(dwarf_search_unwind_table)(space, ip, &table, ret, with_unwind_info, context);
}

static void put_unwind_info(unw_addr_space_t space, unw_proc_info_t *info, void *context)
{
    (void)space;
    (void)info;
    (void)context;
}

static int no_dynamic_info(unw_addr_space_t space, unw_word_t *ret, void *context)
{
    (void)space;
    (void)ret;
    (void)context;
    return -UNW_ENOINFO;
}

static int access_memory(unw_addr_space_t space, unw_word_t address, unw_word_t *value, int write,
                         void *context)
{
    (void)space;
    return !write && read_memory(context, address, value, sizeof(*value)) ? 0 : -UNW_EINVAL;
}

static int access_register(unw_addr_space_t space, unw_regnum_t number, unw_word_t *value,
                           int write, void *context)
{
    const struct unwinder *u = context;

    (void)space;
    if (write || number < 0 || number >= REGISTERS)
        return -UNW_EBADREG;
    *value = u->now.value[number] - (number == RIP && u->now.is_return);
    return 0;
}

static int access_float(unw_addr_space_t space, unw_regnum_t number, unw_fpreg_t *value, int write,
                        void *context)
{
    (void)space;
    (void)number;
    (void)value;
    (void)write;
    (void)context;
    return -UNW_EBADREG;
}

static int resume(unw_addr_space_t space, unw_cursor_t *cursor, void *context)
{
    (void)space;
    (void)cursor;
    (void)context;
    return -UNW_EINVAL;
}

static int proc_name(unw_addr_space_t space, unw_word_t ip, char *name, size_t length,
                     unw_word_t *offset, void *context)
{
    (void)space;
    (void)ip;
    (void)name;
    (void)length;
    (void)offset;
    (void)context;
    return -UNW_ENOINFO;
}

static const unw_accessors_t accessors = {
    .find_proc_info = find_proc_info,
    .put_unwind_info = put_unwind_info,
    .get_dyn_info_list_addr = no_dynamic_info,
    .access_mem = access_memory,
    .access_reg = access_register,
    .access_fpreg = access_float,
    .resume = resume,
    .get_proc_name = proc_name,
};

enum step {
    STEP_FAILED, /* it does not know this frame */
    STEP_DONE,
    STEP_END, /* the frame is the outermost */
};

static enum step step_libunwind(struct unwinder *u, struct registers *next)
{
    unw_proc_info_t info;
    unw_cursor_t cursor;
    unw_word_t value;
    int result;

    /* without CFI libunwind guesses by rbp: not before libdwfl was asked */
    if (!u->libunwind ||
        find_proc_info(u->libunwind, u->now.value[RIP] - u->now.is_return, &info, 0, u) != 0 ||
        unw_init_remote(&cursor, u->libunwind, u) != 0)
        return STEP_FAILED;
    result = unw_step(&cursor);
    if (result < 0)
        return STEP_FAILED;
    if (result == 0)
        return STEP_END;
    for (int i = 0; i < REGISTERS; i++)
        next->value[i] = unw_get_reg(&cursor, i, &value) == 0 ? value : 0;
    return next->value[RIP] ? STEP_DONE : STEP_END;
}

/* ---- libdwfl --------------------------------------------------------------------------------- */

static bool read_word(Dwfl *dwfl, Dwarf_Addr address, Dwarf_Word *ret, void *context)
{
    (void)dwfl;
    return read_memory(context, address, ret, sizeof(*ret));
}

static pid_t next_thread(Dwfl *dwfl, void *context, void **thread_context)
{
    (void)dwfl;
    if (*thread_context == context)
        return 0;
    *thread_context = context;
    return 1;
}

static bool get_thread(Dwfl *dwfl, pid_t tid, void *context, void **thread_context)
{
    (void)dwfl;
    (void)tid;
    *thread_context = context;
    return true;
}

static bool set_registers(Dwfl_Thread *thread, void *context)
{
    const struct unwinder *u = context;
    Dwarf_Word value[REGISTERS];

    for (int i = 0; i < REGISTERS; i++)
        value[i] = u->now.value[i];
    value[RIP] -= u->now.is_return;
    return dwfl_thread_state_registers(thread, 0, REGISTERS, value);
}

static const Dwfl_Thread_Callbacks thread_callbacks = {
    .next_thread = next_thread,
    .get_thread = get_thread,
    .memory_read = read_word,
    .set_initial_registers = set_registers,
};

struct second_frame {
    struct registers *next;
    unsigned seen;
};

static int take_second_frame(Dwfl_Frame *frame, void *context)
{
    struct second_frame *second = context;
    Dwarf_Addr address;
    Dwarf_Word value;

    if (second->seen++ == 0)
        return DWARF_CB_OK;
    if (!dwfl_frame_pc(frame, &address, NULL))
        return DWARF_CB_ABORT;
    for (unsigned i = 0; i < REGISTERS; i++)
        second->next->value[i] = dwfl_frame_reg(frame, i, &value) == 0 ? value : 0;
    second->next->value[RIP] = address;
    return DWARF_CB_ABORT;
}

static bool covers(Dwarf_CFI *cfi, uint64_t address)
{
    Dwarf_Frame *frame = NULL;
    bool found = cfi && dwarf_cfi_addrframe(cfi, address, &frame) == 0;

    free(frame);
    return found;
}

/* Without CFI libdwfl would guess by rbp. */
static bool has_cfi(const struct module *m, uint64_t inside)
{
    Dwarf_Addr bias = 0;
    Dwarf_CFI *cfi = dwfl_module_eh_cfi(m->dwfl, &bias);

    if (covers(cfi, inside - bias))
        return true;
    cfi = dwfl_module_dwarf_cfi(m->dwfl, &bias);
    return covers(cfi, inside - bias);
}

static enum step step_libdwfl(struct unwinder *u, struct registers *next)
{
    struct second_frame second = {next, 0};
    uint64_t inside = u->now.value[RIP] - u->now.is_return;
    const struct module *m = modules_find(u->modules, inside);
    Dwfl *dwfl = u->modules->dwfl;
    int result;

    next->value[RIP] = 0;
    if (!m || !has_cfi(m, inside))
        return STEP_FAILED;
    result = dwfl_getthread_frames(dwfl, 1, take_second_frame, &second);
    if (second.seen > 1)
        return next->value[RIP] ? STEP_DONE : STEP_END;
    return result == 0 && second.seen == 1 ? STEP_END : STEP_FAILED;
}

/* ---- rules of our own ------------------------------------------------------------------------ */

/* A signal handler returns to `mov $15, %rax` (or %eax) `; syscall`. */
static bool is_signal_frame(struct unwinder *u)
{
    static const uint8_t long_form[] = {0x48, 0xc7, 0xc0, 15, 0, 0, 0, 0x0f, 0x05};
    static const uint8_t short_form[] = {0xb8, 15, 0, 0, 0, 0x0f, 0x05};
    uint64_t ip = u->now.value[RIP];
    uint8_t code[sizeof(long_form)];

    return u->now.is_return && read_memory(u, ip, code, sizeof(short_form)) &&
           (memcmp(code, short_form, sizeof(short_form)) == 0 ||
            (read_memory(u, ip, code, sizeof(long_form)) &&
             memcmp(code, long_form, sizeof(long_form)) == 0));
}

/* There rsp is at the ucontext of what was interrupted (arch/x86/kernel/signal_64.c, struct
 * rt_sigframe). */
static enum step step_signal_frame(struct unwinder *u, struct registers *next)
{
    static const int greg[REGISTERS] = {REG_RAX, REG_RDX, REG_RCX, REG_RBX, REG_RSI, REG_RDI,
                                        REG_RBP, REG_RSP, REG_R8,  REG_R9,  REG_R10, REG_R11,
                                        REG_R12, REG_R13, REG_R14, REG_R15, REG_RIP};
    gregset_t gregs;

    if (!is_signal_frame(u) ||
        !read_memory(u, u->now.value[RSP] + offsetof(ucontext_t, uc_mcontext.gregs), gregs,
                     sizeof(gregs)))
        return STEP_FAILED;
    for (int i = 0; i < REGISTERS; i++)
        next->value[i] = (uint64_t)gregs[greg[i]];
    next->is_return = false;
    return STEP_DONE;
}

/* A call or jump of an address that is no code: where it came from is on the stack. */
static enum step step_wild_call(struct unwinder *u, struct registers *next)
{
    uint64_t address;

    if (u->now.is_return || is_code(u, u->now.value[RIP]) ||
        !read_memory(u, u->now.value[RSP], &address, sizeof(address)) || !follows_call(u, address))
        return STEP_FAILED;
    next->value[RIP] = address;
    next->value[RSP] += sizeof(address);
    return STEP_DONE;
}

/* Is this the return address of a direct call of the function we are in? */
static bool returns_from_here(struct unwinder *u, uint64_t address, uint64_t function)
{
    int32_t distance;
    uint8_t code;

    return function && is_code(u, address - 1) && read_memory(u, address - 5, &code, 1) &&
           code == 0xe8 && read_memory(u, address - 4, &distance, sizeof(distance)) &&
           address + (uint64_t)(int64_t)distance == function;
}

/* Is this word, at this place of the stack, what a signal handler returns to? The like is also in
 * what sigaction() was given; but only a signal frame goes on with a saved code segment. */
static bool is_signal_return(struct unwinder *u, uint64_t word, uint64_t at)
{
    struct registers saved = u->now;
    uint64_t segments = 0;
    bool is;

    if (!is_code(u, word) ||
        !read_memory(u,
                     at + sizeof(word) + offsetof(ucontext_t, uc_mcontext.gregs) +
                         REG_CSGSFS * sizeof(greg_t),
                     &segments, sizeof(segments)) ||
        (segments & 0xffff) != 0x33) /* __USER_CS */
        return false;
    u->now.value[RIP] = word;
    u->now.is_return = true;
    is = is_signal_frame(u);
    u->now = saved;
    return is;
}

static uint64_t function_start(const struct module *m, uint64_t inside)
{
    struct names_file file = module_names(m);

    return names_function_start(&file, inside);
}

/* Code without any CFI, such as musl's C: the next word of the stack that can only be the way back.
 * Functions that were called through a pointer are not found so. */
#define SCANNED_WORDS 512
static enum step step_scan(struct unwinder *u, struct registers *next)
{
    uint64_t inside = u->now.value[RIP] - u->now.is_return, at = u->now.value[RSP], word;
    const struct module *m = modules_find(u->modules, inside);
    uint64_t function = m ? function_start(m, inside) : 0;

    if (!m || at % 8)
        return STEP_FAILED;
    for (unsigned i = 0; i < SCANNED_WORDS && read_memory(u, at, &word, sizeof(word));
         i++, at += sizeof(word)) {
        if (!returns_from_here(u, word, function) && !is_signal_return(u, word, at))
            continue;
        next->value[RIP] = word;
        next->value[RSP] = at + sizeof(word);
        return STEP_DONE;
    }
    return STEP_FAILED;
}

/* By frame pointers, as far as they make sense. A zero one ends the chain (System V ABI, x86-64,
 * 3.4.1). */
static enum step step_frame_pointer(struct unwinder *u, struct registers *next)
{
    uint64_t frame = u->now.value[RBP], pair[2];

    if (frame == 0)
        return STEP_END;
    if (frame % 8 || frame < u->now.value[RSP] || !read_memory(u, frame, pair, sizeof(pair)) ||
        (pair[1] && !follows_call(u, pair[1])))
        return STEP_FAILED;
    if (pair[1] == 0)
        return STEP_END;
    next->value[RBP] = pair[0];
    next->value[RIP] = pair[1];
    next->value[RSP] = frame + sizeof(pair);
    return STEP_DONE;
}

/* The frame pointer, where it leads to a call of the function we are in. */
static enum step step_sure_frame_pointer(struct unwinder *u, struct registers *next)
{
    uint64_t inside = u->now.value[RIP] - u->now.is_return;
    const struct module *m = modules_find(u->modules, inside);

    if (!m || step_frame_pointer(u, next) != STEP_DONE ||
        !returns_from_here(u, next->value[RIP], function_start(m, inside)))
        return STEP_FAILED;
    return STEP_DONE;
}

/* ---- the walk -------------------------------------------------------------------------------- */

static enum step step(struct unwinder *u)
{
    static enum step (*const rules[])(struct unwinder *, struct registers *) = {
        step_signal_frame,       step_wild_call, step_libunwind,    step_libdwfl,
        step_sure_frame_pointer, step_scan,      step_frame_pointer};
    enum step result = STEP_FAILED;

    for (size_t i = 0; i < sizeof(rules) / sizeof(*rules) && result == STEP_FAILED; i++) {
        struct registers next = u->now;

        next.is_return = true;
        result = rules[i](u, &next);
        if (result != STEP_DONE)
            continue;
        /* an outer frame is higher up, unless a signal has changed stacks */
        if (next.is_return && next.value[RSP] <= u->now.value[RSP]) {
            result = STEP_FAILED;
            continue;
        }
        u->now = next;
    }
    return result;
}

static bool same_entries(const struct space *space, const struct map_entry *entry, size_t count)
{
    if (space->count != count)
        return false;
    for (size_t i = 0; i < count; i++) {
        const struct map_entry *a = &space->entry[i], *b = &entry[i];

        if (a->start != b->start || a->offset != b->offset || a->file != b->file ||
            !a->name != !b->name || (a->name && strcmp(a->name, b->name) != 0))
            return false;
    }
    return true;
}

/* Processes of one program mostly have the same files at the same places. */
static struct modules *modules_of(struct unwinder *u)
{
    const struct maps *maps = u->source->maps;
    struct map_entry *entry = calloc(maps->count + 1, sizeof(*entry));
    struct space *space;
    size_t count = 0;

    if (!entry)
        abort();
    for (size_t i = 0; i < maps->count; i++)
        if ((maps->entry[i].prot & PROT_EXEC) && maps->entry[i].file != 0)
            entry[count++] = maps->entry[i];
    for (space = u->spaces; space; space = space->next)
        if (same_entries(space, entry, count))
            break;
    if (space) {
        free(entry);
        return &space->modules;
    }
    space = calloc(1, sizeof(*space));
    if (!space)
        abort();
    space->entry = entry;
    space->count = count;
    space->next = u->spaces;
    u->spaces = space;
    modules_open(&space->modules, u->source);
    if (space->modules.dwfl)
        dwfl_attach_state(space->modules.dwfl, NULL, 1, &thread_callbacks, u);
    return &space->modules;
}

static void append(struct unwinder *u, struct task_stack *task)
{
    uint64_t address = u->now.value[RIP], inside = address - u->now.is_return;
    bool is_signal = is_signal_frame(u);
    const struct module *m = modules_find(u->modules, inside);
    struct names_file file;

    if (m)
        file = module_names(m);
    names_append(task, m ? &file : NULL, address, inside,
                 !is_signal && clock_now() < u->names_until);
    if (is_signal)
        task->frames[task->frame_count - 1].function = text_copy(STACKS_SIGNAL_FRAME);
}

void unwinder_read(struct unwinder *u, const struct unwind_source *source,
                   const struct user_regs_struct *r, struct task_stack *ret)
{
    enum step result = STEP_DONE;

    u->source = source;
    u->modules = modules_of(u);
    u->now = (struct registers){.value = {r->rax, r->rdx, r->rcx, r->rbx, r->rsi, r->rdi, r->rbp,
                                          r->rsp, r->r8, r->r9, r->r10, r->r11, r->r12, r->r13,
                                          r->r14, r->r15, r->rip}};
    for (size_t i = 0; i < CACHED_PAGES; i++)
        u->page[i].address = 1;
    while (result == STEP_DONE && ret->frame_count < STACKS_FRAMES_MAX) {
        append(u, ret);
        result = clock_now() < u->walk_until ? step(u) : STEP_FAILED;
    }
    ret->is_cut = result != STEP_END;
    u->source = NULL;
}

struct unwinder *unwinder_new(uint64_t budget_ns)
{
    struct unwinder *u = calloc(1, sizeof(*u));
    unw_accessors_t own = accessors;

    if (!u)
        abort();
    u->names_until = clock_now() + budget_ns;
    u->walk_until = clock_now() + 2 * budget_ns;
    u->libunwind = unw_create_addr_space(&own, 0);
    if (u->libunwind)
        unw_set_caching_policy(u->libunwind, UNW_CACHE_NONE);
    return u;
}

void unwinder_free(struct unwinder *u)
{
    if (!u)
        return;
    while (u->spaces) {
        struct space *space = u->spaces;

        u->spaces = space->next;
        modules_close(&space->modules);
        free(space->entry);
        free(space);
    }
    if (u->libunwind)
        unw_destroy_addr_space(u->libunwind);
    free(u);
}
