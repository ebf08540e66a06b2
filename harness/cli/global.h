/* Options in front of the subcommand: --color WHEN, --quiet, --verbose. They mean what they mean
 * behind it; a command that has no such option does without (but for --verbose, which promises
 * something). */
#ifndef HARNESS_CLI_GLOBAL_H
#define HARNESS_CLI_GLOBAL_H

#include "harness/cli/command.h"

#define GLOBAL_WORDS_MAX 16

struct global_options {
    char *words[GLOBAL_WORDS_MAX]; /* into argv */
    int count;
};

/* Take those at the front of argv[0..argc); returns how many words they are, or -EINVAL. */
int global_parse(int argc, char **argv, struct global_options *ret, struct rr_error *error);

/* The words of argv[0..argc) with those in front that the command knows. The array is malloced,
 * NULL-terminated, *ret_count long. NULL with an error if it lacks one that it must have. */
char **global_apply(const struct global_options *global, const struct command *command, int argc,
                    char **argv, int *ret_count, struct rr_error *error);

#endif
