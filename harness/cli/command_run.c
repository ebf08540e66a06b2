/* rrtest run SUITE.yaml */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "harness/cli/color.h"
#include "harness/cli/command.h"
#include "harness/cli/run_hunt.h"
#include "harness/cli/run_list.h"
#include "harness/run/quota.h"
#include "harness/run/runner.h"
#include "harness/run/select.h"
#include "harness/value/value.h"
#include "reports/model.h"
#include "reports/report.h"

#define JOBS_MAX 1024

static int parse_runs(void *target, const char *value, struct rr_error *error)
{
    struct run_options *options = target;

    if (value_parse_u64(value, &options->runs) || options->runs == 0 ||
        options->runs > SUITE_RUNS_MAX)
        return rr_error_set(error, -EINVAL, "expected a number from 1 to %llu, got '%s'",
                            SUITE_RUNS_MAX, value);
    return 0;
}

static int parse_jobs(void *target, const char *value, struct rr_error *error)
{
    struct run_options *options = target;

    if (value_parse_u64(value, &options->jobs) || options->jobs == 0 || options->jobs > JOBS_MAX)
        return rr_error_set(error, -EINVAL, "expected a number from 1 to %d, got '%s'", JOBS_MAX,
                            value);
    return 0;
}

static int parse_strategy(void *target, const char *value, struct rr_error *error)
{
    struct run_options *options = target;

    options->strategy = suite_strategy_by_name(value);
    if (options->strategy == SUITE_STRATEGY_UNKNOWN) {
        const char *names[SUITE_STRATEGY_NAMES];

        suite_strategy_names(names);
        return command_expected_of(suite_strategy_list(), value, names, error);
    }
    return 0;
}

static int parse_patching(void *target, const char *value, struct rr_error *error)
{
    struct run_options *options = target;

    options->patching = command_parse_patching(value, error);
    return options->patching < 0 ? options->patching : 0;
}

static int parse_keep(void *target, const char *value, struct rr_error *error)
{
    static const char *const names[] = {
        [RUN_KEEP_FAILURES] = "failures", [RUN_KEEP_ALL] = "all", [RUN_KEEP_NONE] = "none", NULL};
    struct run_options *options = target;

    for (size_t i = 0; names[i]; i++) {
        if (strcmp(value, names[i]) == 0) {
            options->keep = (enum run_keep)i;
            return 0;
        }
    }
    return command_expected_of("failures, all or none", value, names, error);
}

static int parse_label(void *target, const char *value, struct rr_error *error)
{
    struct run_options *options = target;

    if (!*value || strcmp(value, "!") == 0)
        return rr_error_set(error, -EINVAL, "expected a label, or !LABEL to leave it out");
    if (options->label_count == RUN_LABELS_MAX)
        return rr_error_set(error, -EINVAL, "expected at most %d labels", RUN_LABELS_MAX);
    options->labels[options->label_count++] = value;
    return 0;
}

static int parse_color(void *target, const char *value, struct rr_error *error)
{
    struct run_options *options = target;
    int mode = color_mode_by_name(value);

    if (mode < 0)
        return rr_error_set(error, -EINVAL, "expected auto, always or never, got '%s'", value);
    options->color = color_wanted(stdout, (enum color_mode)mode);
    return 0;
}

static int parse_shard(void *target, const char *value, struct rr_error *error)
{
    struct run_options *options = target;

    return shard_parse(value, getenv, &options->shard, error);
}

static int parse_shard_by(void *target, const char *value, struct rr_error *error)
{
    static const char *const names[] = {[SHARD_BY_TESTS] = "tests", [SHARD_BY_RUNS] = "runs", NULL};
    struct run_options *options = target;

    for (size_t i = 0; names[i]; i++) {
        if (strcmp(value, names[i]) == 0) {
            options->shard.by = (enum shard_by)i;
            return 0;
        }
    }
    return command_expected_of("tests or runs", value, names, error);
}

static int parse_quota(void *target, const char *value, struct rr_error *error)
{
    struct run_options *options = target;

    if (value_parse_size(value, &options->trace_quota))
        return rr_error_set(error, -EINVAL, "expected a size such as 500M, 2G or none, got '%s'",
                            value);
    return 0;
}

static int parse_report(void *target, const char *value, struct rr_error *error)
{
    struct run_options *options = target;

    return report_parse(value, &options->reports, error);
}

static int parse_memory(void *target, const char *value, struct rr_error *error)
{
    struct run_options *options = target;

    return value_parse_size(value, &options->memory_limit) || options->memory_limit == 0
               ? rr_error_set(error, -EINVAL, "expected a size such as 512M or 2GiB, got '%s'",
                              value)
               : 0;
}

#define AT(field) offsetof(struct run_options, field)
static const struct option_row rows[] = {
    {"runs", 'n', OPTION_CALL, "N", 0, OPTION_NO_GIVEN, parse_runs,
     "runs per test (default: the suite's, else 200)"},
    {"seed", 's', OPTION_U64, "S", AT(seed), AT(has_seed), NULL,
     "session seed (default: drawn, and printed)"},
    {"run-seed", 0, OPTION_U64, "X", AT(run_seed), AT(has_run_seed), NULL,
     "repeat the run with this seed; with --runs N as often"},
    {"jobs", 'j', OPTION_CALL, "J", 0, OPTION_NO_GIVEN, parse_jobs,
     "workers at a time (default: one per CPU)"},
    {"filter", 'f', OPTION_TEXT, "GLOB", AT(filter), OPTION_NO_GIVEN, NULL,
     "only tests whose name matches"},
    {"label", 'l', OPTION_CALL, "L", 0, OPTION_NO_GIVEN, parse_label,
     "only tests with this label (or another one given); '!L': none with it"},
    {"time-budget", 't', OPTION_DURATION, "T", AT(time_budget_ns), OPTION_NO_GIVEN, NULL,
     "end after this time, with what was found until then"},
    {"memory-limit", 0, OPTION_CALL, "SIZE", 0, OPTION_NO_GIVEN, parse_memory,
     "memory of one run (default: 3/4 of what is available, shared by the workers)"},
    {"until-failure", 0, OPTION_FLAG, NULL, AT(until_failure), OPTION_NO_GIVEN, NULL,
     "go round until a test fails"},
    {"keep-going", 'k', OPTION_FLAG, NULL, AT(keep_going), OPTION_NO_GIVEN, NULL,
     "make all runs of a test, not only up to its first failure"},
    {"shard", 0, OPTION_CALL, "I/N|auto", 0, OPTION_NO_GIVEN, parse_shard,
     "do part I of N; auto: as the CI engine's variables say"},
    {"shard-by", 0, OPTION_CALL, "tests|runs", 0, OPTION_NO_GIVEN, parse_shard_by,
     "what shards divide (default: tests)"},
    {"resume", 0, OPTION_FLAG, NULL, AT(resume), OPTION_NO_GIVEN, NULL,
     "go on with the interrupted session in --out, if there is one"},
    {"strategy", 0, OPTION_CALL, "S", 0, OPTION_NO_GIVEN, parse_strategy,
     "auto, round-robin or random, for all tests"},
    {"patching", 0, OPTION_CALL, "static|lazy|off", 0, OPTION_NO_GIVEN, parse_patching,
     "which system calls need not stop, for all tests"},
    {"out", 'o', OPTION_TEXT, "DIR", AT(out), OPTION_NO_GIVEN, NULL,
     "where traces are kept (default: rrtest-out)"},
    {"keep", 0, OPTION_CALL, "failures|all|none", 0, OPTION_NO_GIVEN, parse_keep,
     "traces of which runs (default: failures)"},
    {"trace-quota", 0, OPTION_CALL, "SIZE", 0, OPTION_NO_GIVEN, parse_quota,
     "disk for kept traces; beyond it passing ones and duplicates go (default: 2G)"},
    {"report", 'r', OPTION_CALL, "KIND=FILE", 0, OPTION_NO_GIVEN, parse_report,
     "also write a report; may be given again: " REPORT_FORMAT_LIST},
    RUN_HUNT_ROWS,
    {"color", 0, OPTION_CALL, "auto|always|never", 0, OPTION_NO_GIVEN, parse_color,
     "colours on stdout (default: auto, if it is a terminal and NO_COLOR is not set)"},
    {"quiet", 'q', OPTION_FLAG, NULL, AT(quiet), OPTION_NO_GIVEN, NULL, "print failing tests only"},
    {"verbose", 'v', OPTION_FLAG, NULL, AT(verbose), OPTION_NO_GIVEN, NULL,
     "print every test, and whole stacks"},
    {"list", 0, OPTION_FLAG, NULL, AT(list), OPTION_NO_GIVEN, NULL,
     "print the chosen tests and their labels; run nothing"},
    {"json", 0, OPTION_FLAG, NULL, AT(json), OPTION_NO_GIVEN, NULL, "with --list: as JSON"},
    {"dry-run", 0, OPTION_FLAG, NULL, AT(dry_run), OPTION_NO_GIVEN, NULL,
     "print what would be run: commands, folders, first seeds; run nothing"},
    {NULL, 0, OPTION_FLAG, NULL, 0, 0, NULL, NULL},
};

static void init(void *target)
{
    struct run_options *options = target;

    options->strategy = SUITE_STRATEGY_UNKNOWN;
    options->patching = RUN_PATCHING_OF_SUITE;
    options->out = RUN_OUT_DEFAULT;
    options->trace_quota = QUOTA_DEFAULT;
    options->color = color_wanted(stdout, COLOR_AUTO);
}

/* Only the tests that will run need their programs: a rerun of one must not fail for another. */
static int resolve(struct suite *suite, const struct run_options *options, struct rr_error *error)
{
    size_t selected = 0;

    for (size_t i = 0; i < suite->count; i++) {
        int code;

        if (!select_test(options, &suite->tests[i]))
            continue;
        selected++;
        code = options->list ? 0 : suite_resolve(&suite->tests[i], error);
        if (code)
            return code;
    }
    if (selected == 0 && options->label_count > 0)
        return rr_error_set(error, -ENOENT,
                            "%s: no test has the labels (and the name) asked for; --list shows "
                            "what there is",
                            suite->path);
    if (selected == 0)
        return rr_error_set(error, -ENOENT,
                            "%s: no test's name matches --filter '%s' (the first "
                            "of %zu is '%s')",
                            suite->path, options->filter, suite->count, suite->tests[0].name);
    return 0;
}

static void complain(void *context, const char *message)
{
    (void)context;
    command_fail(0, "%s", message);
}

/* Said before hours of runs, not behind them. */
static int check_out(const struct run_options *options, struct rr_error *error)
{
    struct stat status;

    if (stat(options->out, &status) == 0 && !S_ISDIR(status.st_mode))
        return rr_error_set(error, -ENOTDIR, "--out: expected a folder, but %s is a file",
                            options->out);
    return 0;
}

/* Who closed the pipe that stdout is wants no message, but sees what every program does then. */
static void die_with_pipe(void)
{
    struct pollfd end = {.fd = STDOUT_FILENO, .events = POLLOUT};

    if (ferror(stdout) && poll(&end, 1, 0) == 1 && (end.revents & POLLERR)) {
        signal(SIGPIPE, SIG_DFL);
        raise(SIGPIPE);
    }
}

/* Run, and write the reports that were asked for; one that cannot be written spoils a good status.
 */
static int run_and_report(const struct suite *suite, const struct run_options *options)
{
    struct report_session session;
    int status, why;

    if (options->shard.count > 1)
        shard_acknowledge();
    status = run_suite(suite, options, &session);
    why = errno; /* if stdout could not be written: main() tells */
    if (report_write_all(&options->reports, &session, complain, NULL) > 0 &&
        status == RUN_EXIT_PASSED)
        status = RUN_EXIT_FAILED;
    report_session_done(&session);
    die_with_pipe();
    errno = why;
    return status;
}

static int run(const char *program, void *target, const struct option_result *operands)
{
    struct run_options *options = target;
    struct suite *suite;
    struct rr_error error;
    int status;

    options->program = program;
    if (options->json && !options->list)
        return command_fail(COMMAND_EXIT_USAGE, "run: --json is for --list");
    if (!options->has_seed) {
        uint32_t drawn = 0;

        if (getrandom(&drawn, sizeof(drawn), 0) != sizeof(drawn))
            return command_fail(COMMAND_EXIT_USAGE, "cannot draw a seed; use --seed");
        options->seed = drawn;
    }
    if (check_out(options, &error))
        return command_fail(COMMAND_EXIT_USAGE, "run: %s", error.message);
    if (run_hunt_begin(options, operands, &suite, &error))
        return command_fail(COMMAND_EXIT_USAGE, "run: %s", error.message);
    if (!suite) {
        options->suite_path = operands->operands[0];
        if (suite_load(options->suite_path, &suite, &error))
            return command_fail(COMMAND_EXIT_USAGE, "%s", error.message);
    }
    if (resolve(suite, options, &error))
        status = command_fail(COMMAND_EXIT_USAGE, "%s", error.message);
    else if (options->list)
        status = run_list(suite, options);
    else
        status = options->dry_run ? run_dry(suite, options) : run_and_report(suite, options);
    suite_free(suite);
    free(options->hunted);
    return status;
}

const struct command command_run = {
    .name = "run",
    .arguments = "SUITE.yaml | -- PROGRAM ARGS...",
    .summary = "run a suite's tests, or a program, many times, each under another schedule",
    .options = rows,
    .error_status = COMMAND_EXIT_USAGE,
    .target_size = sizeof(struct run_options),
    .init = init,
    .run = run,
};
