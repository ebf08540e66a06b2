/* Options by table, per subcommand. Long names as --name VALUE or --name=VALUE, never abbreviated;
 * letters as -o VALUE or -oVALUE; "--" ends them. */
#ifndef HARNESS_CLI_OPTIONS_H
#define HARNESS_CLI_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "recorder/base/error.h"

enum option_kind {
    OPTION_FLAG,     /* bool */
    OPTION_TEXT,     /* const char * */
    OPTION_U64,      /* uint64_t */
    OPTION_DURATION, /* uint64_t, ns */
    OPTION_CALL,     /* call() stores it */
};

#define OPTION_NO_GIVEN SIZE_MAX

struct option_row {
    const char *name; /* NULL ends the table */
    char letter;      /* 0: none */
    enum option_kind kind;
    const char *argument; /* for --help; NULL for flags */
    size_t offset;        /* of the value in the target */
    size_t given;         /* of a bool that says the option was there; OPTION_NO_GIVEN */
    /* "expected ..." goes into the error; the caller puts the option's name in front. */
    int (*call)(void *target, const char *value, struct rr_error *error);
    const char *help;
};

struct option_result {
    char **operands; /* into argv; NULL-terminated; array owned: free() */
    int count;
    int dashes; /* operands in front of "--"; -1: it was not there */
    bool help;  /* --help or -h was there */
};

/* Parse argv[0..argc). stop_at_operand: the first operand ends the options (a program's own
 * follow). */
int options_parse(const struct option_row *rows, bool stop_at_operand, int argc, char **argv,
                  void *target, struct option_result *ret, struct rr_error *error);
/* One line per option, aligned. */
void options_help(const struct option_row *rows, FILE *out);

#endif
