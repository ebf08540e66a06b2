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

#include "harness/cli/global.h"
#include "harness/cli/manual.h"
#include "harness/run/worker.h"
#include "recorder/base/words.h"
#include "reports/text.h"

static const struct command *const commands[] = {
    &command_run,    &command_check,  &command_merge,  &command_report,   &command_import,
    &command_record, &command_replay, &command_dump,   &command_timeline, &command_stats,
    &command_ls,     &command_pack,   &command_unpack, &command_doctor,   NULL,
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
    char *message, *clean;

    va_start(args, format);
    message = text_make_list(format, args);
    va_end(args);
    /* Messages quote file names, suites and programs: none of them talks to the terminal. */
    clean = text_clean(message, strlen(message));
    fflush(stdout);
    fprintf(stderr, "rrtest: %s\n", clean);
    free(clean);
    free(message);
    return status;
}

int command_expected_of(const char *what, const char *value, const char *const *names,
                        struct rr_error *error)
{
    const char *nearest = words_nearest_of(value, names);

    return rr_error_set(error, -EINVAL, "expected %s, got '%s'%s%s%s", what, value,
                        nearest ? "; did you mean '" : "", nearest ? nearest : "",
                        nearest ? "'?" : "");
}

int command_parse_patching(const char *value, struct rr_error *error)
{
    const char *names[RECORD_PATCHING_COUNT + 1] = {NULL};
    int patching = record_patching_by_name(value);

    for (int i = 0; i < RECORD_PATCHING_COUNT; i++)
        names[i] = record_patching_name((enum record_patching)i);
    return patching >= 0 ? patching
                         : command_expected_of("static, lazy or off", value, names, error);
}

int command_exit_status(const char *verdict, int wait_status)
{
    if (strcmp(verdict, "deadlock") == 0 || strcmp(verdict, "limit") == 0 ||
        strstr(verdict, "timeout"))
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

const struct command *command_at(size_t index)
{
    return commands[index];
}

/* Of the table, and the two words that are no row of it. */
static const char *command_name(const void *context, size_t index)
{
    static const char *const others[] = {"help", "version", NULL};
    size_t count = sizeof(commands) / sizeof(*commands) - 1;

    (void)context;
    return index < count ? commands[index]->name : others[index - count];
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
        manual_print_help(command, stdout);
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

    if (*name == '-')
        return command_fail(COMMAND_EXIT_USAGE,
                            "unknown option '%s' in front of a command; 'rrtest help' lists those "
                            "there are",
                            name);
    if (nearest)
        return command_fail(COMMAND_EXIT_USAGE, "unknown command '%s'; did you mean '%s'?", name,
                            nearest);
    return command_fail(COMMAND_EXIT_USAGE, "unknown command '%s'; 'rrtest help' lists them", name);
}

static int print_completion(int argc, char **argv)
{
    if (argc != 1 || completion_print(argv[0], stdout))
        return command_fail(COMMAND_EXIT_USAGE, "help: --completion: expected bash, zsh or fish");
    return 0;
}

/* help [COMMAND], help --man [COMMAND], help --completion SHELL */
static int help(int argc, char **argv)
{
    const struct command *command = NULL;
    bool man = argc > 0 && strcmp(argv[0], "--man") == 0;

    if (argc > 0 && strcmp(argv[0], "--completion") == 0)
        return print_completion(argc - 1, argv + 1);
    argc -= man;
    argv += man;
    if (argc > 1)
        return command_fail(COMMAND_EXIT_USAGE, "help: expected one command, got '%s' as well",
                            argv[1]);
    if (argc == 1) {
        command = find_command(argv[0]);
        if (!command)
            return unknown_command(argv[0]);
    }
    if (man)
        manual_print_man(command, stdout);
    else
        manual_print_help(command, stdout);
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

static int run_word(const struct global_options *global, int argc, char **argv)
{
    const char *word = argv[1];
    const struct command *command;
    struct rr_error error;
    char **words;
    int count;
    int status;

    if (strcmp(word, "help") == 0 || strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0)
        return help(argc - 2, argv + 2);
    if (strcmp(word, "version") == 0 || strcmp(word, "--version") == 0) {
        printf("rrtest %s\n", RRTEST_VERSION);
        return 0;
    }
    command = find_command(word);
    if (!command)
        return unknown_command(word);
    words = global_apply(global, command, argc - 2, argv + 2, &count, &error);
    if (!words)
        return command_fail(command->error_status, "%s: %s", command->name, error.message);
    status = run_command(command, argv[0], count, words);
    free(words);
    return status;
}

int main(int argc, char **argv)
{
    struct global_options global;
    struct rr_error error;
    int front = global_parse(argc - 1, argv + 1, &global, &error);

    if (front < 0)
        return command_fail(COMMAND_EXIT_USAGE, "%s", error.message);
    if (argc < front + 2) {
        manual_print_help(NULL, stderr);
        return COMMAND_EXIT_USAGE;
    }
    argv[front] = argv[0];
    return finish(run_word(&global, argc - front, argv + front));
}
