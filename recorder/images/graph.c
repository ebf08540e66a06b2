/* Strongly connected components. */
#include "recorder/images/graph.h"

#include <stdlib.h>
#include <string.h>

#include "recorder/images/memory.h"

void graph_build(uint32_t nodes, const struct graph_edge *edges, size_t count, struct graph *ret)
{
    ret->nodes = nodes;
    ret->first = memory_zeroed(nodes + 2ul, sizeof(uint32_t));
    ret->edges = memory_zeroed(count, sizeof(uint32_t));
    for (size_t i = 0; i < count; i++)
        ret->first[edges[i].from + 2]++;
    for (uint32_t n = 2; n <= nodes + 1; n++)
        ret->first[n] += ret->first[n - 1];
    for (size_t i = 0; i < count; i++)
        ret->edges[ret->first[edges[i].from + 1]++] = edges[i].to;
}

void graph_done(struct graph *graph)
{
    free(graph->first);
    free(graph->edges);
    memset(graph, 0, sizeof(*graph));
}

struct tarjan {
    const struct graph *graph;
    const bool *removed;
    uint32_t *component;
    uint32_t *index; /* order of discovery; 0: not yet seen */
    uint32_t *low;
    uint32_t *edge;  /* next edge to look at */
    uint32_t *open;  /* nodes not yet in a component */
    uint32_t *calls; /* the depth-first path */
    uint32_t open_count;
    uint32_t call_count;
    uint32_t last_index;
    uint32_t last_component;
};

static void enter(struct tarjan *t, uint32_t node)
{
    t->index[node] = t->low[node] = ++t->last_index;
    t->edge[node] = t->graph->first[node];
    t->open[t->open_count++] = node;
    t->calls[t->call_count++] = node;
}

static void leave(struct tarjan *t, uint32_t node)
{
    t->call_count--;
    if (t->call_count > 0) {
        uint32_t parent = t->calls[t->call_count - 1];

        if (t->low[node] < t->low[parent])
            t->low[parent] = t->low[node];
    }
    if (t->low[node] != t->index[node])
        return;
    t->last_component++;
    for (;;) {
        uint32_t member = t->open[--t->open_count];

        t->component[member] = t->last_component;
        if (member == node)
            return;
    }
}

static void visit(struct tarjan *t, uint32_t root)
{
    enter(t, root);
    while (t->call_count > 0) {
        uint32_t node = t->calls[t->call_count - 1];
        uint32_t next;

        if (t->edge[node] == t->graph->first[node + 1]) {
            leave(t, node);
            continue;
        }
        next = t->graph->edges[t->edge[node]++];
        if (t->removed && t->removed[next])
            continue;
        if (t->index[next] == 0)
            enter(t, next);
        else if (t->component[next] == 0 && t->index[next] < t->low[node])
            t->low[node] = t->index[next];
    }
}

void graph_components(const struct graph *graph, const bool *removed, uint32_t *component)
{
    size_t n = graph->nodes;
    uint32_t *memory = memory_zeroed(5 * n, sizeof(uint32_t));
    struct tarjan t = {
        .graph = graph,
        .removed = removed,
        .component = component,
        .index = memory,
        .low = memory + n,
        .edge = memory + 2 * n,
        .open = memory + 3 * n,
        .calls = memory + 4 * n,
    };

    memset(component, 0, n * sizeof(*component));
    for (uint32_t i = 0; i < graph->nodes; i++)
        if (t.index[i] == 0 && !(removed && removed[i]))
            visit(&t, i);
    free(memory);
}
