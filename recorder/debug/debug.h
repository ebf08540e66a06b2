/* What `rrtest dump`, `stats` and `ls` do, over trace directories (design.md section 8). Reads
 * traces, prints to a stream, never starts or touches a tracee. */
#ifndef RECORDER_DEBUG_DEBUG_H
#define RECORDER_DEBUG_DEBUG_H

#include <stdbool.h>
#include <stdio.h>

#include "recorder/base/error.h"

/* One line per event, then the stacks if the trace has any; json: one JSON object per line, the
 * stacks' last. What can be read is printed even if the trace
 * then turns out to be cut (-ENODATA) or damaged (-EBADMSG). -EIO: writing to out failed. */
int debug_dump(const char *trace, bool json, FILE *out, struct rr_error *error);

/* Only the stacks that the trace has of the run's end; json: {"stacks": ...} as in meta.json. A
 * trace without any is no error. -EIO: writing to out failed. */
int debug_stacks(const char *trace, bool json, FILE *out, struct rr_error *error);

/* What was decided about patching each place that makes system calls, place by place with its
 * history; json: one JSON object per place and line. Errors as debug_dump(). */
int debug_patches(const char *trace, bool json, FILE *out, struct rr_error *error);

/* Counts over the whole trace; json: one JSON object with the keys of design.md section 8. The
 * counts of a cut trace (its recorder was killed) are those up to the cut, with "complete": false.
 */
int debug_stats(const char *trace, bool json, FILE *out, struct rr_error *error);

/* One line per trace in or below directory (up to 4 levels), sorted by path: path, verdict, seed,
 * strategy, command. Damaged ones are listed with what is wrong. */
int debug_list(const char *directory, FILE *out, struct rr_error *error);

#endif
