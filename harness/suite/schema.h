/* Between schema.c (keys and their readers) and suite.c (files, memory, programs). */
#ifndef HARNESS_SUITE_SCHEMA_H
#define HARNESS_SUITE_SCHEMA_H

#include "harness/suite/node.h"
#include "harness/suite/suite.h"

/* Read the whole document into *suite, which is zeroed but for path and directory. */
int schema_read(struct node_reader *r, struct suite *suite);

void suite_test_done(struct suite_test *test);
void suite_output_done(struct suite_output *output);
/* Free a NULL-terminated vector of owned strings. */
void suite_strings_free(char **strings);
/* strdup and calloc that abort when memory is out, as the rest of the tool does. */
char *suite_strdup(const char *text);
void *suite_calloc(size_t count, size_t size);

#endif
