/* What a test names outside its suite file: programs, folders, files, and the environment. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "harness/suite/schema.h"
#include "recorder/base/text.h"

extern char **environ;

static int find_in(const char *directory, const char *name, char **ret)
{
    char *path = suite_absolute(directory, name);
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

/* The absolute path of what `name` means as a program; malloced. */
static int find_program(const struct suite_file *file, const char *name, char **ret,
                        struct rr_error *error)
{
    char *path = suite_absolute(file->directory, name);
    char *found = NULL;
    int code;

    if (strchr(name, '/')) {
        code = record_find_program(path, NULL, NULL, &found, error);
    } else {
        code = find_in(file->directory, name, &found);
        for (char **at = file->search; code && at && *at; at++)
            code = find_in(*at, name, &found);
        if (code)
            code = record_find_program(name, NULL, getenv("PATH"), &found, error);
    }
    if (code == -ENOENT)
        rr_error_set(error, code,
                     "expected a program, found no %s; a path is relative to the suite "
                     "file, a bare name is looked for beside it%s and in PATH",
                     strchr(name, '/') ? path : name, file->search ? ", in 'search'" : "");
    free(path);
    if (code)
        return code;
    *ret = found;
    if (*found != '/') { /* PATH may hold relative folders; the program starts in another one */
        char *here = getcwd(NULL, 0);

        *ret = suite_absolute(here ? here : "", found);
        free(here);
        free(found);
    }
    return 0;
}

static int find_own_program(struct suite_test *test, struct rr_error *error)
{
    char *found;
    int code = find_program(test->file, test->command[0], &found, error);

    if (code)
        return rr_error_context(error, "%s:%zu:%zu: command", test->file->path,
                                test->command_at.line, test->command_at.column);
    free(test->program);
    test->program = found;
    return 0;
}

static int find_hooks(struct suite_test *test, struct rr_error *error)
{
    for (int i = 0; i < SUITE_HOOK_COUNT; i++) {
        for (size_t j = 0; j < test->hook_count[i]; j++) {
            struct suite_command *command = &test->hooks[i][j];
            char *found;
            int code = find_program(test->file, command->arguments[0], &found, error);

            if (code)
                return rr_error_context(error, "%s:%zu:%zu: %s", test->file->path, command->at.line,
                                        command->at.column, suite_hook_name((enum suite_hook)i));
            free(command->program);
            command->program = found;
        }
    }
    return 0;
}

static int find_directory(struct suite_test *test, struct rr_error *error)
{
    struct stat status;
    char resolved[PATH_MAX];
    char *path = suite_absolute(test->file->directory, test->directory ? test->directory : ".");
    int code = 0;

    if (!realpath(path, resolved) || stat(resolved, &status) < 0)
        code = -errno;
    else if (!S_ISDIR(status.st_mode))
        code = -ENOTDIR;
    if (code)
        rr_error_set(error, code,
                     "%s:%zu:%zu: cwd: expected a directory (relative to the suite file), %s: %s",
                     test->file->path, test->directory_at.line, test->directory_at.column, path,
                     strerror(-code));
    free(path);
    if (code == 0)
        suite_replace(&test->working_directory, resolved);
    return code;
}

static int find_stdin(struct suite_test *test, struct rr_error *error)
{
    char *path;

    if (!test->stdin_file)
        return 0;
    path = suite_absolute(test->file->directory, test->stdin_file);
    if (access(path, R_OK) < 0) {
        int code = rr_error_set(
            error, -errno,
            "%s:%zu:%zu: stdin: expected a readable file (relative to the suite file), %s: %s",
            test->file->path, test->stdin_at.line, test->stdin_at.column, path, strerror(errno));

        free(path);
        return code;
    }
    free(test->stdin_path);
    test->stdin_path = path;
    return 0;
}

static int find_copies(struct suite_test *test, struct rr_error *error)
{
    for (size_t i = 0; i < test->copy_count; i++) {
        struct suite_copy *copy = &test->copies[i];
        struct stat status;
        int code = 0;

        free(copy->source);
        copy->source = suite_absolute(test->file->directory, copy->path);
        if (stat(copy->source, &status) < 0 || access(copy->source, R_OK) < 0)
            code = -errno;
        else if (!S_ISDIR(status.st_mode) && (!S_ISREG(status.st_mode) || !*copy->target))
            code = -EINVAL;
        if (code)
            return rr_error_set(error, code,
                                "%s:%zu:%zu: files: expected a readable file or folder (relative "
                                "to the suite file), %s: %s",
                                test->file->path, copy->at.line, copy->at.column, copy->source,
                                code == -EINVAL ? "neither of them" : strerror(-code));
    }
    return 0;
}

/* Whether what the test needs to be run is there. */
static bool is_skipped(const struct suite_test *test)
{
    const struct suite_skip *skip = &test->skip;
    bool found = skip->unless_exists || skip->unless_program;
    struct rr_error ignored;
    char *path;

    if (!skip->reason)
        return false;
    if (skip->unless_exists) {
        path = suite_absolute(test->file->directory, skip->unless_exists);
        found = access(path, F_OK) == 0;
        free(path);
    }
    if (found && skip->unless_program) {
        found = find_program(test->file, skip->unless_program, &path, &ignored) == 0;
        if (found)
            free(path);
    }
    return !found;
}

/* Variables that differ from one shell to the next, or between the jobs of one CI run, would make
 * two identical runs differ: the environment's size moves the program's stack. Whole names end with
 * '='; others are the beginnings of names. SUITE.md lists them. */
static const char *const incidental[] = {
    "_= OLDPWD= PWD= SHLVL= COLUMNS= LINES= HOSTNAME= RRTEST_LOG= RRTEST_SHARD_",
    /* Bazel, "Test encyclopedia" */
    "TEST_SHARD_ TEST_TOTAL_SHARDS=",
    /* Kubernetes, "Indexed Job for Parallel Processing" */
    "JOB_COMPLETION_INDEX=",
    /* GitLab, "Predefined CI/CD variables" */
    "CI_NODE_ CI_JOB_ CI_PIPELINE_ CI_CONCURRENT_ CI_RUNNER_",
    /* GitHub, "Variables reference" */
    "GITHUB_RUN_ GITHUB_JOB= GITHUB_ACTION GITHUB_ENV= GITHUB_OUTPUT= GITHUB_PATH= GITHUB_STATE= "
    "GITHUB_STEP_SUMMARY= RUNNER_",
    /* Jenkins, "Using environment variables" */
    "BUILD_ID= BUILD_NUMBER= BUILD_TAG= BUILD_URL= BUILD_DISPLAY_NAME= EXECUTOR_NUMBER= NODE_NAME= "
    "STAGE_NAME= JENKINS_",
    /* Azure Pipelines, "Predefined variables" */
    "SYSTEM_JOB SYSTEM_TASK SYSTEM_TIMELINEID= SYSTEM_TOTALJOBSINPHASE= AGENT_JOB AGENT_ID= "
    "AGENT_NAME= AGENT_MACHINENAME= BUILD_BUILD",
    /* engines that mark all of theirs */
    "SLURM_ BUILDKITE_ CIRCLE_ TRAVIS_",
};

static bool begins_with_one(const char *entry, const char *names)
{
    while (*names) {
        size_t length = strcspn(names, " ");

        if (strncmp(entry, names, length) == 0)
            return true;
        names += length;
        names += strspn(names, " ");
    }
    return false;
}

static bool is_incidental(const char *entry)
{
    for (size_t i = 0; i < sizeof(incidental) / sizeof(*incidental); i++) {
        if (begins_with_one(entry, incidental[i]))
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
            full[used++] = text_copy(*at);
    }
    for (char **at = test->environment; at && *at; at++)
        full[used++] = text_copy(*at);
    if (!is_replaced(test->environment, "PWD=")) {
        full[used] = suite_calloc(size, 1);
        snprintf(full[used], size, "PWD=%s", test->working_directory);
    }
    suite_strings_free(test->full_environment);
    test->full_environment = full;
}

int suite_resolve(struct suite_test *test, struct rr_error *error)
{
    int code;

    test->skipped = is_skipped(test);
    if (test->skipped)
        return 0;
    code = find_own_program(test, error);
    if (code == 0)
        code = find_directory(test, error);
    if (code == 0)
        code = find_stdin(test, error);
    if (code == 0)
        code = find_hooks(test, error);
    if (code == 0)
        code = find_copies(test, error);
    if (code == 0)
        make_environment(test);
    return code;
}
