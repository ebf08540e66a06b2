/* rrtest dump, stats, ls: looking at traces. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "harness/cli/command.h"
#include "harness/cli/trace_home.h"
#include "recorder/debug/debug.h"

struct trace_target {
    bool json;
    bool patches; /* dump only */
    bool stacks;  /* dump only */
};

static const struct option_row json_rows[] = {
    {"json", 0, OPTION_FLAG, NULL, offsetof(struct trace_target, json), OPTION_NO_GIVEN, NULL,
     "machine-readable"},
    {NULL, 0, OPTION_FLAG, NULL, 0, 0, NULL, NULL},
};
static const struct option_row dump_rows[] = {
    {"json", 0, OPTION_FLAG, NULL, offsetof(struct trace_target, json), OPTION_NO_GIVEN, NULL,
     "machine-readable"},
    {"patches", 0, OPTION_FLAG, NULL, offsetof(struct trace_target, patches), OPTION_NO_GIVEN, NULL,
     "only what was decided about patching system calls, by place"},
    {"stacks", 0, OPTION_FLAG, NULL, offsetof(struct trace_target, stacks), OPTION_NO_GIVEN, NULL,
     "only where every task stood at the end of a run that failed"},
    {NULL, 0, OPTION_FLAG, NULL, 0, 0, NULL, NULL},
};

static int parse_sort(void *target, const char *value, struct rr_error *error)
{
    struct debug_list_options *options = target;
    int sort = debug_sort_by_name(value);

    if (sort < 0)
        return rr_error_set(error, -EINVAL, "expected path, size or age, got '%s'", value);
    options->sort = (enum debug_sort)sort;
    return 0;
}

static const struct option_row list_rows[] = {
    {"json", 0, OPTION_FLAG, NULL, offsetof(struct debug_list_options, json), OPTION_NO_GIVEN, NULL,
     "machine-readable"},
    {"sort", 0, OPTION_CALL, "ORDER", 0, OPTION_NO_GIVEN, parse_sort,
     "path (default), size (largest first) or age (youngest first)"},
    {"sum", 0, OPTION_FLAG, NULL, offsetof(struct debug_list_options, sum), OPTION_NO_GIVEN, NULL,
     "only how many there are and what they take"},
    {NULL, 0, OPTION_FLAG, NULL, 0, 0, NULL, NULL},
};

static int run_on_trace(const char *name,
                        int (*look)(const char *trace, bool json, FILE *out,
                                    struct rr_error *error),
                        const struct trace_target *t, const struct option_result *operands)
{
    struct rr_error error = {0};
    struct pack_place place;
    int code = trace_home_open(name, operands, &place, &error);

    if (code)
        return command_fail(COMMAND_EXIT_USAGE, "%s", error.message);
    code = look(place.path, t->json, stdout, &error);
    pack_place_done(&place);
    /* A trace that ends early is an answer, not an error: it says so on stderr. */
    if (code)
        return command_fail(code == -ENODATA ? 0 : COMMAND_EXIT_USAGE, "%s", error.message);
    return 0;
}

static int run_dump(const char *program, void *target, const struct option_result *operands)
{
    const struct trace_target *t = target;

    (void)program;
    if (t->patches && t->stacks)
        return command_fail(COMMAND_EXIT_USAGE, "dump: --patches and --stacks exclude each other");
    return run_on_trace("dump",
                        t->patches  ? debug_patches
                        : t->stacks ? debug_stacks
                                    : debug_dump,
                        t, operands);
}

static int run_stats(const char *program, void *target, const struct option_result *operands)
{
    (void)program;
    return run_on_trace("stats", debug_stats, target, operands);
}

static int run_ls(const char *program, void *target, const struct option_result *operands)
{
    struct debug_list_options *options = target;
    struct rr_error error = {0};
    char *home = NULL;
    int code;

    (void)program;
    if (operands->count > 1)
        return command_fail(COMMAND_EXIT_USAGE, "ls: expected one folder, got %d", operands->count);
    if (operands->count == 0) {
        home = trace_home();
        options->missing_is_empty = true; /* nothing was recorded yet */
    }
    code = debug_list(home ? home : operands->operands[0], options, stdout, &error);
    free(home);
    return code ? command_fail(COMMAND_EXIT_USAGE, "%s", error.message) : 0;
}

const struct command command_dump = {
    .name = "dump",
    .arguments = "[TRACE]",
    .summary = "print the events of a trace",
    .options = dump_rows,
    .error_status = COMMAND_EXIT_USAGE,
    .target_size = sizeof(struct trace_target),
    .run = run_dump,
};
const struct command command_stats = {
    .name = "stats",
    .arguments = "[TRACE]",
    .summary = "print counts of a trace",
    .options = json_rows,
    .error_status = COMMAND_EXIT_USAGE,
    .target_size = sizeof(struct trace_target),
    .run = run_stats,
};
const struct command command_ls = {
    .name = "ls",
    .arguments = "[DIR]",
    .summary = "list the traces in a folder, and what they take",
    .options = list_rows,
    .error_status = COMMAND_EXIT_USAGE,
    .target_size = sizeof(struct debug_list_options),
    .run = run_ls,
};
