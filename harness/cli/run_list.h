/* `rrtest run --list` and `--dry-run`: what would be run. */
#ifndef HARNESS_CLI_RUN_LIST_H
#define HARNESS_CLI_RUN_LIST_H

#include "harness/run/options.h"

/* The chosen tests with their labels, a line each; or as JSON. To stdout. Exit status. */
int run_list(const struct suite *suite, const struct run_options *options);
/* Command, directory, runs, strategy and the first seeds of each. The tests are resolved. */
int run_dry(const struct suite *suite, const struct run_options *options);

#endif
