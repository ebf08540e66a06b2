/* The model's memory, names and paths. */
#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/import/import.h"
#include "harness/suite/schema.h"
#include "harness/value/value.h"
#include "recorder/base/text.h"

#define NAME_BYTES_MAX 200
#define SUFFIX_BYTES 8 /* "~" and the number of an equal name */

void import_word(struct import_words *words, const char *word)
{
    char **grown = realloc(words->words, (words->count + 2) * sizeof(*grown));

    if (!grown)
        abort();
    words->words = grown;
    words->words[words->count++] = text_copy(word);
    words->words[words->count] = NULL;
}

void import_wordf(struct import_words *words, const char *format, ...)
{
    va_list args;
    char *word;

    va_start(args, format);
    word = text_make_list(format, args);
    va_end(args);
    import_word(words, word);
    free(word);
}

void import_label(struct import_words *labels, const char *text)
{
    char *label = text_copy(text);

    for (char *at = label; *at; at++)
        if ((unsigned char)*at <= ' ' || *at == 0x7f || *at == ',' || (at == label && *at == '!'))
            *at = '_';
    if (*label)
        import_word(labels, label);
    free(label);
}

void import_words_done(struct import_words *words)
{
    suite_strings_free(words->words);
    *words = (struct import_words){NULL, 0};
}

struct import_words *import_command(struct import_words **commands, size_t *count)
{
    struct import_words *grown = realloc(*commands, (*count + 1) * sizeof(*grown));

    if (!grown)
        abort();
    *commands = grown;
    grown[*count] = (struct import_words){NULL, 0};
    return &grown[(*count)++];
}

struct import_test *import_add(struct import_suite *suite, const char *name)
{
    /* Room for the next power of two. */
    if ((suite->count & (suite->count - 1)) == 0) {
        size_t room = suite->count ? 2 * suite->count : 1;
        struct import_test *grown = realloc(suite->tests, room * sizeof(*grown));

        if (!grown)
            abort();
        suite->tests = grown;
    }
    suite->tests[suite->count] = (struct import_test){.name = text_copy(name)};
    return &suite->tests[suite->count++];
}

static void commands_done(struct import_words *commands, size_t count)
{
    for (size_t i = 0; i < count; i++)
        import_words_done(&commands[i]);
    free(commands);
}

static void test_done(struct import_test *test)
{
    free(test->name);
    import_words_done(&test->command);
    import_words_done(&test->environment);
    import_words_done(&test->labels);
    free(test->directory);
    free(test->skip);
    commands_done(test->setup, test->setup_count);
    commands_done(test->teardown, test->teardown_count);
    for (int i = 0; i < IMPORT_EXPECT_COUNT; i++)
        free(test->expect[i]);
}

void import_suite_done(struct import_suite *suite)
{
    for (size_t i = 0; i < suite->count; i++)
        test_done(&suite->tests[i]);
    free(suite->tests);
    import_words_done(&suite->notes);
    suite->tests = NULL;
    suite->count = 0;
}

/* --- names ---------------------------------------------------------------------------------------
 */

/* No longer than `limit` bytes, and no character cut in two. */
static void cut(char *text, size_t limit)
{
    size_t length = strlen(text);

    if (length <= limit)
        return;
    while (limit > 0 && ((unsigned char)text[limit] & 0xc0) == 0x80)
        limit--;
    text[limit] = '\0';
}

static void make_valid(char **place)
{
    char *name = *place;

    if (!*name) {
        free(name);
        *place = text_copy("_");
        return;
    }
    for (char *at = name; *at; at++) {
        if ((unsigned char)*at < 0x20 || *at == 0x7f)
            *at = '_';
        else if (*at == '/')
            *at = '-';
    }
    if (*name == '.')
        *name = '_';
    cut(name, NAME_BYTES_MAX);
}

struct named {
    char **name;
    size_t index;
};

static int compare_named(const void *a, const void *b)
{
    const struct named *x = a;
    const struct named *y = b;
    int order = strcmp(*x->name, *y->name);

    return order ? order : (x->index > y->index) - (x->index < y->index);
}

static bool is_taken(const struct import_suite *suite, const char *name)
{
    for (size_t i = 0; i < suite->count; i++)
        if (strcmp(suite->tests[i].name, name) == 0)
            return true;
    return false;
}

static char *free_name(const struct import_suite *suite, const char *name)
{
    char stem[NAME_BYTES_MAX + 1];
    char *fresh = NULL;

    snprintf(stem, sizeof(stem), "%s", name);
    cut(stem, NAME_BYTES_MAX - SUFFIX_BYTES);
    for (unsigned n = 2;; n++) {
        fresh = text_make("%s~%u", stem, n);
        if (!is_taken(suite, fresh))
            return fresh;
        free(fresh);
    }
}

static void make_unique(struct import_suite *suite)
{
    struct named *sorted = suite_calloc(suite->count, sizeof(*sorted));
    bool *repeated = suite_calloc(suite->count, sizeof(*repeated));

    for (size_t i = 0; i < suite->count; i++)
        sorted[i] = (struct named){&suite->tests[i].name, i};
    qsort(sorted, suite->count, sizeof(*sorted), compare_named);
    for (size_t i = 1; i < suite->count; i++)
        repeated[i] = strcmp(*sorted[i].name, *sorted[i - 1].name) == 0;
    for (size_t i = 1; i < suite->count; i++) {
        char *fresh = repeated[i] ? free_name(suite, *sorted[i].name) : NULL;

        if (fresh) {
            free(*sorted[i].name);
            *sorted[i].name = fresh;
        }
    }
    free(repeated);
    free(sorted);
}

int import_finish(struct import_suite *suite, const char *filter, struct rr_error *error)
{
    size_t found = suite->count;
    size_t kept = 0;

    for (size_t i = 0; i < suite->count; i++)
        make_valid(&suite->tests[i].name);
    make_unique(suite);
    for (size_t i = 0; i < suite->count; i++) {
        if (filter && !value_glob(filter, suite->tests[i].name))
            test_done(&suite->tests[i]);
        else
            suite->tests[kept++] = suite->tests[i];
    }
    suite->count = kept;
    if (kept == 0 && found > 0)
        return rr_error_set(error, -ENOENT, "no test's name matches --filter '%s'", filter);
    if (kept == 0)
        return rr_error_set(error, -ENOENT, "there are no tests");
    if (kept > IMPORT_TESTS_MAX)
        return rr_error_set(error, -E2BIG,
                            "%zu tests; a suite has at most %d: choose some with --filter GLOB",
                            kept, IMPORT_TESTS_MAX);
    return 0;
}

/* --- paths ---------------------------------------------------------------------------------------
 */

const char *import_below(const char *path, const char *base)
{
    size_t length = strlen(base);

    if (strcmp(base, "/") == 0)
        return *path == '/' ? path + 1 : NULL;
    if (strncmp(path, base, length) != 0 || (path[length] != '\0' && path[length] != '/'))
        return NULL;
    return path[length] ? path + length + 1 : "";
}

char *import_program_path(const char *program, const char *directory)
{
    const char *slash = strrchr(program, '/');
    char folder[PATH_MAX];
    char resolved[PATH_MAX];
    const char *below;
    char *path;

    if (!slash)
        return text_copy(program);
    snprintf(folder, sizeof(folder), "%.*s", (int)(slash - program), program);
    if (!realpath(slash == program ? "/" : folder, resolved))
        return text_copy(program);
    path = text_make("%s/%s", strcmp(resolved, "/") ? resolved : "", slash + 1);
    below = directory ? import_below(path, directory) : NULL;
    if (below && *below) {
        char *relative;

        relative = text_make("./%s", below);
        free(path);
        return relative;
    }
    return path;
}
