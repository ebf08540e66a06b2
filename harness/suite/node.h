/* YAML nodes with positions: loading a document, and reading mappings, lists and scalars of a
 * schema with errors that name file, line, column, key and what was expected. Knows YAML, not the
 * suite. */
#ifndef HARNESS_SUITE_NODE_H
#define HARNESS_SUITE_NODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <yaml.h>

#include "recorder/base/error.h"

/* What node_text() returns in place of a text that has variables when there are none to put in:
 * the caller passes it on like an error, and node_mapping() takes the key as read. */
#define NODE_DEFERRED 1

/* A suite's texts together, defaults, aliases and matrices written out: bounds what a small file
 * can blow up to. */
#define NODE_BYTES_MAX (64u << 20)

struct node_variable {
    const char *name;
    const char *value;
};

struct node_reader {
    const char *path; /* as the user wrote it: stands in every message */
    yaml_document_t document;
    struct rr_error *error;
    /* For each ${NAME} in a text; NULL: texts are taken as they are. */
    const struct node_variable *variables;
    size_t variable_count;
    bool defer;  /* NODE_DEFERRED for texts with "${" */
    char **made; /* texts with variables put in; owned */
    size_t made_count;
    size_t *bytes; /* read so far; shared by the files of one suite */
};

/* Parse the one document in data[0..length). Anchors and aliases are resolved; tags, merge keys and
 * a second document are errors. `bytes` counts what is read against NODE_BYTES_MAX. On success the
 * caller ends with node_reader_done(). */
int node_reader_init(struct node_reader *r, const char *path, const void *data, size_t length,
                     size_t *bytes, struct rr_error *error);
void node_reader_done(struct node_reader *r);
/* Put these in for ${NAME} from now on; they must outlive their use. NULL: texts are literal. Texts
 * made with the variables of before are freed. */
void node_set_variables(struct node_reader *r, const struct node_variable *variables, size_t count);
const yaml_node_t *node_root(struct node_reader *r);

/* Fill the error with "PATH:LINE:COLUMN: message" and return -EINVAL. */
int node_error(struct node_reader *r, const yaml_node_t *node, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* "KEY: expected EXPECTED, got ..." at the node. */
int node_expected(struct node_reader *r, const yaml_node_t *node, const char *key,
                  const char *expected);

/* "KEY: expected EXPECTED, got 'x'; did you mean 'y'?": y is the nearest of the names, which end
 * with NULL. */
int node_expected_of(struct node_reader *r, const yaml_node_t *node, const char *key,
                     const char *expected, const char *const *names);

/* A scalar that is not null, as written. */
int node_raw_text(struct node_reader *r, const yaml_node_t *node, const char *key,
                  const char *expected, const char **ret);
/* The same with variables put in; *ret lives until node_set_variables() or the reader's end. All
 * typed readers below go through it. */
int node_text(struct node_reader *r, const yaml_node_t *node, const char *key, const char *expected,
              const char **ret);
int node_u64(struct node_reader *r, const yaml_node_t *node, const char *key, const char *expected,
             uint64_t minimum, uint64_t maximum, uint64_t *ret);
int node_duration(struct node_reader *r, const yaml_node_t *node, const char *key,
                  uint64_t *ret_ns);
int node_size(struct node_reader *r, const yaml_node_t *node, const char *key, uint64_t *ret_bytes);
/* true or false. */
int node_bool(struct node_reader *r, const yaml_node_t *node, const char *key, bool *ret);
/* One of the names, which end with NULL; *ret is its index. */
int node_choice(struct node_reader *r, const yaml_node_t *node, const char *key,
                const char *expected, const char *const *names, int *ret);

/* One key of a mapping. `shape` (a name of suite/shapes.c) and `help` are for the JSON Schema. */
struct node_key {
    const char *name;
    int (*read)(struct node_reader *r, const char *key, const yaml_node_t *value, void *target);
    const char *shape;
    const char *help;
};
/* Read a mapping by its table: unknown and repeated keys are errors; keys end with a NULL name.
 * `what` names the mapping in messages. */
int node_mapping(struct node_reader *r, const yaml_node_t *node, const char *what,
                 const struct node_key *keys, void *target);
/* The value of a key as written, or NULL if the mapping lacks it or is none. */
const yaml_node_t *node_get(struct node_reader *r, const yaml_node_t *mapping, const char *key);
/* Number of items of a list; 0 for anything else. */
size_t node_count(const yaml_node_t *node);

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
