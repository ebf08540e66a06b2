/* Buffered calls that changed the address space: taken over into the model of it. */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "include/rrtest/recorder_page.h"
#include "recorder/base/file.h"
#include "recorder/record/buffered_state.h"
#include "recorder/record/image_store.h"
#include "recorder/record/mm.h"
#include "recorder/record/patches.h"
#include "recorder/record/space.h"

static void add_map(struct buffered *b, struct task *t, const struct map_op *op)
{
    if (b->map_count == b->map_capacity) {
        b->map_capacity = b->map_capacity * 2 + 16;
        b->maps = realloc(b->maps, b->map_capacity * sizeof(*b->maps));
        if (!b->maps)
            abort();
    }
    b->maps[b->map_count++] = *op;
    maps_apply(&t->space->maps, op);
}

/* Something else, or nothing, is there now. */
static void replaced(struct session *s, struct task *t, uint64_t start, uint64_t end)
{
    space_forget(t->space, start, end);
    patches_forget(s, t, start, end);
}

static void absorb_brk(struct session *s, struct task *t, const struct call *c)
{
    struct space *space = t->space;
    uint64_t from = page_up(space->brk), to = page_up((uint64_t)c->result);
    struct map_op op = {.kind = to > from ? MAP_OP_MAP : MAP_OP_UNMAP,
                        .address = to > from ? from : to,
                        .length = to > from ? to - from : from - to,
                        .prot = PROT_READ | PROT_WRITE,
                        .flags = MAP_PRIVATE};
    bool known = space->brk != 0;

    space->brk = (uint64_t)c->result;
    if (!known)
        space->brk_start = space->brk;
    if (!known || op.length == 0)
        return;
    add_map(s->buffered, t, &op);
    if (op.kind == MAP_OP_MAP)
        maps_annotate(&space->maps, from, to, 0, image_store_name(s->images, "[heap]"));
    else
        replaced(s, t, op.address, op.address + op.length);
}

/* What the record says of the mapped file; its descriptor is open if its content is not known. */
static void absorb_file(struct session *s, struct task *t, const struct ring_call *r,
                        const struct call *c, struct map_op *op)
{
    uint64_t which[6] = {0};
    struct ring_segment segment;
    struct stat st = {0};
    uint32_t at = 0;
    const char *name = NULL;

    if (ring_next_segment(r, &at, &segment) && segment.length == sizeof(which))
        memcpy(which, segment.data, sizeof(which));
    op->offset = c->args[5];
    st.st_dev = which[0];
    st.st_ino = which[1];
    st.st_size = (off_t)which[2];
    st.st_mtim = (struct timespec){(time_t)which[3], (long)which[4]};
    op->file = space_known_file(s, &st, &name);
    if (!op->file) {
        cleanup_fd int fd = space_open_fd(t, (int)c->args[4]);

        name = mm_name_of_fd(s, t, (int)c->args[4]);
        op->file = fd < 0 ? 0 : space_trace_file(s, fd, TRACE_FILE_CONTENT, name ? name : "file");
    }
    if (!op->file)
        session_fail(s, RECORD_VERDICT_UNSUPPORTED,
                     "a mapped file (descriptor %d of pid %d) cannot be read back", (int)c->args[4],
                     t->process->pid);
    t->space->zone_next = (uint64_t)*tracee_page_word(&s->area, PAGE_ZONE_NEXT);
    add_map(s->buffered, t, op);
    maps_annotate(&t->space->maps, op->address, op->address + op->length, 0, name);
}

static void absorb_mremap(struct session *s, struct task *t, const struct call *c)
{
    uint64_t old_length = page_up(c->args[1]), new_length = page_up(c->args[2]);
    struct map_op op = {.kind = MAP_OP_REMAP,
                        .address = c->args[0],
                        .length = old_length,
                        .new_address = (uint64_t)c->result,
                        .new_length = new_length};

    if (op.new_address == op.address && new_length < old_length)
        op = (struct map_op){.kind = MAP_OP_UNMAP,
                             .address = c->args[0] + new_length,
                             .length = old_length - new_length};
    add_map(s->buffered, t, &op);
}

void buffered_absorb_maps(struct session *s, struct task *t, const struct ring_call *r,
                          const struct call *c)
{
    struct map_op op = {.address = c->args[0],
                        .length = page_up(c->args[1]),
                        .prot = (uint32_t)c->args[2] & 7,
                        .flags = MAP_PRIVATE};

    if (c->result < 0 && c->result >= -4095)
        return;
    switch (c->nr) {
    case SYS_mmap:
        op.kind = MAP_OP_MAP;
        op.address = (uint64_t)c->result;
        if (!(c->args[3] & MAP_ANONYMOUS)) {
            replaced(s, t, op.address, op.address + op.length);
            absorb_file(s, t, r, c, &op);
            return;
        }
        break;
    case SYS_munmap:
        op.kind = MAP_OP_UNMAP;
        break;
    case SYS_mprotect:
        op.kind = MAP_OP_PROTECT;
        break;
    case SYS_mremap:
        absorb_mremap(s, t, c);
        return;
    default:
        absorb_brk(s, t, c);
        return;
    }
    if (op.length == 0)
        return;
    add_map(s->buffered, t, &op);
    if (op.kind != MAP_OP_PROTECT)
        replaced(s, t, op.address, op.address + op.length);
}
