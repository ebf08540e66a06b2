/* Address-space calls: executed by the kernel, described to the event as map operations. */
#include "recorder/record/mm.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "include/rrtest/recorder_page.h"
#include "recorder/base/file.h"
#include "recorder/base/log.h"
#include "recorder/record/fds.h"
#include "recorder/record/image_store.h"
#include "recorder/record/notes.h"
#include "recorder/record/patches.h"
#include "recorder/record/shared.h"
#include "recorder/record/space.h"

#define OURS_START RECORDER_PAGE_ADDRESS
#define OURS_END (RECORDER_PAGE_ADDRESS + RECORDER_AREA_SIZE)

static bool touches_ours(uint64_t address, uint64_t length)
{
    return address < OURS_END && address + length > OURS_START;
}

static bool is_elf(int fd)
{
    unsigned char ident[4];

    return pread(fd, ident, 4, 0) == 4 && memcmp(ident, ELFMAG, 4) == 0;
}

/* Id of a shared object for futex keys: one per (device, inode). */
static uint64_t object_of_file(const struct stat *st)
{
    uint64_t key[2] = {st->st_dev, st->st_ino};

    return (bytes_hash(key, sizeof(key), 7) | 1) & ~FUTEX_KEY_SHARED;
}

const char *mm_name_of_fd(struct session *s, struct task *t, int fd)
{
    char path[64], target[4096];
    ssize_t n;

    snprintf(path, sizeof(path), "/proc/%d/fd/%d", t->tid, fd);
    n = readlink(path, target, sizeof(target) - 1);
    if (n < 0)
        return NULL;
    target[n] = '\0';
    return image_store_name(s->images, target);
}

static bool open_for_writing(struct task *t, int number)
{
    cleanup_fd int fd = fds_take(t, number);

    return fd >= 0 && (fcntl(fd, F_GETFL) & O_ACCMODE) != O_RDONLY;
}

static void mapped_file(struct session *s, struct task *t, struct call *c, struct map_op *op,
                        int fd, const struct stat *st)
{
    const char *name = mm_name_of_fd(s, t, (int)c->args[4]);
    /* a file that the program has open for writing may change under a private mapping, too */
    bool shared = op->flags & MAP_SHARED, tracked = shared || open_for_writing(t, (int)c->args[4]);

    op->file = tracked ? shared_file_id(s, fd, st, name ? name : "file") : shared_file_known(s, st);
    if (!op->file)
        op->file = space_trace_file(s, fd, TRACE_FILE_CONTENT, name ? name : "file");
    emit_map(s, t, op);
    maps_annotate(&t->space->maps, op->address, op->address + page_up(op->length),
                  shared ? object_of_file(st) : 0, name);
}

/* Code that no file backs. */
static void runs_made_code(struct session *s, struct task *t)
{
    t->space->rewritten_nothing = true;
    notes_add(s,
              "%s makes code at run time, which has no ticks: it is preempted at system calls only",
              t->name);
}

static void mmap_finished(struct session *s, struct task *t, struct call *c)
{
    struct map_op op = {.kind = MAP_OP_MAP,
                        .address = (uint64_t)c->result,
                        .length = page_up(c->args[1]),
                        .prot = (uint32_t)c->args[2] & 7,
                        .flags = (uint32_t)c->args[3] & (MAP_SHARED | MAP_PRIVATE | MAP_GROWSDOWN)};
    cleanup_fd int fd = -1;
    struct stat st;

    if (c->result < 0)
        return;
    if ((c->args[3] & MAP_TYPE) == MAP_SHARED_VALIDATE)
        op.flags = (op.flags & ~(uint32_t)MAP_TYPE) | MAP_SHARED;
    space_forget(t->space, op.address, op.address + op.length);
    patches_forget(s, t, op.address, op.address + op.length);
    if (c->args[3] & MAP_ANONYMOUS) {
        emit_map(s, t, &op);
        if (op.prot & PROT_EXEC)
            runs_made_code(s, t);
        if (op.flags & MAP_SHARED)
            maps_annotate(&t->space->maps, op.address, op.address + op.length,
                          ++s->next_object << 20, NULL);
        return;
    }
    op.offset = c->args[5];
    fd = space_open_fd(t, (int)c->args[4]);
    if (fd < 0 || fstat(fd, &st) < 0) {
        session_fail(s, RECORD_VERDICT_UNSUPPORTED,
                     "a mapped file (descriptor %d of pid %d) cannot be "
                     "read back",
                     (int)c->args[4], t->process->pid);
        return;
    }
    if (S_ISCHR(st.st_mode)) { /* /dev/zero: anonymous memory */
        op.offset = 0;
        emit_map(s, t, &op);
        return;
    }
    mapped_file(s, t, c, &op, fd, &st);
    if ((op.prot & PROT_EXEC) && !(op.flags & MAP_PRIVATE))
        runs_made_code(s, t);
    if ((op.prot & PROT_EXEC) && (op.flags & MAP_PRIVATE)) {
        struct tracee_batch batch = {0};

        space_overlay(s, t, fd, op.address, op.length, op.offset, &batch);
        space_run_batch(s, t, &batch);
    }
}

/* A first mapping of an ELF file without a wish for an address goes to the image zone. */
static void place_image(struct task *t, struct call *c)
{
    cleanup_fd int fd = -1;
    struct space *space = t->space;
    uint64_t length = page_up(c->args[1]);

    if (c->args[0] || (c->args[3] & (MAP_FIXED | MAP_ANONYMOUS | MAP_SHARED)) || c->args[5] != 0)
        return;
    fd = space_open_fd(t, (int)c->args[4]);
    if (fd < 0 || !is_elf(fd) || space->zone_next - space->zone_start < length + 0x40000)
        return;
    space->zone_next -= length + 0x10000;
    c->run_args[0] = space->zone_next & ~0xffffull;
    space->zone_next = c->run_args[0];
    c->run_args[3] |= MAP_FIXED;
}

enum call_action model_mmap(struct session *s, struct task *t, struct call *c)
{
    (void)s;
    if ((c->args[3] & (MAP_FIXED | MAP_FIXED_NOREPLACE)) && touches_ours(c->args[0], c->args[1]))
        return call_answer(c, c->args[3] & MAP_FIXED_NOREPLACE ? -EEXIST : -ENOMEM);
    place_image(t, c);
    c->finish = mmap_finished;
    return CALL_RUN;
}

static void munmap_finished(struct session *s, struct task *t, struct call *c)
{
    struct map_op op = {.kind = MAP_OP_UNMAP, .address = c->args[0], .length = page_up(c->args[1])};

    if (c->result < 0)
        return;
    emit_map(s, t, &op);
    space_forget(t->space, op.address, op.address + op.length);
    patches_forget(s, t, op.address, op.address + op.length);
}

enum call_action model_munmap(struct session *s, struct task *t, struct call *c)
{
    (void)s;
    (void)t;
    if (touches_ours(c->args[0], c->args[1]))
        return call_answer(c, -EINVAL);
    c->finish = munmap_finished;
    return CALL_RUN;
}

/* Jumps that an image has from the start stay. */
static void changes_text(struct session *s, struct task *t, const struct map_op *op)
{
    for (size_t i = 0; i < t->space->image_count; i++) {
        const struct loaded_image *l = &t->space->images[i];

        if (l->start < op->address + op->length && op->address < l->end)
            notes_add(s,
                      "%s may change the code of %s, which was rewritten: what it reads there "
                      "is not what the file holds, and what it writes may be lost",
                      t->name, l->name ? l->name : "a program");
    }
}

static void mprotect_finished(struct session *s, struct task *t, struct call *c)
{
    struct map_op op = {.kind = MAP_OP_PROTECT,
                        .address = c->args[0],
                        .length = page_up(c->args[1]),
                        .prot = (uint32_t)c->args[2] & 7};

    if (c->result < 0)
        return;
    emit_map(s, t, &op);
    if (op.prot & PROT_WRITE) { /* it may be written, with a jump in its middle */
        patches_restore(s, t, op.address, op.address + op.length, op.address);
        changes_text(s, t, &op);
    }
    if ((op.prot & PROT_EXEC) && !space_image_at(t->space, op.address, NULL))
        runs_made_code(s, t);
}

enum call_action model_mprotect(struct session *s, struct task *t, struct call *c)
{
    (void)s;
    (void)t;
    if (touches_ours(c->args[0], c->args[1]))
        return call_answer(c, -ENOMEM);
    c->finish = mprotect_finished;
    return CALL_RUN;
}

static void mremap_finished(struct session *s, struct task *t, struct call *c)
{
    uint64_t old = c->args[0], old_length = page_up(c->args[1]), new_length = page_up(c->args[2]);
    struct map_op op = {.kind = MAP_OP_REMAP,
                        .address = old,
                        .length = old_length,
                        .new_address = (uint64_t)c->result,
                        .new_length = new_length};

    if (c->result < 0)
        return;
    if (op.new_address == old && new_length < old_length) {
        op = (struct map_op){
            .kind = MAP_OP_UNMAP, .address = old + new_length, .length = old_length - new_length};
    }
    emit_map(s, t, &op);
    if (op.new_address && op.new_address != old)
        patches_forget(s, t, op.new_address, op.new_address + new_length);
    if (op.kind == MAP_OP_REMAP)
        patches_restore(s, t, old, old + (old_length < new_length ? old_length : new_length),
                        op.new_address);
    else
        patches_forget(s, t, op.address, op.address + op.length);
    if (c->args[3] & MREMAP_DONTUNMAP) { /* the old place stays mapped, empty */
        const struct map_entry *e = maps_find(&t->space->maps, op.new_address);
        struct map_op empty = {.kind = MAP_OP_MAP,
                               .address = old,
                               .length = old_length,
                               .prot = e ? e->prot : 3u,
                               .flags = MAP_PRIVATE};

        emit_map(s, t, &empty);
    }
}

enum call_action model_mremap(struct session *s, struct task *t, struct call *c)
{
    (void)s;
    (void)t;
    if (touches_ours(c->args[0], c->args[1]) ||
        ((c->args[3] & MREMAP_FIXED) && touches_ours(c->args[4], c->args[2])))
        return call_answer(c, -EFAULT);
    c->finish = mremap_finished;
    return CALL_RUN;
}

static void brk_finished(struct session *s, struct task *t, struct call *c)
{
    struct space *space = t->space;
    uint64_t from = page_up(space->brk), to = page_up((uint64_t)c->result);

    if (!space->brk) {
        space->brk_start = space->brk = (uint64_t)c->result;
        return;
    }
    if (to > from) {
        struct map_op op = {.kind = MAP_OP_MAP,
                            .address = from,
                            .length = to - from,
                            .prot = PROT_READ | PROT_WRITE,
                            .flags = MAP_PRIVATE};

        emit_map(s, t, &op);
        maps_annotate(&space->maps, from, to, 0, image_store_name(s->images, "[heap]"));
    } else if (to < from) {
        struct map_op op = {.kind = MAP_OP_UNMAP, .address = to, .length = from - to};

        emit_map(s, t, &op);
        patches_forget(s, t, to, from);
    }
    space->brk = (uint64_t)c->result;
}

enum call_action model_brk(struct session *s, struct task *t, struct call *c)
{
    (void)s;
    if (!t->space->brk && c->args[0]) { /* learn where it is before it moves */
        int64_t now;

        c->stop_lost = true;
        if (task_call(s, t, SYS_brk, (uint64_t[6]){0}, &now))
            return CALL_GONE;
        t->regs = c->before;
        t->space->brk_start = t->space->brk = (uint64_t)now;
    }
    c->finish = brk_finished;
    return CALL_RUN;
}

/* MADV_DONTNEED and its kin empty private memory: replay maps it anew, file mappings from the file.
 */
static void madvise_finished(struct session *s, struct task *t, struct call *c)
{
    uint64_t end = c->args[0] + page_up(c->args[1]), at = c->args[0];

    if (c->result < 0)
        return;
    while (at < end) {
        const struct map_entry *found = maps_above(&t->space->maps, at);
        struct map_entry e;
        struct map_op op = {.kind = MAP_OP_MAP};

        if (!found || found->start >= end)
            break;
        e = *found;
        if (e.start < at) {
            e.offset += at - e.start;
            e.start = at;
        }
        if (e.end > end)
            e.end = end;
        at = e.end;
        if (e.flags & MAP_SHARED)
            continue;
        op.address = e.start;
        op.length = e.end - e.start;
        op.prot = e.prot;
        op.flags = e.flags;
        op.file = e.file;
        op.offset = e.offset;
        emit_map(s, t, &op);
        maps_annotate(&t->space->maps, e.start, e.end, e.object, e.name);
        patches_forget(s, t, e.start, e.end);
    }
}

/* Advice that changes contents, now or at fork: replay gives it too. */
static void advice_finished(struct session *s, struct task *t, struct call *c)
{
    struct map_op op = {.kind = MAP_OP_ADVISE,
                        .address = c->args[0],
                        .length = page_up(c->args[1]),
                        .prot = (uint32_t)c->args[2]};

    if (c->result == 0)
        emit_map(s, t, &op);
}

enum call_action model_madvise(struct session *s, struct task *t, struct call *c)
{
    (void)s;
    (void)t;
    switch ((int)c->args[2]) {
    case MADV_DONTNEED:
    case 24: /* MADV_DONTNEED_LOCKED */
        c->finish = madvise_finished;
        return CALL_RUN;
    case MADV_DONTFORK:
    case MADV_DOFORK:
    case MADV_WIPEONFORK:
    case MADV_KEEPONFORK:
    case MADV_REMOVE: /* a hole in a shared object */
        c->finish = advice_finished;
        return CALL_RUN;
    case MADV_FREE: /* the kernel may drop the pages at any time: do it now, as it is allowed to */
        c->run_args[2] = MADV_DONTNEED;
        c->finish = madvise_finished;
        return CALL_RUN;
    default:
        return CALL_RUN;
    }
}

static void shmat_finished(struct session *s, struct task *t, struct call *c)
{
    struct map_op op = {.kind = MAP_OP_MAP,
                        .address = (uint64_t)c->result,
                        .flags = MAP_SHARED,
                        .prot = PROT_READ | (c->args[2] & 010000 ? 0 : PROT_WRITE)};
    char path[64], line[512];
    FILE *file;
    cleanup_fd int fd = -1;

    if (c->result < 0)
        return;
    snprintf(path, sizeof(path), "/proc/%d/maps", t->tid);
    file = fopen(path, "re");
    while (file && fgets(line, sizeof(line), file)) {
        unsigned long start, end;

        if (sscanf(line, "%lx-%lx", &start, &end) == 2 && start == op.address)
            op.length = end - start;
    }
    if (file)
        fclose(file);
    snprintf(path, sizeof(path), "/proc/%d/map_files/%lx-%lx", t->tid, (unsigned long)op.address,
             (unsigned long)(op.address + op.length));
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        session_fail(s, RECORD_VERDICT_UNSUPPORTED,
                     "a SysV shared memory segment cannot be read back");
        return;
    }
    op.file = space_trace_file(s, fd, TRACE_FILE_SHARED, "SysV shared memory");
    emit_map(s, t, &op);
    patches_forget(s, t, op.address, op.address + op.length); /* SHM_REMAP */
    maps_annotate(&t->space->maps, op.address, op.address + op.length,
                  ((c->args[0] << 4) | 2) & ~FUTEX_KEY_SHARED, NULL);
}

enum call_action model_shmat(struct session *s, struct task *t, struct call *c)
{
    (void)s;
    (void)t;
    c->finish = shmat_finished;
    return CALL_RUN;
}

static void shmdt_finished(struct session *s, struct task *t, struct call *c)
{
    const struct map_entry *e = maps_find(&t->space->maps, c->args[0]);
    struct map_op op = {.kind = MAP_OP_UNMAP, .address = c->args[0]};

    if (c->result < 0 || !e)
        return;
    op.length = e->end - e->start;
    emit_map(s, t, &op);
}

enum call_action model_shmdt(struct session *s, struct task *t, struct call *c)
{
    (void)s;
    (void)t;
    c->finish = shmdt_finished;
    return CALL_RUN;
}
