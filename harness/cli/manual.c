/* Help on a terminal, and pages in the man(7) macros. */
#include "harness/cli/manual.h"

#include <ctype.h>
#include <string.h>

#define WIDTH 100
#define MANUAL_DATE "2026-11-26" /* of the hand-written text */

/* --- help ----------------------------------------------------------------------------------------
 */

static void print_wrapped(FILE *out, const char *text)
{
    size_t column = 0;

    while (*text) {
        size_t length = strcspn(text, " ");

        if (column > 0 && column + 1 + length > WIDTH) {
            fputc('\n', out);
            column = 0;
        }
        column += (size_t)fprintf(out, "%s%.*s", column ? " " : "", (int)length, text);
        text += length;
        text += *text == ' ';
    }
    fputc('\n', out);
}

static void print_items(FILE *out, const char *title, const struct manual_item *items, int width)
{
    if (!items)
        return;
    fprintf(out, "\n%s\n", title);
    for (; items->term; items++)
        fprintf(out, "  %-*s %s\n", width, items->term, items->text);
}

static void print_examples(FILE *out, const struct manual_item *items)
{
    if (!items)
        return;
    fprintf(out, "\nexamples:\n");
    for (; items->term; items++)
        fprintf(out, "  %s\n      %s\n", items->term, items->text);
}

static void print_overview(FILE *out)
{
    const struct command *command;
    int name = 0, arguments = 0;

    for (size_t i = 0; (command = command_at(i)); i++) {
        int length = (int)strlen(command->name);

        name = length > name ? length : name;
        length = (int)strlen(command->arguments);
        arguments = length > arguments ? length : arguments;
    }
    fprintf(out, "rrtest %s: hunt races by recording and scheduling real programs\n\nusage:\n",
            RRTEST_VERSION);
    for (size_t i = 0; (command = command_at(i)); i++)
        fprintf(out, "  rrtest %-*s %-*s  %s\n", name, command->name, arguments, command->arguments,
                command->summary);
    fprintf(out, "  rrtest help [COMMAND]\n  rrtest version\n\n"
                 "rrtest COMMAND --help lists the options of a command. In front of it may stand:\n"
                 "--color auto|always|never, --quiet, --verbose.\n");
}

void manual_print_help(const struct command *command, FILE *out)
{
    const struct manual_page *page = command ? manual_find(command->name) : NULL;

    if (!command) {
        print_overview(out);
        return;
    }
    fprintf(out, "usage: rrtest %s [OPTION]... %s\n%s\n\n", command->name, command->arguments,
            command->summary);
    for (size_t i = 0; page && page->description[i]; i++) {
        print_wrapped(out, page->description[i]);
        fputc('\n', out);
    }
    options_help(command->options, out);
    if (page) {
        print_items(out, "exit status:", page->statuses, 6);
        print_examples(out, page->examples);
    }
}

/* --- man -----------------------------------------------------------------------------------------
 */

/* Text of one line: no character of it is an instruction. A hyphen is an ASCII one, to be copied.
 */
static void escape(FILE *out, const char *text)
{
    if (*text == '.' || *text == '\'')
        fputs("\\&", out);
    for (; *text; text++) {
        if (*text == '\\')
            fputs("\\e", out);
        else if (*text == '-')
            fputs("\\-", out);
        else if (*text == '~')
            fputs("\\(ti", out);
        else if (*text == '\'')
            fputs("\\(aq", out);
        else if (*text == '^')
            fputs("\\(ha", out);
        else if (*text == '`')
            fputs("\\(ga", out);
        else
            fputc(*text, out);
    }
}

/* Sentences and clauses each on a line of their own would be nicer; a paragraph is one line, cut at
 * blanks, as long lines are badly shown by diff tools. */
static void paragraph(FILE *out, const char *text)
{
    size_t column = 0;

    while (*text) {
        size_t length = strcspn(text, " ");
        char word[256];

        snprintf(word, sizeof(word), "%.*s", (int)length, text);
        if (column > 0)
            fputc(column + length > 76 ? '\n' : ' ', out);
        if (column + length > 76)
            column = 0;
        escape(out, word);
        column += length + 1;
        text += length;
        text += *text == ' ';
    }
    fputc('\n', out);
}

static void section(FILE *out, const char *title)
{
    fprintf(out, ".SH %s\n", title);
}

static void items(FILE *out, const char *title, const struct manual_item *list)
{
    if (!list)
        return;
    section(out, title);
    for (; list->term; list++) {
        fputs(".TP\n.B ", out);
        escape(out, list->term);
        fputc('\n', out);
        paragraph(out, list->text);
    }
}

static void examples(FILE *out, const struct manual_item *list)
{
    if (!list)
        return;
    section(out, "EXAMPLES");
    for (; list->term; list++) {
        fputs(".TP\n.B ", out);
        escape(out, list->term);
        fputc('\n', out);
        paragraph(out, list->text);
    }
}

/* The words of an argument text: names in capitals are to be replaced, the rest is literal. */
static void synopsis_words(FILE *out, const char *arguments)
{
    while (*arguments) {
        size_t word = strspn(arguments, "ABCDEFGHIJKLMNOPQRSTUVWXYZ_");
        char text[128];

        if (word > 0) {
            snprintf(text, sizeof(text), "%.*s", (int)word, arguments);
            fprintf(out, "\\fI%s\\fR", text);
        } else {
            word = strcspn(arguments, "ABCDEFGHIJKLMNOPQRSTUVWXYZ_");
            snprintf(text, sizeof(text), "%.*s", (int)word, arguments);
            escape(out, text);
        }
        arguments += strlen(text);
    }
}

static void option(FILE *out, const struct option_row *row)
{
    fputs(".TP\n", out);
    if (row->letter) {
        fprintf(out, "\\fB\\-%c\\fR", row->letter);
        if (row->argument)
            fputs(" ", out);
        if (row->argument)
            synopsis_words(out, row->argument);
        fputs(", ", out);
    }
    fputs("\\fB\\-\\-", out);
    escape(out, row->name);
    fputs("\\fR", out);
    if (row->argument)
        fputs(" ", out);
    if (row->argument)
        synopsis_words(out, row->argument);
    fputc('\n', out);
    paragraph(out, row->help);
}

static void title(FILE *out, const char *name)
{
    fputs(".TH ", out);
    for (const char *at = name; *at; at++) {
        if (*at == '-')
            fputs("\\-", out);
        else
            fputc(toupper((unsigned char)*at), out);
    }
    fprintf(out, " 1 %s \"rrtest %s\" \"User Commands\"\n", MANUAL_DATE, RRTEST_VERSION);
}

static void see_also(FILE *out, const struct command *than)
{
    const struct command *command;

    section(out, "SEE ALSO");
    if (than)
        fputs(".BR rrtest (1)", out);
    for (size_t i = 0; (command = command_at(i)); i++) {
        if (command == than)
            continue;
        if (than || i > 0)
            fputs(",\n", out);
        fprintf(out, ".BR rrtest\\-%s (1)", command->name);
    }
    fputc('\n', out);
}

static void main_page(FILE *out)
{
    const struct manual_page *page = manual_find("");
    const struct command *command;

    title(out, "rrtest");
    section(out, "NAME");
    fputs("rrtest \\- hunt races by recording and scheduling real programs\n", out);
    section(out, "SYNOPSIS");
    fputs(".B rrtest\n\\fICOMMAND\\fR [\\fIOPTION\\fR]... [\\fIARGUMENT\\fR]...\n", out);
    section(out, "DESCRIPTION");
    for (size_t i = 0; page->description[i]; i++) {
        if (i > 0)
            fputs(".PP\n", out);
        paragraph(out, page->description[i]);
    }
    section(out, "COMMANDS");
    for (size_t i = 0; (command = command_at(i)); i++) {
        fprintf(out, ".TP\n\\fBrrtest %s\\fR ", command->name);
        synopsis_words(out, command->arguments);
        fputc('\n', out);
        paragraph(out, command->summary);
    }
    fputs(".TP\n\\fBrrtest help\\fR [\\fICOMMAND\\fR]\n", out);
    paragraph(out, "the options of a command; with --man its page, with --completion "
                   "bash|zsh|fish what that shell completes");
    items(out, "EXIT STATUS", page->statuses);
    examples(out, page->examples);
    items(out, "FILES", manual_files());
    items(out, "ENVIRONMENT", manual_environment());
    see_also(out, NULL);
}

void manual_print_man(const struct command *command, FILE *out)
{
    const struct manual_page *page = command ? manual_find(command->name) : NULL;
    char name[64];

    if (!command) {
        main_page(out);
        return;
    }
    snprintf(name, sizeof(name), "rrtest-%s", command->name);
    title(out, name);
    section(out, "NAME");
    fprintf(out, "rrtest\\-%s \\- ", command->name);
    paragraph(out, command->summary);
    section(out, "SYNOPSIS");
    fprintf(out, ".B rrtest %s\n[\\fIOPTION\\fR]... ", command->name);
    synopsis_words(out, command->arguments);
    fputc('\n', out);
    section(out, "DESCRIPTION");
    for (size_t i = 0; page && page->description[i]; i++) {
        if (i > 0)
            fputs(".PP\n", out);
        paragraph(out, page->description[i]);
    }
    if (!page)
        paragraph(out, command->summary);
    section(out, "OPTIONS");
    for (const struct option_row *row = command->options; row->name; row++)
        option(out, row);
    fputs(".TP\n\\fB\\-h\\fR, \\fB\\-\\-help\\fR\nlist the options\n", out);
    if (page) {
        items(out, "EXIT STATUS", page->statuses);
        examples(out, page->examples);
    }
    items(out, "FILES", manual_files());
    items(out, "ENVIRONMENT", manual_environment());
    see_also(out, command);
}
