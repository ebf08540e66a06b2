/* rrtest replay TRACE */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "harness/cli/command.h"
#include "harness/cli/trace_home.h"
#include "recorder/replay/replay.h"
#include "recorder/stacks/stacks.h"
#include "recorder/trace/trace.h"

struct replay_target {
    bool verify;
    bool force;
    bool quiet;
    bool stacks;
    uint64_t at;
};

static const struct option_row rows[] = {
    {"verify", 'v', OPTION_FLAG, NULL, offsetof(struct replay_target, verify), OPTION_NO_GIVEN,
     NULL, "check registers at each event, and checksums of memory"},
    {"force", 'f', OPTION_FLAG, NULL, offsetof(struct replay_target, force), OPTION_NO_GIVEN, NULL,
     "replay although this processor lacks features of the one that recorded"},
    {"stacks", 0, OPTION_FLAG, NULL, offsetof(struct replay_target, stacks), OPTION_NO_GIVEN, NULL,
     "print every task's stack before the tasks end (or --at an event), instead of the output"},
    {"at", 0, OPTION_U64, "EVENT", offsetof(struct replay_target, at), OPTION_NO_GIVEN, NULL,
     "with --stacks: behind this event, as dump numbers them"},
    {"quiet", 'q', OPTION_FLAG, NULL, offsetof(struct replay_target, quiet), OPTION_NO_GIVEN, NULL,
     "say nothing but errors"},
    {NULL, 0, OPTION_FLAG, NULL, 0, 0, NULL, NULL},
};

/* The recorded verdict decides the exit status where the program did not end by itself. */
static int recorded_status(const char *trace, int wait_status)
{
    struct trace_reader *reader;
    struct rr_error error;
    int status;

    if (trace_reader_open(trace, &reader, &error))
        return command_fail(COMMAND_EXIT_OWN, "%s", error.message);
    status = command_exit_status(
        trace_reader_meta(reader)->verdict ? trace_reader_meta(reader)->verdict : "", wait_status);
    trace_reader_close(reader);
    return status;
}

static int show_stacks(const struct replay_result *result)
{
    struct bytes text = {0};

    printf("behind event %llu:\n", (unsigned long long)result->events);
    stacks_render(&result->stacks, "  ", &text);
    fwrite(text.data, 1, text.length, stdout);
    bytes_done(&text);
    if (fflush(stdout) != 0 || ferror(stdout))
        return command_fail(COMMAND_EXIT_OWN, "cannot write the stacks");
    return 0;
}

static int conclude(const struct replay_target *t, const char *trace,
                    const struct replay_result *result)
{
    if (t->stacks && (result->verdict == REPLAY_SAME || result->verdict == REPLAY_CUT))
        return command_fail(COMMAND_EXIT_OWN, "the trace has only %llu events, no event %llu",
                            (unsigned long long)result->events, (unsigned long long)t->at);
    switch (result->verdict) {
    case REPLAY_STOPPED:
        return show_stacks(result);
    case REPLAY_DIVERGED:
        return command_fail(COMMAND_EXIT_DIVERGENCE, "divergence: %s",
                            result->message ? result->message : "");
    case REPLAY_INTERRUPTED:
        return command_fail(128 + command_interrupting_signal(), "interrupted after %llu events",
                            (unsigned long long)result->events);
    case REPLAY_CUT:
        if (!t->quiet)
            command_fail(0,
                         "the trace ends early: its recorder was killed; all %llu events of it "
                         "were replayed",
                         (unsigned long long)result->events);
        break;
    case REPLAY_SAME:
        if (!t->quiet && result->message && *result->message)
            command_fail(0, "%s", result->message);
        break;
    }
    return recorded_status(trace, result->status);
}

static int run(const char *program, void *target, const struct option_result *operands)
{
    const struct replay_target *t = target;
    struct pack_place place;
    struct replay_options options = {
        .verify = t->verify,
        .any_processor = t->force,
        .stacks = t->stacks,
        .stacks_at = t->at,
        .stdout_fd = t->stacks ? -1 : STDOUT_FILENO,
        .stderr_fd = t->stacks ? -1 : STDERR_FILENO,
        .interrupted = command_interrupted,
    };
    struct replay_result result = {0};
    struct rr_error error = {0};
    int status;

    (void)program;
    if (t->at && !t->stacks)
        return command_fail(COMMAND_EXIT_OWN, "replay: --at needs --stacks");
    /* Unpacking comes first: until signals are caught, they simply end it. */
    if (trace_home_open("replay", operands, &place, &error))
        return command_fail(COMMAND_EXIT_OWN, "%s", error.message);
    options.trace = place.path;
    command_catch_signals();
    command_pin();
    if (replay_run(&options, &result, &error)) {
        status = command_fail(COMMAND_EXIT_OWN, "%s", error.message);
    } else {
        status = conclude(t, options.trace, &result);
        replay_result_done(&result);
    }
    pack_place_done(&place);
    return status;
}

const struct command command_replay = {
    .name = "replay",
    .arguments = "[TRACE]",
    .summary = "repeat a recorded run exactly; exits as the recorded program did",
    .options = rows,
    .error_status = COMMAND_EXIT_OWN,
    .target_size = sizeof(struct replay_target),
    .run = run,
};
