/* rrtest record PROGRAM ARGS... */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "harness/cli/command.h"
#include "harness/cli/trace_home.h"
#include "harness/run/sink.h"
#include "harness/value/value.h"
#include "recorder/base/file.h"
#include "recorder/record/record.h"
#include "recorder/stacks/stacks.h"

#define INJECTIONS_MAX 64
#define PROCESSES_MAX 1000000

extern char **environ;

struct record_target {
    const char *output;
    uint64_t seed;
    enum sched_strategy strategy;
    enum record_patching patching;
    struct record_injection injections[INJECTIONS_MAX];
    size_t injection_count;
    bool real_clock;
    uint64_t timeout_ns;
    uint64_t virtual_timeout_ns;
    uint64_t memory_limit;
    uint64_t process_limit;
    const char *stdin_file;
    bool quiet;
};

static int parse_strategy(void *target, const char *value, struct rr_error *error)
{
    struct record_target *t = target;
    int strategy = sched_strategy_by_name(value);

    if (strategy < 0)
        return rr_error_set(error, -EINVAL, "expected round-robin or random, got '%s'", value);
    t->strategy = (enum sched_strategy)strategy;
    return 0;
}

static int parse_patching(void *target, const char *value, struct rr_error *error)
{
    struct record_target *t = target;
    int patching = command_parse_patching(value, error);

    if (patching >= 0)
        t->patching = (enum record_patching)patching;
    return patching < 0 ? patching : 0;
}

static int parse_injection(void *target, const char *value, struct rr_error *error)
{
    struct record_target *t = target;

    if (t->injection_count == INJECTIONS_MAX)
        return rr_error_set(error, -E2BIG, "at most %d injections", INJECTIONS_MAX);
    return value_parse_injection(value, &t->injections[t->injection_count++], error);
}

static int parse_clock(void *target, const char *value, struct rr_error *error)
{
    struct record_target *t = target;

    t->real_clock = strcmp(value, "real") == 0;
    if (!t->real_clock && strcmp(value, "virtual") != 0)
        return rr_error_set(error, -EINVAL, "expected virtual or real, got '%s'", value);
    return 0;
}

static int parse_memory(void *target, const char *value, struct rr_error *error)
{
    struct record_target *t = target;

    return value_parse_size(value, &t->memory_limit)
               ? rr_error_set(error, -EINVAL,
                              "expected a size such as 512M or 2GiB, or none, got '%s'", value)
               : 0;
}

static int parse_processes(void *target, const char *value, struct rr_error *error)
{
    struct record_target *t = target;

    return value_parse_u64(value, &t->process_limit) || t->process_limit == 0 ||
                   t->process_limit > PROCESSES_MAX
               ? rr_error_set(error, -EINVAL, "expected a number from 1 to %d, got '%s'",
                              PROCESSES_MAX, value)
               : 0;
}

#define AT(field) offsetof(struct record_target, field)
static const struct option_row rows[] = {
    {"output", 'o', OPTION_TEXT, "TRACE", AT(output), OPTION_NO_GIVEN, NULL,
     "the trace's folder (default: PROGRAM-N in $XDG_DATA_HOME/rrtest)"},
    {"seed", 's', OPTION_U64, "S", AT(seed), OPTION_NO_GIVEN, NULL, "run seed (default: 0)"},
    {"strategy", 0, OPTION_CALL, "S", 0, OPTION_NO_GIVEN, parse_strategy,
     "round-robin (default) or random"},
    {"patching", 0, OPTION_CALL, "static|lazy|off", 0, OPTION_NO_GIVEN, parse_patching,
     "system calls that need not stop (default: static)"},
    {"inject", 'i', OPTION_CALL, "I", 0, OPTION_NO_GIVEN, parse_injection,
     "SIGNAL[:probability=P][:at=CALL][:limit=N]; may be repeated"},
    {"clock", 0, OPTION_CALL, "virtual|real", 0, OPTION_NO_GIVEN, parse_clock,
     "the program's clock (default: virtual)"},
    {"timeout", 't', OPTION_DURATION, "T", AT(timeout_ns), OPTION_NO_GIVEN, NULL,
     "end the program after this wall time"},
    {"virtual-timeout", 0, OPTION_DURATION, "T", AT(virtual_timeout_ns), OPTION_NO_GIVEN, NULL,
     "end it after this virtual time"},
    {"memory-limit", 0, OPTION_CALL, "SIZE", 0, OPTION_NO_GIVEN, parse_memory,
     "end it when all of it uses more memory than this (default: none)"},
    {"process-limit", 0, OPTION_CALL, "N", 0, OPTION_NO_GIVEN, parse_processes,
     "end it when it wants more than so many processes at a time (default: none)"},
    {"stdin", 0, OPTION_TEXT, "FILE", AT(stdin_file), OPTION_NO_GIVEN, NULL,
     "the program's stdin (default: /dev/null)"},
    {"quiet", 'q', OPTION_FLAG, NULL, AT(quiet), OPTION_NO_GIVEN, NULL, "say nothing but errors"},
    {NULL, 0, OPTION_FLAG, NULL, 0, 0, NULL, NULL},
};

/* Where every task stood. */
static void tell_stacks(const struct stack_list *stacks)
{
    struct bytes text = {0};

    stacks_render(stacks, "  ", &text);
    if (text.length > 0)
        fwrite(text.data, 1, text.length, stderr);
    bytes_done(&text);
}

/* What became of the run, for people; the program's own output has gone through already. */
static void tell(const struct record_target *t, const struct record_result *result,
                 const char *trace)
{
    bool plain = result->verdict == RECORD_VERDICT_EXITED;
    const char *colon = result->stacks.count > 0 ? ":" : "";
    const char *message = result->message ? result->message : "";

    if (!*message && *colon && !plain)
        message = "its tasks then";
    if (!plain || (!t->quiet && *message))
        command_fail(0, "%s%s%s%s", plain ? "note" : record_verdict_name(result->verdict),
                     *message ? ": " : "", message, colon);
    if (!plain || (!t->quiet && *message))
        tell_stacks(&result->stacks);
    for (size_t i = 0; !t->quiet && i < result->note_count; i++)
        command_fail(0, "note: %s", result->notes[i]);
    if (!t->quiet)
        command_fail(0, "trace in %s", trace);
}

/* A stream that goes to /dev/null is still to be in the trace (sink.h says why that needs help). */
static int stream_fd(int fd, struct sink *sink)
{
    struct stat ours, null;

    if (fstat(fd, &ours) < 0 || stat("/dev/null", &null) < 0 || !S_ISCHR(ours.st_mode) ||
        ours.st_rdev != null.st_rdev || sink_open(sink))
        return fd;
    return sink->fd;
}

/* Asked by the recorder now and then. */
static bool interrupted(void *context)
{
    struct sink *sinks = context;

    for (int i = 0; i < 2; i++)
        if (sinks[i].fd >= 0)
            sink_trim(&sinks[i]);
    return command_interrupted(NULL);
}

static int record(const struct record_target *t, char **argv, const char *trace, bool claimed)
{
    char here[PATH_MAX];
    cleanup_fd int input = -1;
    struct sink sinks[2] = {{-1}, {-1}};
    struct record_result result = {0};
    struct rr_error error = {0};
    struct record_options options = {
        .argv = argv,
        .environment = environ,
        .stdin_fd = -1,
        .stdout_fd = stream_fd(STDOUT_FILENO, &sinks[0]),
        .stderr_fd = stream_fd(STDERR_FILENO, &sinks[1]),
        .seed = t->seed,
        .strategy = t->strategy,
        .patching = t->patching,
        .injections = t->injections,
        .injection_count = t->injection_count,
        .real_clock = t->real_clock,
        .timeout_ns = t->timeout_ns,
        .virtual_timeout_ns = t->virtual_timeout_ns,
        .trace_directory = trace,
        .memory_limit = t->memory_limit,
        .process_limit = (uint32_t)t->process_limit,
        .interrupted = interrupted,
        .interrupted_context = sinks,
        .guards_off = record_guards_from_environment(),
    };
    int status;

    if (!getcwd(here, sizeof(here)))
        return command_fail(COMMAND_EXIT_OWN, "the current directory is gone: %s", strerror(errno));
    options.directory = here;
    if (t->stdin_file) {
        input = open(t->stdin_file, O_RDONLY | O_CLOEXEC);
        if (input < 0)
            return command_fail(COMMAND_EXIT_OWN, "--stdin: cannot open %s: %s", t->stdin_file,
                                strerror(errno));
        options.stdin_fd = input;
    }
    command_catch_signals();
    command_pin();
    status = record_run(&options, &result, &error);
    sink_close(&sinks[0]);
    sink_close(&sinks[1]);
    if (status)
        return command_fail(COMMAND_EXIT_OWN, "%s", error.message);
    if (claimed)
        trace_home_set_latest(trace);
    tell(t, &result, trace);
    if (result.verdict == RECORD_VERDICT_INTERRUPTED)
        status = 128 + command_interrupting_signal();
    else
        status = command_exit_status(record_verdict_name(result.verdict), result.status);
    record_result_done(&result);
    return status;
}

static int run(const char *program, void *target, const struct option_result *operands)
{
    struct record_target *t = target;
    struct rr_error error;
    char *path = NULL;
    char *trace = NULL;
    int status;

    (void)program;
    if (operands->count == 0)
        return command_fail(COMMAND_EXIT_OWN, "record: expected a program to record");
    if (record_find_program(operands->operands[0], NULL, getenv("PATH"), &path, &error))
        return command_fail(COMMAND_EXIT_OWN, "%s", error.message);
    if (!t->output && trace_home_claim(path, &trace, &error)) {
        free(path);
        return command_fail(COMMAND_EXIT_OWN, "%s", error.message);
    }
    operands->operands[0] = path;
    status = record(t, operands->operands, trace ? trace : t->output, trace != NULL);
    if (trace)
        rmdir(trace); /* succeeds only if nothing was recorded into it */
    free(trace);
    free(path);
    return status;
}

const struct command command_record = {
    .name = "record",
    .arguments = "[--] PROGRAM ARGS...",
    .summary = "record one run of a program; exits as the program does",
    .options = rows,
    .stop_at_operand = true,
    .error_status = COMMAND_EXIT_OWN,
    .target_size = sizeof(struct record_target),
    .run = run,
};
