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

enum debug_sort {
    DEBUG_SORT_PATH,
    DEBUG_SORT_SIZE, /* the largest first */
    DEBUG_SORT_AGE,  /* the youngest first */
    DEBUG_SORT_COUNT
};
int debug_sort_by_name(const char *name); /* "path", "size", "age"; -1: none of them */

struct debug_list_options {
    bool json; /* one JSON object per line */
    bool sum;  /* one line about all of them instead */
    enum debug_sort sort;
    bool missing_is_empty; /* a folder that is not there holds no traces; else an error */
};

/* One line per trace in or below directory (up to 4 levels): size, age, path, verdict, seed,
 * strategy, command. The size is what removing it would free; what hard links share with the image
 * cache is counted apart (trace_disk_size()). Damaged ones are listed with what is wrong. */
int debug_list(const char *directory, const struct debug_list_options *options, FILE *out,
               struct rr_error *error);

#endif
