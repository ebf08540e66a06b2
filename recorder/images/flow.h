/* Control flow: basic blocks, functions, liveness of the arithmetic flags. */
#ifndef RECORDER_IMAGES_FLOW_H
#define RECORDER_IMAGES_FLOW_H

#include "recorder/images/code.h"
#include "recorder/images/graph.h"

#define NO_BLOCK UINT32_MAX

struct block {
    uint32_t first; /* instructions, inclusive */
    uint32_t last;
    uint32_t next;     /* the block it falls into, or NO_BLOCK */
    uint32_t jump;     /* the block its last instruction jumps to, or NO_BLOCK */
    uint32_t function; /* index of its function */
};

struct flow_graph {
    struct code *code;
    struct block *blocks;
    uint32_t block_count;
    uint32_t *block_of; /* per instruction */
    uint32_t function_count;
    uint32_t *function_entry; /* first block of each function */
};

/* Also fills in flags_live and MARK_REACHED of every instruction. */
void flow_build(struct code *code, struct flow_graph *ret);
void flow_done(struct flow_graph *flow);

#endif
