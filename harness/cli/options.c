/* The option parser: no globals, no permutation of argv, misspelt names get the nearest one. */
#include "harness/cli/options.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/value/value.h"
#include "recorder/base/words.h"

static void *field(void *target, size_t offset)
{
    return (char *)target + offset;
}

static int store(const struct option_row *row, const char *shown, const char *value, void *target,
                 struct rr_error *error)
{
    int code = 0;

    switch (row->kind) {
    case OPTION_FLAG:
        *(bool *)field(target, row->offset) = true;
        break;
    case OPTION_TEXT:
        *(const char **)field(target, row->offset) = value;
        break;
    case OPTION_U64:
        if (value_parse_u64(value, field(target, row->offset)))
            code =
                rr_error_set(error, -EINVAL, "expected a number from 0 to 2^64-1, got '%s'", value);
        break;
    case OPTION_DURATION:
        if (value_parse_duration(value, field(target, row->offset)))
            code = rr_error_set(error, -EINVAL,
                                "expected a duration such as 10s, 500ms or 2m, got '%s'", value);
        break;
    case OPTION_CALL:
        code = row->call(target, value, error);
        break;
    }
    if (code) {
        rr_error_context(error, "%s", shown);
        return code;
    }
    if (row->given != OPTION_NO_GIVEN)
        *(bool *)field(target, row->given) = true;
    return 0;
}

static const char *row_name(const void *context, size_t index)
{
    const struct option_row *rows = context;
    size_t count = 0;

    while (rows[count].name)
        count++;
    if (index < count)
        return rows[index].name;
    return index == count ? "help" : NULL; /* which every command has */
}

static int unknown(const struct option_row *rows, const char *argument, const char *name,
                   struct rr_error *error)
{
    const char *nearest = name ? words_nearest(name, row_name, rows) : NULL;

    return rr_error_set(error, -EINVAL, "unknown option '%s'%s%s%s", argument,
                        nearest ? "; did you mean '--" : "; --help lists them",
                        nearest ? nearest : "", nearest ? "'?" : "");
}

/* The row of a long option "--name[=value]"; *ret_value stays NULL without "=". */
static const struct option_row *find_long(const struct option_row *rows, const char *argument,
                                          char *name, size_t size, const char **ret_value)
{
    const char *equals = strchr(argument, '=');
    size_t length = equals ? (size_t)(equals - argument) : strlen(argument);

    if (length - 2 >= size)
        length = size + 1;
    memcpy(name, argument + 2, length - 2);
    name[length - 2] = '\0';
    *ret_value = equals ? equals + 1 : NULL;
    for (; rows->name; rows++) {
        if (strcmp(rows->name, name) == 0)
            return rows;
    }
    return NULL;
}

static const struct option_row *find_letter(const struct option_row *rows, const char *argument,
                                            const char **ret_value)
{
    *ret_value = argument[2] ? argument + 2 : NULL;
    for (; rows->name; rows++) {
        if (rows->letter && rows->letter == argument[1])
            return rows;
    }
    return NULL;
}

/* Parse the option at argv[i]; returns how many words it took, or negative. */
static int parse_one(const struct option_row *rows, int i, int argc, char **argv, void *target,
                     struct rr_error *error)
{
    const char *argument = argv[i];
    const char *value;
    char name[64] = "";
    bool is_long = argument[1] == '-';
    const struct option_row *row = is_long ? find_long(rows, argument, name, sizeof(name), &value)
                                           : find_letter(rows, argument, &value);
    char shown[72];
    int words = 1;
    int code;

    if (!row)
        return unknown(rows, argument, is_long ? name : NULL, error);
    snprintf(shown, sizeof(shown), "--%s", row->name);
    if (row->kind == OPTION_FLAG && value)
        return rr_error_set(error, -EINVAL, "%s: expected no value, got '%s'", shown, value);
    if (row->kind != OPTION_FLAG && !value) {
        if (i + 1 >= argc)
            return rr_error_set(error, -EINVAL, "%s: expected a value (%s)", shown, row->argument);
        value = argv[i + 1];
        words = 2;
    }
    code = store(row, shown, value, target, error);
    return code ? code : words;
}

int options_parse(const struct option_row *rows, bool stop_at_operand, int argc, char **argv,
                  void *target, struct option_result *ret, struct rr_error *error)
{
    *ret =
        (struct option_result){.operands = calloc((size_t)argc + 1, sizeof(char *)), .dashes = -1};
    if (!ret->operands)
        abort();
    for (int i = 0; i < argc;) {
        int words;

        if (argv[i][0] != '-' || !argv[i][1]) {
            ret->operands[ret->count++] = argv[i++];
            if (!stop_at_operand)
                continue;
        } else if (strcmp(argv[i], "--") == 0) {
            ret->dashes = ret->count;
            i++;
        } else if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            ret->help = true;
            return 0;
        } else {
            words = parse_one(rows, i, argc, argv, target, error);
            if (words < 0) {
                free(ret->operands);
                ret->operands = NULL;
                return words;
            }
            i += words;
            continue;
        }
        while (i < argc)
            ret->operands[ret->count++] = argv[i++];
    }
    return 0;
}

void options_help(const struct option_row *rows, FILE *out)
{
    for (; rows->name; rows++) {
        char left[64];
        char letter[8] = "    ";

        if (rows->letter)
            snprintf(letter, sizeof(letter), "-%c, ", rows->letter);
        snprintf(left, sizeof(left), "%s--%s%s%s", letter, rows->name, rows->argument ? " " : "",
                 rows->argument ? rows->argument : "");
        fprintf(out, "  %-34s %s\n", left, rows->help);
    }
    fprintf(out, "  %-34s %s\n", "-h, --help", "this text");
}
