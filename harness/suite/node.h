/* YAML nodes with positions: loading a document, and reading mappings, lists and scalars of a
 * schema with errors that name file, line, column, key and what was expected. Knows YAML, not the
 * suite. */
#ifndef HARNESS_SUITE_NODE_H
#define HARNESS_SUITE_NODE_H

#include <stddef.h>
#include <stdint.h>
#include <yaml.h>

#include "recorder/base/error.h"

struct node_reader {
    const char *path; /* as the user wrote it: stands in every message */
    yaml_document_t document;
    struct rr_error *error;
};

/* Parse the one document in data[0..length). Anchors and aliases are resolved; tags, merge keys and
 * a second document are errors. On success the caller ends with node_reader_done(). */
int node_reader_init(struct node_reader *r, const char *path, const void *data, size_t length,
                     struct rr_error *error);
void node_reader_done(struct node_reader *r);
const yaml_node_t *node_root(struct node_reader *r);

/* Fill the error with "PATH:LINE:COLUMN: message" and return -EINVAL. */
int node_error(struct node_reader *r, const yaml_node_t *node, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* "KEY: expected EXPECTED, got ..." at the node. */
int node_expected(struct node_reader *r, const yaml_node_t *node, const char *key,
                  const char *expected);

/* A scalar that is not null; *ret lives as long as the document. */
int node_text(struct node_reader *r, const yaml_node_t *node, const char *key, const char *expected,
              const char **ret);
int node_u64(struct node_reader *r, const yaml_node_t *node, const char *key, const char *expected,
             uint64_t minimum, uint64_t maximum, uint64_t *ret);
int node_duration(struct node_reader *r, const yaml_node_t *node, const char *key,
                  uint64_t *ret_ns);

/* One key of a mapping. */
struct node_key {
    const char *name;
    int (*read)(struct node_reader *r, const char *key, const yaml_node_t *value, void *target);
};
/* Read a mapping by its table: unknown and repeated keys are errors; keys end with a NULL name.
 * `what` names the mapping in messages. `seen` (may be NULL) gets bit i for row i. */
int node_mapping(struct node_reader *r, const yaml_node_t *node, const char *what,
                 const struct node_key *keys, void *target, uint64_t *seen);

/* Call `read` for each item of a list of at most `limit` items. */
int node_list(struct node_reader *r, const yaml_node_t *node, const char *key, const char *expected,
              size_t limit,
              int (*read)(struct node_reader *r, const char *key, const yaml_node_t *item,
                          size_t index, void *target),
              void *target);
/* Call `read` for each pair of a mapping with free keys; order as written, at most `limit`. */
int node_pairs(struct node_reader *r, const yaml_node_t *node, const char *key,
               const char *expected, size_t limit,
               int (*read)(struct node_reader *r, const yaml_node_t *name_node, const char *name,
                           const yaml_node_t *value, void *target),
               void *target);

#endif
