/* A suite's memory and its files. */
#include "harness/suite/suite.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "harness/suite/schema.h"
#include "recorder/base/bytes.h"
#include "recorder/base/file.h"
#include "recorder/base/text.h"

#define SUITE_BYTES_MAX (4 << 20)
#define SUITE_FILES_MAX 200

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

void suite_replace(char **place, const char *text)
{
    free(*place);
    *place = text_copy(text);
}

char *suite_absolute(const char *directory, const char *path)
{
    while (path[0] == '.' && path[1] == '/')
        path += 2;
    return *path == '/' ? text_copy(path) : text_make("%s/%s", directory, path);
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

void suite_strategy_names(const char *ret[SUITE_STRATEGY_NAMES])
{
    size_t count = 0;

    ret[count++] = suite_strategy_name(SUITE_STRATEGY_AUTO);
    for (int i = 0; i < SCHED_STRATEGY_COUNT; i++)
        ret[count++] = suite_strategy_name(i);
    ret[count] = NULL;
}

const char *suite_hook_name(enum suite_hook hook)
{
    static const char *const names[SUITE_HOOK_COUNT] = {
        [SUITE_SETUP] = "setup",
        [SUITE_TEARDOWN] = "teardown",
        [SUITE_SETUP_EACH] = "setup_each",
        [SUITE_TEARDOWN_EACH] = "teardown_each",
    };

    return names[hook];
}

void suite_output_done(struct suite_output *output)
{
    if (output->pattern)
        regfree(&output->regex);
    if (output->pattern_not)
        regfree(&output->regex_not);
    suite_strings_free(output->contains);
    suite_strings_free(output->lacks);
    free(output->exact);
    free(output->pattern);
    free(output->pattern_not);
    memset(output, 0, sizeof(*output));
}

void suite_commands_free(struct suite_command *commands, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        suite_strings_free(commands[i].arguments);
        free(commands[i].program);
    }
    free(commands);
}

void suite_copies_free(struct suite_copy *copies, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        free(copies[i].path);
        free(copies[i].target);
        free(copies[i].source);
    }
    free(copies);
}

void suite_skip_done(struct suite_skip *skip)
{
    free(skip->reason);
    free(skip->unless_exists);
    free(skip->unless_program);
    *skip = (struct suite_skip){0};
}

void suite_quarantine_done(struct suite_quarantine *quarantine)
{
    free(quarantine->reason);
    free(quarantine->until);
    free(quarantine->signature);
    *quarantine = (struct suite_quarantine){0};
}

void suite_test_done(struct suite_test *test)
{
    for (int i = 0; i < SUITE_STREAM_COUNT; i++)
        suite_output_done(&test->expect.output[i]);
    for (int i = 0; i < SUITE_HOOK_COUNT; i++)
        suite_commands_free(test->hooks[i], test->hook_count[i]);
    suite_copies_free(test->copies, test->copy_count);
    suite_skip_done(&test->skip);
    suite_quarantine_done(&test->quarantine);
    suite_strings_free(test->labels);
    suite_strings_free(test->command);
    suite_strings_free(test->environment);
    suite_strings_free(test->full_environment);
    free(test->name);
    free(test->directory);
    free(test->stdin_file);
    free(test->stdin_text);
    free(test->seeds);
    free(test->injections);
    free(test->program);
    free(test->working_directory);
    free(test->stdin_path);
}

static void file_free(struct suite_file *file)
{
    suite_strings_free(file->search);
    free(file->path);
    free(file->directory);
    free(file->resolved);
    free(file);
}

void suite_free(struct suite *suite)
{
    if (!suite)
        return;
    for (size_t i = 0; i < suite->count; i++)
        suite_test_done(&suite->tests[i]);
    for (size_t i = 0; i < suite->file_count; i++)
        file_free(suite->files[i]);
    free(suite->tests);
    free(suite->files);
    free(suite->path);
    free(suite->name);
    free(suite);
}

/* --- files ------------------------------------------------------------------------------------ */

/* Read a file's text; `directory` holds it; `resolved`: where it really lies, NULL if nowhere. */
static int parse(struct schema_load *load, const char *path, const char *directory,
                 const char *resolved, const struct bytes *data, struct rr_error *error)
{
    struct suite *suite = load->suite;
    struct suite_file *file = suite_calloc(1, sizeof(*file));
    struct node_reader reader;
    int code;

    file->path = text_copy(path);
    file->directory = text_copy(directory);
    file->resolved = resolved ? text_copy(resolved) : NULL;
    suite->files = realloc(suite->files, (suite->file_count + 1) * sizeof(*suite->files));
    if (!suite->files)
        abort();
    suite->files[suite->file_count++] = file;
    code = node_reader_init(&reader, file->path, data->data ? data->data : (uint8_t *)"",
                            data->length, &load->bytes, error);
    if (code)
        return code;
    code = schema_read(&reader, load);
    node_reader_done(&reader);
    return code;
}

/* Read the file at `resolved`, which messages call `path`. */
static int parse_file(struct schema_load *load, const char *path, const char *resolved,
                      struct rr_error *error)
{
    struct stat status;
    struct bytes data;
    char *directory;
    int code;

    if (stat(resolved, &status) < 0)
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
    directory = text_copy(resolved);
    strrchr(directory, '/')[strrchr(directory, '/') == directory] = '\0';
    code = parse(load, path, directory, resolved, &data, error);
    free(directory);
    bytes_done(&data);
    return code;
}

/* What an include names, as a user would type it. */
static char *included_path(const struct suite_file *from, const char *path)
{
    const char *slash = strrchr(from->path, '/');

    if (*path == '/' || !slash)
        return text_copy(path);
    return text_make("%.*s/%s", (int)(slash - from->path), from->path, path);
}

/* A file that two others include is read once; one that includes itself never ends. */
static int check_identity(struct node_reader *r, const yaml_node_t *node,
                          const struct schema_load *load, const char *resolved, bool *ret_known)
{
    const struct suite *suite = load->suite;

    *ret_known = false;
    for (size_t i = 0; i < suite->file_count; i++) {
        const struct suite_file *file = suite->files[i];

        if (!file->resolved || strcmp(file->resolved, resolved) != 0)
            continue;
        for (size_t j = 0; j <= load->depth; j++) {
            if (load->reading[j] == i)
                return node_error(r, node, "include: expected no cycle, but %s includes itself%s",
                                  file->path, j == load->depth ? "" : " through other files");
        }
        *ret_known = true;
    }
    return 0;
}

/* A new file. */
static int read_included(struct node_reader *r, const yaml_node_t *node, struct schema_load *load,
                         const char *shown, const char *resolved)
{
    int code;

    if (load->depth + 1 == SCHEMA_INCLUDE_DEPTH || load->suite->file_count == SUITE_FILES_MAX)
        return node_error(r, node, "include: expected at most %d levels and %d files",
                          SCHEMA_INCLUDE_DEPTH, SUITE_FILES_MAX);
    load->reading[++load->depth] = load->suite->file_count;
    code = parse_file(load, shown, resolved, r->error);
    load->depth--;
    return code;
}

int schema_include(struct node_reader *r, const yaml_node_t *node, struct schema_load *load,
                   const struct suite_file *from, const char *path)
{
    char *absolute = suite_absolute(from->directory, path);
    char *shown = included_path(from, path);
    char resolved[PATH_MAX];
    struct stat status;
    bool known = false;
    int code = 0;

    if (!realpath(absolute, resolved) || stat(resolved, &status) < 0)
        code = node_error(r, node, "include: expected a suite file, %.500s: %s", shown,
                          strerror(errno));
    else if (!S_ISREG(status.st_mode))
        code = node_error(r, node, "include: expected a suite file, %.500s is none", shown);
    else
        code = check_identity(r, node, load, resolved, &known);
    if (code == 0 && !known)
        code = read_included(r, node, load, shown, resolved);
    free(absolute);
    free(shown);
    return code;
}

static struct suite *new_suite(const char *path)
{
    struct suite *suite = suite_calloc(1, sizeof(*suite));

    suite->path = text_copy(path);
    return suite;
}

int suite_parse(const char *path, const char *directory, const void *data, size_t length,
                struct suite **ret, struct rr_error *error)
{
    struct schema_load load = {.suite = new_suite(path)};
    struct bytes text;
    int code;

    bytes_init(&text);
    bytes_append(&text, data, length);
    code = parse(&load, path, directory, NULL, &text, error);
    bytes_done(&text);

    if (code)
        suite_free(load.suite);
    else
        *ret = load.suite;
    return code;
}

static int load_file(const char *path, struct schema_load *load, struct rr_error *error)
{
    char resolved[PATH_MAX];

    if (!realpath(path, resolved))
        return rr_error_set(error, -errno, "%s: cannot read the suite: %s", path, strerror(errno));
    return parse_file(load, path, resolved, error);
}

int suite_load(const char *path, struct suite **ret, struct rr_error *error)
{
    struct schema_load load = {.suite = new_suite(path)};
    int code = load_file(path, &load, error);

    if (code)
        suite_free(load.suite);
    else
        *ret = load.suite;
    return code;
}

void suite_load_all(const char *path, struct bytes *problems, struct suite **ret)
{
    struct schema_load load = {.suite = new_suite(path), .problems = problems};
    struct rr_error error;
    int code = load_file(path, &load, &error);

    *ret = load.suite;
    if (code) {
        schema_problem(&load, &error, code);
        suite_free(load.suite);
        *ret = NULL;
    }
}
