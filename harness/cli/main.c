/* rrtest: the table of subcommands, and what they share. */
#include "harness/cli/command.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "harness/run/worker.h"
#include "recorder/base/words.h"

static const struct command *const commands[] = {
    &command_run, &command_record, &command_replay, &command_dump,   &command_stats,
    &command_ls,  &command_merge,  &command_report, &command_doctor, NULL,
};

/* Written by the signal handler alone; a handler has nothing else to write to. */
static volatile sig_atomic_t interrupting_signal;

static void note_signal(int number)
{
    interrupting_signal = number;
}

void command_catch_signals(void)
{
    static const int signals[] = {SIGINT, SIGTERM, SIGHUP};
    /* No SA_RESTART: the recorder's waits must return to look at command_interrupted(). */
    struct sigaction action = {.sa_handler = note_signal};
    struct sigaction old;

    for (size_t i = 0; i < sizeof(signals) / sizeof(*signals); i++) {
        if (sigaction(signals[i], NULL, &old) == 0 && old.sa_handler != SIG_IGN)
            sigaction(signals[i], &action, NULL);
    }
}

bool command_interrupted(void *context)
{
    (void)context;
    return interrupting_signal != 0;
}

int command_interrupting_signal(void)
{
    return interrupting_signal;
}

int command_fail(int status, const char *format, ...)
{
    va_list args;

    fflush(stdout);
    fputs("rrtest: ", stderr);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
    return status;
}

int command_parse_patching(const char *value, struct rr_error *error)
{
    int patching = record_patching_by_name(value);

    return patching >= 0
               ? patching
               : rr_error_set(error, -EINVAL, "expected static, lazy or off, got '%s'", value);
}

int command_exit_status(const char *verdict, int wait_status)
{
    if (strcmp(verdict, "deadlock") == 0 || strstr(verdict, "timeout"))
        return COMMAND_EXIT_ENDED;
    if (strcmp(verdict, "unsupported") == 0)
        return COMMAND_EXIT_OWN;
    if (WIFSIGNALED(wait_status))
        return 128 + WTERMSIG(wait_status);
    return WEXITSTATUS(wait_status);
}

void command_pin(void)
{
    worker_pin(sched_getcpu());
}

static void print_usage(FILE *out)
{
    fprintf(out, "rrtest %s: hunt races by recording and scheduling real programs\n\nusage:\n",
            RRTEST_VERSION);
    for (size_t i = 0; commands[i]; i++)
        fprintf(out, "  rrtest %-7s %-28s %s\n", commands[i]->name, commands[i]->arguments,
                commands[i]->summary);
    fprintf(out, "  rrtest help [COMMAND]\n  rrtest version\n\n"
                 "rrtest COMMAND --help lists the options of a command.\n");
}

static void print_help(const struct command *command)
{
    printf("usage: rrtest %s [OPTION]... %s\n%s\n\n", command->name, command->arguments,
           command->summary);
    options_help(command->options);
}

static const char *command_name(const void *context, size_t index)
{
    (void)context;
    return commands[index] ? commands[index]->name : NULL;
}

static const struct command *find_command(const char *name)
{
    for (size_t i = 0; commands[i]; i++) {
        if (strcmp(commands[i]->name, name) == 0)
            return commands[i];
    }
    return NULL;
}

static int run_command(const struct command *command, const char *program, int argc, char **argv)
{
    void *target = calloc(1, command->target_size);
    struct option_result operands;
    struct rr_error error;
    int status;

    if (!target)
        abort();
    if (command->init)
        command->init(target);
    if (options_parse(command->options, command->stop_at_operand, argc, argv, target, &operands,
                      &error)) {
        free(target);
        return command_fail(command->error_status, "%s: %s", command->name, error.message);
    }
    if (operands.help) {
        print_help(command);
        status = 0;
    } else {
        status = command->run(program, target, &operands);
    }
    free(operands.operands);
    free(target);
    return status;
}

static int unknown_command(const char *name)
{
    const char *nearest = words_nearest(name, command_name, NULL);

    if (nearest)
        return command_fail(COMMAND_EXIT_USAGE, "unknown command '%s'; did you mean '%s'?", name,
                            nearest);
    return command_fail(COMMAND_EXIT_USAGE, "unknown command '%s'; 'rrtest help' lists them", name);
}

static int help(int argc, char **argv)
{
    const struct command *command;

    if (argc == 0) {
        print_usage(stdout);
        return 0;
    }
    command = find_command(argv[0]);
    if (!command)
        return unknown_command(argv[0]);
    print_help(command);
    return 0;
}

/* Output that could not be written (a full disk, a closed pipe) must not end in success. */
static int finish(int status)
{
    if (fflush(stdout) == 0 && !ferror(stdout))
        return status;
    fprintf(stderr, "rrtest: cannot write to stdout: %s\n", strerror(errno));
    return status ? status : COMMAND_EXIT_USAGE;
}

int main(int argc, char **argv)
{
    const struct command *command;

    if (argc < 2) {
        print_usage(stderr);
        return COMMAND_EXIT_USAGE;
    }
    if (strcmp(argv[1], "help") == 0 || strcmp(argv[1], "--help") == 0 ||
        strcmp(argv[1], "-h") == 0)
        return finish(help(argc - 2, argv + 2));
    if (strcmp(argv[1], "version") == 0 || strcmp(argv[1], "--version") == 0) {
        printf("rrtest %s\n", RRTEST_VERSION);
        return finish(0);
    }
    command = find_command(argv[1]);
    if (!command)
        return unknown_command(argv[1]);
    return finish(run_command(command, argv[0], argc - 2, argv + 2));
}
