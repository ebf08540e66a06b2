/* A suite's memory, its file, and the programs it names. */
#include "harness/suite/suite.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "harness/suite/schema.h"
#include "recorder/base/bytes.h"
#include "recorder/base/file.h"

#define SUITE_BYTES_MAX (4 << 20)

extern char **environ;

char *suite_strdup(const char *text)
{
    char *copy = strdup(text);

    if (!copy)
        abort();
    return copy;
}

void *suite_calloc(size_t count, size_t size)
{
    void *memory = calloc(count ? count : 1, size);

    if (!memory)
        abort();
    return memory;
}

void suite_strings_free(char **strings)
{
    for (char **at = strings; at && *at; at++)
        free(*at);
    free(strings);
}

int suite_strategy_by_name(const char *name)
{
    int strategy;

    if (strcmp(name, "auto") == 0)
        return SUITE_STRATEGY_AUTO;
    strategy = sched_strategy_by_name(name);
    return strategy < 0 ? SUITE_STRATEGY_UNKNOWN : strategy;
}

const char *suite_strategy_name(int strategy)
{
    return strategy == SUITE_STRATEGY_AUTO ? "auto"
                                           : sched_strategy_name((enum sched_strategy)strategy);
}

const char *suite_strategy_list(void)
{
    return "auto, round-robin or random";
}

void suite_output_done(struct suite_output *output)
{
    if (output->pattern)
        regfree(&output->regex);
    free(output->contains);
    free(output->exact);
    free(output->pattern);
    memset(output, 0, sizeof(*output));
}

void suite_test_done(struct suite_test *test)
{
    for (int i = 0; i < SUITE_STREAM_COUNT; i++)
        suite_output_done(&test->expect.output[i]);
    suite_strings_free(test->command);
    suite_strings_free(test->environment);
    suite_strings_free(test->full_environment);
    free(test->name);
    free(test->directory);
    free(test->stdin_file);
    free(test->seeds);
    free(test->injections);
    free(test->program);
    free(test->working_directory);
    free(test->stdin_path);
}

void suite_free(struct suite *suite)
{
    if (!suite)
        return;
    for (size_t i = 0; i < suite->count; i++)
        suite_test_done(&suite->tests[i]);
    free(suite->tests);
    suite_strings_free(suite->search);
    free(suite->path);
    free(suite->directory);
    free(suite);
}

int suite_parse(const char *path, const char *directory, const void *data, size_t length,
                struct suite **ret, struct rr_error *error)
{
    struct node_reader reader;
    struct suite *suite;
    int code = node_reader_init(&reader, path, data, length, error);

    if (code)
        return code;
    suite = suite_calloc(1, sizeof(*suite));
    suite->path = suite_strdup(path);
    suite->directory = suite_strdup(directory);
    code = schema_read(&reader, suite);
    node_reader_done(&reader);
    if (code) {
        suite_free(suite);
        return code;
    }
    *ret = suite;
    return 0;
}

int suite_load(const char *path, struct suite **ret, struct rr_error *error)
{
    char resolved[PATH_MAX];
    struct bytes data;
    struct stat status;
    char *slash;
    int code;

    if (!realpath(path, resolved) || stat(resolved, &status) < 0)
        return rr_error_set(error, -errno, "%s: cannot read the suite: %s", path, strerror(errno));
    if (S_ISDIR(status.st_mode))
        return rr_error_set(error, -EISDIR, "%s: expected a suite file, got a directory", path);
    if (status.st_size > SUITE_BYTES_MAX)
        return rr_error_set(error, -EFBIG, "%s: a suite is at most %d bytes long", path,
                            SUITE_BYTES_MAX);
    bytes_init(&data);
    code = file_read_path(resolved, &data);
    if (code) {
        bytes_done(&data);
        return rr_error_set(error, code, "%s: cannot read the suite: %s", path, strerror(-code));
    }
    slash = strrchr(resolved, '/');
    slash[slash == resolved] = '\0';
    code =
        suite_parse(path, resolved, data.data ? data.data : (uint8_t *)"", data.length, ret, error);
    bytes_done(&data);
    return code;
}

/* --- resolution ----------------------------------------------------------------------------------
 */

static char *absolute(const char *directory, const char *path)
{
    size_t size = strlen(directory) + strlen(path) + 2;
    char *result = suite_calloc(size, 1);

    while (path[0] == '.' && path[1] == '/')
        path += 2;
    if (*path == '/')
        snprintf(result, size, "%s", path);
    else
        snprintf(result, size, "%s/%s", directory, path);
    return result;
}

static int find_in(const char *directory, const char *name, char **ret)
{
    char *path = absolute(directory, name);
    struct rr_error ignored;
    int code = access(path, F_OK) < 0 ? -ENOENT : 0;
    struct stat status;

    if (code == 0 && stat(path, &status) == 0 && !S_ISREG(status.st_mode))
        code = -ENOENT;
    if (code == 0)
        code = record_find_program(path, NULL, NULL, ret, &ignored);
    free(path);
    return code;
}

static int find_program(const struct suite *suite, struct suite_test *test, struct rr_error *error)
{
    const char *name = test->command[0];
    char *path = absolute(suite->directory, name);
    char *found = NULL;
    int code;

    if (strchr(name, '/')) {
        code = record_find_program(path, NULL, NULL, &found, error);
    } else {
        code = find_in(suite->directory, name, &found);
        for (char **at = suite->search; code && at && *at; at++)
            code = find_in(*at, name, &found);
        if (code)
            code = record_find_program(name, NULL, getenv("PATH"), &found, error);
    }
    if (code == -ENOENT)
        rr_error_set(error, code,
                     "expected a program, found no %s; a path is relative to the suite "
                     "file, a bare name is looked for beside it%s and in PATH",
                     strchr(name, '/') ? path : name, suite->search ? ", in 'search'" : "");
    free(path);
    if (code) {
        rr_error_context(error, "%s:%zu:%zu: command", suite->path, test->command_line,
                         test->command_column);
        return code;
    }
    free(test->program);
    test->program = found;
    if (*found != '/') { /* PATH may hold relative folders; the program starts in another one */
        char *here = getcwd(NULL, 0);

        test->program = absolute(here ? here : "", found);
        free(here);
        free(found);
    }
    return 0;
}

static int find_directory(const struct suite *suite, struct suite_test *test,
                          struct rr_error *error)
{
    struct stat status;
    char resolved[PATH_MAX];
    char *path = absolute(suite->directory, test->directory ? test->directory : ".");
    int code = 0;

    if (!realpath(path, resolved) || stat(resolved, &status) < 0)
        code = -errno;
    else if (!S_ISDIR(status.st_mode))
        code = -ENOTDIR;
    if (code)
        rr_error_set(error, code,
                     "%s:%zu:%zu: cwd: expected a directory (relative to the suite file), %s: %s",
                     suite->path, test->directory_line, test->directory_column, path,
                     strerror(-code));
    free(path);
    if (code)
        return code;
    free(test->working_directory);
    test->working_directory = suite_strdup(resolved);
    return 0;
}

static int find_stdin(const struct suite *suite, struct suite_test *test, struct rr_error *error)
{
    char *path;

    if (!test->stdin_file)
        return 0;
    path = absolute(suite->directory, test->stdin_file);
    if (access(path, R_OK) < 0) {
        int code = rr_error_set(
            error, -errno,
            "%s:%zu:%zu: stdin: expected a readable file (relative to the suite file), %s: %s",
            suite->path, test->stdin_line, test->stdin_column, path, strerror(errno));

        free(path);
        return code;
    }
    free(test->stdin_path);
    test->stdin_path = path;
    return 0;
}

/* Variables that differ from one shell to the next would make two identical runs differ: the
 * environment's size moves the program's stack. */
static bool is_incidental(const char *entry)
{
    static const char *const names[] = {
        "_=", "OLDPWD=", "SHLVL=", "COLUMNS=", "LINES=", "RRTEST_LOG=", "PWD="};

    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
        if (strncmp(entry, names[i], strlen(names[i])) == 0)
            return true;
    }
    return false;
}

static size_t name_length(const char *entry)
{
    const char *equals = strchr(entry, '=');

    return equals ? (size_t)(equals - entry) + 1 : strlen(entry);
}

static bool is_replaced(char *const *environment, const char *entry)
{
    for (char *const *at = environment; at && *at; at++) {
        if (strncmp(*at, entry, name_length(entry)) == 0)
            return true;
    }
    return false;
}

static void make_environment(struct suite_test *test)
{
    size_t count = 2;
    size_t used = 0;
    size_t size = strlen(test->working_directory) + 5;
    char **full;

    for (char **at = environ; *at; at++)
        count++;
    for (char **at = test->environment; at && *at; at++)
        count++;
    full = suite_calloc(count, sizeof(*full));
    for (char **at = environ; *at; at++) {
        if (!is_incidental(*at) && !is_replaced(test->environment, *at))
            full[used++] = suite_strdup(*at);
    }
    for (char **at = test->environment; at && *at; at++)
        full[used++] = suite_strdup(*at);
    if (!is_replaced(test->environment, "PWD=")) {
        full[used] = suite_calloc(size, 1);
        snprintf(full[used], size, "PWD=%s", test->working_directory);
    }
    suite_strings_free(test->full_environment);
    test->full_environment = full;
}

int suite_resolve(const struct suite *suite, struct suite_test *test, struct rr_error *error)
{
    int code = find_program(suite, test, error);

    if (code == 0)
        code = find_directory(suite, test, error);
    if (code == 0)
        code = find_stdin(suite, test, error);
    if (code == 0)
        make_environment(test);
    return code;
}
