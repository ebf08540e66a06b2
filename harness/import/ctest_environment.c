/* A modification of a variable that ENVIRONMENT or an earlier `set` gave a value is computed here,
 * so that the suite needs no shell for it. */
#include "harness/import/ctest_environment.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/suite/schema.h"
#include "harness/value/value.h"
#include "recorder/base/text.h"

#define NAME_CHARACTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_"

struct change {
    char *name;
    const char *operation;
    const char *value;
};

static const char *find(const struct import_words *variables, const char *name)
{
    size_t length = strlen(name);

    for (size_t i = 0; i < variables->count; i++)
        if (strncmp(variables->words[i], name, length) == 0 && variables->words[i][length] == '=')
            return variables->words[i] + length + 1;
    return NULL;
}

/* value NULL: the variable goes. */
static void set(struct import_words *variables, const char *name, const char *value)
{
    struct import_words fresh = {NULL, 0};
    size_t length = strlen(name);

    for (size_t i = 0; i < variables->count; i++)
        if (strncmp(variables->words[i], name, length) != 0 || variables->words[i][length] != '=')
            import_word(&fresh, variables->words[i]);
    if (value)
        import_wordf(&fresh, "%s=%s", name, value);
    import_words_done(variables);
    *variables = fresh;
}

static const struct operation {
    const char *name;
    const char *separator;
    const char *shell_separator;
    bool in_front;
} operations[] = {
    {"string_append", "", "", false},         {"string_prepend", "", "", true},
    {"path_list_append", ":", ":", false},    {"path_list_prepend", ":", ":", true},
    {"cmake_list_append", ";", "\\;", false}, {"cmake_list_prepend", ";", "\\;", true},
};

static void join_known(struct import_words *variables, const struct change *c, const char *old,
                       const struct operation *operation)
{
    const char *first = operation->in_front ? c->value : old;
    const char *second = operation->in_front ? old : c->value;
    char *joined;

    joined = text_make("%s%s%s", first, *old ? operation->separator : "", second);
    set(variables, c->name, joined);
    free(joined);
}

/* NAME='value'${NAME:+:$NAME}; export NAME; (an assignment does not split words). */
static void join_in_shell(struct bytes *script, const struct change *c,
                          const struct operation *operation)
{
    text_append(script, c->name);
    text_append(script, "=");
    if (operation->in_front)
        value_shell_quote(script, c->value);
    text_append(script, "${");
    text_append(script, c->name);
    text_append(script, ":+");
    text_append(script, operation->in_front ? operation->shell_separator : "");
    text_append(script, "$");
    text_append(script, c->name);
    text_append(script, operation->in_front ? "" : operation->shell_separator);
    text_append(script, "}");
    if (!operation->in_front)
        value_shell_quote(script, c->value);
    text_append(script, "; export ");
    text_append(script, c->name);
    text_append(script, "; ");
}

static void apply(const struct change *c, const char *test, struct import_words *variables,
                  struct bytes *script, struct import_words *notes)
{
    const char *old = find(variables, c->name);

    if (strcmp(c->operation, "set") == 0) {
        set(variables, c->name, c->value);
        return;
    }
    if (strcmp(c->operation, "unset") == 0) {
        set(variables, c->name, NULL);
        text_append(script, "unset ");
        text_append(script, c->name);
        text_append(script, "; ");
        return;
    }
    for (size_t i = 0; i < sizeof(operations) / sizeof(*operations); i++) {
        if (strcmp(c->operation, operations[i].name) != 0)
            continue;
        if (old)
            join_known(variables, c, old, &operations[i]);
        else
            join_in_shell(script, c, &operations[i]);
        return;
    }
    import_wordf(notes, "%s: ENVIRONMENT_MODIFICATION of %s: '%s' is not known; left out", test,
                 c->name, c->operation);
}

/* NAME=OPERATION:VALUE. False if it is not that, or the name is none that a shell takes. */
static bool parse(const char *text, struct change *ret)
{
    const char *equals = strchr(text, '=');
    const char *colon = equals ? strchr(equals, ':') : NULL;
    char *copy;

    if (!colon || equals == text || strspn(text, NAME_CHARACTERS) != (size_t)(equals - text))
        return false;
    copy = text_copy(text);
    copy[equals - text] = '\0';
    copy[colon - text] = '\0';
    *ret = (struct change){copy, copy + (equals - text) + 1, copy + (colon - text) + 1};
    return true;
}

void ctest_environment(const char *test, const struct import_words *environment,
                       const struct import_words *modifications, struct import_words *ret,
                       struct bytes *script, struct import_words *notes)
{
    struct change *changes = suite_calloc(modifications->count, sizeof(*changes));
    size_t count = 0;

    for (size_t i = 0; i < environment->count; i++) {
        const char *equals = strchr(environment->words[i], '=');

        if (equals && equals != environment->words[i])
            import_word(ret, environment->words[i]);
    }
    for (size_t i = 0; i < modifications->count; i++) {
        if (parse(modifications->words[i], &changes[count]))
            count++;
        else
            import_wordf(notes, "%s: ENVIRONMENT_MODIFICATION '%s' is not understood; left out",
                         test, modifications->words[i]);
    }
    for (size_t i = 0; i < count; i++) {
        bool void_later = strcmp(changes[i].operation, "reset") == 0;

        for (size_t k = i + 1; k < count && !void_later; k++)
            void_later = strcmp(changes[k].name, changes[i].name) == 0 &&
                         strcmp(changes[k].operation, "reset") == 0;
        if (!void_later)
            apply(&changes[i], test, ret, script, notes);
    }
    for (size_t i = 0; i < count; i++)
        free(changes[i].name);
    free(changes);
}
