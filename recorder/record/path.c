/* The way of a task read from its code: instruction by instruction, through direct jumps and calls,
 * pointers at fixed places and known returns. */
#include "recorder/record/path.h"

#include <string.h>

#include "include/rrtest/recorder_page.h"
#include "recorder/images/decode.h"
#include "recorder/images/image.h"
#include "recorder/record/space.h"
#include "recorder/record/traps.h"

bool path_is_own(const struct task *t, uint64_t address)
{
    struct loaded_image *l = space_image_at(t->space, address, NULL);

    return l && l->own;
}

/* Up to 15 bytes of code at p->at. */
static const uint8_t *code_at(struct path *p, size_t *ret_length)
{
    if (p->at < p->code_start || p->at + 15 > p->code_start + p->code_length) {
        p->code_start = p->at;
        p->code_length = tracee_read_some(p->t->tid, p->at, p->code, sizeof(p->code));
    }
    *ret_length = (size_t)(p->code_start + p->code_length - p->at);
    return p->code + (p->at - p->code_start);
}

/* At the start of an instruction that the blob answers? It keeps its state in the page, where
 * another task would destroy it, so nobody may be stopped on the way. */
static bool enters_blob(const struct image_where *where)
{
    if (where->place == IMAGE_STUB_HEAD)
        return where->point == IMAGE_POINT_CALL;
    return where->place == IMAGE_START && where->point != IMAGE_POINT_TICK &&
           where->point != IMAGE_POINT_ATOMIC;
}

/* Fills p->spot. */
static void look(struct path *p)
{
    struct image_where where;

    if (p->spot.address == p->at)
        return;
    where = space_locate(p->t->space, p->at);
    p->spot.address = p->at;
    p->spot.exact = traps_is_exact(p->at, &where);
    p->spot.own = path_is_own(p->t, p->at);
    p->spot.enters_blob = enters_blob(&where);
}

/* What a walk does not go over: what enters the kernel, what traps (its SIGTRAP would look like
 * the walk's), and pushf, which would store the trap flag that steps it. Runs of prefixes are not
 * looked through: nobody writes them before these. */
static bool at_barrier(struct path *p)
{
    size_t length;
    const uint8_t *code = code_at(p, &length);

    if (length < 2 || p->spot.enters_blob ||
        (p->at >= RECORDER_BLOB_ADDRESS && p->at < RECORDER_BLOB_ADDRESS + RECORDER_BLOB_SIZE))
        return true;
    switch (code[0]) {
    case 0x0f: /* syscall, sysenter */
        return code[1] == 0x05 || code[1] == 0x34;
    case 0x66:
        return code[1] == 0x9c;
    case 0x9c:
    case 0xcc:
    case 0xcd:
    case 0xf1:
        return true;
    default:
        return false;
    }
}

/* Is this the place that the slice asks for? Counts down what it passes. */
static bool arrived(struct path *p)
{
    struct sched_slice *place = &p->place;
    const uint8_t *code;
    size_t length;

    /* never inside a stub's own instructions: its registers hold counters there */
    if (p->left == 0)
        return p->spot.exact;
    p->left--;
    if (place->own && !p->spot.own)
        return false;
    if (place->steps == 0)
        return p->spot.exact;
    place->steps--;
    if (!p->spot.exact || !place->accesses)
        return false;
    code = code_at(p, &length);
    return image_accesses_memory(code, length) && --place->accesses == 0;
}

static void push_return(struct path *p, uint64_t address)
{
    if (p->depth == PATH_RETURNS_MAX) {
        memmove(p->returns, p->returns + 1, sizeof(p->returns) - sizeof(p->returns[0]));
        p->depth--;
    }
    p->returns[p->depth++] = address;
}

/* Conditions of jcc by the low bits of the opcode (Intel SDM volume 1, appendix B). */
static bool holds(unsigned condition, uint64_t flags)
{
    bool cf = flags & 1, pf = flags & 4, zf = flags & 0x40, sf = flags & 0x80, of = flags & 0x800;
    const bool values[8] = {of, cf, zf, cf || zf, sf, pf, sf != of, zf || sf != of};

    return values[condition >> 1 & 7] != (condition & 1);
}

/* The target of a jump or call through a pointer at a fixed place, as of a PLT. */
static enum path_way through_pointer(struct path *p, const uint8_t *code, const struct decoded *d,
                                     uint64_t *ret)
{
    uint64_t end = p->at + d->length;
    int32_t displacement;

    if (d->memory_operand && d->rip_offset) {
        memcpy(&displacement, code + d->rip_offset, sizeof(displacement));
        if (tracee_read(p->t->tid, end + (uint64_t)(int64_t)displacement, ret, 8) == 0)
            return PATH_KNOWN;
    }
    return p->here ? PATH_STEP : PATH_REGISTERS;
}

static enum path_way returned(struct path *p, uint64_t *ret)
{
    if (p->depth > 0) {
        *ret = p->returns[--p->depth];
        return PATH_KNOWN;
    }
    if (!p->here)
        return PATH_REGISTERS;
    return tracee_read(p->t->tid, p->t->regs.rsp, ret, 8) == 0 ? PATH_KNOWN : PATH_STEP;
}

/* Where control goes from p->at. A stub's own branches lead to where its counter traps, which it
 * does not now. */
static enum path_way next_of(struct path *p, uint64_t *ret)
{
    size_t length;
    const uint8_t *code = code_at(p, &length);
    enum path_way way = PATH_KNOWN;
    struct decoded d;
    uint64_t end;

    if (!decode(code, length, &d))
        return p->here ? PATH_STEP : PATH_REGISTERS;
    *ret = end = p->at + d.length;
    switch (d.flow) {
    case FLOW_NEXT:
        return PATH_KNOWN;
    case FLOW_BRANCH:
        if (!p->spot.exact)
            return PATH_KNOWN;
        if (!p->here)
            return PATH_BRANCH;
        if (holds(d.condition, p->t->regs.eflags))
            *ret += (uint64_t)d.relative;
        return PATH_KNOWN;
    case FLOW_BRANCH_SHORT:
        return !p->spot.exact ? PATH_KNOWN : p->here ? PATH_STEP : PATH_REGISTERS;
    case FLOW_CALL:
        push_return(p, end);
        *ret += (uint64_t)d.relative;
        return PATH_KNOWN;
    case FLOW_JUMP:
        *ret += (uint64_t)d.relative;
        return PATH_KNOWN;
    case FLOW_CALL_INDIRECT:
        way = through_pointer(p, code, &d, ret);
        if (way != PATH_REGISTERS)
            push_return(p, end);
        return way;
    case FLOW_JUMP_INDIRECT:
        return through_pointer(p, code, &d, ret);
    case FLOW_RETURN:
        return returned(p, ret);
    default:
        return p->here ? PATH_STEP : PATH_REGISTERS;
    }
}

enum path_way path_follow(struct path *p)
{
    for (;;) {
        uint64_t next = 0;
        enum path_way way;

        look(p);
        if (!p->counted && arrived(p))
            return PATH_END;
        p->counted = true;
        if (at_barrier(p))
            return PATH_END;
        if (p->place.own && !p->spot.own) {
            if (p->depth == 0)
                return p->here ? PATH_SEEK : PATH_REGISTERS;
            p->at = p->returns[--p->depth];
            p->counted = p->here = false;
            continue; /* whatever happens there meanwhile */
        }
        way = next_of(p, &next);
        if (way != PATH_KNOWN)
            return way;
        p->at = next;
        p->here = p->counted = false;
    }
}

/* The i-th of them goes on behind its branch, both ways. */
static void split(struct path_fan *f, size_t i)
{
    struct path *taken = &f->path[i], *other = &f->path[f->count];
    struct decoded d;
    size_t length;
    const uint8_t *code = code_at(taken, &length);

    if (!decode(code, length, &d)) {
        f->way[i] = PATH_REGISTERS;
        return;
    }
    taken->counted = false;
    *other = *taken;
    other->at += d.length;
    taken->at += d.length + (uint64_t)d.relative;
    f->way[i] = path_follow(taken);
    f->way[f->count++] = path_follow(other);
}

void path_spread(struct path_fan *f)
{
    bool found = true;

    while (found) {
        found = false;
        for (size_t i = 0, n = f->count; i < n && f->count < PATH_FAN_MAX; i++) {
            if (f->way[i] != PATH_BRANCH)
                continue;
            split(f, i);
            found = true;
        }
    }
}
