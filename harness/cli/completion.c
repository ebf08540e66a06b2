/* Scripts for bash, zsh and fish. What an option's value may be is seen from its argument text:
 * FILE is a file, DIR and TRACE are folders, words between bars are themselves. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "harness/cli/manual.h"
#include "harness/suite/suite.h"
#include "recorder/base/bytes.h"
#include "recorder/sched/sched.h"

enum value_kind {
    VALUE_NONE, /* it takes none */
    VALUE_OTHER,
    VALUE_FILE,
    VALUE_FOLDER,
    VALUE_WORDS,
};

enum operand_kind {
    OPERAND_NONE,
    OPERAND_SUITE,   /* a YAML file */
    OPERAND_TRACE,   /* a folder, or a packed trace */
    OPERAND_PROGRAM, /* a command, then files */
    OPERAND_FILE,
};

/* The words between the bars, separated by blanks; those that are placeholders (N) are left out. */
static void split_words(const char *argument, struct bytes *words)
{
    while (*argument) {
        size_t length = strcspn(argument, "|");

        if (argument[0] < 'A' || argument[0] > 'Z') {
            bytes_append(words, argument, length);
            bytes_append(words, " ", 1);
        }
        argument += length;
        argument += *argument == '|';
    }
}

static enum value_kind value_kind(const struct command *command, const struct option_row *row,
                                  struct bytes *words)
{
    enum value_kind kind = VALUE_OTHER;

    bytes_clear(words);
    if (!row->argument)
        kind = VALUE_NONE;
    else if (strcmp(row->name, "strategy") == 0) {
        if (command == &command_run)
            bytes_append(words, "auto ", 5);
        for (int i = 0; i < SCHED_STRATEGY_COUNT; i++) {
            const char *name = sched_strategy_name((enum sched_strategy)i);

            bytes_append(words, name, strlen(name));
            bytes_append(words, " ", 1);
        }
        kind = VALUE_WORDS;
    } else if (strchr(row->argument, '|')) {
        split_words(row->argument, words);
        kind = VALUE_WORDS;
    } else if (strcmp(row->argument, "FILE") == 0) {
        kind = VALUE_FILE;
    } else if (strcmp(row->argument, "DIR") == 0 || strcmp(row->argument, "TRACE") == 0) {
        kind = VALUE_FOLDER;
    }
    if (words->length > 0)
        words->length--; /* the last blank */
    bytes_append(words, "", 1);
    return kind;
}

static enum operand_kind operand_kind(const struct command *command)
{
    if (strstr(command->arguments, "SUITE"))
        return OPERAND_SUITE;
    if (strncmp(command->arguments, "FILE", 4) == 0)
        return OPERAND_FILE;
    if (strstr(command->arguments, "TRACE") || strstr(command->arguments, "DIR"))
        return OPERAND_TRACE;
    if (strstr(command->arguments, "PROGRAM"))
        return OPERAND_PROGRAM;
    return *command->arguments ? OPERAND_FILE : OPERAND_NONE;
}

/* Text inside single quotes, with `special` characters escaped by a backslash as well. */
static void quoted(FILE *out, const char *text, const char *special)
{
    for (; *text; text++) {
        if (*text == '\'')
            fputs("'\\''", out);
        else if (strchr(special, *text))
            fprintf(out, "\\%c", *text);
        else
            fputc(*text, out);
    }
}

static void command_names(FILE *out)
{
    for (size_t i = 0; command_at(i); i++)
        fprintf(out, "%s ", command_at(i)->name);
    fputs("help version", out);
}

/* --- bash ----------------------------------------------------------------------------------------
 */

static const char bash_head[] =
    "# bash completion of rrtest; made by `rrtest help --completion bash`.\n"
    "_rrtest()\n"
    "{\n"
    "    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]}\n"
    "    local command='' kind='' options='' program='' i\n"
    "    COMPREPLY=()\n"
    "    # --option=value comes as three words.\n"
    "    if [[ $cur == = ]]; then\n"
    "        cur=\n"
    "    elif [[ $prev == = ]] && ((COMP_CWORD > 1)); then\n"
    "        prev=${COMP_WORDS[COMP_CWORD-2]}\n"
    "    fi\n"
    "    for ((i = 1; i < COMP_CWORD; i++)); do\n"
    "        case ${COMP_WORDS[i]} in\n"
    "        --color) ((i++)) ;;\n"
    "        -* | = | auto | always | never) ;;\n"
    "        *) command=${COMP_WORDS[i]}; break ;;\n"
    "        esac\n"
    "    done\n"
    "    # What stands behind -- is a program and its arguments.\n"
    "    for ((; i < COMP_CWORD; i++)); do\n"
    "        [[ ${COMP_WORDS[i]} == -- ]] && program=yes prev=--\n"
    "    done\n"
    "    case $command:$prev in\n"
    "    :--color) kind='words' options='auto always never' ;;\n";

static const char bash_tail[] =
    "        esac\n"
    "        [[ $cur == -* ]] && kind='words'\n"
    "        [[ $program ]] && kind='program'\n"
    "    fi\n"
    "    case $kind in\n"
    "    words) mapfile -t COMPREPLY < <(compgen -W \"$options\" -- \"$cur\") ;;\n"
    "    file) compopt -o filenames; mapfile -t COMPREPLY < <(compgen -f -- \"$cur\") ;;\n"
    "    folder) compopt -o filenames; mapfile -t COMPREPLY < <(compgen -d -- \"$cur\") ;;\n"
    "    trace)\n"
    "        compopt -o filenames\n"
    "        mapfile -t COMPREPLY < <(compgen -d -- \"$cur\"; compgen -f -X '!*.rrt' -- \"$cur\")\n"
    "        ;;\n"
    "    program) compopt -o filenames; mapfile -t COMPREPLY < <(compgen -c -f -- \"$cur\" | sort "
    "-u) ;;\n"
    "    suite)\n"
    "        compopt -o filenames\n"
    "        mapfile -t COMPREPLY < <(\n"
    "            compgen -d -- \"$cur\"\n"
    "            compgen -f -X '!*.yaml' -- \"$cur\"\n"
    "            compgen -f -X '!*.yml' -- \"$cur\")\n"
    "        ;;\n"
    "    esac\n"
    "}\n"
    "complete -F _rrtest rrtest\n";

static void bash_value(FILE *out, const struct command *command, const struct option_row *row,
                       struct bytes *words)
{
    enum value_kind kind = value_kind(command, row, words);

    if (kind == VALUE_NONE)
        return;
    fprintf(out, "    %s:--%s", command->name, row->name);
    if (row->letter)
        fprintf(out, " | %s:-%c", command->name, row->letter);
    fputs(") kind='", out);
    switch (kind) {
    case VALUE_FILE:
        fputs("file'", out);
        break;
    case VALUE_FOLDER:
        fputs("folder'", out);
        break;
    case VALUE_WORDS:
        fprintf(out, "words' options='%s'", (const char *)words->data);
        break;
    case VALUE_NONE:
    case VALUE_OTHER:
        fputs("none'", out);
        break;
    }
    fputs(" ;;\n", out);
}

static void bash(FILE *out)
{
    static const char *const operands[] = {[OPERAND_NONE] = "none",
                                           [OPERAND_SUITE] = "suite",
                                           [OPERAND_TRACE] = "trace",
                                           [OPERAND_PROGRAM] = "program",
                                           [OPERAND_FILE] = "file"};
    const struct command *command;
    struct bytes words;

    bytes_init(&words);
    fputs(bash_head, out);
    for (size_t i = 0; (command = command_at(i)); i++)
        for (const struct option_row *row = command->options; row->name; row++)
            bash_value(out, command, row, &words);
    fputs(
        "    import:import) [[ $cur == -* ]] || kind='words' options='ctest gtest cmocka tap' ;;\n"
        "    help:help) kind='words' options='",
        out);
    command_names(out);
    fputs("' ;;\n    esac\n    if [[ ! $kind ]]; then\n        case $command in\n"
          "        '') kind='words' options='",
          out);
    command_names(out);
    fputs(" --color --quiet --verbose --help --version' ;;\n", out);
    for (size_t i = 0; (command = command_at(i)); i++) {
        fprintf(out, "        %s) kind='%s' options='", command->name,
                operands[operand_kind(command)]);
        for (const struct option_row *row = command->options; row->name; row++)
            fprintf(out, "--%s ", row->name);
        fputs("--help' ;;\n", out);
    }
    fputs(bash_tail, out);
    bytes_done(&words);
}

/* --- zsh -----------------------------------------------------------------------------------------
 */

static void zsh_action(FILE *out, enum value_kind kind, const char *words)
{
    switch (kind) {
    case VALUE_FILE:
        fputs("_files", out);
        break;
    case VALUE_FOLDER:
        fputs("_files -/", out);
        break;
    case VALUE_WORDS:
        fprintf(out, "(%s)", words);
        break;
    case VALUE_NONE:
    case VALUE_OTHER:
        break;
    }
}

static void zsh_option(FILE *out, const struct command *command, const struct option_row *row,
                       struct bytes *words)
{
    enum value_kind kind = value_kind(command, row, words);
    const char *value = kind == VALUE_NONE ? "" : "=";

    if (row->letter)
        fprintf(out, "            '(-%c --%s)'{-%c%s,--%s%s}'[", row->letter, row->name,
                row->letter, *value ? "+" : "", row->name, value);
    else
        fprintf(out, "            '--%s%s[", row->name, value);
    quoted(out, row->help, "[]:\\");
    fputs("]", out);
    if (kind != VALUE_NONE) {
        fputs(":", out);
        quoted(out, row->argument, "[]:\\");
        fputs(":", out);
        zsh_action(out, kind, (const char *)words->data);
    }
    fputs("' \\\n", out);
}

static void zsh_operand(FILE *out, const struct command *command)
{
    switch (operand_kind(command)) {
    case OPERAND_NONE:
        fputs("            '(- *)--help[list the options]'\n", out);
        return;
    case OPERAND_SUITE:
        fputs("            '*:suite:_files -g \"*.y(|a)ml(-.)\"'\n", out);
        return;
    case OPERAND_TRACE:
        fputs("            '*:trace:_files -g \"*(/) *.rrt(.)\"'\n", out);
        return;
    case OPERAND_PROGRAM:
        fputs("            '*::program:_normal'\n", out);
        return;
    case OPERAND_FILE:
        if (command == &command_import)
            fputs("            '1:kind:(ctest gtest cmocka tap)' \\\n", out);
        fputs("            '*:file:_files'\n", out);
        return;
    }
}

static void zsh(FILE *out)
{
    const struct command *command;
    struct bytes words;

    bytes_init(&words);
    fputs("#compdef rrtest\n# zsh completion of rrtest; made by `rrtest help --completion zsh`.\n"
          "_rrtest()\n{\n    local -a commands\n    commands=(\n",
          out);
    for (size_t i = 0; (command = command_at(i)); i++) {
        fprintf(out, "        '%s:", command->name);
        quoted(out, command->summary, ":\\");
        fputs("'\n", out);
    }
    fputs("        'help:the options of a command'\n        'version:the version'\n    )\n"
          "    if (( CURRENT == 2 )); then\n        _describe -t commands command commands\n"
          "        return\n    fi\n    local command=$words[2]\n    shift words\n"
          "    (( CURRENT-- ))\n    case $command in\n",
          out);
    for (size_t i = 0; (command = command_at(i)); i++) {
        fprintf(out, "    %s)\n        _arguments -s \\\n", command->name);
        for (const struct option_row *row = command->options; row->name; row++)
            zsh_option(out, command, row, &words);
        zsh_operand(out, command);
        fputs("        ;;\n", out);
    }
    fputs("    help) _describe -t commands command commands ;;\n    esac\n}\n"
          "if [[ $funcstack[1] == _rrtest ]]; then\n    _rrtest \"$@\"\nelse\n"
          "    compdef _rrtest rrtest\nfi\n",
          out);
    bytes_done(&words);
}

/* --- fish ----------------------------------------------------------------------------------------
 */

static void fish_option(FILE *out, const struct command *command, const struct option_row *row,
                        struct bytes *words)
{
    enum value_kind kind = value_kind(command, row, words);

    fprintf(out, "complete -c rrtest -n '__fish_seen_subcommand_from %s' -l %s", command->name,
            row->name);
    if (row->letter)
        fprintf(out, " -s %c", row->letter);
    if (kind == VALUE_FILE)
        fputs(" -rF", out);
    else if (kind == VALUE_FOLDER)
        fputs(" -xa '(__fish_complete_directories)'", out);
    else if (kind == VALUE_WORDS)
        fprintf(out, " -xa '%s'", (const char *)words->data);
    else if (kind == VALUE_OTHER)
        fputs(" -x", out);
    fputs(" -d '", out);
    for (const char *at = row->help; *at; at++) {
        if (*at == '\'' || *at == '\\')
            fputc('\\', out);
        fputc(*at, out);
    }
    fputs("'\n", out);
}

static void fish_operand(FILE *out, const struct command *command)
{
    static const char *const actions[] = {
        [OPERAND_SUITE] = "-k -a '(__fish_complete_suffix .yaml .yml)'",
        [OPERAND_TRACE] = "-a '(__fish_complete_directories; __fish_complete_suffix .rrt)'",
        [OPERAND_PROGRAM] = "-a '(__fish_complete_subcommand)'",
        [OPERAND_FILE] = "-F",
    };
    enum operand_kind kind = operand_kind(command);

    if (kind != OPERAND_NONE)
        fprintf(out, "complete -c rrtest -n '__fish_seen_subcommand_from %s' %s\n", command->name,
                actions[kind]);
    if (command == &command_import)
        fputs("complete -c rrtest -n '__fish_seen_subcommand_from import; and not "
              "__fish_seen_subcommand_from ctest gtest cmocka tap' -a 'ctest gtest cmocka tap'\n",
              out);
}

static void fish(FILE *out)
{
    const struct command *command;
    struct bytes words;

    bytes_init(&words);
    fputs("# fish completion of rrtest; made by `rrtest help --completion fish`.\n"
          "complete -c rrtest -f\n",
          out);
    for (size_t i = 0; (command = command_at(i)); i++) {
        fprintf(out, "complete -c rrtest -n __fish_use_subcommand -a %s -d '", command->name);
        for (const char *at = command->summary; *at; at++) {
            if (*at == '\'' || *at == '\\')
                fputc('\\', out);
            fputc(*at, out);
        }
        fputs("'\n", out);
        for (const struct option_row *row = command->options; row->name; row++)
            fish_option(out, command, row, &words);
        fish_operand(out, command);
    }
    fputs("complete -c rrtest -n __fish_use_subcommand -a 'help version'\n"
          "complete -c rrtest -n '__fish_seen_subcommand_from help' -a '",
          out);
    command_names(out);
    fputs("'\n", out);
    bytes_done(&words);
}

int completion_print(const char *shell, FILE *out)
{
    static const struct {
        const char *name;
        void (*print)(FILE *out);
    } shells[] = {{"bash", bash}, {"zsh", zsh}, {"fish", fish}};

    for (size_t i = 0; i < sizeof(shells) / sizeof(*shells); i++) {
        if (strcmp(shells[i].name, shell) == 0) {
            shells[i].print(out);
            return 0;
        }
    }
    return -EINVAL;
}
