/* What `rrtest run` tells people while it runs and at its end: on stderr, when that is a terminal,
 * a live line per worker, else now and then a line of progress; on stdout, at the end, the tests in
 * the suite's order, failures in full, and a summary (reports/console_text.h). */
#ifndef HARNESS_RUN_CONSOLE_H
#define HARNESS_RUN_CONSOLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "harness/run/schedule.h"
#include "include/rrtest/report.h"

struct console {
    const struct run_options *options;
    bool live;      /* stderr is a terminal */
    unsigned drawn; /* live lines that stand on the screen */
    uint64_t started_ns;
    uint64_t next_ns; /* when to draw or to say something again */
    uint64_t pause_ns;
    char **notes; /* said already */
    size_t note_count;
    bool *told; /* per test: its failure was told already */
};

/* What one worker is at. */
struct console_worker {
    const struct job *job; /* NULL: idle */
    uint64_t started_ns;
};

/* Initializes *c for the schedule's tests, of which none is told yet; prints nothing. */
void console_begin(struct console *c, const struct schedule *s);
/* Draw the live lines, or say how far we are, if it is time. */
void console_update(struct console *c, const struct schedule *s,
                    const struct console_worker *workers, size_t count);
/* Print the session's results; `remedy` (may be NULL) is how to go on with it. */
void console_end(struct console *c, const struct report_session *session, const char *remedy);
/* A message about ourselves, on stderr, clear of the live lines. */
void console_complain(struct console *c, const char *message);

/* What runs had to go without: lines of text, each said once. Quiet: not at all. */
void console_note(struct console *c, const char *lines, size_t length);
void console_done(struct console *c);

uint64_t console_now_ns(void); /* CLOCK_MONOTONIC */

#endif
