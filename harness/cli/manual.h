/* What people read about a command beyond its option table: `--help`, man pages, completions. The
 * options come from the tables that the parser reads by, so that neither text can differ from what
 * the command takes. */
#ifndef HARNESS_CLI_MANUAL_H
#define HARNESS_CLI_MANUAL_H

#include <stdio.h>

#include "harness/cli/command.h"

struct manual_item {
    const char *term; /* an exit status, a command, a file, a variable; NULL ends a list */
    const char *text;
};

struct manual_page {
    const char *command;            /* NULL: the page of rrtest itself */
    const char *const *description; /* paragraphs; NULL-terminated */
    const struct manual_item *statuses;
    const struct manual_item *examples;
};

/* The page of a command ("": of rrtest itself); NULL if there is none. */
const struct manual_page *manual_find(const char *command);
/* Files, and variables of the environment, that concern all commands. */
const struct manual_item *manual_files(void);
const struct manual_item *manual_environment(void);

/* `rrtest help [COMMAND]`; the command NULL: the overview. */
void manual_print_help(const struct command *command, FILE *out);
/* The man page rrtest(1) (NULL) or rrtest-COMMAND(1), in the man(7) macros. */
void manual_print_man(const struct command *command, FILE *out);

/* The completion script of a shell: "bash", "zsh" or "fish". -EINVAL for any other. */
int completion_print(const char *shell, FILE *out);

#endif
