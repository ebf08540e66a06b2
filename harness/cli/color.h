/* Whether to write in colours. */
#ifndef HARNESS_CLI_COLOR_H
#define HARNESS_CLI_COLOR_H

#include <stdbool.h>
#include <stdio.h>

enum color_mode { COLOR_AUTO, COLOR_ALWAYS, COLOR_NEVER };

/* "auto", "always", "never"; -1 for any other. */
int color_mode_by_name(const char *name);

/* COLOR_AUTO: the stream is a terminal, TERM is set and not "dumb", and NO_COLOR (no-color.org) is
 * not set or empty. */
bool color_wanted(FILE *stream, enum color_mode mode);

#endif
