/* Set-up of a fresh address space at PTRACE_EVENT_EXEC: recorder area in, vDSO out, images over the
 * program and its interpreter, zones reserved; then the EXEC event that rebuilds all of it in
 * replay. */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "include/rrtest/recorder_page.h"
#include "recorder/base/file.h"
#include "recorder/base/log.h"
#include "recorder/record/image_store.h"
#include "recorder/record/instructions.h"
#include "recorder/record/limits.h"
#include "recorder/record/patches.h"
#include "recorder/record/space.h"

/* Images go to [mmap_base - ZONE, mmap_base), their stub areas 0x0bf90000 below (design.md section
 * 2); both are reserved so that the kernel places nothing else there. */
#define ZONE_SIZE 0x08000000ull
#define STUB_SHIFT 0x0bf90000ull

struct vma {
    uint64_t start, end, offset;
    uint32_t prot, flags;
    char path[256];
};

/* A line of /proc/PID/maps (proc_pid_maps(5)); false: it is none. */
static bool parse_vma(char *line, struct vma *ret)
{
    char *at = line, *prot;

    ret->start = strtoull(at, &at, 16);
    if (*at != '-')
        return false;
    ret->end = strtoull(at + 1, &at, 16);
    prot = at + 1;
    if (strlen(at) < 6)
        return false;
    ret->offset = strtoull(at + 6, &at, 16);
    ret->prot = (prot[0] == 'r' ? PROT_READ : 0u) | (prot[1] == 'w' ? PROT_WRITE : 0u) |
                (prot[2] == 'x' ? PROT_EXEC : 0u);
    ret->flags = prot[3] == 's' ? MAP_SHARED : MAP_PRIVATE;
    for (int fields = 0; fields < 2; fields++) { /* device, inode */
        at += strspn(at, " ");
        at += strcspn(at, " ");
    }
    at += strspn(at, " ");
    snprintf(ret->path, sizeof(ret->path), "%s", at);
    return true;
}

#define VMAS_MAX 64

/* A fresh space has a dozen. */
static size_t read_vmas(pid_t tid, struct vma ret[VMAS_MAX])
{
    char path[64], text[16384], *line, *next = text;
    size_t n = 0, length = 0;
    ssize_t got = 1;
    cleanup_fd int fd = -1;

    snprintf(path, sizeof(path), "/proc/%d/maps", tid);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    while (fd >= 0 && got > 0 && length < sizeof(text) - 1) {
        got = read(fd, text + length, sizeof(text) - 1 - length);
        length += got > 0 ? (size_t)got : 0;
    }
    text[length] = '\0';
    while (n < VMAS_MAX && (line = strsep(&next, "\n")))
        n += parse_vma(line, &ret[n]);
    return n;
}

/* The file behind a mapping: by map_files where permitted, else by path in the tracee's root. */
static int open_vma(pid_t tid, const struct vma *v)
{
    char path[400];
    int fd;

    snprintf(path, sizeof(path), "/proc/%d/map_files/%lx-%lx", tid, (unsigned long)v->start,
             (unsigned long)v->end);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        snprintf(path, sizeof(path), "/proc/%d/root%s", tid, v->path);
        fd = open(path, O_RDONLY | O_CLOEXEC);
    }
    return fd;
}

static void reserve(struct session *s, struct task *t, uint64_t start, uint64_t length,
                    struct tracee_batch *batch)
{
    struct map_op op = {.kind = MAP_OP_MAP,
                        .address = start,
                        .length = length,
                        .prot = PROT_NONE,
                        .flags = MAP_PRIVATE};

    tracee_batch_add(
        batch, SYS_mmap,
        (uint64_t[6]){start, length, PROT_NONE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE,
                      (uint64_t)-1, 0});
    emit_map(s, t, &op);
    maps_annotate(&t->space->maps, start, start + length, 0,
                  image_store_name(s->images, SPACE_HIDDEN_NAME));
}

static int set_auxv(struct session *s, struct task *t, uint64_t address, const uint64_t entry[2])
{
    uint64_t ignored = AT_IGNORE;
    uint8_t random[16];

    if (entry[0] == AT_SYSINFO_EHDR && !(s->options->guards_off & RECORD_GUARD_VDSO))
        return tracee_write(t->tid, address, &ignored, 8);
    if (entry[0] != AT_RANDOM || (s->options->guards_off & RECORD_GUARD_AT_RANDOM))
        return 0;
    random_fill(&s->data, random, sizeof(random));
    return tracee_write(t->tid, entry[1], random, sizeof(random));
}

/* Stack at entry: argc, argv, NULL, envp, NULL, auxv (elf(5), SysV ABI 3.4.1). Read in pieces: it
 * may be megabytes of arguments. */
static int fix_auxv(struct session *s, struct task *t)
{
    uint64_t sp = t->regs.rsp + 8, word[512], entry[2];
    int nulls = 0, error;

    while (nulls < 2) {
        size_t count = tracee_read_some(t->tid, sp, word, sizeof(word)) / 8, i = 0;

        if (count == 0)
            return -EFAULT;
        while (i < count && nulls < 2)
            nulls += word[i++] == 0;
        sp += 8 * i;
    }
    for (size_t at = 0, count = 0;; at += 2, sp += 16) {
        if (at + 2 > count) {
            count = tracee_read_some(t->tid, sp, word, sizeof(word)) / 8;
            at = 0;
        }
        if (count < 2)
            return -EFAULT;
        memcpy(entry, &word[at], sizeof(entry));
        if (entry[0] == AT_NULL)
            return 0;
        error = set_auxv(s, t, sp, entry);
        if (error)
            return error;
    }
}

/* The files of a fresh space are two: the program and its interpreter. */
struct exec_files {
    size_t count;
    struct {
        char path[256];
        int fd;
        uint32_t id;
    } file[4];
};

static uint32_t vma_file(struct session *s, struct task *t, const struct vma *v,
                         struct exec_files *files, int *ret_fd)
{
    size_t i = 0;

    while (i < files->count && strcmp(files->file[i].path, v->path) != 0)
        i++;
    if (i == files->count) {
        if (i == 4)
            return 0;
        memcpy(files->file[i].path, v->path, sizeof(v->path));
        files->file[i].fd = open_vma(t->tid, v);
        files->file[i].id = files->file[i].fd < 0 ? 0
                                                  : space_trace_file(s, files->file[i].fd,
                                                                     TRACE_FILE_CONTENT, v->path);
        files->count++;
    }
    *ret_fd = files->file[i].fd;
    return files->file[i].id;
}

/* One mapping of the fresh space, as operations and contents of the event. */
static int describe_vma(struct session *s, struct task *t, const struct vma *v,
                        struct exec_files *files, struct tracee_batch *batch)
{
    struct map_op op = {.kind = MAP_OP_MAP,
                        .address = v->start,
                        .length = v->end - v->start,
                        .prot = v->prot,
                        .flags = v->flags,
                        .offset = v->offset};
    int fd = -1;
    bool stack = strcmp(v->path, "[stack]") == 0;

    if (v->path[0] == '/') {
        op.file = vma_file(s, t, v, files, &fd);
        if (!op.file && !s->ended)
            session_fail(s, RECORD_VERDICT_UNSUPPORTED, "cannot open the mapped file %s", v->path);
    }
    if (stack) {
        struct rlimit limit;

        op.flags |= MAP_GROWSDOWN;
        if (prlimit(t->tid, RLIMIT_STACK, NULL, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY)
            op.new_length = limit.rlim_cur; /* replay keeps that much room */
    }
    if (!(stack || v->path[0] == '/')) {
        op.offset = 0;
        op.file = 0;
    }
    emit_map(s, t, &op);
    maps_annotate(&t->space->maps, v->start, v->end, 0,
                  v->path[0] ? image_store_name(s->images, v->path) : NULL);
    if (stack)
        emit_memory(s, t, page_down(t->regs.rsp - 256), v->end - page_down(t->regs.rsp - 256));
    else if ((v->prot & PROT_WRITE) &&
             op.file) /* the kernel cleared the end of .data's last page */
        emit_memory(s, t, v->end - TRACEE_PAGE_SIZE, TRACEE_PAGE_SIZE);
    if ((v->prot & PROT_EXEC) && fd >= 0)
        return space_overlay(s, t, fd, v->start, v->end - v->start, v->offset, batch);
    return 0;
}

static void set_program_name(struct task *t)
{
    char path[64], target[4096];
    ssize_t n;

    snprintf(path, sizeof(path), "/proc/%d/exe", t->tid);
    n = readlink(path, target, sizeof(target) - 1);
    if (n > 0) {
        char *slash;

        target[n] = '\0';
        free(t->process->exe);
        t->process->exe = strdup(target);
        slash = strrchr(target, '/');
        snprintf(t->name, sizeof(t->name), "%.15s", slash ? slash + 1 : target);
    }
}

static int setup(struct session *s, struct task *t)
{
    struct vma vma[VMAS_MAX];
    size_t count = read_vmas(t->tid, vma);
    uint64_t lowest_top = UINT64_MAX;
    struct exec_files files = {0};
    struct tracee_batch batch = {0};
    int error;

    for (size_t i = 0; i < count; i++) {
        bool kernel_page = strncmp(vma[i].path, "[v", 2) == 0;

        if (strcmp(vma[i].path, "[vsyscall]") == 0)
            continue;
        if (kernel_page) {
            if (!(s->options->guards_off & RECORD_GUARD_VDSO))
                tracee_batch_add(&batch, SYS_munmap,
                                 (uint64_t[6]){vma[i].start, vma[i].end - vma[i].start});
            continue;
        }
        if (vma[i].start > 0x700000000000ull && strcmp(vma[i].path, "[stack]") != 0 &&
            vma[i].start < lowest_top)
            lowest_top = vma[i].start;
    }
    instructions_exec(s, t, &batch);
    error = fix_auxv(s, t);
    if (error)
        return error;
    /* zones below the interpreter (or, for static programs, below the stack gap) */
    if (lowest_top == UINT64_MAX)
        lowest_top = 0x7ffff7ff0000ull;
    t->space->zone_end = page_down(lowest_top) - 0x100000;
    t->space->zone_start = t->space->zone_end - ZONE_SIZE;
    t->space->zone_next = t->space->zone_end;
    t->space->zone_shift = -(int64_t)STUB_SHIFT;
    reserve(s, t, t->space->zone_start - 0x20000 - STUB_SHIFT,
            page_down(lowest_top) + 0x200000 - t->space->zone_start, &batch);
    reserve(s, t, t->space->zone_start, ZONE_SIZE, &batch);
    for (size_t i = 0; i < count && !error; i++) {
        if (strncmp(vma[i].path, "[v", 2) == 0)
            continue;
        error = describe_vma(s, t, &vma[i], &files, &batch);
    }
    if (!error)
        error = space_run_batch(s, t, &batch);
    for (size_t i = 0; i < files.count; i++)
        close_fd(&files.file[i].fd);
    return error;
}

int space_exec(struct session *s, struct task *t)
{
    struct map_op reset = {.kind = MAP_OP_RESET};
    struct space *left = t->space;
    int error;

    t->space = space_new(s);
    patches_task_leaves(s, t, left);
    space_unref(left);
    tracee_get_regs(t->tid, &t->regs);
    t->regs.rax = 0; /* written by the kernel behind this stop: execve's result */
    tracee_reset_xstate(t->tid);
    t->at_seccomp = false;
    t->regs.orig_rax = (unsigned long long)-1;
    set_program_name(t);
    emit_begin(s, t, EVENT_EXEC);
    emit_map(s, t, &reset);
    error = setup(s, t);
    if (error) {
        char limit[96];

        limits_describe(t, limit, sizeof(limit));
        session_fail(s, RECORD_VERDICT_UNSUPPORTED, "%s cannot be set up for recording: %s",
                     t->process->exe ? t->process->exe : "the program",
                     limit[0] ? limit : strerror(-error));
        return error;
    }
    t->regs_dirty = true;
    emit_end(s, t);
    for (size_t i = 0; i < t->space->maps.count; i++)
        log_debug("map %lx-%lx prot %x file %u", (unsigned long)t->space->maps.entry[i].start,
                  (unsigned long)t->space->maps.entry[i].end, t->space->maps.entry[i].prot,
                  t->space->maps.entry[i].file);
    return 0;
}
