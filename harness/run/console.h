/* What `rrtest run` tells people: one block per test on stdout, in the order of the suite, and a
 * progress line on stderr when that is a terminal. */
#ifndef HARNESS_RUN_CONSOLE_H
#define HARNESS_RUN_CONSOLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "harness/run/schedule.h"

struct console {
    const struct run_options *options;
    bool color;
    bool progress; /* stderr is a terminal */
    bool line_is_drawn;
    int width;      /* of the names' column */
    size_t printed; /* tests before this index are printed */
    uint64_t started_ns;
    uint64_t drawn_ns;
    char **notes; /* said already */
    size_t note_count;
};

void console_begin(struct console *c, const struct schedule *s);
/* Print tests that are complete now, in order; draw the progress line if it is time. */
void console_update(struct console *c, const struct schedule *s);
/* Print what is left (`why` says why the rest did not run: NULL, "interrupted", "time budget") and
 * the summary. */
void console_end(struct console *c, const struct schedule *s, const char *why);
/* A message about ourselves, on stderr, clear of the progress line. */
void console_complain(struct console *c, const char *message);

/* What runs had to go without: lines of text, each said once. Quiet: not at all. */
void console_note(struct console *c, const char *lines, size_t length);
void console_done(struct console *c);

uint64_t console_now_ns(void); /* CLOCK_MONOTONIC */

#endif
