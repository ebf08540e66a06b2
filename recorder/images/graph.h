/* Directed graphs in compressed form and their strongly connected components (Tarjan, iterative:
 * images have a million nodes). Knows nothing of code. */
#ifndef RECORDER_IMAGES_GRAPH_H
#define RECORDER_IMAGES_GRAPH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct graph {
    uint32_t nodes;
    uint32_t *first; /* nodes + 1; edges of n are edges[first[n]] to edges[first[n + 1] - 1] */
    uint32_t *edges;
};

struct graph_edge {
    uint32_t from;
    uint32_t to;
};

/* Edges in any order, duplicates allowed. */
void graph_build(uint32_t nodes, const struct graph_edge *edges, size_t count, struct graph *ret);
void graph_done(struct graph *graph);

/* component[n] is the same for two nodes iff each reaches the other without passing a removed
 * node; 0 for removed ones. removed may be NULL. */
void graph_components(const struct graph *graph, const bool *removed, uint32_t *component);

#endif
