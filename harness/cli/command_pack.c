/* rrtest pack, unpack: traces as one file. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/cli/command.h"
#include "harness/cli/trace_home.h"
#include "harness/pack/pack.h"

struct pack_target {
    const char *output;
    bool force; /* pack only */
    bool quiet;
};

static const struct option_row pack_rows[] = {
    {"output", 'o', OPTION_TEXT, "FILE", offsetof(struct pack_target, output), OPTION_NO_GIVEN,
     NULL, "the file to write (default: the trace's name with .rrt, here)"},
    {"force", 'f', OPTION_FLAG, NULL, offsetof(struct pack_target, force), OPTION_NO_GIVEN, NULL,
     "replace the file if it is there"},
    {"quiet", 'q', OPTION_FLAG, NULL, offsetof(struct pack_target, quiet), OPTION_NO_GIVEN, NULL,
     "say nothing but errors"},
    {NULL, 0, OPTION_FLAG, NULL, 0, 0, NULL, NULL},
};
static const struct option_row unpack_rows[] = {
    {"output", 'o', OPTION_TEXT, "DIR", offsetof(struct pack_target, output), OPTION_NO_GIVEN, NULL,
     "the trace directory to make (default: the file's name without .rrt, here)"},
    {"quiet", 'q', OPTION_FLAG, NULL, offsetof(struct pack_target, quiet), OPTION_NO_GIVEN, NULL,
     "say nothing but errors"},
    {NULL, 0, OPTION_FLAG, NULL, 0, 0, NULL, NULL},
};

/* The last part of a path; malloced; NULL: it has none. */
static char *base_name(const char *path)
{
    size_t end = strlen(path), start;

    while (end > 0 && path[end - 1] == '/')
        end--;
    for (start = end; start > 0 && path[start - 1] != '/'; start--)
        ;
    return end == start ? NULL : strndup(path + start, end - start);
}

/* `latest` is a link: the name is that of the trace. Malloced; NULL: none can be made. */
static char *packed_name(const char *trace)
{
    char *real = realpath(trace, NULL);
    char *base = base_name(real ? real : trace);
    char *name = NULL;

    if (base && asprintf(&name, "%s" PACK_EXTENSION, base) < 0)
        name = NULL;
    free(base);
    free(real);
    return name;
}

static char *unpacked_name(const char *file)
{
    char *base = base_name(file);
    size_t length = base ? strlen(base) : 0, extension = strlen(PACK_EXTENSION);

    if (length <= extension || strcmp(base + length - extension, PACK_EXTENSION) != 0) {
        free(base);
        return NULL;
    }
    base[length - extension] = '\0';
    return base;
}

static int pack(const struct pack_target *t, const char *trace, const char *output)
{
    struct pack_options options = {
        .trace = trace,
        .output = output,
        .replace = t->force,
        .interrupted = command_interrupted,
    };
    struct pack_summary summary;
    struct rr_error error = {0};

    command_catch_signals();
    if (pack_create(&options, &summary, &error))
        return command_fail(error.code == -EINTR ? 128 + command_interrupting_signal()
                                                 : COMMAND_EXIT_USAGE,
                            "%s", error.message);
    if (!t->quiet)
        command_fail(0, "%s: %" PRIu64 " files, %" PRIu64 " KiB packed into %" PRIu64 " KiB",
                     output, summary.files, summary.bytes / 1024, (summary.packed + 1023) / 1024);
    return 0;
}

static int run_pack(const char *program, void *target, const struct option_result *operands)
{
    const struct pack_target *t = target;
    char *latest = NULL, *name = NULL;
    const char *trace, *output = t->output;
    struct rr_error error;
    int status;

    (void)program;
    if (operands->count > 1)
        return command_fail(COMMAND_EXIT_USAGE, "pack: expected one trace, got %d",
                            operands->count);
    if (output && strcmp(output, "-") == 0)
        return command_fail(COMMAND_EXIT_USAGE, "pack: -o: expected a file, got '-': stdout is "
                                                "not written to");
    if (operands->count == 0) {
        latest = trace_home_latest(&error);
        if (!latest)
            return command_fail(COMMAND_EXIT_USAGE, "pack: %s", error.message);
    }
    trace = latest ? latest : operands->operands[0];
    if (!output)
        output = name = packed_name(trace);
    status = output ? pack(t, trace, output)
                    : command_fail(COMMAND_EXIT_USAGE, "pack: name the file to write with -o");
    free(name);
    free(latest);
    return status;
}

static int run_unpack(const char *program, void *target, const struct option_result *operands)
{
    const struct pack_target *t = target;
    const char *output = t->output;
    struct rr_error error = {0};
    char *name = NULL;
    int status = 0;

    (void)program;
    if (operands->count != 1)
        return command_fail(COMMAND_EXIT_USAGE, "unpack: expected one file, got %d",
                            operands->count);
    if (!output)
        output = name = unpacked_name(operands->operands[0]);
    if (!output)
        status = command_fail(COMMAND_EXIT_USAGE,
                              "unpack: name the directory to make with -o: '%s' does not end "
                              "with " PACK_EXTENSION,
                              operands->operands[0]);
    else if (pack_unpack(operands->operands[0], output, &error))
        status = command_fail(COMMAND_EXIT_USAGE, "%s", error.message);
    else if (!t->quiet)
        command_fail(0, "the trace is in %s", output);
    free(name);
    return status;
}

const struct command command_pack = {
    .name = "pack",
    .arguments = "[TRACE] [-o FILE.rrt]",
    .summary = "put a trace into one file that replays elsewhere",
    .options = pack_rows,
    .error_status = COMMAND_EXIT_USAGE,
    .target_size = sizeof(struct pack_target),
    .run = run_pack,
};
const struct command command_unpack = {
    .name = "unpack",
    .arguments = "FILE.rrt [-o DIR]",
    .summary = "make a packed trace a directory again",
    .options = unpack_rows,
    .error_status = COMMAND_EXIT_USAGE,
    .target_size = sizeof(struct pack_target),
    .run = run_unpack,
};
