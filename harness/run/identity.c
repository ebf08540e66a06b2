/* Options as text, the suite's digest. */
#include "harness/run/identity.h"

#include <inttypes.h>
#include <string.h>

#include "harness/value/value.h"
#include "recorder/base/text.h"

static void put_text(struct bytes *ret, const char *option, const char *value)
{
    text_format(ret, " %s ", option);
    value_shell_quote(ret, value);
}

void identity_options(const struct run_options *options, struct bytes *ret)
{
    if (options->runs)
        text_format(ret, " --runs %" PRIu64, options->runs);
    if (options->has_run_seed)
        text_format(ret, " --run-seed %" PRIu64, options->run_seed);
    if (options->filter)
        put_text(ret, "--filter", options->filter);
    for (size_t i = 0; i < options->label_count; i++)
        put_text(ret, "--label", options->labels[i]);
    if (options->strategy != SUITE_STRATEGY_UNKNOWN)
        put_text(ret, "--strategy", suite_strategy_name(options->strategy));
    if (options->patching != RUN_PATCHING_OF_SUITE)
        put_text(ret, "--patching", record_patching_name((enum record_patching)options->patching));
    if (options->keep_going)
        text_append(ret, " --keep-going");
    if (options->until_failure)
        text_append(ret, " --until-failure");
    if (options->shard.count > 1)
        text_format(ret, " --shard %u/%u%s", options->shard.index, options->shard.count,
                    options->shard.by == SHARD_BY_RUNS ? " --shard-by runs" : "");
}

static uint64_t hash_text(const char *text, uint64_t seed)
{
    return text ? bytes_hash(text, strlen(text) + 1, seed) : bytes_hash("", 0, seed);
}

static uint64_t hash_texts(char *const *texts, uint64_t seed)
{
    for (; texts && *texts; texts++)
        seed = hash_text(*texts, seed);
    return bytes_hash("", 0, seed);
}

static uint64_t hash_output(const struct suite_output *output, uint64_t seed)
{
    seed = hash_texts(output->contains, seed);
    seed = hash_texts(output->lacks, seed);
    seed = hash_text(output->pattern_not, seed);
    return hash_text(output->pattern, hash_text(output->exact, seed));
}

static uint64_t hash_injections(const struct suite_test *test, uint64_t seed)
{
    for (size_t i = 0; i < test->injection_count; i++) {
        const struct record_injection *one = &test->injections[i];
        const uint64_t numbers[] = {(uint64_t)one->signal, (uint64_t)one->at_call, one->limit};

        seed = bytes_hash(numbers, sizeof(numbers), seed);
        seed = bytes_hash(&one->probability, sizeof(one->probability), seed);
    }
    return seed;
}

static uint64_t hash_preparation(const struct suite_test *test, uint64_t seed)
{
    for (int hook = 0; hook < SUITE_HOOK_COUNT; hook++) {
        for (size_t i = 0; i < test->hook_count[hook]; i++)
            seed = hash_texts(test->hooks[hook][i].arguments, seed);
        seed = bytes_hash("", 0, seed);
    }
    for (size_t i = 0; i < test->copy_count; i++)
        seed = hash_text(test->copies[i].target, hash_text(test->copies[i].path, seed));
    seed = hash_text(test->skip.unless_exists, hash_text(test->skip.reason, seed));
    return hash_text(test->skip.unless_program, seed);
}

static uint64_t hash_test(const struct suite_test *test, uint64_t seed)
{
    const uint64_t numbers[] = {
        test->runs,
        test->has_seed ? test->seed : 0,
        (uint64_t)test->strategy,
        test->patching,
        test->timeout_ns,
        test->virtual_timeout_ns,
        test->real_clock,
        (uint64_t)test->expect.signal,
        test->injection_count,
        test->keep_going,
        test->time_budget_ns,
        test->setup_timeout_ns,
        test->memory_limit,
        test->process_limit,
        test->output_limit,
    };

    seed = hash_text(test->name, seed);
    seed = hash_texts(test->command, seed);
    seed = hash_texts(test->environment, seed);
    seed = hash_text(test->directory, seed);
    seed = hash_text(test->stdin_text, hash_text(test->stdin_file, seed));
    seed = hash_preparation(test, hash_injections(test, seed));
    seed = bytes_hash(numbers, sizeof(numbers), seed);
    seed = bytes_hash(test->expect.exits, sizeof(test->expect.exits), seed);
    for (int i = 0; i < SUITE_STREAM_COUNT; i++)
        seed = hash_output(&test->expect.output[i], seed);
    if (test->seeds)
        seed = bytes_hash(test->seeds, test->seed_count * sizeof(*test->seeds), seed);
    return seed;
}

uint64_t identity_suite(const struct suite *suite)
{
    uint64_t digest = suite->count;

    for (size_t i = 0; i < suite->count; i++)
        digest = hash_test(&suite->tests[i], digest);
    return digest;
}
