/* Blocks, functions, reachability and flag liveness of the whole image. */
#include "recorder/images/flow.h"

#include <string.h>

#include "recorder/images/memory.h"

static bool falls_through(const struct insn *i)
{
    switch (i->flow) {
    case FLOW_NEXT:
    case FLOW_BRANCH:
    case FLOW_BRANCH_SHORT:
    case FLOW_KERNEL:
        return true;
    case FLOW_CALL:
    case FLOW_CALL_INDIRECT:
        return !(i->marks & MARK_NORETURN);
    default:
        return false;
    }
}

static bool ends_block(const struct insn *i)
{
    return i->flow == FLOW_BRANCH || i->flow == FLOW_BRANCH_SHORT || !falls_through(i);
}

/* Does control arrive at, or inside, the instruction from elsewhere? */
static bool is_leader(const struct code *code, uint32_t index)
{
    uint64_t address = code_address(code, index);

    for (uint8_t k = 0; k < code->insns[index].length; k++)
        if (code_is_target(code, address + k))
            return true;
    return false;
}

static void build_blocks(struct flow_graph *f)
{
    const struct code *code = f->code;
    size_t capacity = 0;
    bool open = false;

    f->block_of = memory_zeroed(code->count, sizeof(uint32_t));
    for (uint32_t k = 0; k < code->count; k++) {
        if (!open || is_leader(code, k)) {
            f->blocks = memory_grow(f->blocks, f->block_count, &capacity, sizeof(*f->blocks));
            f->blocks[f->block_count++] =
                (struct block){.first = k, .next = NO_BLOCK, .jump = NO_BLOCK};
        }
        f->block_of[k] = f->block_count - 1;
        f->blocks[f->block_count - 1].last = k;
        open = !ends_block(&code->insns[k]) && code_adjoins(code, k);
    }
}

static void link_blocks(struct flow_graph *f)
{
    const struct code *code = f->code;

    for (uint32_t b = 0; b < f->block_count; b++) {
        struct block *block = &f->blocks[b];
        const struct insn *last = &code->insns[block->last];

        if (falls_through(last) && code_adjoins(code, block->last))
            block->next = b + 1;
        if (last->flow != FLOW_CALL && last->flow != FLOW_CALL_INDIRECT && last->target != NO_INSN)
            block->jump = f->block_of[last->target];
    }
}

static void build_functions(struct flow_graph *f)
{
    const struct code *code = f->code;
    size_t capacity = 0;

    for (uint32_t b = 0; b < f->block_count; b++) {
        const struct insn *first = &code->insns[f->blocks[b].first];
        bool starts = b == 0 || (first->marks & (MARK_FUNCTION | MARK_CALLED)) ||
                      !code_adjoins(code, f->blocks[b].first - 1);

        if (starts) {
            f->function_entry = memory_grow(f->function_entry, f->function_count, &capacity,
                                            sizeof(*f->function_entry));
            f->function_entry[f->function_count++] = b;
        }
        f->blocks[b].function = f->function_count - 1;
    }
}

static void reach_block(struct flow_graph *f, uint32_t block, uint32_t *stack, uint32_t *depth)
{
    struct insn *first;

    if (block == NO_BLOCK)
        return;
    first = &f->code->insns[f->blocks[block].first];
    if (first->marks & (MARK_REACHED | MARK_DATA))
        return;
    first->marks |= MARK_REACHED;
    stack[(*depth)++] = block;
}

/* Marks what can be executed as far as is known: data inside a function's range is not. */
static void mark_reached(struct flow_graph *f)
{
    uint32_t *stack = memory_zeroed(f->block_count, sizeof(uint32_t));
    struct insn *insns = f->code->insns;
    uint32_t depth = 0;

    for (uint32_t b = 0; b < f->block_count; b++)
        if ((insns[f->blocks[b].first].marks & (MARK_FUNCTION | MARK_ROOT)) || b == 0 ||
            !code_adjoins(f->code, f->blocks[b].first - 1))
            reach_block(f, b, stack, &depth);
    while (depth > 0) {
        const struct block *block = &f->blocks[stack[--depth]];

        reach_block(f, block->next, stack, &depth);
        reach_block(f, block->jump, stack, &depth);
        for (uint32_t k = block->first; k <= block->last; k++) {
            insns[k].marks |= MARK_REACHED;
            if (insns[k].flow == FLOW_CALL && insns[k].target != NO_INSN)
                reach_block(f, f->block_of[insns[k].target], stack, &depth);
        }
    }
    free(stack);
}

/* Flag liveness: a backward data-flow problem over six flags. The ABI lets flags die at calls and
 * returns, but hand-written assembly passes them through both, so calls of known functions take
 * what their entry reads, and returns what is live behind any known call. */
struct liveness {
    struct flow_graph *flow;
    uint8_t *in;      /* per block */
    uint8_t *returns; /* per function: flags its callers look at */
    uint8_t *reads;   /* per block: read before they are written, and written; calls left out */
    uint8_t *writes;
    bool *calls; /* per block: it has a direct call, so the two are not all */
};

static uint8_t live_block(const struct liveness *l, uint32_t block)
{
    return block == NO_BLOCK ? FLAGS_ALL : l->in[block];
}

static uint8_t live_out(const struct liveness *l, const struct block *block)
{
    const struct insn *last = &l->flow->code->insns[block->last];

    switch (last->flow) {
    case FLOW_RETURN:
        return l->returns[block->function];
    case FLOW_STOP:
        return 0;
    case FLOW_JUMP:
        return live_block(l, block->jump);
    case FLOW_JUMP_INDIRECT:
        if (!(last->marks & MARK_LINKAGE))
            return FLAGS_ALL;
        return block->jump == NO_BLOCK ? 0 : l->in[block->jump];
    case FLOW_BRANCH:
    case FLOW_BRANCH_SHORT:
        return live_block(l, block->next) | live_block(l, block->jump);
    case FLOW_CALL:
    case FLOW_CALL_INDIRECT:
        return block->next == NO_BLOCK ? 0 : l->in[block->next];
    default:
        return live_block(l, block->next);
    }
}

/* Live before instruction k, given what is live behind it. */
static uint8_t live_step(const struct liveness *l, uint32_t k, uint8_t live)
{
    const struct insn *i = &l->flow->code->insns[k];

    if (i->flow == FLOW_CALL && i->target != NO_INSN) {
        uint32_t callee = l->flow->block_of[i->target];

        l->returns[l->flow->blocks[callee].function] |= live;
        return live | l->in[callee];
    }
    return (uint8_t)((live & ~i->flags_written) | i->flags_read);
}

static bool update_block(struct liveness *l, uint32_t b)
{
    const struct block *block = &l->flow->blocks[b];
    uint8_t live = live_out(l, block);

    if (!l->calls[b])
        live = (uint8_t)((live & ~l->writes[b]) | l->reads[b]);
    for (uint32_t k = block->last + 1; l->calls[b] && k-- > block->first;)
        live = live_step(l, k, live);
    if (live == l->in[b])
        return false;
    l->in[b] = live;
    return true;
}

/* Calls that read or return flags are rare, so a first solution is found without them. */
static void solve_without_calls(struct liveness *l)
{
    const struct flow_graph *f = l->flow;
    bool changed = true;

    for (uint32_t b = 0; b < f->block_count; b++) {
        for (uint32_t k = f->blocks[b].last + 1; k-- > f->blocks[b].first;) {
            const struct insn *i = &f->code->insns[k];

            l->reads[b] = (uint8_t)((l->reads[b] & ~i->flags_written) | i->flags_read);
            l->writes[b] |= i->flags_written;
            l->calls[b] = l->calls[b] || (i->flow == FLOW_CALL && i->target != NO_INSN);
        }
    }
    while (changed) {
        changed = false;
        for (uint32_t b = f->block_count; b-- > 0;) {
            uint8_t live = live_out(l, &f->blocks[b]);

            live = (uint8_t)((live & ~l->writes[b]) | l->reads[b]);
            changed = changed || live != l->in[b];
            l->in[b] = live;
        }
    }
}

static void find_live_flags(struct flow_graph *f)
{
    struct liveness l = {
        .flow = f,
        .in = memory_zeroed(f->block_count, 1),
        .returns = memory_zeroed(f->function_count, 1),
        .reads = memory_zeroed(f->block_count, 1),
        .writes = memory_zeroed(f->block_count, 1),
        .calls = memory_zeroed(f->block_count, sizeof(bool)),
    };
    uint8_t *returns_before = memory_zeroed(f->function_count, 1);
    bool changed = true;

    solve_without_calls(&l);
    while (changed) {
        changed = false;
        memcpy(returns_before, l.returns, f->function_count);
        for (uint32_t b = f->block_count; b-- > 0;)
            changed |= update_block(&l, b);
        changed |= memcmp(returns_before, l.returns, f->function_count) != 0;
    }
    for (uint32_t b = 0; b < f->block_count; b++) {
        const struct block *block = &f->blocks[b];
        uint8_t live = live_out(&l, block);

        for (uint32_t k = block->last + 1; k-- > block->first;) {
            live = live_step(&l, k, live);
            f->code->insns[k].flags_live = live;
        }
    }
    free(l.in);
    free(l.returns);
    free(l.reads);
    free(l.writes);
    free(l.calls);
    free(returns_before);
}

void flow_build(struct code *code, struct flow_graph *ret)
{
    memset(ret, 0, sizeof(*ret));
    ret->code = code;
    build_blocks(ret);
    link_blocks(ret);
    build_functions(ret);
    mark_reached(ret);
    find_live_flags(ret);
}

void flow_done(struct flow_graph *flow)
{
    free(flow->blocks);
    free(flow->block_of);
    free(flow->function_entry);
    memset(flow, 0, sizeof(*flow));
}
