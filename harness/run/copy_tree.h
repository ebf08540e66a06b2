/* Folders as a whole: copy into one, empty one. */
#ifndef HARNESS_RUN_COPY_TREE_H
#define HARNESS_RUN_COPY_TREE_H

#include "recorder/base/error.h"

/* Copy the file or folder `source` (a link is followed) to `target`, which must not exist unless
 * both are folders: then what is in one comes into the other. Folders above `target` are made.
 * Modes and times of change are kept, owners are not; links in folders stay links; other kinds of
 * files are errors. `except`: a folder that is passed over when it is met, since it holds `target`.
 */
int copy_tree(const char *source, const char *target, const char *except, struct rr_error *error);

/* Remove everything in the folder; 0 or negative errno of the first thing that stayed. */
int empty_tree(const char *path);

#endif
