/* The shards of one session joined into one model, as if it had run in one place. */
#ifndef REPORTS_MERGE_H
#define REPORTS_MERGE_H

#include <stdbool.h>
#include <stddef.h>

#include "include/rrtest/report.h"
#include "recorder/base/error.h"

/* Join `count` sessions; names[i] is what errors call parts[i].
 *
 * The parts must be shards of the same session: same suite, seed, version of rrtest, number of
 * shards, and no shard twice; else -EINVAL with what differs, and the parts are as they were.
 * Shards that are missing make the result unfinished and are named.
 *
 * A test that several shards ran parts of the runs of is joined: counts are added (different
 * schedules are, and are estimates then, since the same one may occur in two shards; of the numbers
 * of outputs the largest is taken), groups with the same signature become one: the lowest first run
 * is described, the smallest trace is kept. Without keep_going a test ends at its first failing
 * run: only the group of the lowest one counts, and the runs up to it.
 *
 * On success *ret owns all that the parts did, and they are empty: end all of them. */
int report_merge(struct report_session *parts, const char *const *names, size_t count,
                 struct report_session *ret, struct rr_error *error);

/* Was it ended before its time: interrupted, or unable to go on? */
bool report_is_cut_short(const struct report_session *session);

/* How many shards of the session are not in these parts (which are as report_merge() wants them).
 */
size_t report_missing_shards(const struct report_session *parts, size_t count);

#endif
