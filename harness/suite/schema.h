/* What the files of the suite parser share: schema.c (the file and its tests), keys.c (the keys of
 * a test), expect.c (expectations), matrix.c (combinations), suite.c (files, memory), resolve.c
 * (programs and folders), shapes.c (the JSON Schema of all of it). */
#ifndef HARNESS_SUITE_SCHEMA_H
#define HARNESS_SUITE_SCHEMA_H

#include "harness/suite/node.h"
#include "harness/suite/suite.h"

#define SUITE_TESTS_MAX 10000
#define SUITE_NAME_MAX 200 /* bytes */
#define SCHEMA_INCLUDE_DEPTH 16

/* The tables of keys; each ends with a NULL name. */
extern const struct node_key schema_suite_keys[];
extern const struct node_key schema_test_keys[];     /* target: struct suite_test */
extern const struct node_key schema_defaults_keys[]; /* all of them but the name */
extern const struct node_key schema_expect_keys[];   /* target: struct suite_expect */
extern const struct node_key schema_inject_keys[];   /* target: struct record_injection */
extern const struct node_key schema_limit_keys[];    /* target: struct suite_test */
extern const struct node_key schema_skip_keys[];     /* target: struct suite_skip */
extern const struct node_key schema_quarantine_keys[];

/* One suite being read: what its files have in common. */
struct schema_load {
    struct suite *suite;
    struct bytes *problems;               /* NULL: the first one ends the reading */
    size_t bytes;                         /* see node_reader.bytes */
    size_t depth;                         /* of includes */
    size_t reading[SCHEMA_INCLUDE_DEPTH]; /* indices in suite->files: who includes whom */
    size_t capacity;                      /* of suite->tests */
};

/* Read one document into load->suite, whose last file is this one's. */
int schema_read(struct node_reader *r, struct schema_load *load);
/* suite.c: read the file that an include names. `from` holds the include. */
int schema_include(struct node_reader *r, const yaml_node_t *node, struct schema_load *load,
                   const struct suite_file *from, const char *path);
/* A problem that the caller may go on behind: 0 if it is noted, else its code. */
int schema_problem(struct schema_load *load, const struct rr_error *error, int code);

/* As node.h's readers: the value of `expect` replaces that of the struct suite_test target. */
int schema_read_expect(struct node_reader *r, const char *key, const yaml_node_t *node,
                       void *target);
void schema_expect_init(struct suite_expect *expect);
/* Of the texts in a list, or of a single one. *place is replaced. */
int schema_read_texts(struct node_reader *r, const char *key, const yaml_node_t *node,
                      const char *expected, char ***place);

/* The combinations of one test. */
struct matrix;
/* NULL for a matrix without axes. */
int matrix_read(struct node_reader *r, const yaml_node_t *node, struct matrix **ret);
void matrix_free(struct matrix *matrix);
/* The next combination that is not excluded: its variables, and "[A=1,B=2]" as part of a name. The
 * first call gives the first one; false: there is none (left). *ret and *ret_suffix live until the
 * next call. */
bool matrix_next(struct matrix *matrix, const struct node_variable **ret, size_t *ret_count,
                 const char **ret_suffix);

/* _done: free what it owns, not itself; _free: all of a vector. */
void suite_test_done(struct suite_test *test);
void suite_output_done(struct suite_output *output);
void suite_commands_free(struct suite_command *commands, size_t count);
void suite_copies_free(struct suite_copy *copies, size_t count);
void suite_skip_done(struct suite_skip *skip);
void suite_quarantine_done(struct suite_quarantine *quarantine);
/* Free a NULL-terminated vector of owned strings. */
void suite_strings_free(char **strings);
/* calloc that aborts when memory is out, as the rest of the tool does. */
void *suite_calloc(size_t count, size_t size);
/* Replace an owned string. */
void suite_replace(char **place, const char *text);
/* Where a path of the suite file leads; malloced. */
char *suite_absolute(const char *directory, const char *path);
struct suite_position suite_position_of(const yaml_node_t *node);

#endif
