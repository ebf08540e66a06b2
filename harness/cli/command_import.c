/* rrtest import KIND ... */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "harness/cli/command.h"
#include "harness/cli/manual.h"
#include "harness/import/import.h"
#include "harness/suite/suite.h"
#include "harness/value/value.h"
#include "recorder/base/file.h"
#include "recorder/base/words.h"
#include "reports/report.h"

#define DEFAULT_TIMEOUT_NS 120000000000ull

struct import_target {
    const char *output;
    const char *config;
    const char *filter;
    uint64_t runs;
    uint64_t timeout_ns;
    bool force;
    bool quiet;
};

static int parse_runs(void *target, const char *value, struct rr_error *error)
{
    struct import_target *t = target;

    if (value_parse_u64(value, &t->runs) || t->runs == 0 || t->runs > SUITE_RUNS_MAX)
        return rr_error_set(error, -EINVAL, "expected a number from 1 to %llu, got '%s'",
                            SUITE_RUNS_MAX, value);
    return 0;
}

#define AT(field) offsetof(struct import_target, field)
static const struct option_row rows[] = {
    {"output", 'o', OPTION_TEXT, "FILE", AT(output), OPTION_NO_GIVEN, NULL,
     "write the suite there, with paths relative to it (default: stdout)"},
    {"runs", 'n', OPTION_CALL, "N", 0, OPTION_NO_GIVEN, parse_runs,
     "runs per test, as the suite's default"},
    {"filter", 'f', OPTION_TEXT, "GLOB", AT(filter), OPTION_NO_GIVEN, NULL,
     "only tests whose name matches"},
    {"config", 'C', OPTION_TEXT, "NAME", AT(config), OPTION_NO_GIVEN, NULL,
     "ctest: the configuration, as ctest -C"},
    {"timeout", 't', OPTION_DURATION, "T", AT(timeout_ns), OPTION_NO_GIVEN, NULL,
     "how long the program that is asked may take (default: 2m)"},
    {"force", 0, OPTION_FLAG, NULL, AT(force), OPTION_NO_GIVEN, NULL,
     "replace FILE even if it was not written by import"},
    {"quiet", 'q', OPTION_FLAG, NULL, AT(quiet), OPTION_NO_GIVEN, NULL, "say nothing but errors"},
    {NULL, 0, OPTION_FLAG, NULL, 0, 0, NULL, NULL},
};

static const struct source {
    const char *name;
    const char *argument;
    bool takes_command; /* what follows are words of a program, not options */
    int (*read)(char *const *arguments, const struct import_options *options,
                struct import_suite *suite, struct rr_error *error);
} sources[] = {
    {"ctest", "a build folder", false, import_ctest},
    {"gtest", "a GoogleTest program", false, import_gtest},
    {"cmocka", "a cmocka program", false, import_cmocka},
    {"tap", "a command that prints TAP", true, import_tap},
};
#define SOURCE_COUNT (sizeof(sources) / sizeof(*sources))

static const char *source_name(const void *context, size_t index)
{
    (void)context;
    return index < SOURCE_COUNT ? sources[index].name : NULL;
}

static const struct source *find_source(const char *name)
{
    for (size_t i = 0; i < SOURCE_COUNT; i++)
        if (strcmp(sources[i].name, name) == 0)
            return &sources[i];
    return NULL;
}

/* The folder of the file that will be written, without links. */
static int find_base(const char *output, char *base, struct rr_error *error)
{
    const char *slash = strrchr(output, '/');
    char folder[PATH_MAX];

    snprintf(folder, sizeof(folder), "%.*s", slash ? (int)(slash - output + 1) : 1,
             slash ? output : ".");
    if (!realpath(folder, base))
        return rr_error_set(error, -errno, "--output: %s: %s", folder, strerror(errno));
    return 0;
}

/* Somebody's own suite is not overwritten. */
static int check_output(const struct import_target *t, struct rr_error *error)
{
    char head[sizeof(IMPORT_HEAD)] = "";
    struct stat status;
    cleanup_fd int fd = open(t->output, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

    if (t->force || fd < 0 || fstat(fd, &status) < 0 || !S_ISREG(status.st_mode) ||
        status.st_size == 0)
        return 0;
    if (read(fd, head, sizeof(head) - 1) == sizeof(head) - 1 && strcmp(head, IMPORT_HEAD) == 0)
        return 0;
    return rr_error_set(error, -EEXIST,
                        "%s is there and was not written by rrtest import; --force replaces it",
                        t->output);
}

static int import(const struct import_target *t, const struct source *source, char *const *words,
                  struct rr_error *error)
{
    const char *output = t->output && strcmp(t->output, "-") != 0 ? t->output : NULL;
    char base[PATH_MAX];
    struct import_options options = {.config = t->config, .timeout_ns = t->timeout_ns};
    struct import_suite suite = {.kind = source->name, .runs = t->runs};
    struct bytes text;
    int code = 0;

    bytes_init(&text);
    if (output) {
        code = find_base(output, base, error);
        options.base = base;
        if (code == 0)
            code = check_output(t, error);
    }
    if (code == 0)
        code = source->read(words, &options, &suite, error);
    if (code == 0)
        code = import_finish(&suite, t->filter, error);
    if (code == 0)
        code = import_write(&suite, &options, &text, error);
    if (code == 0 && output)
        code = report_write_file(output, &text, error);
    else if (code == 0)
        fwrite(text.data, 1, text.length, stdout);
    for (size_t i = 0; code == 0 && !t->quiet && i < suite.notes.count; i++)
        command_fail(0, "note: %s", suite.notes.words[i]);
    if (code == 0 && !t->quiet && output)
        command_fail(0, "%zu test%s in %s", suite.count, suite.count == 1 ? "" : "s", output);
    bytes_done(&text);
    import_suite_done(&suite);
    return code;
}

static int run(const char *program, void *target, const struct option_result *operands)
{
    struct import_target *t = target;
    const struct source *source;
    struct option_result words = {.operands = NULL};
    struct rr_error error = {0};
    int status = 0;

    (void)program;
    if (operands->count == 0)
        return command_fail(COMMAND_EXIT_USAGE,
                            "import: expected ctest, gtest, cmocka or tap, and what to import");
    source = find_source(operands->operands[0]);
    if (!source) {
        const char *nearest = words_nearest(operands->operands[0], source_name, NULL);

        return command_fail(COMMAND_EXIT_USAGE,
                            "import: expected ctest, gtest, cmocka or tap, got '%s'%s%s%s",
                            operands->operands[0], nearest ? "; did you mean '" : "",
                            nearest ? nearest : "", nearest ? "'?" : "");
    }
    /* Options may stand behind the kind as well. */
    if (options_parse(rows, source->takes_command, operands->count - 1, operands->operands + 1, t,
                      &words, &error))
        status = command_fail(COMMAND_EXIT_USAGE, "import %s: %s", source->name, error.message);
    else if (words.help)
        status =
            command_fail(COMMAND_EXIT_USAGE, "import: --help goes in front of %s", source->name);
    else if (words.count == 0)
        status = command_fail(COMMAND_EXIT_USAGE, "import %s: expected %s", source->name,
                              source->argument);
    else if (import(t, source, words.operands, &error))
        status = command_fail(COMMAND_EXIT_USAGE, "import %s: %s", source->name, error.message);
    free(words.operands);
    return status;
}

static void init(void *target)
{
    struct import_target *t = target;

    t->timeout_ns = DEFAULT_TIMEOUT_NS;
}

const struct command command_import = {
    .name = "import",
    .arguments = "KIND WHAT...",
    .summary = "make a suite of the tests that ctest, gtest, cmocka or TAP know",
    .options = rows,
    .stop_at_operand = true,
    .error_status = COMMAND_EXIT_USAGE,
    .target_size = sizeof(struct import_target),
    .init = init,
    .run = run,
};
