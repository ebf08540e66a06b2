/* Emitting stubs: counters in both forms, emulated instructions, relocated copies. */
#include "recorder/images/stub.h"

#include <rrtest/recorder_page.h>
#include <string.h>

/* A displacement to be filled in when its destination is known. */
struct fixup {
    size_t at; /* in hot_code, of a 32-bit displacement; 8-bit if `byte` */
    bool byte;
    bool to_cold;
    size_t target; /* offset in the part it leads to */
    uint32_t insn; /* or, if not NO_INSN, the copy of this instruction */
};

#define FIXUPS_MAX 128

struct emitter {
    const struct plan *plan;
    const struct window *window;
    struct stub *stub;
    uint64_t hot;
    uint64_t cold;
    uint64_t start; /* of the window */
    struct fixup fixups[FIXUPS_MAX];
    size_t fixup_count;
    uint16_t copies[STUB_MAP_MAX]; /* per instruction of the body: where its copy starts */
    bool failed;
};

static void put(struct emitter *e, const uint8_t *bytes, size_t count)
{
    if (e->stub->hot.size + count > STUB_HOT_MAX) {
        e->failed = true;
        return;
    }
    memcpy(e->stub->hot_code + e->stub->hot.size, bytes, count);
    e->stub->hot.size += count;
}

static void put32(struct emitter *e, uint64_t value)
{
    uint8_t bytes[4];

    if (value > UINT32_MAX && (int64_t)value != (int32_t)value)
        e->failed = true;
    for (int i = 0; i < 4; i++)
        bytes[i] = (uint8_t)(value >> 8 * i);
    put(e, bytes, 4);
}

/* The displacement of a rel32 field that ends an instruction. */
static void put_relative(struct emitter *e, uint64_t target)
{
    int64_t distance = (int64_t)(target - (e->hot + e->stub->hot.size + 4));

    if (distance != (int32_t)distance)
        e->failed = true;
    put32(e, (uint64_t)distance & UINT32_MAX);
}

#define PUT(e, ...) put(e, (const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}))

static void put_cold(struct emitter *e, const uint8_t *bytes, size_t count)
{
    if (e->stub->cold.size + count > STUB_COLD_MAX) {
        e->failed = true;
        return;
    }
    memcpy(e->stub->cold_code + e->stub->cold.size, bytes, count);
    e->stub->cold.size += count;
}

static void put_cold32(struct emitter *e, uint64_t value)
{
    uint8_t bytes[4];

    for (int i = 0; i < 4; i++)
        bytes[i] = (uint8_t)(value >> 8 * i);
    put_cold(e, bytes, 4);
}

static void map_part(struct emitter *e, struct stub_part *part, uint64_t original,
                     enum stub_state state, enum image_point point)
{
    struct stub_map entry = {.at = (uint16_t)part->size,
                             .original = (uint16_t)(original - e->start),
                             .state = (uint8_t)state,
                             .point = (uint8_t)point};

    if (part->map_count > 0 && part->map[part->map_count - 1].at == entry.at)
        part->map_count--;
    if (part->map_count == STUB_MAP_MAX) {
        e->failed = true;
        return;
    }
    part->map[part->map_count++] = entry;
}

static void add_fixup(struct emitter *e, struct fixup fixup)
{
    if (e->fixup_count == FIXUPS_MAX) {
        e->failed = true;
        return;
    }
    e->fixups[e->fixup_count++] = fixup;
}

/* What sets one kind of counter apart. */
struct counter {
    enum image_point point;
    uint32_t value; /* absolute addresses in the page */
    uint32_t entry;
};

static const struct counter tick_counter = {IMAGE_POINT_TICK, RECORDER_PAGE_ADDRESS + PAGE_TICKS,
                                            RECORDER_PAGE_ADDRESS + PAGE_ENTRY_TICK};
static const struct counter atomic_counter = {IMAGE_POINT_ATOMIC,
                                              RECORDER_PAGE_ADDRESS + PAGE_ATOMICS,
                                              RECORDER_PAGE_ADDRESS + PAGE_ENTRY_ATOMIC};

/*      sub  qword [counter], 1
 *      js   cold                    (not taken; out of line)
 * Absolute addressing lets the processor forward the store by renaming; RIP-relative does not. */
static void count_dead(struct emitter *e, uint64_t original, const struct counter *c,
                       enum stub_state before)
{
    struct stub_part *cold = &e->stub->cold;
    int64_t back;

    map_part(e, &e->stub->hot, original, before, c->point);
    PUT(e, 0x48, 0x83, 0x2c, 0x25);
    put32(e, c->value);
    PUT(e, 0x01);
    map_part(e, &e->stub->hot, original, STATE_COUNTED, c->point);
    PUT(e, 0x0f, 0x88);
    add_fixup(e,
              (struct fixup){
                  .at = e->stub->hot.size, .to_cold = true, .target = cold->size, .insn = NO_INSN});
    put32(e, 0);

    map_part(e, cold, original, STATE_COUNTED, c->point);
    put_cold(e, (const uint8_t[]){0x48, 0x89, 0x0c, 0x25}, 4); /* mov [spill], rcx */
    put_cold32(e, RECORDER_PAGE_ADDRESS + PAGE_SPILL_RCX);
    map_part(e, cold, original, STATE_COUNTED_SPILLED, c->point);
    put_cold(e, (const uint8_t[]){0x48, 0x8d, 0x0d}, 3); /* lea rcx, [rip + back] */
    back = (int64_t)(e->hot + e->stub->hot.size) - (int64_t)(e->cold + cold->size + 4);
    put_cold32(e, (uint64_t)back);
    put_cold(e, (const uint8_t[]){0xff, 0x24, 0x25}, 3); /* jmp *[entry] */
    put_cold32(e, c->entry);
}

/*      mov   [spill], rcx
 *      mov   rcx, [counter]
 *      lea   rcx, [rcx - 1]
 *      mov   [counter], rcx
 *      movsx rcx, byte [counter + 7]    -1 iff the counter is negative
 *      lea   rcx, [rcx + 1]
 *      jrcxz slow                       (behind the stub's last jump)
 *      mov   rcx, [spill]
 * Changes no flags. Exact while the counter stays above -2^56. Returns the index of the fixup that
 * leads to the slow path. */
static size_t count_live(struct emitter *e, uint64_t original, const struct counter *c)
{
    struct stub_part *hot = &e->stub->hot;
    size_t fixup;

    map_part(e, hot, original, STATE_HEAD, c->point);
    PUT(e, 0x48, 0x89, 0x0c, 0x25);
    put32(e, RECORDER_PAGE_ADDRESS + PAGE_SPILL_RCX);
    map_part(e, hot, original, STATE_HEAD_SPILLED, c->point);
    PUT(e, 0x48, 0x8b, 0x0c, 0x25);
    put32(e, c->value);
    PUT(e, 0x48, 0x8d, 0x49, 0xff);
    PUT(e, 0x48, 0x89, 0x0c, 0x25);
    put32(e, c->value);
    map_part(e, hot, original, STATE_COUNTED_SPILLED, c->point);
    PUT(e, 0x48, 0x0f, 0xbe, 0x0c, 0x25);
    put32(e, c->value + 7);
    PUT(e, 0x48, 0x8d, 0x49, 0x01);
    PUT(e, 0xe3);
    fixup = e->fixup_count;
    add_fixup(e, (struct fixup){.at = hot->size, .byte = true, .insn = NO_INSN});
    PUT(e, 0);
    PUT(e, 0x48, 0x8b, 0x0c, 0x25);
    put32(e, RECORDER_PAGE_ADDRESS + PAGE_SPILL_RCX);
    return fixup;
}

/*      mov  [spill], rcx
 *      lea  rcx, [X]
 *      jmp  *[entry]
 *   X: <the instruction, never executed> */
static void emulate(struct emitter *e, uint32_t k)
{
    const struct insn *i = &e->plan->code->insns[k];
    uint64_t original = code_address(e->plan->code, k);
    enum image_point point = IMAGE_POINT_RANDOM;
    uint32_t entry = PAGE_ENTRY_RANDOM;

    if (i->special == DECODE_CPUID) {
        point = IMAGE_POINT_CPUID;
        entry = PAGE_ENTRY_CPUID;
    } else if (i->special == DECODE_RDTSC || i->special == DECODE_RDTSCP) {
        point = IMAGE_POINT_RDTSC;
        entry = PAGE_ENTRY_RDTSC;
    }
    map_part(e, &e->stub->hot, original, STATE_HEAD, point);
    PUT(e, 0x48, 0x89, 0x0c, 0x25);
    put32(e, RECORDER_PAGE_ADDRESS + PAGE_SPILL_RCX);
    map_part(e, &e->stub->hot, original, STATE_HEAD_SPILLED, point);
    PUT(e, 0x48, 0x8d, 0x0d);
    put32(e, 7);
    PUT(e, 0xff, 0x24, 0x25);
    put32(e, RECORDER_PAGE_ADDRESS + entry);
    put(e, code_bytes(e->plan->code, k), i->length);
}

/*      lea  rcx, [X]
 *      jmp  *[entry]
 *   X: syscall                     traced: where the blob goes on with what it does not answer
 * `syscall` destroys rcx itself, so nothing is spilled. */
static void call(struct emitter *e, uint32_t k)
{
    const struct insn *i = &e->plan->code->insns[k];
    uint64_t original = code_address(e->plan->code, k);

    map_part(e, &e->stub->hot, original, STATE_HEAD, IMAGE_POINT_CALL);
    PUT(e, 0x48, 0x8d, 0x0d);
    put32(e, 7);
    PUT(e, 0xff, 0x24, 0x25);
    put32(e, RECORDER_PAGE_ADDRESS + PAGE_ENTRY_CALL);
    map_part(e, &e->stub->hot, original, STATE_BODY, IMAGE_POINT_CALL);
    put(e, code_bytes(e->plan->code, k), i->length);
}

/* A branch or jump with a 32-bit displacement, to its target's copy if the stub has it. */
static void copy_branch(struct emitter *e, uint32_t k, const struct decoded *d)
{
    const struct code *code = e->plan->code;
    uint64_t target = code_end(code, k) + (uint64_t)d->relative;
    uint32_t index = code_index(code, target);
    uint32_t inside = e->window->loop ? e->window->body_last : e->window->first;

    if (d->flow == FLOW_BRANCH)
        PUT(e, 0x0f, (uint8_t)(0x80 | d->condition));
    else
        PUT(e, 0xe9);
    if (index == e->window->first && e->window->back_tick) {
        put_relative(e, e->hot);
    } else if (index != NO_INSN && index >= e->window->first && index <= inside) {
        add_fixup(e, (struct fixup){.at = e->stub->hot.size, .insn = index});
        put32(e, 0);
    } else {
        put_relative(e, target);
    }
}

static void copy_insn(struct emitter *e, uint32_t k)
{
    const struct code *code = e->plan->code;
    const struct insn *i = &code->insns[k];
    uint8_t bytes[16];
    struct decoded d;

    map_part(e, &e->stub->hot, code_address(code, k), STATE_BODY, IMAGE_POINT_TICK);
    memcpy(bytes, code_bytes(code, k), i->length);
    if (i->flow == FLOW_BRANCH || i->flow == FLOW_JUMP) {
        if (!decode(bytes, i->length, &d))
            e->failed = true;
        else
            copy_branch(e, k, &d);
        return;
    }
    if (i->rip_offset) {
        int32_t old;
        int64_t moved;

        memcpy(&old, bytes + i->rip_offset, 4);
        moved = (int64_t)(code_address(code, k) - (e->hot + e->stub->hot.size)) + old;
        if (moved != (int32_t)moved)
            e->failed = true;
        old = (int32_t)moved;
        memcpy(bytes + i->rip_offset, &old, 4);
    }
    put(e, bytes, i->length);
}

/* The slow path of a live counter: rcx is in the page already. */
static void slow_live(struct emitter *e, uint64_t original, const struct counter *c, size_t fixup)
{
    if (e->failed)
        return;
    e->fixups[fixup].target = e->stub->hot.size;
    map_part(e, &e->stub->hot, original, STATE_COUNTED_SPILLED, c->point);
    PUT(e, 0x48, 0x8d, 0x0d);
    /* Behind the jrcxz and the reload of rcx. */
    put_relative(e, e->hot + e->fixups[fixup].at + 1 + 8);
    PUT(e, 0xff, 0x24, 0x25);
    put32(e, c->entry);
}

static void apply_fixups(struct emitter *e)
{
    for (size_t i = 0; i < e->fixup_count; i++) {
        const struct fixup *f = &e->fixups[i];
        uint64_t target = e->hot + f->target;
        int64_t distance;
        int32_t value;

        if (f->insn != NO_INSN)
            target = e->hot + e->copies[f->insn - e->window->first];
        else if (f->to_cold)
            target = e->cold + f->target;
        if (f->byte) {
            distance = (int64_t)(f->target - (f->at + 1));
            e->failed = e->failed || distance < 0 || distance > 127;
            e->stub->hot_code[f->at] = (uint8_t)distance;
            continue;
        }
        distance = (int64_t)(target - (e->hot + f->at + 4));
        e->failed = e->failed || distance != (int32_t)distance;
        value = (int32_t)distance;
        memcpy(e->stub->hot_code + f->at, &value, 4);
    }
}

/* Live counters wait for the end of the stub with their slow paths. */
struct pending {
    uint64_t original;
    const struct counter *counter;
    size_t fixup;
};

static void emit_points(struct emitter *e, uint32_t k, struct pending *pending, size_t *count)
{
    const struct counter *const counters[] = {&tick_counter, &atomic_counter};
    const uint8_t bits[] = {POINT_TICK, POINT_ATOMIC};
    uint64_t original = code_address(e->plan->code, k);

    for (int i = 0; i < 2; i++) {
        if (!(e->plan->points[k] & bits[i]))
            continue;
        if (!e->plan->code->insns[k].flags_live) {
            count_dead(e, original, counters[i], STATE_HEAD);
            continue;
        }
        pending[*count] = (struct pending){.original = original, .counter = counters[i]};
        pending[(*count)++].fixup = count_live(e, original, counters[i]);
    }
}

static bool goes_on(const struct insn *i)
{
    return i->flow == FLOW_NEXT || i->flow == FLOW_BRANCH || i->flow == FLOW_KERNEL;
}

/*      sub  qword [counter], 1
 *      js   cold
 *      jmp  <the branch's target> */
static bool emit_edge(struct emitter *e)
{
    const struct code *code = e->plan->code;
    uint64_t target = code_address(code, code->insns[e->window->first].target);

    count_dead(e, e->start, &tick_counter, STATE_COUNTED);
    map_part(e, &e->stub->hot, e->start, STATE_BODY, IMAGE_POINT_TICK);
    PUT(e, 0xe9);
    put_relative(e, target);
    apply_fixups(e);
    return !e->failed;
}

bool stub_emit(const struct plan *plan, const struct window *window, uint64_t hot, uint64_t cold,
               struct stub *ret)
{
    const struct code *code = plan->code;
    struct emitter e = {.plan = plan, .window = window, .stub = ret, .hot = hot, .cold = cold};
    struct pending pending[2 * LOOP_INSNS_MAX];
    size_t pending_count = 0;

    ret->hot.size = ret->hot.map_count = ret->cold.size = ret->cold.map_count = 0;
    ret->entry = 0;
    e.start = code_address(code, window->first);
    if (window->edge)
        return emit_edge(&e);
    if (window->back_tick)
        count_dead(&e, e.start, &tick_counter, STATE_COUNTED);
    ret->entry = (uint16_t)ret->hot.size;
    for (uint32_t k = window->first; k <= window->body_last && !e.failed; k++) {
        e.copies[k - window->first] = (uint16_t)ret->hot.size;
        emit_points(&e, k, pending, &pending_count);
        if (code->insns[k].special >= DECODE_CPUID && code->insns[k].special <= DECODE_RDSEED)
            emulate(&e, k);
        else if (code->insns[k].special == DECODE_SYSCALL)
            call(&e, k);
        else
            copy_insn(&e, k);
    }
    if (goes_on(&code->insns[window->body_last])) {
        map_part(&e, &ret->hot, code_end(code, window->body_last), STATE_BODY, IMAGE_POINT_TICK);
        PUT(&e, 0xe9);
        put_relative(&e, code_end(code, window->body_last));
    }
    for (size_t i = 0; i < pending_count; i++)
        slow_live(&e, pending[i].original, pending[i].counter, pending[i].fixup);
    apply_fixups(&e);
    return !e.failed;
}
