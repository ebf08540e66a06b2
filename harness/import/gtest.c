/* GoogleTest: `--gtest_list_tests` and `--gtest_filter` (GoogleTest user's guide, "Running a subset
 * of the tests"). The list is
 *
 *     Suite.
 *       Case
 *       DISABLED_Case
 *     Typed/0.  # TypeParam = int
 *       Case
 *     Instance/Suite.
 *       Case/0  # GetParam() = 3
 *
 * and what the program's main() prints before it. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "harness/import/capture.h"
#include "harness/import/import.h"

#define NAME_MAX_BYTES 4096

/* Without the comment ("  # TypeParam = int") and spaces at the end. Names hold neither blank nor
 * #. */
static size_t trimmed(const char *line, size_t length)
{
    const char *comment = memmem(line, length, "  # ", 4);

    if (comment)
        length = (size_t)(comment - line);
    while (length > 0 && (line[length - 1] == ' ' || line[length - 1] == '\r'))
        length--;
    return length;
}

static bool is_disabled(const char *suite, const char *name)
{
    const char *slash = strrchr(suite, '/');

    return strncmp(name, "DISABLED_", 9) == 0 || strncmp(suite, "DISABLED_", 9) == 0 ||
           (slash && strncmp(slash + 1, "DISABLED_", 9) == 0);
}

static void add(struct import_suite *suite, const struct import_words *program,
                const char *directory, const char *group, const char *name)
{
    char full[2 * NAME_MAX_BYTES];
    struct import_test *test;

    snprintf(full, sizeof(full), "%s%s", group, name);
    test = import_add(suite, full);
    for (size_t i = 0; i < program->count; i++)
        import_word(&test->command, program->words[i]);
    import_wordf(&test->command, "--gtest_filter=%s", full);
    if (is_disabled(group, name)) {
        import_word(&test->command, "--gtest_also_run_disabled_tests");
        test->skip = strdup("DISABLED_ in the program");
        if (!test->skip)
            abort();
    }
    /* A filter that matches nothing any more exits with 0: the case must have run. */
    test->expect[IMPORT_STDOUT] = strdup("Running 1 test from 1 test");
    test->directory = strdup(directory);
    if (!test->expect[IMPORT_STDOUT] || !test->directory)
        abort();
}

int import_gtest_list(const char *list, size_t length, const struct import_words *program,
                      const char *directory, struct import_suite *suite, struct rr_error *error)
{
    char group[NAME_MAX_BYTES] = "";
    const char *end = list + length;

    for (const char *line = list; line < end;) {
        const char *stop = memchr(line, '\n', (size_t)(end - line));
        size_t whole = (size_t)((stop ? stop : end) - line);
        size_t n = trimmed(line, whole);
        bool is_case = n > 2 && line[0] == ' ' && line[1] == ' ' && line[2] != ' ';

        if (n >= NAME_MAX_BYTES)
            return rr_error_set(error, -EINVAL, "a test's name is longer than %d bytes",
                                NAME_MAX_BYTES);
        if (is_case && *group) {
            char name[NAME_MAX_BYTES];

            snprintf(name, sizeof(name), "%.*s", (int)(n - 2), line + 2);
            add(suite, program, directory, group, name);
        } else if (n > 1 && line[n - 1] == '.' && !memchr(line, ' ', n)) {
            snprintf(group, sizeof(group), "%.*s", (int)n, line);
        } else {
            group[0] = '\0';
        }
        line += whole + 1;
    }
    return 0;
}

int import_gtest(char *const *arguments, const struct import_options *options,
                 struct import_suite *suite, struct rr_error *error)
{
    struct import_words program = {NULL, 0};
    struct import_words question = {NULL, 0};
    struct capture capture;
    char *path = import_program_path(arguments[0], options->base);
    char *here = getcwd(NULL, 0);
    int code;

    if (!here)
        abort();
    import_word(&program, path);
    for (size_t i = 0; arguments[i]; i++)
        import_word(&question, arguments[i]);
    for (size_t i = 1; arguments[i]; i++)
        import_word(&program, arguments[i]);
    import_word(&question, "--gtest_list_tests");
    code = capture_run(question.words, NULL, options->timeout_ns, &capture, error);
    if (code == 0) {
        char last[256];

        capture_last_error(&capture, last, sizeof(last));
        if (capture.status)
            code = rr_error_set(error, -EIO, "%s --gtest_list_tests: exit %d%s%s", arguments[0],
                                WEXITSTATUS(capture.status), *last ? ": " : "", last);
        else
            code = import_gtest_list((const char *)capture.output.data, capture.output.length,
                                     &program, here, suite, error);
        capture_done(&capture);
    }
    if (code == 0 && suite->count == 0)
        code = rr_error_set(error, -ENOENT,
                            "%s --gtest_list_tests lists no tests: is it a GoogleTest program?",
                            arguments[0]);
    import_words_done(&program);
    import_words_done(&question);
    free(here);
    free(path);
    return code;
}
