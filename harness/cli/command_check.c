/* rrtest check SUITE...: is everything in order, without running anything? */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/cli/command.h"
#include "harness/suite/suite.h"
#include "reports/text.h"

struct check_options {
    bool schema;
};

static const struct option_row rows[] = {
    {"schema", 0, OPTION_FLAG, NULL, offsetof(struct check_options, schema), OPTION_NO_GIVEN, NULL,
     "print the JSON Schema of suites, for editors"},
    {NULL, 0, OPTION_FLAG, NULL, 0, 0, NULL, NULL},
};

static uint64_t runs_of(const struct suite_test *test)
{
    if (test->skipped)
        return 0;
    return test->seeds ? test->seed_count : test->runs;
}

/* All problems go to stderr; 0: there are none. */
static int check(const char *path)
{
    struct bytes problems;
    struct suite *suite;
    uint64_t runs = 0;
    int status = 0;
    char *text;

    bytes_init(&problems);
    suite_load_all(path, &problems, &suite);
    for (size_t i = 0; suite && i < suite->count; i++) {
        struct rr_error error;

        if (suite_resolve(&suite->tests[i], &error)) {
            bytes_append(&problems, error.message, strlen(error.message));
            bytes_append(&problems, "\n", 1);
        }
        runs += runs_of(&suite->tests[i]);
    }
    if (problems.length > 0) {
        text = text_clean(problems.data, problems.length);
        fputs(text, stderr);
        free(text);
        status = COMMAND_EXIT_USAGE;
    } else {
        printf("%s: %zu test%s, %" PRIu64 " run%s\n", path, suite->count,
               suite->count == 1 ? "" : "s", runs, runs == 1 ? "" : "s");
    }
    bytes_done(&problems);
    suite_free(suite);
    return status;
}

static int run(const char *program, void *target, const struct option_result *operands)
{
    const struct check_options *options = target;
    struct bytes schema;
    int status = 0;

    (void)program;
    if (options->schema) {
        if (operands->count > 0)
            return command_fail(COMMAND_EXIT_USAGE, "check: expected --schema or suites, got both");
        bytes_init(&schema);
        suite_schema(&schema);
        fwrite(schema.data, 1, schema.length, stdout);
        bytes_done(&schema);
        return 0;
    }
    if (operands->count == 0)
        return command_fail(COMMAND_EXIT_USAGE, "check: expected at least one suite file");
    for (int i = 0; i < operands->count; i++) {
        if (check(operands->operands[i]))
            status = COMMAND_EXIT_USAGE;
    }
    return status;
}

const struct command command_check = {
    .name = "check",
    .arguments = "SUITE.yaml...",
    .summary = "say what is wrong with suites, without running them",
    .options = rows,
    .error_status = COMMAND_EXIT_USAGE,
    .target_size = sizeof(struct check_options),
    .run = run,
};
