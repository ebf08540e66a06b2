/* They are moved behind the subcommand, so that one parser and one table know what they do. */
#include "harness/cli/global.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "harness/cli/color.h"

static const struct global_row {
    const char *name; /* as the long option */
    const char *letter;
    bool has_value;
    bool must_be_known;
} rows[] = {
    {"--color", NULL, true, false},
    {"--quiet", "-q", false, false},
    {"--verbose", NULL, false, true},
};
#define ROW_COUNT (sizeof(rows) / sizeof(*rows))

static bool names(const struct global_row *row, const char *word)
{
    size_t length = strlen(row->name);

    return (row->letter && strcmp(word, row->letter) == 0) ||
           (strncmp(word, row->name, length) == 0 &&
            (!word[length] || (row->has_value && word[length] == '=')));
}

static const struct global_row *find(const char *word)
{
    for (size_t i = 0; i < ROW_COUNT; i++)
        if (names(&rows[i], word))
            return &rows[i];
    return NULL;
}

int global_parse(int argc, char **argv, struct global_options *ret, struct rr_error *error)
{
    int i = 0;

    ret->count = 0;
    while (i < argc) {
        const struct global_row *row = find(argv[i]);
        bool separate = row && row->has_value && !strchr(argv[i], '=');
        const char *value;

        if (!row)
            break;
        if (separate && i + 1 >= argc)
            return rr_error_set(error, -EINVAL, "%s: expected a value", row->name);
        if (ret->count + 2 > GLOBAL_WORDS_MAX)
            return rr_error_set(error, -E2BIG, "%s: too many options in front", row->name);
        value = separate ? argv[i + 1] : strchr(argv[i], '=') ? strchr(argv[i], '=') + 1 : NULL;
        if (value && color_mode_by_name(value) < 0)
            return rr_error_set(error, -EINVAL, "%s: expected auto, always or never, got '%s'",
                                row->name, value);
        ret->words[ret->count++] = argv[i++];
        if (separate)
            ret->words[ret->count++] = argv[i++];
    }
    return i;
}

static bool knows(const struct command *command, const struct global_row *row)
{
    for (const struct option_row *o = command->options; o->name; o++)
        if (strcmp(o->name, row->name + 2) == 0)
            return true;
    return false;
}

char **global_apply(const struct global_options *global, const struct command *command, int argc,
                    char **argv, int *ret_count, struct rr_error *error)
{
    char **words = calloc((size_t)(global->count + argc) + 1, sizeof(*words));

    if (!words)
        abort();
    *ret_count = 0;
    for (int i = 0; i < global->count;) {
        const struct global_row *row = find(global->words[i]);
        int length = row->has_value && !strchr(global->words[i], '=') ? 2 : 1;

        if (!knows(command, row) && row->must_be_known) {
            rr_error_set(error, -EINVAL, "unknown option '%s'; --help lists them", row->name);
            free(words);
            return NULL;
        }
        for (int k = 0; k < length && knows(command, row); k++)
            words[(*ret_count)++] = global->words[i + k];
        i += length;
    }
    for (int i = 0; i < argc; i++)
        words[(*ret_count)++] = argv[i];
    return words;
}
