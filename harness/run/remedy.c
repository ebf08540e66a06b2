/* Shell commands, quoted. */
#include "harness/run/remedy.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/run/identity.h"
#include "harness/run/keep.h"
#include "harness/value/value.h"

static void put(struct bytes *out, const char *text)
{
    bytes_append(out, text, strlen(text));
}

static char *take(struct bytes *out)
{
    bytes_append(out, "", 1);
    return (char *)out->data;
}

static void begin(struct bytes *out, const struct run_options *options, const char *command)
{
    bytes_init(out);
    value_shell_quote(out, options->program);
    put(out, command);
}

/* The suite, or the hunt's own options and command, which end the line. */
static void put_suite(struct bytes *out, const struct run_options *options)
{
    if (options->hunted)
        return;
    put(out, " ");
    value_shell_quote(out, options->suite_path);
}

static void put_hunted(struct bytes *out, const struct run_options *options)
{
    if (options->hunted) {
        put(out, " ");
        put(out, options->hunted);
    }
}

char *remedy_replay(const struct run_options *options, const struct suite_test *test,
                    const struct job *job)
{
    char *path = keep_path(options, test, job);
    struct bytes out;

    begin(&out, options, " replay ");
    value_shell_quote(&out, path);
    free(path);
    return take(&out);
}

/* Every run with a run seed is a random one unless the suite says otherwise, so the strategy is
 * named only where it differs from that. */
char *remedy_rerun(const struct run_options *options, const struct suite_test *test,
                   const struct job *job)
{
    int strategy = test->strategy == SUITE_STRATEGY_AUTO ? (int)SCHED_RANDOM : test->strategy;
    struct bytes out, pattern;
    char seed[64];

    begin(&out, options, " run");
    put_suite(&out, options);
    if (!options->hunted) {
        bytes_init(&pattern);
        value_glob_quote(&pattern, test->name);
        bytes_append(&pattern, "", 1);
        put(&out, " --filter ");
        value_shell_quote(&out, (const char *)pattern.data);
        bytes_done(&pattern);
    }
    if (job->run == 0) { /* set-up or teardown: no run's seed matters */
        put(&out, " --runs 1");
        put_hunted(&out, options);
        return take(&out);
    }
    snprintf(seed, sizeof(seed), " --run-seed %" PRIu64, job->seed);
    put(&out, seed);
    if (strategy != (int)job->strategy) {
        put(&out, " --strategy ");
        put(&out, sched_strategy_name(job->strategy));
    }
    if (job->patching != test->patching) {
        put(&out, " --patching ");
        put(&out, record_patching_name(job->patching));
    }
    put_hunted(&out, options);
    return take(&out);
}

char *remedy_session(const struct run_options *options, bool resume)
{
    struct bytes out;
    char seed[64];

    begin(&out, options, " run");
    put_suite(&out, options);
    if (!options->has_run_seed) {
        snprintf(seed, sizeof(seed), " --seed %" PRIu64, options->seed);
        put(&out, seed);
    }
    identity_options(options, &out);
    if (resume) {
        if (strcmp(options->out, RUN_OUT_DEFAULT) != 0) {
            put(&out, " --out ");
            value_shell_quote(&out, options->out);
        }
        put(&out, " --resume");
    }
    put_hunted(&out, options);
    return take(&out);
}
