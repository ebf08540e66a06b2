/* Shell commands, quoted. */
#include "harness/run/remedy.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/run/identity.h"
#include "harness/run/keep.h"
#include "harness/value/value.h"
#include "recorder/base/text.h"

static void begin(struct bytes *out, const struct run_options *options, const char *command)
{
    bytes_init(out);
    value_shell_quote(out, options->program);
    text_append(out, command);
}

/* The suite, or the hunt's own options and command, which end the line. */
static void put_suite(struct bytes *out, const struct run_options *options)
{
    if (options->hunted)
        return;
    text_append(out, " ");
    value_shell_quote(out, options->suite_path);
}

static void put_hunted(struct bytes *out, const struct run_options *options)
{
    if (options->hunted) {
        text_append(out, " ");
        text_append(out, options->hunted);
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
    return text_take(&out);
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
        text_append(&out, " --filter ");
        value_shell_quote(&out, (const char *)pattern.data);
        bytes_done(&pattern);
    }
    if (job->run == 0) { /* set-up or teardown: no run's seed matters */
        text_append(&out, " --runs 1");
        put_hunted(&out, options);
        return text_take(&out);
    }
    snprintf(seed, sizeof(seed), " --run-seed %" PRIu64, job->seed);
    text_append(&out, seed);
    if (strategy != (int)job->strategy) {
        text_append(&out, " --strategy ");
        text_append(&out, sched_strategy_name(job->strategy));
    }
    if (job->patching != test->patching) {
        text_append(&out, " --patching ");
        text_append(&out, record_patching_name(job->patching));
    }
    put_hunted(&out, options);
    return text_take(&out);
}

char *remedy_session(const struct run_options *options, bool resume)
{
    struct bytes out;
    char seed[64];

    begin(&out, options, " run");
    put_suite(&out, options);
    if (!options->has_run_seed) {
        snprintf(seed, sizeof(seed), " --seed %" PRIu64, options->seed);
        text_append(&out, seed);
    }
    identity_options(options, &out);
    if (resume) {
        if (strcmp(options->out, RUN_OUT_DEFAULT) != 0) {
            text_append(&out, " --out ");
            value_shell_quote(&out, options->out);
        }
        text_append(&out, " --resume");
    }
    put_hunted(&out, options);
    return text_take(&out);
}
