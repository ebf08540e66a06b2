/* A table of engines; the arithmetic of shards. */
#include "harness/run/shard.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "harness/value/value.h"

struct engine {
    const char *name;
    const char *index;
    const char *total;
    const char *first; /* variable that holds the lowest index; NULL: `base` is it */
    uint64_t base;
};

/* First match wins, so the most specific ones stand first. */
static const struct engine engines[] = {
    {"rrtest", "RRTEST_SHARD_INDEX", "RRTEST_SHARD_TOTAL", NULL, 1},
    {"Bazel", "TEST_SHARD_INDEX", "TEST_TOTAL_SHARDS", NULL, 0},
    {"GitLab", "CI_NODE_INDEX", "CI_NODE_TOTAL", NULL, 1},
    {"Slurm", "SLURM_ARRAY_TASK_ID", "SLURM_ARRAY_TASK_COUNT", "SLURM_ARRAY_TASK_MIN", 0},
    {"Kubernetes", "JOB_COMPLETION_INDEX", "RRTEST_SHARD_TOTAL", NULL, 0},
    {"CircleCI", "CIRCLE_NODE_INDEX", "CIRCLE_NODE_TOTAL", NULL, 0},
    {"Buildkite", "BUILDKITE_PARALLEL_JOB", "BUILDKITE_PARALLEL_JOB_COUNT", NULL, 0},
};

static int make(uint64_t index, uint64_t count, struct shard *ret, const char *what,
                struct rr_error *error)
{
    if (count < 1 || count > SHARD_COUNT_MAX || index < 1 || index > count)
        return rr_error_set(
            error, -EINVAL, "expected I/N with 1 <= I <= N <= %d, got %llu/%llu from %s",
            SHARD_COUNT_MAX, (unsigned long long)index, (unsigned long long)count, what);
    ret->index = (uint32_t)index;
    ret->count = (uint32_t)count;
    return 0;
}

static int number(const char *name, const char *text, uint64_t *ret, struct rr_error *error)
{
    if (!text || value_parse_u64(text, ret))
        return rr_error_set(error, -EINVAL, "expected a number in $%s, got '%s'", name,
                            text ? text : "(unset)");
    return 0;
}

static int from_engine(const struct engine *e, char *(*get)(const char *name), struct shard *ret,
                       struct rr_error *error)
{
    uint64_t index, total, first = e->base;
    int code = number(e->index, get(e->index), &index, error);

    if (code == 0)
        code = number(e->total, get(e->total), &total, error);
    if (code == 0 && e->first)
        code = number(e->first, get(e->first), &first, error);
    if (code)
        return code;
    if (index < first)
        return rr_error_set(error, -EINVAL, "$%s is %llu, below the first index %llu of %s",
                            e->index, (unsigned long long)index, (unsigned long long)first,
                            e->name);
    return make(index - first + 1, total, ret, e->index, error);
}

static int parse_pair(const char *text, struct shard *ret, struct rr_error *error)
{
    const char *slash = strchr(text, '/');
    uint64_t index, count;
    char left[32];

    if (slash && (size_t)(slash - text) < sizeof(left)) {
        memcpy(left, text, (size_t)(slash - text));
        left[slash - text] = '\0';
        if (value_parse_u64(left, &index) == 0 && value_parse_u64(slash + 1, &count) == 0)
            return make(index, count, ret, "--shard", error);
    }
    return rr_error_set(error, -EINVAL, "expected I/N such as 2/4, or auto, got '%s'", text);
}

int shard_parse(const char *text, char *(*get)(const char *name), struct shard *ret,
                struct rr_error *error)
{
    if (strcmp(text, "auto") != 0)
        return parse_pair(text, ret, error);
    for (size_t i = 0; i < sizeof(engines) / sizeof(*engines); i++) {
        if (get(engines[i].index))
            return from_engine(&engines[i], get, ret, error);
    }
    ret->index = 1;
    ret->count = 1;
    return 0;
}

void shard_acknowledge(void)
{
    const char *path = getenv("TEST_SHARD_STATUS_FILE");
    int fd = path ? open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0666) : -1;

    if (fd >= 0)
        close(fd);
}

bool shard_has_test(const struct shard *shard, uint64_t position)
{
    return shard->count <= 1 || shard->by == SHARD_BY_RUNS ||
           position % shard->count == shard->index - 1;
}

/* The first run of the test that is ours; then every count-th. */
static uint64_t first_run(const struct shard *shard, uint64_t position)
{
    uint64_t rest = (position + 1) % shard->count; /* where run 1 belongs */

    return 1 + (shard->index - 1 + shard->count - rest) % shard->count;
}

uint64_t shard_runs(const struct shard *shard, uint64_t position, uint64_t planned)
{
    uint64_t first;

    if (shard->count <= 1 || shard->by != SHARD_BY_RUNS)
        return planned;
    first = first_run(shard, position);
    return planned < first ? 0 : (planned - first) / shard->count + 1;
}

uint64_t shard_run(const struct shard *shard, uint64_t position, uint64_t ordinal)
{
    if (shard->count <= 1 || shard->by != SHARD_BY_RUNS)
        return ordinal;
    return first_run(shard, position) + (ordinal - 1) * shard->count;
}
