/* How much of the disk kept traces may take, and which go first when they take more. What a trace
 * tells is its signature: traces of one signature show the same failure, so one of them is enough.
 */
#ifndef HARNESS_RUN_QUOTA_H
#define HARNESS_RUN_QUOTA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "recorder/base/error.h"

#define QUOTA_DEFAULT (2ull << 30)

struct quota_trace {
    const char *path;
    uint64_t bytes;        /* what removing it frees: quota_trace_bytes() */
    const char *signature; /* of the failure; NULL: none, of its own kind */
    bool is_pass;          /* a passing run, kept because it was asked for */
    uint64_t time;         /* when it was kept: any clock, any unit */
};

/* Which of the traces to remove so that the others take at most `quota` bytes: ret_remove[i] says
 * it of traces[i]. Pure. Passing ones go first, the oldest first; then failures of which there are
 * others alike (of the same signature), the largest first; but of each signature the first and
 * the smallest stay. If that is too much still, the smallest alone stays. The last one of a
 * signature is never removed, so what stays may be more than the quota. Returns the bytes that
 * stay. */
uint64_t quota_choose(const struct quota_trace *traces, size_t count, uint64_t quota,
                      bool *ret_remove);

/* Bytes that removing the trace directory frees: contents that it shares with the image cache by
 * hard links are not among them. 0 if there is no such directory. */
uint64_t quota_trace_bytes(const char *path);

/* Apply it: remove what quota_choose() says, in its order. ret_removed[i]: traces[i] is gone.
 * *ret_stay is what quota_choose() returned, and what could not be removed. 0, or the first error,
 * which names the trace; the others are removed all the same. */
int quota_apply(const struct quota_trace *traces, size_t count, uint64_t quota, bool *ret_removed,
                uint64_t *ret_stay, struct rr_error *error);

#endif
