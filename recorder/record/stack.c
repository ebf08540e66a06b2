/* Stacks by the unwind tables of the files a task maps (libdwfl). The files are the program's own,
 * not their rewritten images: calls are never relocated, so every return address is an original
 * one, and the innermost address is mapped back from its stub first. */
#include "recorder/record/stack.h"

#include <elf.h>
#include <elfutils/libdwfl.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "recorder/base/file.h"
#include "recorder/record/space.h"
#include "recorder/record/traps.h"

#define FRAMES_MAX 32
#define BUDGET_NS 2000000000ull
#define DEBUG_FILES "/usr/lib/debug/.build-id"

/* The modules of one address space. */
struct modules {
    struct space *space;
    Dwfl *dwfl; /* NULL: none could be made */
    struct modules *next;
};

struct stack_reader {
    struct session *s;
    struct modules *modules;
    uint64_t deadline;
    struct task *task; /* whose stack is being read */
    struct bytes *text;
    unsigned frames;
};

static uint64_t now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

__attribute__((format(printf, 2, 3))) static void append(struct bytes *text, const char *format,
                                                         ...)
{
    char line[512];
    va_list args;
    int n;

    va_start(args, format);
    n = vsnprintf(line, sizeof(line), format, args);
    va_end(args);
    if (n > 0)
        bytes_append(text, line, (size_t)n < sizeof(line) ? (size_t)n : sizeof(line) - 1);
}

static const char *last_part(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash ? slash + 1 : path;
}

/* ---- modules ------------------------------------------------------------------------------- */

static int no_elf(Dwfl_Module *module, void **user, const char *name, Dwarf_Addr base, char **file,
                  Elf **elf)
{
    (void)module;
    (void)user;
    (void)name;
    (void)base;
    (void)file;
    (void)elf;
    return -1;
}

/* Separate debug files only from the local tree: the library's own search may ask the network. */
static int find_debug_file(Dwfl_Module *module, void **user, const char *name, Dwarf_Addr base,
                           const char *file, const char *link, GElf_Word checksum, char **ret_name)
{
    char path[sizeof(DEBUG_FILES) + 160];
    const unsigned char *id;
    GElf_Addr at;
    int length = dwfl_module_build_id(module, &id, &at);
    size_t n;

    (void)user;
    (void)name;
    (void)base;
    (void)file;
    (void)link;
    (void)checksum;
    (void)ret_name;
    if (length < 2 || length > 64)
        return -1;
    n = (size_t)snprintf(path, sizeof(path), DEBUG_FILES "/%02x/", id[0]);
    for (int i = 1; i < length; i++)
        n += (size_t)snprintf(path + n, sizeof(path) - n, "%02x", id[i]);
    snprintf(path + n, sizeof(path) - n, ".debug");
    return open(path, O_RDONLY | O_CLOEXEC);
}

static const Dwfl_Callbacks dwfl_callbacks = {
    .find_elf = no_elf,
    .find_debuginfo = find_debug_file,
};

/* The load bias of the ELF file that is mapped as e says. */
static bool bias_of(int fd, const struct map_entry *e, uint64_t *ret_bias)
{
    Elf64_Ehdr header;
    Elf64_Phdr program[64];

    if (file_pread_all(fd, &header, sizeof(header), 0) < 0 ||
        memcmp(header.e_ident, ELFMAG, SELFMAG) != 0 || header.e_ident[EI_CLASS] != ELFCLASS64 ||
        header.e_phnum > 64 || header.e_phentsize != sizeof(*program) ||
        file_pread_all(fd, program, header.e_phnum * sizeof(*program), header.e_phoff) < 0)
        return false;
    for (int i = 0; i < header.e_phnum; i++) {
        const Elf64_Phdr *p = &program[i];

        if (p->p_type == PT_LOAD && e->offset >= page_down(p->p_offset) &&
            e->offset < p->p_offset + p->p_filesz) {
            *ret_bias = e->start - (p->p_vaddr - p->p_offset + e->offset);
            return true;
        }
    }
    return false;
}

static void report_module(Dwfl *dwfl, struct task *t, const struct map_entry *e)
{
    char path[4096 + 64];
    uint64_t bias;
    int fd;

    snprintf(path, sizeof(path), "/proc/%d/root%s", t->tid, e->name);
    fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return;
    /* on success the descriptor is dwfl's */
    if (!bias_of(fd, e, &bias) || !dwfl_report_elf(dwfl, e->name, path, fd, bias, true))
        close(fd);
}

static bool seen_before(const struct maps *maps, size_t index)
{
    for (size_t i = index; i-- > 0;)
        if (maps->entry[i].name == maps->entry[index].name) /* names are interned */
            return true;
    return false;
}

static void report_modules(Dwfl *dwfl, struct task *t)
{
    const struct maps *maps = &t->space->maps;

    dwfl_report_begin(dwfl);
    for (size_t i = 0; i < maps->count; i++) {
        const struct map_entry *e = &maps->entry[i];

        if (e->name && e->name[0] == '/' && e->file != 0 && !seen_before(maps, i))
            report_module(dwfl, t, e);
    }
    dwfl_report_end(dwfl, NULL, NULL);
}

/* ---- the thread as libdwfl sees it ----------------------------------------------------------- */

static bool read_word(Dwfl *dwfl, Dwarf_Addr address, Dwarf_Word *ret, void *context)
{
    struct stack_reader *r = context;

    (void)dwfl;
    return tracee_read(r->task->tid, address, ret, sizeof(*ret)) == 0;
}

static pid_t next_thread(Dwfl *dwfl, void *context, void **thread_context)
{
    struct stack_reader *r = context;

    (void)dwfl;
    if (*thread_context == r->task)
        return 0;
    *thread_context = r->task;
    return r->task->tid;
}

static bool get_thread(Dwfl *dwfl, pid_t tid, void *context, void **thread_context)
{
    struct stack_reader *r = context;

    (void)dwfl;
    (void)tid;
    *thread_context = r->task;
    return true;
}

/* System V ABI, x86-64, figure 3.36: DWARF register numbers. */
static bool set_registers(Dwfl_Thread *thread, void *context)
{
    struct task *t = context;
    const struct user_regs_struct *r = &t->regs;
    bool exact;
    const Dwarf_Word registers[17] = {
        r->rax,
        r->rdx,
        r->rcx,
        r->rbx,
        r->rsi,
        r->rdi,
        r->rbp,
        r->rsp,
        r->r8,
        r->r9,
        r->r10,
        r->r11,
        r->r12,
        r->r13,
        r->r14,
        r->r15,
        traps_original_ip(t, &exact),
    };

    return dwfl_thread_state_registers(thread, 0, 17, registers);
}

static const Dwfl_Thread_Callbacks thread_callbacks = {
    .next_thread = next_thread,
    .get_thread = get_thread,
    .memory_read = read_word,
    .set_initial_registers = set_registers,
};

static struct modules *modules_of(struct stack_reader *r, struct task *t)
{
    struct modules *m;

    for (m = r->modules; m; m = m->next)
        if (m->space == t->space)
            return m;
    m = calloc(1, sizeof(*m));
    if (!m)
        abort();
    m->space = t->space;
    m->next = r->modules;
    r->modules = m;
    m->dwfl = dwfl_begin(&dwfl_callbacks);
    if (!m->dwfl)
        return m;
    report_modules(m->dwfl, t);
    if (!dwfl_attach_state(m->dwfl, NULL, t->process->tgid, &thread_callbacks, r)) {
        dwfl_end(m->dwfl);
        m->dwfl = NULL;
    }
    return m;
}

/* ---- frames ---------------------------------------------------------------------------------- */

static void append_frame(struct stack_reader *r, Dwfl *dwfl, uint64_t address, bool is_return)
{
    uint64_t inside = address - (is_return ? 1 : 0); /* in the call, not behind it */
    Dwfl_Module *module = dwfl ? dwfl_addrmodule(dwfl, inside) : NULL;
    const char *name, *file;
    GElf_Off offset;
    GElf_Sym symbol;
    Dwfl_Line *line;
    int number = 0;

    append(r->text, "\n    #%u 0x%llx", r->frames++, (unsigned long long)address);
    if (!module)
        return;
    name = dwfl_module_addrinfo(module, inside, &offset, &symbol, NULL, NULL, NULL);
    if (name)
        append(r->text, " %.300s+0x%llx", name, (unsigned long long)(offset + (address - inside)));
    line = dwfl_module_getsrc(module, inside);
    file = line ? dwfl_lineinfo(line, NULL, &number, NULL, NULL, NULL) : NULL;
    if (file)
        append(r->text, " (%s:%d)", last_part(file), number);
    name = dwfl_module_info(module, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
    append(r->text, " [%s]", name ? last_part(name) : "?");
}

static int take_frame(Dwfl_Frame *frame, void *context)
{
    struct stack_reader *r = context;
    Dwarf_Addr address;
    bool activation;

    if (!dwfl_frame_pc(frame, &address, &activation))
        return DWARF_CB_ABORT;
    if (now() > r->deadline) {
        append(r->text, "\n    ... (reading stacks took too long)");
        return DWARF_CB_ABORT;
    }
    if (r->frames == FRAMES_MAX) {
        append(r->text, "\n    ...");
        return DWARF_CB_ABORT;
    }
    if (address == 0)
        return DWARF_CB_ABORT;
    append_frame(r, dwfl_thread_dwfl(dwfl_frame_thread(frame)), address, !activation);
    return DWARF_CB_OK;
}

struct stack_reader *stack_reader_new(struct session *s)
{
    struct stack_reader *r = calloc(1, sizeof(*r));

    if (!r)
        abort();
    r->s = s;
    r->deadline = now() + BUDGET_NS;
    return r;
}

void stack_reader_free(struct stack_reader *r)
{
    while (r->modules) {
        struct modules *m = r->modules;

        r->modules = m->next;
        if (m->dwfl)
            dwfl_end(m->dwfl);
        free(m);
    }
    free(r);
}

void stack_reader_append(struct stack_reader *r, struct task *t, struct bytes *text)
{
    Dwfl *dwfl = now() < r->deadline ? modules_of(r, t)->dwfl : NULL;
    bool exact;

    r->task = t;
    r->text = text;
    r->frames = 0;
    if (dwfl)
        dwfl_getthread_frames(dwfl, t->tid, take_frame, r);
    if (r->frames == 0)
        append_frame(r, dwfl, traps_original_ip(t, &exact), false);
}

/* ---- all tasks ------------------------------------------------------------------------------- */

static const char *doing(const struct task *t)
{
    if (t->process->stopped)
        return "stopped by a signal";
    if (t->vfork_child)
        return "waits for its vfork child";
    if (t->state == TASK_KERNEL)
        return "sleeps in the kernel in";
    return t->call.active ? "waits in" : "runs";
}

static void append_task(struct stack_reader *reader, struct task *t, struct bytes *text)
{
    char call[160] = "";

    if (t->state == TASK_EXITING || t->state == TASK_DEAD)
        return;
    if (t->call.active)
        syscall_format(t->call.nr, t->call.args, NULL, call, sizeof(call));
    append(text, "\n  task %u (pid %d tid %d, %s): %s%s%s", t->id, t->process->pid, t->ns_tid,
           t->name, doing(t), call[0] ? " " : "", call);
    stack_reader_append(reader, t, text);
}

void stack_append_all(struct session *s, struct task *first, struct bytes *text)
{
    struct stack_reader *reader = stack_reader_new(s);

    if (first)
        append_task(reader, first, text);
    for (struct task *t = s->tasks; t; t = t->next)
        if (t != first)
            append_task(reader, t, text);
    stack_reader_free(reader);
}
