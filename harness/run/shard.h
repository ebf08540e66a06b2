/* Which part of a session this machine does: --shard I/N, or what a CI engine says in the
 * environment. */
#ifndef HARNESS_RUN_SHARD_H
#define HARNESS_RUN_SHARD_H

#include <stdbool.h>
#include <stdint.h>

#include "recorder/base/error.h"

enum shard_by {
    SHARD_BY_TESTS, /* test i of those selected belongs to shard i modulo N */
    SHARD_BY_RUNS,  /* run r of test i belongs to shard r + i modulo N */
};

struct shard {
    uint32_t index; /* from 1 */
    uint32_t count; /* 0 or 1: not sharded */
    enum shard_by by;
};

#define SHARD_COUNT_MAX 100000

/* "2/4" or "auto"; auto with no engine's variables set is the whole. `get` is getenv or, in tests,
 * a stand-in. -EINVAL with what was expected, naming the variable. Engines, first match wins:
 * Bazel (TEST_SHARD_INDEX, TEST_TOTAL_SHARDS; bazel.build "Test encyclopedia"), GitLab
 * (CI_NODE_INDEX, CI_NODE_TOTAL; "parallel" in its CI reference), Slurm (SLURM_ARRAY_TASK_ID with
 * _MIN and _COUNT; sbatch(1)), Kubernetes indexed jobs (JOB_COMPLETION_INDEX, and the job's
 * completions in RRTEST_SHARD_TOTAL, which the manifest sets), CircleCI (CIRCLE_NODE_INDEX,
 * CIRCLE_NODE_TOTAL), Buildkite (BUILDKITE_PARALLEL_JOB, _COUNT), and RRTEST_SHARD_INDEX (from 1)
 * with RRTEST_SHARD_TOTAL for a GitHub matrix and everything else. */
int shard_parse(const char *text, char *(*get)(const char *name), struct shard *ret,
                struct rr_error *error);

/* Tell the engine that we know of shards: Bazel wants TEST_SHARD_STATUS_FILE touched. */
void shard_acknowledge(void);

/* Is test `position` (from 0, of the selected ones) ours at all? */
bool shard_has_test(const struct shard *shard, uint64_t position);
/* How many of runs 1..planned of that test are ours, and the number of the k-th (from 1). */
uint64_t shard_runs(const struct shard *shard, uint64_t position, uint64_t planned);
uint64_t shard_run(const struct shard *shard, uint64_t position, uint64_t ordinal);

#endif
